//! A protocol that is measured: what a typed call costs beside the same words sent raw.

/// Gives back what it was given.
#[ipc::protocol(name = "bench-typed", version = 1)]
pub trait Typed {
    /// Three integers there and back.
    #[method(1)]
    fn three(&mut self, a: u64, b: u32, c: u64) -> Result<(u64, u32, u64), Status>;
}

ipc::statuses! {
    /// The second is no number that is taken.
    Refused = 1, "refused";
}

/// The server.
#[derive(Debug)]
pub struct Server;

impl Typed for Server {
    #[inline]
    fn three(&mut self, a: u64, b: u32, c: u64) -> Result<(u64, u32, u64), Status> {
        Ok((a, b, c))
    }
}
