/// Exponential smoothing with a trend that dies down (Gardner and `McKenzie`, *Forecasting Trends in Time Series*, 1985).
#[derive(Clone, Copy, Debug)]
struct Smoothing {
    /// How much of each error the level takes up,
    level: f64,
    /// how much of the level's change the trend takes up,
    trend: f64,
    /// and what is left of the trend after a step.
    damping: f64,
}

const LEVELS: [f64; 4] = [0.1, 0.3, 0.5, 0.8];
const TRENDS: [f64; 3] = [0.02, 0.1, 0.3];
const DAMPINGS: [f64; 2] = [0.9, 0.98];

/// Forecasts by the smoothing that had the least errors one step ahead.
pub(super) fn smoothed(values: &[f64], horizon: usize) -> Vec<f64> {
    let mut best = (f64::INFINITY, 0.0, 0.0, 1.0);
    for level in LEVELS {
        for trend in TRENDS {
            for damping in DAMPINGS {
                let smoothing = Smoothing {
                    level,
                    trend,
                    damping,
                };
                let (error, at, slope) = smoothing.run(values);
                if error < best.0 {
                    best = (error, at, slope, damping);
                }
            }
        }
    }
    let (_, mut at, mut slope, damping) = best;
    let mut points = Vec::with_capacity(horizon);
    for _ in 0..horizon {
        slope *= damping;
        at += slope;
        points.push(at);
    }
    points
}

impl Smoothing {
    /// Returns the sum of its errors, its level and its trend at the end.
    fn run(self, values: &[f64]) -> (f64, f64, f64) {
        let Some((first, rest)) = values.split_first() else {
            return (0.0, 0.0, 0.0);
        };
        let (mut error, mut at, mut slope) = (0.0, *first, 0.0);
        for value in rest {
            let expected = at + self.damping * slope;
            error += (value - expected).abs();
            let next = expected + self.level * (value - expected);
            slope = self.trend * (next - at) + (1.0 - self.trend) * self.damping * slope;
            at = next;
        }
        (error, at, slope)
    }
}
