use uuid::Uuid;

/// Numbers that look random and are the same every time: `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom
/// Number Generators, OOPSLA 2014).
#[derive(Debug)]
pub(super) struct Random(u64);

/// What is being made; each has numbers of its own, so that one does not change when another is made differently.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Team = 1,
    Lead = 2,
    History = 3,
}

impl Random {
    /// The numbers for the thing of this stream and index in the tenant of this slug.
    pub(super) fn new(slug: &str, stream: Stream, index: u64) -> Self {
        // FNV-1a (draft-eastlake-fnv), then one step of the generator per part, which spreads neighbours apart.
        let slug = slug.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut random = Self(slug ^ stream as u64);
        let seed = random.next();
        Self(seed ^ Self(index).next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// 0 to `count` - 1.
    pub(super) fn below(&mut self, count: u32) -> u32 {
        let high = (self.next() >> 32) * u64::from(count);
        u32::try_from(high >> 32).expect("less than `count`")
    }

    pub(super) fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below(most - least + 1)
    }

    /// The same bounds, but the middle is more likely than the ends.
    pub(super) fn around(&mut self, least: u32, most: u32) -> u32 {
        (self.between(least, most) + self.between(least, most) + self.between(least, most)) / 3
    }

    /// 0 up to, but not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.below(u32::MAX)) / f64::from(u32::MAX)
    }

    /// The same bounds, but small ones are more likely. Multiplied, not raised to a power: so it is the same to the last
    /// bit on every machine.
    pub(super) fn slanted(&mut self) -> f64 {
        let unit = self.unit();
        unit * unit
    }

    pub(super) fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let count = u32::try_from(items.len()).expect("the lists are short");
        items[self.below(count) as usize]
    }

    /// One of the items, each as often as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, items: &[(T, u32)]) -> T {
        let mut left = self.below(items.iter().map(|(_, weight)| weight).sum());
        for (item, weight) in items {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        unreachable!("less than the sum of the weights")
    }

    /// A `UUIDv7` (RFC 9562, section 5.7) of this moment.
    pub(super) fn id(&mut self, at: time::OffsetDateTime) -> Uuid {
        let milliseconds = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.next().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next().to_le_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid()
    }
}
