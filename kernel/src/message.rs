//! Messages of devices that are interrupts: which controller takes them, and what they are.

/// The first interrupt that is a message to an ITS (ARM IHI 0069, 2.2.1: LPIs).
pub const FIRST: u32 = 8192;
/// How many of them there can be.
pub const MOST: usize = 256;

/// What takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Where its registers lie: this is its name.
    pub registers: u64,
    /// Where devices write to.
    pub doorbell: u64,
    /// The first of the lines of a frame, and how many it has. An ITS has none.
    pub lines: Option<(u32, u32)>,
}

/// The message of a device that is an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The device as its ITS knows it. To a frame all are the same.
    pub device: u32,
    /// Which of its messages.
    pub event: u32,
    /// The controller's number.
    pub controller: u8,
    /// The core it goes to.
    pub core: u8,
}

impl Message {
    /// The device, and from bit 32 on the event, more by 1: what `DebugCap` says of it.
    pub const fn inspect(&self) -> u64 {
        self.device as u64 | (self.event as u64 + 1) << 32
    }
}
