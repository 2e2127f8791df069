//! Pages of lists: `cursor` and `limit`, or `page` and `limit`.

mod cursor;
mod events;

use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, Page, Paging, Start};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

pub use cursor::{CursorKey, Cursors, InvalidCursor};

use crate::problem::{Kind, Problem};
use crate::query::{FromQuery, QueryReader};

/// Which list in which order a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListName {
    /// The `operationId`.
    pub operation: &'static str,
    /// The field and the direction it is sorted by: `createdAt:desc`.
    pub order: &'static str,
}

/// The part of a query that says which page is wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `PagingQuery` reads")]
struct PagingParameters {
    /// Where the page starts: `nextCursor` of the page before. Not together with `page`.
    #[param(
        min_length = 56,
        max_length = 56,
        pattern = "^[A-Za-z0-9_-]{56}$",
        nullable = false
    )]
    cursor: Option<String>,
    /// How many items a page has at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The number of the page, counted from 0; also counts the whole list. Reaches the first 10,000 items
    /// (`page` × `limit`); beyond those only a cursor leads. Not together with `cursor`.
    #[param(minimum = 0, maximum = 10000, nullable = false)]
    page: Option<u32>,
}

/// Which page is wanted.
#[derive(Clone, Debug)]
pub struct PagingQuery {
    cursor: Option<String>,
    limit: u32,
    page: Option<u32>,
}

impl IntoParams for PagingQuery {
    fn into_params(
        parameter_in_provider: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        PagingParameters::into_params(parameter_in_provider)
    }
}

impl FromQuery for PagingQuery {
    fn read(query: &mut QueryReader) -> Self {
        let cursor = query.text("cursor", CursorKey::LENGTH);
        let limit = query.integer("limit", 1..=MAX_LIMIT);
        let page = query.integer("page", 0..=10_000);
        if cursor.is_some() && page.is_some() {
            query.fault(
                "page",
                "must not stand together with cursor: a cursor says already where the page starts",
            );
        }
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if page.is_some_and(|page| u64::from(page) * u64::from(limit) > MAX_OFFSET) {
            query.fault(
                "page",
                format!("reaches beyond item {MAX_OFFSET} of the list: follow nextCursor with the parameter cursor"),
            );
        }
        Self { cursor, limit, page }
    }
}

impl PagingQuery {
    /// Says it in the domain's words. `list` must be the one that [`Listing::new`] is given.
    pub fn paging(&self, cursors: &Cursors<'_>, list: ListName) -> Result<Paging, Problem> {
        let start = match (&self.cursor, self.page) {
            (None, Some(page)) => Start::Page(page),
            (None, None) => Start::After(None),
            (Some(cursor), _) => Start::After(Some(cursors.open(list, cursor)?)),
        };
        Ok(Paging {
            start,
            limit: self.limit,
        })
    }
}

impl From<InvalidCursor> for Problem {
    fn from(_: InvalidCursor) -> Self {
        Self::client(
            Kind::InvalidCursor,
            "the cursor is not one of this list, order and tenant",
        )
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; `null` on the last one.
    #[schema(required = true, example = json!(null))]
    pub next_cursor: Option<String>,
    pub has_more: bool,
    /// The number of this page; only where `page` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub page: Option<u32>,
    /// How many items a page has at the most; only where `page` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// How many items the whole list has; only where `page` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub total: Option<u64>,
}

impl<T> Listing<T> {
    /// Makes the answer to `query` from the page that was read for it.
    pub fn new(page: Page<T>, query: &PagingQuery, cursors: &Cursors<'_>, list: ListName) -> Self {
        Self {
            has_more: page.next.is_some(),
            next_cursor: page.next.map(|position| cursors.seal(list, position)),
            items: page.items,
            page: query.page,
            limit: query.page.map(|_| query.limit),
            total: page.total,
        }
    }

    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Listing<U> {
        Listing {
            items: self.items.into_iter().map(view).collect(),
            next_cursor: self.next_cursor,
            has_more: self.has_more,
            page: self.page,
            limit: self.limit,
            total: self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<PagingQuery, Problem> {
        QueryReader::parse::<PagingQuery>(query)
    }

    #[test]
    fn the_specification_says_what_is_enforced() {
        let parameters = serde_json::to_value(PagingQuery::into_params(|| None)).unwrap();
        let schema = |name: &str| {
            let parameters = parameters.as_array().unwrap().iter();
            parameters
                .clone()
                .find(|parameter| parameter["name"] == name)
                .unwrap()["schema"]
                .clone()
        };

        assert_eq!(schema("limit")["maximum"], MAX_LIMIT);
        assert_eq!(schema("limit")["default"], DEFAULT_LIMIT);
        assert_eq!(schema("page")["maximum"], MAX_OFFSET);
        assert_eq!(schema("cursor")["maxLength"], CursorKey::LENGTH);
    }

    #[test]
    fn without_a_word_the_first_page_of_fifty_is_meant() {
        let query = read("").unwrap();

        assert_eq!((query.cursor, query.limit, query.page), (None, 50, None));
    }

    #[test]
    fn a_page_too_deep_is_refused_and_the_cursor_named() {
        assert!(read("page=200&limit=50").is_ok());

        let problem = read("page=201&limit=50").unwrap_err();

        assert_eq!(problem.kind(), Kind::InvalidInput);
        assert!(problem.to_string().contains("nextCursor"), "{problem}");
    }

    #[test]
    fn a_page_has_either_a_number_or_a_cursor() {
        let cursor = "A".repeat(56);

        assert!(read(&format!("cursor={cursor}")).is_ok());
        assert!(read(&format!("cursor={cursor}&page=0")).is_err());
    }

    #[test]
    fn limits_have_limits() {
        assert!(read("limit=1").is_ok() && read("limit=200").is_ok());
        for refused in [
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=ten",
            "limit=",
            "page=-1",
            "limit=1&limit=1",
        ] {
            assert_eq!(read(refused).unwrap_err().kind(), Kind::InvalidInput, "{refused}");
        }
    }
}
