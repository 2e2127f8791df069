//! The image and the stack of compose, as far as they can be judged without a container.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use fairlead::config::{KEYS, Key};
use serde_json::{Map, Value};
use support::process::Program;

use super::{tool, workspace, yaml};

fn compose() -> Value {
    yaml(&fs::read_to_string(workspace().join("compose.yaml")).unwrap())
}

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().unwrap()
}

/// What `${NAME:?…}` stands for: each name is a secret.
fn interpolated(text: &str, names: &mut BTreeSet<String>) -> String {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let (inner, behind) = behind.split_once('}').unwrap();
        let (name, _) = inner
            .split_once(":?")
            .unwrap_or_else(|| panic!("{inner} may be left out"));
        names.insert(name.to_owned());
        whole.push_str(before);
        whole.push_str("0123456789abcdef0123456789abcdef");
        rest = behind;
    }
    whole + rest
}

#[test]
fn the_dockerfile_has_nothing_that_its_linter_knows() {
    let output = Command::new(tool("hadolint"))
        .arg(workspace().join("Dockerfile"))
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_image_is_nobodys_and_sets_keys_that_there_are() {
    let dockerfile = fs::read_to_string(workspace().join("Dockerfile")).unwrap();
    let variables: BTreeSet<String> = KEYS.iter().map(Key::variable).collect();

    assert!(dockerfile.contains("\nUSER 65532:65532\n"));
    let set = dockerfile
        .split_whitespace()
        .filter(|word| word.starts_with("FAIRLEAD__"));
    let set: Vec<&str> = set.map(|word| word.split_once('=').unwrap().0).collect();
    assert!(!set.is_empty());
    for name in set {
        assert!(variables.contains(name), "{name} is no key");
    }
}

#[tokio::test]
async fn the_program_takes_all_that_compose_tells_it() {
    let compose = compose();
    let ours = services(&compose)
        .iter()
        .filter(|(_, service)| service["image"] == "fairlead:0.1.0");
    let mut roles = Vec::new();
    for (name, service) in ours {
        let mut program = Program::unconfigured();
        for (variable, value) in service["environment"].as_object().unwrap() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            program = program.with(variable, &interpolated(&value, &mut BTreeSet::new()));
        }
        roles.extend(
            program
                .get("FAIRLEAD__ROLES")
                .unwrap_or_default()
                .split(',')
                .map(str::to_owned),
        );

        let explained = program.run(&["config", "explain"]).await;

        assert!(explained.status.success(), "{name}: {}", explained.stderr);
        assert_eq!(service["read_only"], true, "{name}");
        // Connections have 1 s, requests 30, jobs 10, Redis 2, and traces 3.
        assert_eq!(service["stop_grace_period"], "50s", "{name}");
    }
    roles.sort_unstable();
    // The one without a role migrates.
    assert_eq!(roles, ["", "api", "relay", "scheduler", "worker"]);
}

#[test]
fn the_stack_has_all_that_it_names() {
    let text = fs::read_to_string(workspace().join("compose.yaml")).unwrap();
    let compose = compose();
    let mut asked = BTreeSet::new();
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    interpolated(&code.join("\n"), &mut asked);
    let made = Command::new("sh")
        .arg(workspace().join("deploy/secrets.sh"))
        .output()
        .unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let made: BTreeSet<String> = made
        .lines()
        .map(|line| line.split_once('=').unwrap().0.to_owned())
        .collect();
    assert_eq!(asked, made);

    for (name, service) in services(&compose) {
        let (_, tag) = service["image"].as_str().unwrap().rsplit_once(':').unwrap();
        assert_ne!(tag, "latest", "{name}");
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (source, _) = volume.as_str().unwrap().split_once(':').unwrap();
            let is_there = if source.starts_with('.') {
                workspace().join(source).exists()
            } else {
                compose["volumes"].as_object().unwrap().contains_key(source)
            };
            assert!(is_there, "{name} mounts {source}");
        }
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(
                port.as_str().unwrap().starts_with("127.0.0.1:"),
                "{name} opens {port}"
            );
        }
        let others = &service["depends_on"];
        let others: Vec<&str> = match others {
            Value::Object(others) => others.keys().map(String::as_str).collect(),
            others => others
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
        };
        for other in others {
            assert!(services(&compose).contains_key(other), "{name} waits for {other}");
        }
    }
}
