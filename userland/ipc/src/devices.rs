//! devices: the enabled nodes of the device tree, and what drives them. Served by devmgr.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{Client, Text, Wire};

/// The enabled nodes of the device tree that say what they are compatible with, in the order of the tree.
#[crate::protocol(name = "devices", version = 1)]
pub trait Devices {
    /// The node at `index` of the list; none behind the last.
    #[method(1)]
    fn list(&mut self, index: u32) -> Result<Option<Device>, Status>;

    /// Line `line` of what the node at `index` has and needs; none behind the last.
    #[method(2)]
    fn resource(&mut self, index: u32, line: u32) -> Result<Option<Text<MAX_LINE>>, Status>;

    /// The caller drives a bus, and found this function on it. The component that is started for it; none where there is no
    /// driver, or it cannot be started, which `list` says why.
    #[method(3)]
    fn found(&mut self, client: Client, function: Function) -> Result<Option<u32>, Status>;

    /// The caller drives a bus, and has told of everything on it: nobody needs to wait for more.
    #[method(4)]
    fn scanned(&mut self, client: Client) -> Result<(), Status>;

    /// The caller drives a bus. Whether this component, which drives a function of it, may have its function read and write
    /// memory: its manifest says `dma = true`.
    #[method(5)]
    fn may_master(&mut self, client: Client, component: u32) -> Result<bool, Status>;

    /// The caller drives a bus. Whether this component, which drives a function of it, runs now.
    #[method(6)]
    fn is_running(&mut self, client: Client, component: u32) -> Result<bool, Status>;

    /// As `found`, of a function behind a bridge that was told of before.
    #[method(7)]
    fn found_behind(&mut self, client: Client, function: Function, route: Route) -> Result<Option<u32>, Status>;

    /// The caller drives a bus. Which of the interrupt lines that it has itself, counted from 0, is behind this pin of this device
    /// of its root bus; none if the device does not interrupt there.
    #[method(8)]
    fn line(&mut self, client: Client, device: u16, pin: u8) -> Result<Option<u32>, Status>;

    /// The caller drives a bus. Functions raise this one of its own lines, and it does not fire: the drivers that did not
    /// acknowledge it are ended. How many.
    #[method(9)]
    fn stuck(&mut self, client: Client, line: u32) -> Result<u32, Status>;

    /// The caller drives a bus. This function (bus, device and function) is no longer there, nor what is behind it: their drivers
    /// are ended, and the list does not have them any more.
    #[method(10)]
    fn gone(&mut self, client: Client, address: u16) -> Result<(), Status>;
}

/// Longest path, in bytes; of a longer one the end is left out.
pub const MAX_PATH: usize = 192;
/// Longest name of a driver, in bytes.
pub const MAX_DRIVER: usize = 40;
/// Longest reason, in bytes.
pub const MAX_REASON: usize = 192;
/// Longest line of `resource`, in bytes.
pub const MAX_LINE: usize = 488;

crate::statuses! {
    /// No node at this place of the list.
    NoNode = 1, "no such node";
    /// The caller drives nothing that has functions.
    NoBus = 2, "the caller drives no bus";
    /// Registers that the bus does not pass on, that share a page, or that another function has.
    BadFunction = 3, "its registers are not the bus' to give, or another's";
    /// The list is full.
    TooMany = 4, "there are too many functions";
}

/// A function of PCI, with places for its registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Wire, FromBytes, IntoBytes, Immutable)]
#[wire(layout)]
#[repr(C)]
pub struct Function {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Subsystem Vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
    /// Class code, and the revision in the lowest eight bits.
    pub class: u32,
    /// Its requester ID: bus, device (five bits) and function (three).
    pub address: u16,
    /// Which pin it interrupts on, 1 for INTA to 4 for INTD; 0 for none.
    pub pin: u8,
    /// How many messages for interrupts it can send: of MSI-X, else of MSI; 255 if it is more.
    pub messages: u8,
    /// What its base address registers say; of those that are not there the size is 0.
    pub bars: [Bar; 6],
}

/// How a function behind a bridge is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Route {
    /// The bridge in front of it: bus, device and function.
    pub bridge: u16,
    /// Whose interrupts the root bus takes its own for: bus, device and function.
    pub device: u16,
    /// On which pin of that device; 0 for none.
    pub pin: u8,
    /// On the way its requester ID becomes that of a bridge, as for all that is behind that one.
    pub shared: bool,
}

/// Registers of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Wire, FromBytes, IntoBytes, Immutable)]
#[wire(layout)]
#[repr(C)]
pub struct Bar {
    /// First byte, as the CPU has it.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Device {
    /// What becomes of it.
    pub state: State,
    /// The component that drives it or would; nothing if there is none.
    pub driver: Text<MAX_DRIVER>,
    /// Its path.
    pub path: Text<MAX_PATH>,
    /// Whom it waits for, why it is refused, or what it says of itself where it has no driver.
    pub reason: Text<MAX_REASON>,
}

/// What becomes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum State {
    /// Its driver runs.
    Running = 0,
    /// Its driver died and is started again.
    Starting = 1,
    /// Its driver is not started, because of another device.
    Waiting = 2,
    /// No component of the bundle drives it.
    NoDriver = 3,
    /// Its driver could not be started.
    Refused = 4,
    /// Its driver ended, or died too often.
    GivenUp = 5,
    /// The kernel drives it itself.
    Kernel = 6,
}

impl State {
    /// In words, in front of a reason.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Waiting => "waiting for",
            Self::NoDriver => "no driver",
            Self::Refused => "refused:",
            Self::GivenUp => "given up",
            Self::Kernel => "kernel",
        }
    }
}
