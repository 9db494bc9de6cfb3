//! A source of bytes that are random enough for tests, and the same in each run.

use core::convert::Infallible;

use crate::entropy::Entropy;

/// A source that a number decides (xorshift64*): whoever knows it knows all.
///
/// ```
/// # use tutti_kit as kit;
/// use kit::entropy::Entropy;
/// use kit::fake::Noise;
///
/// let bytes = |seed| {
///     let mut out = [0; 16];
///     Noise::new(seed).fill(&mut out).unwrap();
///     out
/// };
/// assert_eq!(bytes(1), bytes(1));
/// assert_ne!(bytes(1), bytes(2));
/// ```
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// The source with this number.
    pub const fn new(seed: u64) -> Self {
        // 0 would stay 0.
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }
}

impl Entropy for Noise {
    type Error = Infallible;

    fn fill(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            *byte = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8;
        }
        Ok(())
    }
}
