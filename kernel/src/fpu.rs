//! The vector registers of threads: who may use them, and where each thread's are (decision 0015).
//!
//! A core holds the registers of at most one thread, its owner. They are stored when another thread of that core uses its
//! own for the first time, or when their owner does so on another core.

use crate::kernel::Kernel;
use crate::mm::Ref;
use crate::object::Thread;

/// Where a thread's vector registers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u32)]
pub enum Place {
    /// It may not use any.
    #[default]
    Forbidden = 0,
    /// In its [`FpuState`].
    Saved = 1,
    /// In the core whose owner it is. The number is what CPACR_EL1 holds then, which the trap has at hand.
    InCore = 0b11 << 20,
}

/// The vector registers of a thread while no core holds them: behind each Thread, in the same memory. All zeros is how a
/// thread begins. The assembly knows the order.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub struct FpuState {
    /// v0–v31, low and high halves.
    pub v: [[u64; 2]; 32],
    /// FPCR.
    pub fpcr: u64,
    /// FPSR.
    pub fpsr: u64,
    /// Whether they are valid.
    pub place: Place,
}

impl FpuState {
    /// Bytes from a Thread to its state.
    pub const BEHIND: usize = size_of::<Thread>();
    /// The number of the first register as `Op::ThreadWriteRegisters` counts: the low half of v0.
    pub const FIRST: usize = 64;
    /// One more than that of the last, FPSR.
    pub const END: usize = 130;
    /// The state of a thread.
    pub fn of(thread: Ref<Thread>) -> Ref<Self> {
        thread.offset((Self::BEHIND / 64) as u32)
    }

    /// The register with a number from `FIRST` on; 0 past the last.
    pub fn register(&self, number: usize) -> u64 {
        match number.wrapping_sub(Self::FIRST) {
            index @ 0..64 => self.v[index / 2][index % 2],
            64 => self.fpcr,
            65 => self.fpsr,
            _ => 0,
        }
    }

    /// Sets it.
    pub fn set_register(&mut self, number: usize, value: u64) {
        match number.wrapping_sub(Self::FIRST) {
            index @ 0..64 => self.v[index / 2][index % 2] = value,
            64 => self.fpcr = value,
            65 => self.fpsr = value,
            _ => {}
        }
    }
}

const _: () = assert!(FpuState::BEHIND.is_multiple_of(64));

impl Kernel {
    /// Whether a thread may use vector registers.
    pub fn may_use_fpu(&self, thread: Ref<Thread>) -> bool {
        self.mem[FpuState::of(thread)].place != Place::Forbidden
    }

    /// The thread that runs reached for a vector register and was kept from it. `false`: it may not have any.
    pub fn use_fpu(&mut self, thread: Ref<Thread>) -> bool {
        if !self.may_use_fpu(thread) {
            return false;
        }
        let (own, address) = (self.sched.own(), self.mem.context_address(thread));
        if self.machine.fpu_owner(own) != address {
            self.save_fpu(thread);
            self.empty_core(own);
            self.machine.load_fpu(own, address);
            self.machine.set_fpu_owner(own, address);
            self.mem[FpuState::of(thread)].place = Place::InCore;
        }
        self.open_fpu(true);
        true
    }

    /// A thread is about to run on this core: it reaches the vector registers if they are its own.
    #[inline(always)]
    pub(crate) fn settle_fpu(&mut self, thread: Ref<Thread>) {
        let owner = self.machine.fpu_owner(self.sched.own());
        self.open_fpu(owner == self.mem.context_address(thread));
    }

    #[inline(always)]
    fn open_fpu(&mut self, open: bool) {
        if self.machine.open_fpu(self.sched.own(), open) {
            self.sched.tell_floor();
        }
    }

    /// A thread may use vector registers, or may not. What it had in them it keeps.
    pub(crate) fn allow_fpu(&mut self, thread: Ref<Thread>, allowed: bool) {
        self.save_fpu(thread);
        self.mem[FpuState::of(thread)].place = if allowed { Place::Saved } else { Place::Forbidden };
    }

    /// The thread is dead: no core holds registers for it.
    pub(crate) fn forget_fpu(&mut self, thread: Ref<Thread>) {
        if let Some(core) = self.fpu_core(thread) {
            self.machine.set_fpu_owner(core, 0);
        }
        self.mem[FpuState::of(thread)].place = Place::Forbidden;
    }

    /// If a core holds the registers of this thread, they are stored.
    pub(crate) fn save_fpu(&mut self, thread: Ref<Thread>) {
        if let Some(core) = self.fpu_core(thread) {
            self.empty_core(core);
        }
    }

    /// Stores what a core holds; then it has no owner, and nobody reaches what is left in it.
    pub(crate) fn empty_core(&mut self, core: usize) {
        let Some(owner) = self.mem.thread_at(self.machine.fpu_owner(core)) else { return };
        if core != self.sched.own() {
            self.machine.park(core);
        }
        self.machine.save_fpu(core);
        self.machine.set_fpu_owner(core, 0);
        self.sched.of_mut(core).tell_floor();
        self.mem[FpuState::of(owner)].place = Place::Saved;
    }

    /// The core that holds the registers of this thread.
    fn fpu_core(&self, thread: Ref<Thread>) -> Option<usize> {
        if self.mem[FpuState::of(thread)].place != Place::InCore {
            return None;
        }
        let address = self.mem.context_address(thread);
        (0..self.sched.count()).find(|&core| self.machine.fpu_owner(core) == address)
    }
}
