use std::ops::RangeInclusive;

use time::Duration;

use super::interval::{Levels, Widths, band, distances};
use super::model::Predictions;
use super::{History, Model};
use crate::performance::statistics::{mean, real, share};

/// What became of the forecasts that would have been made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackTest {
    /// From how many moments it was forecast, how far ahead, and how many of these forecasts were compared with what came.
    pub origins: usize,
    pub horizon: Duration,
    pub outcomes: usize,
    /// By how much they were wrong, on average.
    pub error: f64,
    /// By how much those were that say what was a cycle ago.
    pub naive_error: f64,
    /// Which share of what came lay within the intervals of 80 % and 95 %.
    pub covered_80: f64,
    pub covered_95: f64,
}

impl BackTest {
    /// The error as a share of the naive one: less than 1 is better; `None` when that had none.
    pub fn relative_error(&self) -> Option<f64> {
        (self.naive_error > 0.0).then(|| self.error / self.naive_error)
    }
}

/// What is left after going through a history.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) model: Model,
    /// What the model says of the steps after the history.
    pub(super) points: Vec<f64>,
    pub(super) widths: [Widths; 2],
    pub(super) test: BackTest,
}

/// From how many moments it is forecast, at most.
const MOST_ORIGINS: usize = 150;
/// How many of them say how wrong a model is by now.
const RECENT_ORIGINS: usize = 60;
/// What is left of the error by a model that is worth more than a simpler one.
const WORTH: f64 = 0.98;

/// A moment from which it was forecast.
#[derive(Debug)]
struct Origin {
    at: usize,
    errors: Vec<Option<Errors>>,
    model: Model,
    widths: [Widths; 2],
}

/// By how much a model was wrong, at each distance.
#[derive(Debug)]
struct Errors {
    /// No number where nothing was measured.
    signed: Vec<f64>,
    /// The sum of them all up to each distance, without their signs, and how many these are.
    sums: Vec<(f64, usize)>,
}

impl Errors {
    fn of(history: &History, at: usize, points: &[f64]) -> Self {
        let came = history.values[at..].iter().zip(&history.known[at..]);
        let signed: Vec<f64> = points
            .iter()
            .zip(came)
            .map(|(point, (value, known))| if *known { value - point } else { f64::NAN })
            .collect();
        let sums = signed.iter().scan((0.0, 0), |(sum, count), error| {
            if error.is_finite() {
                *sum += error.abs();
                *count += 1;
            }
            Some((*sum, *count))
        });
        Self {
            sums: sums.collect(),
            signed,
        }
    }
}

impl Origin {
    /// The errors of a model at some distances, as far as they were known at a moment.
    fn known(
        &self,
        model: Model,
        distances: RangeInclusive<usize>,
        now: usize,
    ) -> impl Iterator<Item = (usize, f64)> {
        let errors = self.errors[model as usize].as_ref();
        let signed = errors.map_or(&[][..], |errors| &errors.signed);
        let last = (*distances.end()).min(now - self.at).min(signed.len());
        let distances = *distances.start()..=last;
        distances
            .map(|distance| (distance, signed[distance - 1]))
            .filter(|(_, error)| error.is_finite())
    }

    /// The sum of a model's errors that were known at a moment, and how many they are; `None`: it did not apply.
    fn sum(&self, model: Model, now: usize) -> Option<(f64, usize)> {
        let sums = &self.errors[model as usize].as_ref()?.sums;
        let known = sums.len().min(now - self.at);
        Some(known.checked_sub(1).map_or((0.0, 0), |last| sums[last]))
    }
}

/// Forecasts from one moment of the past after the other, with what was known then alone, and at last from the end.
pub(super) fn walk(history: &History, horizon: usize, tested: usize) -> Walked {
    let end = history.values.len();
    let first = 3 * history.step.cycle();
    let stride = (end - first).div_ceil(MOST_ORIGINS).max(1);
    let mut past: Vec<Origin> = Vec::new();
    let mut levels = Levels::new(tested);
    for at in (first..end).step_by(stride) {
        learn(&past, at.saturating_sub(stride), at, &mut levels);
        let predictions = Predictions::of(&history.values[..at], history.step, tested);
        let model = choose(&past, at, tested, &predictions);
        past.push(Origin {
            at,
            errors: Model::ALL
                .map(|model| Some(Errors::of(history, at, predictions.get(model)?)))
                .into(),
            model,
            widths: widths(&past, at, model, &levels, history, tested),
        });
    }
    let learned = past.last().map_or(first, |origin| origin.at);
    learn(&past, learned, end, &mut levels);

    let predictions = Predictions::of(&history.values, history.step, horizon);
    let model = choose(&past, end, tested, &predictions);
    Walked {
        model,
        points: predictions.get(model).unwrap_or_default().to_vec(),
        widths: widths(&past, end, model, &levels, history, tested),
        // Intervals are judged once there were errors at each distance to set them by.
        test: judge(
            &past,
            first + tested,
            end,
            history.step.length() * i32::try_from(tested).unwrap_or(i32::MAX),
        ),
    }
}

/// Notes what has become of earlier forecasts since the last moment.
fn learn(past: &[Origin], before: usize, now: usize, levels: &mut Levels) {
    let mut missed = vec![(0_usize, [0_usize; 2]); levels.bands()];
    for origin in past {
        let new = before.saturating_sub(origin.at) + 1..=now - origin.at;
        for (distance, error) in origin.known(origin.model, new, now) {
            let (outcomes, missed) = &mut missed[band(distance)];
            *outcomes += 1;
            for (missed, widths) in missed.iter_mut().zip(&origin.widths) {
                *missed += usize::from(error.abs() > widths.at(distance));
            }
        }
    }
    for (band, (outcomes, missed)) in missed.into_iter().enumerate() {
        if outcomes > 0 {
            levels.note(band, missed.map(|missed| real(missed) / real(outcomes)));
        }
    }
}

/// The model that was least wrong lately, by what is known now; of two that are much the same the simpler one.
fn choose(past: &[Origin], now: usize, horizon: usize, predictions: &Predictions) -> Model {
    let recent = past.iter().skip_while(|origin| origin.at + 2 * horizon < now);
    let applies = |model: &Model| predictions.get(*model).is_some();
    let mut best = (Model::SeasonalNaive, f64::INFINITY);
    for model in Model::ALL.into_iter().filter(applies) {
        // A model that did not apply everywhere would be compared by other moments than the rest.
        let sums: Option<Vec<(f64, usize)>> = recent.clone().map(|origin| origin.sum(model, now)).collect();
        let Some(sums) = sums else { continue };
        let (sum, count) = sums
            .into_iter()
            .fold((0.0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        if let Some(error) = share(sum, real(count))
            && error < best.1 * WORTH
        {
            best = (model, error);
        }
    }
    best.0
}

/// How wide the intervals of a model are, by its recent errors that are known now.
fn widths(
    past: &[Origin],
    now: usize,
    model: Model,
    levels: &Levels,
    history: &History,
    horizon: usize,
) -> [Widths; 2] {
    let mut errors = vec![Vec::new(); levels.bands()];
    // Of each band as many moments as are recent, counted from the first whose outcome is known.
    for (band_at, errors) in errors.iter_mut().enumerate() {
        let reached = past
            .iter()
            .rev()
            .filter(|origin| origin.at + (1 << band_at) <= now);
        for origin in reached.take(RECENT_ORIGINS) {
            let known = origin.known(model, distances(band_at), now);
            errors.extend(known.map(|(_, error)| error.abs()));
        }
    }
    let cycle = history.step.cycle();
    let seen = &history.values[..now];
    let changes: Vec<f64> = seen
        .iter()
        .zip(&seen[cycle.min(now)..])
        .map(|(before, after)| (after - before).abs())
        .collect();
    levels.widths(errors, horizon, 2.0 * mean(&changes).unwrap_or_default())
}

fn judge(past: &[Origin], from: usize, end: usize, horizon: Duration) -> BackTest {
    let (mut errors, mut naive, mut covered) = (Vec::new(), Vec::new(), [0_usize; 2]);
    let judged = || past.iter().filter(|origin| origin.at >= from);
    for origin in judged() {
        for (distance, error) in origin.known(origin.model, 1..=usize::MAX, end) {
            errors.push(error.abs());
            for (covered, widths) in covered.iter_mut().zip(&origin.widths) {
                *covered += usize::from(error.abs() <= widths.at(distance));
            }
        }
        let known = origin.known(Model::SeasonalNaive, 1..=usize::MAX, end);
        naive.extend(known.map(|(_, error)| error.abs()));
    }
    let [covered_80, covered_95] = covered.map(|covered| real(covered) / real(errors.len().max(1)));
    BackTest {
        origins: judged().count(),
        horizon,
        outcomes: errors.len(),
        error: mean(&errors).unwrap_or_default(),
        naive_error: mean(&naive).unwrap_or_default(),
        covered_80,
        covered_95,
    }
}
