//! broker: what devmgr and supervisor ask of init, which alone holds the capabilities. Served by init.

use crate::supervisor::State;
use crate::{Bytes, Client, Signal, Text, Wire};

/// What devmgr and supervisor ask of init: they decide, init derives. A component names it in `uses`, and requests `devices`
/// or `restarts` of the board.
#[crate::protocol(name = "broker", version = 1)]
pub trait Broker {
    /// The component with the lowest number above `after`; none behind the last. Takes one of the grants.
    #[method(1)]
    fn component(&mut self, client: Client, after: u32) -> Result<Option<Component>, Status>;

    /// Begins to describe a device: the path of its node. What was described before and not started is forgotten. Takes the
    /// grant `devices`.
    #[method(2)]
    fn describe(&mut self, client: Client, path: Text<MAX_PATH>) -> Result<(), Status>;

    /// Adds registers to the device: first address as the CPU has it, bytes, and their name or nothing.
    #[method(3)]
    fn add_registers(&mut self, client: Client, base: u64, size: u64, name: Text<MAX_NAME>) -> Result<(), Status>;

    /// Adds an interrupt line, as the interrupt controller counts, and whether it fires on an edge. Line 0 is a hole: it only
    /// counts, so that those behind keep their index.
    #[method(4)]
    fn add_interrupt(&mut self, client: Client, line: u32, edge: bool, name: Text<MAX_NAME>) -> Result<(), Status>;

    /// Adds memory that the tree reserves for the device.
    #[method(5)]
    fn add_memory(&mut self, client: Client, base: u64, size: u64, name: Text<MAX_NAME>) -> Result<(), Status>;

    /// Starts a driver, by its number in the bundle, for the device that was described; whether that is a bus master. Its
    /// number as a component, or 0 and why it cannot be.
    #[method(6)]
    fn start(&mut self, client: Client, driver: u32, dma: bool) -> Result<(u32, Text<MAX_REASON>), Status>;

    /// A driver of the bundle has no device: why. Takes the grant `devices`.
    #[method(7)]
    fn refuse(&mut self, client: Client, driver: u32, why: Text<MAX_REASON>) -> Result<(), Status>;

    /// Every device that can have a driver has one, of the tree and of buses: services without a server are closed. Takes the
    /// grant `devices`.
    #[method(8)]
    fn settle(&mut self, client: Client) -> Result<(), Status>;

    /// What a device says of itself in its registers; none and nothing if they say nothing, none and why if they cannot be
    /// read. Takes the grant `devices`.
    #[method(9)]
    fn identify(&mut self, client: Client, base: u64, size: u64, how: Identification) -> Result<Identified, Status>;

    /// Adds the next bytes of what the device's node says: a tree of which it is the root.
    #[method(10)]
    fn add_node(&mut self, client: Client, bytes: Bytes<MAX_NODE_PART>) -> Result<(), Status>;

    /// Every device of the tree that can have a driver has one: the drivers run, and the console is its driver's. Takes the
    /// grant `devices`.
    #[method(11)]
    fn run(&mut self, client: Client) -> Result<(), Status>;

    /// The device sends messages for interrupts: how many, through the controller whose registers begin at this address, and
    /// what that calls the device. Takes the grant `devices`.
    #[method(12)]
    fn add_messages(&mut self, client: Client, controller: u64, device: u32, count: u32) -> Result<(), Status>;

    /// The device is a bus master behind an IOMMU: the address of that one's registers, and the device's stream there.
    #[method(13)]
    fn add_stream(&mut self, client: Client, iommu: u64, stream: u32) -> Result<(), Status>;

    /// Asks for a signal when a component died. Takes the grant `restarts`.
    #[method(16)]
    fn watch(&mut self, client: Client, signal: Signal) -> Result<(), Status>;

    /// The component with the lowest number above `after` that died and was not decided about; none behind the last. Takes the
    /// grant `restarts`.
    #[method(17)]
    fn death(&mut self, client: Client, after: u32) -> Result<Option<Death>, Status>;

    /// Starts a component again of which this instance died. Takes the grant `restarts`.
    #[method(18)]
    fn restart(&mut self, client: Client, component: u32, epoch: u16) -> Result<(), Status>;

    /// It is not started again: why. Takes the grant `restarts`.
    #[method(19)]
    fn give_up(&mut self, client: Client, component: u32, epoch: u16, why: Text<MAX_REASON>) -> Result<(), Status>;

    /// This interrupt line is held by who did not acknowledge it. `bus`, a component, has the line too, and did: whoever did not
    /// is ended, and died. How many. Takes the grant `devices`.
    #[method(20)]
    fn unblock(&mut self, client: Client, bus: u32, line: u32) -> Result<u32, Status>;

    /// The device of this driver is gone: it is ended, and has no device, as before it was started. Its services say so. Takes the
    /// grant `devices`.
    #[method(21)]
    fn remove(&mut self, client: Client, component: u32) -> Result<(), Status>;
}

/// Most registers, most interrupts, and most pieces of memory of a device: what a driver's start page has names for.
pub const MAX_EACH: usize = 16;
/// Most messages of a device.
pub const MAX_MESSAGES: u32 = 8;
/// Longest path of a node, in bytes.
pub const MAX_PATH: usize = 192;
/// Longest name of registers or an interrupt, in bytes.
pub const MAX_NAME: usize = 32;
/// Most bytes of a node that come at once.
pub const MAX_NODE_PART: usize = 448;
/// Most bytes of a node.
pub const MAX_NODE: usize = 16 * 1024;
/// Longest name of a component, in bytes.
pub const MAX_COMPONENT: usize = 40;
/// Longest reason, in bytes.
pub const MAX_REASON: usize = 192;

crate::statuses! {
    /// The board did not grant this to the caller.
    NotPermitted = 1, "not permitted: the board does not grant it to this component";
    /// No component with this number, or not the instance that is meant.
    NoComponent = 2, "no such component, or it is past that";
    /// No device was begun, or it has more of these than a driver can be given.
    NoDevice = 3, "no device was begun, or it has too many of these";
}

/// A component: one of the bundle, or of a driver one for each of its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Component {
    /// Its number.
    pub number: u32,
    /// The number in the bundle of what it runs.
    pub program: u32,
    /// What it is doing.
    pub state: State,
    /// Its name.
    pub name: Text<MAX_COMPONENT>,
    /// Path of the node that it drives; nothing if it drives none.
    pub path: Text<MAX_PATH>,
}

/// A component that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Death {
    /// Its number.
    pub component: u32,
    /// Which instance of it, counted from 1.
    pub epoch: u16,
    /// What its manifest wants.
    pub policy: Policy,
    /// For how many nanoseconds it ran.
    pub ran: u64,
    /// Its name.
    pub name: Text<MAX_COMPONENT>,
}

/// What a manifest wants done when its component dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Policy {
    /// It stays dead.
    Never = 0,
    /// It is started a second time, not a third.
    Once = 1,
    /// It is started again each time.
    Always = 2,
}

/// Where a device says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub enum Identification {
    /// The DeviceID of virtio over MMIO; 0 in an empty slot (Virtual I/O Device 1.2, section 4.2.2).
    Virtio = 1,
    /// The peripheral ID at the end of the registers of a PrimeCell.
    PrimeCell = 2,
}

/// What a device says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Identified {
    /// The number, if there is one.
    pub number: Option<u32>,
    /// Why it cannot be read; nothing if it could.
    pub trouble: Text<MAX_REASON>,
}
