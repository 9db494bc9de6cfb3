//! As it will be: another version, which nobody serves yet.

/// Counts further.
#[ipc::protocol(name = "tally", version = 2)]
pub trait Tally {
    /// Adds to the count and returns it.
    #[method(1)]
    fn add(&mut self, count: u64) -> Result<u64, Status>;
}

ipc::statuses! {
    /// The count would not fit.
    Full = 1, "the count is full";
}
