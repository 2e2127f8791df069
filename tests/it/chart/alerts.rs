//! Alerts, boards and autoscaling ask for what the program tells, and alerts lead to a part of the runbooks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Rendered, chart, compare, workspace, yaml};

/// What Prometheus adds to each series, and to buckets.
const OF_PROMETHEUS: [&str; 5] = ["instance", "job", "le", "namespace", "pod"];

/// The names and labels that each file of the metrics writes down.
fn told() -> Vec<BTreeSet<String>> {
    let folder = workspace().join("apps/api/src/metrics");
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| quoted(&fs::read_to_string(file.unwrap().path()).unwrap()))
        .collect()
}

/// The words that stand in quotation marks.
fn quoted(text: &str) -> BTreeSet<String> {
    let is_name = |part: &&str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(is_name)
        .map(str::to_owned)
        .collect()
}

/// Which series an expression asks for, and by which labels.
#[derive(Debug, Default)]
struct Asked {
    series: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Asked {
    /// Reads as much of the language of Prometheus as we write.
    fn by(expression: &str) -> Self {
        let mut asked = Self::default();
        let mut rest = expression;
        let mut is_within_labels = false;
        let mut follows_by = false;
        while let Some(first) = rest.chars().next() {
            let end = match first {
                '"' => rest[1..].find('"').unwrap() + 2,
                '[' => rest.find(']').unwrap() + 1,
                c if c.is_ascii_digit() => number(rest),
                c if c.is_ascii_alphabetic() || c == '_' => rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
                    .unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            let (token, behind) = rest.split_at(end);
            match first {
                '{' => is_within_labels = true,
                '(' if follows_by => (is_within_labels, follows_by) = (true, false),
                '}' | ')' => is_within_labels = false,
                c if c.is_ascii_alphabetic() || c == '_' => {
                    if is_within_labels {
                        asked.labels.insert(token.to_owned());
                    } else if token == "by" {
                        follows_by = true;
                    } else if token == "offset" {
                        // A time follows.
                    } else if token != "and"
                        && !behind.trim_start().starts_with('(')
                        && !behind.starts_with(" by")
                    {
                        asked.series.insert(token.to_owned());
                    }
                }
                _ => {}
            }
            rest = behind;
        }
        asked
    }
}

/// The length of a number, or of a time such as 6h.
fn number(text: &str) -> usize {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_part = c.is_ascii_alphanumeric() || c == '.' || (before == 'e' && (c == '+' || c == '-'));
        if !is_part {
            return at;
        }
        before = c;
    }
    text.len()
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let asked = Asked::by(
        r#"sum by (le, queue) (rate(a_bucket{job="x",state!~"y|z"}[5m])) / clamp_min(b offset 6h, 1e-9) > 8.5e+08 and c:d"#,
    );

    assert_eq!(asked.series, ["a_bucket", "b", "c:d"].map(str::to_owned).into());
    assert_eq!(
        asked.labels,
        ["job", "le", "queue", "state"].map(str::to_owned).into()
    );
}

/// Fails where nobody tells a series, or tells it without a label.
#[track_caller]
fn require_told(expression: &str, recorded: &BTreeSet<&str>) {
    let told = told();
    let Asked { series, labels } = Asked::by(expression);
    assert!(!series.is_empty(), "{expression} asks for nothing");
    let mut known: BTreeSet<&str> = OF_PROMETHEUS.into();
    for name in series.iter().filter(|name| !recorded.contains(name.as_str())) {
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| name.strip_suffix(part))
            .unwrap_or(name);
        let file = told.iter().find(|names| names.contains(family));
        let file = file.unwrap_or_else(|| panic!("nobody tells {name}: {expression}"));
        known.extend(file.iter().map(String::as_str));
    }
    for label in &labels {
        assert!(
            known.contains(label.as_str()),
            "no series has {label}: {expression}"
        );
    }
}

fn rules(rendered: &Rendered) -> Vec<&Value> {
    let groups = rendered.find("PrometheusRule", "fairlead")["spec"]["groups"]
        .as_array()
        .unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect()
}

fn recorded<'r>(rules: &[&'r Value]) -> BTreeSet<&'r str> {
    rules.iter().filter_map(|rule| rule["record"].as_str()).collect()
}

#[test]
fn alerts_ask_for_what_the_program_tells() {
    let rendered = Rendered::production();
    let rules = rules(rendered);
    let recorded = recorded(&rules);

    for rule in &rules {
        require_told(rule["expr"].as_str().unwrap(), &recorded);
    }
}

#[test]
fn the_board_asks_for_what_the_program_tells() {
    let rendered = Rendered::production();
    let map = rendered.find("ConfigMap", "performance-dashboard");
    let board: Value =
        serde_json::from_str(map["data"]["performance-dashboard.json"].as_str().unwrap()).unwrap();

    assert_eq!(board["title"], "TekUp Performance Dashboard");
    let panels: BTreeMap<&str, &Value> = board["panels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|panel| (panel["title"].as_str().unwrap(), panel))
        .collect();
    for title in [
        "API Response Times",
        "Database Query Performance",
        "Cache Hit Rate",
        "Active WebSocket Connections",
    ] {
        assert!(panels.contains_key(title), "no panel {title}");
    }
    assert_eq!(panels["Cache Hit Rate"]["type"], "stat");
    for target in panels
        .values()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
    {
        let expression = target["expr"].as_str().unwrap();
        require_told(&expression.replace("\"$job\"", "\"job\""), &BTreeSet::new());
    }
}

#[test]
fn autoscaling_asks_for_what_the_program_tells() {
    let text = fs::read_to_string(chart().join("files/metrics-adapter.yaml")).unwrap();
    let adapter = yaml(&text);

    for rule in ["rules", "externalRules"]
        .iter()
        .flat_map(|rules| adapter[*rules].as_array().unwrap())
    {
        let plain = |text: &Value| {
            text.as_str()
                .unwrap()
                .replace("<<.LabelMatchers>>", "")
                .replace("<<.GroupBy>>", "namespace,pod")
        };
        require_told(&plain(&rule["seriesQuery"]), &BTreeSet::new());
        require_told(&plain(&rule["metricsQuery"]), &BTreeSet::new());
    }
}

/// What a heading of Markdown is reached by.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    headings
        .map(|heading| {
            heading
                .to_lowercase()
                .replace(' ', "-")
                .replace([',', '.', ':'], "")
        })
        .collect()
}

#[test]
fn every_alert_leads_to_a_part_of_the_runbooks_that_names_it() {
    let rendered = Rendered::production();
    let path = workspace().join("docs/runbooks.md");
    let (anchors, text) = (anchors(&path), fs::read_to_string(&path).unwrap());

    for rule in rules(rendered) {
        let Some(name) = rule["alert"].as_str() else {
            continue;
        };
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["warning", "critical"].contains(&severity), "{name}");
        let link = rule["annotations"]["runbook_url"].as_str().unwrap();
        let (_, anchor) = link.split_once('#').unwrap();
        assert!(anchors.contains(anchor), "{name} leads to {anchor}: {anchors:?}");
        assert!(text.contains(&format!("`{name}`")), "no runbook names {name}");
    }
}

/// So that whoever runs the stack by compose is told of the same.
#[test]
fn the_alerts_of_the_compose_stack_are_those_of_the_chart() {
    let rendered = Rendered::of(&[
        "--set",
        "monitoring.prometheusRule.enabled=true",
        "--set-json",
        r#"monitoring.selector="job=\"fairlead\"""#,
    ]);
    let template = rendered
        .text
        .split("---\n")
        .find(|part| part.contains("kind: PrometheusRule"))
        .unwrap();
    let (_, groups) = template.split_once("\n  groups:\n").unwrap();
    let mut text =
        "# Rendered from the Helm chart by `UPDATE_GOLDEN=1 cargo xtask test chart::`; a test compares.\n\
                    groups:\n"
            .to_owned();
    for line in groups.lines() {
        text.push_str(line.strip_prefix("  ").unwrap_or(line));
        text.push('\n');
    }

    compare(&workspace().join("deploy/prometheus/alerts.yaml"), &text);
}
