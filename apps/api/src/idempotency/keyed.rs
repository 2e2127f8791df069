use std::fmt;
use std::ops::{Deref, DerefMut};

use actix_web::HttpResponse;
use fairlead_domain::access::{Actor, TenantScope};
use fairlead_domain::idempotency::{Answer, AnswerSeal, KeptAnswer, KeyBearer};
use fairlead_domain::store::UnitOfWork;

use super::{IdempotencyKey, WriteAnswer, check_size, replay};
use crate::problem::{Kind, Problem};
use crate::state::Services;

/// A unit of work that is done once under the key of its request, where the request has one.
pub(crate) struct KeyedWork<'r> {
    uow: Box<dyn UnitOfWork>,
    key: &'r IdempotencyKey,
    actor: Actor,
    seal: &'r dyn AnswerSeal,
}

/// What a request with a key comes to.
#[derive(Debug)]
pub(crate) enum Begun<'r> {
    /// It is to be done now.
    Now(KeyedWork<'r>),
    /// It was done before, and answered by this.
    Before(WriteAnswer),
}

impl IdempotencyKey {
    /// Opens a unit of work and claims the key for it, or returns what the first request with the key was answered.
    ///
    /// `request_hash` tells requests apart: see [`JsonBody`](crate::json::JsonBody) and [`Self::without_body`].
    pub(crate) async fn begin<'r>(
        &'r self,
        services: &'r Services,
        scope: &TenantScope,
        actor: Actor,
        request_hash: &[u8],
    ) -> Result<Begun<'r>, Problem> {
        let seal = &*services.answers;
        let mut uow = services.store.begin(scope).await?;
        match self.ask(&mut *uow, actor, request_hash).await? {
            Some(kept) => {
                let kept = self.opened(kept, seal, scope, actor)?;
                Ok(Begun::Before(replay(kept, request_hash)?))
            }
            None => Ok(Begun::Now(KeyedWork {
                uow,
                key: self,
                actor,
                seal,
            })),
        }
    }

    fn opened(
        &self,
        kept: KeptAnswer,
        seal: &dyn AnswerSeal,
        scope: &TenantScope,
        actor: Actor,
    ) -> Result<KeptAnswer, Problem> {
        let Some(given) = self.0.as_ref().filter(|_| kept.answer.is_sealed) else {
            return Ok(kept);
        };
        let bearer = KeyBearer {
            tenant: scope.tenant(),
            actor,
            key: &given.key,
        };
        let body = seal.open(&kept.answer.body, &bearer).ok_or_else(|| {
            Problem::client(
                Kind::Conflict,
                "it was done before, but what was answered cannot be told again: the secret of the installation has \
                 changed since",
            )
        })?;
        Ok(KeptAnswer {
            answer: Answer { body, ..kept.answer },
            ..kept
        })
    }
}

impl KeyedWork<'_> {
    /// Keeps the answer under the key, makes both it and what was done durable, and answers.
    pub(crate) async fn answer(mut self, answer: WriteAnswer) -> Result<HttpResponse, Problem> {
        if answer.tells_secret() {
            self.keep_sealed(&answer).await?;
        } else {
            self.key.keep(&mut *self.uow, self.actor, &answer).await?;
        }
        self.uow.commit().await?;
        Ok(answer.respond())
    }

    async fn keep_sealed(&mut self, answer: &WriteAnswer) -> Result<(), Problem> {
        let key = self.key;
        let Some(given) = &key.0 else { return Ok(()) };
        let bearer = KeyBearer {
            tenant: self.uow.tenant(),
            actor: self.actor,
            key: &given.key,
        };
        let open = answer.answer();
        check_size(open)?;
        let sealed = Answer {
            body: self.seal.seal(&open.body, &bearer),
            is_sealed: true,
            ..open.clone()
        };
        let keys = self.uow.idempotency_keys();
        Ok(keys.keep(self.actor, &given.key, &sealed).await?)
    }
}

impl Deref for KeyedWork<'_> {
    type Target = dyn UnitOfWork;

    fn deref(&self) -> &Self::Target {
        &*self.uow
    }
}

impl DerefMut for KeyedWork<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.uow
    }
}

impl fmt::Debug for KeyedWork<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedWork")
            .field("key", self.key)
            .finish_non_exhaustive()
    }
}
