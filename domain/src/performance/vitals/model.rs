use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::Page;
use crate::identity::TenantId;
use crate::performance::LatencySketch;
use crate::store::StoreError;

/// Something that browsers measure of a page view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vital {
    /// Until the largest thing is painted.
    Lcp,
    /// From what the user does to what comes of it, at nearly the worst.
    Inp,
    /// How much moves that should stay where it is: a number, and no time.
    Cls,
    /// Until the first thing is painted.
    Fcp,
    /// Until the first byte of the document.
    Ttfb,
    /// From what the user does first to when it is looked at: of browsers that do not measure INP.
    Fid,
}

/// How good a page is by one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Good,
    NeedsImprovement,
    Poor,
}

/// What a browser tells of a page view.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub page: Page,
    pub vital: Vital,
    /// What it has measured, as [`Vital::measured`] has it.
    pub value: Duration,
    /// By which request of ours the view was loaded, if it says so.
    pub request_id: Option<Box<str>>,
}

/// Of which things one sketch is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VitalKey {
    pub tenant: TenantId,
    /// When the hour began.
    pub hour: OffsetDateTime,
    pub page: Page,
    pub vital: Vital,
}

/// The worst of the views that have named their request.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowestView {
    pub value: Duration,
    pub request_id: Box<str>,
    /// What is known of that request, if it was kept: its trace, and how long the server took.
    pub trace_id: Option<Box<str>>,
    pub server_time: Option<Duration>,
}

/// What browsers have measured of one page by one figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageVital {
    pub sketch: LatencySketch,
    pub slowest: Option<SlowestView>,
}

/// What browsers of one tenant have measured.
#[async_trait]
pub trait WebVitals: Send {
    /// All that was measured in hours that began from `since` on, added up over processes and hours; where that is more than
    /// is read at once, from the later hour on that is returned with it.
    async fn since(
        &mut self,
        since: OffsetDateTime,
    ) -> Result<(OffsetDateTime, Vec<(Page, Vital, PageVital)>), StoreError>;
}

/// Where what browsers of all tenants have measured is written down.
#[async_trait]
pub trait TenantVitals: std::fmt::Debug + Send + Sync {
    /// Has what this process knows of these stand in place of what it knew before.
    async fn put(&self, known: &[(VitalKey, PageVital)]) -> Result<(), StoreError>;
}

impl Vital {
    pub const ALL: [Self; 6] = [Self::Lcp, Self::Inp, Self::Cls, Self::Fcp, Self::Ttfb, Self::Fid];

    /// As browsers call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lcp => "LCP",
            Self::Inp => "INP",
            Self::Cls => "CLS",
            Self::Fcp => "FCP",
            Self::Ttfb => "TTFB",
            Self::Fid => "FID",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|vital| vital.as_str() == name)
    }

    /// Whether it is a number of milliseconds.
    pub fn is_time(self) -> bool {
        self != Self::Cls
    }

    /// The largest value that is believed: a page that takes ten minutes was in the background.
    pub fn most(self) -> f64 {
        if self.is_time() { 600_000.0 } else { 100.0 }
    }

    /// What a browser has measured, as it is kept; a shift of 1 as a second. `None`: no browser measures that.
    pub fn measured(self, value: f64) -> Option<Duration> {
        if !(0.0..=self.most()).contains(&value) {
            return None;
        }
        let seconds = if self.is_time() { value / 1_000.0 } else { value };
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The other way.
    pub fn value(self, measured: Duration) -> f64 {
        let seconds = measured.as_secs_f64();
        if self.is_time() {
            seconds * 1_000.0
        } else {
            seconds
        }
    }

    /// Up to where it is good, and from where it is poor (web.dev/articles/vitals).
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Lcp => (2_500.0, 4_000.0),
            Self::Inp => (200.0, 500.0),
            Self::Cls => (0.1, 0.25),
            Self::Fcp => (1_800.0, 3_000.0),
            Self::Ttfb => (800.0, 1_800.0),
            Self::Fid => (100.0, 300.0),
        }
    }

    /// How good a value is.
    pub fn standing(self, value: f64) -> Standing {
        let (good, poor) = self.bounds();
        if value <= good {
            Standing::Good
        } else if value <= poor {
            Standing::NeedsImprovement
        } else {
            Standing::Poor
        }
    }
}

impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NeedsImprovement => "needs-improvement",
            Self::Poor => "poor",
        }
    }
}

impl PageVital {
    pub fn merge(&mut self, other: &Self) {
        self.sketch.merge(&other.sketch);
        if let Some(slowest) = &other.slowest
            && self.is_slower(slowest.value)
        {
            self.slowest = Some(slowest.clone());
        }
    }

    /// Whether a view of such a value would be the slowest.
    pub fn is_slower(&self, value: Duration) -> bool {
        self.slowest.as_ref().is_none_or(|known| value > known.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_back_as_they_were_measured_and_judged_by_what_is_published() {
        for vital in Vital::ALL {
            let (good, poor) = vital.bounds();
            for value in [0.0, good, poor, vital.most()] {
                let back = vital.value(vital.measured(value).unwrap());
                assert!((back - value).abs() < 1e-6, "{vital:?}: {back} for {value}");
            }
            assert_eq!(vital.standing(good), Standing::Good);
            assert_eq!(vital.standing(poor), Standing::NeedsImprovement);
            assert_eq!(vital.standing(poor + 0.01), Standing::Poor);
            for wrong in [-0.1, f64::NAN, f64::INFINITY, vital.most() * 1.01] {
                assert_eq!(vital.measured(wrong), None, "{vital:?} {wrong}");
            }
            assert_eq!(Vital::parse(vital.as_str()), Some(vital));
        }
    }
}
