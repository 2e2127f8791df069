use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ViewLeads;

use super::body::{Told, VoiceBody, VoiceBodyShape};
use super::confirm;
use super::speak::Speaker;
use super::view::AnswerView;
use crate::Services;
use crate::authentication::{Authenticated, Permitted};
use crate::idempotency::IdempotencyKey;
use crate::json::BulkJsonBody;
use crate::problem::Problem;
use crate::spec::Problems;

/// Say what is to be done.
///
/// A language model says which one command it is, and rules do where there is no model, where it does not answer, and where the
/// tenant has used up its budget of the month: those understand English of a fixed form. It is done under the caller's own
/// permits, as by the operation for it. What closes a lead, takes it from an agent, or might mean several is not done but asked
/// about: send the `token` of what is meant as `confirmation` within five minutes, and it is done once, however often it is
/// sent. A recording is written down by the provider; without one there must be a transcript.
#[utoipa::path(
    tag = "voice",
    operation_id = "sayCommand",
    params(IdempotencyKey),
    request_body(content = VoiceBodyShape, examples(
        ("transcript" = (summary = "What was said", value = json!({"transcript": "Mark Ann Ferris as qualified"}))),
        ("audio" = (summary = "A recording", value = json!({"audio": {"mediaType": "audio/ogg", "data": "T2dnUw=="}}))),
        ("confirmation" = (summary = "Yes", value = json!({"confirmation": "eyJxdWVz…"}))),
    )),
    responses(
        (status = 200, description = "What was understood, and what has come of it.", body = AnswerView, examples(
            ("done" = (summary = "Done", value = json!({
                "transcript": "How many leads do we have?", "intent": "statistics", "action": {"type": "statistics"},
                "result": {"type": "statistics", "statistics": {
                    "total": 3, "byStatus": {"NEW": {"count": 2, "avgAgeDays": 3}, "CLOSED": {"count": 1, "avgAgeDays": 41}},
                }},
                "confirmation": null, "degraded": false, "degradedBecause": null,
            }))),
            ("asked" = (summary = "To be said once more", value = json!({
                "transcript": "Close Ann Ferris as lost", "intent": "change-status",
                "action": {
                    "type": "change-status", "status": "CLOSED", "closeReason": "LOST",
                    "lead": {"id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "name": "Ann Ferris", "version": 3},
                },
                "result": null,
                "confirmation": {
                    "reasons": ["closes-lead"], "expiresAt": "2026-11-22T10:05:00Z",
                    "choices": [{
                        "action": {
                            "type": "change-status", "status": "CLOSED", "closeReason": "LOST",
                            "lead": {"id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "name": "Ann Ferris", "version": 3},
                        },
                        "token": "eyJxdWVz…",
                    }],
                },
                "degraded": true, "degradedBecause": "not-configured",
            }))),
        )),
        Problems<fairlead_domain::voice::VoiceError>,
    ),
    extensions(("x-permit" = json!("ViewLeads"))),
)]
#[post("/voice/commands")]
pub(super) async fn command(
    services: web::Data<Services>,
    _permit: Permitted<ViewLeads>,
    caller: Authenticated,
    key: IdempotencyKey,
    body: BulkJsonBody<VoiceBody>,
) -> Result<HttpResponse, Problem> {
    let told = body.value.parse()?;
    let speaker = Speaker {
        services: &services,
        caller: &caller.0,
        key: &key,
        request_hash: &body.request_hash,
    };
    match told {
        Told::Words(words) => speaker.say(words).await,
        Told::Recording(recording) => speaker.play(recording).await,
        Told::Confirmation(token) => confirm::confirm(&services, &caller.0, &token).await,
    }
}
