//! Seeded randomness.

/// splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// From 0 up to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// How many of `n` happen, each with this probability; by the normal law where there are many.
    pub(crate) fn of(&mut self, n: u32, probability: f64) -> u32 {
        if n <= 16 {
            return (0..n).filter(|_| self.unit() < probability).count() as u32;
        }
        let mean = f64::from(n) * probability;
        let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        let drawn = mean + normal * (mean * (1.0 - probability)).sqrt();
        (drawn.round().max(0.0) as u32).min(n)
    }
}
