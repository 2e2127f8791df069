//! Moments as callers give them: by RFC 3339. Who gives something else is told what one looks like.

use fairlead_domain::clock;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const FAULT: &str = "must be a date and time by RFC 3339 such as 2026-11-20T09:30:00Z";

pub(crate) fn parse(text: &str) -> Result<OffsetDateTime, &'static str> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| FAULT)
}

/// Reads a moment of a body.
pub(crate) fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

/// Reads a moment of a body that may be `null`; one that may be absent has a `default`, too.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<OffsetDateTime>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse(&text))
        .transpose()
        .map_err(D::Error::custom)
}

/// A moment as it is shown in a fault.
pub(crate) fn shown(moment: OffsetDateTime) -> String {
    let seconds = moment.replace_nanosecond(0).unwrap_or(moment);
    let seconds = clock::stored(seconds).unwrap_or(seconds);
    seconds.format(&Rfc3339).unwrap_or_else(|_| seconds.to_string())
}
