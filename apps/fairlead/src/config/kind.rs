//! What values a key takes.

use std::net::IpAddr;

use ::config::{Value, ValueKind};
use fairlead_domain::identity::TenantId;
use fairlead_domain::network::Network;

use super::replicas;
use super::roles::Role;

/// The form of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Integer {
        min: u64,
        max: u64,
    },
    Text,
    Choice(&'static [&'static str]),
    Path,
    /// An IP address.
    Address,
    /// Ranges of IP addresses, with commas between them.
    Networks,
    HttpUrl,
    PostgresUrl,
    RedisUrl,
    AmqpUrl,
    /// Sites, as browsers name them in `Origin`.
    Origins,
    /// What a process does.
    Roles,
    /// Tenants by id, each with the weight of its share.
    Weights,
    /// Servers that follow the primary.
    Replicas,
    LogFilter,
    Secret {
        min_bytes: usize,
    },
}

impl Kind {
    /// Says what is allowed.
    pub fn allowed(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Text => "text of 1 to 200 characters".to_owned(),
            Self::Choice(choices) => choices.join(", "),
            Self::Path => "a path".to_owned(),
            Self::Address => "an IP address such as 127.0.0.1, 0.0.0.0 or ::".to_owned(),
            Self::Networks => "ranges of addresses such as 10.0.0.0/8,fd00::/8".to_owned(),
            Self::HttpUrl => "a URL such as https://api.example.com, without a trailing slash".to_owned(),
            Self::PostgresUrl => "postgres://user:password@host:port/database".to_owned(),
            Self::RedisUrl => "redis://[[user]:password@]host:port[/database], or rediss://".to_owned(),
            Self::AmqpUrl => "amqp://user:password@host:port/vhost, or amqps://".to_owned(),
            Self::Origins => {
                "origins such as https://app.example.com, several with commas between, or * for all".to_owned()
            }
            Self::Roles => {
                "one or more of api, worker, relay, scheduler, with commas between; leave it out for all".to_owned()
            }
            Self::Weights => "ids of tenants and their weights from 1 to 1000, such as \
                              0192d3a4-0000-7000-8000-000000000001=4, several with commas between"
                .to_owned(),
            Self::Replicas => "a list such as [{\"name\": \"replica-1\", \"url\": \"postgres://…\", \"analytics\": false}], \
                               in a file [[database.replicas]]; names of a-z, 0-9 and -"
                .to_owned(),
            Self::LogFilter => {
                "error, warn, info, debug, trace, off, or directives such as info,fairlead_postgres=debug"
                    .to_owned()
            }
            Self::Secret { min_bytes } => format!("at least {min_bytes} bytes nobody can guess"),
        }
    }

    /// Brings a value into the form the typed struct reads, or says what is wrong with it. A secret is not repeated.
    pub(super) fn check(self, value: &Value) -> Result<ValueKind, String> {
        if self == Self::Replicas {
            return replicas::check(value);
        }
        if self == Self::Origins {
            return list(value, is_origin);
        }
        if self == Self::Weights {
            return list(value, is_weight);
        }
        if self == Self::Roles {
            return match list(value, |text| Role::parse(text).is_some())? {
                ValueKind::Array(roles) if roles.is_empty() => Err("is empty".to_owned()),
                roles => Ok(roles),
            };
        }
        let text = scalar(value)?;
        match self {
            Self::Bool => text
                .parse()
                .map(ValueKind::Boolean)
                .map_err(|_| format!("is {text:?}")),
            Self::Integer { min, max } => match text.parse() {
                Ok(number) if (min..=max).contains(&number) => Ok(ValueKind::U64(number)),
                _ => Err(format!("is {text:?}")),
            },
            _ => self.check_text(&text).map(|()| ValueKind::String(text)),
        }
    }

    fn check_text(self, text: &str) -> Result<(), String> {
        let is_fine = match self {
            Self::Choice(choices) => choices.contains(&text),
            Self::Address => text.parse::<IpAddr>().is_ok(),
            Self::Networks => text.split(',').all(|part| part.trim().parse::<Network>().is_ok()),
            Self::HttpUrl => is_http_url(text),
            Self::LogFilter => is_log_filter(text),
            Self::PostgresUrl => {
                let has_scheme = ["postgres://", "postgresql://"]
                    .iter()
                    .any(|scheme| text.starts_with(scheme));
                return if has_scheme {
                    Ok(())
                } else {
                    Err("is not such a URL".to_owned())
                };
            }
            Self::RedisUrl => {
                let host = ["redis://", "rediss://"]
                    .iter()
                    .find_map(|scheme| text.strip_prefix(scheme));
                return if host.is_some_and(|host| !host.is_empty()) {
                    Ok(())
                } else {
                    Err("is not such a URL".to_owned())
                };
            }
            Self::AmqpUrl => {
                let host = ["amqp://", "amqps://"]
                    .iter()
                    .find_map(|scheme| text.strip_prefix(scheme));
                return if host.is_some_and(|host| !host.is_empty()) {
                    Ok(())
                } else {
                    Err("is not such a URL".to_owned())
                };
            }
            Self::Secret { min_bytes } => {
                let actual = text.len();
                return if actual >= min_bytes {
                    Ok(())
                } else {
                    Err(format!("has {actual} bytes"))
                };
            }
            Self::Text => (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control),
            Self::Path => !text.is_empty() && !text.contains('\0'),
            Self::Bool
            | Self::Integer { .. }
            | Self::Origins
            | Self::Roles
            | Self::Weights
            | Self::Replicas => true,
        };
        if is_fine {
            Ok(())
        } else {
            Err(format!("is {text:?}"))
        }
    }
}

/// Returns the text of a single value; a number in a file and a number in the environment are the same.
fn scalar(value: &Value) -> Result<String, String> {
    match &value.kind {
        ValueKind::Table(_) => Err("is a section".to_owned()),
        ValueKind::Array(_) => Err("is a list".to_owned()),
        ValueKind::Nil => Err("is empty".to_owned()),
        kind => Ok(kind.to_string()),
    }
}

/// A list, or its parts in one text.
fn list(value: &Value, is_part: impl Fn(&str) -> bool) -> Result<ValueKind, String> {
    let texts: Vec<String> = match &value.kind {
        ValueKind::Array(parts) => parts.iter().map(scalar).collect::<Result<_, _>>()?,
        _ => scalar(value)?
            .split(',')
            .map(|part| part.trim().to_owned())
            .collect(),
    };
    if let Some(other) = texts.iter().find(|text| !is_part(text)) {
        return Err(format!("has {other:?}"));
    }
    let values = texts.into_iter().map(Value::from).collect();
    Ok(ValueKind::Array(values))
}

fn is_origin(text: &str) -> bool {
    text == "*" || (is_http_url(text) && text.matches('/').count() == 2)
}

fn is_weight(text: &str) -> bool {
    let parts = text
        .split_once('=')
        .map(|(tenant, weight)| (tenant.trim(), weight.trim()));
    parts.is_some_and(|(tenant, weight)| {
        tenant.parse::<TenantId>().is_ok()
            && weight
                .parse::<u32>()
                .is_ok_and(|weight| (1..=1_000).contains(&weight))
    })
}

fn is_http_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with(['/', ':'])
            && !rest.ends_with('/')
            && rest
                .chars()
                .all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '"' | '<' | '>'))
    })
}

/// Stricter than the filter's own syntax, to which any word is the name of a module that may be logged.
fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_known = |directive: &str| {
        directive.contains(['=', '['])
            || LEVELS
                .iter()
                .any(|level| directive.trim().eq_ignore_ascii_case(level))
    };
    text.split(',').all(is_known) && fairlead_telemetry::logging::check_filter(text).is_ok()
}
