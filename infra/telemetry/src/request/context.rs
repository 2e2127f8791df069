use std::any::Any;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use opentelemetry::trace::TraceContextExt as _;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::cost::{Phase, Phases, Statements};
use super::{RequestId, StatementWork, TraceContext, TraceId};
use crate::spans::{self, KeyValue, Status};

tokio::task_local! {
    static CURRENT: Arc<RequestContext>;
}

/// Returns the request that the current task works for; `None` outside one.
pub fn current() -> Option<Arc<RequestContext>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Runs `future` on behalf of a request, and within its span.
pub fn scope<F: Future>(context: Arc<RequestContext>, future: F) -> impl Future<Output = F::Output> {
    let future = future.instrument(context.span.clone());
    CURRENT.scope(context, future)
}

/// Runs `work` on behalf of a request.
pub fn sync_scope<T>(context: Arc<RequestContext>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(context, work)
}

/// One request (or one message) while it is worked on.
#[derive(Debug)]
pub struct RequestContext {
    request_id: RequestId,
    name: Option<String>,
    since: Instant,
    trace: TraceContext,
    deadline: Option<Instant>,
    database: DatabaseCounters,
    statements: Mutex<Statements>,
    phases: Phases,
    /// The tenant whose request it is, once that is known.
    tenant: OnceLock<u128>,
    /// Whose work this is: what it costs the database is put down to that one.
    part_of: Option<Arc<Self>>,
    write: Mutex<Option<String>>,
    /// What it takes up from others.
    place: OnceLock<Weak<Place>>,
    /// What all is told as a part of; none, unless it is a request of a trace that is collected.
    span: Span,
}

/// Something that a request takes up from others; dropping it gives it back.
pub type Place = dyn Any + Send + Sync;

impl RequestContext {
    /// `deadline` is when the answer is of no use any more; `None`: whenever.
    pub fn new(request_id: RequestId, trace: TraceContext, deadline: Option<Instant>) -> Self {
        Self {
            request_id,
            name: None,
            since: Instant::now(),
            trace,
            deadline,
            database: DatabaseCounters::default(),
            statements: Mutex::default(),
            phases: Phases::default(),
            tenant: OnceLock::new(),
            part_of: None,
            write: Mutex::default(),
            place: OnceLock::new(),
            span: Span::none(),
        }
    }

    /// Takes the headers `x-request-id` and `traceparent` as they came, and makes up what is missing or malformed.
    pub fn from_headers(
        request_id: Option<&str>,
        traceparent: Option<&str>,
        deadline: Option<Instant>,
    ) -> Self {
        Self::new(
            RequestId::accept(request_id),
            TraceContext::accept(traceparent),
            deadline,
        )
    }

    /// Work of this request that has a time of its own, because others wait for it, too.
    #[must_use]
    pub fn part(self: &Arc<Self>, deadline: Instant) -> Arc<Self> {
        Arc::new(Self {
            name: self.name.clone(),
            part_of: Some(Arc::clone(self)),
            ..Self::new(self.request_id.clone(), self.trace, Some(deadline))
        })
    }

    /// Says what it is, for people: `GET /api/v1/leads`.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }

    /// Begins its span, if its trace is collected.
    #[must_use]
    pub fn traced(self) -> Self {
        if !spans::are_collected() || !self.trace.is_sampled() {
            return self;
        }
        let span = spans::begin(&self.trace, || {
            tracing::debug_span!("request", otel.kind = "server")
        });
        Self { span, ..self }
    }

    /// What it is, if anybody said.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    pub fn trace(&self) -> &TraceContext {
        &self.trace
    }

    pub fn trace_id(&self) -> TraceId {
        self.trace.trace_id()
    }

    /// Formats the `traceparent` to send along with calls to other processes and to store with events.
    pub fn traceparent(&self) -> String {
        self.trace.traceparent()
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long it is worked on.
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// How long until the deadline, zero once it has passed; `None` without one.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Counts one SQL statement, the time until its last row, and the rows it returned or changed. `fingerprint` tells it
    /// from others.
    pub fn note_statement(&self, fingerprint: u64, duration: Duration, rows: u64) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let whole = self.whole();
        whole.lock_statements().note(fingerprint, duration, rows);
        let database = &whole.database;
        database.statements.fetch_add(1, Ordering::Relaxed);
        database.rows.fetch_add(rows, Ordering::Relaxed);
        database.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Counts one wait for the database on the request's path, whatever was sent.
    pub fn note_round_trip(&self) {
        self.whole().database.round_trips.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds to what the request has spent on something.
    pub fn note_phase(&self, phase: Phase, took: Duration) {
        self.whole().phases.note(phase, took);
    }

    /// Says how it was answered, for those who collect traces, and ends its span: `route` is the pattern, if one was found.
    /// What goes on behind the answer, or streams it, is told for itself.
    pub fn note_answer(&self, method: &str, route: Option<&str>, status: u16) {
        if self.span.is_none() {
            return;
        }
        let told = self.span.context();
        let span = told.span();
        // By the pattern: paths have ids, and there is no end to their names.
        span.update_name(match route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        });
        span.set_attribute(KeyValue::new("http.request.method", method.to_owned()));
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        span.set_attribute(KeyValue::new("request.id", self.request_id.to_string()));
        if let Some(route) = route {
            span.set_attribute(KeyValue::new("http.route", route.to_owned()));
        }
        if let Some(tenant) = self.tenant() {
            span.set_attribute(KeyValue::new("tenant.id", format!("{tenant:032x}")));
        }
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end();
    }

    /// What the request has spent on something so far; more than the wall clock when parts of it ran side by side.
    pub fn spent_on(&self, phase: Phase) -> Duration {
        self.whole().phases.spent_on(phase)
    }

    /// What each statement has cost the request so far.
    pub fn statements(&self) -> Vec<StatementWork> {
        self.whole().lock_statements().all()
    }

    /// Says whose request it is; the first to say so counts.
    pub fn name_tenant(&self, tenant: u128) {
        // It is the same one then.
        let _ = self.whole().tenant.set(tenant);
    }

    /// Whose request it is, as far as that is known.
    pub fn tenant(&self) -> Option<u128> {
        self.whole().tenant.get().copied()
    }

    /// Names the write that the request has made, for its answer; the last one counts.
    pub fn name_write(&self, name: String) {
        // A plain text is whole even if a thread died while it held the lock.
        *self.write.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
    }

    /// The name of the last write that the request has made.
    pub fn write_name(&self) -> Option<String> {
        self.write.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what the request takes up from others while it is worked on; the first to say so counts.
    pub fn take_up(&self, place: &Arc<Place>) {
        // One request passes one gate.
        let _ = self.place.set(Arc::downgrade(place));
    }

    /// What the request takes up, for work that may go on when the request is given up: whoever has this is still at it.
    /// `None` when it takes up nothing, or nothing any more.
    pub fn hold(&self) -> Option<Arc<Place>> {
        self.whole().place.get().and_then(Weak::upgrade)
    }

    /// What the request has cost the database so far.
    pub fn database_work(&self) -> DatabaseWork {
        let database = &self.whole().database;
        DatabaseWork {
            statements: database.statements.load(Ordering::Relaxed),
            round_trips: database.round_trips.load(Ordering::Relaxed),
            rows: database.rows.load(Ordering::Relaxed),
            time: Duration::from_nanos(database.nanoseconds.load(Ordering::Relaxed)),
        }
    }

    fn whole(&self) -> &Self {
        self.part_of.as_ref().map_or(self, |whole| whole.whole())
    }

    fn lock_statements(&self) -> std::sync::MutexGuard<'_, Statements> {
        // Counters are whole even if a thread died while it held the lock.
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request has cost the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseWork {
    pub statements: u64,
    /// Waits for the database on the request's path.
    pub round_trips: u64,
    /// Returned or changed.
    pub rows: u64,
    /// The sum over all statements, so more than the wall clock when some ran side by side.
    pub time: Duration,
}

/// The counters are read for reports alone and order nothing, hence `Relaxed` throughout.
#[derive(Debug, Default)]
struct DatabaseCounters {
    statements: AtomicU64,
    round_trips: AtomicU64,
    rows: AtomicU64,
    nanoseconds: AtomicU64,
}
