use super::Step;
use super::season::Adjusted;
use super::smoothing::smoothed;
use crate::performance::statistics::{mean, median, real};

/// How a series goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// As it was a cycle ago: what every other model has to beat.
    SeasonalNaive,
    /// At the mean of the last cycle.
    RecentLevel,
    /// At the mean of the last four cycles.
    Level,
    /// Along the line of the last eight cycles.
    RecentLine,
    /// Along the line of all of it.
    Line,
    /// By the same percentage each step.
    Growth,
    /// By exponential smoothing with a damped trend.
    Smoothed,
    /// At the median of all models but the first.
    Middle,
}

impl Model {
    pub const ALL: [Self; 8] = [
        Self::SeasonalNaive,
        Self::RecentLevel,
        Self::Level,
        Self::RecentLine,
        Self::Line,
        Self::Growth,
        Self::Smoothed,
        Self::Middle,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeasonalNaive => "seasonal-naive",
            Self::RecentLevel => "recent-level",
            Self::Level => "level",
            Self::RecentLine => "recent-line",
            Self::Line => "line",
            Self::Growth => "growth",
            Self::Smoothed => "smoothed",
            Self::Middle => "middle",
        }
    }
}

/// What each model says of the steps after a series; `None`: it does not apply.
#[derive(Debug)]
pub(super) struct Predictions([Option<Vec<f64>>; Model::ALL.len()]);

impl Predictions {
    pub(super) fn of(series: &[f64], step: Step, horizon: usize) -> Self {
        let adjusted = Adjusted::of(series, step.cycles());
        let values = &adjusted.values;
        let cycle = step.cycle();
        let season = |points: Vec<f64>| -> Vec<f64> {
            let steps = series.len()..;
            points
                .into_iter()
                .zip(steps)
                .map(|(point, at)| point + adjusted.pattern_at(at))
                .collect()
        };
        let level = |cycles: usize| {
            let level = mean(last(values, cycles * cycle))?;
            Some(season(vec![level; horizon]))
        };
        let recent = last(values, 8 * cycle);

        let naive = (series.len() >= cycle).then(|| {
            let cycle = last(series, cycle);
            cycle.iter().copied().cycle().take(horizon).collect()
        });
        let mut all = [
            naive,
            level(1),
            level(4),
            line(recent, 2 * cycle).map(|line| season(line.points(horizon))),
            line(values, 4 * cycle).map(|line| season(line.points(horizon))),
            growth(values, 4 * cycle, horizon).map(season),
            Some(season(smoothed(last(values, 20 * cycle), horizon))),
            None,
        ];
        all[Model::Middle as usize] = middle(&all[1..], horizon);
        // What never was below nought will not be.
        if series.iter().all(|value| *value >= 0.0) {
            for point in all.iter_mut().flatten().flatten() {
                *point = point.max(0.0);
            }
        }
        Self(all)
    }

    pub(super) fn get(&self, model: Model) -> Option<&[f64]> {
        self.0[model as usize].as_deref()
    }
}

/// A line, by where it is at the last step and how much it rises each step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) at: f64,
    pub(super) slope: f64,
}

impl Line {
    fn points(self, horizon: usize) -> Vec<f64> {
        (1..=horizon)
            .map(|steps| self.at + self.slope * real(steps))
            .collect()
    }
}

/// The line through a series, steadied against outliers: its slope is the median over pairs that lie half the series apart
/// (Theil's incomplete method, 1950), its place the median over the last steps.
pub(super) fn line(values: &[f64], placed_by: usize) -> Option<Line> {
    let half = values.len() / 2;
    if half == 0 {
        return None;
    }
    let slopes: Vec<f64> = values
        .iter()
        .zip(&values[values.len() - half..])
        .map(|(from, to)| (to - from) / real(values.len() - half))
        .collect();
    let slope = median(&slopes)?;
    let placed: Vec<f64> = last(values, placed_by)
        .iter()
        .rev()
        .enumerate()
        .map(|(steps, value)| value + slope * real(steps))
        .collect();
    median(&placed).map(|at| Line { at, slope })
}

/// The line through the logarithms.
fn growth(values: &[f64], placed_by: usize, horizon: usize) -> Option<Vec<f64>> {
    if values.iter().any(|value| *value <= 0.0) {
        return None;
    }
    let logarithms: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    let points = line(&logarithms, placed_by)?.points(horizon);
    let points: Vec<f64> = points.into_iter().map(f64::exp).collect();
    points.iter().all(|point| point.is_finite()).then_some(points)
}

fn middle(all: &[Option<Vec<f64>>], horizon: usize) -> Option<Vec<f64>> {
    (0..horizon)
        .map(|at| {
            let points: Vec<f64> = all.iter().flatten().map(|points| points[at]).collect();
            median(&points)
        })
        .collect()
}

/// The last so many values, or all.
fn last(values: &[f64], count: usize) -> &[f64] {
    &values[values.len().saturating_sub(count)..]
}
