//! The few statistics that the rest of this module judges by.

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "nothing here counts to 2⁵³")]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "a share need not be exact beyond 2⁵³")]
pub(super) fn real_u64(count: u64) -> f64 {
    count as f64
}

/// A number as a count: what is no number, or less than none, is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, as is wanted"
)]
pub(super) fn whole(number: f64) -> usize {
    number as usize
}

/// Returns `part` of `total`; `None` of nothing.
pub(super) fn share(part: f64, total: f64) -> Option<f64> {
    (total > 0.0).then(|| part / total)
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    share(values.iter().sum(), real(values.len()))
}

pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(sorted[middle - 1], upper)
    })
}

/// The standard deviation that normally distributed values of this median absolute deviation have: outliers do not move it.
pub(super) fn robust_deviation(values: &[f64]) -> Option<f64> {
    let centre = median(values)?;
    let distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    median(&distances).map(|deviation| 1.4826 * deviation)
}

pub(super) fn variance(values: &[f64]) -> Option<f64> {
    let centre = mean(values)?;
    let squares: Vec<f64> = values.iter().map(|value| (value - centre).powi(2)).collect();
    mean(&squares)
}

/// How likely a standard normal variable is to be this far from nought, on either side.
///
/// Abramowitz and Stegun, 7.1.26; wrong by 1.5e-7 at most.
pub(super) fn two_sided(z: f64) -> f64 {
    const TERMS: [f64; 5] = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ];
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial = TERMS.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    (polynomial * (-x * x).exp()).clamp(0.0, 1.0)
}
