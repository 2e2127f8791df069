//! Jobs, queues and schedules, as operators see them: of all tenants and processes.

mod dead_letter;
mod edit;
mod get;
mod kind;
mod list;
mod metrics;
mod payload;
mod retry_failed;
mod schedule;
mod schedules;
mod stop;
mod view;

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use fairlead_domain::jobs::Queue;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::problem::{Kind, Problem};
use crate::spec::Problematic;
use crate::text;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(metrics::metrics)
        .service(schedule::schedule_job)
        .service(schedules::list)
        .service(schedules::delete)
        .service(list::list)
        .service(stop::pause)
        .service(stop::drain)
        .service(stop::resume)
        .service(retry_failed::retry_failed)
        .service(dead_letter::dead_letter)
        .service(get::get)
        .service(edit::edit);
}

/// The `{queue}` of a path.
#[derive(Debug)]
struct PathQueue(Queue);

impl FromRequest for PathQueue {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let queue = request.match_info().get("queue").and_then(Queue::parse);
        ready(queue.map(Self).ok_or_else(|| NoSuchQueue.into()))
    }
}

/// There is no queue of this name.
#[derive(Clone, Copy, Debug)]
struct NoSuchQueue;

impl From<NoSuchQueue> for Problem {
    fn from(_: NoSuchQueue) -> Self {
        let names = Queue::ALL.map(Queue::as_str).join(", ");
        Self::client(Kind::NotFound, format!("the queues are {names}"))
    }
}

impl Problematic for NoSuchQueue {
    const KINDS: &'static [Kind] = &[Kind::NotFound];
}

/// The names of the queues, for the specification.
#[derive(Debug)]
struct QueueName;

impl PartialSchema for QueueName {
    fn schema() -> RefOr<Schema> {
        text::one_of(Queue::ALL.map(Queue::as_str)).into()
    }
}

impl ToSchema for QueueName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("QueueName")
    }
}
