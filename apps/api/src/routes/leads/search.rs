use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewLeads;
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::leads::SearchText;
use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::view::LeadView;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

/// What [`SearchQuery`] reads, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct SearchParameters {
    /// Words of the name and company. All must occur; the last one may be unfinished. Case and accents do not matter.
    #[param(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f]*[A-Za-z0-9][^\\u0000-\\u001f]*$",
        example = "ann ferr"
    )]
    q: String,
    /// How many leads to answer with at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct SearchQuery {
    text: Option<SearchText>,
    limit: u32,
    /// In normal form.
    normal: String,
}

impl FromQuery for SearchQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            text: query.required("q", SearchText::parse),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
            normal: query.normal(),
        }
    }
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeadSearchResult)]
struct SearchResultView {
    /// The best matches first.
    items: Vec<LeadView>,
}

#[async_trait]
impl Question for SearchQuery {
    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(Namespace::LeadSearch, self.normal.as_str()))
    }

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::Leads]
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let found = match &self.text {
            Some(text) => from.uow.leads().search(text, self.limit).await?,
            None => Vec::new(),
        };
        let items = found
            .into_iter()
            .map(|(lead, _rank)| LeadView::from(lead))
            .collect();
        Ok(Representation::by_digest(&SearchResultView { items }))
    }
}

/// Search leads by name and company.
///
/// Of words that more than 1,000 leads share, 1,000 of the leads are ranked; another word narrows them down.
#[utoipa::path(
    tag = "leads",
    operation_id = "searchLeads",
    params(SearchParameters, IfNoneMatch),
    responses((status = 200, description = "The best matches.", body = SearchResultView)),
    extensions(("x-permit" = json!("ViewLeads"))),
)]
#[get("/leads/search")]
pub(super) async fn search(
    read: Read<ViewLeads>,
    query: QueryOf<SearchQuery>,
) -> Result<HttpResponse, Problem> {
    read.answer(query.0).await
}
