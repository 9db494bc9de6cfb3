//! The protocol of the process whose memory is reached for: it says where that lies, and whether it is as it was.

/// Memory that no device has business in.
#[ipc::protocol(name = "victim", version = 1)]
pub trait Victim {
    /// The physical address of target `index`; none behind the last.
    #[method(1)]
    fn target(&mut self, index: u32) -> Result<Option<u64>, Status>;

    /// Whether all targets are as they were when this was last asked. What changed is put right again.
    #[method(2)]
    fn is_intact(&mut self) -> Result<bool, Status>;
}

ipc::statuses! {
    /// It could not find out where its memory lies.
    Lost = 1, "where its memory lies is not known";
}

/// What the targets are, in order.
pub const TARGETS: [&str; 3] = ["the kernel's memory", "another process' memory", "a page table"];
/// The one that is another process' memory.
pub const PROCESS: usize = 1;
/// What that holds.
pub const SECRET: [u8; 16] = *b"a secret of mine";
