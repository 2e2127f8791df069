//! Those of plans, of who takes the money for them, and of the mailing list.

use super::{Key, Kind, range};

/// More cannot be counted.
const MOST: u64 = 1_000_000_000_000;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "billing.stripe.url",
        Kind::HttpUrl,
        "https://api.stripe.com",
        "where Stripe is",
    ),
    Key::optional(
        "billing.stripe.api_key",
        Kind::Secret { min_bytes: 8 },
        "by what Stripe knows this installation: a secret or a restricted key. Without it nothing is for sale",
    ),
    Key::optional(
        "billing.stripe.webhook_secret",
        Kind::Secret { min_bytes: 8 },
        "with what Stripe signs what it tells: whsec_…, as its dashboard shows it. Without it nothing is taken",
    ),
    Key::optional(
        "billing.stripe.old_webhook_secret",
        Kind::Secret { min_bytes: 8 },
        "the one before, which counts as well while secrets are rotated",
    ),
    Key::optional(
        "billing.stripe.meter_event_name",
        Kind::Text,
        "the event name of the meter of Stripe by which calls of the API are billed; without it Stripe is not told of them",
    ),
    Key::optional(
        "billing.success_url",
        Kind::HttpUrl,
        "where payers are led when they have paid; needed with billing.stripe.api_key",
    ),
    Key::optional(
        "billing.cancel_url",
        Kind::HttpUrl,
        "where payers are led who have not paid; by default where those are who have",
    ),
    Key::optional(
        "billing.team.price",
        Kind::Text,
        "what Stripe calls the price of the plan TEAM, such as price_1MotwRLkdIwHu7ix; without it the plan is not for sale",
    ),
    Key::optional(
        "billing.business.price",
        Kind::Text,
        "what Stripe calls the price of the plan BUSINESS",
    ),
    Key::optional(
        "billing.free.max_leads",
        range(0, MOST),
        "how many leads a tenant of the plan FREE may have; any number, unless set",
    ),
    Key::optional(
        "billing.free.max_users",
        range(1, MOST),
        "how many users of a tenant of the plan FREE may be active; any number, unless set",
    ),
    Key::optional(
        "billing.free.max_calls",
        range(1, MOST),
        "how many calls of the API a tenant of the plan FREE may make within a calendar month; any number, unless set",
    ),
    Key::optional(
        "billing.team.max_leads",
        range(0, MOST),
        "how many leads a tenant of the plan TEAM may have; any number, unless set",
    ),
    Key::optional(
        "billing.team.max_users",
        range(1, MOST),
        "how many users of a tenant of the plan TEAM may be active; any number, unless set",
    ),
    Key::optional(
        "billing.team.max_calls",
        range(1, MOST),
        "how many calls of the API a tenant of the plan TEAM may make within a calendar month; any number, unless set",
    ),
    Key::optional(
        "billing.business.max_leads",
        range(0, MOST),
        "how many leads a tenant of the plan BUSINESS may have; any number, unless set",
    ),
    Key::optional(
        "billing.business.max_users",
        range(1, MOST),
        "how many users of a tenant of the plan BUSINESS may be active; any number, unless set",
    ),
    Key::optional(
        "billing.business.max_calls",
        range(1, MOST),
        "how many calls of the API a tenant of the plan BUSINESS may make within a calendar month; any number, unless set",
    ),
    Key::new(
        "kit.url",
        Kind::HttpUrl,
        "https://api.kit.com",
        "where Kit, formerly ConvertKit, is",
    ),
    Key::optional(
        "kit.api_key",
        Kind::Secret { min_bytes: 8 },
        "by what Kit knows this installation: a key of the fourth version of its API. Without it no lead is subscribed",
    ),
];
