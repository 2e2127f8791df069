use actix_web::HttpResponse;
use fairlead_domain::access::Caller;
use fairlead_domain::store::StoreError;
use fairlead_domain::voice::{self, CommandType, VoiceStatus};
use sha2::{Digest as _, Sha256};

use super::action::ActionView;
use super::confirmation::Confirmed;
use super::view::AnswerView;
use crate::Services;
use crate::idempotency::{IdempotencyKey, WriteAnswer};
use crate::problem::{Kind, Problem};

/// Does what the caller was asked about, once: the question is the idempotency key.
pub(super) async fn confirm(
    services: &Services,
    caller: &Caller,
    token: &str,
) -> Result<HttpResponse, Problem> {
    let confirmed = services.confirmations.open(caller, token).ok_or_else(not_ours)?;
    let kind = confirmed.action.kind();
    let done = do_it(services, caller, token, confirmed).await;
    let status = if done.is_ok() {
        VoiceStatus::Success
    } else {
        VoiceStatus::Error
    };
    if done.as_ref().map_or(true, |answer| !answer.is_replayed()) {
        services.voice.note(caller.scope().tenant(), Some(kind), status);
    }
    if done.is_err() {
        let written = write_failure(services, caller, kind).await;
        written.unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "that a voice command failed could not be written down"
            );
        });
    }
    Ok(done?.respond())
}

async fn write_failure(services: &Services, caller: &Caller, kind: CommandType) -> Result<(), StoreError> {
    let mut uow = services.store.begin(caller.scope()).await?;
    voice::record(&mut *uow, caller.actor(), Some(kind), VoiceStatus::Error, false);
    uow.commit().await.map(drop)
}

async fn do_it(
    services: &Services,
    caller: &Caller,
    token: &str,
    confirmed: Confirmed,
) -> Result<WriteAnswer, Problem> {
    let actor = caller.actor();
    let key = IdempotencyKey::of_question(confirmed.question);
    let mut uow = services.store.begin(caller.scope()).await?;
    if let Some(kept) = key.claim(&mut *uow, actor, &Sha256::digest(token)).await? {
        return Ok(kept);
    }
    if confirmed.expires_at <= uow.now() {
        return Err(Problem::client(
            Kind::InvalidConfirmation,
            "the time to confirm it is over: say the command once more",
        ));
    }
    let kind = confirmed.action.kind();
    let mut view = AnswerView::new(None, kind, None);
    view.action = Some(ActionView::from(&confirmed.action));
    let outcome = voice::execute(&mut *uow, caller, confirmed.action).await?;
    view.result = Some(outcome.into());
    voice::record(&mut *uow, actor, Some(kind), VoiceStatus::Success, false);
    let answer = WriteAnswer::done(&view);
    key.keep(&mut *uow, actor, &answer).await?;
    uow.commit().await?;
    Ok(answer)
}

fn not_ours() -> Problem {
    Problem::client(
        Kind::InvalidConfirmation,
        "no command of this caller was asked about by this token",
    )
}
