//! The fake machine of the host: interrupts, time and translation as plain data that tests set and read.
#![allow(unsafe_code)]

mod arena;
mod registers;

pub use arena::{JUNK, arena};
pub use registers::Registers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::fpu::FpuState;
use crate::message::{Controller, Message};
use crate::mm::regions::Range;
use crate::mm::{Mem, Phys};

/// Zeroes memory.
///
/// # Safety
/// The range is writable and holds nothing.
pub unsafe fn zero(start: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { start.write_bytes(0, bytes) }
}

/// How the fast paths would name the object with a number.
pub const fn word_of_number(number: u32) -> u64 {
    number as u64
}

/// The number of the object that the fast paths would name like this.
pub const fn number_of_word(word: u64) -> u32 {
    word as u32
}

/// Where the object with a number lies.
pub const fn place_of_number(base: usize, number: u32) -> usize {
    base + number as usize * crate::mm::raw::GRANULE as usize
}

/// The number of the object that lies at an address.
pub const fn number_of_place(base: usize, place: usize) -> u32 {
    ((place - base) / crate::mm::raw::GRANULE as usize) as u32
}

/// What says that something belongs to the fast paths of a core.
pub const fn idle_word(core: usize) -> u64 {
    1 << 46 | core as u64
}

/// TTBR0 of the empty address space.
pub const fn empty_space() -> u64 {
    0
}

/// The host's own caches are coherent.
pub fn sync_instructions(_: usize, _: usize) {}

std::thread_local! {
    /// What was cleaned from the caches, address and bytes. The host's own are coherent.
    pub static CLEANED: std::cell::RefCell<Vec<(usize, usize)>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Notes it.
pub fn clean_invalidate(start: usize, bytes: usize) {
    CLEANED.with_borrow_mut(|cleaned| cleaned.push((start, bytes)));
}

/// The fake has no early console; the log ring is enough.
pub fn early_print(_: &[u8]) {}

/// As [`early_print`].
pub fn keep(_: &[u8]) {}

/// Nobody else runs here.
pub fn pause() {
    core::hint::spin_loop();
}

/// Devices of the fake machine see what was written.
pub fn publish_to_devices() {}

/// Copies an object.
///
/// # Safety
/// So many bytes can be read and written, and the two places do not overlap.
pub unsafe fn copy_object(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { core::ptr::copy_nonoverlapping(from, to, bytes) }
}

/// Copies eight words.
pub fn copy_words(from: &[u64; 8], to: &mut [u64; 8]) {
    *to = *from;
}

/// Clears x10–x18 and x30.
pub fn clear_scratch(x: &mut [u64; 31]) {
    x[10..19].fill(0);
    x[30] = 0;
}

/// A core's vector registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fpu {
    /// What they hold.
    pub registers: FpuState,
    /// The thread whose they are, 0: none.
    pub owner: usize,
    /// Whether user space reaches them.
    pub open: bool,
}

/// Where the registers of the frame and of the ITS begin.
pub const FRAME: u64 = 0x802_0000;
/// As above.
pub const ITS: u64 = 0x808_0000;

/// The fake machine.
#[derive(Debug, Default)]
pub struct Machine {
    /// Ticks now.
    pub clock: u64,
    /// When the timer fires.
    pub deadline: u64,
    /// Lines that fired and were not acknowledged.
    pub pending: VecDeque<u32>,
    /// Lines that may fire.
    pub open: BTreeSet<u32>,
    /// Triggers by line: `true` is edge.
    pub triggers: BTreeMap<u32, bool>,
    /// Where lines go.
    pub routes: BTreeMap<u32, usize>,
    /// Devices of ITSes that have a table, and where it lies.
    pub devices: BTreeMap<(u8, u32), u64>,
    /// What their events are, with the core they go to.
    pub events: BTreeMap<(u8, u32, u32), (u32, usize)>,
    /// An ITS does not answer any more.
    pub silent: bool,
    /// What TTBR0 holds.
    pub loaded: u64,
    /// Translations dropped: TTBR0, first address, pages; whole address spaces as 0 pages.
    pub flushed: Vec<(u64, u64, u64)>,
    /// What was printed.
    pub printed: Vec<u8>,
    /// Cores that got an interrupt.
    pub kicked: BTreeSet<usize>,
    /// Cores that were stopped in front of the lock, and will look for work when they get it.
    pub stopped: BTreeSet<usize>,
    /// TTBR0 and timer of the cores that are not in the kernel.
    pub others: [(u64, u64); crate::gate::MAX_CORES],
    /// Where the registers of the threads lie that the cores ran which are not in the kernel.
    pub threads: [usize; crate::gate::MAX_CORES],
    /// Cores that left their address space.
    pub evicted: BTreeSet<usize>,
    /// Vector registers of each core.
    pub fpu: [Fpu; crate::gate::MAX_CORES],
    /// Whether the kernel is traced, so that there are no fast paths.
    pub traced: bool,
    /// Firmware calls.
    pub calls: Vec<u64>,
    /// There are no landing pads to see to.
    pub unguarded: bool,
    /// There is no firmware.
    pub bare: bool,
    /// The firmware does not return by itself.
    pub firmware_stays: bool,
    /// Every this many looks an interrupt seems to wait; 0: never.
    pub preempt_every: u32,
    looks: std::cell::Cell<u32>,
    /// Whether another core seems to wait for the lock.
    pub wanted: bool,
    /// Ticks that pass from each look at the clock to the next, beside those that tests let pass.
    pub pace: u64,
    passed: std::cell::Cell<u64>,
}

impl Machine {
    /// A machine without interrupts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an interrupt waits.
    pub fn interrupt_pending(&self) -> bool {
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        !self.pending.is_empty() || self.preempt_every != 0 && looks.is_multiple_of(self.preempt_every)
    }

    /// Whether a device's interrupt waits.
    pub fn device_waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Ticks now.
    pub fn now(&self) -> u64 {
        self.passed.set(self.passed.get() + self.pace);
        self.clock + self.passed.get()
    }

    /// Ticks of some milliseconds.
    pub fn ticks_of_ms(&self, ms: u64) -> u64 {
        ms * 1000
    }

    /// Sets the timer.
    pub fn set_timer(&mut self, deadline: u64) {
        self.deadline = deadline;
    }

    /// The timer's line.
    pub fn timer_line(&self) -> u32 {
        27
    }

    /// The next pending line.
    pub fn acknowledge(&mut self) -> Option<u32> {
        self.pending.pop_front()
    }

    /// A line was taken note of.
    pub fn end(&mut self, _: u32) {}

    /// Keeps a line from firing.
    pub fn mask(&mut self, line: u32) {
        self.open.remove(&line);
    }

    /// Lets a line fire.
    pub fn unmask(&mut self, line: u32) {
        self.open.insert(line);
    }

    /// Sets a line's trigger.
    pub fn configure(&mut self, line: u32, edge: bool) {
        self.triggers.insert(line, edge);
    }

    /// Notes where a line goes.
    pub fn route(&mut self, line: u32, core: usize) {
        self.routes.insert(line, core);
    }

    /// One more than the highest line.
    pub fn lines(&self) -> u32 {
        288
    }

    /// A frame with eight lines, and an ITS.
    pub fn message_controller(&self, number: usize) -> Option<Controller> {
        [
            Controller { registers: FRAME, doorbell: FRAME + 0x40, lines: Some((80, 8)) },
            Controller { registers: ITS, doorbell: ITS + 0x1_0040, lines: None },
        ]
        .get(number)
        .copied()
    }

    /// How many messages to ITSes there can be.
    pub fn messages(&self) -> u32 {
        12
    }

    /// How many messages a device can have: the ITS knows the first 256.
    pub fn message_events(&self, _: &Mem, controller: u8, device: u32) -> u32 {
        if controller == 1 && device < 256 && !self.silent { 16 } else { 0 }
    }

    /// Notes it.
    pub fn map_message_device(&mut self, mem: &mut Mem, controller: u8, device: u32, page: Phys) -> bool {
        mem.zero(page, abi::layout::PAGE);
        if !self.silent {
            assert_eq!(self.devices.insert((controller, device), page.0), None);
        }
        !self.silent
    }

    /// Notes it. What an ITS leaves behind in its table is no zeros.
    pub fn unmap_message_device(&mut self, mem: &mut Mem, controller: u8, device: u32) {
        assert!(self.events.keys().all(|&(own, other, _)| (own, other) != (controller, device)), "events are left");
        if let Some(page) = self.devices.remove(&(controller, device)) {
            mem.write_u64(Phys(page + 8), JUNK.into());
        }
    }

    /// Notes it; the message is masked.
    pub fn map_message(&mut self, _: &mut Mem, message: &Message, lpi: u32) -> bool {
        let Message { controller, device, event, core } = *message;
        if !self.silent {
            assert!(self.devices.contains_key(&(controller, device)));
            assert_eq!(self.events.insert((controller, device, event), (lpi, core.into())), None);
        }
        !self.silent
    }

    /// Notes it.
    pub fn unmap_message(&mut self, _: &mut Mem, message: &Message) {
        let Message { controller, device, event, .. } = *message;
        if let Some((lpi, _)) = self.events.remove(&(controller, device, event)) {
            self.open.remove(&lpi);
        }
    }

    /// Notes it.
    pub fn route_message(&mut self, _: &mut Mem, message: &Message, to: usize) -> u8 {
        let Message { controller, device, event, .. } = *message;
        if let Some(place) = self.events.get_mut(&(controller, device, event)) {
            place.1 = to;
            self.routes.insert(place.0, to);
        }
        to as u8
    }

    /// Notes it.
    pub fn open_message(&mut self, _: &mut Mem, _: &Message, lpi: u32, open: bool) {
        if open {
            self.open.insert(lpi)
        } else {
            self.open.remove(&lpi)
        };
    }

    /// Nothing to do.
    pub fn tables_written(&mut self) {}

    /// Notes the range.
    pub fn flush_entries(&mut self, ttbr: u64, start: u64, entries: u64, bits: u32) {
        self.flushed.push((ttbr, start, entries << (bits - 12)));
    }

    /// Notes the page.
    pub fn flush_page(&mut self, ttbr: u64, address: u64) {
        self.flush_entries(ttbr, address, 1, 12);
    }

    /// Notes the address space.
    pub fn flush_asid(&mut self, ttbr: u64) {
        self.flushed.push((ttbr, 0, 0));
    }

    /// Loads an address space.
    pub fn enter_space(&mut self, ttbr: u64) {
        self.loaded = ttbr;
    }

    /// Makes sure an address space is not loaded.
    pub fn leave_space(&mut self, ttbr: u64) {
        if self.loaded == ttbr {
            self.loaded = 0;
        }
    }

    /// Whether another core seems to wait: cores enter one after the other.
    pub fn lock_wanted(&self) -> bool {
        self.wanted
    }

    /// Notes that the kernel is traced.
    pub fn trace_fast_paths(&mut self, traced: bool) {
        self.traced = traced;
    }

    /// Another core enters the kernel; where the registers of the thread lie that this one runs, 0: it is idle.
    pub fn go_to(&mut self, own: usize, thread: usize, core: usize) {
        self.threads[own] = thread;
        self.others[own] = (self.loaded, self.deadline);
        (self.loaded, self.deadline) = self.others[core];
    }

    /// Notes the interrupt.
    pub fn kick(&mut self, core: usize) {
        self.kicked.insert(core);
    }

    /// Where the registers of a core's thread lie, unless it was stopped.
    pub fn park(&mut self, core: usize) -> Option<usize> {
        (!self.stopped.contains(&core)).then_some(self.threads[core])
    }

    /// Other cores stand still while one is in the kernel, and what they run is exact.
    pub fn stop(&mut self, core: usize) -> Option<crate::gate::Stopped> {
        self.stopped.insert(core);
        None
    }

    /// Notes it.
    pub fn evict(&mut self, core: usize) {
        self.others[core].0 = 0;
        self.evicted.insert(core);
    }

    /// Whose vector registers a core holds.
    pub fn fpu_owner(&self, core: usize) -> usize {
        self.fpu[core].owner
    }

    /// Notes it.
    pub fn set_fpu_owner(&mut self, core: usize, owner: usize) {
        self.fpu[core].owner = owner;
    }

    /// Stores the vector registers of a core for their owner.
    pub fn save_fpu(&mut self, core: usize) {
        let Fpu { registers, owner, open } = &mut self.fpu[core];
        assert_ne!(*owner, 0);
        let place = std::ptr::with_exposed_provenance_mut::<FpuState>(*owner + FpuState::BEHIND);
        // SAFETY: an owner is a thread that lives, with its state behind it, and the kernel holds no reference to that.
        unsafe { (*place) = FpuState { place: (*place).place, ..*registers } };
        *open = false;
    }

    /// Loads the vector registers of the core that is in the kernel.
    pub fn load_fpu(&mut self, own: usize, thread: usize) {
        let place = std::ptr::with_exposed_provenance::<FpuState>(thread + FpuState::BEHIND);
        // SAFETY: the address is that of a thread, with its state behind it.
        self.fpu[own].registers = unsafe { *place };
    }

    /// Opens or closes the vector registers of the core that is in the kernel.
    pub fn open_fpu(&mut self, own: usize, open: bool) -> bool {
        core::mem::replace(&mut self.fpu[own].open, open) != open
    }

    /// Keeps what is printed.
    pub fn print(&mut self, bytes: &[u8]) {
        self.printed.extend_from_slice(bytes);
    }

    /// The fake has no framebuffer.
    pub fn give_away(&self, _: Range) {}

    /// The first page of RAM, which boot leaves out.
    pub fn log_ring(&self) -> (Phys, u64) {
        (Phys(0x4000_0000), 0x1000)
    }

    /// What of some permissions this machine can see to.
    pub fn usable(&self, perms: abi::Perms) -> abi::Perms {
        if self.unguarded { perms - abi::Perms::GUARDED } else { perms }
    }

    /// Whether there is firmware.
    pub fn has_firmware(&self) -> bool {
        !self.bare
    }

    /// What a core is called: its number.
    pub fn affinity(&self, core: usize) -> u64 {
        core as u64
    }

    /// It has nothing that ends it but firmware.
    pub fn end_machine(&mut self, function: u64) {
        if !self.bare {
            self.calls.push(function);
        }
    }

    /// Notes that.
    pub fn power_off(&mut self) {
        self.calls.push(crate::object::SYSTEM_OFF);
    }

    /// Notes the call; what comes back is what went in, one more each.
    pub fn firmware(&mut self, words: [u64; 8]) -> [u64; 8] {
        self.calls.push(words[0]);
        words.map(|word| word.wrapping_add(1))
    }
}
