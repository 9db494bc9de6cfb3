//! The door: raw pointers and registers stay here, safe functions with `&mut Kernel` do the work.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use abi::FaultKind;

use crate::fault::{self, Fault};
use crate::kernel::Kernel;
use crate::{interrupt, syscall};

struct Cell(UnsafeCell<MaybeUninit<Kernel>>);

// SAFETY: one core enters the kernel, with interrupts masked; `kernel()` is called once per entry.
unsafe impl Sync for Cell {}

static KERNEL: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));

/// Puts the kernel's state in its place. Called once, before the first thread runs.
pub(super) fn install(kernel: Kernel) -> &'static mut Kernel {
    // SAFETY: boot runs alone and no reference exists yet.
    let kernel = unsafe { (*KERNEL.0.get()).write(kernel) };
    kernel.sched.stack = super::start::stack().end;
    let core = &raw const kernel.sched;
    // SAFETY: trap entry finds this core's stack and scheduler through TPIDR_EL1; the kernel stays where it is.
    unsafe { core::arch::asm!("msr tpidr_el1, {}", in(reg) core) };
    kernel
}

fn kernel() -> &'static mut Kernel {
    // SAFETY: traps come only from user space, after `install`; interrupts are masked while the kernel runs, so no
    // second entry and no second reference exists until this one has returned to user space.
    unsafe { (*KERNEL.0.get()).assume_init_mut() }
}

/// Exception classes (ARM DDI 0487, ESR_EL1.EC).
mod class {
    pub const FPU: u64 = 0x07;
    pub const SVC: u64 = 0x15;
    pub const SVE: u64 = 0x19;
    pub const INSTRUCTION_ABORT: u64 = 0x20;
    pub const PC_ALIGNMENT: u64 = 0x22;
    pub const DATA_ABORT: u64 = 0x24;
    pub const SP_ALIGNMENT: u64 = 0x26;
    pub const BRK: u64 = 0x3c;
}

/// A synchronous exception from user space; returns the registers of the thread to run.
pub(super) extern "C" fn sync(syndrome: u64, address: u64) -> usize {
    let k = kernel();
    if let Some(thread) = k.sched.current() {
        if syndrome >> 26 & 0x3f == class::SVC && syndrome & 0xffff == 0 {
            syscall::handle(k, thread);
        } else if is_untranslated(syndrome) {
            fault::untranslated(k, thread, decode(syndrome, address));
        } else {
            fault::handle(k, thread, decode(syndrome, address));
        }
    }
    leave(k)
}

/// An asynchronous bus error while user space ran: the device or the thread is at fault, not the kernel.
pub(super) extern "C" fn serror(syndrome: u64) -> usize {
    let k = kernel();
    if let Some(thread) = k.sched.current() {
        fault::handle(k, thread, Fault { kind: FaultKind::Bus, address: 0, syndrome });
    }
    leave(k)
}

/// An interrupt while user space ran.
pub(super) extern "C" fn irq() -> usize {
    let k = kernel();
    interrupt::handle(k);
    leave(k)
}

/// A data access without translation, at whatever level.
fn is_untranslated(syndrome: u64) -> bool {
    syndrome >> 26 & 0x3f == class::DATA_ABORT && matches!(syndrome & 0x3f, 0x04..=0x07)
}

fn decode(syndrome: u64, address: u64) -> Fault {
    let status = syndrome & 0x3f;
    let abort = |kind| match status {
        0x10 | 0x13..=0x17 => FaultKind::Bus,
        0x21 => FaultKind::Alignment,
        _ => kind,
    };
    let kind = match syndrome >> 26 & 0x3f {
        0 | 0x18 => FaultKind::Undefined,
        class::FPU | class::SVE => FaultKind::Fpu,
        class::SVC => FaultKind::BadSvc,
        class::INSTRUCTION_ABORT => abort(FaultKind::Execute),
        class::DATA_ABORT if syndrome & 1 << 6 != 0 => abort(FaultKind::Write),
        class::DATA_ABORT => abort(FaultKind::Read),
        class::PC_ALIGNMENT | class::SP_ALIGNMENT => FaultKind::Alignment,
        class::BRK => FaultKind::Breakpoint,
        _ => FaultKind::Other,
    };
    let named =
        matches!(kind, FaultKind::Read | FaultKind::Write | FaultKind::Execute | FaultKind::Alignment | FaultKind::Bus);
    Fault { kind, address: if named { address } else { 0 }, syndrome }
}

/// Picks the thread to run, loads its address space, and returns its registers; waits when there is none.
#[inline(always)]
pub(super) fn leave(k: &mut Kernel) -> usize {
    match k.stay() {
        Some(thread) => k.mem.context_address(thread),
        None => switch(k),
    }
}

#[inline(never)]
fn switch(k: &mut Kernel) -> usize {
    loop {
        if let Some(thread) = k.pick() {
            if k.enter(thread) {
                return k.mem.context_address(thread);
            }
            // Losing the address space halts a thread; this cannot be, and must not be believed.
            k.halt(thread, crate::object::State::Suspended);
        } else {
            k.forget_loaded();
            k.machine.wait();
            interrupt::handle(k);
        }
    }
}
