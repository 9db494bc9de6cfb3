//! Typed capabilities: a slot number and what lies in it. The kernel checks; the types keep honest code honest.

use core::marker::PhantomData;

use abi::{Badge, Kind, Op, Perms, Rights, SyscallError, THREAD_FPU, layout::MemoryType};

use crate::message::{self, CallError, Message, Received};
use crate::svc::invoke;

/// A capability of kind `K` in a slot of the own table. Copying the handle does not copy the capability.
pub struct Cap<K> {
    slot: u32,
    kind: PhantomData<K>,
}

impl<K> Clone for Cap<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Cap<K> {}

impl<K> core::fmt::Debug for Cap<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "slot {}", self.slot)
    }
}

impl<K> Cap<K> {
    /// The capability in this slot; the kernel refuses operations when it is another kind.
    pub const fn from_slot(slot: u32) -> Self {
        Self { slot, kind: PhantomData }
    }

    /// Its slot.
    pub const fn slot(self) -> u32 {
        self.slot
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $($(#[$doc])* #[derive(Debug)] pub enum $name {})* };
}

kinds! {
    /// Memory that holds no object yet.
    Untyped,
    /// A table of capability slots.
    CapTable,
    /// A thread.
    Thread,
    /// A synchronous rendezvous.
    Endpoint,
    /// The right to answer one caller.
    Reply,
    /// A word of event bits.
    Notification,
    /// Page tables.
    AddressSpace,
    /// Contiguous memory.
    Frame,
    /// Memory that is there when it is touched.
    Reserve,
    /// What a bus master can reach.
    DmaSpace,
    /// The right to bind DmaSpaces.
    IommuControl,
    /// An interrupt line.
    Irq,
    /// Functions of the firmware.
    Smc,
    /// The right to make Smc capabilities.
    SmcControl,
    /// The right to tie an Irq to a line.
    IrqControl,
    /// The right to run.
    SchedContext,
    /// The right to fill SchedContexts.
    SchedControl,
    /// One deadline.
    Timer,
    /// The right to look into processes.
    Debug,
    /// The kernel's console.
    KernelConsole,
    /// A ring of trace records, or the right to tie rings to cores.
    Trace,
}

/// The own table.
pub const TABLE: Cap<CapTable> = Cap::from_slot(abi::SLOT_TABLE);
/// The first thread.
pub const THREAD: Cap<Thread> = Cap::from_slot(abi::SLOT_THREAD);
/// The own address space.
pub const SPACE: Cap<AddressSpace> = Cap::from_slot(abi::SLOT_SPACE);
/// The own memory.
pub const MEMORY: Cap<Untyped> = Cap::from_slot(abi::SLOT_MEMORY);
/// The log service.
pub const LOG: Cap<Endpoint> = Cap::from_slot(abi::SLOT_LOG);
/// The supervisor.
pub const SUPERVISOR: Cap<Endpoint> = Cap::from_slot(abi::SLOT_SUPERVISOR);
/// The first thread's Reply.
pub const REPLY: Cap<Reply> = Cap::from_slot(abi::SLOT_REPLY);
/// The Notification bound to the first thread.
pub const NOTIFICATION: Cap<Notification> = Cap::from_slot(abi::SLOT_NOTIFICATION);

/// The heap.
pub const HEAP: Cap<Reserve> = Cap::from_slot(abi::SLOT_HEAP);

/// What to make out of untyped memory; see [`Op::Retype`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Retype {
    /// Pages of a Frame, an Untyped or an AddressSpace with its pool; log2 of the slots of a CapTable.
    pub size: u64,
    /// log2 of the alignment; 0: natural.
    pub align: u32,
    /// Physical address, for device memory only.
    pub address: u64,
    /// Memory type of a Frame; `None`: Normal.
    pub memory: Option<MemoryType>,
}

impl Cap<Untyped> {
    /// Makes an object and puts its capability into slot `index` of `table`.
    ///
    /// # Errors
    /// `OutOfMemory`, `Overlap` (device memory), `SlotOccupied`, `InvalidArgument`, `Misaligned`.
    pub fn retype(self, kind: Kind, what: Retype, table: Cap<CapTable>, index: u32) -> Result<(), SyscallError> {
        let memory = what.memory.unwrap_or(MemoryType::Normal) as u64;
        let args = [kind as u64, what.size, what.align.into(), table.slot.into(), index.into(), what.address, memory];
        invoke(Op::Retype, self.slot, args).map(drop)
    }
}

impl Cap<CapTable> {
    /// Copies a capability into slot `to` of this table, with at most `rights`; `badge` fills fields that are empty.
    ///
    /// # Errors
    /// `EmptySlot`, `SlotOccupied`, `MissingRight`, `BadgeSet`, `InvalidArgument` (a kind that is not copied).
    pub fn copy(
        self,
        to: u32,
        source: Cap<CapTable>,
        from: u32,
        rights: Rights,
        badge: Badge,
    ) -> Result<(), SyscallError> {
        let args = [to.into(), source.slot.into(), from.into(), rights.bits().into(), badge.0];
        invoke(Op::Copy, self.slot, args).map(drop)
    }

    /// Moves a capability into slot `to` of this table.
    ///
    /// # Errors
    /// `EmptySlot`, `SlotOccupied`, `MissingRight`.
    pub fn take(self, to: u32, source: Cap<CapTable>, from: u32) -> Result<(), SyscallError> {
        invoke(Op::Move, self.slot, [to.into(), source.slot.into(), from.into()]).map(drop)
    }

    /// Empties a slot. What was derived from it moves up to its parent; the last capability takes the object with it.
    ///
    /// # Errors
    /// `SlotOutOfRange`, `MissingRight`.
    pub fn delete(self, index: u32) -> Result<(), SyscallError> {
        invoke(Op::Delete, self.slot, [index.into()]).map(drop)
    }

    /// Deletes everything derived from the capability in a slot, not itself.
    ///
    /// # Errors
    /// `EmptySlot`, `MissingRight`.
    pub fn revoke(self, index: u32) -> Result<(), SyscallError> {
        invoke(Op::Revoke, self.slot, [index.into()]).map(drop)
    }

    /// Makes a whole Untyped slots of this table, which then has 2^`bits`. Deleting the Untyped takes them away again.
    ///
    /// # Errors
    /// `InvalidArgument` (no more slots than there are, too many), `OutOfMemory` (it is too small), `HasChildren`.
    pub fn grow(self, memory: Cap<Untyped>, bits: u32) -> Result<(), SyscallError> {
        invoke(Op::TableGrow, self.slot, [memory.slot.into(), bits.into()]).map(drop)
    }
}

impl Cap<Endpoint> {
    /// Sends a message and waits for the answer. Words past the eighth and capabilities are taken from the message page.
    ///
    /// # Errors
    /// `PeerGone`, `Closed`, `Cancelled`, `Revoked`: see [`SyscallError::may_have_acted`]; `MissingRight` and the like.
    #[inline]
    pub fn call(self, message: &Message) -> Result<Message, CallError> {
        message::call(self.slot, message)
    }

    /// Waits for a call, or for the Notification bound to this thread. `reply` will answer it.
    ///
    /// # Errors
    /// `Revoked`, `Cancelled`, `Busy` (the Reply already holds a caller).
    #[inline]
    pub fn receive(self, reply: Cap<Reply>) -> Result<Received, SyscallError> {
        message::receive(self.slot, reply.slot)
    }

    /// Answers through `reply`, then waits for the next call.
    ///
    /// # Errors
    /// As [`Self::receive`].
    #[inline]
    pub fn reply_receive(self, reply: Cap<Reply>, answer: &Message) -> Result<Received, SyscallError> {
        message::reply_receive(self.slot, reply.slot, answer)
    }

    /// Takes calls again.
    ///
    /// # Errors
    /// `MissingRight`.
    pub fn open(self) -> Result<(), SyscallError> {
        invoke(Op::EndpointOpen, self.slot, []).map(drop)
    }

    /// Refuses calls with `Closed` and this reason.
    ///
    /// # Errors
    /// `MissingRight`.
    pub fn close(self, reason: u32) -> Result<(), SyscallError> {
        invoke(Op::EndpointClose, self.slot, [reason.into()]).map(drop)
    }
}

impl Cap<Reply> {
    /// Answers the caller this Reply holds.
    ///
    /// # Errors
    /// `InvalidState`: it holds none.
    pub fn reply(self, answer: &Message) -> Result<(), SyscallError> {
        message::reply(self.slot, answer)
    }
}

impl Cap<Notification> {
    /// Sets bits.
    ///
    /// # Errors
    /// `MissingRight`.
    pub fn signal(self, bits: u64) -> Result<(), SyscallError> {
        invoke(Op::Signal, self.slot, [bits]).map(drop)
    }

    /// Waits for bits and clears them.
    ///
    /// # Errors
    /// `Revoked`, `Cancelled`, `MissingRight`, `Busy` (another thread waits).
    pub fn wait(self) -> Result<u64, SyscallError> {
        invoke(Op::Wait, self.slot, []).map(|regs| regs[0])
    }

    /// The bits, which it clears; 0 when there are none.
    ///
    /// # Errors
    /// `MissingRight`.
    #[inline]
    pub fn poll(self) -> Result<u64, SyscallError> {
        invoke(Op::Poll, self.slot, []).map(|regs| regs[0])
    }
}

/// What a thread runs with; see [`Op::ThreadConfigure`].
#[derive(Clone, Copy, Debug)]
pub struct ThreadConfig {
    /// Its capability table.
    pub table: Cap<CapTable>,
    /// Its address space.
    pub space: Cap<AddressSpace>,
    /// The Frame of its message page and the page's address, if it has one.
    pub message_page: Option<(Cap<Frame>, u64)>,
    /// Where its faults go.
    pub fault: Option<Cap<Endpoint>>,
    /// 0–255, at most the ceiling.
    pub priority: u8,
    /// The highest priority it may give, at most that of the configuring thread.
    pub ceiling: u8,
    /// Whether it may use floating point and vector registers; only if the configuring thread may.
    pub fpu: bool,
}

impl Cap<Thread> {
    /// Sets what a suspended thread runs with.
    ///
    /// # Errors
    /// `InvalidState` (it runs), `InvalidArgument` (priority above the ceiling), and those of the capabilities.
    pub fn configure(self, config: &ThreadConfig) -> Result<(), SyscallError> {
        let (page, address) = config.message_page.map_or((0, 0), |(frame, address)| (frame.slot, address));
        let fault = config.fault.map_or(0, |endpoint| endpoint.slot);
        let fpu = if config.fpu { THREAD_FPU } else { 0 };
        let priority = u64::from(config.priority) | u64::from(config.ceiling) << 8 | fpu;
        let args = [config.table.slot.into(), config.space.slot.into(), page.into(), address, fault.into(), priority];
        invoke(Op::ThreadConfigure, self.slot, args).map(drop)
    }

    /// Lets it run.
    ///
    /// # Errors
    /// `InvalidState`: it lacks a table or an address space.
    pub fn resume(self) -> Result<(), SyscallError> {
        invoke(Op::ThreadResume, self.slot, []).map(drop)
    }

    /// Stops it.
    ///
    /// # Errors
    /// `MissingRight`.
    pub fn suspend(self) -> Result<(), SyscallError> {
        invoke(Op::ThreadSuspend, self.slot, []).map(drop)
    }

    /// Writes up to six registers from `first` on; the numbers are those of [`Op::ThreadWriteRegisters`].
    ///
    /// # Errors
    /// `InvalidState` (it runs), `InvalidArgument`.
    pub fn write_registers<const N: usize>(self, first: u64, values: [u64; N]) -> Result<(), SyscallError> {
        const { assert!(N <= 6) };
        let mut args = [0; 8];
        args[0] = first;
        args[1] = N as u64;
        args[2..2 + N].copy_from_slice(&values);
        invoke(Op::ThreadWriteRegisters, self.slot, args).map(drop)
    }

    /// A receive by this thread also returns when this Notification has bits.
    ///
    /// # Errors
    /// `Busy`: the Notification is bound or waited for already.
    pub fn bind(self, notification: Cap<Notification>) -> Result<(), SyscallError> {
        invoke(Op::ThreadBind, self.slot, [notification.slot.into()]).map(drop)
    }
}

impl Cap<AddressSpace> {
    /// Maps `pages` pages of a Frame from page `first` on.
    ///
    /// # Errors
    /// `AlreadyMapped`, `Overlap`, `NoPool`, `WriteExecute`, `MissingRight`, `Misaligned`, `InvalidArgument`.
    pub fn map(
        self,
        frame: Cap<Frame>,
        address: u64,
        first: u64,
        pages: u64,
        perms: Perms,
    ) -> Result<(), SyscallError> {
        invoke(Op::Map, self.slot, [frame.slot.into(), address, first, pages, perms.bits().into()]).map(drop)
    }

    /// Removes the mapping of a Frame capability.
    ///
    /// # Errors
    /// `NotMapped`.
    pub fn unmap(self, frame: Cap<Frame>) -> Result<(), SyscallError> {
        invoke(Op::Unmap, self.slot, [frame.slot.into()]).map(drop)
    }

    /// Changes the permissions of a mapping.
    ///
    /// # Errors
    /// `NotMapped`, `WriteExecute`, `MissingRight`.
    pub fn protect(self, frame: Cap<Frame>, perms: Perms) -> Result<(), SyscallError> {
        invoke(Op::Protect, self.slot, [frame.slot.into(), perms.bits().into()]).map(drop)
    }

    /// Gives an Untyped without children to the address space for page tables.
    ///
    /// # Errors
    /// `HasChildren`, `InvalidArgument` (device memory).
    pub fn add_pool(self, memory: Cap<Untyped>) -> Result<(), SyscallError> {
        invoke(Op::AddPool, self.slot, [memory.slot.into()]).map(drop)
    }

    /// Ties an Untyped without children to `pages` pages of addresses: it becomes a Reserve, in the same slot. Returns how
    /// many pages of memory it has.
    ///
    /// # Errors
    /// `HasChildren`, `InvalidArgument`, `Misaligned`, `Overlap` (another Reserve), `Busy` (too many of them).
    pub fn reserve(self, memory: Cap<Untyped>, address: u64, pages: u64) -> Result<(Cap<Reserve>, u64), SyscallError> {
        let regs = invoke(Op::Reserve, self.slot, [memory.slot.into(), address, pages])?;
        Ok((Cap::from_slot(memory.slot), regs[0]))
    }
}

impl Cap<Reserve> {
    /// Gives back what is there of `pages` pages: the next touch finds zeros. Returns how many pages of memory are free.
    ///
    /// # Errors
    /// `Misaligned`, `InvalidArgument` (not in its range).
    pub fn release(self, address: u64, pages: u64) -> Result<u64, SyscallError> {
        invoke(Op::ReserveRelease, self.slot, [address, pages]).map(|regs| regs[0])
    }
}

impl Cap<IrqControl> {
    /// Ties an Irq to a line of the interrupt controller (INTID).
    ///
    /// # Errors
    /// `InvalidArgument` (no such line), `Busy` (eight sharers already, or the kernel's own line).
    pub fn set(self, irq: Cap<Irq>, line: u32, edge: bool) -> Result<(), SyscallError> {
        invoke(Op::IrqSet, self.slot, [irq.slot.into(), line.into(), edge.into()]).map(drop)
    }

    /// Makes an Irq a message of the device whose memory is in a DmaSpace: `event` of what the controller with registers at
    /// `controller` calls `device`.
    ///
    /// # Errors
    /// `InvalidState`, `InvalidArgument`, `Busy`, `NoPool`, `Unsupported` (the controller has no room for the device).
    pub fn message(
        self,
        irq: Cap<Irq>,
        space: Cap<DmaSpace>,
        device: u32,
        event: u32,
        controller: u64,
    ) -> Result<(), SyscallError> {
        let args = [irq.slot.into(), space.slot.into(), device.into(), event.into(), controller];
        invoke(Op::IrqMessage, self.slot, args).map(drop)
    }
}

impl Cap<Irq> {
    /// Signals these bits when the line fires, and lets it fire.
    ///
    /// # Errors
    /// `InvalidState`: it has no line.
    pub fn bind(self, notification: Cap<Notification>, bits: u64) -> Result<(), SyscallError> {
        invoke(Op::IrqBind, self.slot, [notification.slot.into(), bits]).map(drop)
    }

    /// Address and data of the write of 32 bits by which its device fires it.
    ///
    /// # Errors
    /// `InvalidState`: it is no message.
    pub fn target(self) -> Result<(u64, u32), SyscallError> {
        invoke(Op::IrqTarget, self.slot, []).map(|regs| (regs[0], regs[1] as u32))
    }

    /// The device was served: the line may fire again.
    ///
    /// # Errors
    /// `InvalidState`: it has no line.
    pub fn ack(self) -> Result<(), SyscallError> {
        invoke(Op::IrqAck, self.slot, []).map(drop)
    }
}

impl Cap<DmaSpace> {
    /// Lets the bus master reach the first pages of a Frame, at a bus address where the space has a stream; returns the bus address.
    /// The capability is not mapped meanwhile.
    ///
    /// # Errors
    /// `MissingRight` (the Frame lacks DMA or a permission), `AlreadyMapped`, `Overlap`, `NoPool`, `InvalidState` (the space was not
    /// bound).
    pub fn attach(self, frame: Cap<Frame>, address: u64, pages: u64, perms: Perms) -> Result<u64, SyscallError> {
        invoke(Op::DmaAttach, self.slot, [frame.slot.into(), address, perms.bits().into(), pages]).map(|regs| regs[0])
    }

    /// Ends what is left at some bus addresses of Frames that others took away; returns the pages that were done, from the first on.
    ///
    /// # Errors
    /// `Misaligned`, `InvalidArgument` (address, or no pages).
    pub fn clear(self, address: u64, pages: u64) -> Result<u64, SyscallError> {
        invoke(Op::DmaClear, self.slot, [address, pages]).map(|regs| regs[0])
    }

    /// Takes the Frame away again. What the device did with it is complete then.
    ///
    /// # Errors
    /// `NotMapped` and the like.
    pub fn detach(self, frame: Cap<Frame>) -> Result<(), SyscallError> {
        invoke(Op::DmaDetach, self.slot, [frame.slot.into()]).map(drop)
    }
}

/// An IOMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iommu {
    /// The address of its registers.
    pub base: u64,
    /// The line of its events (0: none), and whether that fires on an edge.
    pub line: (u32, bool),
    /// It translates; else it aborts everything.
    pub translates: bool,
}

/// What a device tried that it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaFault {
    /// Registers of its IOMMU, and its stream there.
    pub stream: (u64, u32),
    /// The bus address.
    pub address: u64,
    /// It wanted to write.
    pub write: bool,
    /// The event, as ARM IHI 0070, 7.3 counts.
    pub event: u8,
}

impl Cap<IommuControl> {
    /// A stream of the IOMMU with these registers goes through a space from now on; without one the space is unprotected.
    ///
    /// # Errors
    /// `InvalidState` (the space was bound), `InvalidArgument` (no such IOMMU or stream), `Busy` (another's), `OutOfMemory`.
    pub fn bind(self, space: Cap<DmaSpace>, stream: Option<(u64, u32)>) -> Result<(), SyscallError> {
        let (base, stream) = stream.unwrap_or_default();
        invoke(Op::DmaBind, self.slot, [space.slot.into(), base, stream.into()]).map(drop)
    }

    /// What a device tried, the oldest that was not told; its stream aborts from then on.
    ///
    /// # Errors
    /// Those of the look-ups.
    pub fn fault(self) -> Result<Option<DmaFault>, SyscallError> {
        let [any, base, stream, address, write, event, ..] = invoke(Op::DmaFault, self.slot, [])?;
        let stream = (base, stream as u32);
        Ok((any != 0).then_some(DmaFault { stream, address, write: write != 0, event: event as u8 }))
    }

    /// An IOMMU by its index; none behind the last.
    pub fn info(self, index: u64) -> Option<Iommu> {
        let [base, line, edge, translates, ..] = invoke(Op::IommuInfo, self.slot, [index]).ok()?;
        Some(Iommu { base, line: (line as u32, edge != 0), translates: translates != 0 })
    }
}

impl Cap<SchedControl> {
    /// Fills a SchedContext: at most `budget` ticks in any window of `period` ticks; equal: no limit.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn configure(
        self,
        context: Cap<SchedContext>,
        budget: u64,
        period: u64,
        fault_when_out: bool,
    ) -> Result<(), SyscallError> {
        invoke(Op::SchedConfigure, self.slot, [context.slot.into(), budget, period, fault_when_out.into()]).map(drop)
    }
}

impl Cap<SchedContext> {
    /// Gives a thread this time.
    ///
    /// # Errors
    /// `Busy`.
    pub fn bind(self, thread: Cap<Thread>) -> Result<(), SyscallError> {
        invoke(Op::SchedBind, self.slot, [thread.slot.into()]).map(drop)
    }

    /// Takes the thread's time away.
    ///
    /// # Errors
    /// Those of the look-up.
    pub fn unbind(self) -> Result<(), SyscallError> {
        invoke(Op::SchedUnbind, self.slot, []).map(drop)
    }

    /// Ticks used since it was made.
    ///
    /// # Errors
    /// Those of the look-up.
    pub fn consumed(self) -> Result<u64, SyscallError> {
        invoke(Op::SchedConsumed, self.slot, []).map(|regs| regs[0])
    }
}

impl Cap<Timer> {
    /// Signals bits on a Notification when the counter reaches `deadline` ticks.
    ///
    /// # Errors
    /// Those of the look-ups.
    pub fn arm(self, deadline: u64, notification: Cap<Notification>, bits: u64) -> Result<(), SyscallError> {
        invoke(Op::TimerArm, self.slot, [deadline, notification.slot.into(), bits]).map(drop)
    }

    /// Cancels the IPC a thread is blocked in when the counter reaches `deadline` ticks.
    ///
    /// # Errors
    /// Those of the look-ups.
    pub fn arm_cancel(self, deadline: u64, thread: Cap<Thread>) -> Result<(), SyscallError> {
        invoke(Op::TimerArm, self.slot, [deadline, thread.slot.into(), 0]).map(drop)
    }

    /// Disarms it.
    ///
    /// # Errors
    /// Those of the look-up.
    pub fn cancel(self) -> Result<(), SyscallError> {
        invoke(Op::TimerCancel, self.slot, []).map(drop)
    }
}

impl Cap<KernelConsole> {
    /// Prints through the kernel's early console. Only for init, and only while no driver owns the device.
    pub fn write(self, text: &[u8]) {
        for part in text.chunks(504) {
            let mut message = Message::new(0, [part.len() as u64]);
            message.push_bytes(part);
            let input = abi::InWord::new(Op::ConsoleWrite as u8, message.words, 0, 0);
            let mut regs = message.regs;
            let _ = crate::svc::svc::<{ abi::REG_WORDS }>(input, abi::Slots::new(self.slot, 0), &mut regs);
        }
    }

    /// Puts a read-only Frame of the kernel's log ring into a slot of the own table; returns its bytes.
    ///
    /// # Errors
    /// `SlotOccupied`.
    pub fn ring(self, slot: u32) -> Result<u64, SyscallError> {
        invoke(Op::ConsoleRing, self.slot, [slot.into()]).map(|regs| regs[0])
    }
}

impl Cap<Trace> {
    /// A core writes its events into a ring from now on.
    ///
    /// # Errors
    /// `InvalidArgument` (no such core), `Busy`.
    pub fn start(self, ring: Cap<Trace>, core: u64) -> Result<(), SyscallError> {
        invoke(Op::TraceStart, self.slot, [ring.slot.into(), core]).map(drop)
    }

    /// No core writes into a ring any more.
    ///
    /// # Errors
    /// `InvalidState`.
    pub fn stop(self, ring: Cap<Trace>) -> Result<(), SyscallError> {
        invoke(Op::TraceStop, self.slot, [ring.slot.into()]).map(drop)
    }

    /// Puts a read-only Frame of the records of this ring into a slot of the own table; returns its bytes.
    ///
    /// # Errors
    /// `SlotOccupied`.
    pub fn records(self, slot: u32) -> Result<u64, SyscallError> {
        invoke(Op::TraceMap, self.slot, [slot.into()]).map(|regs| regs[0])
    }
}

impl Cap<Smc> {
    /// Calls a function of the firmware with up to seven arguments; x0 to x7 as it leaves them.
    ///
    /// # Errors
    /// `MissingRight`: it is not one of this capability's functions.
    pub fn call_function<const N: usize>(self, function: u32, args: [u64; N]) -> Result<[u64; 8], SyscallError> {
        let mut words = [0; 8];
        words[0] = function.into();
        for (word, arg) in words[1..].iter_mut().zip(args) {
            *word = arg;
        }
        invoke(Op::SmcCall, self.slot, words)
    }

    /// Puts an Smc for `count` of its functions, from `first` on, into a slot of the own table.
    ///
    /// # Errors
    /// `MissingRight`: they are not all functions of this one. `InvalidArgument`, `SlotOccupied`.
    pub fn narrow(self, slot: u32, first: u32, count: u32) -> Result<(), SyscallError> {
        invoke(Op::SmcNarrow, self.slot, [slot.into(), first.into(), count.into()]).map(drop)
    }
}

impl Cap<SmcControl> {
    /// Puts an Smc for `count` functions from `first` on into a slot of the own table.
    ///
    /// # Errors
    /// `InvalidArgument`: they are of several services, or the kernel's own. `SlotOccupied`.
    pub fn make(self, slot: u32, first: u32, count: u32) -> Result<(), SyscallError> {
        invoke(Op::SmcMake, self.slot, [slot.into(), first.into(), count.into()]).map(drop)
    }
}

/// What `Debug` says of a capability in somebody's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapInfo {
    /// Its kind.
    pub kind: Kind,
    /// Its rights.
    pub rights: Rights,
    /// Physical address of the object or memory.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// Badge of an Endpoint or Notification; address a Frame is mapped at; line of an Irq.
    pub badge: u64,
    /// Bytes in use (Untyped) or mapped (Frame).
    pub used: u64,
    /// It fired and was not acknowledged (Irq).
    pub pending: bool,
}

impl Cap<Debug> {
    /// What lies in a slot of somebody's table.
    ///
    /// # Errors
    /// `SlotOutOfRange`.
    pub fn inspect(self, table: Cap<CapTable>, index: u32) -> Result<CapInfo, SyscallError> {
        let regs = invoke(Op::DebugCap, self.slot, [table.slot.into(), index.into()])?;
        Ok(CapInfo {
            kind: Kind::from_number(regs[0] as u8).unwrap_or(Kind::Null),
            rights: Rights::from_bits_truncate(regs[1] as u8),
            base: regs[2],
            bytes: regs[3],
            badge: regs[4],
            used: regs[5],
            pending: regs[6] != 0,
        })
    }

    /// Eight registers of a thread from `first` on.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn registers(self, thread: Cap<Thread>, first: u64) -> Result<[u64; 8], SyscallError> {
        invoke(Op::DebugRegisters, self.slot, [thread.slot.into(), first])
    }

    /// A word of somebody's memory.
    ///
    /// # Errors
    /// `NotMapped`, `Misaligned`.
    pub fn read(self, space: Cap<AddressSpace>, address: u64) -> Result<u64, SyscallError> {
        invoke(Op::DebugRead, self.slot, [space.slot.into(), address]).map(|regs| regs[0])
    }

    /// State (see [`Op::DebugThread`]), ticks of CPU time and number in trace records of a thread.
    ///
    /// # Errors
    /// `WrongKind` and the like.
    pub fn thread(self, thread: Cap<Thread>) -> Result<(u64, u64, u64), SyscallError> {
        invoke(Op::DebugThread, self.slot, [thread.slot.into()]).map(|regs| (regs[0], regs[1], regs[2]))
    }

    /// The core that a thread's time is on, as MPIDR_EL1 names it.
    ///
    /// # Errors
    /// `WrongKind` and the like.
    pub fn core_of(self, thread: Cap<Thread>) -> Result<u64, SyscallError> {
        invoke(Op::DebugThread, self.slot, [thread.slot.into()]).map(|regs| regs[3])
    }
}
