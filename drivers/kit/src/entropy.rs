//! Random bytes.
//!
//! [`Entropy`] is Tutti's side: a client of such a protocol implements it, or the driver of a generator. `Rng`, with the
//! feature `rand`, makes of it a generator of `rand_core`.

use core::error::Error;
use core::fmt;

use ipc::Call;
use ipc::entropy::{EntropyClient, MAX_BYTES, Status};

/// A source of bytes that nobody can guess: fit for keys.
pub trait Entropy {
    /// Why there were none.
    type Error: Error;

    /// Fills all of `out`.
    ///
    /// # Errors
    /// The source is gone, or has failed its own test; what `out` has is not to be used.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Self::Error>;
}

/// Why a client of the protocol `entropy` has not as many bytes as were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// The client's share has no more now: its session's signal says when it has.
    Later,
    /// The service refused, or there is none.
    Refused(ipc::Error<Status>),
}

impl fmt::Display for Unfilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later => f.write_str("the source of random bytes has no more now"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl Error for Unfilled {}

/// An attached client. It never waits: of a share that holds [`MAX_BYTES`] it asks for as many as are there.
impl<C: Call> Entropy for EntropyClient<C> {
    type Error = Unfilled;

    fn fill(&mut self, out: &mut [u8]) -> Result<(), Unfilled> {
        for part in out.chunks_mut(MAX_BYTES) {
            let bytes = self.read(part.len() as u32).map_err(Unfilled::Refused)?;
            if bytes.len() != part.len() {
                return Err(Unfilled::Later);
            }
            part.copy_from_slice(&bytes);
        }
        Ok(())
    }
}

/// A source for `rand_core` 0.10: `TryRng` and `TryCryptoRng`, and of a source that cannot fail `Rng` and `CryptoRng`.
///
/// ```
/// # use tutti_kit as kit;
/// use kit::{entropy::Rng, fake};
/// use rand_core::TryRng;
///
/// assert_ne!(Rng(fake::Noise::new(1)).try_next_u64(), Rng(fake::Noise::new(2)).try_next_u64());
/// ```
#[cfg(feature = "rand")]
#[derive(Clone, Debug)]
pub struct Rng<E>(
    /// The source.
    pub E,
);

#[cfg(feature = "rand")]
impl<E: Entropy> rand_core::TryRng for Rng<E> {
    type Error = E::Error;

    fn try_next_u32(&mut self) -> Result<u32, E::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, E::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), E::Error> {
        self.0.fill(out)
    }
}

#[cfg(feature = "rand")]
impl<E: Entropy> rand_core::TryCryptoRng for Rng<E> {}

#[cfg(all(test, feature = "rand"))]
mod tests {
    use super::*;
    use crate::fake::Noise;
    use rand::RngExt;
    use rand::seq::SliceRandom;

    #[test]
    fn a_die_is_thrown_and_cards_are_shuffled() {
        let mut rng = Rng(Noise::new(7));
        let mut seen = [0; 6];
        (0..6000).for_each(|_| seen[rng.random_range(0..6usize)] += 1);
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        let mut cards: Vec<u32> = (0..52).collect();
        cards.shuffle(&mut rng);
        assert_ne!(cards, (0..52).collect::<Vec<_>>());
        cards.sort_unstable();
        assert_eq!(cards, (0..52).collect::<Vec<_>>());
    }
}
