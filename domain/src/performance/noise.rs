//! Numbers that look random, for tests.

/// Numbers that look random, the same for each seed (`SplitMix64`).
pub(super) struct Noise(pub(super) u64);

impl Noise {
    /// From 0 to 1.
    pub(super) fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((bits ^ (bits >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// Normally distributed (Box and Muller).
    pub(super) fn normal(&mut self, deviation: f64) -> f64 {
        let radius = (-2.0 * self.even().max(1e-12).ln()).sqrt();
        deviation * radius * (std::f64::consts::TAU * self.even()).cos()
    }
}
