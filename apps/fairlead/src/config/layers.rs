//! The layers values come from, each checked before they are merged.

use std::collections::BTreeMap;
use std::path::Path;

use ::config::{FileFormat, Map, Source, Value, ValueKind};

use super::error::Fault;
use super::keys::{KEYS, Key, Preset};
use super::replicas;
use crate::nearest::nearest;

const PREFIX: &str = "FAIRLEAD__";

/// Values of one origin by key, in the form the typed struct reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(BTreeMap<&'static str, Value>);

impl Layer {
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path)
    }

    /// Takes a value in, or notes what is wrong with it.
    fn add(&mut self, key: &'static Key, value: &Value, origin: &str, faults: &mut Vec<Fault>) {
        match key.kind.check(value) {
            Ok(kind) => {
                self.0
                    .insert(key.path, Value::new(Some(&origin.to_owned()), kind));
            }
            Err(fault) => faults.push(Fault::BadValue {
                key: key.path,
                origin: origin.to_owned(),
                fault,
                allowed: key.kind.allowed(),
                suggestion: choice_meant(key, value),
            }),
        }
    }

    fn add_text(&mut self, key: &'static Key, text: &str, origin: &str, faults: &mut Vec<Fault>) {
        self.add(key, &Value::new(None, text), origin, faults);
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        Ok(self
            .0
            .iter()
            .map(|(path, value)| ((*path).to_owned(), value.clone()))
            .collect())
    }
}

pub(super) fn defaults(faults: &mut Vec<Fault>) -> Layer {
    let mut layer = Layer::default();
    for key in KEYS {
        if let Some(text) = key.default {
            layer.add_text(key, text, "default", faults);
        }
    }
    layer
}

pub(super) fn preset(preset: Preset, faults: &mut Vec<Fault>) -> Layer {
    let mut layer = Layer::default();
    let origin = format!("preset:{}", preset.as_str());
    for key in KEYS {
        if let Some((_, text)) = key.presets.iter().find(|(of, _)| *of == preset) {
            layer.add_text(key, text, &origin, faults);
        }
    }
    layer
}

pub(super) fn file(path: &Path, faults: &mut Vec<Fault>) -> Layer {
    let mut layer = Layer::default();
    let origin = format!("file:{}", path.display());
    match ::config::File::from(path).format(FileFormat::Toml).collect() {
        Ok(table) => take_table(&mut layer, "", &table, &origin, faults),
        Err(error) => {
            faults.push(Fault::File {
                path: path.display().to_string(),
                reason: error.to_string(),
            });
        }
    }
    layer
}

fn take_table(
    layer: &mut Layer,
    prefix: &str,
    table: &Map<String, Value>,
    origin: &str,
    faults: &mut Vec<Fault>,
) {
    // Sorted, so that two starts report the same.
    for (name, value) in table.iter().collect::<BTreeMap<_, _>>() {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match (&value.kind, Key::find(&path)) {
            (_, Some(key)) => layer.add(key, value, origin, faults),
            (ValueKind::Table(inner), None) if is_section(&path) => {
                take_table(layer, &path, inner, origin, faults);
            }
            _ => faults.push(unknown(path, origin.to_owned())),
        }
    }
}

/// Reads the environment: `FAIRLEAD__…`, and the aliases, which yield to it. An empty variable counts as not set.
pub(super) fn environment(variables: &[(String, String)], faults: &mut Vec<Fault>) -> Layer {
    let set = |name: &str| {
        variables
            .iter()
            .find(|(variable, value)| variable == name && !value.is_empty())
    };
    let mut layer = Layer::default();
    for key in KEYS {
        let own = key.variable();
        if key.kind == super::Kind::Replicas && set(&own).is_none() {
            take_read_urls(&mut layer, key, variables, faults);
            continue;
        }
        let Some((name, text)) = set(&own).or_else(|| key.aliases.iter().find_map(|alias| set(alias))) else {
            continue;
        };
        if let Some((other, _)) = key
            .aliases
            .iter()
            .filter_map(|alias| set(alias))
            .find(|(_, value)| value != text)
        {
            faults.push(Fault::SetTwice {
                key: key.path,
                first: format!("env:{name}"),
                second: format!("env:{other}"),
            });
        }
        layer.add_text(key, text, &format!("env:{name}"), faults);
    }
    for (name, _) in variables {
        if let Some(rest) = name.strip_prefix(PREFIX)
            && !KEYS.iter().any(|key| key.variable() == *name)
        {
            faults.push(unknown(
                rest.replace("__", ".").to_lowercase(),
                format!("env:{name}"),
            ));
        }
    }
    layer
}

/// Reads the variables that name one replica each: the alias, then those with a number, by number.
fn take_read_urls(
    layer: &mut Layer,
    key: &'static Key,
    variables: &[(String, String)],
    faults: &mut Vec<Fault>,
) {
    let number = |name: &str| {
        let rest = key.aliases.iter().find_map(|alias| name.strip_prefix(alias))?;
        if rest.is_empty() {
            return Some(0);
        }
        rest.strip_prefix('_')?.parse::<u32>().ok()
    };
    let mut urls: Vec<(u32, &str, &str)> = variables
        .iter()
        .filter(|(_, url)| !url.is_empty())
        .filter_map(|(name, url)| Some((number(name)?, name.as_str(), url.as_str())))
        .collect();
    if urls.is_empty() {
        return;
    }
    urls.sort_unstable();
    let names: Vec<&str> = urls.iter().map(|(_, name, _)| *name).collect();
    let urls: Vec<&str> = urls.iter().map(|(_, _, url)| *url).collect();
    layer.add(
        key,
        &replicas::of_urls(&urls),
        &format!("env:{}", names.join(",")),
        faults,
    );
}

/// Reads what command line flags set: pairs of a key and its text.
pub(super) fn flags(set: &[(&'static str, &'static str, String)], faults: &mut Vec<Fault>) -> Layer {
    let mut layer = Layer::default();
    for (path, flag, text) in set {
        let key = Key::find(path).expect("flags are named after keys of the table");
        layer.add_text(key, text, &format!("flag:{flag}"), faults);
    }
    layer
}

fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| {
        key.path
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

fn unknown(key: String, origin: String) -> Fault {
    let suggestion = nearest(&key, KEYS.iter().map(|key| key.path)).map(str::to_owned);
    Fault::UnknownKey {
        key,
        origin,
        suggestion,
    }
}

fn choice_meant(key: &Key, value: &Value) -> Option<String> {
    match key.kind {
        super::Kind::Choice(choices) => {
            nearest(&value.kind.to_string(), choices.iter().copied()).map(str::to_owned)
        }
        _ => None,
    }
}
