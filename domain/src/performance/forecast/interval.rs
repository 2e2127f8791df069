use std::ops::RangeInclusive;

use crate::performance::statistics::{real, whole};

/// How many of what comes the two intervals of a forecast are to hold.
pub(super) const COVERAGES: [f64; 2] = [0.8, 0.95];

/// How fast a level follows its failures: so much of each moment's share.
const RATE: f64 = 0.08;
/// Fewer errors than these say nothing of a width.
const FEWEST: usize = 10;

/// The band of a distance, from 1: distances of a band, each twice as wide as the one before, are judged together.
pub(super) fn band(distance: usize) -> usize {
    usize::try_from(distance.max(1).ilog2()).unwrap_or_default()
}

/// The distances of a band.
pub(super) fn distances(band: usize) -> RangeInclusive<usize> {
    1 << band..=(2 << band) - 1
}

/// The middle of the distances of a band that lie within the horizon.
fn centre(band: usize, horizon: usize) -> f64 {
    let (first, last) = distances(band).into_inner();
    f64::midpoint(real(first), real(last.min(horizon)))
}

/// Which share of outcomes each band's interval is set to miss, for each of [`COVERAGES`].
///
/// An interval that missed too often is set to miss less, and so on: in the long run it misses as often as it should,
/// whatever the series does (Gibbs and Candès 2021, proposition 4.1).
#[derive(Clone, Debug)]
pub(super) struct Levels(Vec<[f64; 2]>);

impl Levels {
    pub(super) fn new(horizon: usize) -> Self {
        Self(vec![COVERAGES.map(|coverage| 1.0 - coverage); band(horizon) + 1])
    }

    pub(super) fn bands(&self) -> usize {
        self.0.len()
    }

    /// Notes which share of a band's outcomes was missed.
    pub(super) fn note(&mut self, band: usize, missed: [f64; 2]) {
        for ((level, missed), coverage) in self.0[band].iter_mut().zip(missed).zip(COVERAGES) {
            *level = (*level + RATE * (1.0 - coverage - missed)).clamp(-0.1, 0.9);
        }
    }

    /// How wide both intervals are, by the errors of each band. `least` is the width of a band that has too few, when no
    /// band before it has enough.
    pub(super) fn widths(&self, errors: Vec<Vec<f64>>, horizon: usize, least: f64) -> [Widths; 2] {
        let mut widths = [Widths::default(), Widths::default()];
        for (band, mut errors) in errors.into_iter().enumerate() {
            for (widths, level) in widths.iter_mut().zip(self.0[band]) {
                let before = widths.points.last().map(|(_, width)| *width);
                let width = if errors.len() < FEWEST {
                    before.map_or(least, |width| width * std::f64::consts::SQRT_2)
                } else {
                    quantile(&mut errors, level)
                };
                let width = width.max(before.unwrap_or_default());
                widths.points.push((centre(band, horizon), width));
            }
        }
        // What holds more is never narrower, beyond the last band neither.
        let power = widths[0].power_so_far().max(widths[1].power_so_far());
        let [narrow, wide] = &mut widths;
        (narrow.power, wide.power) = (power, power);
        for ((_, wide), (_, narrow)) in wide.points.iter_mut().zip(&narrow.points) {
            *wide = wide.max(*narrow);
        }
        widths
    }
}

/// What all but a share of errors stay within; beyond the largest when that share is none.
fn quantile(errors: &mut [f64], missed: f64) -> f64 {
    let rank = whole(((real(errors.len()) + 1.0) * (1.0 - missed)).ceil()).max(1);
    if rank <= errors.len() {
        let (_, error, _) = errors.select_nth_unstable_by(rank - 1, f64::total_cmp);
        return *error;
    }
    let largest = errors.iter().copied().fold(0.0, f64::max);
    largest * (1.2 - 5.0 * missed.min(0.0))
}

/// Half of an interval, by distance: between the middles of bands it widens evenly.
#[derive(Clone, Debug, Default)]
pub(super) struct Widths {
    /// The middle of each band, and how wide it is there.
    points: Vec<(f64, f64)>,
    /// With which power of the distance it widens beyond the last band.
    power: f64,
}

impl Widths {
    pub(super) fn at(&self, distance: usize) -> f64 {
        let distance = real(distance);
        let after = self.points.partition_point(|(centre, _)| *centre < distance);
        match (
            after.checked_sub(1).map(|at| self.points[at]),
            self.points.get(after),
        ) {
            (Some((from, narrow)), Some((to, wide))) => {
                narrow + (wide - narrow) * (distance - from) / (to - from)
            }
            (None, Some((_, width))) => *width,
            (Some((centre, width)), None) => width * (distance / centre).powf(self.power),
            (None, None) => 0.0,
        }
    }

    /// With which power of the distance it has widened: at least as a random walk's does, and no more than that of a line
    /// with a wrong slope.
    fn power_so_far(&self) -> f64 {
        match (self.points.first(), self.points.last()) {
            (Some((near, narrow)), Some((far, wide))) if far > near && *narrow > 0.0 => {
                ((wide / narrow).ln() / (far / near).ln()).clamp(0.5, 1.0)
            }
            _ => 0.5,
        }
    }
}
