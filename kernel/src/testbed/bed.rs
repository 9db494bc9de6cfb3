//! A kernel over the fake machine, with init as boot starts it, and system calls as a trap makes them.

use abi::{
    ErrorCode, FaultKind, INIT_IMAGE_MAGIC, InWord, Kind, Op, OutWord, Perms, Rights, Slots, SyscallError, THREAD_FPU,
    layout::{PAGE, USER_PROGRAM},
};

use super::check::Checker;
use crate::arch::{JUNK, Machine, arena};
use crate::boot::{Handover, start_init};
use crate::cap::{Cap, CapTable, Slot};
use crate::fault::{self, Fault};
use crate::fpu::FpuState;
use crate::kernel::Kernel;
use crate::mm::regions::{Range, Regions};
use crate::mm::{Mem, Phys, Ref};
use crate::object::{State, Thread};
use crate::{interrupt, syscall};

/// Where RAM starts.
pub const RAM: u64 = 0x4000_0000;
/// Bytes of RAM.
pub const RAM_BYTES: u64 = 4 << 20;
/// Behind its last byte.
pub const RAM_END: u64 = RAM + RAM_BYTES;
/// The registers of the fake machine's IOMMU, and the line of its events.
pub const SMMU: u64 = 0x905_0000;
pub const SMMU_LINE: u64 = 106;
/// Pages of RAM that boot leaves out: the first, and the image.
const IMAGE: u64 = RAM + PAGE;
/// The address behind the `svc` that a call pretends to have made.
pub const BEHIND: u64 = USER_PROGRAM + 0x1004;

/// A message as a thread sends it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message {
    /// Words, in registers and page.
    pub words: u8,
    /// Capabilities.
    pub caps: u8,
    /// The label.
    pub label: u32,
    /// x0–x7.
    pub regs: [u64; 8],
}

/// How a system call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned: x0–x7, x8, x9.
    Returned([u64; 8], OutWord, u64),
    /// The thread waits or is stopped.
    Blocked,
}

/// A kernel under test.
pub struct Bed {
    /// The kernel.
    pub k: Box<Kernel>,
    /// The first thread.
    pub init: Ref<Thread>,
    checker: Checker,
}

fn image() -> Vec<u8> {
    let mut bytes = vec![0; 2 * PAGE as usize];
    bytes[..8].copy_from_slice(&INIT_IMAGE_MAGIC);
    let fields = [2 * PAGE, USER_PROGRAM, 1, USER_PROGRAM, PAGE, 1 | 1 << 32, u64::from(Perms::READ.bits())];
    for (index, field) in fields.into_iter().enumerate() {
        bytes[8 + index * 8..16 + index * 8].copy_from_slice(&field.to_le_bytes());
    }
    bytes
}

impl Bed {
    /// A machine with 4 MiB of RAM where only init runs.
    pub fn new() -> Self {
        Self::on(arena(Phys(RAM), RAM_BYTES as usize), 1)
    }

    /// A new machine with so many cores in the memory of an old one.
    pub fn anew(self, cores: usize) -> Self {
        let mut mem = self.k.mem;
        mem.fill(Phys(RAM), RAM_BYTES, JUNK);
        Self::on(mem, cores)
    }

    fn on(mut mem: Mem, cores: usize) -> Self {
        let ram = Range { start: RAM, end: RAM_END };
        let mut forbidden = Regions::new();
        forbidden.add(ram).unwrap();
        let mut free = Regions::new();
        // Joins what is free.
        let boot = Range { start: ram.end - 2 * PAGE, end: ram.end };
        free.add(Range { start: IMAGE + 2 * PAGE, end: boot.start }).unwrap();
        mem.zero(Phys(IMAGE), 2 * PAGE);
        let (smmu, started) = crate::smmu::fake(&mut mem, &mut free);
        assert_eq!(started, Ok(()));
        let mut k = Box::new(Kernel::new(mem, Machine::new(), forbidden));
        k.smmus[0] = Some(smmu);
        (1..cores).for_each(|_| k.sched.add());
        let image = image();
        let handover = Handover {
            image: &image,
            image_at: Phys(IMAGE),
            tree: Range { start: IMAGE, end: IMAGE + 64 },
            bundle: None,
            free,
            boot_ticks: 0,
            frequency: 1_000_000,
            seed: [0; 4],
            protections: abi::Protections::empty(),
            boot,
            kernel_pages: 2,
        };
        let init = start_init(&mut k, handover).unwrap();
        let table = k.mem[init].table().unwrap();
        assert_eq!(k.pick(), Some(init));
        let checker = Checker::new(table, k.mem[init].space(), (RAM, RAM_BYTES));
        let mut bed = Self { k, init, checker };
        bed.check();
        bed
    }

    /// Everything the kernel's state must always fulfil.
    #[track_caller]
    pub fn check(&mut self) {
        if let Err(wrong) = self.checker.check(&self.k) {
            panic!("invariant broken: {wrong}");
        }
    }

    /// As [`Self::check`], for those who want to say more; page tables are looked at when `deep`.
    pub fn try_check(&mut self, deep: bool) -> Result<(), String> {
        if deep { self.checker.check(&self.k) } else { self.checker.check_quickly(&self.k) }
    }

    /// Whether a thread existed at the last check.
    pub fn exists(&self, thread: Ref<Thread>) -> bool {
        self.checker.lives(thread)
    }

    /// Bytes of kernel objects and Frames that are alive, by kind.
    pub fn census(&mut self) -> std::collections::BTreeMap<Kind, u64> {
        self.check();
        self.checker.census()
    }

    /// One trap of a thread with these registers; a call that makes way is not made again.
    pub fn trap(&mut self, thread: Ref<Thread>, input: InWord, slots: Slots, regs: [u64; 8]) {
        let context = &mut self.k.mem[thread].context;
        context.x[..8].copy_from_slice(&regs);
        (context.x[8], context.x[9], context.pc) = (input.0, slots.0, BEHIND);
        for (index, register) in context.x.iter_mut().enumerate().skip(10) {
            *register = 0x5ec2_e700 + index as u64;
        }
        self.again(thread);
    }

    /// The thread makes the system call that its registers hold.
    pub fn again(&mut self, thread: Ref<Thread>) {
        self.k.mem[thread].context.pc = BEHIND;
        self.k.force(thread);
        assert!(self.k.enter(thread));
        syscall::handle(&mut self.k, thread);
        self.leave();
    }

    /// Whether the thread is ready to make a system call again that made way.
    pub fn restarts(&self, thread: Ref<Thread>) -> bool {
        self.k.mem[thread].state == State::Ready && self.k.mem[thread].context.pc == BEHIND - 4
    }

    /// What follows every trap.
    pub fn leave(&mut self) {
        if self.k.stay().is_some() {
            return;
        }
        if let Some(words) = self.k.leave_for_firmware() {
            let results = self.k.machine.firmware(words);
            if self.k.machine.firmware_stays {
                // For as long as the test likes; another core goes on.
                return;
            }
            self.k.firmware_returned(&results);
        }
        if let Some(next) = self.k.pick() {
            assert!(self.k.enter(next));
        } else {
            self.k.forget_loaded();
            self.k.trace_switch(None);
            self.k.empty_core(self.k.sched.own());
        }
    }

    /// Interrupts of these lines.
    pub fn interrupt(&mut self, lines: &[u32]) {
        let open = lines.iter().filter(|line| self.k.machine.open.contains(line));
        let open: Vec<u32> = open.copied().collect();
        self.k.machine.pending.extend(open);
        interrupt::handle(&mut self.k);
        self.leave();
        self.check();
    }

    /// A system call up to its end, made again as often as it makes way.
    #[track_caller]
    pub fn syscall(&mut self, thread: Ref<Thread>, input: InWord, slots: Slots, regs: [u64; 8]) -> Outcome {
        self.trap(thread, input, slots, regs);
        self.check();
        while self.restarts(thread) {
            self.again(thread);
            self.check();
        }
        self.result(thread)
    }

    /// What the last call of a thread returned.
    pub fn result(&self, thread: Ref<Thread>) -> Outcome {
        if self.k.mem[thread].state != State::Ready {
            return Outcome::Blocked;
        }
        let x = &self.k.mem[thread].context.x;
        assert!(x[10..19].iter().all(|&word| word == 0) && x[30] == 0, "the kernel clears what is not message");
        assert_eq!(x[19], 0x5ec2_e700 + 19, "the kernel keeps x19");
        let mut words = [0; 8];
        words.copy_from_slice(&x[..8]);
        Outcome::Returned(words, OutWord(x[8]), x[9])
    }

    /// An operation that does not wait.
    #[track_caller]
    pub fn call(&mut self, thread: Ref<Thread>, op: Op, target: u32, args: &[u64]) -> Result<[u64; 8], SyscallError> {
        let mut regs = [0; 8];
        regs[..args.len()].copy_from_slice(args);
        match self.syscall(thread, InWord::new(op as u8, 0, 0, 0), Slots::new(target, 0), regs) {
            Outcome::Returned(words, out, _) => out.status().map(|()| words),
            Outcome::Blocked => panic!("{op:?} did not return"),
        }
    }

    /// As [`Self::call`] by init, which must succeed.
    #[track_caller]
    pub fn ok(&mut self, op: Op, target: u32, args: &[u64]) -> [u64; 8] {
        match self.call(self.init, op, target, args) {
            Ok(words) => words,
            Err(error) => panic!("{op:?} of slot {target} with {args:x?}: {error:?}"),
        }
    }

    /// As [`Self::call`] by init, which must be refused and change nothing.
    #[track_caller]
    pub fn refused(&mut self, op: Op, target: u32, args: &[u64]) -> (ErrorCode, u8) {
        self.refused_of(self.init, op, target, args)
    }

    /// As [`Self::refused`], by any thread.
    #[track_caller]
    pub fn refused_of(&mut self, thread: Ref<Thread>, op: Op, target: u32, args: &[u64]) -> (ErrorCode, u8) {
        self.k.force(thread);
        assert!(self.k.enter(thread));
        let before = self.checker.picture(&self.k);
        let error = self.call(thread, op, target, args).expect_err("must be refused");
        for (before, after) in before.into_iter().zip(self.checker.picture(&self.k)) {
            assert_eq!(before, after, "a refused {op:?} changed something");
        }
        (error.code, error.detail)
    }

    /// A call, receive or reply with a message.
    #[track_caller]
    pub fn ipc(&mut self, thread: Ref<Thread>, op: Op, target: u32, reply: u32, message: Message) -> Outcome {
        let input = InWord::new(op as u8, message.words, message.caps, message.label);
        self.syscall(thread, input, Slots::new(target, reply), message.regs)
    }

    /// A slot of a thread's table.
    pub fn slot_of(&self, thread: Ref<Thread>, index: u32) -> Ref<Slot> {
        let table: Ref<CapTable> = self.k.mem[thread].table().unwrap();
        self.k.slot(table, index.into(), 0).unwrap()
    }

    /// The capability in a slot of a thread's table.
    pub fn cap(&self, thread: Ref<Thread>, index: u32) -> Cap {
        self.k.mem[self.slot_of(thread, index)].cap
    }

    /// A thread writes to an address. `None`: that is a fault, which its handler was told.
    pub fn touch(&mut self, thread: Ref<Thread>, address: u64) -> Option<Phys> {
        let space = self.k.mem[thread].space()?;
        if let Some(place) = self.k.translate_for_tests(space, address) {
            return Some(place);
        }
        self.k.force(thread);
        let fault = Fault { kind: FaultKind::Write, address, syndrome: 0x9200_0047 };
        fault::untranslated(&mut self.k, thread, address, || fault);
        self.leave();
        self.k.translate_for_tests(space, address)
    }

    /// A thread reaches for its vector registers. `None`: that is a fault, which its handler was told.
    pub fn vectors(&mut self, thread: Ref<Thread>) -> Option<&mut FpuState> {
        self.k.force(thread);
        assert!(self.k.enter(thread));
        let own = self.k.sched.own();
        if !self.k.machine.fpu[own].open && !self.k.use_fpu(thread) {
            let fault = Fault { kind: FaultKind::Fpu, address: 0, syndrome: 0x1fe0_0000 };
            fault::handle(&mut self.k, thread, fault);
            self.leave();
            return None;
        }
        Some(&mut self.k.machine.fpu[own].registers)
    }

    /// Init makes an object of its first memory.
    #[track_caller]
    pub fn make(&mut self, kind: Kind, size: u64, slot: u32) {
        self.make_of(abi::SLOT_INIT_MEMORY, kind, size, slot);
    }

    /// Init makes an object of some memory.
    #[track_caller]
    pub fn make_of(&mut self, untyped: u32, kind: Kind, size: u64, slot: u32) {
        self.ok(Op::Retype, untyped, &[kind as u64, size, 0, abi::SLOT_TABLE.into(), slot.into()]);
    }

    /// Init copies a capability from its table into a table it holds.
    #[track_caller]
    pub fn give(&mut self, table: u32, to: u32, from: u32, rights: Rights, badge: u64) {
        let args = [to.into(), abi::SLOT_TABLE.into(), from.into(), rights.bits().into(), badge];
        self.ok(Op::Copy, table, &args);
    }

    /// A process: table (in init's slot `base`), address space, thread, message page, reply, SchedContext in `base` + 1 …
    /// + 5, and the same in its own fixed slots. It has unlimited time, may use vector registers, and is ready.
    #[track_caller]
    pub fn process(&mut self, untyped: u32, base: u32, priority: u8, fault: u32) -> Ref<Thread> {
        self.make_of(untyped, Kind::CapTable, 5, base);
        self.make_of(untyped, Kind::AddressSpace, 8, base + 1);
        self.make_of(untyped, Kind::Thread, 0, base + 2);
        self.make_of(untyped, Kind::Frame, 1, base + 3);
        self.make_of(untyped, Kind::Reply, 0, base + 4);
        let init = abi::SLOT_TABLE.into();
        for (to, from, kind) in
            [(1, 0, Kind::CapTable), (2, 2, Kind::Thread), (3, 1, Kind::AddressSpace), (5, 3, Kind::Frame)]
        {
            self.give(base, to, base + from, Rights::all_of(kind), 0);
        }
        self.ok(Op::Move, base, &[8, init, (base + 4).into()]);
        let urgency = u64::from(priority) | u64::from(priority) << 8 | THREAD_FPU;
        let slot = |offset: u32| u64::from(base + offset);
        let args = [slot(0), slot(1), slot(3), abi::layout::USER_MESSAGE_PAGE, fault.into(), urgency];
        self.ok(Op::ThreadConfigure, base + 2, &args);
        self.time(untyped, base + 5, (1, 1, 0), base + 2);
        self.give(base, 6, base + 5, Rights::all_of(Kind::SchedContext), 0);
        self.ok(Op::ThreadResume, base + 2, &[]);
        self.cap(self.init, base + 2).object_of().unwrap()
    }

    /// A SchedContext in init's slot `slot` with budget, period and flags, bound to the thread in another.
    #[track_caller]
    pub fn time(&mut self, untyped: u32, slot: u32, (budget, period, flags): (u64, u64, u64), thread: u32) {
        self.make_of(untyped, Kind::SchedContext, 0, slot);
        self.ok(Op::SchedConfigure, abi::SLOT_SCHED_CONTROL, &[slot.into(), budget, period, flags]);
        self.ok(Op::SchedBind, slot, &[thread.into()]);
    }

    /// The clock moves on; the timer fires whenever its deadline comes.
    #[track_caller]
    pub fn pass(&mut self, ticks: u64) {
        let end = self.k.machine.clock + ticks;
        let mut fired = 0;
        loop {
            if self.k.machine.clock >= self.k.machine.deadline {
                fired += 1;
                assert!(fired <= 4 * ticks + 4, "the timer fires for ever");
                self.k.machine.pending.push_back(self.k.machine.timer_line());
                interrupt::handle(&mut self.k);
                let again = self.k.machine.clock >= self.k.machine.deadline;
                assert!(!again, "the kernel would never leave its handling of interrupts");
                self.leave();
                self.check();
            } else if self.k.machine.clock == end {
                return;
            } else {
                self.k.machine.clock = end.min(self.k.machine.deadline);
            }
        }
    }

    /// Whether a thread can run: it does, or stands in a ready queue.
    pub fn runnable(&self, thread: Ref<Thread>) -> bool {
        self.k.mem[thread].queued || self.k.mem[thread].state == State::Ready && self.k.sched.current() == Some(thread)
    }

    /// User space writes a word of its message page.
    pub fn page_u64(&mut self, thread: Ref<Thread>, offset: u64, value: u64) {
        let page = self.k.mem[thread].page;
        assert_ne!(page, Phys(0));
        self.k.mem.write_u64(Phys(page.0 + offset), value);
    }

    /// User space reads a word of its message page.
    pub fn page_word(&self, thread: Ref<Thread>, offset: u64) -> u64 {
        self.k.mem.read_u64(Phys(self.k.mem[thread].page.0 + offset))
    }

    /// User space names the capabilities it sends.
    pub fn send_slots(&mut self, thread: Ref<Thread>, slots: [u32; 4]) {
        self.page_u64(thread, 0, u64::from(slots[0]) | u64::from(slots[1]) << 32);
        self.page_u64(thread, 8, u64::from(slots[2]) | u64::from(slots[3]) << 32);
    }

    /// User space sets its receive window.
    pub fn window(&mut self, thread: Ref<Thread>, base: u32, count: u32) {
        self.page_u64(thread, 16, u64::from(base) | u64::from(count) << 32);
    }
}
