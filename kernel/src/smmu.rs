//! SMMUv3 (ARM IHI 0070): which tables the accesses of a stream go through. Streams without tables of their own abort.
//!
//! Stage 1 alone, one context for each stream, whose descriptor lies in its DmaSpace. Streams are found through two levels; a
//! table of the second has 64 of them and is taken when the first of these is bound. Commands are written and waited for
//! before anything else happens, so that the queue is empty between two system calls.

use crate::arch::{self, Registers};
use crate::mm::regions::Regions;
use crate::mm::{Mem, Phys};

/// Registers (6.2). Those of the event queue lie in the second page of 64 KiB.
mod register {
    pub const IDR0: usize = 0x00;
    pub const IDR1: usize = 0x04;
    pub const IDR5: usize = 0x14;
    pub const CR0: usize = 0x20;
    pub const CR0ACK: usize = 0x24;
    pub const CR1: usize = 0x28;
    pub const CR2: usize = 0x2c;
    pub const GBPA: usize = 0x44;
    pub const IRQ_CTRL: usize = 0x50;
    pub const IRQ_CTRLACK: usize = 0x54;
    pub const GERROR: usize = 0x60;
    pub const STRTAB_BASE: usize = 0x80;
    pub const STRTAB_BASE_CFG: usize = 0x88;
    pub const CMDQ_BASE: usize = 0x90;
    pub const CMDQ_PROD: usize = 0x98;
    pub const CMDQ_CONS: usize = 0x9c;
    pub const EVENTQ_BASE: usize = 0xa0;
    pub const EVENTQ_IRQ_CFG0: usize = 0xb0;
    pub const EVENTQ_PROD: usize = 0xa8;
    pub const EVENTQ_CONS: usize = 0xac;
}
use register::*;

/// Commands (4.1.1).
mod command {
    pub const CFGI_STE: u64 = 0x03;
    pub const CFGI_ALL: u64 = 0x04;
    pub const TLBI_NH_ASID: u64 = 0x11;
    pub const TLBI_NH_VA: u64 = 0x12;
    pub const TLBI_NSNH_ALL: u64 = 0x30;
    pub const SYNC: u64 = 0x46;
}

/// Most IOMMUs.
pub const MOST: usize = 4;
/// Bits of a stream's number, of which the lower ones count within a table.
pub const STREAM_BITS: u32 = 16;
const SPLIT: u32 = 6;
/// Streams of a table.
const STREAMS: u64 = 1 << SPLIT;
/// Tables that are taken at boot.
const TABLES: u64 = 16;
/// log2 of the commands and of the events that a page holds.
const COMMANDS: u32 = 8;
const EVENTS: u32 = 7;
/// Inner and outer write-back, inner shareable: what the kernel's own memory is.
const CR1_CACHED: u32 = 0b11 << 10 | 0b01 << 8 | 0b01 << 6 | 0b11 << 4 | 0b01 << 2 | 0b01;
/// RECINVSID off: a stream that is nobody's is not worth an event. PTM: what cores invalidate is none of its business.
const CR2_PRIVATE: u32 = 1 << 2;
const CR0_ON: u32 = 1;
const CR0_EVENTS: u32 = 1 << 2;
const CR0_COMMANDS: u32 = 1 << 3;
/// ATSCHK: what a device says is translated already is looked up as well. Without it that passes, wherever it goes.
const CR0_DISTRUST: u32 = 1 << 4;
const GBPA_ABORT: u32 = 1 << 20;
const GBPA_UPDATE: u32 = 1 << 31;
/// IRQ_CTRL: the event queue interrupts.
const IRQ_EVENTS: u32 = 1 << 2;
/// IDR0: devices may say that they translated an address themselves.
const IDR0_ATS: u32 = 1 << 10;
/// IDR0: ASIDs have 16 bits.
const IDR0_ASID16: u32 = 1 << 12;
/// IDR0: it interrupts by messages.
const IDR0_MSI: u32 = 1 << 13;
/// Set in CMDQ_CONS where a command was wrong.
const GERROR_COMMAND: u32 = 1;
/// How often a register is looked at before the hardware counts as broken.
const PATIENCE: u32 = 10_000_000;

/// A stream of an IOMMU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// Which IOMMU.
    pub smmu: u8,
    /// Its number there.
    pub id: u16,
}

/// Why a stream cannot be bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unbound {
    /// The IOMMU has no such stream.
    NoStream,
    /// It is another's.
    Taken,
    /// There is no table left for it.
    Full,
}

/// What a device tried and was kept from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The stream.
    pub stream: u32,
    /// The address as the device has it.
    pub address: u64,
    /// It wanted to write.
    pub write: bool,
    /// The event (7.3): 0x10 nothing is there, 0x13 it may not do that.
    pub event: u8,
}

/// The registers of one: a page from each of its two blocks.
#[derive(Debug)]
pub struct Ports {
    /// From its first register on.
    pub control: Registers,
    /// From 64 KiB behind that on.
    pub queues: Registers,
}

/// An SMMUv3.
#[derive(Debug)]
pub struct Smmu {
    ports: Ports,
    /// The address of its registers, by which it is named.
    pub base: u64,
    /// The line of its event queue; 0: none.
    pub line: u32,
    /// That fires on an edge.
    pub edge: bool,
    /// What it translates with; none: it aborts everything.
    translation: Option<Translation>,
}

#[derive(Debug)]
struct Translation {
    level1: Phys,
    /// The next table of streams, and behind the last.
    free: Phys,
    end: Phys,
    commands: Phys,
    events: Phys,
    /// The next command, with the bit above its index that says how often the queue went round.
    produced: u32,
    /// Numbers of streams have so many bits.
    bits: u32,
    /// Output addresses, as a context descriptor says it.
    output: u64,
    /// What was asked of it.
    #[cfg(test)]
    pub log: Vec<[u64; 2]>,
}

impl Smmu {
    /// From here on nothing passes but what is bound. It is named by the address of its registers; its events have a line, 0 for
    /// none, that fires on an edge or not.
    ///
    /// # Errors
    /// Why it will abort everything.
    pub fn start(
        ports: Ports,
        base: u64,
        (line, edge): (u32, bool),
        mem: &mut Mem,
        free: &mut Regions,
    ) -> (Self, Result<(), &'static str>) {
        let mut smmu = Self { ports, base, line, edge, translation: None };
        let started = smmu.shut().and_then(|()| smmu.open(mem, free));
        if started.is_err() {
            // Nobody is bound to one that did not do what it was told.
            smmu.translation = None;
        }
        (smmu, started)
    }

    /// Everything aborts.
    fn shut(&mut self) -> Result<(), &'static str> {
        let control = &self.ports.control;
        control.write(GBPA, GBPA_UPDATE | GBPA_ABORT);
        // An early version without this register reads as zero.
        let aborts = wait(|| control.read(GBPA) & GBPA_UPDATE == 0);
        control.write(CR0, 0);
        let off = wait(|| control.read(CR0ACK) & CR0_ON == 0);
        if aborts && off { Ok(()) } else { Err("it does not answer") }
    }

    fn open(&mut self, mem: &mut Mem, free: &mut Regions) -> Result<(), &'static str> {
        let control = &self.ports.control;
        let (idr0, idr1, idr5) = (control.read(IDR0), control.read(IDR1), control.read(IDR5));
        check(idr0, idr1, idr5)?;
        // The number of a stream is its ASID.
        let most = if idr0 & IDR0_ASID16 != 0 { STREAM_BITS } else { 8 };
        let bits = (idr1 & 0x3f).clamp(SPLIT, most);
        let level1_bytes = 8u64 << (bits - SPLIT);
        let mut take = |bytes: u64, align: u64| {
            let place =
                free.take(bytes.next_multiple_of(4096), align.max(4096)).ok_or("there is no memory for its tables")?;
            mem.zero(Phys(place), bytes.next_multiple_of(4096));
            Ok(Phys(place))
        };
        let level1 = take(level1_bytes, level1_bytes)?;
        let tables = take(TABLES * STREAMS * 64, 4096)?;
        let (commands, events) = (take(4096, 4096)?, take(4096, 4096)?);
        // At once, so that no system call does it.
        (0..TABLES * STREAMS).for_each(|index| mem.write_u64(Phys(tables.0 + index * 64), STE_ABORT));
        arch::publish_to_devices();
        let translation = Translation {
            level1,
            free: tables,
            end: Phys(tables.0 + TABLES * STREAMS * 64),
            commands,
            events,
            produced: 0,
            bits,
            output: u64::from(idr5 & 7).min(5),
            #[cfg(test)]
            log: Vec::new(),
        };
        control.write(CR1, CR1_CACHED);
        control.write(CR2, CR2_PRIVATE);
        // Two levels, split there; read-allocate.
        control.write_long(STRTAB_BASE, level1.0 | 1 << 62);
        control.write(STRTAB_BASE_CFG, 1 << 16 | SPLIT << 6 | bits);
        control.write_long(CMDQ_BASE, commands.0 | 1 << 62 | u64::from(COMMANDS));
        control.write(CMDQ_PROD, 0);
        control.write(CMDQ_CONS, 0);
        control.write_long(EVENTQ_BASE, events.0 | 1 << 62 | u64::from(EVENTS));
        self.ports.queues.write(EVENTQ_PROD, 0);
        self.ports.queues.write(EVENTQ_CONS, 0);
        self.translation = Some(translation);
        self.enable(CR0_COMMANDS)?;
        self.ask(mem, &[[command::CFGI_ALL, 31], [command::TLBI_NSNH_ALL, 0]]);
        if idr0 & IDR0_MSI != 0 {
            // It has a line: where whoever ran before let it write to is memory now.
            self.ports.control.write_long(EVENTQ_IRQ_CFG0, 0);
        }
        self.ports.control.write(IRQ_CTRL, IRQ_EVENTS);
        let interrupts = wait(|| self.ports.control.read(IRQ_CTRLACK) & IRQ_EVENTS != 0);
        // The bit is there only with ATS.
        let on = CR0_COMMANDS | CR0_EVENTS | if idr0 & IDR0_ATS != 0 { CR0_DISTRUST } else { 0 };
        self.enable(on)?;
        self.enable(on | CR0_ON)?;
        if interrupts { Ok(()) } else { Err("it does not answer") }
    }

    fn enable(&self, bits: u32) -> Result<(), &'static str> {
        self.ports.control.write(CR0, bits);
        if wait(|| self.ports.control.read(CR0ACK) == bits) { Ok(()) } else { Err("it does not answer") }
    }

    /// Whether it translates; else it aborts everything.
    pub const fn translates(&self) -> bool {
        self.translation.is_some()
    }

    /// A stream is bound to the tables of a root, with the descriptor of that at `context`, a granule of zeroed memory. It goes on to
    /// abort until it is opened.
    pub fn bind(&mut self, mem: &mut Mem, stream: u32, root: Phys, context: Phys) -> Result<(), Unbound> {
        let entry = self.entry(mem, stream)?;
        if mem.read_u64(entry) & ADDRESS != 0 {
            return Err(Unbound::Taken);
        }
        let output = self.translation.as_ref().map_or(0, |translation| translation.output);
        write_context(mem, context, root, stream, output);
        // Cacheable descriptors, shareability as the access has it.
        mem.write_u64(Phys(entry.0 + 8), 0b01 << 44 | 0b11 << 6 | 0b01 << 4 | 0b01 << 2);
        arch::publish_to_devices();
        mem.write_u64(entry, context.0 | STE_ABORT);
        self.forget(mem, stream);
        Ok(())
    }

    /// From here on the accesses of a stream go through the tables that it is bound to.
    pub fn open_stream(&mut self, mem: &mut Mem, stream: u32) {
        if let Some(entry) = self.known(mem, stream) {
            let value = mem.read_u64(entry);
            mem.write_u64(entry, value & ADDRESS | STE_STAGE_1);
            self.forget(mem, stream);
        }
    }

    /// From here on a stream aborts, without a word, and is nobody's. What it did before is complete.
    pub fn unbind(&mut self, mem: &mut Mem, stream: u32) {
        if let Some(entry) = self.known(mem, stream) {
            mem.write_u64(entry, STE_ABORT);
            self.forget(mem, stream);
        }
    }

    /// The same of a stream that stays whose it is.
    fn stop(&mut self, mem: &mut Mem, stream: u32) {
        if let Some(entry) = self.known(mem, stream) {
            let value = mem.read_u64(entry);
            mem.write_u64(entry, value & ADDRESS | STE_ABORT);
            self.forget(mem, stream);
        }
    }

    /// Where the entry of a stream lies, if there is a table for it: none is taken for what a device says of itself.
    fn known(&self, mem: &Mem, stream: u32) -> Option<Phys> {
        let translation = self.translation.as_ref().filter(|translation| stream >> translation.bits == 0)?;
        let (place, within) = translation.way(stream);
        let value = mem.read_u64(place);
        (value != 0).then_some(Phys((value & ADDRESS) + within))
    }

    /// Where the entry of a stream lies. A table for it is taken if there is none.
    fn entry(&mut self, mem: &mut Mem, stream: u32) -> Result<Phys, Unbound> {
        let translation = self.translation.as_mut().ok_or(Unbound::NoStream)?;
        if stream >> translation.bits != 0 {
            return Err(Unbound::NoStream);
        }
        let (place, within) = translation.way(stream);
        let value = mem.read_u64(place);
        if value != 0 {
            return Ok(Phys((value & ADDRESS) + within));
        }
        let table = translation.free;
        if table == translation.end {
            return Err(Unbound::Full);
        }
        translation.free.0 += STREAMS * 64;
        mem.write_u64(place, table.0 | u64::from(SPLIT + 1));
        Ok(Phys(table.0 + within))
    }

    /// Nothing of a stream is remembered any more.
    fn forget(&mut self, mem: &mut Mem, stream: u32) {
        let id = u64::from(stream);
        self.ask(mem, &[[command::CFGI_STE | id << 32, 0], [command::TLBI_NH_ASID | id << 48, 0]]);
    }

    /// The translations of some entries of a stream's tables that cover 2^`bits` bytes each are forgotten, and what used them is
    /// complete.
    pub fn invalidate(&mut self, mem: &mut Mem, stream: u32, start: u64, entries: u64, bits: u32) {
        let Some(translation) = &mut self.translation else { return };
        for index in 0..entries {
            let address = start + (index << bits);
            translation.push(mem, [command::TLBI_NH_VA | u64::from(stream) << 48, address]);
        }
        self.settle(mem);
    }

    fn ask(&mut self, mem: &mut Mem, commands: &[[u64; 2]]) {
        let Some(translation) = &mut self.translation else { return };
        commands.iter().for_each(|&command| translation.push(mem, command));
        self.settle(mem);
    }

    /// Waits until all commands are done.
    fn settle(&mut self, mem: &mut Mem) {
        let Some(translation) = &mut self.translation else { return };
        translation.push(mem, [command::SYNC, 0]);
        let produced = translation.produced;
        arch::publish_to_devices();
        let control = &self.ports.control;
        control.write(CMDQ_PROD, produced);
        if !wait(|| control.read(CMDQ_CONS) & 0xf_ffff == produced) {
            // What protects memory does not do it any more: nothing may go on.
            let refused = control.read(GERROR) & GERROR_COMMAND != 0;
            panic!("the SMMU at {:#x} {}", self.base, if refused { "refuses a command" } else { "does not answer" });
        }
    }

    /// What a device tried that waits longest to be told; its stream aborts from now on.
    pub fn refused(&mut self, mem: &mut Mem) -> Option<Refused> {
        let queues = &self.ports.queues;
        let (produced, consumed) = (queues.read(EVENTQ_PROD), queues.read(EVENTQ_CONS));
        let index = consumed & ((2 << EVENTS) - 1);
        let events = self.translation.as_ref()?.events;
        if produced & ((2 << EVENTS) - 1) == index {
            return None;
        }
        let place = events.0 + u64::from(index & ((1 << EVENTS) - 1)) * 32;
        let word = |offset| mem.read_u64(Phys(place + offset));
        let (first, second, address) = (word(0), word(8), word(16));
        let refused =
            Refused { stream: (first >> 32) as u32, address, write: second >> 35 & 1 == 0, event: first as u8 };
        // One that overflowed is told that it was seen.
        queues.write(EVENTQ_CONS, (index + 1) & ((2 << EVENTS) - 1) | produced & 1 << 31);
        self.stop(mem, refused.stream);
        Some(refused)
    }
}

impl Translation {
    /// Where the descriptor of a stream's table lies, and how far in that its entry.
    const fn way(&self, stream: u32) -> (Phys, u64) {
        let stream = stream as u64;
        (Phys(self.level1.0 + (stream >> SPLIT) * 8), stream % STREAMS * 64)
    }

    /// The next command. The queue has room: it was empty, and nobody asks for as many as it holds.
    fn push(&mut self, mem: &mut Mem, command: [u64; 2]) {
        let place = self.commands.0 + u64::from(self.produced & ((1 << COMMANDS) - 1)) * 16;
        mem.write_u64(Phys(place), command[0]);
        mem.write_u64(Phys(place + 8), command[1]);
        self.produced = (self.produced + 1) & ((2 << COMMANDS) - 1);
        #[cfg(test)]
        self.log.push(command);
    }
}

/// An entry of a stream (5.2): valid, abort; valid, stage 1.
const STE_ABORT: u64 = 1;
const STE_STAGE_1: u64 = 0b101 << 1 | 1;
/// The address in an entry: of the first level (5.1) that of a table, of a stream that of its context descriptor.
const ADDRESS: u64 = 0x000f_ffff_ffff_ffc0;

/// A context descriptor (5.4): 48 bits of addresses, pages of 4 KiB, AArch64, faults abort and are recorded. Its ASID is the
/// number of the stream.
fn write_context(mem: &mut Mem, at: Phys, root: Phys, stream: u32, output: u64) {
    const SIZE: u64 = 64 - 48;
    const WALKS: u64 = 0b11 << 12 | 0b01 << 10 | 0b01 << 8;
    const NO_UPPER_HALF: u64 = 1 << 30;
    const VALID: u64 = 1 << 31;
    const AARCH64: u64 = 1 << 41;
    const RECORD: u64 = 1 << 45;
    const ABORT: u64 = 1 << 46;
    const OWN_ASID: u64 = 1 << 47;
    let first = SIZE | WALKS | NO_UPPER_HALF | VALID | output << 32 | AARCH64 | RECORD | ABORT | OWN_ASID;
    mem.write_u64(at, first | u64::from(stream) << 48);
    mem.write_u64(Phys(at.0 + 8), root.0);
    mem.write_u64(Phys(at.0 + 16), 0);
    mem.write_u64(Phys(at.0 + 24), arch::pte::MAIR);
}

/// Whether it can do what is asked of it here.
fn check(idr0: u32, idr1: u32, idr5: u32) -> Result<(), &'static str> {
    let needed = [
        (idr0 & 1 << 1 != 0, "it has no stage 1"),
        (idr0 & 1 << 3 != 0, "it does not read tables of AArch64"),
        (idr0 & 1 << 4 != 0, "it does not see the caches"),
        (idr0 >> 24 & 3 != 2, "it stalls what faults"),
        (idr0 >> 27 & 3 == 1, "it has no tables of two levels"),
        (idr1 & 3 << 29 == 0, "its tables and queues lie in places of their own"),
        (idr1 >> 21 & 31 >= COMMANDS && idr1 >> 16 & 31 >= EVENTS, "its queues are too short"),
        (idr5 & 1 << 4 != 0, "it has no pages of 4 KiB"),
    ];
    needed.iter().find(|(fits, _)| !fits).map_or(Ok(()), |(_, why)| Err(why))
}

fn wait(mut done: impl FnMut() -> bool) -> bool {
    (0..PATIENCE).any(|_| done())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::fake;
