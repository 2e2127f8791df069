use super::station::{Pace, Station, Visit};
use crate::performance::statistics::real;

/// What requests find at each station; `None`: more come than one of them can do.
pub(super) fn visits(stations: &[Station], rate: f64) -> Option<Vec<Visit>> {
    stations.iter().map(|station| visit(station, rate)).collect()
}

/// What requests find at a station to which so many come each millisecond.
///
/// In an open network each station is as if it were alone (Jackson, 1957), and who comes finds what there is on average. The
/// states beyond those in which it does more the more are there form a geometric series.
fn visit(station: &Station, rate: f64) -> Option<Visit> {
    if station.is_free() {
        return Some(Visit::default());
    }
    if let Pace::Delay(demand) = station.pace {
        return Some(Visit {
            number: rate * demand,
            variance: demand.powi(2),
        });
    }
    let full = station.full_with();
    let load = rate / station.rate(full);
    if load >= 1.0 {
        return None;
    }
    let mut logarithm = 0.0;
    let mut logarithms = vec![logarithm];
    for there in 1..=full {
        logarithm += (rate / station.rate(there)).ln();
        logarithms.push(logarithm);
    }
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logarithms.iter().map(|term| (term - largest).exp()).collect();
    let total: f64 = weights[..full].iter().sum::<f64>() + weights[full] / (1.0 - load);

    let (mut number, mut time, mut square) = (0.0, 0.0, 0.0);
    for (there, weight) in weights[..full].iter().enumerate() {
        let probability = weight / total;
        let takes = station.time_with(there);
        number += probability * real(there);
        time += probability * takes;
        square += probability * takes.powi(2);
    }
    // As many as it takes to fill it, and j more.
    let probability = weights[full] / (1.0 - load) / total;
    let (first, second) = (load / (1.0 - load), load * (1.0 + load) / (1.0 - load).powi(2));
    let (least, each) = (real(full) + 1.0, 1.0 / station.rate(full));
    number += probability * (real(full) + first);
    time += probability * (least + first) * each;
    square += probability * (least.powi(2) + 2.0 * least * first + second) * each.powi(2);
    let ahead = probability * (1.0 + first);
    Some(Visit {
        number,
        variance: station.variance(square - time.powi(2), ahead),
    })
}
