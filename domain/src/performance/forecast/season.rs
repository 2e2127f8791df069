use crate::performance::statistics::{median, real, robust_deviation, variance};

/// A series without the patterns that repeat in it, without its spikes, and without its breaks.
#[derive(Debug)]
pub(super) struct Adjusted {
    pub(super) values: Vec<f64>,
    /// What each phase of a cycle adds, for each cycle that shows.
    patterns: Vec<Vec<f64>>,
}

/// Older cycles than these say nothing of the pattern: it may have changed.
const CYCLES: usize = 12;
/// How many steps on either side a spike is told by, and by how many deviations.
const NEIGHBOURS: usize = 3;
const SPIKE: f64 = 4.0;
/// How many steps on either side a break is told by, and by how many deviations.
const AROUND: usize = 4;
const BREAK: f64 = 6.0;

impl Adjusted {
    pub(super) fn of(series: &[f64], cycles: &[usize]) -> Self {
        let mut values = series.to_vec();
        let mut patterns = Vec::new();
        for cycle in cycles {
            if let Some(pattern) = pattern(&values, *cycle) {
                for (at, value) in values.iter_mut().enumerate() {
                    *value -= pattern[at % cycle];
                }
                patterns.push(pattern);
            }
        }
        Self {
            values: without_breaks(without_spikes(&values)),
            patterns,
        }
    }

    /// What the patterns add at a step, which may lie after the series.
    pub(super) fn pattern_at(&self, step: usize) -> f64 {
        self.patterns
            .iter()
            .map(|pattern| pattern[step % pattern.len()])
            .sum()
    }
}

/// The pattern of a cycle, by classical decomposition with medians in place of means; `None` when there is none.
///
/// How strong it is says what it leaves of the variance (Wang, Smith and Hyndman, *Characteristic-based clustering for
/// time series data*, 2006). Noise alone seems to have a pattern, the more so the fewer cycles were seen.
fn pattern(values: &[f64], cycle: usize) -> Option<Vec<f64>> {
    let seen = &values[values.len().saturating_sub((CYCLES + 1) * cycle)..];
    let skipped = values.len() - seen.len();
    let cycles = seen.len() / cycle;
    if cycles < 3 {
        return None;
    }
    let trend = moving_average(seen, cycle);
    let half = cycle / 2;
    let mut phases = vec![Vec::new(); cycle];
    for (at, level) in trend.iter().enumerate() {
        phases[(skipped + at + half) % cycle].push(seen[at + half] - level);
    }
    let medians: Vec<f64> = phases
        .iter()
        .map(|phase| median(phase).unwrap_or_default())
        .collect();
    let centre = medians.iter().sum::<f64>() / real(cycle);
    let pattern: Vec<f64> = medians.iter().map(|value| value - centre).collect();

    let detrended: Vec<f64> = phases.concat();
    let left: Vec<f64> = phases
        .iter()
        .zip(&pattern)
        .flat_map(|(phase, shift)| phase.iter().map(move |value| value - shift))
        .collect();
    let all = variance(&detrended)?;
    let strength = if all > 0.0 {
        1.0 - variance(&left)? / all
    } else {
        0.0
    };
    (strength > 0.25 + 1.0 / real(cycles)).then_some(pattern)
}

/// The mean over a cycle around each step that has one; the two ends of an even cycle count half.
fn moving_average(values: &[f64], cycle: usize) -> Vec<f64> {
    let half = cycle / 2;
    let width = 2 * half + 1;
    let ends = if cycle.is_multiple_of(2) { 0.5 } else { 1.0 };
    values
        .windows(width)
        .map(|window| {
            let inner: f64 = window[1..width - 1].iter().sum();
            (inner + ends * (window[0] + window[width - 1])) / real(cycle)
        })
        .collect()
}

/// Puts the median of its neighbours in the place of what is far from it (Hampel's filter). A step is no spike: its
/// neighbours follow it. The ends have too few neighbours to tell, and are left as they are.
fn without_spikes(values: &[f64]) -> Vec<f64> {
    let width = 2 * NEIGHBOURS + 1;
    let medians: Vec<f64> = values.windows(width).filter_map(median).collect();
    let distances: Vec<f64> = medians
        .iter()
        .zip(&values[NEIGHBOURS.min(values.len())..])
        .map(|(median, value)| value - median)
        .collect();
    let allowed = SPIKE * robust_deviation(&distances).unwrap_or_default();
    let mut cleaned = values.to_vec();
    for (at, (median, distance)) in medians.iter().zip(&distances).enumerate() {
        if distance.abs() > allowed {
            cleaned[at + NEIGHBOURS] = *median;
        }
    }
    cleaned
}

/// Moves what lies before a break to where the series went on: it has another level since then, but where it is heading is
/// seen before as well as after. A break is one step that is larger by far than the others, and that was not taken back.
fn without_breaks(mut values: Vec<f64>) -> Vec<f64> {
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (Some(usual), Some(deviation)) = (median(&steps), robust_deviation(&steps)) else {
        return values;
    };
    let mut breaks = Vec::new();
    for at in AROUND..(values.len() + 1).saturating_sub(AROUND) {
        let jump = steps[at - 1] - usual;
        if jump.abs() <= BREAK * deviation {
            continue;
        }
        let before = median(&values[at - AROUND..at]).unwrap_or_default();
        let after = median(&values[at..at + AROUND]).unwrap_or_default();
        let shift = after - before - usual * real(AROUND);
        if shift * jump > 0.0 && shift.abs() >= jump.abs() / 2.0 {
            breaks.push((at, shift));
        }
    }
    for (at, shift) in breaks {
        for value in &mut values[..at] {
            *value += shift;
        }
    }
    values
}
