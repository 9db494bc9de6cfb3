//! An ITS: it turns what a device writes into an interrupt, by the device's number and the event it wrote (ARM IHI 0069,
//! chapter 5). A device without a table, and an event that is not in it, are dropped.

mod command;
mod table;
#[cfg(test)]
mod tests;

use abi::layout::PAGE;

pub use command::Command;
use table::Devices;
pub use table::Lack;

use crate::gate::MAX_CORES;
use crate::mm::regions::Regions;
use crate::mm::{Mem, Phys};

/// Where the page lies that devices write to, from the ITS's registers on (ARM IHI 0069, 12.19).
pub const TRANSLATION: u64 = 0x1_0000;
/// The register in it.
pub const TRANSLATER: u64 = 0x40;
/// Bytes of the registers that are used.
pub const REGISTERS: u64 = 0x1000;

const CTLR: usize = 0x0;
const TYPER: usize = 0x8;
const CBASER: usize = 0x80;
const CWRITER: usize = 0x88;
const CREADR: usize = 0x90;
const BASER: usize = 0x100;

const ENABLED: u32 = 1;
const QUIESCENT: u32 = 1 << 31;
const STALLED: u64 = 1;
/// Normal memory, write-back, inner shareable, for CBASER and BASER; what the ITS makes of it is read back.
const SHARED: u64 = 7 << 59 | 1 << 10;
/// Normal memory, not cached.
const NOT_CACHED: u64 = 1 << 59;
const SHAREABILITY: u64 = 3 << 10;
const VALID: u64 = 1 << 63;
/// Bytes of the queue of commands: a page, which has to begin at a multiple of 64 KiB.
const QUEUE: u64 = PAGE;
const QUEUE_ALIGN: u64 = 64 << 10;
/// A core that has no collection.
const NO_TARGET: u64 = u64::MAX;
/// Looks at the end of a command until the ITS is given up.
const PATIENCE: u32 = 1_000_000;

/// Registers of an ITS.
pub trait Registers {
    /// Reads a register of 32 bits.
    fn read(&self, offset: usize) -> u32;
    /// Reads a register of 64 bits.
    fn read_long(&self, offset: usize) -> u64;
    /// Writes a register of 32 bits.
    fn write(&mut self, offset: usize, value: u32);
    /// Writes a register of 64 bits, after all that was written to memory before.
    fn write_long(&mut self, offset: usize, value: u64);
}

fn rests(registers: &impl Registers) -> bool {
    (0..PATIENCE).any(|_| registers.read(CTLR) & QUIESCENT != 0)
}

/// An event of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The device as the ITS knows it.
    pub device: u32,
    /// What it writes.
    pub event: u32,
}

/// An ITS that is on.
#[derive(Debug)]
pub struct Its<R> {
    registers: R,
    queue: Phys,
    /// The byte of the queue where the next command goes.
    next: u64,
    devices: Devices,
    /// log2 of the events for which a page has room, and of those that a device may have.
    event_bits: u32,
    /// Cores are named by the addresses of their redistributors, else by their numbers.
    by_address: bool,
    /// The cores that have a collection, as the ITS names them.
    targets: [u64; MAX_CORES],
    /// It sees the caches.
    coherent: bool,
    /// It did not do what it was told.
    failed: bool,
}

impl<R: Registers> Its<R> {
    /// Takes an ITS over: with tables from `free`, and without any device.
    ///
    /// # Errors
    /// [`Lack`]. The ITS is off then.
    pub fn start(mut registers: R, mem: &mut Mem, free: &mut Regions) -> Result<Self, Lack> {
        let control = registers.read(CTLR);
        registers.write(CTLR, control & !ENABLED);
        if !rests(&registers) {
            return Err(Lack::Rest);
        }
        let facts = registers.read_long(TYPER);
        if facts & 1 == 0 {
            return Err(Lack::Physical);
        }
        let queue = table::take(mem, free, QUEUE, QUEUE_ALIGN)?;
        let base = VALID | queue.0 | (QUEUE / PAGE - 1);
        registers.write_long(CBASER, base | SHARED);
        let coherent = registers.read_long(CBASER) & SHAREABILITY != 0;
        if !coherent {
            registers.write_long(CBASER, base | NOT_CACHED);
        }
        registers.write_long(CWRITER, 0);
        let device_bits = (facts >> 13 & 31) as u32 + 1;
        let devices = table::set_up(&mut registers, mem, free, device_bits, coherent)?;
        let entry = (facts >> 4 & 15) + 1;
        let event_bits = ((PAGE / entry).ilog2()).min((facts >> 8 & 31) as u32 + 1);
        registers.write(CTLR, control | ENABLED);
        Ok(Self {
            registers,
            queue,
            next: 0,
            devices,
            event_bits,
            by_address: facts >> 19 & 1 != 0,
            targets: [NO_TARGET; MAX_CORES],
            coherent,
            failed: false,
        })
    }

    fn target(&self, core: usize) -> Option<u64> {
        self.targets.get(core).copied().filter(|&target| target != NO_TARGET)
    }

    /// Whether interrupts can go to a core.
    pub fn reaches(&self, core: usize) -> bool {
        self.target(core).is_some()
    }

    /// Events that a device can have.
    pub fn events(&self) -> u32 {
        1 << self.event_bits
    }

    /// Whether it did all that it was told.
    pub fn works(&self) -> bool {
        !self.failed
    }

    /// A core takes interrupts: its redistributor has this address and this number.
    pub fn add_core(&mut self, mem: &mut Mem, core: usize, redistributor: u64, number: u64) {
        let target = if self.by_address { redistributor } else { number << 16 };
        if let Some(place) = self.targets.get_mut(core) {
            *place = target;
            self.run(mem, core, &[Command::Collection { collection: core as u16, target }]);
        }
    }

    /// Whether there is, or can be, an entry for a device.
    pub fn has_room(&self, mem: &Mem, device: u32) -> bool {
        self.devices.has_room(mem, device)
    }

    /// A device has a page for its events, which nobody else writes.
    pub fn map_device(&mut self, mem: &mut Mem, device: u32, table: Phys) -> bool {
        mem.zero(table, PAGE);
        self.publish(mem, table);
        if !self.devices.make_room(mem, device, self.coherent) {
            return false;
        }
        let table = Some((table, self.event_bits));
        self.run(mem, 0, &[Command::Device { device, table }])
    }

    /// A device has no events any more; its page is not used when this returns.
    pub fn unmap_device(&mut self, mem: &mut Mem, device: u32) {
        self.run(mem, 0, &[Command::Device { device, table: None }]);
    }

    /// An event is an interrupt, which goes to a core.
    pub fn map_event(&mut self, mem: &mut Mem, event: Event, intid: u32, core: usize) -> bool {
        let Event { device, event } = event;
        self.run(mem, core, &[Command::Event { device, event, intid, collection: core as u16 }])
    }

    /// An event is nothing any more; nor is what it was, on the core where it went, pending.
    pub fn unmap_event(&mut self, mem: &mut Mem, event: Event, core: usize) {
        let Event { device, event } = event;
        self.run(mem, core, &[Command::Discard { device, event }]);
    }

    /// What an event is goes to another core.
    pub fn route(&mut self, mem: &mut Mem, event: Event, from: usize, to: usize) {
        let Event { device, event } = event;
        if self.run(mem, from, &[Command::Move { device, event, collection: to as u16 }]) {
            self.run(mem, to, &[]);
        }
    }

    /// Whether what an event is may fire was changed, in memory, where the redistributor of that core finds it.
    pub fn changed(&mut self, mem: &mut Mem, event: Event, core: usize) {
        let Event { device, event } = event;
        self.run(mem, core, &[Command::Changed { device, event }]);
    }

    /// Commands, and that they are done as a core sees it. `false`: the ITS does not work.
    fn run(&mut self, mem: &mut Mem, core: usize, commands: &[Command]) -> bool {
        let target = self.target(core).or(self.target(0)).unwrap_or(0);
        for &command in commands.iter().chain(&[Command::Sync { target }]) {
            let place = Phys(self.queue.0 + self.next);
            for (at, word) in (0..).zip(command.words()) {
                mem.write_u64(Phys(place.0 + at * 8), word);
            }
            self.next = (self.next + command::BYTES) % QUEUE;
        }
        self.publish(mem, self.queue);
        if self.failed {
            return false;
        }
        self.registers.write_long(CWRITER, self.next);
        self.failed = !(0..PATIENCE).any(|_| self.registers.read_long(CREADR) == self.next);
        if self.failed {
            self.give_up();
        }
        !self.failed
    }

    /// It is off from now on: memory that was its own will be another's.
    #[cold]
    fn give_up(&mut self) {
        let stalled = self.registers.read_long(CREADR) & STALLED != 0;
        let what = if stalled { "refused" } else { "not done" };
        log::error!("ITS: a command was {what}; it is off, and devices that send messages are not heard any more");
        self.registers.write(CTLR, self.registers.read(CTLR) & !ENABLED);
        if !rests(&self.registers) {
            log::error!("ITS: it does not come to rest");
        }
    }

    /// Makes a page that was written visible to an ITS that does not see the caches.
    fn publish(&self, mem: &Mem, page: Phys) {
        if !self.coherent {
            mem.clean_invalidate(page, 1);
        }
    }
}
