//! Calls to services that this installation was configured to call. None of them can take it down: a call ends at its
//! deadline, what it is answered with is bounded, as many are under way as may be, few are tried again, and a service that
//! fails is not called for a while.

mod breaker;
mod budget;
mod exchange;
mod meters;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fairlead_domain::clock::Clock;
use fairlead_domain::identity::TenantId;
use fairlead_domain::upstreams::{
    BreakerNews, Hold, ProbeTurn, Times, UpstreamFault, UpstreamReport, Upstreams,
};
use fairlead_telemetry::request::{self, Phase};
use fairlead_telemetry::spans;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::BadClient;
use breaker::{Admission, Breaker};
use budget::RetryBudget;
use exchange::exchange;
use meters::Meters;
use slots::{Slot, Slots};

pub use breaker::BreakerSettings;
pub(crate) use exchange::{Denial, Failed};

/// How long is waited before a call is tried again, unless the service says.
const PAUSE: Duration = Duration::from_millis(100);
/// In less nobody is asked: it would cost what an answer does, and bring none.
const LEAST: Duration = Duration::from_millis(100);
/// What a request needs after a call: to write down what it came to, and to answer.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// How a service is called.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    pub name: &'static str,
    /// Paths are put behind it: no slash at its end.
    pub url: String,
    pub user_agent: String,
    /// By what it knows us.
    pub credential: Option<UpstreamCredential>,
    pub connect_timeout: Duration,
    /// How long an attempt may take, from the connection to the end of the answer.
    pub timeout: Duration,
    pub max_answer_bytes: usize,
    pub max_in_flight: usize,
    /// How long a call waits for others to end.
    pub max_wait: Duration,
    /// How many of a hundred calls may be tried again.
    pub retry_percent: u32,
    pub breaker: BreakerSettings,
}

/// A header that says who calls. It does not print.
#[derive(Clone)]
pub struct UpstreamCredential {
    pub header: &'static str,
    pub value: String,
}

/// One request to a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// JSON, unless `headers` say otherwise.
    pub(crate) body: Option<Bytes>,
    /// Beside those that every call has; their names are in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) repeat: Repeat,
    /// Whose it is: one tenant has no more than its share of the places.
    pub(crate) tenant: Option<TenantId>,
    /// What can be fetched for nothing. Where the call is to find out whether the service is back, that is asked first, and
    /// the call is made if it was answered: so nobody pays for a service that is still away.
    pub(crate) herald: Option<String>,
    /// How a refusal says that it is of the credential, where its status does not.
    pub(crate) denial: Option<Denial>,
}

/// Whether a call may be made twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Repeat {
    #[default]
    Never,
    /// Where nobody has charged for it.
    WhereFree,
    /// Whatever became of it: it changes nothing, or has a key by which the service knows it again.
    Always,
}

impl Repeat {
    fn allows(self, failed: &Failed) -> bool {
        // The service knows best.
        let says = failed.should_retry;
        match self {
            Self::Never => false,
            Self::WhereFree => failed.fault.is_passing() && says != Some(false),
            Self::Always => says.unwrap_or(failed.fault.is_passing_by_key()),
        }
    }
}

/// Calls one service.
#[derive(Debug)]
pub struct Upstream {
    client: Client,
    settings: UpstreamSettings,
    credential: Option<(HeaderName, HeaderValue)>,
    breaker: Breaker,
    slots: Slots,
    budget: RetryBudget,
    meters: Meters,
    clock: Arc<dyn Clock>,
}

/// Why a service cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum BadUpstream {
    #[error(transparent)]
    Client(#[from] BadClient),
    #[error("the credential has characters that none has")]
    Credential,
}

impl Upstream {
    pub fn new(settings: UpstreamSettings, clock: Arc<dyn Clock>) -> Result<Self, BadUpstream> {
        let credential = settings.credential.as_ref().map(header).transpose()?;
        Ok(Self {
            client: exchange::client(&settings.user_agent, settings.connect_timeout)?,
            credential,
            breaker: Breaker::new(settings.name, settings.breaker, Arc::clone(&clock)),
            slots: Slots::new(settings.max_in_flight),
            budget: RetryBudget::new(settings.retry_percent),
            meters: Meters::default(),
            settings,
            clock,
        })
    }

    /// Makes a call, within the deadline of the request that this is a part of.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, UpstreamFault> {
        self.call_for_more(call).await.map_err(|failed| failed.fault)
    }

    /// The same for those who want to know what else the service says of a failure.
    #[tracing::instrument(level = "debug", name = "http.call_upstream", skip_all, fields(upstream = self.settings.name))]
    pub(crate) async fn call_for_more<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failed> {
        let noted = self.meters.note_call();
        let started = Instant::now();
        let came = self.try_twice(call).await;
        if let Some(request) = request::current() {
            request.note_phase(Phase::Upstream, started.elapsed());
        }
        noted.came_to(came.as_ref().err().map(|failed| failed.fault));
        came
    }

    async fn try_twice<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failed> {
        let until = request::current()
            .and_then(|context| context.deadline())
            .and_then(|deadline| deadline.checked_sub(AFTERWARDS));
        let came = self.attempt(call, until).await;
        // Whoever was not asked has had no load that more could be a part of.
        if came
            .as_ref()
            .err()
            .is_none_or(|failed| !failed.fault.is_unasked())
        {
            self.budget.earn();
        }
        let failed = match came {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let pause = failed.retry_after.unwrap_or(PAUSE);
        let left = left(until, self.settings.timeout);
        let may_pass = call.repeat.allows(&failed) && self.breaker.is_closed();
        // Nobody waits for what comes too late.
        if !may_pass || pause >= left || !self.budget.spend() {
            return Err(failed);
        }
        sleep(pause).await;
        match self.attempt(call, until).await {
            // Nobody was asked again.
            Err(again) if again.fault.is_unasked() => Err(failed),
            came => {
                self.meters.note_retry();
                came
            }
        }
    }

    async fn attempt<T: DeserializeOwned>(&self, call: &Call, until: Option<Instant>) -> Result<T, Failed> {
        let admission = self.breaker.admit().ok_or(UpstreamFault::Open)?;
        let slot = self.slot(call.tenant, until).await?;
        // While it waited, others may have found out what it need not.
        if !admission.stands() {
            return Err(UpstreamFault::Open.into());
        }
        let limit = left(until, self.settings.timeout);
        if limit < LEAST.min(self.settings.timeout) {
            return Err(UpstreamFault::NoTime.into());
        }
        if let Some(path) = call.herald.as_ref().filter(|_| admission.is_probe()) {
            let herald = Call {
                path: path.clone(),
                denial: call.denial,
                ..Call::default()
            };
            let came = self.send::<IgnoredAny>(&herald, limit).await;
            let fault = came.err().map(|failed| failed.fault);
            if fault.is_some_and(UpstreamFault::is_failure) {
                self.judge(admission, fault, limit);
                return Err(UpstreamFault::Open.into());
            }
        }
        let limit = left(until, self.settings.timeout);
        let came = self.send(call, limit).await;
        drop(slot);
        self.judge(admission, came.as_ref().err().map(|failed| failed.fault), limit);
        came
    }

    async fn send<T: DeserializeOwned>(&self, call: &Call, limit: Duration) -> Result<T, Failed> {
        let begun = Instant::now();
        let span = tracing::debug_span!(
            "call",
            otel.name = %format_args!("call {}", self.settings.name),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = call.method.as_str(),
            peer.service = self.settings.name,
            error.type = Empty,
        );
        // Whoever is asked may tell of its part at this place; it is told of no other header of a trace.
        let untold = || request::current().map(|context| context.trace().child().traceparent());
        let mut request = self.request(call);
        if let Some(place) = spans::traceparent(&span).or_else(untold) {
            request = request.header("traceparent", place);
        }
        let sending = exchange(
            request,
            self.settings.max_answer_bytes,
            call.denial,
            self.clock.now(),
        );
        let came = timeout(limit, sending)
            .instrument(span.clone())
            .await
            .unwrap_or_else(|_| Err(UpstreamFault::TimedOut(limit).into()));
        let took = begun.elapsed();
        self.meters.note_attempt(took);
        if let Err(failed) = &came {
            span.record("error.type", failed.fault.name());
            span.record("otel.status_code", "ERROR");
        }
        came
    }

    /// Tells the breaker what an attempt has found out.
    fn judge(&self, admission: Admission<'_>, fault: Option<UpstreamFault>, limit: Duration) {
        let Some(fault) = fault.filter(|fault| fault.is_failure()) else {
            return admission.succeed();
        };
        // We had no time to wait for it: that is not its fault. Of a probe it must be known, or everybody would wait.
        let was_hurried = matches!(fault, UpstreamFault::TimedOut(_)) && limit < self.settings.timeout / 2;
        if was_hurried && !admission.is_probe() {
            return;
        }
        self.meters.remember(self.clock.now(), fault);
        tracing::warn!(
            upstream = self.settings.name,
            fault = fault.name(),
            is_probe = admission.is_probe(),
            "a call to a service failed: {fault}"
        );
        admission.fail();
    }

    /// Waits until another call may be under way, of this tenant.
    async fn slot(
        &self,
        tenant: Option<TenantId>,
        until: Option<Instant>,
    ) -> Result<Slot<'_>, UpstreamFault> {
        let waiting = self.slots.acquire(tenant);
        let slot = timeout(left(until, self.settings.max_wait), waiting).await;
        slot.map_err(|_| UpstreamFault::Full)
    }

    fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let url = format!("{}{}", self.settings.url, call.path);
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = &self.credential {
            request = request.header(name, value);
        }
        let is_json = call
            .headers
            .iter()
            .all(|(name, _)| *name != CONTENT_TYPE.as_str());
        if let Some(body) = &call.body {
            request = request.body(body.clone());
            if is_json {
                request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        request
    }

    /// Whether a call would be made now.
    pub fn is_callable(&self) -> bool {
        self.breaker.admits()
    }

    /// How long nobody is asked; `None`: a call would be made now.
    pub fn closed_for(&self) -> Option<Duration> {
        if self.is_callable() {
            return None;
        }
        let probe = self.breaker.standing().next_probe;
        let left = probe.map(|probe| probe - self.clock.now());
        // Held without an end, it is looked at again when it might be let go.
        let left = left.map_or(self.settings.breaker.recovery, |left| {
            left.try_into().unwrap_or_default()
        });
        Some(left.max(PAUSE))
    }

    pub fn report(&self) -> UpstreamReport {
        let standing = self.breaker.standing();
        let max_in_flight = self.settings.max_in_flight;
        let mut report = UpstreamReport {
            name: self.settings.name,
            state: standing.state,
            since: standing.since,
            hold: standing.hold,
            next_probe: standing.next_probe,
            awaits_turn: standing.awaits_turn,
            failures: standing.failures,
            failures_allowed: self.settings.breaker.failures,
            in_flight: self.slots.taken(),
            max_in_flight,
            calls: 0,
            succeeded: 0,
            faults: Default::default(),
            retries: 0,
            opened: standing.opened,
            attempts: Times::default(),
            last_faults: Vec::new(),
        };
        self.meters.report_in(&mut report);
        report
    }
}

fn header(credential: &UpstreamCredential) -> Result<(HeaderName, HeaderValue), BadUpstream> {
    let mut value = HeaderValue::from_str(&credential.value).map_err(|_| BadUpstream::Credential)?;
    value.set_sensitive(true);
    Ok((HeaderName::from_static(credential.header), value))
}

/// How long something may take: as long as usual, or until the deadline.
fn left(until: Option<Instant>, usual: Duration) -> Duration {
    until.map_or(usual, |until| {
        usual.min(until.saturating_duration_since(Instant::now()))
    })
}

/// All services that are configured.
#[derive(Clone, Debug, Default)]
pub struct HttpUpstreams(pub Vec<Arc<Upstream>>);

impl HttpUpstreams {
    fn find(&self, name: &str) -> Option<&Upstream> {
        let mut all = self.0.iter().map(Arc::as_ref);
        all.find(|upstream| upstream.settings.name == name)
    }
}

impl Upstreams for HttpUpstreams {
    fn report(&self) -> Vec<UpstreamReport> {
        self.0.iter().map(|upstream| upstream.report()).collect()
    }

    fn open(&self, name: &str, hold: Hold) -> Option<UpstreamReport> {
        let upstream = self.find(name)?;
        upstream.breaker.hold(hold);
        Some(upstream.report())
    }

    fn close(&self, name: &str) -> Option<UpstreamReport> {
        let upstream = self.find(name)?;
        upstream.breaker.close();
        Some(upstream.report())
    }

    fn learn(&self, name: &str, news: BreakerNews) {
        let Some(upstream) = self.find(name) else { return };
        let breaker = &upstream.breaker;
        match news {
            BreakerNews::Opened(left) => breaker.learn_open(left),
            BreakerNews::Closed => breaker.learn_closed(),
            BreakerNews::Held(hold) => breaker.hold(hold),
            BreakerNews::LetGo => breaker.let_go(),
        }
    }

    fn give_turn(&self, name: &str, turn: ProbeTurn) {
        if let Some(upstream) = self.find(name) {
            upstream.breaker.give_turn(turn);
        }
    }
}

impl fmt::Debug for UpstreamCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamCredential({}: …)", self.header)
    }
}

#[cfg(test)]
mod tests;
