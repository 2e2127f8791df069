//! Series that are made up, for tests.

use time::OffsetDateTime;
use time::macros::datetime;

use super::{History, Observation, Step};
use crate::performance::noise::Noise;

pub(super) const START: OffsetDateTime = datetime!(2026-01-05 00:00:00 UTC);

/// The value of each step; `None`: it was not measured.
pub(super) type Values = Vec<Option<f64>>;

pub(super) fn observations(step: Step, values: &[Option<f64>]) -> Vec<Observation> {
    (0..)
        .zip(values)
        .filter_map(|(at, value)| {
            let at = START + step.length() * at;
            value.map(|value| Observation { at, value })
        })
        .collect()
}

pub(super) fn history(step: Step, values: &[Option<f64>]) -> History {
    History::new(step, &observations(step, values)).unwrap()
}

fn days(count: u32, mut value: impl FnMut(f64) -> f64) -> Values {
    (0..count).map(|day| Some(value(f64::from(day)))).collect()
}

/// Busy from Monday to Friday.
fn week(day: f64) -> f64 {
    if day % 7.0 < 5.0 { 12.0 } else { -30.0 }
}

pub(super) fn twelve(seed: u64) -> [(&'static str, Step, Values); 12] {
    let mut noise = Noise(seed);
    let linear = days(240, |day| 100.0 + 0.5 * day + noise.normal(5.0));
    let weekly = days(240, |day| 100.0 + week(day) + noise.normal(4.0));
    let hourly = (0..24 * 40)
        .map(|hour| {
            let angle = std::f64::consts::TAU * f64::from(hour % 24) / 24.0;
            Some(50.0 + 20.0 * angle.sin() + noise.normal(3.0))
        })
        .collect();
    let shift = days(
        240,
        |day| if day < 120.0 { 100.0 } else { 150.0 } + noise.normal(4.0),
    );
    let reset = days(240, |day| 40.0 + (day % 130.0) + noise.normal(3.0));
    let flat = days(240, |_| 80.0 + noise.normal(1.0));
    let wild = days(240, |_| (100.0 + noise.normal(30.0)).max(0.0));
    let mut gaps = days(240, |day| 100.0 + 0.3 * day + week(day) + noise.normal(4.0));
    for (day, value) in gaps.iter_mut().enumerate() {
        if (140..150).contains(&day) || noise.even() < 0.2 {
            *value = None;
        }
    }
    let short = days(60, |day| 100.0 + week(day) + noise.normal(4.0));
    let growth = days(240, |day| 50.0 * 1.005_f64.powf(day) * (1.0 + noise.normal(0.03)));
    let spikes = days(240, |_| {
        let spike = if noise.even() < 0.04 { 200.0 } else { 0.0 };
        100.0 + spike + noise.normal(5.0)
    });
    let change = days(240, |day| {
        100.0 + 0.8 * (day - 120.0).max(0.0) + noise.normal(4.0)
    });
    [
        ("linear", Step::Day, linear),
        ("weekly", Step::Day, weekly),
        ("daily", Step::Hour, hourly),
        ("step", Step::Day, shift),
        ("reset", Step::Day, reset),
        ("flat", Step::Day, flat),
        ("noisy", Step::Day, wild),
        ("gaps", Step::Day, gaps),
        ("short", Step::Day, short),
        ("growth", Step::Day, growth),
        ("spikes", Step::Day, spikes),
        ("trend change", Step::Day, change),
    ]
}
