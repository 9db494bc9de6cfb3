//! A protocol between a driver of a PL031 real-time clock (ARM DDI 0224) whose handler is measured, and the program that raises
//! the interrupt.

use ipc::Owned;
use rt::Frame;

/// RTCDR, RTCMR, RTCIMSC and RTCRIS.
pub const DATA: usize = 0x0;
/// See [`DATA`].
pub const MATCH: usize = 0x4;
/// See [`DATA`].
pub const MASK: usize = 0x10;
/// See [`DATA`].
pub const RAW: usize = 0x14;

/// A driver that notes when its handler began.
#[ipc::protocol(name = "bench-handler", version = 1)]
pub trait Handler {
    /// The device's registers, for who raises the interrupt.
    #[method(1)]
    fn registers(&mut self) -> Result<Owned<Frame>, Status>;

    /// Ticks at the first line of the handler, when it ran last; how often it ran.
    #[method(2)]
    fn last(&mut self) -> Result<(u64, u64), Status>;
}

ipc::statuses! {}
