//! The other cores: bringing them up, the lock, interrupts from core to core.

use core::ops::Range;
use core::sync::atomic::Ordering;

use aarch64_cpu::asm::{sev, wfe, wfi};
use aarch64_cpu::registers::{CNTKCTL_EL1, CNTVCT_EL0, CPACR_EL1, MPIDR_EL1, Readable, TPIDR_EL1, Writeable};
use tree::{Conduit, Cpu, EnableMethod, Machine as Described, Status};

use super::mmu::{self, DeviceWindow};
use super::{fpu, psci, start, trap};
use crate::gate::{Area, Event, Lock, MAX_CORES};
use crate::kernel::Kernel;
use crate::mm::Phys;
use crate::mm::regions::Regions;

/// What is known of each core. The fast paths and trap entry find theirs through TPIDR_EL1.
pub(super) static AREAS: [Area; MAX_CORES] = [const { Area::new() }; MAX_CORES];
/// The kernel's lock. The boot core holds it until the first thread runs.
pub(super) static LOCK: Lock = Lock::held();

/// Bytes of another core's stack.
const STACK: u64 = 16 << 10;
/// How long a core may take to come up, in milliseconds.
const PATIENCE_MS: u64 = 500;
/// PSCI CPU_ON, 64-bit (ARM DEN0022, 5.4).
const CPU_ON: u64 = 0xc400_0003;

unsafe extern "C" {
    static secondary_entry: u8;
    static __image_start: u8;
}

/// This core's affinity as the tree writes it.
fn affinity() -> u64 {
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

/// The area of this core.
pub(super) fn area() -> &'static Area {
    // Early in boot the register points elsewhere: that is core 0.
    let offset = (TPIDR_EL1.get() as usize).wrapping_sub(&raw const AREAS as usize);
    AREAS.get(offset / size_of::<Area>()).unwrap_or(&AREAS[0])
}

/// What says that something belongs to the fast paths of a core: where its area lies. Bit 46 tells it from an object.
#[inline(always)]
pub fn idle_word(core: usize) -> u64 {
    &raw const AREAS[core % MAX_CORES] as u64
}

/// The number of this core.
pub(super) fn number() -> usize {
    area().number.load(Ordering::Relaxed) as usize
}

/// The stack of this core.
pub(super) fn stack() -> Range<usize> {
    match area().stack.load(Ordering::Relaxed) {
        end if number() != 0 => end - STACK as usize..end,
        _ => start::stack(),
    }
}

/// The boot core has an area from now on.
pub(super) fn claim(stack: usize) {
    let area = &AREAS[0];
    area.stack.store(stack, Ordering::Relaxed);
    area.affinity.store(affinity(), Ordering::Relaxed);
    TPIDR_EL1.set(&raw const *area as u64);
}

/// Takes the lock for this core: its thread's registers are saved, it came because of `event`.
pub(super) fn enter(event: Event) {
    LOCK.enter(&AREAS, number(), event, |area| {
        area.serve(mmu::leave_user_table, fpu::save);
        // The lock's release sends an event, and so does who asks for something.
        wfe();
    });
}

/// Gives the lock up.
pub(super) fn leave() {
    if LOCK.leave(&AREAS, number()) {
        wake();
    }
}

/// Gives the lock up and stays parked, idle in the empty address space.
pub(super) fn leave_idle() {
    if LOCK.leave_idle(&AREAS, number()) {
        wake();
    }
}

/// Sleeps until an interrupt waits.
pub(super) fn sleep() {
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("dsb sy", options(nostack, preserves_flags)) };
    wfi();
}

/// Wakes cores that wait for an event, after all that was written before.
pub(super) fn wake() {
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("dsb ishst", options(nostack, preserves_flags)) };
    sev();
}

/// Starts the cores the tree lists, one after the other. What does not come up is reported and left out.
pub(super) fn start_all(
    k: &mut Kernel,
    described: &Described<'_>,
    window: &mut DeviceWindow,
    free: &mut Regions,
    image: u64,
) {
    let own = affinity();
    let entry = image + (&raw const secondary_entry as usize - &raw const __image_start as usize) as u64;
    for cpu in described.cpus.iter().filter(|cpu| cpu.mpidr != own && cpu.status != Status::Fail) {
        let number = k.sched.count();
        let Some(area) = AREAS.get(number) else {
            log::warn!("cores: {MAX_CORES} are used, the others are left out");
            return;
        };
        let Some(stack) = free.take(STACK, 4096).and_then(|base| window.map_stack(Phys(base), STACK)) else {
            return log::warn!("cores: no memory for the stack of core {:#x}", cpu.mpidr);
        };
        area.stack.store(stack, Ordering::Relaxed);
        area.number.store(number as u32, Ordering::Relaxed);
        area.affinity.store(cpu.mpidr, Ordering::Relaxed);
        area.set_floor(-1);
        match start(cpu, described.psci, area, entry, number as u64, k) {
            Ok(()) => {
                k.sched.add();
                k.sched.of_mut(number).area = Some(area);
                LOCK.add(number);
            }
            Err(why) if area.give_up() => log::warn!("cores: core {:#x} is left out: {why}", cpu.mpidr),
            // It came in the last moment.
            Err(_) => {
                k.sched.add();
                k.sched.of_mut(number).area = Some(area);
                LOCK.add(number);
            }
        }
    }
    if described.cpus_left_out > 0 {
        log::warn!("cores: {} more than this kernel looks at are left out", described.cpus_left_out);
    }
}

fn start(
    cpu: &Cpu<'_>,
    conduit: Option<Conduit>,
    area: &Area,
    entry: u64,
    number: u64,
    k: &Kernel,
) -> Result<(), &'static str> {
    if cpu.method != EnableMethod::Psci {
        return Err("its enable-method is not psci");
    }
    let conduit = conduit.ok_or("there is no psci node")?;
    // What it reads before its caches are on was written with ours on; it reads nothing but its number in x0.
    match psci::call(conduit, CPU_ON, [cpu.mpidr, entry, number]) as u32 as i32 {
        0 => {}
        -2 => return Err("PSCI CPU_ON: invalid parameters"),
        -3 => return Err("PSCI CPU_ON: denied"),
        -4 => return Err("PSCI CPU_ON: already on"),
        _ => return Err("PSCI CPU_ON failed"),
    }
    let end = k.machine.now() + k.machine.ticks_of_ms(PATIENCE_MS);
    while !area.has_arrived() {
        if CNTVCT_EL0.get() > end {
            return Err("it was started and does not answer");
        }
        core::hint::spin_loop();
    }
    Ok(())
}

/// What every core sets for itself: user space reads the virtual counter; its first use of vector registers traps.
pub(super) fn set_registers() {
    CNTKCTL_EL1.set(0b10);
    CPACR_EL1.set(fpu::CLOSED);
}

/// A secondary core's first Rust code, on its own stack with the MMU on.
pub(super) extern "C" fn secondary() -> ! {
    set_registers();
    mmu::leave_user_table();
    mmu::flush_local();
    let area = area();
    if !area.arrive() {
        psci::halt();
    }
    // From here on it waits for the boot core to let go of the lock.
    start::enter_user(trap::join())
}
