use actix_web::{HttpResponse, get, web};
use fairlead_domain::Id;
use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT};
use fairlead_domain::performance::acts::{ActId, WhichActs};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::ActView;
use super::view::ActKind;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};

/// What a [`ListQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ListParameters {
    /// Those that are over, or those that are not.
    #[param(nullable = false)]
    is_over: Option<bool>,
    #[param(nullable = false, inline)]
    kind: Option<ActKind>,
    /// How many are answered at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<Uuid>,
}

#[derive(Debug)]
struct ListQuery {
    which: WhichActs,
    before: Option<ActId>,
    limit: u32,
}

impl FromQuery for ListQuery {
    fn read(query: &mut QueryReader) -> Self {
        let kinds = ["vacuum", "build-index", "archive-events", "release-memory"];
        let known = |text: &str| kinds.contains(&text).then(|| text.to_owned());
        Self {
            which: WhichActs {
                is_over: query.boolean("isOver"),
                kind: query.choice("kind", known, kinds),
            },
            before: query.uuid("cursor").map(Id::from_uuid),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// Acts, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Acts)]
struct ActsView {
    items: Vec<ActView>,
    /// Where the next page begins; `null` on the last one.
    #[schema(required = true)]
    next_cursor: Option<Uuid>,
    has_more: bool,
}

/// List what was done to have the database fast: the ledger.
///
/// Of all processes. Acts that are over are kept for 400 days.
#[utoipa::path(
    tag = "platform",
    operation_id = "listActs",
    params(ListParameters),
    responses((status = 200, description = "The newest first.", body = ActsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/acts")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let ListQuery { which, before, limit } = query.0;
    let mut uow = super::begin(&services).await?;
    let mut found = uow.acts().list(&which, before, limit + 1).await?;
    uow.commit().await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().map(|act| act.id.as_uuid());
    Ok(HttpResponse::Ok().json(ActsView {
        items: found.into_iter().map(ActView::from).collect(),
        next_cursor: last.filter(|_| has_more),
        has_more,
    }))
}
