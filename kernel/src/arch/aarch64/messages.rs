//! Controllers of messages: v2m frames, ITSes, and what they share, the redistributors' tables of LPIs (ARM IHI 0069, 5.1).

use tree::{MAX_MESSAGE_CONTROLLERS, Machine as Described, MessageController, MessageKind};

use super::intc::{Intc, Redistributor};
use super::mmio;
use super::mmu::DeviceWindow;
use crate::gate::MAX_CORES;
use crate::its::{self, Event, Its};
use crate::message::{Controller, FIRST, MOST, Message};
use crate::mm::regions::Regions;
use crate::mm::{Mem, Phys};

/// MSI_TYPER of a frame: its first line, and how many.
const MSI_TYPER: usize = 0x008;
/// MSI_SETSPI_NS.
const SET_SPI: u64 = 0x040;
const FRAME_BYTES: u64 = 0x1000;

const GICR_CTLR: usize = 0x00;
const GICR_PROPBASER: usize = 0x70;
const GICR_PENDBASER: usize = 0x78;
const ENABLE_LPIS: u32 = 1;
/// Numbers of interrupts have 14 bits: the fewest with which there are LPIs.
const ID_BITS: u64 = 14;
/// A byte for each LPI.
const CONFIG_BYTES: u64 = (1 << ID_BITS) - FIRST as u64;
/// A bit for each interrupt, LPI or not.
const PENDING_BYTES: u64 = (1 << ID_BITS) / 8;
const PENDING_ALIGN: u64 = 64 << 10;
/// The pending table is zero.
const ALL_ZERO: u64 = 1 << 62;
/// Normal memory, write-back, inner shareable, and not cached.
const SHARED: u64 = 7 << 7 | 1 << 10;
const NOT_CACHED: u64 = 1 << 7;
const SHAREABILITY: u64 = 3 << 10;
/// The configuration of an LPI: its priority, and whether it may fire.
const PRIORITY: u64 = 0xa0 | 1 << 1;
const OPEN: u64 = 1;

/// All there is.
#[derive(Debug, Default)]
pub(super) struct Messages {
    list: [Option<Entry>; MAX_MESSAGE_CONTROLLERS],
    lpis: Option<Lpis>,
}

#[derive(Debug)]
struct Entry {
    controller: Controller,
    its: Option<Its<Port>>,
}

/// What the redistributors share.
#[derive(Debug)]
struct Lpis {
    config: Phys,
    /// Of each core; 0: it has none.
    pending: [Phys; MAX_CORES],
    /// They see the caches.
    coherent: bool,
    count: u32,
}

/// Registers of an ITS.
#[derive(Debug)]
struct Port(mmio::Registers);

impl its::Registers for Port {
    fn read(&self, offset: usize) -> u32 {
        self.0.read(offset)
    }

    fn read_long(&self, offset: usize) -> u64 {
        self.0.read_long(offset)
    }

    fn write(&mut self, offset: usize, value: u32) {
        self.0.write(offset, value);
    }

    fn write_long(&mut self, offset: usize, value: u64) {
        // SAFETY: a barrier.
        unsafe { core::arch::asm!("dsb sy", options(nostack, preserves_flags)) };
        self.0.write_long(offset, value);
    }
}

impl Messages {
    /// Finds the controllers and takes them over, with memory only if there is an ITS. The boot core takes messages then.
    #[inline(never)]
    pub fn start(
        &mut self,
        described: &Described<'_>,
        intc: &Intc,
        window: &mut DeviceWindow,
        mem: &mut Mem,
        free: &mut Regions,
    ) {
        let Self { list, lpis } = self;
        for (place, node) in list.iter_mut().zip(&described.messages) {
            *place = match node.kind {
                MessageKind::Frame { .. } => frame(node, intc.lines(), window),
                MessageKind::Its => {
                    if lpis.is_none() {
                        *lpis = Lpis::take(described.cpus.len(), intc, mem, free);
                    }
                    lpis.as_ref().and_then(|_| translator(node, window, mem, free))
                }
            };
            if place.is_none() {
                log::warn!("messages: the controller at {:#x} takes none", node.registers.base);
            }
        }
        if let Some(own) = intc.redistributor(0) {
            self.start_core(mem, 0, own);
        }
    }

    /// A core takes messages.
    pub fn start_core(&mut self, mem: &mut Mem, core: usize, own: Redistributor) {
        let Self { list, lpis } = self;
        if !lpis.as_mut().is_some_and(|lpis| lpis.start_core(core, own)) {
            if core == 0 {
                *lpis = None;
            }
            return;
        }
        for its in list.iter_mut().flatten().filter_map(|entry| entry.its.as_mut()) {
            its.add_core(mem, core, own.place, own.number);
        }
    }

    fn its(&mut self, controller: u8) -> Option<&mut Its<Port>> {
        self.list.get_mut(usize::from(controller))?.as_mut()?.its.as_mut()
    }
}

/// The lines of a frame are those that the tree says, else those that its register says, and such that there are.
fn frame(node: &MessageController, lines: u32, window: &mut DeviceWindow) -> Option<Entry> {
    let MessageKind::Frame { first, count } = node.kind else { return None };
    let base = node.registers.base;
    let typer = window.map(base, node.registers.size.min(FRAME_BYTES))?.read(MSI_TYPER);
    let (first, count) = (first.unwrap_or(typer >> 16 & 0x3ff), count.unwrap_or(typer & 0x3ff));
    let is_there = first >= 32 && count > 0 && first.checked_add(count).is_some_and(|end| end <= lines);
    let controller = Controller { registers: base, doorbell: base + SET_SPI, lines: Some((first, count)) };
    is_there.then_some(Entry { controller, its: None })
}

fn translator(node: &MessageController, window: &mut DeviceWindow, mem: &mut Mem, free: &mut Regions) -> Option<Entry> {
    let base = node.registers.base;
    if node.registers.size < its::TRANSLATION + its::REGISTERS {
        return None;
    }
    let registers = window.map(base, its::REGISTERS)?;
    match Its::start(Port(registers), mem, free) {
        Ok(its) => {
            let doorbell = base + its::TRANSLATION + its::TRANSLATER;
            Some(Entry { controller: Controller { registers: base, doorbell, lines: None }, its: Some(its) })
        }
        Err(lack) => {
            log::warn!("ITS at {base:#x}: {lack}");
            None
        }
    }
}

impl Lpis {
    /// Tables for as many cores as the tree names.
    fn take(cores: usize, intc: &Intc, mem: &mut Mem, free: &mut Regions) -> Option<Self> {
        let count = intc.messages(ID_BITS as u32)?.min(MOST as u32);
        let mut pending = [Phys(0); MAX_CORES];
        for own in &mut pending[..cores.clamp(1, MAX_CORES)] {
            let place = free.take(PENDING_BYTES.next_multiple_of(abi::layout::PAGE), PENDING_ALIGN).map(Phys)?;
            mem.zero(place, abi::layout::PAGE);
            mem.clean_invalidate(place, 1);
            *own = place;
        }
        let config = free.take(CONFIG_BYTES, abi::layout::PAGE).map(Phys)?;
        mem.zero(config, CONFIG_BYTES);
        mem.clean_invalidate(config, CONFIG_BYTES / abi::layout::PAGE);
        Some(Self { config, pending, coherent: false, count })
    }

    /// The redistributor of this core has its tables and takes LPIs; `false`: it does not, as whoever ran before switched
    /// that on for good.
    fn start_core(&mut self, core: usize, own: Redistributor) -> bool {
        let frame = own.control;
        let Some(pending) = self.pending.get(core).filter(|pending| pending.0 != 0) else { return false };
        frame.write(GICR_CTLR, frame.read(GICR_CTLR) & !ENABLE_LPIS);
        if frame.read(GICR_CTLR) & ENABLE_LPIS != 0 {
            log::warn!("messages: the redistributor of core {core} has tables already, which cannot be taken over");
            return false;
        }
        let config = self.config.0 | (ID_BITS - 1);
        frame.write_long(GICR_PROPBASER, config | SHARED);
        let coherent = frame.read_long(GICR_PROPBASER) & SHAREABILITY != 0;
        let memory = if coherent { SHARED } else { NOT_CACHED };
        frame.write_long(GICR_PROPBASER, config | memory);
        frame.write_long(GICR_PENDBASER, pending.0 | memory | ALL_ZERO);
        // One that does not see the caches is enough for all of them to be cleaned.
        self.coherent = coherent && (core == 0 || self.coherent);
        // SAFETY: a barrier: the redistributor finds its tables written.
        unsafe { core::arch::asm!("dsb sy", options(nostack, preserves_flags)) };
        frame.write(GICR_CTLR, frame.read(GICR_CTLR) | ENABLE_LPIS);
        true
    }

    fn configure(&self, mem: &mut Mem, lpi: u32, open: bool) {
        let place = self.config.0 + u64::from(lpi - FIRST);
        let (word, shift) = (Phys(place & !7), (place & 7) * 8);
        let byte = PRIORITY | if open { OPEN } else { 0 };
        let value = mem.read_u64(word) & !(0xff << shift) | byte << shift;
        mem.write_u64(word, value);
        if !self.coherent {
            mem.clean_invalidate(Phys(place & !(abi::layout::PAGE - 1)), 1);
        }
    }
}

fn event(message: &Message) -> Event {
    Event { device: message.device, event: message.event }
}

/// What the kernel asks.
impl super::machine::Machine {
    /// A controller of messages.
    pub fn message_controller(&self, number: usize) -> Option<Controller> {
        Some(self.messages.list.get(number)?.as_ref()?.controller)
    }

    /// How many messages to ITSes there can be.
    pub fn messages(&self) -> u32 {
        self.messages.lpis.as_ref().map_or(0, |lpis| lpis.count)
    }

    /// How many messages a device can have of an ITS; 0: of this one, none.
    pub fn message_events(&self, mem: &Mem, controller: u8, device: u32) -> u32 {
        let its = self.messages.list.get(usize::from(controller)).and_then(|entry| entry.as_ref()?.its.as_ref());
        its.filter(|its| its.works() && its.has_room(mem, device)).map_or(0, Its::events)
    }

    /// A device has a page for its events.
    pub fn map_message_device(&mut self, mem: &mut Mem, controller: u8, device: u32, page: Phys) -> bool {
        self.messages.its(controller).is_some_and(|its| its.map_device(mem, device, page))
    }

    /// A device sends nothing any more; its page is free when this returns.
    pub fn unmap_message_device(&mut self, mem: &mut Mem, controller: u8, device: u32) {
        if let Some(its) = self.messages.its(controller) {
            its.unmap_device(mem, device);
        }
    }

    /// A message is an interrupt, which is masked.
    pub fn map_message(&mut self, mem: &mut Mem, message: &Message, lpi: u32) -> bool {
        if let Some(lpis) = &self.messages.lpis {
            lpis.configure(mem, lpi, false);
        }
        let core = message.core.into();
        self.messages.its(message.controller).is_some_and(|its| its.map_event(mem, event(message), lpi, core))
    }

    /// A message is nothing any more.
    pub fn unmap_message(&mut self, mem: &mut Mem, message: &Message) {
        if let Some(its) = self.messages.its(message.controller) {
            its.unmap_event(mem, event(message), message.core.into());
        }
    }

    /// Sends a message to another core; says where it goes.
    pub fn route_message(&mut self, mem: &mut Mem, message: &Message, to: usize) -> u8 {
        match self.messages.its(message.controller) {
            Some(its) if to != usize::from(message.core) && its.reaches(to) => {
                its.route(mem, event(message), message.core.into(), to);
                to as u8
            }
            _ => message.core,
        }
    }

    /// Lets a message fire, or keeps it from that; it stays pending.
    pub fn open_message(&mut self, mem: &mut Mem, message: &Message, lpi: u32, open: bool) {
        if let Some(lpis) = &self.messages.lpis {
            lpis.configure(mem, lpi, open);
        }
        if let Some(its) = self.messages.its(message.controller) {
            its.changed(mem, event(message), message.core.into());
        }
    }
}
