use actix_web::{HttpResponse, post, web};
use fairlead_domain::invalid::{Faults, Invalid};
use fairlead_domain::jobs::{BadTiming, Missed, Overlap, Queue, Schedule, Timing};
use fairlead_domain::text as texts;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::QueueName;
use super::payload::payload_faults;
use super::view::ScheduleView;
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::text;

/// A job that is to be enqueued again and again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewJobSchedule, example = json!({
    "name": "tidy-at-night", "queue": "maintenance", "kind": "clear-jobs", "cron": "30 2 * * *",
    "timeZone": "Europe/Berlin", "missed": "once", "overlap": "skip",
}))]
struct ScheduleBody {
    /// One that is there already becomes this one.
    #[schema(schema_with = text::line::<100>)]
    name: String,
    #[schema(value_type = QueueName)]
    queue: String,
    /// What is to be done: a kind of the platform's own jobs.
    kind: String,
    /// What it is to be done with, where its kind takes anything: that of `warm-cache` is the body of `warmCache`.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    payload: Option<serde_json::Value>,
    /// Minutes, hours, days of the month, months and days of the week; or six fields, with seconds in front.
    #[schema(schema_with = text::line::<200>)]
    cron: String,
    /// Of the IANA database; `UTC`, unless given.
    #[serde(default)]
    #[schema(nullable = false)]
    time_zone: Option<String>,
    /// When nobody was there at its moment: `once` (the default) makes up for all of them by one job, `skip` does not.
    #[serde(default)]
    #[schema(nullable = false)]
    missed: Option<String>,
    /// While its last job is not finished: `skip` (the default) enqueues no other, `allow` does.
    #[serde(default)]
    #[schema(nullable = false)]
    overlap: Option<String>,
}

/// What a [`ScheduleQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ScheduleParameters {
    /// Judge the schedule and show its next runs, and keep nothing.
    #[param(default = false, nullable = false)]
    dry_run: Option<bool>,
}

#[derive(Debug)]
struct ScheduleQuery {
    dry_run: bool,
}

impl FromQuery for ScheduleQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            dry_run: query.boolean("dryRun").unwrap_or(false),
        }
    }
}

/// Schedule a recurring job.
///
/// The answer shows its next five runs, also in a dry run. By the name of one that there is, that one is changed.
#[utoipa::path(
    tag = "platform",
    operation_id = "scheduleJob",
    params(ScheduleParameters),
    request_body = ScheduleBody,
    responses((status = 200, description = "The schedule as it is kept, or would be.", body = ScheduleView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/jobs/schedule")]
pub(super) async fn schedule_job(
    services: web::Data<Services>,
    operator: Operator,
    query: QueryOf<ScheduleQuery>,
    body: JsonBody<ScheduleBody>,
) -> Result<HttpResponse, Problem> {
    let (mut schedule, runs) = parse(&services, body.value, operator.0.operator())?;
    if query.0.dry_run {
        let mut kept = services.jobs.schedules.list().await?.into_iter();
        schedule.last_at = kept
            .find(|kept| kept.name == schedule.name)
            .and_then(|kept| kept.last_at);
        return Ok(HttpResponse::Ok().json(ScheduleView::new(schedule, runs)));
    }
    schedule.last_at = services.jobs.schedules.put(&schedule).await?;
    tracing::info!(
        operator = operator.0.operator(),
        schedule = schedule.name,
        "a job was scheduled"
    );
    Ok(HttpResponse::Ok().json(ScheduleView::new(schedule, runs)))
}

/// Returns the schedule, and its next runs.
fn parse(
    services: &Services,
    body: ScheduleBody,
    operator: &str,
) -> Result<(Schedule, Vec<OffsetDateTime>), Invalid> {
    let mut faults = Faults::default();
    let name = faults.keep("name", texts::line(&body.name, 100));
    let one_of = |words: &[&str]| format!("must be one of {}", words.join(", "));
    let queue = Queue::parse(&body.queue).ok_or_else(|| one_of(&Queue::ALL.map(Queue::as_str)));
    let queue = faults.keep("queue", queue);
    let payload = raw(&body.payload.unwrap_or_default());
    let handlers = &services.jobs.schedulable;
    if let Some(handler) = handlers.iter().find(|handler| handler.kind() == body.kind) {
        faults.add_all(payload_faults(&**handler, &payload));
    } else {
        let kinds: Vec<_> = handlers.iter().map(|handler| handler.kind()).collect();
        faults.add("kind", one_of(&kinds));
    }
    let missed = body.missed.as_deref().map_or(Ok(Missed::Once), |word| {
        Missed::parse(word).ok_or_else(|| one_of(&["skip", "once"]))
    });
    let missed = faults.keep("missed", missed);
    let overlap = body.overlap.as_deref().map_or(Ok(Overlap::Skip), |word| {
        Overlap::parse(word).ok_or_else(|| one_of(&["skip", "allow"]))
    });
    let overlap = faults.keep("overlap", overlap);
    let cron = faults.keep("cron", texts::line(&body.cron, 200));
    // Nothing is looked for by what is too long to be kept.
    let is_short = cron.is_some();
    let timing = Timing {
        cron: cron.unwrap_or_default(),
        time_zone: body.time_zone.unwrap_or_else(|| "UTC".to_owned()),
    };
    let now = services.clock.now();
    let runs = services.jobs.calendar.preview(&timing, now, ScheduleView::AHEAD);
    let runs = match runs {
        Ok(runs) => runs,
        Err(_) if !is_short => Vec::new(),
        Err(error) => {
            let field = match error {
                BadTiming::TimeZone => "timeZone",
                BadTiming::Cron(_) | BadTiming::Never => "cron",
            };
            faults.add(field, error.to_string());
            Vec::new()
        }
    };
    let next_at = runs.first().copied();
    faults.finish()?;
    let kept = "there was no fault";
    let schedule = Schedule {
        name: name.expect(kept),
        queue: queue.expect(kept),
        kind: body.kind,
        payload,
        timing,
        missed: missed.expect(kept),
        overlap: overlap.expect(kept),
        created_by: operator.to_owned(),
        next_at: next_at.expect(kept),
        last_at: None,
    };
    Ok((schedule, runs))
}

fn raw(payload: &serde_json::Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(payload).expect("JSON can be written as JSON")
}
