use crate::performance::statistics::{real, two_sided};

/// How likely two samples are to differ so much by chance, if they are of the same distribution: Mann and Whitney's U with
/// the normal approximation, corrected for ties and for continuity. It holds from eight values each.
pub(super) fn rank_test(before: &[f64], after: &[f64]) -> f64 {
    let (n, m) = (real(before.len()), real(after.len()));
    let mut all: Vec<(f64, bool)> = before
        .iter()
        .map(|value| (*value, false))
        .chain(after.iter().map(|value| (*value, true)))
        .collect();
    all.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));

    let (mut rank_sum, mut ties, mut ranked) = (0.0, 0.0, 0.0);
    for tied in all.chunk_by(|left, right| left.0.total_cmp(&right.0).is_eq()) {
        let count = real(tied.len());
        // Values that are equal share the mean of their ranks.
        let rank = f64::midpoint(2.0 * ranked + 1.0, count);
        rank_sum += rank * real(tied.iter().filter(|(_, is_after)| *is_after).count());
        ties += count.powi(3) - count;
        ranked += count;
    }
    let u = rank_sum - m * (m + 1.0) / 2.0;
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
    two_sided(distance / variance.sqrt())
}
