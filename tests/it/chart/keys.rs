//! The keys of the configuration, as the chart and the manual know them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use fairlead::config::{KEYS, Key};
use serde_json::{Value, json};
use support::process::Program;

use super::{Rendered, chart, compare, workspace};

/// What the chart sets itself, so that parts of it agree.
const OF_THE_CHART: [&str; 14] = [
    "auth.keys_dir",
    "data_dir",
    // Schemas are brought up to date by the job that comes before a rollout.
    "database.migrate_on_start",
    "http.drain_ms",
    "http.host",
    "http.port",
    "http.shutdown_timeout_ms",
    "jobs.stop_timeout_ms",
    "metrics.enabled",
    "metrics.host",
    "metrics.port",
    "metrics.tenants",
    "preset",
    "roles",
];

/// What URLs are composed of where servers come with the chart.
const PASSWORDS: [&str; 5] = [
    "FAIRLEAD_BOOTSTRAP_APP_PASSWORD",
    "FAIRLEAD_BOOTSTRAP_OWNER_PASSWORD",
    "FAIRLEAD_BOOTSTRAP_SYSTEM_PASSWORD",
    "REDIS_PASSWORD",
    "RABBITMQ_PASSWORD",
];

fn names(condition: impl Fn(&Key) -> bool) -> Value {
    let names: BTreeSet<&str> = KEYS
        .iter()
        .filter(|key| condition(key))
        .map(|key| key.path)
        .collect();
    json!(names)
}

#[test]
fn values_take_every_key_there_is_and_no_other() {
    let path = chart().join("values.schema.json");
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let definitions = &mut schema["$defs"];
    definitions["config"]["propertyNames"]["enum"] =
        names(|key| !key.is_secret() && !OF_THE_CHART.contains(&key.path));
    definitions["secrets"]["propertyNames"]["enum"] = names(Key::is_secret);

    compare(
        &path,
        &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()),
    );
}

/// What a Secret would hold.
fn plausible(name: &str) -> &'static str {
    match name {
        "FAIRLEAD__DATABASE__URL" => "postgres://fairlead_app:a@db/fairlead",
        "FAIRLEAD__DATABASE__SYSTEM_URL" => "postgres://fairlead_system:a@db/fairlead",
        "FAIRLEAD__DATABASE__OWNER_URL" => "postgres://fairlead_owner:a@db/fairlead",
        "FAIRLEAD__CACHE__REDIS__URL" => "redis://:a@redis:6379/0",
        "FAIRLEAD__EVENTS__AMQP__URL" => "amqp://a:a@rabbitmq:5672/%2f",
        "FAIRLEAD__SECURITY__SECRET" => support::process::SECRET,
        _ => panic!("nothing is known of {name}"),
    }
}

#[tokio::test]
async fn the_program_takes_all_that_the_chart_tells_it() {
    let variables: BTreeSet<String> = KEYS.iter().map(Key::variable).collect();
    for (files, rendered) in Rendered::all() {
        for deployment in rendered.of_kind("Deployment") {
            let container = &deployment["spec"]["template"]["spec"]["containers"][0];
            let mut program = Program::unconfigured();
            for variable in container["env"].as_array().unwrap() {
                let name = variable["name"].as_str().unwrap();
                let is_known = variables.contains(name) || PASSWORDS.contains(&name);
                assert!(is_known, "{name} is no key");
                let value = variable["value"].as_str();
                let value = value.map_or_else(|| plausible_or_password(name), str::to_owned);
                program = program.with(name, &value);
            }

            // It refuses keys that it does not know, values that it cannot take, and those that do not go together.
            let explained = program.run(&["config", "explain"]).await;

            assert!(explained.status.success(), "{files:?}: {}", explained.stderr);
        }
    }
}

fn plausible_or_password(name: &str) -> String {
    if PASSWORDS.contains(&name) {
        return "0123456789abcdef".to_owned();
    }
    plausible(name).to_owned()
}

#[test]
fn the_manual_lists_every_key() {
    let mut text = "# Configuration\n\n\
        Written from the table of keys by `UPDATE_GOLDEN=1 cargo xtask test chart::`; a test compares.\n\
        `fairlead config explain` tells the same of a process, with each value and where it is from.\n\n\
        A key is set in `fairlead.toml` by its name, and in the environment by its variable: `database.pool.max` is \
        `FAIRLEAD__DATABASE__POOL__MAX`.\n\
        The environment wins over the file, the file over the preset, the preset over the default.\n\
        Keys that are unknown, and values that are not allowed, stop the start.\n\n\
        | key | means | default | allowed |\n|---|---|---|---|\n"
        .to_owned();
    for key in KEYS {
        let unit = key.unit.map(|unit| format!(" ({unit})")).unwrap_or_default();
        let mut default = key
            .default
            .map_or_else(|| "not set".to_owned(), |text| format!("`{text}`"));
        for (preset, value) in key.presets {
            write!(default, "; {} `{value}`", preset.as_str()).unwrap();
        }
        let aliases = if key.aliases.is_empty() {
            String::new()
        } else {
            format!("; also `{}`", key.aliases.join("`, `"))
        };
        let allowed = key.kind.allowed().replace('|', "\\|");
        writeln!(
            text,
            "| `{}` | {}{unit}{aliases} | {default} | {allowed} |",
            key.path, key.meaning
        )
        .unwrap();
    }

    compare(&workspace().join("docs/configuration.md"), &text);
}
