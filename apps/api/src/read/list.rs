use async_trait::async_trait;
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::paging::{Page, Paging};
use fairlead_domain::store::{StoreError, UnitOfWork};

use super::{Question, Reading};
use crate::fields::{Fields, Projected};
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryReader};
use crate::representation::Representation;

/// Selects the items of one list.
#[async_trait]
pub(crate) trait ListFilter: Send + Sync + 'static {
    const LIST: ListName;
    const NAMESPACE: Namespace;
    type Item: Send;
    /// What is shown of an item.
    type View: From<Self::Item> + Projected;

    /// All that the list depends on.
    fn tags(&self) -> Vec<Tag>;

    async fn page(&self, uow: &mut dyn UnitOfWork, paging: &Paging) -> Result<Page<Self::Item>, StoreError>;
}

/// A page of a list: which items, what of them, and which page.
#[derive(Debug)]
pub(crate) struct ListOf<F: ListFilter> {
    pub(crate) filter: F,
    pub(crate) fields: Fields<F::View>,
    pub(crate) paging: PagingQuery,
    /// The query in normal form.
    normal: String,
}

impl<F: ListFilter + FromQuery> FromQuery for ListOf<F> {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            filter: F::read(query),
            fields: Fields::read(query),
            paging: PagingQuery::read(query),
            normal: query.normal(),
        }
    }
}

#[async_trait]
impl<F: ListFilter> Question for ListOf<F> {
    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(F::NAMESPACE, self.normal.as_str()))
    }

    fn tags(&self) -> Vec<Tag> {
        self.filter.tags()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let wanted = self.paging.paging(&from.cursors, F::LIST)?;
        let page = self.filter.page(from.uow, &wanted).await?;
        let listing = Listing::new(page, &self.paging, &from.cursors, F::LIST);
        Ok(Representation::by_digest(
            &listing.map(|item| self.fields.of(F::View::from(item))),
        ))
    }
}
