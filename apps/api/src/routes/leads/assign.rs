use actix_web::{HttpResponse, post, web};
use fairlead_domain::Id;
use fairlead_domain::access::AssignLeads;
use fairlead_domain::leads::{self, AssignError, AssignLead, Assignee, Lead};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::LeadView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{EntityTag, IfMatch};
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Who is to take a lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Assignment)]
struct AssignmentBody {
    /// The agent; `null` takes the lead away from whoever has it. Without this field the best agent with room is taken:
    /// of the state that the lead's custom field `state` names or specialised in its insurance type, then with the
    /// highest rating, then with the fewest open leads.
    #[serde(default, deserialize_with = "crate::patch::given")]
    #[schema(value_type = Option<Uuid>, required = false)]
    agent_id: fairlead_domain::field::Change<Option<Uuid>>,
}

/// Assign a lead to an agent.
///
/// However many requests assign at once, no agent holds more open leads than its profile allows.
#[utoipa::path(
    tag = "leads",
    operation_id = "assignLead",
    params(("id" = uuid::Uuid, Path, description = "The lead's id."), IfMatch, IdempotencyKey),
    request_body(content = AssignmentBody, examples(
        ("automatic" = (summary = "The best agent with room", value = json!({}))),
        ("named" = (summary = "A named agent", value = json!({"agentId": "01934f6e-7b1a-7cc3-98a4-0242ac120003"}))),
    )),
    responses(
        (status = 200, description = "The lead as it is now.", body = LeadView),
        Problems<AssignError>,
    ),
    extensions(("x-permit" = json!("AssignLeads"))),
)]
#[post("/leads/{id}/assign")]
pub(super) async fn assign(
    services: web::Data<Services>,
    permit: Permitted<AssignLeads>,
    id: PathId<Lead>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: JsonBody<AssignmentBody>,
) -> Result<HttpResponse, Problem> {
    use fairlead_domain::field::Change;
    let assignee = match body.value.agent_id {
        Change::Keep => Assignee::Automatic,
        Change::Set(Some(agent)) => Assignee::Agent(Id::from_uuid(agent)),
        Change::Set(None) => Assignee::Nobody,
    };

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let cmd = AssignLead {
        lead: id.0,
        assignee,
        expected: expected.0,
    };
    let lead = leads::assign(&mut *uow, &permit, cmd).await?;

    let tag = EntityTag::of(lead.revision());
    uow.answer(WriteAnswer::changed(&tag, &LeadView::from(lead)))
        .await
}
