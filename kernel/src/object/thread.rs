//! Thread: registers, priority, and what it runs with.

use abi::{ErrorCode, Kind, Rights, SyscallError, layout::MemoryType, layout::PAGE, layout::USER_END};

use super::{AddressSpace, Endpoint, Header, Notification, Reply, SchedContext};
use crate::cap::{CapTable, Flags, Slot};
use crate::context::Context;
use crate::fault::Report;
use crate::fpu::FpuState;
use crate::ipc;
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::{Direct, Object, Phys, Ref};
use crate::syscall::Args;

/// What a thread is doing. The fast path knows the numbers, and that the references follow.
#[repr(u64)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs, or waits for its turn in a ready queue.
    Ready = 0,
    /// Nothing until it is resumed.
    Suspended = 1,
    /// It waits in the endpoint's queue with a message.
    Sending(Ref<Endpoint>) = 2,
    /// Its message was taken; it waits for the answer.
    AwaitingReply(Direct<Reply>) = Self::AWAITING_REPLY,
    /// It waits in the endpoint's queue for a message, to be answered through its Reply.
    Receiving(Direct<Endpoint>) = Self::RECEIVING,
    /// It waits for bits.
    Waiting(Ref<Notification>) = Self::WAITING,
    /// It faulted and nobody answered.
    Faulted = 6,
    /// It waits for the firmware, which a core is in for it.
    InFirmware = 7,
}

impl State {
    /// The number of `AwaitingReply`: what ESR_EL1 says of a system call, which the fast path has at hand.
    pub const AWAITING_REPLY: u64 = 0x5600_0000;
    /// The number of `Receiving`.
    pub const RECEIVING: u64 = 4;
    /// The number of `Waiting`.
    pub const WAITING: u64 = 5;
}

/// The slots a thread holds, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Its capability table.
    Table = 0,
    /// Its address space.
    Space = 1,
    /// Its message page.
    Page = 2,
    /// Where its faults go.
    Fault = 3,
}

/// A thread. The registers come first: trap entry finds them through SP_EL1.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Thread {
    /// Its registers.
    pub context: Context,
    /// For the fast path: the bits that no slot number of its table has, for two of 32 bits.
    pub pair_mask: u64,
    /// For the fast path: where its table is mapped.
    pub table_at: u64,
    /// For the fast path: the bits that no slot number of its table has, for one of 64 bits.
    pub slot_mask: u64,
    /// For the fast path: `reply`, unless a receive would return at once; then a place where it finds zeros.
    pub fast_reply: u64,
    /// For the fast path: its core and its priority while it runs or waits in an ordinary way, else negative.
    pub key: i64,
    /// For the fast path: where the TTBR0 of its address space is kept.
    pub ttbr_at: u64,
    /// What it is doing.
    pub state: State,
    /// For the fast path: where the words of its message page are mapped, 0 when it has none.
    pub words_at: u64,
    /// 255 is the most urgent.
    pub priority: u8,
    /// The highest priority it may give.
    pub ceiling: u8,
    /// Whether it stands in a ready queue.
    pub queued: bool,
    /// The core whose ready queue it stood in last.
    pub core: u8,
    /// Its own time. What it runs on is [`Kernel::time_of`].
    pub home: Option<Ref<SchedContext>>,
    /// The Reply it takes calls with. While that holds a caller the thread owes the answer.
    pub reply: Option<Ref<Reply>>,
    /// The other Replies it owes answers to, the first of the list: those that brought time, then those without.
    pub debts: Option<Ref<Reply>>,
    /// The last of that list.
    pub last_debt: Option<Ref<Reply>>,
    /// The Notification that also ends its receives.
    pub bound: Option<Ref<Notification>>,
    /// Next in whatever queue it stands in.
    pub next: Option<Ref<Thread>>,
    /// Previous in that queue.
    pub prev: Option<Ref<Thread>>,
    /// The badge of the capability it calls through.
    pub badge: u64,
    /// The fault it reports, while it waits for its handler.
    pub fault: Report,
    /// Cached: where its message page lies, 0 when it has none.
    pub page: Phys,
    /// Counts its capabilities.
    pub header: Header,
    /// See [`Held`].
    pub held: [Slot; 4],
}

impl Object for Thread {
    const KIND: Kind = Kind::Thread;
    // Neither registers nor slots.
    const BEGINS: core::ops::Range<usize> =
        core::mem::offset_of!(Thread, pair_mask) / 64 * 64..core::mem::offset_of!(Thread, held);
}

/// SPSR of user space: EL0, AArch64, nothing masked.
const SPSR_USER: u64 = 0;
/// SPSR.BTYPE: the sort of branch that led to the next instruction.
const BRANCH_TYPE: u64 = 3 << 10;

impl Thread {
    /// The key of a thread that no fast path may let go on.
    pub const SLOW_KEY: i64 = -1 << 40;

    /// A suspended thread without anything.
    pub const fn new() -> Self {
        let mut context = Context::new();
        context.spsr = SPSR_USER;
        Self {
            context,
            pair_mask: u64::MAX,
            table_at: 0,
            slot_mask: u64::MAX,
            fast_reply: 0,
            key: Self::SLOW_KEY,
            ttbr_at: 0,
            state: State::Suspended,
            words_at: 0,
            priority: 0,
            ceiling: 0,
            queued: false,
            core: 0,
            home: None,
            reply: None,
            debts: None,
            last_debt: None,
            bound: None,
            next: None,
            prev: None,
            badge: 0,
            fault: Report::none(),
            page: Phys(0),
            header: Header::new(Kind::Thread),
            held: [Slot::EMPTY; 4],
        }
    }

    /// Bytes of its memory: behind it lies the place of its vector registers.
    pub const BYTES: usize = size_of::<Self>() + size_of::<FpuState>();

    /// Its table.
    pub fn table(&self) -> Option<Ref<CapTable>> {
        self.held[Held::Table as usize].cap.object_of()
    }

    /// Its address space.
    pub fn space(&self) -> Option<Ref<AddressSpace>> {
        self.held[Held::Space as usize].cap.object_of()
    }

    /// Where a held slot lies in the object, in granules.
    const fn held_granule(which: Held) -> u32 {
        (core::mem::offset_of!(Thread, held) / 64) as u32 + which as u32
    }
}

impl Default for Thread {
    fn default() -> Self {
        Self::new()
    }
}

const _: () = assert!(core::mem::offset_of!(Thread, held).is_multiple_of(64));
const _: () = assert!(core::mem::offset_of!(Thread, context) == 0);

impl Kernel {
    fn held_slot(&self, thread: Ref<Thread>, which: Held) -> Ref<Slot> {
        thread.offset(Thread::held_granule(which))
    }

    /// Replaces what a thread holds by copies of these: table, address space, message page, fault handler.
    pub(crate) fn hold_all(&mut self, thread: Ref<Thread>, sources: [Option<Ref<Slot>>; 4]) {
        if self.mem[thread].table().is_some() || self.mem[thread].space().is_some() {
            self.stop_without_names(thread);
        }
        for (which, source) in [Held::Table, Held::Space, Held::Page, Held::Fault].into_iter().zip(sources) {
            self.hold(thread, which, source);
        }
        self.refresh(thread);
    }

    fn hold(&mut self, thread: Ref<Thread>, which: Held, source: Option<Ref<Slot>>) {
        let slot = self.held_slot(thread, which);
        self.let_go(slot);
        if let Some(source) = source {
            let original = self.mem[source].cap;
            let mut cap = original.derived(original.rights, original.badge());
            cap.flags |= Flags::IN_THREAD;
            cap.holder = thread.number() as u32;
            self.insert(slot, cap, Some(source));
        }
    }

    /// Empties a held slot of a thread that was stopped. It is no loss: what the thread caches is computed when all is there,
    /// or it is dead.
    fn let_go(&mut self, slot: Ref<Slot>) {
        if !self.mem[slot].is_empty() {
            self.mem[slot].cap.flags.remove(Flags::IN_THREAD);
            self.clear_held(slot);
        }
    }

    /// A slot of this kind in a thread was emptied because what it was derived from is gone.
    pub(crate) fn thread_lost(&mut self, thread: Ref<Thread>, kind: Kind) {
        self.refresh(thread);
        if matches!(kind, Kind::CapTable | Kind::AddressSpace) {
            self.stop_without_names(thread);
        }
    }

    /// It can neither run nor name anything any more; when it gets another table or address space it must not take its own
    /// message for an answer.
    fn stop_without_names(&mut self, thread: Ref<Thread>) {
        self.cancel_ipc(thread, ErrorCode::Revoked);
        self.halt(thread, State::Suspended);
    }

    /// Computes what the thread caches of its held slots.
    fn refresh(&mut self, thread: Ref<Thread>) {
        let page = self.mem[thread].held[Held::Page as usize].cap;
        // What a thread lacks is replaced by the zeros in its context: an empty slot, the empty address space.
        let none = self.mem.mapped_at(thread) + core::mem::offset_of!(Context, pad) as u64;
        let (table_at, mask) = self.mem[thread]
            .table()
            .map_or((none, u32::MAX), |table| (self.mem.mapped_at(table), !(self.mem[table].slots() - 1)));
        let ttbr_at = self.mem[thread]
            .space()
            .map_or(none, |space| self.mem.mapped_at(space) + core::mem::offset_of!(AddressSpace, ttbr) as u64);
        self.forget_if_loaded(thread);
        let object = &mut self.mem[thread];
        object.table_at = table_at;
        object.pair_mask = u64::from(mask) << 32 | u64::from(mask);
        object.slot_mask = u64::from(u32::MAX) << 32 | u64::from(mask);
        object.ttbr_at = ttbr_at;
        self.set_fast_reply(thread);
        let (page, words_at) = match page.kind {
            Kind::Frame => (Phys(page.object), self.mem.place_at(Phys(page.object + ipc::WORDS))),
            _ => (Phys(0), 0),
        };
        (self.mem[thread].page, self.mem[thread].words_at) = (page, words_at);
    }

    /// The thread is dead: it leaves whatever it stands in and never runs again.
    pub(crate) fn stop_for_ever(&mut self, thread: Ref<Thread>) {
        self.forget_if_loaded(thread);
        self.halt(thread, State::Suspended);
        if let Some(home) = self.mem[thread].home {
            // What it used of its own for a call is that caller's debt, on whichever core it ran.
            self.settle_core(self.mem[home].core.into());
        }
        self.leave_time(thread);
        self.unbind(thread);
        self.forget_fpu(thread);
    }

    fn unbind(&mut self, thread: Ref<Thread>) {
        if let Some(notification) = self.mem[thread].bound.take() {
            self.mem[notification].bound = None;
        }
    }

    /// One step of taking a dead thread apart: its callers are told, its slots are emptied.
    pub(crate) fn take_thread_apart(&mut self, thread: Ref<Thread>) -> Result<bool, Preempted> {
        if let Some(reply) = self.mem[thread].reply.or(self.mem[thread].debts) {
            self.reply_dropped(reply);
            return Ok(false);
        }
        for which in [Held::Table, Held::Space, Held::Page, Held::Fault] {
            self.let_go(self.held_slot(thread, which));
        }
        let object = &mut self.mem[thread];
        (object.page, object.words_at) = (Phys(0), 0);
        Ok(true)
    }
}

fn bad(argument: u8) -> SyscallError {
    SyscallError::new(ErrorCode::InvalidArgument, argument)
}

fn state(argument: u8) -> SyscallError {
    SyscallError::new(ErrorCode::InvalidState, argument)
}

/// Sets what a suspended thread runs with.
///
/// # Rights
/// Thread: configure. Table: attach. AddressSpace: use. Frame: read, write. Endpoint: send.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState` (it is not suspended), `InvalidArgument` (priority above its ceiling or that above the caller's; vector
/// registers, which the caller may not use; page address not in the lower half; memory that is not cached), `Misaligned`,
/// and those of the look-ups.
pub fn configure(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [table, space, page, address, fault, priority, ..] = args.words;
    let (thread, _) = k.get::<Thread>(caller, args.target(), Rights::CONFIGURE, 0)?;
    if !matches!(k.mem[thread].state, State::Suspended | State::Faulted) {
        return Err(state(0));
    }
    let (_, table) = k.get::<CapTable>(caller, table, Rights::ATTACH, 1)?;
    let (_, space) = k.get::<AddressSpace>(caller, space, Rights::USE, 2)?;
    let page = match page {
        0 => None,
        slot => {
            let (slot, cap) = k.get_cap(caller, slot, Kind::Frame, Rights::READ | Rights::WRITE, 3)?;
            if cap.flags.contains(Flags::DEVICE) || cap.memory_type() != MemoryType::Normal as u8 || address >= USER_END
            {
                return Err(bad(3));
            }
            if !address.is_multiple_of(PAGE) {
                return Err(SyscallError::new(ErrorCode::Misaligned, 4));
            }
            Some(slot)
        }
    };
    let fault = match fault {
        0 => None,
        slot => Some(k.get::<Endpoint>(caller, slot, Rights::SEND, 5)?.1),
    };
    let (priority, ceiling) = (priority as u8, (priority >> 8) as u8);
    let fpu = args.words[5] & abi::THREAD_FPU != 0;
    if args.words[5] & !abi::THREAD_FPU > 0xffff || priority > ceiling || ceiling > k.mem[caller].ceiling {
        return Err(bad(6));
    }
    if fpu && !k.may_use_fpu(caller) {
        return Err(bad(6));
    }
    k.hold_all(thread, [Some(table), Some(space), page, fault]);
    k.allow_fpu(thread, fpu);
    let thread = &mut k.mem[thread];
    (thread.priority, thread.ceiling, thread.state) = (priority, ceiling, State::Suspended);
    // What it held may have died with that. A restart sets the same once more.
    Ok(match k.bury() {
        Ok(()) => Next::Done,
        Err(Preempted) => Next::Restart,
    })
}

/// Lets a suspended thread run; one that faulted tries its instruction again.
///
/// # Rights
/// Thread: control.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState`: it has no table or address space.
pub fn resume(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (thread, _) = k.get::<Thread>(caller, args.target(), Rights::CONTROL, 0)?;
    if matches!(k.mem[thread].state, State::Suspended | State::Faulted) {
        if k.mem[thread].table().is_none() || k.mem[thread].space().is_none() {
            return Err(state(0));
        }
        k.mem[thread].fault.clear();
        k.make_ready(thread);
    }
    Ok(Next::Done)
}

/// Stops a thread; what it was blocked in ends with `Cancelled`.
///
/// # Rights
/// Thread: control.
/// # Returns
/// Nothing; a thread that suspends itself returns when it is resumed.
/// # Errors
/// Those of the look-up.
pub fn suspend(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (thread, _) = k.get::<Thread>(caller, args.target(), Rights::CONTROL, 0)?;
    if thread == caller {
        k.mem[caller].context.answer(&[0; 8]);
        k.halt(thread, State::Suspended);
        return Ok(Next::Schedule);
    }
    k.cancel_ipc(thread, ErrorCode::Cancelled);
    k.halt(thread, State::Suspended);
    Ok(Next::Done)
}

/// Writes registers of a suspended thread.
///
/// # Rights
/// Thread: configure.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState` (it is not suspended), `InvalidArgument` (no such register, or a vector register and it may not use them).
pub fn write_registers(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (thread, _) = k.get::<Thread>(caller, args.target(), Rights::CONFIGURE, 0)?;
    let (first, count) = (args.words[0], args.words[1]);
    if !matches!(k.mem[thread].state, State::Suspended | State::Faulted) {
        return Err(state(0));
    }
    if count > 6 {
        return Err(bad(2));
    }
    if first >= FpuState::FIRST as u64 && first <= FpuState::END as u64 - count && k.may_use_fpu(thread) {
        k.save_fpu(thread);
        let state = &mut k.mem[FpuState::of(thread)];
        for (register, &value) in (first as usize..).zip(&args.words[2..2 + count as usize]) {
            state.set_register(register, value);
        }
        return Ok(Next::Done);
    }
    if first > 34 || first + count > 34 {
        return Err(bad(1));
    }
    let context = &mut k.mem[thread].context;
    for (register, &value) in (first as usize..).zip(&args.words[2..2 + count as usize]) {
        match register {
            0..=30 => context.x[register] = value,
            31 => context.sp = value,
            32 => {
                // No branch led there.
                (context.pc, context.spsr) = (value, context.spsr & !BRANCH_TYPE);
            }
            _ => context.tpidr = value,
        }
    }
    Ok(Next::Done)
}

/// Eight registers of a suspended thread, from the given one on; those past the last are 0.
///
/// # Rights
/// Thread: configure.
/// # Returns
/// x0–x7.
/// # Errors
/// `InvalidState` (it is not suspended), `InvalidArgument` (no such register).
pub fn read_registers(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (thread, _) = k.get::<Thread>(caller, args.target(), Rights::CONFIGURE, 0)?;
    if !matches!(k.mem[thread].state, State::Suspended | State::Faulted) {
        return Err(state(0));
    }
    let results = match usize::try_from(args.words[0]) {
        Ok(first @ 0..34) => k.mem[thread].context.registers(first),
        Ok(first @ FpuState::FIRST..FpuState::END) => {
            k.save_fpu(thread);
            let state = &k.mem[FpuState::of(thread)];
            core::array::from_fn(|index| state.register(first + index))
        }
        _ => return Err(bad(1)),
    };
    Ok(k.answer_with(caller, results))
}

/// Binds a Notification, so that one receive waits for both; slot 0 unbinds.
///
/// # Rights
/// Thread: bind. Notification: wait.
/// # Returns
/// Nothing.
/// # Errors
/// `Busy`: the Notification is bound or waited for already.
pub fn bind(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (thread, _) = k.get::<Thread>(caller, args.target(), Rights::BIND, 0)?;
    if args.words[0] == 0 {
        k.unbind(thread);
        return Ok(Next::Done);
    }
    let (notification, _) = k.get::<Notification>(caller, args.words[0], Rights::WAIT, 1)?;
    let other = &k.mem[notification];
    if other.bound.is_some_and(|bound| bound != thread) || other.waiter.is_some() {
        return Err(SyscallError::new(ErrorCode::Busy, 1));
    }
    k.unbind(thread);
    k.mem[notification].bound = Some(thread);
    k.mem[thread].bound = Some(notification);
    k.deliver_bound(notification);
    Ok(Next::Done)
}

/// Ends the IPC a thread is blocked in with `Cancelled`; a thread that is not blocked does not notice.
///
/// # Rights
/// Thread: control.
/// # Returns
/// Nothing.
/// # Errors
/// Those of the look-up.
pub fn cancel(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (thread, _) = k.get::<Thread>(caller, args.target(), Rights::CONTROL, 0)?;
    k.cancel_ipc(thread, ErrorCode::Cancelled);
    Ok(Next::Done)
}
