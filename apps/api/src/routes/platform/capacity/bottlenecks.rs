use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::jobs::Queue;
use fairlead_domain::performance::bottlenecks::{Affected, Bottleneck, Cause, Fact, Link, QueueUse, find};
use fairlead_domain::performance::{Fingerprint, StatementMeters};
use fairlead_domain::store::StoreError;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::performance::Performance;
use crate::performance::capacity::real;
use crate::units::milliseconds;

/// Of what is finished.
const WINDOW: Duration = Duration::from_mins(1);
/// What is not measured, and so cannot be found.
const NOT_MEASURED: [&str; 4] = [
    "how often answers of a route were kept",
    "which service a route called: waits are laid to the services that were called, as they took their time",
    "which statement waited for a lock: waits of all processes are laid to those here that name the table",
    "locks of connections that were held for less than a tenth of a second",
];

/// What held requests up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Bottlenecks, example = json!({
    "since": "2026-11-22T09:59:00Z", "seconds": 60.0, "items": [{
        "cause": {"kind": "slow-query", "name": "9ae16a3b2f90404f", "text": "SELECT \"leads\".\"id\""},
        "chain": [
            {"kind": "route", "name": "GET /api/v1/leads"}, {"kind": "query", "name": "9ae16a3b2f90404f"},
        ],
        "impact": {"affected": "requests", "count": 1_210, "msEach": 58.4, "ratio": 0.61},
        "facts": [{"name": "meanTime", "value": 58.4, "unit": "ms"}],
        "advice": {"act": "add-index", "text": "look at its plan for an index that it lacks"},
    }],
    "notMeasured": ["how often answers of a route were kept"],
}))]
struct BottlenecksView {
    /// The interval of measuring that this is of; `null` before the first is over.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    since: Option<OffsetDateTime>,
    #[schema(required = true, minimum = 0)]
    seconds: Option<f64>,
    /// The worst first; none where all is well.
    items: Vec<BottleneckView>,
    /// What could hold requests up and would not be found.
    not_measured: Vec<&'static str>,
}

/// Something that holds others up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bottleneck)]
struct BottleneckView {
    /// What would have to go for the time to go.
    cause: CauseView,
    /// From the route that suffers most to the cause.
    chain: Vec<LinkView>,
    impact: ImpactView,
    /// What says so.
    facts: Vec<FactView>,
    advice: AdviceView,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BottleneckCause)]
struct CauseView {
    /// `slow-query`, `repeated-query`, `lock`, `pool`, `shared-cache`, `upstream`, `cpu`, `queue` or `exhaustion`.
    kind: &'static str,
    /// Which one; `null` where there is one only.
    #[schema(required = true)]
    name: Option<String>,
    /// Of a statement, without values.
    #[schema(required = true)]
    text: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BottleneckLink)]
struct LinkView {
    kind: &'static str,
    #[schema(required = true)]
    name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BottleneckImpact)]
struct ImpactView {
    /// `requests`, `jobs`, or `headroom` where it costs nobody anything yet.
    affected: &'static str,
    #[schema(minimum = 0)]
    count: u64,
    /// How long it holds up each of them, on average.
    #[schema(minimum = 0)]
    ms_each: f64,
    /// Its part of the time of all requests; of a resource, how much of it is used.
    #[schema(minimum = 0)]
    ratio: f64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BottleneckFact)]
struct FactView {
    name: &'static str,
    value: f64,
    unit: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BottleneckAdvice)]
struct AdviceView {
    act: &'static str,
    text: String,
}

impl BottleneckView {
    fn new(found: Bottleneck, statements: &dyn StatementMeters) -> Self {
        let (affected, count) = match found.impact.affected {
            Affected::Requests(count) => ("requests", count),
            Affected::Jobs(count) => ("jobs", count),
            Affected::Headroom => ("headroom", 0),
        };
        Self {
            cause: CauseView::new(&found.cause, statements),
            chain: found.chain.into_iter().map(LinkView::from).collect(),
            impact: ImpactView {
                affected,
                count,
                ms_each: found.impact.ms_each,
                ratio: found.impact.share,
            },
            facts: found.facts.into_iter().map(FactView::from).collect(),
            advice: AdviceView {
                act: found.advice.act.as_str(),
                text: found.advice.text,
            },
        }
    }
}

impl CauseView {
    fn new(cause: &Cause, statements: &dyn StatementMeters) -> Self {
        let text = match cause {
            Cause::SlowQuery(fingerprint) | Cause::RepeatedQuery(fingerprint) => {
                Fingerprint::parse(fingerprint).and_then(|fingerprint| statements.text(fingerprint))
            }
            _ => None,
        };
        Self {
            kind: cause.kind(),
            name: cause.name().map(str::to_owned),
            text: text.map(String::from),
        }
    }
}

impl From<Link> for LinkView {
    fn from(link: Link) -> Self {
        let (kind, name) = match link {
            Link::Route(name) => ("route", Some(name)),
            Link::Cache(name) => ("cache", Some(name)),
            Link::SharedCache => ("shared-cache", None),
            Link::Pool(name) => ("pool", Some(name)),
            Link::Query(name) => ("query", Some(name)),
            Link::Lock(name) => ("lock", Some(name)),
            Link::Upstream(name) => ("upstream", Some(name)),
            Link::Cpu => ("cpu", None),
            Link::Queue(name) => ("queue", Some(name)),
            Link::Resource(resource) => ("resource", Some(resource.as_str().to_owned())),
        };
        Self { kind, name }
    }
}

impl From<Fact> for FactView {
    fn from(fact: Fact) -> Self {
        Self {
            name: fact.name,
            value: fact.value,
            unit: fact.unit,
        }
    }
}

/// Find what holds requests up, why, and how much of their time it takes.
///
/// By what this process has measured within the last interval: where the time of each route went is followed to the cause
/// that would have to go for it to go. Of jobs, it is how they wait at this moment, in all processes.
#[utoipa::path(
    tag = "platform",
    operation_id = "listBottlenecks",
    responses((status = 200, description = "Of this process.", body = BottlenecksView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/capacity/bottlenecks")]
pub(super) async fn bottlenecks(services: web::Data<Services>, _operator: Operator) -> HttpResponse {
    let interval = services.performance.lately().interval;
    let mut not_measured = NOT_MEASURED.to_vec();
    let mut evidence = Performance::evidence(&services);
    if let Some(evidence) = &mut evidence {
        match queues(&services).await {
            Ok(queues) => evidence.queues = queues,
            Err(_) => not_measured.push("backlogs of jobs: the database does not tell"),
        }
    }
    let found = evidence.as_ref().map(find).unwrap_or_default();
    HttpResponse::Ok().json(BottlenecksView {
        since: interval.as_ref().map(|interval| interval.began_at),
        seconds: interval.map(|interval| interval.span.as_secs_f64()),
        items: found
            .into_iter()
            .map(|bottleneck| BottleneckView::new(bottleneck, &*services.statements))
            .collect(),
        not_measured,
    })
}

/// What an operator has stopped waits because it was asked to.
async fn queues(services: &Services) -> Result<Vec<QueueUse>, StoreError> {
    let queues = services.jobs.operations.figures(&Queue::ALL, WINDOW).await?;
    let running = queues.iter().filter(|queue| queue.stop.is_none());
    let used = running.map(|queue| QueueUse {
        name: queue.queue.as_str().to_owned(),
        waiting: queue.waiting,
        oldest_wait_ms: milliseconds(queue.oldest.unwrap_or_default()),
        finished: queue.completed + queue.died,
        work_ms: queue
            .run
            .map_or(0.0, |run| milliseconds(run.mean) * real(queue.completed)),
    });
    Ok(used.collect())
}
