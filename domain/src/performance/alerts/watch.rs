use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Bad, Escalation, Incident, Notice, Severity, Silence, Timing, Told, Verdict};

/// Where a rule stands. What another version has written can be read: what it did not know is as if nothing had been.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Watch {
    state: State,
    /// How many incidents there were.
    incidents: u64,
    /// When the last ones were opened.
    openings: Vec<Moment>,
    /// How bad the last incident was that was told, and when it was over.
    told: Option<(Severity, Moment)>,
    /// When it was stepped last.
    stepped: Option<Moment>,
}

/// A moment that can be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
struct Moment(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum State {
    /// Nothing is wrong.
    #[default]
    Calm,
    /// It is bad, but not for long enough yet.
    Rising {
        since: Moment,
        critical_since: Option<Moment>,
        worst: f64,
    },
    Open(Open),
}

/// An incident that is not known to be over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    incident: Incident,
    /// Why it became critical, if it did.
    why: Option<Escalation>,
    critical_since: Option<Moment>,
    well_since: Option<Moment>,
}

impl Watch {
    /// So many incidents within this time are one that comes and goes,
    pub const FLAPPING: usize = 3;
    pub const FLAPPING_WITHIN: Duration = Duration::HOUR;
    /// which is over when it was well for this long, if not for longer.
    pub const FLAPPING_CALM: Duration = Duration::minutes(30);
    /// When it was not stepped for longer than this, nobody knows what was meanwhile.
    pub const GAP: Duration = Duration::minutes(5);

    /// Goes on with an incident of which nothing else is known any more: whatever was rising or calming down begins anew.
    pub fn resumed(incident: &Incident) -> Self {
        let is_worse = incident
            .told
            .is_some_and(|told| told.severity < incident.severity);
        Self {
            state: State::Open(Open {
                incident: incident.clone(),
                why: is_worse.then_some(Escalation::Worse),
                critical_since: None,
                well_since: None,
            }),
            incidents: incident.number,
            openings: vec![Moment(incident.opened)],
            told: None,
            stepped: None,
        }
    }

    /// What is wrong, if anything is.
    pub fn incident(&self) -> Option<&Incident> {
        match &self.state {
            State::Open(open) => Some(&open.incident),
            State::Calm | State::Rising { .. } => None,
        }
    }

    /// Since when it is bad, without being so for long enough.
    pub fn rising_since(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Rising { since, .. } => Some(since.0),
            State::Calm | State::Open(_) => None,
        }
    }

    /// Notes that somebody takes care of the incident; `false`: there is none.
    pub fn acknowledge(&mut self, now: OffsetDateTime) -> bool {
        match &mut self.state {
            State::Open(open) => {
                open.incident.acknowledged.get_or_insert(now);
                true
            }
            State::Calm | State::Rising { .. } => false,
        }
    }

    /// Takes in what was found now, and returns what is to be told.
    ///
    /// A reading that is missing breaks off what was rising and what was calming down, because neither is known to have
    /// lasted; so does more than [`Watch::GAP`] without a step, so it is to be stepped more often than that, also where
    /// nothing was measured anew. A clock that was set back stands still. `bad` says which of two values is the worse one.
    pub fn step(
        &mut self,
        timing: &Timing,
        bad: Bad,
        silence: Option<&Silence>,
        now: OffsetDateTime,
        verdict: Verdict,
    ) -> Option<Notice> {
        let is_silent = silence.is_some_and(|silence| silence.covers(now));
        let now = self.stepped.map_or(Moment(now), |before| before.max(Moment(now)));
        if self.stepped.is_some_and(|before| now.0 - before.0 > Self::GAP) {
            self.break_off();
        }
        self.stepped = Some(now);
        let state = std::mem::take(&mut self.state);
        self.state = match state {
            State::Calm => self.rise(now, None, timing, bad, verdict),
            State::Rising {
                since,
                critical_since,
                worst,
            } => self.rise(now, Some((since, critical_since, worst)), timing, bad, verdict),
            State::Open(mut open) => {
                if open.is_over(now, timing, bad, verdict) {
                    let incident = open.incident;
                    // What was not told need not be told to be over. What was is, in a silence as well: whoever waits for it
                    // would wait for ever.
                    let severity = incident.told?.severity;
                    self.told = Some((severity, now));
                    return Some(Notice::Resolved { incident, at: now.0 });
                }
                State::Open(open)
            }
        };
        if is_silent { None } else { self.tell(now, timing) }
    }

    /// Ends what is under way because nobody watches any more, and returns what is to be told of that.
    pub fn withdraw(&mut self, now: OffsetDateTime) -> Option<Notice> {
        match std::mem::take(&mut self.state) {
            State::Calm | State::Rising { .. } => None,
            State::Open(Open { incident, .. }) => {
                let told = incident.told?;
                self.told = Some((told.severity, Moment(now)));
                Some(Notice::Resolved { incident, at: now })
            }
        }
    }

    /// Forgets since when it was so: it is not known to have been so all the time.
    fn break_off(&mut self) {
        match &mut self.state {
            State::Calm => {}
            State::Rising { .. } => self.state = State::Calm,
            State::Open(open) => (open.well_since, open.critical_since) = (None, None),
        }
    }

    /// Goes on from a state without an incident.
    fn rise(
        &mut self,
        now: Moment,
        before: Option<(Moment, Option<Moment>, f64)>,
        timing: &Timing,
        bad: Bad,
        verdict: Verdict,
    ) -> State {
        let Verdict::Bad { severity, value } = verdict else {
            return State::Calm;
        };
        let (since, critical_before, worst) = before.unwrap_or((now, None, value));
        let worst = if bad.is_worse(value, worst) { value } else { worst };
        let critical_since = (severity == Severity::Critical).then(|| critical_before.unwrap_or(now));
        if now.0 - since.0 < timing.hold {
            return State::Rising {
                since,
                critical_since,
                worst,
            };
        }
        self.incidents += 1;
        self.openings.push(now);
        self.openings
            .retain(|opened| now.0 - opened.0 < Self::FLAPPING_WITHIN);
        let is_critical = critical_since.is_some_and(|since| now.0 - since.0 >= timing.hold);
        State::Open(Open {
            incident: Incident {
                number: self.incidents,
                severity: if is_critical {
                    Severity::Critical
                } else {
                    Severity::Warning
                },
                since: since.0,
                opened: now.0,
                worst,
                latest: value,
                told: None,
                acknowledged: None,
                is_flapping: self.openings.len() >= Self::FLAPPING,
            },
            why: None,
            critical_since,
            well_since: None,
        })
    }

    /// Tells what is to be told of an incident and was not yet.
    fn tell(&mut self, now: Moment, timing: &Timing) -> Option<Notice> {
        let State::Open(Open {
            incident,
            why,
            well_since,
            ..
        }) = &mut self.state
        else {
            return None;
        };
        // What seems to be over is not told any more.
        if well_since.is_some() {
            return None;
        }
        let is_cooling = self.told.is_some_and(|(severity, over)| {
            incident.severity <= severity && now.0 - over.0 < timing.cooldown
        });
        match incident.told {
            None if is_cooling => None,
            None => {
                incident.told = Some(Told {
                    severity: incident.severity,
                    since: now.0,
                });
                Some(Notice::Opened(incident.clone()))
            }
            Some(told) if told.severity < incident.severity => {
                incident.told = Some(Told {
                    severity: incident.severity,
                    ..told
                });
                let incident = incident.clone();
                why.map(|why| Notice::Escalated { incident, why })
            }
            Some(_) => None,
        }
    }
}

impl Open {
    /// Takes in what was found, and says whether it is over.
    fn is_over(&mut self, now: Moment, timing: &Timing, bad: Bad, verdict: Verdict) -> bool {
        if let Verdict::Bad { value, .. } | Verdict::Close { value } | Verdict::Well { value } = verdict {
            self.incident.latest = value;
        }
        match verdict {
            Verdict::Bad { severity, value } => {
                self.well_since = None;
                if bad.is_worse(value, self.incident.worst) {
                    self.incident.worst = value;
                }
                let is_critical = severity == Severity::Critical;
                self.critical_since = is_critical.then(|| self.critical_since.unwrap_or(now));
                self.escalate(now, timing);
                false
            }
            Verdict::Close { .. } | Verdict::Unknown => {
                (self.well_since, self.critical_since) = (None, None);
                false
            }
            Verdict::Well { .. } => {
                self.critical_since = None;
                let since = *self.well_since.get_or_insert(now);
                let calm = if self.incident.is_flapping {
                    timing.calm.max(Watch::FLAPPING_CALM)
                } else {
                    timing.calm
                };
                now.0 - since.0 >= calm
            }
        }
    }

    fn escalate(&mut self, now: Moment, timing: &Timing) {
        if self.incident.severity == Severity::Critical {
            return;
        }
        let is_worse = self
            .critical_since
            .is_some_and(|since| now.0 - since.0 >= timing.hold);
        // Whoever was not told yet could not acknowledge it.
        let has_lasted = |told: Told| now.0 - told.since >= timing.escalate_after;
        let is_lasting = self.incident.acknowledged.is_none() && self.incident.told.is_some_and(has_lasted);
        self.why = match (is_worse, is_lasting) {
            (true, _) => Some(Escalation::Worse),
            (false, true) => Some(Escalation::Lasting),
            (false, false) => return,
        };
        self.incident.severity = Severity::Critical;
    }
}
