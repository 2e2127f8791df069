use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::jobs::{Queue, QueueFigures, Times};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::QueueName;
use super::view::StopView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::units::milliseconds;

/// What a [`MetricsQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct MetricsParameters {
    /// Of this queue alone.
    #[param(nullable = false, inline)]
    queue: Option<QueueName>,
    /// How far back finished jobs are counted.
    #[param(minimum = 1, maximum = 1440, default = 5, nullable = false)]
    window_minutes: Option<u32>,
}

#[derive(Debug)]
struct MetricsQuery {
    queue: Option<Queue>,
    window_minutes: u32,
}

impl FromQuery for MetricsQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            queue: query.choice("queue", Queue::parse, Queue::ALL.map(Queue::as_str)),
            window_minutes: query.integer("windowMinutes", 1..=1440).unwrap_or(5),
        }
    }
}

/// How the queues fare.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobMetrics, example = json!({"windowMinutes": 5, "queues": [{
    "queue": "maintenance", "stopped": null, "pausedParts": [], "delayed": 0, "waiting": 0, "oldestWaitingMs": null, "active": 1,
    "completed": 3, "failed": 0, "deadLetters": 0, "throughputPerMinute": 0.6,
    "waitMs": {"mean": 1.4, "p95": 2.1}, "runMs": {"mean": 12.0, "p95": 18.3},
}]}))]
struct MetricsView {
    window_minutes: u32,
    queues: Vec<QueueView>,
}

/// How a queue fares.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueMetrics)]
struct QueueView {
    queue: &'static str,
    /// How it is stopped; `null`: it runs.
    #[schema(required = true)]
    stopped: Option<StopView>,
    /// Parts of it that are paused, whether or not all of it is stopped.
    paused_parts: Vec<StopView>,
    /// Not due yet, or between two attempts.
    delayed: u64,
    /// Due, and not begun.
    waiting: u64,
    /// How long the oldest of those has been waiting; `null`: there is none.
    #[schema(required = true, minimum = 0)]
    oldest_waiting_ms: Option<f64>,
    active: u64,
    /// Within the window.
    completed: u64,
    /// Given up within the window.
    failed: u64,
    /// All that were given up and not retried.
    dead_letters: u64,
    /// Completed, by the minute of the window.
    throughput_per_minute: f64,
    /// From the moment when a job was due to the begin of its last attempt, of those that were completed within the
    /// window; `null`: none was.
    #[schema(required = true)]
    wait_ms: Option<TimesView>,
    /// Of that attempt.
    #[schema(required = true)]
    run_ms: Option<TimesView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobTimes)]
struct TimesView {
    mean: f64,
    /// What 95 of 100 jobs did not exceed.
    p95: f64,
}

impl From<Times> for TimesView {
    fn from(times: Times) -> Self {
        Self {
            mean: milliseconds(times.mean),
            p95: milliseconds(times.p95),
        }
    }
}

impl QueueView {
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody completes as many jobs in a day"
    )]
    fn new(figures: QueueFigures, window_minutes: u32) -> Self {
        Self {
            queue: figures.queue.as_str(),
            stopped: figures.stop.map(StopView::from),
            paused_parts: figures.pauses.into_iter().map(StopView::from).collect(),
            delayed: figures.delayed,
            waiting: figures.waiting,
            oldest_waiting_ms: figures.oldest.map(milliseconds),
            active: figures.active,
            completed: figures.completed,
            failed: figures.died,
            dead_letters: figures.dead,
            throughput_per_minute: figures.completed as f64 / f64::from(window_minutes),
            wait_ms: figures.wait.map(TimesView::from),
            run_ms: figures.run.map(TimesView::from),
        }
    }
}

/// Tell how the queues fare.
///
/// Counted when it is asked for, over all tenants and processes.
#[utoipa::path(
    tag = "platform",
    operation_id = "getJobMetrics",
    params(MetricsParameters),
    responses((status = 200, description = "By queue.", body = MetricsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/jobs/metrics")]
pub(super) async fn metrics(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<MetricsQuery>,
) -> Result<HttpResponse, Problem> {
    let MetricsQuery {
        queue,
        window_minutes,
    } = query.0;
    let queues = queue.map_or_else(|| Queue::ALL.to_vec(), |queue| vec![queue]);
    let window = Duration::from_mins(window_minutes.into());
    let figures = services.jobs.operations.figures(&queues, window).await?;
    Ok(HttpResponse::Ok().json(MetricsView {
        window_minutes,
        queues: figures
            .into_iter()
            .map(|figures| QueueView::new(figures, window_minutes))
            .collect(),
    }))
}
