//! Those of services that this installation calls, and of each of them.

use super::{Key, Kind, MEBIBYTE, range};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "upstreams.connect_timeout_ms",
        range(1, 60_000),
        "2000",
        "how long a connection to a service may take",
    )
    .unit("ms"),
    Key::new(
        "upstreams.timeout_ms",
        range(1, 120_000),
        "4000",
        "how long an attempt to call a service may take, from the connection to the end of the answer; less where the \
         request that needs it ends before",
    )
    .unit("ms"),
    Key::new(
        "upstreams.max_answer_bytes",
        range(1_024, 64 * MEBIBYTE),
        "1048576",
        "the most that is read of an answer of a service; a longer one is a failure",
    )
    .unit("bytes"),
    Key::new(
        "upstreams.max_in_flight",
        range(1, 10_000),
        "16",
        "how many calls to one service may be under way at once",
    ),
    Key::new(
        "upstreams.max_wait_ms",
        range(0, 60_000),
        "100",
        "how long a call waits while as many are under way as may be",
    )
    .unit("ms"),
    Key::new(
        "upstreams.retry_percent",
        range(0, 100),
        "10",
        "how many of a hundred calls may be tried again, those alone that may be made twice",
    )
    .unit("%"),
    Key::new(
        "upstreams.breaker.failures",
        range(1, 1_000),
        "5",
        "so many failures within the window open the circuit breaker of a service: it is not called for a while",
    ),
    Key::new(
        "upstreams.breaker.window_ms",
        range(100, 3_600_000),
        "60000",
        "within which time failures count",
    )
    .unit("ms"),
    Key::new(
        "upstreams.breaker.recovery_ms",
        range(100, 3_600_000),
        "60000",
        "after which time one call finds out whether the service is back",
    )
    .unit("ms"),
    Key::optional(
        "ai.provider",
        Kind::Choice(&["openai", "gemini"]),
        "how the provider of language models speaks; openai: as many others do, also servers of your own. Without it, \
         what they would do is done by rules",
    ),
    Key::optional(
        "ai.url",
        Kind::HttpUrl,
        "where the provider is; by default https://api.openai.com/v1 or https://generativelanguage.googleapis.com/v1beta",
    ),
    Key::optional(
        "ai.api_key",
        Kind::Secret { min_bytes: 1 },
        "by what the provider knows this installation",
    ),
    Key::optional("ai.model", Kind::Text, "which of its models is asked"),
    Key::optional(
        "ai.transcription_model",
        Kind::Text,
        "which of its models listens to recordings of voice commands; without it none does, or with gemini the one that is \
         asked",
    ),
    Key::new(
        "ai.transcription_timeout_ms",
        range(1, 120_000),
        "8000",
        "how long an attempt to have a recording written down may take, from the connection to the end of the answer; less \
         where the request that needs it ends before",
    )
    .unit("ms"),
    Key::new(
        "ai.input_price_cents",
        range(0, 1_000_000),
        "0",
        "what a million tokens cost that the model reads, in hundredths of the currency of its provider; 0: money is not \
         counted",
    )
    .unit("cents"),
    Key::new(
        "ai.output_price_cents",
        range(0, 1_000_000),
        "0",
        "what a million tokens cost that the model writes",
    )
    .unit("cents"),
    Key::new(
        "ai.monthly_tokens_per_tenant",
        range(0, 1_000_000_000_000),
        "1000000",
        "how many tokens a tenant may use up in a calendar month (UTC); then rules answer",
    )
    .unit("tokens"),
    Key::new(
        "ai.monthly_cents_per_tenant",
        range(0, 1_000_000_000),
        "1000",
        "how much a tenant may spend in a calendar month, at the prices above; then rules answer",
    )
    .unit("cents"),
];
