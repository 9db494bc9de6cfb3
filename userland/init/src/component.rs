//! What init remembers of a component.

use alloc::string::String;
use alloc::vec::Vec;

use abi::{NamedSlot, layout::PAGE};
use bundle::Component;
use ipc::supervisor::State;
use rt::{AddressSpace, Cap, CapTable, Notification, Reserve, Thread, Untyped};

use crate::restarts::Restarts;

/// A component of the bundle, running or not.
pub struct Record {
    /// Its load records and manifest.
    pub component: Component<'static>,
    /// The process, while there is one.
    pub instance: Option<Instance>,
    /// Instances so far.
    pub epoch: u16,
    /// What it is doing.
    pub state: State,
    /// How often it was started again.
    pub restarts: Restarts,
    /// Path of the device it drives.
    pub device: Option<String>,
}

/// A running process.
pub struct Instance {
    /// What everything of it came out of.
    pub quota: Cap<Untyped>,
    /// Pages of the quota.
    pub pages: u64,
    /// Its capability table.
    pub table: Cap<CapTable>,
    /// Slots of it.
    pub slots: u32,
    /// Its address space.
    pub space: Cap<AddressSpace>,
    /// Its first thread.
    pub thread: Cap<Thread>,
    /// The Reserve of that thread's stack.
    pub stack: Cap<Reserve>,
    /// Its slot 9.
    pub notification: Cap<Notification>,
    /// Slots of init's table that die with the quota: to be freed.
    pub freed: Vec<u32>,
    /// Slots of init's table outside the quota: to be revoked and deleted.
    pub derived: Vec<u32>,
    /// Its named slots.
    pub named: Vec<NamedSlot>,
}

impl Record {
    /// A component that was never started.
    pub fn new(component: Component<'static>) -> Self {
        Self { component, instance: None, epoch: 0, state: State::Ended, restarts: Restarts::default(), device: None }
    }

    /// Bytes that it was given.
    pub fn memory_bytes(&self) -> u64 {
        self.instance.as_ref().map_or(0, |instance| instance.pages * PAGE)
    }

    /// Whether it serves this protocol.
    pub fn provides(&self, name: &str) -> bool {
        self.component.manifest.provides().any(|provided| provided == name)
    }
}
