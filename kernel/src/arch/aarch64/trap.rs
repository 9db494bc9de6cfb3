//! The door: raw pointers and registers stay here, safe functions with `&mut Kernel` do the work.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

use abi::FaultKind;

use super::{cores, identity, machine::Machine, psci, selftest, unmapped};
use crate::errata::Quirks;
use crate::fault::{self, Fault};
use crate::gate::Event;
use crate::kernel::{Kernel, Next};
use crate::mm::regions::Regions;
use crate::mm::{Direct, Mem, Ref};
use crate::syscall::{self, After, Args};
use crate::{interrupt, maintenance};

pub(super) struct Cell(UnsafeCell<MaybeUninit<Kernel>>);

// SAFETY: `kernel()` is called by the holder of the lock alone, with interrupts masked, once per entry.
unsafe impl Sync for Cell {}

pub(super) static KERNEL: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));

/// Makes the kernel in its place. Called once, by the boot core, which holds the lock.
#[inline(never)]
pub(super) fn install(mem: Mem, machine: Machine, forbidden: Regions) -> &'static mut Kernel {
    // SAFETY: the boot core holds the lock and no reference exists yet.
    let k = unsafe { (*KERNEL.0.get()).write(Kernel::new(mem, machine, forbidden)) };
    cores::show(k, 0, cores::area());
    k
}

/// Gives up the lock, which the boot core held until now; returns the registers of the first thread.
pub(super) fn first(k: &'static mut Kernel) -> usize {
    leave(k)
}

fn kernel() -> &'static mut Kernel {
    // SAFETY: the caller holds the lock, which is given up for the first time after `install`; interrupts are masked while
    // the kernel runs, so no second entry and no second reference exists until the lock is given up again.
    unsafe { (*KERNEL.0.get()).assume_init_mut() }
}

/// A core that came up takes its place; returns the registers of the thread to run.
pub(super) fn join() -> usize {
    let k = idle_enter();
    unmapped::begin();
    let core = k.sched.own();
    let Kernel { mem, machine, .. } = &mut *k;
    if !machine.start_core(mem, core) {
        // It stays parked for ever: no thread comes to run on a core that no interrupt reaches.
        log::error!("cores: the interrupt controller knows no core {core}");
    }
    k.settle_time();
    leave(k)
}

/// Takes the lock for a core that was idle.
fn idle_enter() -> &'static mut Kernel {
    cores::enter(Event::Idle);
    let k = kernel();
    k.sched.set_own(cores::number());
    cores::LOCK.was_stopped(cores::area());
    k
}

/// Takes the lock for the thread whose registers lie at `context`. `false`: this core was stopped before it had the lock, and
/// what it came for is void: the thread tries again, if it still may.
#[inline(always)]
fn enter(context: usize, event: Event) -> (&'static mut Kernel, bool) {
    let live = cores::LOCK.is_alone() || enter_beside_others(context, event);
    let k = kernel();
    if live {
        let thread = Direct::from_word(context as u64).map(Ref::from);
        (k.sched.current, k.sched.loaded) = (thread, thread);
    }
    (k, live)
}

#[inline(never)]
fn enter_beside_others(context: usize, event: Event) -> bool {
    let area = cores::own_area();
    area.thread.store(context, Ordering::Relaxed);
    cores::enter(event);
    kernel().sched.set_own(cores::number());
    !cores::LOCK.was_stopped(area)
}

/// Exception classes (ARM DDI 0487, ESR_EL1.EC).
mod class {
    pub const FPU: u64 = 0x07;
    pub const BRANCH_TARGET: u64 = 0x0d;
    pub const SVC: u64 = 0x15;
    pub const SVE: u64 = 0x19;
    pub const SIGNATURE: u64 = 0x1c;
    pub const INSTRUCTION_ABORT: u64 = 0x20;
    pub const PC_ALIGNMENT: u64 = 0x22;
    pub const DATA_ABORT: u64 = 0x24;
    pub const SP_ALIGNMENT: u64 = 0x26;
    pub const BRK: u64 = 0x3c;
}

/// A system call; returns the registers of the thread to run, 0: the caller goes on at once, with x0 to x7 as it has them and
/// nothing in the others that it gave up.
pub(super) extern "C" fn call(context: usize, args: &Args) -> usize {
    let alone = cores::LOCK.is_alone();
    let live = alone || enter_beside_others(context, Event::Call);
    let k = kernel();
    if live && let Some(thread) = Direct::from_word(context as u64).map(Ref::from) {
        (k.sched.current, k.sched.loaded) = (Some(thread), Some(thread));
        if syscall::call(k, thread, args) == After::Done {
            if k.stays(thread) {
                if !alone {
                    cores::leave();
                }
                return 0;
            }
            k.finish(thread, Next::Done);
        }
    }
    leave_slowly(k)
}

#[inline(never)]
fn leave_slowly(k: &'static mut Kernel) -> usize {
    leave(k)
}

/// A synchronous exception from user space; returns the registers of the thread to run.
pub(super) extern "C" fn sync(context: usize, syndrome: u64, address: u64) -> usize {
    let call = syndrome >> 26 & 0x3f == class::SVC && syndrome & 0xffff == 0;
    let (k, live) = enter(context, if call { Event::Call } else { Event::Other });
    if live && let Some(thread) = k.sched.current() {
        if call {
            syscall::handle(k, thread);
        } else if syndrome >> 26 & 0x3f == class::INSTRUCTION_ABORT && k.lacks_space(thread) {
            // A fast path let it go on. Now its address space gets an ASID again.
            k.forget_loaded();
        } else if syndrome >> 26 & 0x3f == class::FPU && k.use_fpu(thread) {
            // The instruction is tried again.
        } else if is_untranslated(syndrome) {
            fault::untranslated(k, thread, address, || decode(syndrome, address));
        } else if !(identity::has(Quirks::CLEAN_INVALIDATES) && maintenance::serve(k, thread, syndrome)) {
            fault::handle(k, thread, decode(syndrome, address));
        }
    }
    leave(k)
}

/// An asynchronous bus error while user space ran.
pub(super) extern "C" fn serror(context: usize, syndrome: u64) -> usize {
    let (k, _) = enter(context, Event::Other);
    fault::bus_error(k, Direct::from_word(context as u64).map(Ref::from), syndrome);
    leave(k)
}

/// An interrupt while user space ran, which was acknowledged if that is a line.
pub(super) extern "C" fn irq(context: usize, acknowledged: u32) -> usize {
    let (k, _) = enter(context, Event::Other);
    let line = k.machine.acknowledged(acknowledged);
    interrupt::handle_from(k, line);
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
        0 | 0x18 | class::SVE => FaultKind::Undefined,
        class::FPU => FaultKind::Fpu,
        class::SVC => FaultKind::BadSvc,
        class::INSTRUCTION_ABORT => abort(FaultKind::Execute),
        class::DATA_ABORT if syndrome & 1 << 6 != 0 => abort(FaultKind::Write),
        class::DATA_ABORT => abort(FaultKind::Read),
        class::PC_ALIGNMENT | class::SP_ALIGNMENT => FaultKind::Alignment,
        class::BRK => FaultKind::Breakpoint,
        class::BRANCH_TARGET => FaultKind::Branch,
        class::SIGNATURE => FaultKind::Signature,
        _ => FaultKind::Other,
    };
    let named =
        matches!(kind, FaultKind::Read | FaultKind::Write | FaultKind::Execute | FaultKind::Alignment | FaultKind::Bus);
    Fault { kind, address: if named { address } else { 0 }, syndrome }
}

/// Picks the thread to run, loads its address space, gives up the lock and returns the thread's registers; waits when there
/// is none.
#[inline(always)]
fn leave(k: &'static mut Kernel) -> usize {
    let context = match k.stay() {
        Some(thread) => k.mem.context_address(thread),
        None => switch(k),
    };
    cores::leave();
    context
}

/// Calls the firmware without the lock: the other cores go on, and to them this one is idle.
#[cold]
fn in_firmware(k: &'static mut Kernel, words: [u64; 8]) -> &'static mut Kernel {
    let conduit = k.machine.conduit();
    k.machine.enter_nothing();
    cores::leave_idle();
    let results = conduit.map_or([u64::MAX; 8], |conduit| psci::call_with(conduit, words));
    let k = idle_enter();
    k.firmware_returned(&results);
    k
}

#[inline(never)]
fn switch(mut k: &'static mut Kernel) -> usize {
    loop {
        if let Some(words) = k.leave_for_firmware() {
            k = in_firmware(k, words);
        }
        if let Some(thread) = k.pick() {
            if k.enter(thread) {
                return k.mem.context_address(thread);
            }
            // Losing the address space halts a thread; this cannot be, and must not be believed.
            k.halt(thread, crate::object::State::Suspended);
        } else {
            k.forget_loaded();
            k.trace_switch(None);
            k.empty_core(k.sched.own());
            k.machine.enter_nothing();
            selftest::on_idle(k);
            // Another core may have asked for the lock in the middle of it: what is left is done behind that.
            let buried = k.graves.is_none();
            cores::leave_idle();
            if buried {
                cores::sleep();
            }
            k = idle_enter();
            interrupt::handle(k);
        }
    }
}
