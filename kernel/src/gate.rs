//! How cores keep apart: one fair lock for everything but the fast paths, a reader flag and a gate per core for those, and
//! parking, so that the holder of the lock can stop another core. Decision 0009; atomics only, nothing of the machine.

#[cfg(loom)]
mod models;

#[cfg(not(loom))]
use crate::arch::pause as spin_loop;
#[cfg(not(loom))]
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

/// The model checker's atomics are not made in constants.
macro_rules! constructor {
    ($(#[$doc:meta])* $name:ident $body:block) => {
        $(#[$doc])*
        #[cfg(not(loom))]
        pub const fn $name() -> Self $body
        $(#[$doc])*
        #[cfg(loom)]
        pub fn $name() -> Self $body
    };
}

/// Most cores.
pub const MAX_CORES: usize = 8;

/// What the fast paths compare: the core above, the priority below. The keys of one core lie less than 2^15 apart, those of
/// different cores more.
pub const fn key(core: usize, priority: i32) -> i64 {
    ((core as i64) << 16) + priority as i64
}

/// What a core was doing when it came to the lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Event {
    /// Nothing: it was idle, or in the firmware.
    Idle = 0,
    /// Its thread made a system call.
    Call = 1,
    /// Its thread faulted, or an interrupt came.
    Other = 2,
}

/// What the holder of the lock asks of a stopped core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Request {
    /// Leave the address space.
    LeaveSpace = 1,
    /// Store the vector registers for their owner.
    SaveFpu = 2,
}

/// What the core alone writes on its fast paths: a cache line of its own.
#[repr(C, align(64))]
#[derive(Debug)]
struct Reader {
    flag: AtomicU32,
}

/// What others read and write of a core while it is not the holder of the lock. TPIDR_EL1 points here.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Area {
    /// Not 0: the fast paths are closed.
    pub gate: AtomicU32,
    /// A [`Request`] to the parked core, which clears it when that is done; 0: none.
    request: AtomicU32,
    reader: Reader,
    /// The end of the core's stack.
    pub stack: AtomicUsize,
    /// Not 0: return addresses are signed. Trap entry loads it together with the stack.
    pub signs: AtomicUsize,
    /// Zeros, to clear registers with.
    pub zeros: [u64; 2],
    /// What the key of a thread must reach to go on in the place of another: see [`Area::set_floor`]. The fast path loads it
    /// together with the next.
    pub floor: AtomicI64,
    /// The time that is being used, as the fast path names it.
    pub context: AtomicU64,
    /// What the floor is while the vector registers are closed.
    pub closed_floor: AtomicI64,
    /// The core's number.
    pub number: AtomicU32,
    /// Not 0: user space reaches the vector registers, because the thread that runs is their owner. A fast path closes them
    /// before it hands over to another.
    pub fpu_open: AtomicU32,
    /// Where the registers of the thread lie whose vector registers this core holds; 0: none.
    pub fpu_owner: AtomicUsize,
    /// Where the registers of the thread lie that entered the kernel; 0: none.
    pub thread: AtomicUsize,
    /// An [`Event`].
    event: AtomicU32,
    parked: AtomicBool,
    stopped: AtomicBool,
    /// Which core of the machine it is: its affinity, as in MPIDR_EL1.
    pub affinity: AtomicU64,
    /// How many branches displace the branch history on entry from user space.
    pub loops: AtomicU32,
    /// The function of the firmware that is called on entry from user space.
    pub firmware: AtomicU32,
    /// How: 0 by HVC, 1 by SMC.
    pub conduit: AtomicU32,
    /// Not 0: the kernel is not mapped while a process runs.
    pub trampoline: AtomicU32,
    /// Where the core's vectors lie.
    pub vectors: AtomicUsize,
    /// The key of return addresses in the kernel, low and high half.
    pub own_key: [AtomicU64; 2],
    /// The key of return addresses in processes.
    pub process_key: [AtomicU64; 2],
    /// Where the core's scheduler lies.
    pub scheduler: AtomicUsize,
    /// Where the first Irq of each line stands.
    pub lines: AtomicUsize,
    /// Where the registers of the interrupt controller's distributor lie.
    pub distributor: AtomicUsize,
    /// Those of its core interface; 0: they are system registers.
    pub interface: AtomicUsize,
}

impl Area {
    /// Where the reader flag lies.
    pub const READER: usize = core::mem::offset_of!(Area, reader);

    constructor! {
    /// A core that is not there yet.
    new {
        Self {
            gate: AtomicU32::new(0),
            request: AtomicU32::new(0),
            reader: Reader { flag: AtomicU32::new(0) },
            stack: AtomicUsize::new(0),
            signs: AtomicUsize::new(0),
            zeros: [0; 2],
            floor: AtomicI64::new(-1),
            context: AtomicU64::new(0),
            closed_floor: AtomicI64::new(-1),
            number: AtomicU32::new(0),
            fpu_open: AtomicU32::new(0),
            fpu_owner: AtomicUsize::new(0),
            thread: AtomicUsize::new(0),
            event: AtomicU32::new(0),
            parked: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            affinity: AtomicU64::new(0),
            loops: AtomicU32::new(0),
            firmware: AtomicU32::new(0),
            conduit: AtomicU32::new(0),
            trampoline: AtomicU32::new(0),
            vectors: AtomicUsize::new(0),
            own_key: [AtomicU64::new(0), AtomicU64::new(0)],
            process_key: [AtomicU64::new(0), AtomicU64::new(0)],
            scheduler: AtomicUsize::new(0),
            lines: AtomicUsize::new(0),
            distributor: AtomicUsize::new(0),
            interface: AtomicUsize::new(0),
        }
    }
    }

    /// Tells the fast paths the most urgent priority in the core's ready queues, -1 when they are empty. While the vector
    /// registers are open no priority is enough.
    pub fn set_floor(&self, top: i32) {
        let open = self.fpu_open.load(Ordering::Relaxed) != 0;
        let floor = key(self.number.load(Ordering::Relaxed) as usize, top);
        self.closed_floor.store(floor, Ordering::Relaxed);
        self.floor.store(if open { i64::MAX } else { floor }, Ordering::Relaxed);
    }

    /// Return addresses are signed on this core from its first thread on, with these keys.
    pub fn sign(&self, own: [u64; 2], processes: [u64; 2]) {
        for half in 0..2 {
            self.own_key[half].store(own[half], Ordering::Relaxed);
            self.process_key[half].store(processes[half], Ordering::Relaxed);
        }
        self.signs.store(1, Ordering::Relaxed);
    }

    /// The fast path's side of the gate, as the assembly does it: `false` when the slow way must be gone.
    pub fn read(&self) -> bool {
        self.reader.flag.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.gate.load(Ordering::Acquire) == 0 {
            return true;
        }
        self.read_done();
        false
    }

    /// The end of a fast path.
    pub fn read_done(&self) {
        self.reader.flag.store(0, Ordering::Release);
    }

    /// Serves a request, if there is one. Called in the loop at the lock.
    pub fn serve(&self, leave_space: impl FnOnce(), save_fpu: impl FnOnce(&Self)) {
        match self.request.load(Ordering::Acquire) {
            0 => return,
            request if request == Request::SaveFpu as u32 => save_fpu(self),
            _ => leave_space(),
        }
        self.request.store(0, Ordering::Release);
    }

    /// Whether the core is in front of the lock or idle: its thread's registers are saved. For the holder.
    pub fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Acquire)
    }
}

impl Default for Area {
    fn default() -> Self {
        Self::new()
    }
}

/// What a stopped core was doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// Where the registers of its thread lie; 0: it was idle.
    pub thread: usize,
    /// Whether its thread was about to make a system call, which is taken back.
    pub call: bool,
}

/// The bit of a gate that says that the kernel is traced.
const TRACED: u32 = 2;

/// The lock.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Lock {
    next: AtomicU32,
    serving: AtomicU32,
    /// A bit for each core that is there.
    online: AtomicU32,
    /// What a gate holds when no slow path runs: not 0 keeps the fast paths switched off.
    open: AtomicU32,
    /// No other core was ever there, so nobody takes what the boot core has.
    alone: AtomicBool,
}

impl Lock {
    constructor! {
    /// A lock that the boot core, number 0, holds.
    held {
        Self {
            next: AtomicU32::new(1),
            serving: AtomicU32::new(0),
            online: AtomicU32::new(1),
            open: AtomicU32::new(0),
            alone: AtomicBool::new(true),
        }
    }
    }

    /// A core takes part from now on. Called by the holder.
    pub fn add(&self, core: usize) {
        self.alone.store(false, Ordering::Relaxed);
        self.online.fetch_or(1 << core, Ordering::Relaxed);
    }

    /// Whether the boot core is the only one. It keeps the lock then: it never waits, and nobody stops it. Cores are added
    /// during the boot alone, so what it is told once stays.
    #[inline(always)]
    pub fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Relaxed)
    }

    /// Switches the fast paths of all cores off or on. Called by the holder.
    pub fn switch_fast_paths(&self, areas: &[Area], on: bool) {
        self.open.store(u32::from(!on), Ordering::Relaxed);
        for area in areas {
            area.gate.store(u32::from(!on), Ordering::Relaxed);
        }
    }

    /// Keeps the fast paths closed while the kernel is traced, or no longer. The other cores' gates, closed now, follow when
    /// the holder, core `me`, gives the lock up.
    pub fn trace(&self, areas: &[Area], me: usize, on: bool) {
        let other = self.open.load(Ordering::Relaxed) & !TRACED;
        let open = other | if on { TRACED } else { 0 };
        self.open.store(open, Ordering::Relaxed);
        areas[me].gate.store(open, Ordering::Relaxed);
    }

    fn others(&self, me: usize) -> u32 {
        self.online.load(Ordering::Relaxed) & !(1 << me)
    }

    /// Takes the lock for core `me`. Its thread's registers are saved; while it waits it is parked, and `wait` is called in
    /// a loop: it serves requests and may sleep until an event.
    pub fn enter(&self, areas: &[Area], me: usize, event: Event, mut wait: impl FnMut(&Area)) {
        if self.is_alone() {
            return;
        }
        let area = &areas[me];
        area.event.store(event as u32, Ordering::Relaxed);
        area.parked.store(true, Ordering::Release);
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        while self.serving.load(Ordering::Acquire) != ticket {
            wait(area);
        }
        // Only the holder looks at it.
        area.parked.store(false, Ordering::Relaxed);
        let others = self.others(me);
        if others != 0 {
            self.close(areas, others);
        }
    }

    fn close(&self, areas: &[Area], others: u32) {
        let each = || areas.iter().enumerate().filter(|(core, _)| others & 1 << core != 0).map(|(_, area)| area);
        for area in each() {
            area.gate.store(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        for area in each() {
            while area.reader.flag.load(Ordering::Acquire) != 0 {
                spin_loop();
            }
        }
    }

    /// Gives the lock up. `true`: others may wait for it asleep.
    pub fn leave(&self, areas: &[Area], me: usize) -> bool {
        if self.is_alone() {
            return false;
        }
        let others = self.others(me);
        if others != 0 {
            let open = self.open.load(Ordering::Relaxed);
            for (core, area) in areas.iter().enumerate() {
                if others & 1 << core != 0 {
                    area.gate.store(open, Ordering::Release);
                }
            }
        }
        let served = self.serving.load(Ordering::Relaxed);
        self.serving.store(served.wrapping_add(1), Ordering::Release);
        others != 0
    }

    /// Gives the lock up and stays parked: the core is idle, in the empty address space, with nothing of its own at hand.
    pub fn leave_idle(&self, areas: &[Area], me: usize) -> bool {
        let area = &areas[me];
        area.thread.store(0, Ordering::Relaxed);
        area.event.store(Event::Idle as u32, Ordering::Relaxed);
        area.parked.store(true, Ordering::Release);
        self.leave(areas, me)
    }

    /// Whether another core waits for the lock.
    pub fn is_wanted(&self) -> bool {
        let serving = self.serving.load(Ordering::Relaxed);
        self.next.load(Ordering::Relaxed).wrapping_sub(serving) > 1
    }

    /// Makes another core wait for the lock: `interrupt` is called unless it is parked. What it came for, or comes for now, is
    /// not void by that. Returns where its thread's registers lie, 0: it is idle. `None`: it was stopped since it came to the
    /// lock. Called by the holder.
    pub fn park(&self, area: &Area, interrupt: impl FnOnce()) -> Option<usize> {
        if !area.is_parked() {
            interrupt();
            while !area.is_parked() {
                spin_loop();
            }
        }
        if area.stopped.load(Ordering::Relaxed) { None } else { Some(area.thread.load(Ordering::Relaxed)) }
    }

    /// Stops another core: `interrupt` is called unless it is parked. `None`: it was stopped already since it came to the
    /// lock. Called by the holder.
    pub fn stop(&self, area: &Area, interrupt: impl FnOnce()) -> Option<Stopped> {
        let thread = self.park(area, interrupt)?;
        area.stopped.store(true, Ordering::Relaxed);
        Some(Stopped { thread, call: area.event.load(Ordering::Relaxed) == Event::Call as u32 })
    }

    /// Asks something of a stopped core, and waits until it is done. An idle core has no address space and no registers.
    pub fn ask(&self, area: &Area, request: Request, wake: impl FnOnce()) {
        if area.event.load(Ordering::Relaxed) == Event::Idle as u32 {
            return;
        }
        area.request.store(request as u32, Ordering::Release);
        wake();
        while area.request.load(Ordering::Acquire) != 0 {
            spin_loop();
        }
    }

    /// Whether this core, which just took the lock, had been stopped before: then what it came for is void.
    pub fn was_stopped(&self, area: &Area) -> bool {
        area.stopped.swap(false, Ordering::Relaxed)
    }
}
