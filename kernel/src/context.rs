//! The registers of a thread while it does not run.

use abi::{OutWord, SyscallError};

/// The registers of user space. SP_EL1 points here while the thread runs, so trap entry stores without looking anything
/// up; the assembly in `arch::aarch64::vectors` knows the order.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// x0–x30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// ELR_EL1: where it goes on.
    pub pc: u64,
    /// SPSR_EL1: always EL0, interrupts open.
    pub spsr: u64,
    /// TPIDR_EL0.
    pub tpidr: u64,
    /// Keeps the size a multiple of 16.
    pub pad: u64,
}

impl Context {
    /// All registers zero, EL0 with interrupts open.
    pub const fn new() -> Self {
        Self { x: [0; 31], sp: 0, pc: 0, spsr: 0, tpidr: 0, pad: 0 }
    }

    /// x0–x7.
    pub const fn words(&self) -> &[u64; 8] {
        match self.x.first_chunk() {
            Some(words) => words,
            None => unreachable!(),
        }
    }

    /// x0–x7.
    pub const fn words_mut(&mut self) -> &mut [u64; 8] {
        match self.x.first_chunk_mut() {
            Some(words) => words,
            None => unreachable!(),
        }
    }

    /// Eight registers from `first` on, numbered as in `Op::ThreadWriteRegisters`; those past the last are 0.
    pub fn registers(&self, first: usize) -> [u64; 8] {
        let register = |number: usize| match number {
            0..=30 => self.x[number],
            31 => self.sp,
            32 => self.pc,
            33 => self.tpidr,
            _ => 0,
        };
        core::array::from_fn(|index| register(first.saturating_add(index)))
    }

    /// Ends a system call with a refusal: x8 = error, nothing else changes but what the stub gave up.
    pub fn refuse(&mut self, error: SyscallError, label: u32) {
        crate::arch::copy_words(&[0; 8], self.words_mut());
        self.finish(OutWord::error(error, label), 0);
    }

    /// Ends a system call: x8 and x9, and the registers the ABI lets go of are cleared, so that nothing leaks.
    pub fn finish(&mut self, out: OutWord, badge: u64) {
        self.x[8] = out.0;
        self.x[9] = badge;
        crate::arch::clear_scratch(&mut self.x);
    }

    /// Ends an operation whose results are x0–x7.
    pub fn answer(&mut self, results: &[u64; 8]) {
        crate::arch::copy_words(results, self.words_mut());
        self.finish(OutWord(0), 0);
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}
