//! What init remembers of a component.

use alloc::string::String;
use alloc::vec::Vec;

use abi::{NamedSlot, layout::PAGE};
use bundle::Component;
use ipc::supervisor::State;
use rt::{AddressSpace, Cap, CapTable, Notification, Reserve, Thread, Untyped};

use crate::device::Device;
use crate::restarts::Restarts;
use crate::spawn::{DEVICES, RESTARTS};

/// A component, running or not: one of the bundle, or of a driver one for each of its devices.
pub struct Record {
    /// What badges carry: of the first one its number in the bundle, of the others one behind those.
    pub number: u32,
    /// Its name: that in the bundle, for all but the first with `.1`, `.2`, … behind.
    pub name: String,
    /// Its load records and manifest.
    pub component: Component<'static>,
    /// What it serves, in the order of its manifest: of a protocol's second server `NAME.1`. Empty until it has a device, if
    /// it is a driver.
    pub services: Vec<String>,
    /// The process, while there is one.
    pub instance: Option<Instance>,
    /// Instances so far.
    pub epoch: u16,
    /// What it is doing.
    pub state: State,
    /// Nanoseconds at which the last instance was started, and for how many it ran.
    pub began: u64,
    /// See `began`.
    pub ran: u64,
    /// How often init itself started it again.
    pub restarts: Restarts,
    /// What it drives. It stays its own, whether it runs or not.
    pub device: Option<Device>,
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
    /// That thread was not let run yet.
    pub held: bool,
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
    pub fn new(number: u32, name: String, component: Component<'static>) -> Self {
        let state = if component.manifest.drives().next().is_some() { State::NoDevice } else { State::Ended };
        Self {
            number,
            name,
            component,
            services: Vec::new(),
            instance: None,
            epoch: 0,
            state,
            began: 0,
            ran: 0,
            restarts: Restarts::default(),
            device: None,
        }
    }

    /// Bytes that it was given.
    pub fn memory_bytes(&self) -> u64 {
        self.instance.as_ref().map_or(0, |instance| instance.pages * PAGE)
    }

    /// Whether it serves this protocol.
    pub fn provides(&self, name: &str) -> bool {
        self.component.manifest.provides().any(|provided| provided == name)
    }

    /// Whether it drives devices.
    pub fn is_driver(&self) -> bool {
        self.component.manifest.drives().next().is_some()
    }

    /// Whether init restarts it itself: what the others depend on for that.
    pub fn is_inits(&self) -> bool {
        [DEVICES, RESTARTS].iter().any(|authority| self.component.manifest.is_granted(authority))
    }
}
