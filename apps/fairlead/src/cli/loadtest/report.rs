//! What a run has shown: figures against targets, what held it up, and what the server can take.

use std::time::Duration;

use fairlead_domain::performance::LatencySketch;
use serde::Serialize;
use serde_json::Value;

use super::generate::Tally;
use super::scenario::{Phase, Scenario, Targets};
use crate::cli::api::table;
use crate::output;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) server: String,
    pub(super) began_at: String,
    pub(super) seconds: f64,
    /// Connections that were open at once, at the most.
    pub(super) connections: usize,
    pub(super) total: Figures,
    pub(super) phases: Vec<PhaseFigures>,
    pub(super) routes: Vec<RouteFigures>,
    pub(super) targets: Vec<Target>,
    pub(super) targets_met: bool,
    /// What the server says held requests up; `null` where it was not asked.
    pub(super) bottlenecks: Option<Value>,
    /// What the server can take, as far as it was asked.
    pub(super) capacity: String,
    pub(super) notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    /// Requests that were due, each of which succeeded, was refused, broke, or was not sent for want of a connection.
    pub(super) due: u64,
    pub(super) succeeded: u64,
    pub(super) refused: std::collections::BTreeMap<u16, u64>,
    pub(super) broken: u64,
    pub(super) unsent: u64,
    pub(super) failed_percent: f64,
    pub(super) bytes: u64,
    #[serde(flatten)]
    pub(super) latency: Latency,
}

/// From when they were due; `null`: nothing succeeded.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "reports name the unit of each figure")]
pub(super) struct Latency {
    pub(super) mean_ms: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) longest_ms: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhaseFigures {
    pub(super) name: String,
    /// Requests per second that were due.
    pub(super) rate: f64,
    pub(super) seconds: f64,
    pub(super) succeeded_per_second: f64,
    pub(super) targets_met: bool,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteFigures {
    pub(super) operation: &'static str,
    pub(super) succeeded: u64,
    #[serde(flatten)]
    pub(super) latency: Latency,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) wanted: f64,
    /// `null`: there is nothing to be measured.
    pub(super) measured: Option<f64>,
    pub(super) unit: &'static str,
    pub(super) met: bool,
}

impl Figures {
    pub(super) fn of(tally: &Tally) -> Self {
        Self {
            due: tally.due,
            succeeded: tally.succeeded,
            refused: tally.refused.clone(),
            // What is still under way at the end has no answer either.
            broken: tally.broken + tally.under_way(),
            unsent: tally.due.saturating_sub(tally.sent),
            failed_percent: percent(tally.failed(), tally.due),
            bytes: tally.bytes,
            latency: Latency::of(&tally.latency),
        }
    }
}

impl Latency {
    pub(super) fn of(sketch: &LatencySketch) -> Self {
        Self {
            mean_ms: sketch.mean().map(millis),
            p50_ms: sketch.quantile(500).map(millis),
            p95_ms: sketch.quantile(950).map(millis),
            p99_ms: sketch.quantile(990).map(millis),
            longest_ms: sketch.longest().map(millis),
        }
    }
}

impl RouteFigures {
    pub(super) fn of(tally: &Tally) -> Vec<Self> {
        let routes = tally.by_route.iter();
        routes
            .map(|(operation, latency)| Self {
                operation,
                succeeded: latency.count(),
                latency: Latency::of(latency),
            })
            .collect()
    }
}

impl PhaseFigures {
    pub(super) fn of(phase: &Phase, tally: &Tally, targets: &Targets) -> Self {
        let seconds = phase.lasts.as_secs_f64();
        Self {
            name: phase.name.clone(),
            rate: phase.rate,
            seconds,
            succeeded_per_second: rounded(number(tally.succeeded) / seconds),
            targets_met: judge(tally, targets).iter().all(|target| target.met),
            figures: Figures::of(tally),
        }
    }
}

/// Each target with what was measured of it.
pub(super) fn judge(tally: &Tally, targets: &Targets) -> Vec<Target> {
    let mut judged: Vec<Target> = targets
        .latencies
        .iter()
        .map(|(of_thousand, wanted)| {
            let measured = tally.latency.quantile(*of_thousand);
            Target {
                name: format!("P{}", of_thousand / 10),
                wanted: millis(*wanted),
                measured: measured.map(millis),
                unit: "ms",
                met: measured.is_some_and(|measured| measured <= *wanted),
            }
        })
        .collect();
    let failed = percent(tally.failed(), tally.due);
    let wanted = targets.failures_of_thousand / 10.0;
    judged.push(Target {
        name: "failed".to_owned(),
        wanted,
        measured: Some(failed),
        unit: "%",
        met: tally.due > 0 && failed <= wanted,
    });
    judged
}

/// What the server can take, by the phases that were run.
pub(super) fn capacity(scenario: Scenario, phases: &[PhaseFigures]) -> String {
    let what = if scenario == Scenario::Websocket {
        "leads"
    } else {
        "requests"
    };
    let held = phases.iter().take_while(|phase| phase.targets_met).last();
    let missed = phases.iter().find(|phase| !phase.targets_met);
    match (scenario, held, missed) {
        (_, Some(held), None) => format!(
            "It holds its targets at {:.0} {what}/s, the most that was asked: what it can take is more.",
            phases.iter().map(|phase| phase.rate).fold(held.rate, f64::max)
        ),
        (Scenario::Stress, Some(held), Some(missed)) => format!(
            "It holds its targets up to {:.0} {what}/s; at {:.0} it does not: {:.0}/s succeeded, P95 {}.",
            held.rate,
            missed.rate,
            missed.succeeded_per_second,
            shown(missed.figures.latency.p95_ms)
        ),
        (Scenario::Spike, _, Some(missed)) if missed.name == "spike" => {
            let after = phases
                .last()
                .filter(|last| last.name == "after" && last.targets_met);
            let recovers = if after.is_some() {
                "and recovers from it"
            } else {
                "and has not recovered by the end"
            };
            format!(
                "It does not hold its targets in a spike of {:.0} {what}/s, {recovers}.",
                missed.rate
            )
        }
        (_, _, Some(missed)) => format!(
            "It does not hold its targets at {:.0} {what}/s ({}): {:.0}/s succeeded, P95 {}.",
            missed.rate,
            missed.name,
            missed.succeeded_per_second,
            shown(missed.figures.latency.p95_ms)
        ),
        (_, None, None) => "Nothing was asked, so nothing is known.".to_owned(),
    }
}

impl Report {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut parts = vec![format!(
            "{} against {}, {:.0} s, {} connections",
            self.scenario, self.server, self.seconds, self.connections
        )];
        let heading = [
            "PHASE",
            "RATE",
            "DUE",
            "SUCCEEDED",
            "FAILED",
            "P50",
            "P95",
            "P99",
            "LONGEST",
            "TARGETS",
        ];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(self.phases.iter().map(|phase| {
            let latency = &phase.figures.latency;
            vec![
                phase.name.clone(),
                format!("{:.0}/s", phase.rate),
                phase.figures.due.to_string(),
                phase.figures.succeeded.to_string(),
                format!("{:.2} %", phase.figures.failed_percent),
                shown(latency.p50_ms),
                shown(latency.p95_ms),
                shown(latency.p99_ms),
                shown(latency.longest_ms),
                if phase.targets_met { "met" } else { "missed" }.to_owned(),
            ]
        }));
        parts.push(output::table(&rows));
        if !self.routes.is_empty() {
            let mut rows = vec![
                ["OPERATION", "SUCCEEDED", "P50", "P95", "P99"]
                    .map(str::to_owned)
                    .to_vec(),
            ];
            rows.extend(self.routes.iter().map(|route| {
                let latency = &route.latency;
                vec![
                    route.operation.to_owned(),
                    route.succeeded.to_string(),
                    shown(latency.p50_ms),
                    shown(latency.p95_ms),
                    shown(latency.p99_ms),
                ]
            }));
            parts.push(output::table(&rows));
        }
        let mut rows = vec![["TARGET", "WANTED", "MEASURED", ""].map(str::to_owned).to_vec()];
        rows.extend(self.targets.iter().map(|target| {
            let measured = target
                .measured
                .map_or_else(|| "-".to_owned(), |value| format!("{value:.2} {}", target.unit));
            vec![
                target.name.clone(),
                format!("at most {} {}", target.wanted, target.unit),
                measured,
                if target.met { "met" } else { "missed" }.to_owned(),
            ]
        }));
        parts.push(output::table(&rows));
        let refused = &self.total.refused;
        if !refused.is_empty() || self.total.unsent + self.total.broken > 0 {
            let by_status = refused
                .iter()
                .map(|(status, count)| format!("{count} answered by {status}"));
            let mut why: Vec<String> = by_status.collect();
            why.extend((self.total.broken > 0).then(|| format!("{} without an answer", self.total.broken)));
            why.extend(
                (self.total.unsent > 0)
                    .then(|| format!("{} not sent for want of a connection", self.total.unsent)),
            );
            parts.push(format!("Failed: {}.", why.join(", ")));
        }
        match &self.bottlenecks {
            Some(found) if found.as_array().is_some_and(Vec::is_empty) => {
                parts.push("What held requests up: the server has found nothing.".to_owned());
            }
            Some(found) => parts.push(format!("What held requests up:\n{}", bottlenecks(found))),
            None => parts.push(
                "What held requests up is not known: operators may ask (--operator-key-file).".to_owned(),
            ),
        }
        parts.extend(self.notes.iter().map(|note| format!("Note: {note}.")));
        parts.push(self.capacity.clone());
        parts.join("\n\n")
    }
}

fn bottlenecks(found: &Value) -> String {
    let rows: Vec<Value> = found
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            serde_json::json!({
                "cause": one["cause"]["kind"], "name": one["cause"]["name"], "requests": one["impact"]["count"],
                "msEach": one["impact"]["msEach"], "advice": one["advice"]["text"],
            })
        })
        .collect();
    let order = ["cause", "name", "requests", "msEach", "advice"].map(str::to_owned);
    table(&rows, &order)
}

fn millis(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1e3)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn percent(part: u64, of: u64) -> f64 {
    if of == 0 {
        return 0.0;
    }
    number(part) * 100.0 / number(of)
}

#[expect(clippy::cast_precision_loss, reason = "nobody sends so many requests")]
fn number(count: u64) -> f64 {
    count as f64
}

fn shown(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(due: u64, succeeded: u64, took: Duration) -> Tally {
        let mut tally = Tally {
            due,
            sent: due,
            succeeded,
            ..Tally::default()
        };
        for _ in 0..succeeded {
            tally.latency.note(took);
        }
        tally
    }

    fn phase(name: &str, rate: f64, tally: &Tally) -> PhaseFigures {
        let lasts = Duration::from_secs(10);
        let phase = Phase {
            name: name.to_owned(),
            rate,
            lasts,
        };
        PhaseFigures::of(&phase, tally, &Scenario::Stress.targets())
    }

    #[test]
    fn what_was_due_and_did_not_succeed_has_failed() {
        let judged = judge(
            &tally(1_000, 998, Duration::from_millis(3)),
            &Scenario::Baseline.targets(),
        );

        let met: Vec<(&str, bool)> = judged.iter().map(|target| (&*target.name, target.met)).collect();
        assert_eq!(
            met,
            [("P50", true), ("P95", true), ("P99", true), ("failed", false)]
        );
        let nothing = judge(&Tally::default(), &Scenario::Baseline.targets());
        assert!(
            nothing.iter().all(|target| !target.met),
            "nothing is known to be met"
        );
    }

    #[test]
    fn the_capacity_is_what_was_held_and_no_more_is_claimed_than_was_asked() {
        let (good, slow) = (
            tally(100, 100, Duration::from_millis(3)),
            tally(200, 200, Duration::from_millis(300)),
        );

        let all = capacity(
            Scenario::Stress,
            &[phase("step 1", 10.0, &good), phase("step 2", 20.0, &good)],
        );
        let some = capacity(
            Scenario::Stress,
            &[phase("step 1", 10.0, &good), phase("step 2", 20.0, &slow)],
        );
        let spike = capacity(
            Scenario::Spike,
            &[
                phase("before", 10.0, &good),
                phase("spike", 50.0, &slow),
                phase("after", 10.0, &good),
            ],
        );

        assert!(all.contains("at 20 requests/s, the most that was asked"), "{all}");
        assert!(some.contains("up to 10 requests/s; at 20 it does not"), "{some}");
        assert!(spike.contains("and recovers"), "{spike}");
        assert!(capacity(Scenario::Baseline, &[]).contains("nothing is known"));
    }
}
