use time::OffsetDateTime;

/// What a tenant may use, and pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plan {
    /// Of whoever pays nothing.
    Free,
    Team,
    Business,
}

impl Plan {
    pub const ALL: [Self; 3] = [Self::Free, Self::Team, Self::Business];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "FREE",
            Self::Team => "TEAM",
            Self::Business => "BUSINESS",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.as_str() == text)
    }
}

/// How much a plan allows; `None`: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanLimits {
    pub leads: Option<u64>,
    /// Who can log in.
    pub users: Option<u64>,
    /// Calls of the API within a calendar month, by UTC.
    pub calls: Option<u64>,
}

/// What each plan allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub free: PlanLimits,
    pub team: PlanLimits,
    pub business: PlanLimits,
}

impl Limits {
    pub fn of(self, plan: Plan) -> PlanLimits {
        match plan {
            Plan::Free => self.free,
            Plan::Team => self.team,
            Plan::Business => self.business,
        }
    }
}

/// How much of that a tenant uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanUsage {
    pub leads: u64,
    pub users: u64,
    /// In this month, as far as they are written down.
    pub calls: u64,
}

/// That a tenant has made all calls of the API that its plan allows within a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallsUsedUp {
    pub plan: Plan,
    pub allowed: u64,
    /// From when on they are counted anew.
    pub until: OffsetDateTime,
}

/// That a change would be more than the plan allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the plan {plan} allows {allowed} {what}, and the tenant has {used}: subscribe to another plan, or remove some"
)]
pub struct OverPlan {
    /// `leads`, `users`.
    pub what: String,
    pub plan: String,
    pub allowed: u64,
    /// Before the change.
    pub used: u64,
}

/// What the provider calls the prices of the plans that cost something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// `None`: the plan is not for sale.
    pub team: Option<String>,
    pub business: Option<String>,
}

impl Prices {
    pub fn of(&self, plan: Plan) -> Option<&str> {
        match plan {
            Plan::Free => None,
            Plan::Team => self.team.as_deref(),
            Plan::Business => self.business.as_deref(),
        }
    }

    /// The plan that has this price.
    pub fn plan(&self, price: &str) -> Option<Plan> {
        Plan::ALL.into_iter().find(|plan| self.of(*plan) == Some(price))
    }
}

/// How a subscription stands, in the provider's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionStatus {
    Trialing,
    Active,
    /// The last invoice is not paid yet, and is tried again.
    PastDue,
    /// It was tried for long enough.
    Unpaid,
    Paused,
    /// The first invoice is not paid yet.
    Incomplete,
    IncompleteExpired,
    Canceled,
}

impl SubscriptionStatus {
    pub const ALL: [Self; 8] = [
        Self::Trialing,
        Self::Active,
        Self::PastDue,
        Self::Unpaid,
        Self::Paused,
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Canceled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trialing => "TRIALING",
            Self::Active => "ACTIVE",
            Self::PastDue => "PAST_DUE",
            Self::Unpaid => "UNPAID",
            Self::Paused => "PAUSED",
            Self::Incomplete => "INCOMPLETE",
            Self::IncompleteExpired => "INCOMPLETE_EXPIRED",
            Self::Canceled => "CANCELED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether its plan is the tenant's. One whose invoice is tried again is not taken away meanwhile.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue)
    }

    /// Whether it will never be live again, so that another one may be begun.
    pub fn is_over(self) -> bool {
        matches!(self, Self::IncompleteExpired | Self::Canceled)
    }
}

/// What a tenant has subscribed to, as it was last asked of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// What the provider calls it.
    pub provider_id: String,
    /// `None`: its price is none that is configured.
    pub plan: Option<Plan>,
    pub status: SubscriptionStatus,
    /// Until when it is paid.
    pub current_period_end: Option<OffsetDateTime>,
    /// Whether it ends then.
    pub cancel_at_period_end: bool,
    pub updated_at: OffsetDateTime,
}

impl Subscription {
    /// The plan that a tenant with this subscription has.
    pub fn plan_in_force(subscription: Option<&Self>) -> Plan {
        let live = subscription.filter(|subscription| subscription.status.is_live());
        live.and_then(|subscription| subscription.plan)
            .unwrap_or(Plan::Free)
    }

    /// Whether it says the same, whenever it was asked.
    pub fn is_as(&self, other: &Self) -> bool {
        let at = |subscription: &Self| Self {
            updated_at: OffsetDateTime::UNIX_EPOCH,
            ..subscription.clone()
        };
        at(self) == at(other)
    }
}
