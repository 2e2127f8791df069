use actix_web::{HttpResponse, post, web};
use fairlead_domain::Id;
use fairlead_domain::access::{Permit, ScoreLeads};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::leads::export;
use fairlead_domain::leads::scoring::{self, BeginScoringError, MAX_LEADS};
use fairlead_domain::leads::{LeadFilter, LeadId};
use fairlead_domain::store::UnitOfWork;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::query::LeadFilterQuery;
use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::routes::operations::{self, OperationView};
use crate::spec::Problems;

/// Which leads are to be scored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LeadScoring)]
struct ScoringBody {
    /// These, in this order; those that the filters of the query choose, the newest first, unless given.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<Uuid>, required = false, min_items = 1, max_items = 5_000)]
    ids: Option<Vec<Uuid>>,
}

fn given<'de, D: serde::Deserializer<'de>>(ids: D) -> Result<Option<Vec<Uuid>>, D::Error> {
    Vec::deserialize(ids).map(Some)
}

/// Have many leads scored in the background.
///
/// The answer is an operation that can be watched and cancelled, and that goes on when a process ends: behind the last lead
/// that has its score. Which leads are meant is found out when it begins. Each is scored as by `POST /leads/{id}/score`, one
/// after the other. While the provider of models does not answer it waits; where the tenant's budget of the month is spent it
/// has failed, and says so; a lead of which the model says nothing that can be read, or that is changed meanwhile, keeps its
/// score and stands in `errors`. Without a model rules score them.
#[utoipa::path(
    tag = "leads",
    operation_id = "beginLeadScoring",
    params(LeadFilterQuery, IdempotencyKey),
    request_body(content = ScoringBody, examples(
        ("filter" = (summary = "Those that the query chooses", value = json!({}))),
        ("ids" = (summary = "These", value = json!({"ids": ["01934f6e-7b1a-7cc3-98a4-0242ac120002"]}))),
    )),
    responses(
        (status = 202, description = "The leads will be scored by this operation.", body = OperationView,
            headers(("Location" = String, description = "The operation."))),
        Problems<BeginScoringError>,
    ),
    extensions(("x-permit" = json!("ScoreLeads"))),
)]
#[post("/leads/score")]
pub(super) async fn begin(
    services: web::Data<Services>,
    permit: Permitted<ScoreLeads>,
    key: IdempotencyKey,
    query: QueryOf<LeadFilterQuery>,
    body: JsonBody<ScoringBody>,
) -> Result<HttpResponse, Problem> {
    let filter = query.0.0;
    let ids = check(body.value, &filter)?;
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let leads = match ids {
        Some(ids) => ids,
        None => find(&mut *uow, &permit, &filter).await?,
    };
    let operation = scoring::begin(&mut *uow, &permit, leads).await?;
    let view = OperationView::from(&operation);
    uow.answer(WriteAnswer::accepted(operations::COLLECTION, &view))
        .await
}

fn check(body: ScoringBody, filter: &LeadFilter) -> Result<Option<Vec<LeadId>>, Invalid> {
    let Some(ids) = body.ids else { return Ok(None) };
    if *filter != LeadFilter::default() {
        return Err(Invalid::field("ids", "go without filters of the query"));
    }
    if !(1..=MAX_LEADS).contains(&ids.len()) {
        return Err(Invalid::field("ids", format!("must be 1 to {MAX_LEADS}")));
    }
    Ok(Some(ids.into_iter().map(Id::from_uuid).collect()))
}

/// The leads that a filter chooses, one more than may be at the most.
async fn find(
    uow: &mut dyn UnitOfWork,
    _: &Permit<ScoreLeads>,
    filter: &LeadFilter,
) -> Result<Vec<LeadId>, Problem> {
    let mut leads = Vec::new();
    let mut after = None;
    loop {
        let page = uow
            .leads()
            .list(&export::query(filter, after, export::MAX_PART_LEADS))
            .await?;
        leads.extend(page.items.iter().map(|lead| lead.id));
        after = page.next;
        if after.is_none() || leads.len() > MAX_LEADS {
            return Ok(leads);
        }
    }
}
