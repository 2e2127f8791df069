use crate::performance::statistics::{mean, real, two_sided};

/// How likely two samples are to differ so much by chance, if they are of the same distribution: Mann and Whitney's U with
/// the normal approximation, corrected for ties and for continuity. It holds from eight values each.
///
/// Values are in the order of time. Those of one moment are much like those of the moment before, so they say less than as
/// many that have nothing to do with each other: they count for as many as there would have to be of these (Bayley and
/// Hammersley, *The "Effective" Number of Independent Observations in an Autocorrelated Time Series*, 1946).
pub(super) fn rank_test(before: &[f64], after: &[f64]) -> f64 {
    let (n, m) = (real(before.len()), real(after.len()));
    let (ranks, ties) = ranks(before, after);
    let (ranks_before, ranks_after) = ranks.split_at(before.len());
    let u = ranks_after.iter().sum::<f64>() - m * (m + 1.0) / 2.0;
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
    let alike = likeness(ranks_before).max(likeness(ranks_after));
    let counts = (1.0 - alike) / (1.0 + alike);
    two_sided(distance * counts.sqrt() / variance.sqrt())
}

/// The rank of each value among all, and by how much ties lessen their variance. Values that are equal share the mean of
/// their ranks.
fn ranks(before: &[f64], after: &[f64]) -> (Vec<f64>, f64) {
    let values: Vec<f64> = before.iter().chain(after).copied().collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|left, right| values[*left].total_cmp(&values[*right]));
    let (mut ranks, mut ties, mut ranked) = (vec![0.0; values.len()], 0.0, 0.0);
    for tied in order.chunk_by(|left, right| values[*left].total_cmp(&values[*right]).is_eq()) {
        let count = real(tied.len());
        for at in tied {
            ranks[*at] = f64::midpoint(2.0 * ranked + 1.0, count);
        }
        ties += count.powi(3) - count;
        ranked += count;
    }
    (ranks, ties)
}

/// How much each value is like the one before: the autocorrelation at a distance of one, from 0 to 0.95.
fn likeness(ranks: &[f64]) -> f64 {
    let centre = mean(ranks).unwrap_or_default();
    let all: f64 = ranks.iter().map(|rank| (rank - centre).powi(2)).sum();
    let pairs: f64 = ranks
        .windows(2)
        .map(|pair| (pair[0] - centre) * (pair[1] - centre))
        .sum();
    if all > 0.0 {
        (pairs / all).clamp(0.0, 0.95)
    } else {
        0.0
    }
}
