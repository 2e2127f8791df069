use super::station::{Station, Visit};
use crate::performance::statistics::real;

/// A network that a fixed number of clients is in: each asks again once it was answered.
///
/// Solved by Buzen's convolution (1973), in logarithms, because its normalising constants leave the range of numbers.
#[derive(Debug)]
pub(super) struct Closed {
    /// The logarithm of the constant for 0, 1, … clients.
    constants: Vec<f64>,
}

impl Closed {
    pub(super) fn new(stations: &[Station], clients: usize) -> Self {
        let mut constants = vec![f64::NEG_INFINITY; clients + 1];
        constants[0] = 0.0;
        for station in stations.iter().filter(|station| !station.is_free()) {
            constants = convolve(&constants, &weights(station, clients));
        }
        Self { constants }
    }

    /// How many requests a millisecond so many clients get answered.
    pub(super) fn throughput(&self, clients: usize) -> f64 {
        match clients.checked_sub(1) {
            None => 0.0,
            Some(fewer) => (self.constants[fewer] - self.constants[clients]).exp(),
        }
    }

    /// The same, of a network that has one more station.
    pub(super) fn throughput_with(&self, station: &Station, clients: usize) -> f64 {
        if station.is_free() || clients == 0 {
            return self.throughput(clients);
        }
        let weights = weights(station, clients);
        (convolved(&self.constants, &weights, clients - 1) - convolved(&self.constants, &weights, clients))
            .exp()
    }

    /// What so many clients find at each station. Who comes there finds what there would be without it (Lavenberg and
    /// Reiser, 1980; Sevcik and Mitrani, 1981).
    pub(super) fn visits(&self, stations: &[Station], clients: usize) -> Vec<Visit> {
        let visit = |at: usize| {
            let station = &stations[at];
            if station.is_free() || clients == 0 {
                return Visit::default();
            }
            let mut others = stations.to_vec();
            others.remove(at);
            let others = Self::new(&others, clients).constants;
            let here = weights(station, clients);
            let probability = |there: usize, clients: usize| {
                (here[there] + others[clients - there] - self.constants[clients]).exp()
            };
            let full = station.full_with();
            let (mut time, mut square, mut ahead) = (0.0, 0.0, 0.0);
            for there in 0..clients {
                let probability = probability(there, clients - 1);
                let takes = station.time_with(there);
                time += probability * takes;
                square += probability * takes.powi(2);
                ahead += probability * real((there + 1).saturating_sub(full));
            }
            Visit {
                number: (0..=clients)
                    .map(|there| real(there) * probability(there, clients))
                    .sum(),
                variance: station.variance(square - time.powi(2), ahead),
            }
        };
        (0..stations.len()).map(visit).collect()
    }
}

/// The logarithms of what a station weighs with 0, 1, … clients.
fn weights(station: &Station, clients: usize) -> Vec<f64> {
    let mut weight = 0.0;
    let mut weights = vec![weight];
    for there in 1..=clients {
        weight -= station.rate(there).ln();
        weights.push(weight);
    }
    weights
}

fn convolve(left: &[f64], right: &[f64]) -> Vec<f64> {
    (0..left.len()).map(|sum| convolved(left, right, sum)).collect()
}

/// The logarithm of one term of a convolution.
fn convolved(left: &[f64], right: &[f64], sum: usize) -> f64 {
    let terms = || {
        left[..=sum]
            .iter()
            .zip(right[..=sum].iter().rev())
            .map(|(left, right)| left + right)
    };
    let largest = terms().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + terms().map(|term| (term - largest).exp()).sum::<f64>().ln()
}
