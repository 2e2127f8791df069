use crate::performance::statistics::{real, whole};

/// A place that requests pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Station {
    pub(super) name: &'static str,
    pub(super) pace: Pace,
}

/// How many requests a millisecond a station does, by how many are there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pace {
    /// Each takes so many milliseconds, and nobody waits for anybody.
    Delay(f64),
    /// Each takes so many milliseconds of one of so many servers. A part of a server is one that is shared with others.
    Servers { demand: f64, servers: f64 },
    /// So many with 1, 2, … there; no more with more than that.
    Table(Vec<f64>),
}

/// What requests find at a station.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Visit {
    /// How many are there, on average.
    pub(super) number: f64,
    /// The variance of the time that they take there.
    pub(super) variance: f64,
}

impl Station {
    pub(super) fn delay(name: &'static str, demand: f64) -> Self {
        let pace = Pace::Delay(demand.max(0.0));
        Self { name, pace }
    }

    pub(super) fn servers(name: &'static str, demand: f64, servers: f64) -> Self {
        let pace = Pace::Servers {
            demand: demand.max(0.0),
            servers,
        };
        Self { name, pace }
    }

    /// How many it does with so many there; without an end when it takes no time.
    pub(super) fn rate(&self, there: usize) -> f64 {
        match &self.pace {
            Pace::Delay(demand) => real(there) / demand,
            Pace::Servers { demand, servers } => real(there).min(*servers) / demand,
            Pace::Table(rates) => match there.checked_sub(1) {
                None => 0.0,
                Some(at) => rates.get(at).or(rates.last()).copied().unwrap_or(f64::INFINITY),
            },
        }
    }

    /// How long it takes to do one that finds so many others there.
    pub(super) fn time_with(&self, others: usize) -> f64 {
        real(others + 1) / self.rate(others + 1)
    }

    /// The variance of the time at a station: that of the times with 0, 1, … others there, and that of the request's own
    /// time and of the times of those it waits for, of whom there are so many and whose times are exponential.
    pub(super) fn variance(&self, between: f64, ahead: f64) -> f64 {
        let own = self.time_with(0).powi(2);
        let each = if ahead > 0.0 { 1.0 / self.capacity() } else { 0.0 };
        between.max(0.0) + own + ahead * each.powi(2)
    }

    /// The most it can do.
    pub(super) fn capacity(&self) -> f64 {
        match &self.pace {
            Pace::Delay(_) => f64::INFINITY,
            Pace::Servers { demand, servers } => servers / demand,
            Pace::Table(rates) => rates.iter().copied().fold(0.0, f64::max),
        }
    }

    /// From how many on it does no more.
    pub(super) fn full_with(&self) -> usize {
        match &self.pace {
            Pace::Delay(_) => usize::MAX,
            Pace::Servers { servers, .. } => whole(servers.ceil()).max(1),
            Pace::Table(rates) => rates.len(),
        }
    }

    /// Whether requests pass it without taking any time.
    pub(super) fn is_free(&self) -> bool {
        match &self.pace {
            Pace::Delay(demand) | Pace::Servers { demand, .. } => *demand <= 0.0,
            Pace::Table(rates) => rates.is_empty(),
        }
    }
}
