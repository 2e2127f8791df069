/// A hash that is the same in every process and release, unlike that of the standard library, as long as what it is made
/// of is: whoever mixes in a number sees to it that the number stays (`generations`).
///
/// Each word is mixed in by the finaliser of `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, 2014). Not for secrets: who can choose ids can make them collide, and gains a cache miss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixer(u64);

impl Mixer {
    pub(crate) fn new(seed: u128) -> Self {
        Self(0x9e37_79b9_7f4a_7c15).mix_wide(seed)
    }

    #[must_use]
    pub(crate) fn mix(self, word: u64) -> Self {
        let mut state = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ word;
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(state ^ (state >> 31))
    }

    #[must_use]
    pub(crate) fn mix_wide(self, word: u128) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "one half after the other")]
        self.mix(word as u64).mix((word >> 64) as u64)
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}
