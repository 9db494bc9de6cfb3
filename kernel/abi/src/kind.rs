//! Kinds of capabilities and their rights.

use bitflags::bitflags;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a capability names.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name = $number,)* }

        impl Kind {
            /// The kind with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
            /// Its name, as in the documents.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
            /// All kinds in order of their numbers.
            pub const ALL: &'static [Kind] = &[$(Self::$name),*];
        }
    };
}

kinds! {
    /// An empty slot.
    Null = 0,
    /// Memory that holds no object yet.
    Untyped = 1,
    /// A table of capability slots.
    CapTable = 2,
    /// A thread.
    Thread = 3,
    /// The right to run: a budget on one core.
    SchedContext = 4,
    /// A synchronous rendezvous.
    Endpoint = 5,
    /// The right to answer one caller.
    Reply = 6,
    /// A word of event bits.
    Notification = 7,
    /// Page tables.
    AddressSpace = 8,
    /// Contiguous memory that can be mapped.
    Frame = 9,
    /// An Untyped tied to a range of an address space.
    Reserve = 10,
    /// What one bus master can reach.
    DmaSpace = 11,
    /// One interrupt line.
    Irq = 12,
    /// One deadline.
    Timer = 13,
    /// Functions of the firmware.
    Smc = 14,
    /// A ring of events, or the right to tie rings to cores.
    Trace = 15,
    /// The right to fill SchedContexts.
    SchedControl = 16,
    /// The right to tie an Irq to a line.
    IrqControl = 17,
    /// The right to make Smc capabilities.
    SmcControl = 18,
    /// The right to look into other processes.
    Debug = 19,
    /// The kernel's console and log ring.
    KernelConsole = 20,
    /// The right to bind DmaSpaces to streams of IOMMUs.
    IommuControl = 21,
}

bitflags! {
    /// What the holder of a capability may do; the meaning of a bit belongs to the kind. A copy never has more than its
    /// original.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    pub struct Rights: u8 {
        /// Endpoint: call.
        const SEND = 1;
        /// Endpoint: receive; also open and close.
        const RECEIVE = 2;
        /// Endpoint: pass capabilities in a message.
        const GRANT = 4;
        /// Notification: signal.
        const SIGNAL = 1;
        /// Notification: wait, poll, be bound.
        const WAIT = 2;
        /// Frame: map readable.
        const READ = 1;
        /// Frame: map writable.
        const WRITE = 2;
        /// Frame: map executable.
        const EXECUTE = 4;
        /// Frame: attach to a DmaSpace.
        const DMA = 8;
        /// Untyped: retype.
        const RETYPE = 1;
        /// CapTable: take capabilities from it (copy, move, delete).
        const TAKE = 1;
        /// CapTable: put capabilities into it.
        const PUT = 2;
        /// CapTable: revoke what was derived from its capabilities.
        const REVOKE = 4;
        /// CapTable: be given to a thread.
        const ATTACH = 8;
        /// Thread: configure, set priority, write registers.
        const CONFIGURE = 1;
        /// Thread: resume, suspend, cancel.
        const CONTROL = 2;
        /// Thread: bind a Notification.
        const BIND = 4;
        /// AddressSpace: map, unmap, protect.
        const MAP = 1;
        /// AddressSpace: add pool memory.
        const POOL = 2;
        /// AddressSpace: be given to a thread.
        const USE = 4;
        /// Irq: bind to a Notification.
        const IRQ_BIND = 1;
        /// Irq: acknowledge.
        const IRQ_ACK = 2;
        /// SchedContext: bind and unbind.
        const SCHED_BIND = 1;
        /// SchedContext: ask what was used.
        const SCHED_READ = 2;
        /// Trace: tie rings to cores.
        const TRACE_CONTROL = 1;
        /// Trace: be tied to a core, map its records.
        const TRACE_MAP = 2;
        /// Reserve, Timer, Reply, DmaSpace, Smc, IrqControl, SmcControl, Debug, KernelConsole, IommuControl: the only right there is.
        const INVOKE = 1;
    }
}

impl Rights {
    /// All rights that a capability of this kind can have.
    pub const fn all_of(kind: Kind) -> Rights {
        let bits = match kind {
            Kind::Null => 0,
            Kind::Untyped => 1,
            Kind::CapTable => 15,
            Kind::Thread => 7,
            Kind::Endpoint => 7,
            Kind::Notification => 3,
            Kind::AddressSpace => 7,
            Kind::Frame => 15,
            Kind::Irq | Kind::SchedContext | Kind::Trace => 3,
            _ => 1,
        };
        Rights::from_bits_truncate(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense() {
        for (index, &kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(Kind::from_number(index as u8), Some(kind));
        }
        assert_eq!(Kind::from_number(22), None);
    }
}
