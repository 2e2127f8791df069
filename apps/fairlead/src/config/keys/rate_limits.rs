//! Those of how often clients may ask.

use super::{DAY_SECONDS, Key, Kind, range};

/// A thousand million in a second come back one a nanosecond.
const MOST: u64 = 1_000_000_000;

const fn operation(path: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key::new(path, range(0, MOST), default, meaning).unit("requests")
}

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "rate_limits.enabled",
        Kind::Bool,
        "true",
        "limit how often clients may ask",
    )
    .aliases(&["ENABLE_RATE_LIMITING"]),
    Key::new(
        "rate_limits.shadow",
        Kind::Bool,
        "false",
        "count what limits would refuse, refuse nothing, and tell clients nothing: to find out whom they would hit",
    ),
    Key::new(
        "rate_limits.window_seconds",
        range(1, DAY_SECONDS),
        "60",
        "within what time a limit that is used up is whole again; requests come back evenly",
    )
    .unit("s"),
    Key::new(
        "rate_limits.address",
        range(0, MOST),
        "30000",
        "requests within the window from one address, or one /64 network of IPv6, whoever makes them; 0: any number, \
         here and below",
    )
    .unit("requests"),
    Key::new(
        "rate_limits.tenant",
        range(0, MOST),
        "60000",
        "requests within the window of one tenant",
    )
    .unit("requests"),
    Key::new(
        "rate_limits.api_key",
        range(0, MOST),
        "30000",
        "requests within the window by one API key",
    )
    .unit("requests"),
    Key::new(
        "rate_limits.capacity",
        range(1024, 1 << 24),
        "65536",
        "how many addresses, tenants and keys are told apart at once, at 16 bytes each, and 16 more with Redis; beyond \
         that those are forgotten that have used up least",
    ),
    operation(
        "rate_limits.operations.accept_invitation",
        "60",
        "accepted invitations within the window from one address",
    ),
    operation(
        "rate_limits.operations.begin_lead_export",
        "30",
        "exports in the background within the window that one tenant begins",
    ),
    operation(
        "rate_limits.operations.begin_lead_scoring",
        "10",
        "scorings of many within the window that one tenant begins; each asks a model about up to 5,000 leads",
    ),
    operation(
        "rate_limits.operations.create_leads",
        "600",
        "bulk creations within the window of one tenant",
    ),
    operation(
        "rate_limits.operations.export_leads",
        "60",
        "direct exports within the window of one tenant",
    ),
    operation(
        "rate_limits.operations.import_leads",
        "60",
        "imports within the window of one tenant",
    ),
    operation(
        "rate_limits.operations.login",
        "300",
        "logins within the window from one address, whether they succeed or not; failures lock out much sooner",
    ),
    operation(
        "rate_limits.operations.ping_webhook",
        "60",
        "pings of webhooks within the window of one tenant",
    ),
    operation(
        "rate_limits.operations.say_command",
        "300",
        "voice commands within the window of one tenant; one with a recording asks two models",
    ),
    operation(
        "rate_limits.operations.score_lead",
        "600",
        "scores within the window of one tenant",
    ),
    operation(
        "rate_limits.operations.search_leads",
        "6000",
        "searches within the window of one tenant",
    ),
    operation(
        "rate_limits.operations.sign_up",
        "60",
        "sign-ups within the window from one address",
    ),
    operation(
        "rate_limits.operations.summarize_activities",
        "600",
        "summaries within the window of one tenant",
    ),
    operation(
        "rate_limits.operations.update_leads",
        "600",
        "bulk changes within the window of one tenant",
    ),
];

/// Those of a plan that is paid for. Strangers have none, so there is nothing of them here.
macro_rules! of_plan {
    ($plan:literal, $name:literal, [$($operation:literal),+]) => {
        &[
            Key::optional(
                concat!("rate_limits.plans.", $plan, ".tenant"),
                range(0, MOST),
                concat!(
                    "requests within the window of one tenant of the plan ", $name, "; not set, here and below: as many as \
                     of any tenant"
                ),
            )
            .unit("requests"),
            Key::optional(
                concat!("rate_limits.plans.", $plan, ".api_key"),
                range(0, MOST),
                concat!("requests within the window by one API key of a tenant of the plan ", $name),
            )
            .unit("requests"),
            $(
                Key::optional(
                    concat!("rate_limits.plans.", $plan, ".operations.", $operation),
                    range(0, MOST),
                    concat!("the same of rate_limits.operations.", $operation, ", of a tenant of the plan ", $name),
                )
                .unit("requests"),
            )+
        ]
    };
    ($plan:literal, $name:literal) => {
        of_plan!($plan, $name, [
            "begin_lead_export",
            "begin_lead_scoring",
            "create_leads",
            "export_leads",
            "import_leads",
            "ping_webhook",
            "say_command",
            "score_lead",
            "search_leads",
            "summarize_activities",
            "update_leads"
        ])
    };
}

pub(super) const OF_TEAM: &[Key] = of_plan!("team", "TEAM");
pub(super) const OF_BUSINESS: &[Key] = of_plan!("business", "BUSINESS");
