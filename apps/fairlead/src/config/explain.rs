use serde::Serialize;

use super::keys::{KEYS, Key};
use super::load::Loaded;
use super::secret::PLACEHOLDER;

/// What one key is, and what it is set to here.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub key: &'static str,
    /// `None`: not set.
    pub value: Option<String>,
    /// `default`, `preset:…`, `file:…`, `env:…` or `flag:…`; `None` when the key is not set.
    pub origin: Option<String>,
    pub meaning: &'static str,
    pub unit: Option<&'static str>,
    pub allowed: String,
    /// The environment variables that set it, the first before the others.
    pub variables: Vec<String>,
}

/// Explains every key, in the order of the table. Secrets stay hidden.
pub fn explain(loaded: &Loaded) -> Vec<Explanation> {
    KEYS.iter().map(|key| explain_key(key, loaded)).collect()
}

fn explain_key(key: &'static Key, loaded: &Loaded) -> Explanation {
    let found = loaded.value(key.path);
    Explanation {
        key: key.path,
        value: found.map(|(value, _)| shown(key, value)),
        origin: found.map(|(_, origin)| origin.to_owned()),
        meaning: key.meaning,
        unit: key.unit,
        allowed: key.kind.allowed(),
        variables: std::iter::once(key.variable())
            .chain(key.aliases.iter().map(|&alias| alias.into()))
            .collect(),
    }
}

fn shown(key: &Key, value: &::config::Value) -> String {
    if key.is_secret() {
        PLACEHOLDER.to_owned()
    } else {
        value.kind.to_string()
    }
}
