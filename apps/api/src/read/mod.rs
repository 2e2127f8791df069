//! Reads: a caller who may, a [`Question`], and its answer.
//!
//! A handler says what is asked; [`Read::answer`] does what is the same for all. It answers from the cache, ready bytes
//! and all, or has the question load what it shows in a unit of work of its own; who asks for a fresh answer, and what
//! is not worth keeping, goes past the cache.

mod list;
mod question;
pub(crate) mod shortcut;
mod shown;

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use fairlead_domain::access::{Action, Caller, Permit, TenantScope};
use fairlead_domain::cache::{CacheRead, Entry};
use fairlead_domain::consistency::{ReadIntent, Workload};
use fairlead_domain::store::StoreError;

pub(crate) use list::{ListFilter, ListOf};
pub(crate) use question::{Asked, Origin, Question, Reading};
use shortcut::Check;
pub use shortcut::Shortcuts;
pub(crate) use shown::node_name;
use shown::{show_found, show_loaded, wants_no_cache};

use crate::authentication::{Authenticated, Permitted};
use crate::problem::{Kind, Problem};
use crate::representation::prepare;
use crate::state::Services;

/// A read by a caller who may do `A`.
#[derive(Debug)]
pub(crate) struct Read<A> {
    request: HttpRequest,
    permit: Permit<A>,
    /// All that its caller was found allowed to do.
    checks: Vec<Check>,
}

impl<A: Action + 'static> FromRequest for Read<A> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let permitted = Permitted::from_request(request, payload).into_inner();
        ready(permitted.map(|permit| Self {
            request: request.clone(),
            permit: permit.into_inner(),
            checks: vec![may::<A>],
        }))
    }
}

fn may<A: Action>(caller: &Caller) -> bool {
    caller.permit::<A>().is_ok()
}

impl<A> Read<A> {
    /// Makes sure that the caller may also do `B`, which shows more.
    pub(crate) fn require<B: Action>(&mut self) -> Result<(), Problem> {
        let Authenticated(caller) =
            Authenticated::from_request(&self.request, &mut Payload::None).into_inner()?;
        caller.permit::<B>()?;
        self.checks.push(may::<B>);
        Ok(())
    }

    /// What a read that is no [`Question`] asks of the node that serves it.
    pub(crate) fn intent(&self, workload: Workload) -> Result<ReadIntent, Problem> {
        let services = Services::of(&self.request);
        Ok(ReadIntent {
            consistency: services.consistency.asked(&self.request, self.permit.scope())?,
            workload,
        })
    }

    pub(crate) fn request(&self) -> &HttpRequest {
        &self.request
    }

    pub(crate) fn into_permit(self) -> Permit<A> {
        self.permit
    }

    /// Answers with what the question loads, or with 304.
    ///
    /// The question must come from the target of the request alone, whoever asks it.
    pub(crate) async fn answer(&self, question: impl Question) -> Result<HttpResponse, Problem> {
        answer(&self.request, self.permit.scope(), question, Some(&self.checks)).await
    }
}

/// Answers a caller with a question about itself.
pub(crate) async fn answer_about(
    request: &HttpRequest,
    caller: &Caller,
    question: impl Question,
) -> Result<HttpResponse, Problem> {
    answer(request, caller.scope(), question, None).await
}

/// Answers a caller who may ask `question` in the tenant of `scope`, where the question says itself what it shows to whom.
pub(crate) async fn answer_in(
    request: &HttpRequest,
    scope: &TenantScope,
    question: impl Question,
) -> Result<HttpResponse, Problem> {
    answer(request, scope, question, None).await
}

/// Answers a caller who may ask `question` in the tenant of `scope`. Whoever passes `checks` may ask it by the same
/// target.
async fn answer<Q: Question>(
    request: &HttpRequest,
    scope: &TenantScope,
    question: Q,
    checks: Option<&[Check]>,
) -> Result<HttpResponse, Problem> {
    let services = Services::of(request);
    let compression = &services.settings.compression;
    let consistency = services.consistency.asked(request, scope)?;
    let kept = match &services.cache {
        Some(cache) if !wants_no_cache(request.headers()) => question.key().map(|key| (cache, key)),
        _ => None,
    };
    let Some((cache, key)) = kept else {
        let asked = Asked::new(services.origin(), scope.clone(), question);
        let entry = Arc::new(Entry::new(asked.load(consistency).await?));
        prepare(&entry, request.headers(), compression).await;
        return Ok(show_loaded(request, &entry, asked.node()));
    };
    if let Some(found) = cache.find(scope, &key, consistency) {
        if let Some((checks, target)) = checks.zip(request.uri().path_and_query()) {
            let route = request.match_pattern();
            services
                .shortcuts
                .learn(scope, target.as_str(), key, route, checks);
        }
        prepare(&found.entry, request.headers(), compression).await;
        return Ok(show_found(request, &found, None));
    }
    let asked = Arc::new(Asked::new(services.origin(), scope.clone(), question));
    let tags = asked.question().tags();
    let read = CacheRead {
        key: &key,
        tags: &tags,
        consistency,
    };
    match cache.get_or_load(scope, read, asked.clone()).await {
        Ok(found) => {
            prepare(&found.entry, request.headers(), compression).await;
            Ok(show_found(request, &found, asked.node()))
        }
        // All who waited for the load share its problem.
        Err(failure) => Err(match failure.cause::<Problem>() {
            Some(problem) => problem.clone(),
            None if matches!(failure.cause(), Some(StoreError::TimedOut)) => {
                Problem::server(Kind::DeadlineExceeded, failure)
            }
            None => Problem::server(Kind::Internal, failure),
        }),
    }
}
