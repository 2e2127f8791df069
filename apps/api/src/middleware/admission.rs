use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use fairlead_domain::access::{Caller, VerifiedIdentity};
use fairlead_domain::billing::Plan;
use fairlead_domain::rate_limits::{Limit, LimitKey, LimitedOperation, Standing, Verdict};

use super::client_address;
use crate::authentication::{Presented, looks_like_an_operators};
use crate::problem::Problem;
use crate::rate_limits::{Asker, Enforcement, RateLimits, limited_operation};
use crate::state::Services;

/// The most limits that one request comes under: its address, its operation, its API key and its tenant.
const MOST: usize = 4;
/// Whoever asks how all is doing must not be held up by whoever asks too much.
pub(crate) const HEALTH: [&str; 4] = ["/api/v1/health", "/api/health", "/health/live", "/health/ready"];

/// What one request has taken of the limits it comes under.
///
/// Its address is asked before anything is done for it, the others once it is known who asks. One that is refused by
/// these has taken nothing but of its address.
#[derive(Debug)]
pub(super) struct Admission<'s> {
    limits: Option<&'s RateLimits>,
    at: Instant,
    taken: [Option<LimitKey>; MOST],
    asker: Asker,
    plan: Plan,
    operation: Option<LimitedOperation>,
    tightest: Option<Standing>,
    /// Why the request will be refused, should it be no operator's.
    unless_operator: Option<Problem>,
}

impl<'s> Admission<'s> {
    /// For a request that came at `at`.
    pub(super) fn new(request: &HttpRequest, services: &'s Services, at: Instant) -> Self {
        let limits = services.rate_limits.as_ref();
        Self {
            limits: limits.filter(|_| !HEALTH.contains(&request.path())),
            at,
            taken: [None; MOST],
            asker: Asker::Stranger,
            plan: Plan::Free,
            operation: None,
            tightest: None,
            unless_operator: None,
        }
    }

    /// Lets a request in of whom nobody knows yet who has sent it.
    pub(super) fn enter(&mut self, request: &HttpRequest, services: &Services) -> Result<(), Problem> {
        if self.limits.is_none() {
            return Ok(());
        }
        let address = client_address(request, &services.settings);
        let Err(problem) = self.take(LimitKey::address(address)) else {
            return Ok(());
        };
        if !looks_like_an_operators(request) {
            return Err(problem);
        }
        // To find out whether it is one costs something: so not everybody can have that who says so.
        self.take(LimitKey::operator_attempts(address))?;
        self.unless_operator = Some(problem);
        Ok(())
    }

    /// Lets a request pass whose sender is established; `None`: nobody asks who it is.
    pub(super) fn pass(
        &mut self,
        presented: Option<&Presented>,
        request: &HttpRequest,
        services: &Services,
    ) -> Result<(), Problem> {
        if self.limits.is_none() {
            return Ok(());
        }
        if let Some(Presented::Operator(_)) = presented {
            self.leave();
            return Ok(());
        }
        if let Some(problem) = self.unless_operator.take() {
            return Err(problem);
        }
        // Those under which fewest come first: one who asks too often is to use nothing up of the others of its tenant.
        let result = match presented {
            Some(Presented::Caller(caller)) => self.pass_caller(caller, request),
            None => self.pass_stranger(request, services),
            Some(Presented::Operator(_) | Presented::Nothing | Presented::Refused(_)) => Ok(()),
        };
        if result.is_err() {
            self.give_back(|key| key.limit() != Limit::Address);
        }
        result
    }

    fn pass_caller(&mut self, caller: &Caller, request: &HttpRequest) -> Result<(), Problem> {
        self.operation = operation_of(request).filter(|operation| !operation.is_for_strangers());
        self.asker = Asker::User;
        if let Some(limits) = self.limits {
            self.plan = limits.plan(caller.scope());
        }
        if let Some(operation) = self.operation {
            self.take(LimitKey::operation(operation, caller.scope()).under(self.plan))?;
        }
        if let VerifiedIdentity::ApiKey { key, .. } = caller.identity() {
            self.asker = Asker::ApiKey;
            self.take(LimitKey::api_key(*key).under(self.plan))?;
        }
        self.take(LimitKey::tenant(caller.scope()).under(self.plan))
    }

    fn pass_stranger(&mut self, request: &HttpRequest, services: &Services) -> Result<(), Problem> {
        self.operation = operation_of(request).filter(|operation| operation.is_for_strangers());
        match self.operation {
            Some(operation) => {
                let address = client_address(request, &services.settings);
                self.take(LimitKey::operation_of_strangers(operation, address))
            }
            None => Ok(()),
        }
    }

    fn take(&mut self, key: LimitKey) -> Result<(), Problem> {
        let Some(limits) = self.limits else {
            return Ok(());
        };
        match limits.limiter.take(key, self.at) {
            Verdict::Unlimited => Ok(()),
            Verdict::Admitted(standing) => {
                if self
                    .tightest
                    .is_none_or(|tightest| standing.is_tighter_than(&tightest))
                {
                    self.tightest = Some(standing);
                }
                if let Some(free) = self.taken.iter_mut().find(|taken| taken.is_none()) {
                    *free = Some(key);
                }
                Ok(())
            }
            Verdict::Refused { standing, after } => {
                self.tightest = Some(standing);
                match limits.refuse(key, &standing, after, self.at) {
                    Some(problem) => Err(problem),
                    None => Ok(()),
                }
            }
        }
    }

    /// The request comes under no limit after all.
    fn leave(&mut self) {
        self.give_back(|_| true);
        self.unless_operator = None;
        self.limits = None;
    }

    /// Gives back what was taken and `is_owed`.
    fn give_back(&mut self, is_owed: impl Fn(&LimitKey) -> bool) {
        let Some(limits) = self.limits else { return };
        for taken in &mut self.taken {
            if let Some(key) = taken.take_if(|key| is_owed(key)) {
                limits.limiter.give_back(key);
            }
        }
    }

    /// Tells the client how it stands. An answer that says that nothing has changed has cost nothing.
    pub(super) fn end(mut self, status: StatusCode, headers: &mut HeaderMap) {
        let Some(limits) = self.limits else { return };
        let costs_nothing = status == StatusCode::NOT_MODIFIED;
        if costs_nothing {
            self.give_back(|_| true);
        }
        if limits.enforcement == Enforcement::Shadow {
            return;
        }
        if let Some(mut standing) = self.tightest {
            standing.remaining += u32::from(costs_nothing);
            limits
                .policies
                .tell(headers, (self.asker, self.plan), self.operation, &standing);
        }
    }
}

fn operation_of(request: &HttpRequest) -> Option<LimitedOperation> {
    // As the router sees the path.
    limited_operation(request.method(), request.match_info().as_str())
}
