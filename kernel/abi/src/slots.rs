//! Slots that are the same in every process.

/// Never holds anything.
pub const SLOT_NULL: u32 = 0;
/// The process's own CapTable, attenuated.
pub const SLOT_TABLE: u32 = 1;
/// The first Thread, attenuated.
pub const SLOT_THREAD: u32 = 2;
/// The AddressSpace.
pub const SLOT_SPACE: u32 = 3;
/// Untyped memory.
pub const SLOT_MEMORY: u32 = 4;
/// The SchedContext of the first thread.
pub const SLOT_SCHED: u32 = 5;
/// The log service.
pub const SLOT_LOG: u32 = 6;
/// The supervisor.
pub const SLOT_SUPERVISOR: u32 = 7;
/// A Reply for the first thread.
pub const SLOT_REPLY: u32 = 8;
/// A Notification, bound to the first thread.
pub const SLOT_NOTIFICATION: u32 = 9;
/// The Reserve of the heap, from the first allocation on.
pub const SLOT_HEAP: u32 = 10;
/// From here on what the manifest names, in its order.
pub const SLOT_FIRST: u32 = 16;

/// Slots of init, which the kernel fills at boot. Up to [`SLOT_NOTIFICATION`] they are as everywhere; init's memory is
/// in [`SLOT_INIT_MEMORY`] and the following.
pub const SLOT_IRQ_CONTROL: u32 = 16;
/// init: look into processes.
pub const SLOT_DEBUG: u32 = 17;
/// init: the kernel's console.
pub const SLOT_CONSOLE: u32 = 18;
/// init: power off and reset.
pub const SLOT_SMC: u32 = 19;
/// init: the right to bind DmaSpaces to streams of IOMMUs.
pub const SLOT_IOMMU_CONTROL: u32 = 20;
/// init: Frame of the device tree, read-only.
pub const SLOT_TREE: u32 = 21;
/// init: Frame of the bundle, readable and executable; empty when there is none.
pub const SLOT_BUNDLE: u32 = 22;
/// init: Untyped of all device memory.
pub const SLOT_DEVICES: u32 = 23;
/// init: Reserve of its stack.
pub const SLOT_STACK: u32 = 24;
/// init: the right to tie trace rings to cores.
pub const SLOT_TRACE: u32 = 25;
/// init: the right to make Smc capabilities.
pub const SLOT_SMC_CONTROL: u32 = 26;
/// init: first Untyped of RAM; [`crate::StartInfo`] says how many follow.
pub const SLOT_INIT_MEMORY: u32 = 32;
/// init: the right to fill SchedContexts of core 0; those of the other cores follow.
pub const SLOT_SCHED_CONTROL: u32 = 96;
