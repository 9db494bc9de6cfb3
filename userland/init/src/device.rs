//! A device as devmgr describes it.

use alloc::string::String;
use alloc::vec::Vec;

use tree::Range;

/// Addresses with a name, which may be empty.
#[derive(Clone, Debug)]
pub struct Block {
    /// Where.
    pub range: Range,
    /// What the node calls it.
    pub name: String,
}

/// An interrupt line with a name, which may be empty.
#[derive(Clone, Debug)]
pub struct Line {
    /// As the interrupt controller counts; 0 for a hole in the node's list.
    pub number: u32,
    /// It fires on an edge.
    pub edge: bool,
    /// What the node calls it.
    pub name: String,
}

/// Messages for interrupts that a device sends.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    /// Where the registers of the controller that takes them begin.
    pub controller: u64,
    /// What that calls the device.
    pub device: u32,
    /// How many.
    pub count: u32,
}

/// What a driver is given.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// Path of its node.
    pub path: String,
    /// Its registers.
    pub registers: Vec<Block>,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Its messages.
    pub messages: Option<Messages>,
    /// Memory that is reserved for it.
    pub memory: Vec<Block>,
    /// What its node says: a tree of which it is the root.
    pub node: Vec<u8>,
    /// It is a bus master.
    pub dma: bool,
    /// The registers of the IOMMU that it is behind, and its stream there.
    pub stream: Option<(u64, u32)>,
}
