//! The other cores: bringing them up, the lock, interrupts from core to core.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use aarch64_cpu::asm::{sev, wfe, wfi};
use aarch64_cpu::registers::{
    CNTKCTL_EL1, CPACR_EL1, MPIDR_EL1, Readable, TPIDR_EL1, TPIDRRO_EL0, VBAR_EL1, Writeable,
};
use abi::{Named, Protections};
use tree::{Conduit, Cpu, EnableMethod, MAX_CPUS, Machine as Described, Status};

use super::mmu::{self, DeviceWindow};
use super::{fpu, identity, psci, start, trap, vectors};
use crate::arrival::{Arrival, TurnedAway};
use crate::boot;
use crate::features::{Census, Identity, Lack, Needs};
use crate::gate::{Area, Event, Lock, MAX_CORES};
use crate::kernel::Kernel;
use crate::mitigation::{Mitigation, Wish};
use crate::mm::Phys;
use crate::mm::regions::{Range as Extent, Regions};

/// What is known of each core. The fast paths and trap entry find theirs through TPIDR_EL1.
pub(super) static AREAS: [Area; MAX_CORES] = [const { Area::new() }; MAX_CORES];
/// The kernel's lock. The boot core holds it until the first thread runs.
pub(super) static LOCK: Lock = Lock::held();

/// Bytes of another core's stack.
const STACK: u64 = 16 << 10;
/// How long a core may take to come up, in milliseconds.
const PATIENCE_MS: u64 = 500;
/// Bytes of an entry for a spin table.
const SPIN_ENTRY: u64 = 8;
/// PSCI CPU_ON, 64-bit (ARM DEN0022, 5.4).
const CPU_ON: u64 = 0xc400_0003;

unsafe extern "C" {
    static secondary_entry: u8;
    static spin_entries: u8;
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

/// The area of this core, from its first thread on.
#[inline(always)]
pub(super) fn own_area() -> &'static Area {
    // SAFETY: `claim` and `secondary` made the register point at one of `AREAS` before a thread ran, and nothing changes it.
    unsafe { &*(TPIDR_EL1.get() as *const Area) }
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

/// The fast paths of a core see from now on what of the kernel they use.
pub(super) fn show(k: &mut Kernel, core: usize, area: &'static Area) {
    let (distributor, interface) = k.machine.interrupt_registers();
    area.distributor.store(distributor, Ordering::Relaxed);
    area.interface.store(interface, Ordering::Relaxed);
    area.lines.store((&raw const k.lines).expose_provenance(), Ordering::Relaxed);
    let ticks_per_ms = k.machine.ticks_of_ms(1);
    k.sched.of_mut(core).attach(area, ticks_per_ms);
}

/// Takes the lock for this core: its thread's registers are saved, it came because of `event`.
#[inline(never)]
pub(super) fn enter(event: Event) {
    LOCK.enter(&AREAS, number(), event, |area| {
        area.serve(mmu::leave_user_table, fpu::save);
        // The lock's release sends an event, and so does who asks for something.
        wfe();
    });
}

/// Gives the lock up.
#[inline(always)]
pub(super) fn leave() {
    if !LOCK.is_alone() {
        leave_others();
    }
}

#[inline(never)]
fn leave_others() {
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

/// In a loop that waits for another core: an emulator that runs one core at a time goes on with that.
pub fn pause() {
    // SAFETY: a hint.
    unsafe { core::arch::asm!("yield", options(nomem, nostack, preserves_flags)) };
}

/// Wakes cores that wait for an event, after all that was written before.
pub(super) fn wake() {
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("dsb ishst", options(nostack, preserves_flags)) };
    sev();
}

/// Where the cores that are started come in. The boot core writes one for each attempt.
pub(super) static ARRIVALS: [Arrival; MAX_CPUS] = [const { Arrival::new() }; MAX_CPUS];

/// What all cores share once the boot is over.
#[derive(Debug)]
pub(super) struct Community {
    /// Who takes part.
    census: Census,
    /// What the command line says about mitigations.
    wish: Wish,
    /// What at least one core does.
    does: Protections,
    /// 1 if the firmware is called by SMC.
    conduit: u32,
    /// A self-test wants every quirk on every core.
    all_quirks: bool,
}

impl Community {
    /// The boot core alone.
    pub(super) fn new(described: &Described<'_>, needs: Needs) -> Self {
        let wish = described.bootargs.map_or(Ok(Wish::Auto), Wish::parse).unwrap_or_else(|value| {
            log::warn!("boot argument mitigations={value}: use off, auto or force");
            Wish::Auto
        });
        let conduit = u32::from(described.psci == Some(Conduit::Smc));
        let boot = identity::own(described.psci);
        let all_quirks = described.bootargs.is_some_and(|bootargs| super::selftest::is_asked(bootargs, "errata"));
        let mut community =
            Self { census: Census::new(&boot, needs), wish, does: Protections::empty(), conduit, all_quirks };
        community.does.set(Protections::OFF, wish == Wish::Off);
        community.note(0, &boot);
        community
    }

    fn note(&mut self, number: u32, core: &Identity) {
        let mitigation = Mitigation::choose(self.wish, core);
        let quirks = identity::note(core, mitigation.quirks(), self.all_quirks);
        self.does |= mitigation.protections();
        let area = &AREAS[number as usize % MAX_CORES];
        area.loops.store(mitigation.loops.into(), Ordering::Relaxed);
        area.firmware.store(mitigation.firmware, Ordering::Relaxed);
        area.conduit.store(self.conduit, Ordering::Relaxed);
        area.trampoline.store(mitigation.trampoline.into(), Ordering::Relaxed);
        area.vectors.store(vectors::table(&mitigation), Ordering::Relaxed);
        log::debug!(
            "core {number}: midr {:#x}, has{}, does{}, errata {:#x}",
            core.midr,
            Named(core.protections()),
            Named(mitigation.protections()),
            quirks.bits()
        );
    }

    /// Whether a core may take part, with this number.
    fn admit(&mut self, number: u32, core: &Identity) -> Result<(), Lack> {
        self.census.admit(core)?;
        self.note(number, core);
        Ok(())
    }

    /// All cores that come have come.
    fn settle(&mut self) -> Protections {
        self.census.settle() | self.does
    }
}

/// Starts the cores the tree lists, one after the other. What does not come up, or may not take part, is reported and left
/// out. Returns the protections in use.
#[inline(never)]
pub(super) fn start_all(
    k: &mut Kernel,
    described: &Described<'_>,
    window: &mut DeviceWindow,
    free: &mut Regions,
    taken: [Extent; 2],
    mut community: Community,
) -> Protections {
    let image = taken[0].start;
    let own = affinity();
    let place = |symbol: *const u8| image + (symbol as usize - &raw const __image_start as usize) as u64;
    let entries = Entries { psci: place(&raw const secondary_entry), spin: place(&raw const spin_entries) };
    CONDUIT.store(described.psci.map_or(0, |conduit| 1 + conduit as u32), Ordering::Relaxed);
    let late = described.bootargs.is_some_and(|bootargs| super::selftest::is_asked(bootargs, "late-core"));
    let others = described.cpus.iter().filter(|cpu| cpu.mpidr != own && cpu.status != Status::Fail);
    for (attempt, (cpu, arrival)) in others.zip(&ARRIVALS).enumerate() {
        let number = k.sched.count();
        let Some(area) = AREAS.get(number) else {
            log::warn!("cores: {MAX_CORES} are used, the others are left out");
            break;
        };
        let Some(stack) = free.take(STACK, 4096).and_then(|base| window.map_stack(Phys(base), STACK)) else {
            log::warn!("cores: no memory for the stack of core {:#x}", cpu.mpidr);
            break;
        };
        arrival.stack.store(stack, Ordering::Relaxed);
        let core = match let_out(cpu, described, &entries, attempt as u64, window, taken)
            .and_then(|()| await_arrival(arrival, k))
        {
            Ok(core) => core,
            Err(why) => {
                log::warn!("cores: core {:#x} is left out: {why}", cpu.mpidr);
                continue;
            }
        };
        let admitted = if late && attempt == 0 {
            community.settle();
            community.admit(number as u32, &Identity { pfr1: 0, isar1: 0, mmfr1: 0, mmfr2: 0, ..core })
        } else {
            community.admit(number as u32, &core)
        };
        if let Err(lack) = admitted {
            log::warn!("cores: core {:#x} is refused: {lack}", cpu.mpidr);
            arrival.turn_away();
            continue;
        }
        area.stack.store(stack, Ordering::Relaxed);
        area.number.store(number as u32, Ordering::Relaxed);
        area.set_floor(-1);
        k.sched.add();
        show(k, number, area);
        LOCK.add(number);
        arrival.admit(number as u32);
    }
    if described.cpus_left_out > 0 {
        log::warn!("cores: {} more than this kernel looks at are left out", described.cpus_left_out);
    }
    let in_use = community.settle();
    begin();
    log::debug!("{} cores, in use{}", k.sched.count(), Named(in_use));
    in_use
}

/// Where another core comes in.
struct Entries {
    /// With the number of the attempt in x0.
    psci: u64,
    /// For attempt 0; those for the others lie behind it.
    spin: u64,
}

/// Has a core begin at its entry. What it reads before its caches are on was written with ours on; it reads nothing but the number of
/// the attempt.
fn let_out(
    cpu: &Cpu<'_>,
    described: &Described<'_>,
    entries: &Entries,
    attempt: u64,
    window: &mut DeviceWindow,
    taken: [Extent; 2],
) -> Result<(), &'static str> {
    match cpu.method {
        EnableMethod::Psci => {
            let conduit = described.psci.ok_or("there is no psci node")?;
            match psci::call(conduit, CPU_ON, [cpu.mpidr, entries.psci, attempt]) as u32 as i32 {
                0 => Ok(()),
                -2 => Err("PSCI CPU_ON: invalid parameters"),
                -3 => Err("PSCI CPU_ON: denied"),
                -4 => Err("PSCI CPU_ON: already on"),
                _ => Err("PSCI CPU_ON failed"),
            }
        }
        EnableMethod::SpinTable(address) => {
            if !boot::is_release_address(described, address, taken) {
                return Err("its cpu-release-addr is not in reserved memory");
            }
            // Past the caches, as whoever waits there has none.
            let place = window.map(address, 8).ok_or("its cpu-release-addr cannot be mapped")?;
            place.write_long(0, entries.spin + attempt * SPIN_ENTRY);
            super::mmio::publish_to_devices();
            wake();
            Ok(())
        }
        EnableMethod::Unknown => Err("its enable-method is neither psci nor spin-table"),
    }
}

fn await_arrival(arrival: &Arrival, k: &Kernel) -> Result<Identity, &'static str> {
    let end = k.machine.now() + k.machine.ticks_of_ms(PATIENCE_MS);
    loop {
        if let Some(core) = arrival.arrived() {
            return Ok(core);
        }
        if k.machine.now() > end {
            return arrival.give_up().ok_or("it was started and does not answer");
        }
        pause();
    }
}

/// What every core sets for itself: user space reads the virtual counter and no other; its first use of vector registers
/// traps; the register that it can only read is 0.
pub(super) fn set_registers() {
    TPIDRRO_EL0.set(0);
    CNTKCTL_EL1.set(0b10);
    CPACR_EL1.set(fpu::CLOSED);
    identity::close_side_doors();
}

/// What this core does from its first thread on: its own vectors, and what the errata of all cores ask for.
fn begin() {
    identity::obey();
    VBAR_EL1.set(area().vectors.load(Ordering::Relaxed) as u64);
}

/// How the firmware is called, for the other cores: 0 not at all, else one more than the [`Conduit`].
static CONDUIT: AtomicU32 = AtomicU32::new(0);

fn conduit() -> Option<Conduit> {
    match CONDUIT.load(Ordering::Relaxed) {
        1 => Some(Conduit::Hvc),
        2 => Some(Conduit::Smc),
        _ => None,
    }
}

const _: () = assert!(Conduit::Hvc as u32 == 0 && Conduit::Smc as u32 == 1);

/// A secondary core's first Rust code, on its own stack with the MMU on.
pub(super) extern "C" fn secondary(arrival: &'static Arrival) -> ! {
    set_registers();
    mmu::leave_user_table();
    mmu::flush_local();
    let conduit = conduit();
    if !arrival.arrive(&identity::own(conduit)) {
        psci::leave(conduit);
    }
    let number = loop {
        match arrival.decision() {
            Some(Ok(number)) => break number,
            Some(Err(TurnedAway)) => psci::leave(conduit),
            None => pause(),
        }
    };
    let area = &AREAS[number as usize % MAX_CORES];
    area.affinity.store(affinity(), Ordering::Relaxed);
    TPIDR_EL1.set(&raw const *area as u64);
    begin();
    // From here on it waits for the boot core to let go of the lock.
    start::enter_user(trap::join())
}
