use actix_web::HttpResponse;
use fairlead_domain::access::Caller;
use fairlead_domain::ai::{Degraded, Recording};
use fairlead_domain::store::{StoreError, UnitOfWork};
use fairlead_domain::voice::{
    self, CommandType, Heard, Resolved, Transcript, VoiceAction, VoiceCommand, VoiceError, VoiceStatus,
};

use super::action::ActionView;
use super::confirmation::LIFETIME;
use super::view::{AnswerView, ChoiceView, ConfirmationView, reasons};
use crate::Services;
use crate::idempotency::{IdempotencyKey, WriteAnswer, replay};
use crate::problem::Problem;

/// Somebody who says that something is to be done.
pub(super) struct Speaker<'a> {
    pub(super) services: &'a Services,
    pub(super) caller: &'a Caller,
    pub(super) key: &'a IdempotencyKey,
    pub(super) request_hash: &'a [u8],
}

/// What has been asked of a provider, and is to be written down.
enum Asked<'a> {
    Transcript(&'a Transcript),
    Heard(&'a Heard),
}

/// What was understood of what was said.
struct Understood {
    said: String,
    command: Option<VoiceCommand>,
    degraded: Option<Degraded>,
}

impl Speaker<'_> {
    pub(super) async fn say(&self, words: String) -> Result<HttpResponse, Problem> {
        let mut uow = self.services.store.begin(self.caller.scope()).await?;
        if let Some(kept) = self.kept(&mut *uow).await? {
            return Ok(kept.respond());
        }
        self.understand(uow, words).await
    }

    pub(super) async fn play(&self, recording: Recording) -> Result<HttpResponse, Problem> {
        let mut uow = self.services.store.begin(self.caller.scope()).await?;
        if let Some(kept) = self.kept(&mut *uow).await? {
            return Ok(kept.respond());
        }
        let listening = voice::begin_listening(&mut *uow, &self.services.asker, recording).await?;
        uow.commit().await?;

        let transcript = listening.ask().await;

        let problem = match transcript.read() {
            Ok(words) if !words.is_empty() => {
                let mut uow = self.services.store.begin(self.caller.scope()).await?;
                transcript.settle(&mut *uow).await?;
                return self.understand(uow, words).await;
            }
            Ok(_) => VoiceError::NotUnderstood.into(),
            Err(why) => why.into(),
        };
        self.fail(Asked::Transcript(&transcript), None, false).await;
        Err(problem)
    }

    /// Has a model, or rules, understand what was said, and does it.
    async fn understand(&self, mut uow: Box<dyn UnitOfWork>, said: String) -> Result<HttpResponse, Problem> {
        let hearing = voice::begin_hearing(&mut *uow, &self.services.asker, said.clone()).await?;
        uow.commit().await?;

        let heard = hearing.ask().await;

        let (command, degraded) = heard.command();
        let kind = command.as_ref().map(VoiceCommand::kind);
        let understood = Understood {
            said,
            command,
            degraded,
        };
        match self.do_it(&heard, understood).await {
            Ok(answer) => Ok(answer.respond()),
            Err(problem) => {
                self.fail(Asked::Heard(&heard), kind, degraded.is_some()).await;
                Err(problem)
            }
        }
    }

    async fn do_it(&self, heard: &Heard, understood: Understood) -> Result<WriteAnswer, Problem> {
        let Understood {
            said,
            command,
            degraded,
        } = understood;
        let actor = self.caller.actor();
        let mut uow = self.services.store.begin(self.caller.scope()).await?;
        heard.settle(&mut *uow).await?;
        if let Some(kept) = self.key.claim(&mut *uow, actor, self.request_hash).await? {
            uow.commit().await?;
            return Ok(kept);
        }
        let command = command.ok_or(VoiceError::NotUnderstood)?;
        let kind = command.kind();
        let mut view = AnswerView::new(Some(said), kind, degraded);
        let status = match voice::resolve(&mut *uow, self.caller, command).await? {
            Resolved::Clear(action) => {
                view.action = Some(ActionView::from(&action));
                let outcome = voice::execute(&mut *uow, self.caller, action).await;
                view.result = Some(outcome.map_err(VoiceError::of_now)?.into());
                VoiceStatus::Success
            }
            Resolved::Doubtful { why, choices } => {
                let confirmation = self.ask_about(&*uow, reasons(&why), &choices);
                if let [only] = confirmation.choices.as_slice() {
                    view.action = Some(only.action.clone());
                }
                view.confirmation = Some(confirmation);
                VoiceStatus::Unconfirmed
            }
        };
        voice::record(&mut *uow, actor, Some(kind), status, degraded.is_some());
        let answer = WriteAnswer::done(&view);
        self.key.keep(&mut *uow, actor, &answer).await?;
        uow.commit().await?;
        self.note(Some(kind), status);
        Ok(answer)
    }

    fn ask_about(
        &self,
        uow: &dyn UnitOfWork,
        reasons: Vec<&'static str>,
        choices: &[VoiceAction],
    ) -> ConfirmationView {
        let question = uow.next_id();
        let expires_at = uow.now() + LIFETIME;
        let choices = choices.iter().map(|choice| {
            let action = ActionView::from(choice);
            let key = &self.services.confirmations;
            let token = key.seal(self.caller, question, expires_at, &action);
            ChoiceView { action, token }
        });
        ConfirmationView {
            reasons,
            choices: choices.collect(),
            expires_at,
        }
    }

    async fn kept(&self, uow: &mut dyn UnitOfWork) -> Result<Option<WriteAnswer>, Problem> {
        let kept = self.key.find(uow, self.caller.actor()).await?;
        kept.map(|kept| replay(kept, self.request_hash)).transpose()
    }

    /// Writes down that nothing came of it, and what it has taken all the same.
    async fn fail(&self, asked: Asked<'_>, kind: Option<CommandType>, degraded: bool) {
        self.note(kind, VoiceStatus::Error);
        let written = async {
            let mut uow = self.services.store.begin(self.caller.scope()).await?;
            match asked {
                Asked::Transcript(transcript) => transcript.settle(&mut *uow).await?,
                Asked::Heard(heard) => heard.settle(&mut *uow).await?,
            }
            let actor = self.caller.actor();
            voice::record(&mut *uow, actor, kind, VoiceStatus::Error, degraded);
            uow.commit().await
        };
        let written: Result<_, StoreError> = written.await;
        if let Err(error) = written {
            // What was reserved counts, and the caller is told what is wrong with the command.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "that a voice command failed could not be written down"
            );
        }
    }

    fn note(&self, kind: Option<CommandType>, status: VoiceStatus) {
        let tenant = self.caller.scope().tenant();
        self.services.voice.note(tenant, kind, status);
    }
}
