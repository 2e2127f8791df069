//! The value of `database.replicas`: tables in a file, JSON in the environment, or one URL a variable.

use ::config::{Map, Value, ValueKind};
use serde::{Deserialize, Serialize};

use super::Secret;
use super::kind::Kind;

/// A server that follows the primary.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaConfig {
    /// How reports and answers call it.
    pub name: String,
    /// As role `fairlead_app`.
    pub url: Secret,
    /// Kept for statistics and exports.
    #[serde(default)]
    pub analytics: bool,
}

/// How a list is written where there is one line for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    url: String,
    #[serde(default)]
    analytics: bool,
}

const NAME_MAX: usize = 32;

/// Brings the list into the form the typed struct reads. Nothing of a URL is repeated in what is said.
pub(super) fn check(value: &Value) -> Result<ValueKind, String> {
    let written: Vec<Written> = match &value.kind {
        ValueKind::String(text) => serde_json::from_str(text).map_err(|_| "is not such a list".to_owned())?,
        ValueKind::Array(_) => value
            .clone()
            .try_deserialize()
            .map_err(|_| "is not such a list".to_owned())?,
        _ => return Err("is not such a list".to_owned()),
    };
    let mut names: Vec<&str> = Vec::new();
    for replica in &written {
        let name = replica.name.as_str();
        let is_legal = (1..=NAME_MAX).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_legal || name == "primary" {
            return Err(format!("names a replica {name:?}"));
        }
        if names.contains(&name) {
            return Err(format!("names two replicas {name:?}"));
        }
        names.push(name);
        Kind::PostgresUrl
            .check(&Value::new(None, replica.url.as_str()))
            .map_err(|_| format!("has no PostgreSQL URL for {name:?}"))?;
    }
    Ok(as_kind(&written))
}

/// Makes the list of URLs alone, called `replica-1`, `replica-2`, in this order.
pub(super) fn of_urls(urls: &[&str]) -> Value {
    let written: Vec<Written> = (1..)
        .zip(urls)
        .map(|(number, url)| Written {
            name: format!("replica-{number}"),
            url: (*url).to_owned(),
            analytics: false,
        })
        .collect();
    Value::new(None, as_kind(&written))
}

fn as_kind(written: &[Written]) -> ValueKind {
    let table = |replica: &Written| {
        let table: Map<String, Value> = Map::from_iter([
            ("name".to_owned(), Value::new(None, replica.name.as_str())),
            ("url".to_owned(), Value::new(None, replica.url.as_str())),
            ("analytics".to_owned(), Value::new(None, replica.analytics)),
        ]);
        Value::new(None, ValueKind::Table(table))
    };
    ValueKind::Array(written.iter().map(table).collect())
}
