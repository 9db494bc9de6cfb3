//! What the kernel asks of the machine: interrupts, time, translation, vector registers, firmware.

use core::sync::atomic::Ordering;

use aarch64_cpu::registers::{CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, Readable, Writeable};
use abi::Perms;
use early::Power;
use tree::{Conduit, Machine as Described};

use super::intc::Intc;
use super::messages::Messages;
use super::mmio::Registers;
use super::mmu::DeviceWindow;
use super::{console, cores, fpu, mmu, psci};
use crate::arch::pte;
use crate::gate::{MAX_CORES, Request, Stopped};
use crate::mm::regions::{Range, Regions};
use crate::mm::{Mem, Phys};

/// How long a machine may take to end, in milliseconds.
const END_MS: u64 = 100;

/// The hardware of this machine.
#[derive(Debug)]
pub struct Machine {
    intc: Intc,
    pub(super) messages: Messages,
    lines: u32,
    timer_line: u32,
    /// Ticks of a millisecond.
    ticks_per_ms: u64,
    conduit: Option<Conduit>,
    /// What switches the machine off where no firmware does, and its registers.
    power: Option<(Power, Registers)>,
    ring: (Phys, u64),
    /// What mappings of processes cannot have here.
    unusable: Perms,
}

impl Machine {
    /// Everything was found and brought up.
    pub(super) fn new(
        intc: Intc,
        timer_line: u32,
        frequency: u64,
        conduit: Option<Conduit>,
        ring: (Phys, u64),
    ) -> Self {
        let lines = intc.lines();
        let messages = Messages::default();
        Self {
            intc,
            messages,
            lines,
            timer_line,
            ticks_per_ms: frequency / 1000,
            conduit,
            power: None,
            ring,
            unusable: Perms::GUARDED,
        }
    }

    /// Takes over what takes messages.
    pub(super) fn take_messages(
        &mut self,
        described: &Described<'_>,
        window: &mut DeviceWindow,
        mem: &mut Mem,
        free: &mut Regions,
    ) {
        self.messages.start(described, &self.intc, window, mem, free);
    }

    /// Whether an interrupt waits.
    pub fn interrupt_pending(&self) -> bool {
        let pending: u64;
        // SAFETY: reads ISR_EL1, which says what is pending.
        unsafe { core::arch::asm!("mrs {}, isr_el1", out(reg) pending, options(nomem, nostack, preserves_flags)) };
        pending & (3 << 6) != 0
    }

    /// Whether an interrupt waits, now that the timer is off.
    pub fn device_waits(&self) -> bool {
        self.interrupt_pending()
    }

    /// This core is in the empty address space from now on.
    pub(super) fn enter_nothing(&mut self) {
        mmu::leave_user_table();
    }

    /// Whether another core waits for the lock.
    pub fn lock_wanted(&self) -> bool {
        cores::LOCK.is_wanted()
    }

    /// While the kernel is traced all cores go the slow way.
    pub fn trace_fast_paths(&mut self, traced: bool) {
        cores::LOCK.trace(&cores::AREAS, cores::number(), traced);
    }

    /// Which core it is, as its MPIDR_EL1 says.
    pub fn affinity(&self, core: usize) -> u64 {
        cores::AREAS[core % MAX_CORES].affinity.load(Ordering::Relaxed)
    }

    /// Sends an interrupt to another core.
    pub fn kick(&mut self, core: usize) {
        self.intc.kick(core);
    }

    /// Makes another core wait for the lock, with all that it came for; says where the registers of its thread lie, 0: it is
    /// idle, unless it was stopped before.
    pub fn park(&mut self, core: usize) -> Option<usize> {
        cores::LOCK.park(&cores::AREAS[core % MAX_CORES], || self.intc.kick(core))
    }

    /// Stops another core in front of the lock; says what it was doing, unless it was stopped before.
    pub fn stop(&mut self, core: usize) -> Option<Stopped> {
        cores::LOCK.stop(&cores::AREAS[core % MAX_CORES], || self.intc.kick(core))
    }

    /// Makes a stopped core leave its address space.
    pub fn evict(&mut self, core: usize) {
        cores::LOCK.ask(&cores::AREAS[core % MAX_CORES], Request::LeaveSpace, cores::wake);
    }

    /// Where the registers of the thread lie whose vector registers a core holds; 0: none.
    pub fn fpu_owner(&self, core: usize) -> usize {
        cores::AREAS[core % MAX_CORES].fpu_owner.load(Ordering::Relaxed)
    }

    /// Says whose vector registers a core holds.
    pub fn set_fpu_owner(&mut self, core: usize, owner: usize) {
        cores::AREAS[core % MAX_CORES].fpu_owner.store(owner, Ordering::Relaxed);
    }

    /// Stores the vector registers of a core, this one or one that was stopped, at their owner's [`FpuState`].
    ///
    /// [`FpuState`]: crate::fpu::FpuState
    pub fn save_fpu(&mut self, core: usize) {
        let area = &cores::AREAS[core % MAX_CORES];
        if core == cores::number() {
            fpu::save(area);
        } else {
            cores::LOCK.ask(area, Request::SaveFpu, cores::wake);
        }
    }

    /// Loads the vector registers of this core with those of a thread.
    pub fn load_fpu(&mut self, _own: usize, thread: usize) {
        fpu::load(thread);
    }

    /// Lets user space on this core at the vector registers, or keeps it from them; `true` when that is new.
    #[inline(always)]
    pub fn open_fpu(&mut self, own: usize, open: bool) -> bool {
        fpu::open(&cores::AREAS[own % MAX_CORES], open)
    }

    /// CNTVCT. On a Cortex-A73 its upper half can be wrong in the moment in which the lower one wraps (erratum 858921):
    /// close to that it is read twice, and the first value counts if the second is beyond the wrap.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        let ticks = CNTVCT_EL0.get();
        if (ticks as u32).wrapping_add(8) >= 16 {
            return ticks;
        }
        let again = CNTVCT_EL0.get();
        if (ticks ^ again) >> 32 & 1 == 0 { again } else { ticks }
    }

    /// Ticks of some milliseconds.
    pub fn ticks_of_ms(&self, ms: u64) -> u64 {
        self.ticks_per_ms * ms
    }

    /// The timer's interrupt fires when the counter reaches `deadline`; `u64::MAX`: never. Then it is off: an emulator that
    /// skips idle time would skip to the end of time.
    pub fn set_timer(&mut self, deadline: u64) {
        if deadline == u64::MAX {
            return CNTV_CTL_EL0.set(0);
        }
        CNTV_CVAL_EL0.set(deadline);
        CNTV_CTL_EL0.set(1);
    }

    /// The line of the virtual timer.
    pub fn timer_line(&self) -> u32 {
        self.timer_line
    }

    /// The most urgent pending line, now active.
    pub fn acknowledge(&mut self) -> Option<u32> {
        self.intc.acknowledge()
    }

    /// What the fast path acknowledged: a line, now active, if it is one.
    pub fn acknowledged(&mut self, value: u32) -> Option<u32> {
        self.intc.acknowledged(value)
    }

    /// Where the registers of the interrupt controller lie: its distributor, and its core interface or 0.
    pub(super) fn interrupt_registers(&self) -> (usize, usize) {
        self.intc.places()
    }

    /// A line was taken note of.
    pub fn end(&mut self, line: u32) {
        self.intc.end(line);
    }

    /// Keeps a line from firing.
    pub fn mask(&mut self, line: u32) {
        self.intc.mask(line);
    }

    /// Lets a line fire.
    pub fn unmask(&mut self, line: u32) {
        self.intc.unmask(line);
    }

    /// Sets the trigger of a masked line.
    pub fn configure(&mut self, line: u32, edge: bool) {
        self.intc.configure(line, edge);
    }

    /// Sends a line to a core.
    pub fn route(&mut self, line: u32, core: usize) {
        self.intc.route(line, core);
    }

    /// One more than the highest line.
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// Brings up what the interrupt controller has for this core alone, and lets the timer's line and interrupts from other
    /// cores through. `false`: the controller knows no such core.
    pub(super) fn start_core(&mut self, mem: &mut Mem, core: usize) -> bool {
        let known = self.intc.start_core(core);
        if let Some(own) = self.intc.redistributor(core) {
            self.messages.start_core(mem, core, own);
        }
        if known {
            self.intc.unmask_private(core, self.timer_line);
            self.intc.unmask_private(core, super::intc::KICK);
        }
        known
    }

    /// Table writes are visible to the walker from here on.
    pub fn tables_written(&mut self) {
        mmu::user_tables_written();
    }

    /// Drops the translations of some entries of an address space that cover 2^`bits` bytes each.
    pub fn flush_entries(&mut self, ttbr: u64, start: u64, entries: u64, bits: u32) {
        mmu::flush_entries(pte::asid(ttbr), start, entries, bits);
    }

    /// Drops the translation of one page.
    #[inline(always)]
    pub fn flush_page(&mut self, ttbr: u64, address: u64) {
        mmu::flush_page(pte::asid(ttbr), address);
    }

    /// Drops all translations of an address space.
    pub fn flush_asid(&mut self, ttbr: u64) {
        mmu::flush_asid(pte::asid(ttbr));
    }

    /// Loads an address space, if it is not loaded.
    #[inline(always)]
    pub fn enter_space(&mut self, ttbr: u64) {
        if mmu::user_table() != ttbr {
            mmu::load_user_table(ttbr);
        }
    }

    /// Makes sure an address space is not loaded.
    pub fn leave_space(&mut self, ttbr: u64) {
        if mmu::user_table() == ttbr {
            mmu::leave_user_table();
        }
    }

    /// Prints through the early console.
    pub fn print(&mut self, bytes: &[u8]) {
        console::early_print(bytes);
    }

    /// Memory of devices is given away: what the kernel shows there it shows no more.
    #[cold]
    #[inline(never)]
    pub fn give_away(&self, range: Range) {
        console::give_away(range);
    }

    /// Where the log ring lies, and its bytes.
    pub fn log_ring(&self) -> (Phys, u64) {
        self.ring
    }

    /// From here on code of processes is guarded that asks for it.
    pub(super) fn guard(&mut self) {
        self.unusable = Perms::empty();
    }

    /// What of some permissions this machine can see to.
    #[inline(always)]
    pub fn usable(&self, perms: Perms) -> Perms {
        perms.difference(self.unusable)
    }

    /// From here on it can be switched off without firmware.
    pub(super) fn set_power(&mut self, power: Power, registers: Registers) {
        self.power = Some((power, registers));
    }

    /// Whether there is firmware that is known how to call.
    pub fn has_firmware(&self) -> bool {
        self.conduit.is_some()
    }

    /// Switches the machine off; returns where nothing does.
    pub fn power_off(&mut self) {
        self.end_machine(crate::object::SYSTEM_OFF);
    }

    /// PSCI's SYSTEM_OFF or SYSTEM_RESET, by firmware or without; returns where neither does it.
    pub fn end_machine(&mut self, function: u64) {
        if let Some(conduit) = self.conduit {
            psci::call(conduit, function, [0; 3]);
        }
        if let Some((power, registers)) = &self.power {
            let act = if function == crate::object::SYSTEM_OFF { power.off } else { power.reset };
            act(registers);
            let end = self.now() + self.ticks_of_ms(END_MS);
            while self.now() < end {}
        }
    }

    /// How it is called.
    pub(super) fn conduit(&self) -> Option<Conduit> {
        self.conduit
    }
}
