//! What the shell stands on: servers, a clock, and something to wait for.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use crate::commands::Unprinted;
use ipc::Call;
use ipc::trace::Found;
use ipc::{
    clock::ClockClient, devices::DevicesClient, display::DisplayClient, entropy::EntropyClient, file::FileClient,
    input::InputClient, log::LogClient, net::NetClient, serial::SerialClient, supervisor::SupervisorClient,
};
use rt::{CallError, Cap, Message, Notification, SharedBuffer};

/// Bit of the own Notification: input, or room for output.
pub const SERIAL_BIT: u64 = 1;
/// Bit of the own Notification: a log line of level warn or worse.
pub const LOG_BIT: u64 = 2;
/// Bit of the own Notification: the alarm rings.
pub const ALARM_BIT: u64 = 4;
/// Bit of the own Notification: there are random bytes again.
pub const ENTROPY_BIT: u64 = 16;
/// Bit of the own Notification: somebody did something to an input device.
pub const INPUT_BIT: u64 = 32;
/// Bit of the own Notification: something about frames. Who waits for some looks for them.
pub const NET_BIT: u64 = 8;

/// Bit of the own Notification: a display has taken a frame.
pub const DISPLAY_BIT: u64 = 64;

/// Who carries calls: an endpoint, or a test.
#[derive(Clone)]
pub struct Carrier(Rc<dyn Call>);

impl Carrier {
    /// Calls go through this.
    pub fn new(call: impl Call + 'static) -> Self {
        Self(Rc::new(call))
    }
}

impl Call for Carrier {
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        self.0.call(message)
    }
}

/// The process's clock and its Notification.
pub trait Machine {
    /// Waits for bits; `None` when there is nothing to wait for any more.
    fn wait(&self) -> Option<u64>;
    /// Bits that have come, without waiting.
    fn poll(&self) -> u64;
    /// Nanoseconds since reset.
    fn uptime(&self) -> u64;
    /// Nanoseconds of so many ticks of CPU time.
    fn nanoseconds(&self, ticks: u64) -> u64;
    /// Waits so many milliseconds.
    fn sleep(&self, milliseconds: u64);
}

/// Rings of trace records, one a core.
pub trait Rings {
    /// How many there are.
    fn cores(&self) -> u64;
    /// Ticks of the records' clock in a second, and what it showed at boot.
    fn clock(&self) -> (u64, u64);
    /// Every core writes into its ring from now on.
    ///
    /// # Errors
    /// Why not, in one line.
    fn start(&mut self) -> Result<(), String>;
    /// No core writes any more.
    fn stop(&mut self);
    /// Calls `with` for what was written since the start.
    ///
    /// # Errors
    /// Those of `with`, or why the records cannot be read.
    fn read(&mut self, core: u64, with: &mut dyn FnMut(Found) -> core::fmt::Result) -> Result<(), Unprinted>;
}

/// All the servers.
pub struct Services {
    /// The console.
    pub serial: SerialClient<Carrier>,
    /// The disk.
    pub files: FileClient<Carrier>,
    /// The time of day.
    pub clock: ClockClient<Carrier>,
    /// Random bytes.
    pub entropy: EntropyClient<Carrier>,
    /// The input devices.
    pub inputs: Vec<InputClient<Carrier>>,
    /// Network interfaces, whether they are there or not.
    pub nets: Vec<NetClient<Carrier>>,
    /// What components say.
    pub log: LogClient<Carrier>,
    /// What components there are.
    pub supervisor: SupervisorClient<Carrier>,
    /// What devices there are.
    pub devices: DevicesClient<Carrier>,
    /// The displays, of which there need be none.
    pub displays: Vec<DisplayClient<Carrier>>,
    /// Handed to servers, which signal the bits above.
    pub notification: Cap<Notification>,
    /// Shared with the file service.
    pub buffer: Rc<SharedBuffer>,
    /// What the board grants to look at all cores.
    pub rings: Option<Box<dyn Rings>>,
}
