//! Operation numbers. Arguments are the message words x0–x7; the target slot is the low half of x9.

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a system call asks for: the low byte of x8.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum Op { $($(#[$doc])* $name = $number,)* }

        impl Op {
            /// The operation with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
            /// All operations in order of their numbers.
            pub const ALL: &'static [Op] = &[$(Self::$name),*];
        }
    };
}

ops! {
    /// Endpoint: send a message and wait for the answer.
    Call = 0,
    /// Endpoint: wait for a message; the high half of x9 names the Reply that will answer it. Also returns when a
    /// Notification bound to the thread has bits (flag [`crate::OUT_NOTIFICATION`], x0 = bits).
    Receive = 1,
    /// Endpoint: answer through the Reply, then receive.
    ReplyReceive = 2,
    /// Reply: answer.
    Reply = 3,
    /// Endpoint: take calls again after a close.
    EndpointOpen = 4,
    /// Endpoint: x0 = reason (32 bits). Calls that wait and calls to come get `Closed` with the reason as label.
    EndpointClose = 5,
    /// Notification: x0 = bits to set (with the badge of the capability).
    Signal = 8,
    /// Notification: wait for bits; x0 out = bits, cleared.
    Wait = 9,
    /// Notification: x0 out = bits, cleared; 0 when there are none.
    Poll = 10,
    /// Untyped: x0 = kind, x1 = size (Untyped, Frame: pages; AddressSpace: pages with its pool, at least 2; CapTable:
    /// log2 of slots; DmaSpace: pages with its pool, at least 3; Trace: pages, one more than a power of two; else ignored), x2 = log2 of alignment (0: natural), x3 = destination table slot, x4 = index there,
    /// x5 = physical address for device memory (0 for RAM), x6 = memory type for a Frame.
    Retype = 16,
    /// CapTable: copy into this table. x0 = index here, x1 = slot of the source table, x2 = index there, x3 = rights to
    /// keep, x4 = badge to add.
    Copy = 24,
    /// CapTable: move into this table. x0 = index here, x1 = slot of the source table, x2 = index there.
    Move = 25,
    /// CapTable: x0 = index to delete.
    Delete = 26,
    /// CapTable: x0 = index whose descendants are deleted.
    Revoke = 27,
    /// CapTable: x0 = slot of an Untyped without children, which becomes slots; x1 = log2 of how many slots the table has then.
    TableGrow = 28,
    /// Thread: x0 = table slot, x1 = AddressSpace slot, x2 = message page Frame slot or 0, x3 = its address in the
    /// thread's address space, x4 = fault Endpoint slot or 0, x5 = priority (0–255) under the ceiling (low byte), the
    /// thread's own ceiling (second byte), and whether it may use vector registers ([`THREAD_FPU`]). The thread must be
    /// suspended.
    ThreadConfigure = 32,
    /// Thread: run.
    ThreadResume = 33,
    /// Thread: stop running; a blocked call is cancelled.
    ThreadSuspend = 34,
    /// Thread: x0 = first register (0–30: x0–x30, 31: sp, 32: pc, 33: tpidr_el0; 64–127: low and high halves of v0–v31,
    /// 128: FPCR, 129: FPSR), x1 = count (at most 6), x2… = values.
    ThreadWriteRegisters = 35,
    /// Thread: x0 = Notification slot, or 0 to unbind: a receive then waits for both.
    ThreadBind = 36,
    /// Thread: cancel the IPC it is blocked in.
    ThreadCancel = 37,
    /// Thread: x0 = first register, numbered as in `ThreadWriteRegisters`; out x0–x7 = eight registers. The thread must be
    /// suspended.
    ThreadReadRegisters = 38,
    /// AddressSpace: x0 = Frame slot, x1 = address, x2 = first page of the Frame, x3 = pages, x4 = permissions.
    Map = 40,
    /// AddressSpace: x0 = Frame slot.
    Unmap = 41,
    /// AddressSpace: x0 = Frame slot, x1 = permissions.
    Protect = 42,
    /// AddressSpace: x0 = slot of an Untyped without children, which becomes page table memory of the address space.
    AddPool = 43,
    /// IrqControl: x0 = Irq slot, x1 = line (INTID), x2 = 0 level or 1 edge. The Irq gets its line.
    IrqSet = 48,
    /// Irq: x0 = Notification slot, x1 = bits to signal. Unmasks the line.
    IrqBind = 49,
    /// Irq: the device was served, the line may fire again.
    IrqAck = 50,
    /// IrqControl: x0 = Irq slot, x1 = DmaSpace slot, x2 = the device as the controller knows it, x3 = event, x4 = address of
    /// the controller's registers. The Irq is that message of the device instead of a line.
    IrqMessage = 51,
    /// Irq that is a message: out x0 = address, x1 = 32 bits that the device is to write there.
    IrqTarget = 52,
    /// DmaSpace: x0 = bus address, x1 = pages: what was attached there and taken away by others is not reached any more; out x0 =
    /// pages that were done, of which those behind are left for another call.
    DmaClear = 55,
    /// DmaSpace: x0 = Frame slot, x1 = bus address, x2 = permissions, x3 = pages from its first on; x0 out = the bus address at
    /// which the device finds it: of an unprotected space the physical one, else x1.
    DmaAttach = 56,
    /// DmaSpace: x0 = Frame slot.
    DmaDetach = 57,
    /// IommuControl: x0 = DmaSpace slot, x1 = address of the IOMMU's registers, x2 = stream, which translates from now on; x1 = 0:
    /// the space is unprotected from now on.
    DmaBind = 58,
    /// IommuControl: out x0 = 1 if a device tried what it may not (else 0), x1 = address of its IOMMU's registers, x2 = stream,
    /// x3 = bus address, x4 = 1 if it wanted to write, x5 = the event as the IOMMU has it. The stream aborts from now on.
    DmaFault = 59,
    /// Smc: x0 = function identifier, x1–x7 = arguments; out x0–x7 = results.
    SmcCall = 60,
    /// SmcControl: x0 = index in the own table, which gets an Smc; x1 = identifier of its first function, x2 = how many.
    SmcMake = 61,
    /// Smc: x0 = index in the own table, which gets an Smc for some of its functions; x1 = the first, x2 = how many.
    SmcNarrow = 62,
    /// IommuControl: x0 = index of an IOMMU; out x0 = address of its registers, x1 = line of its events (0: none), x2 = 1 if
    /// that fires on an edge, x3 = 1 if it translates (else it aborts everything).
    IommuInfo = 63,
    /// KernelConsole: print the message words as bytes; x0 = number of bytes, the text follows from x1 on (at most 504).
    ConsoleWrite = 64,
    /// KernelConsole: x0 = index in the own table, which gets a read-only Frame of the log ring.
    ConsoleRing = 65,
    /// Debug: x0 = CapTable slot, x1 = index; out x0 = kind, x1 = rights, x2 = base address, x3 = bytes, x4 = badge,
    /// mapped or attached address, line or number of a message, period, or of a DmaSpace 0 if it is unbound, 1 if it is unprotected and 2 more than its stream otherwise (of an Smc x2 is its first function and x3 how many), x5 = bytes in use (Untyped) or mapped (Frame), budget, Frames attached (DmaSpace), of an Irq that is a message the device, and from bit 32 on the event, more by 1, or 1 for a Thread that may
    /// use vector registers, x6 = 1 for an Irq that fired and was not acknowledged.
    DebugCap = 72,
    /// Debug: x0 = Thread slot, x1 = first register; out x0–x7 = registers, numbered as in `ThreadWriteRegisters`.
    DebugRegisters = 73,
    /// Debug: x0 = AddressSpace slot, x1 = address, a multiple of 8; out x0 = word there.
    DebugRead = 74,
    /// Debug: x0 = Thread slot; out x0 = state (0 suspended, 1 ready or running, 2 waits in a call, 3 waits for a
    /// message, 4 waits for a notification, 5 faulted, 6 waits for the firmware), x1 = ticks that were used of its own time, x2 = its number
    /// in trace records, x3 = the core that its time is on, as its MPIDR_EL1 names it.
    DebugThread = 75,
    /// SchedControl: x0 = SchedContext slot, x1 = budget in ticks, x2 = period in ticks (at least the budget; equal: no
    /// limit), x3 = flags (1: running out is a fault).
    SchedConfigure = 80,
    /// SchedContext: x0 = Thread slot, which runs on it from now on.
    SchedBind = 81,
    /// SchedContext: its thread has no time of its own any more.
    SchedUnbind = 82,
    /// SchedContext: out x0 = ticks used since it was made.
    SchedConsumed = 83,
    /// Timer: x0 = deadline in ticks (CNTVCT), x1 = Notification slot, x2 = bits to signal. Or x1 = Thread slot and x2 = 0:
    /// cancels the IPC it is blocked in.
    TimerArm = 84,
    /// Timer: disarm.
    TimerCancel = 85,
    /// AddressSpace: x0 = slot of an Untyped without children, which becomes a Reserve, x1 = address, x2 = pages of the
    /// range. A page of the range is there when it is first touched. Out x0 = pages of memory.
    Reserve = 86,
    /// Reserve: x0 = address, x1 = pages that are given back (0: none); out x0 = pages of memory that are free.
    ReserveRelease = 87,
    /// Trace without a ring: x0 = Trace slot (a ring), x1 = core, which writes its events there from now on.
    TraceStart = 90,
    /// Trace without a ring: x0 = Trace slot (a ring): no core writes there any more.
    TraceStop = 91,
    /// Trace (a ring): x0 = index in the own table, which gets a read-only Frame of its records; out x0 = their bytes.
    TraceMap = 92,
}

/// In x5 of [`Op::ThreadConfigure`]: the thread may use vector registers. Only a thread that may itself can give this.
pub const THREAD_FPU: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for &op in Op::ALL {
            assert_eq!(Op::from_number(op as u8), Some(op));
        }
        assert_eq!(Op::from_number(255), None);
    }
}
