use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::{
    Alert, AlertNotice, Bad, Channel, Incident, KeptObjective, KeptRule, Known, Metric, Notice, Objective,
    Reading, Requests, Standing, Timing, Turn, Verdict, Watch,
};
use crate::Id;
use crate::store::{StoreError, SystemUnitOfWork};

/// What was measured; what is not there was not.
pub type Readings = BTreeMap<Metric, f64>;

/// What is to be told, once it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct ToTell {
    pub alert: Alert,
    pub notice: AlertNotice,
}

/// How a rule or an objective was found.
struct Found {
    metric: Option<Metric>,
    timing: Timing,
    bad: Bad,
    verdict: Verdict,
}

/// Judges what was read in a turn: steps each rule and objective, keeps where it stands, and returns what is to be told
/// of that. What goes to `channels` is on its way once it is committed; whoever calls it tells the rest, and nothing before
/// that. What another version of the program has made, and this one cannot read, is left to it. `None`: somebody else has
/// the turn by now.
pub async fn judge(
    uow: &mut dyn SystemUnitOfWork,
    turn: Turn,
    readings: &Readings,
    channels: &[Channel],
) -> Result<Option<Vec<ToTell>>, StoreError> {
    let held = uow.alerts().hold().await?;
    if held.number != turn.number {
        return Ok(None);
    }
    let now = held.now;
    let Known {
        all: rules,
        mut unread,
    } = uow.alerts().rules().await?;
    let objectives = uow.alerts().objectives().await?;
    unread.extend(objectives.unread);
    let counts = uow.alerts().requests(&Objective::windows()).await?;
    let mut standings = uow.alerts().standings().await?;
    let known = uow.alerts().active().await?;
    unread.extend(known.unread);
    let active = known.all.into_iter().map(|alert| (alert.rule.clone(), alert));
    let mut active: BTreeMap<String, Alert> = active.collect();

    let mut found = find(&rules, &objectives.all, &counts, readings);
    found.retain(|key, _| !unread.contains(key));
    standings.retain(|key, _| !unread.contains(key));
    active.retain(|key, _| !unread.contains(key));
    // What is watched no more is looked at, too.
    let keys = found.keys().chain(standings.keys()).chain(active.keys());
    let keys: BTreeSet<String> = keys.cloned().collect();
    let mut told = Vec::new();
    for key in keys {
        let standing = standings.entry(key.clone()).or_default();
        let found = found.get(&key);
        let known = active.remove(&key);
        // A watch that is lost, or cannot be read, knows of nothing; what was told is not told again.
        if let (Some(alert), None) = (&known, standing.watch.incident()) {
            standing.watch = Watch::resumed(&alert.incident);
        }
        let before = standing.watch.incident().cloned();
        let notice = step(standing, found, now);
        let metric = found.and_then(|found| found.metric);
        let alert = match (known, standing.watch.incident()) {
            (None, None) => continue,
            (None, Some(incident)) => begin(uow, key, metric, incident).await?,
            // Of a rule one is active.
            (Some(mut alert), Some(incident)) if alert.incident.opened != incident.opened => {
                alert.resolved = Some(now);
                uow.alerts().update(&alert).await?;
                begin(uow, key, metric, incident).await?
            }
            (Some(mut alert), after) => {
                alert.resolved = after.is_none().then_some(now);
                alert.incident = after.cloned().unwrap_or_else(|| last(before, &alert, standing));
                uow.alerts().update(&alert).await?;
                alert
            }
        };
        if let Some(notice) = notice {
            let notice = AlertNotice::new(uow.next_id(), now, &notice);
            if !uow.alerts().add_notice(alert.id, &notice).await? {
                continue;
            }
            let to_tell = ToTell { alert, notice };
            for channel in channels {
                uow.jobs().enqueue(channel.job(&to_tell)).await?;
            }
            told.push(to_tell);
        }
    }
    uow.alerts().put_standings(&standings).await?;
    Ok(Some(told))
}

async fn begin(
    uow: &mut dyn SystemUnitOfWork,
    rule: String,
    metric: Option<Metric>,
    incident: &Incident,
) -> Result<Alert, StoreError> {
    let alert = Alert {
        id: Id::from_uuid(uow.next_id()),
        rule,
        metric,
        incident: incident.clone(),
        resolved: None,
        acknowledged_by: None,
    };
    uow.alerts().insert(&alert).await?;
    Ok(alert)
}

/// By key, what is watched.
fn find(
    rules: &[KeptRule],
    objectives: &[KeptObjective],
    counts: &BTreeMap<String, Vec<Requests>>,
    readings: &Readings,
) -> BTreeMap<String, Found> {
    let rules = rules.iter().filter(|kept| kept.is_enabled).map(|kept| {
        let rule = &kept.rule;
        let reading = readings.get(&rule.metric).copied();
        let found = Found {
            metric: Some(rule.metric),
            timing: rule.timing,
            bad: rule.bad(),
            verdict: rule.judge(reading.map_or(Reading::Missing, Reading::Value)),
        };
        (rule.key.clone(), found)
    });
    let objectives = objectives.iter().filter(|kept| kept.is_enabled).map(|kept| {
        let objective = &kept.objective;
        let counts = counts.get(&objective.name).map(Vec::as_slice).unwrap_or_default();
        let found = Found {
            metric: None,
            timing: Objective::timing(),
            bad: Bad::Above,
            verdict: objective.judge(counts).verdict,
        };
        (objective.key(), found)
    });
    rules.chain(objectives).collect()
}

fn step(standing: &mut Standing, found: Option<&Found>, now: OffsetDateTime) -> Option<Notice> {
    standing.read_at = Some(now);
    let Some(found) = found else {
        standing.value = None;
        return standing.watch.withdraw(now);
    };
    standing.value = match found.verdict {
        Verdict::Bad { value, .. } | Verdict::Close { value } | Verdict::Well { value } => Some(value),
        Verdict::Unknown => None,
    };
    let silence = standing.silence.as_ref();
    standing
        .watch
        .step(&found.timing, found.bad, silence, now, found.verdict)
}

/// How an incident was that is over.
fn last(before: Option<Incident>, alert: &Alert, standing: &Standing) -> Incident {
    let mut incident = before.unwrap_or_else(|| alert.incident.clone());
    incident.latest = standing.value.unwrap_or(incident.latest);
    incident
}
