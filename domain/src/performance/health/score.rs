use super::{Component, Finding, Reading};
use crate::performance::statistics::share;

/// How well this installation is.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    pub verdict: Verdict,
    /// By what is known, from 0 to 100; `None`: nothing is.
    pub score: Option<f64>,
    /// What the score would be if all that is missing were as bad, or as good, as can be.
    pub lowest: f64,
    pub highest: f64,
    /// How much of what there is is known, by weight.
    pub known: f64,
    /// The component that holds the score down, if one does.
    pub held_down_by: Option<Component>,
    pub parts: Vec<Part>,
}

/// What a component adds to the score.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub component: Component,
    pub finding: Finding,
    /// Its share of the weight of what is known; `None`: it is not part of the score.
    pub weight: Option<f64>,
    /// How many points the score lacks because of it.
    pub lost: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Healthy,
    Degraded,
    Unhealthy,
    /// Too little is known to say so.
    Unknown,
}

impl Verdict {
    /// A score of this is healthy, and of less than that unhealthy.
    pub const HEALTHY: f64 = 80.0;
    pub const UNHEALTHY: f64 = 50.0;

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }

    /// What is not known to be healthy is not said to be.
    pub fn is_healthy(self) -> bool {
        self == Self::Healthy
    }
}

/// Judges what was read. A component of which nothing was said is missing.
pub fn health(readings: impl IntoIterator<Item = (Component, Reading)>) -> Health {
    let mut findings = Component::ALL.map(|component| {
        let why = "it was not read".to_owned();
        (component, Finding::Missing { why })
    });
    for (component, reading) in readings {
        findings[component as usize].1 = component.find(reading);
    }
    let weight = |component: Component| component.scale().weight;
    let sum = |is_counted: fn(&Finding) -> bool| -> f64 {
        let counted = findings.iter().filter(|(_, finding)| is_counted(finding));
        counted.map(|(component, _)| weight(*component)).sum()
    };
    let used = sum(|finding| *finding != Finding::NotUsed);
    let known = sum(|finding| finding.points().is_some());

    let (score, held_down_by) = score(&findings, None).unzip();
    let part = |(component, finding): &(Component, Finding)| {
        let weight = finding.points().and_then(|_| share(weight(*component), known));
        Part {
            component: *component,
            weight,
            lost: finding.points().map_or(0.0, |points| 100.0 - points) * weight.unwrap_or_default(),
            finding: finding.clone(),
        }
    };
    let (lowest, highest) = (score_if(&findings, 0.0), score_if(&findings, 100.0));
    Health {
        verdict: verdict(score, lowest, highest),
        score,
        lowest,
        highest,
        known: share(known, used).unwrap_or_default(),
        held_down_by: held_down_by.flatten(),
        parts: findings.iter().map(part).collect(),
    }
}

/// What is missing decides neither that it is well nor that it is not: it is well by what is known, if it would be no worse
/// than degraded by the rest, and it is not where it could not be, whatever the rest.
fn verdict(score: Option<f64>, lowest: f64, highest: f64) -> Verdict {
    match score {
        _ if highest < Verdict::UNHEALTHY => Verdict::Unhealthy,
        _ if highest < Verdict::HEALTHY => Verdict::Degraded,
        Some(score) if lowest >= Verdict::UNHEALTHY => {
            if score >= Verdict::HEALTHY {
                Verdict::Healthy
            } else {
                Verdict::Degraded
            }
        }
        _ => Verdict::Unknown,
    }
}

fn score_if(findings: &[(Component, Finding)], missing: f64) -> f64 {
    score(findings, Some(missing)).map_or(missing, |(score, _)| score)
}

/// The weighted mean, held down by the worst vital component; what is missing is worth `missing`, or left out.
fn score(findings: &[(Component, Finding)], missing: Option<f64>) -> Option<(f64, Option<Component>)> {
    let mut total = 0.0;
    let mut weights = 0.0;
    let mut worst: Option<(f64, Component)> = None;
    for (component, finding) in findings {
        let assumed = matches!(finding, Finding::Missing { .. })
            .then_some(missing)
            .flatten();
        let Some(points) = finding.points().or(assumed) else {
            continue;
        };
        let scale = component.scale();
        total += scale.weight * points;
        weights += scale.weight;
        if scale.is_vital && worst.is_none_or(|(least, _)| points < least) {
            worst = Some((points, *component));
        }
    }
    let mean = share(total, weights)?;
    Some(match worst {
        Some((points, component)) if points < mean => (points, Some(component)),
        _ => (mean, None),
    })
}
