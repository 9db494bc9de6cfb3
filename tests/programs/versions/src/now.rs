//! As it is: it gained a method. The version is the same.

/// Counts.
#[ipc::protocol(name = "tally", version = 1)]
pub trait Tally {
    /// Adds to the count and returns it.
    #[method(1)]
    fn add(&mut self, count: u32) -> Result<u32, Status>;

    /// Begins from 0 again and returns what the count was.
    #[method(2)]
    fn clear(&mut self) -> Result<u32, Status>;
}

ipc::statuses! {
    /// The count would not fit.
    Full = 1, "the count is full";
}

/// The server.
#[derive(Debug, Default)]
pub struct Server(u32);

impl Tally for Server {
    fn add(&mut self, count: u32) -> Result<u32, Status> {
        self.0 = self.0.checked_add(count).ok_or(Status::Full)?;
        Ok(self.0)
    }

    fn clear(&mut self) -> Result<u32, Status> {
        Ok(core::mem::take(&mut self.0))
    }
}
