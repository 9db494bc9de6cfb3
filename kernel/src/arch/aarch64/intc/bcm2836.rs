//! The BCM2836's controllers, which the BCM2837 has too: one with a part for each core (Broadcom, "Quad-A7 control", rev 3.4), and
//! behind it that of the devices (Broadcom, "BCM2835 ARM Peripherals", 7). Lines are levels; nothing is acknowledged or ended, so that
//! one fires until it is masked or its device takes it back. Numbers are as [`tree::Line`] counts them.

use core::sync::atomic::AtomicU32;

use aarch64_cpu::registers::{MPIDR_EL1, Readable};

use super::{KICK, NO_LINE, barrier};
use crate::arch::aarch64::mmio::Registers;
use crate::gate::MAX_CORES;

/// Of each core, four bytes apart: which timers interrupt it, which mailboxes, and what is pending.
const TIMERS: usize = 0x40;
const MAILBOXES: usize = 0x50;
const SOURCE: usize = 0x60;
/// Mailbox 0 of each core, sixteen bytes apart: bits to set, bits to clear.
const MAILBOX_SET: usize = 0x80;
const MAILBOX_CLEAR: usize = 0xc0;
/// To which core the devices' interrupts go.
const ROUTING: usize = 0x0c;
/// Bits of [`SOURCE`].
const FROM_TIMERS: u32 = 0xf;
const FROM_MAILBOX: u32 = 1 << 4;
const FROM_DEVICES: u32 = 1 << 8;

/// Of each bank of devices: what is pending, and registers that enable and disable.
const BANKS: [(usize, usize, usize); 3] = [(0x00, 0x18, 0x24), (0x04, 0x10, 0x1c), (0x08, 0x14, 0x20)];
/// In bank 0 only these are its own: the rest repeats what is pending in the others.
const OWN: u32 = 0xff;

/// The first line of the devices.
const FIRST: u32 = 32;
/// One more than the last.
pub const LINES: u32 = FIRST + 32 * BANKS.len() as u32;

/// What the fast path reads as the interface of a core: never a line, so that it leaves every interrupt to the slow one. (Nothing but
/// boot names it: as a constant it would go with boot.)
static NO_INTERFACE: [AtomicU32; 4] = [const { AtomicU32::new(NO_LINE) }; 4];

/// Both.
#[derive(Debug)]
pub struct Bcm2836 {
    cores: Registers,
    devices: Option<Registers>,
    /// The place of each core in the registers.
    place: [usize; MAX_CORES],
}

/// The place of this core.
fn own_place() -> usize {
    (MPIDR_EL1.get() & 3) as usize
}

impl Bcm2836 {
    /// Brings them to rest: nothing fires, and devices interrupt the core that boots.
    pub fn new(cores: Registers, devices: Option<Registers>) -> Self {
        for place in 0..4 {
            cores.write(TIMERS + 4 * place, 0);
            cores.write(MAILBOXES + 4 * place, 0);
        }
        cores.write(ROUTING, own_place() as u32);
        if let Some(devices) = devices {
            BANKS.iter().for_each(|&(_, _, disable)| devices.write(disable, u32::MAX));
        }
        Self { cores, devices, place: [0; MAX_CORES] }
    }

    pub(super) fn start_core(&mut self, core: usize) -> bool {
        let place = own_place();
        self.cores.write(MAILBOX_CLEAR + 16 * place, u32::MAX);
        let Some(own) = self.place.get_mut(core) else { return false };
        *own = place;
        true
    }

    /// What interrupts this core.
    pub(super) fn acknowledge(&self) -> u32 {
        let place = own_place();
        let source = self.cores.read(SOURCE + 4 * place);
        if source & FROM_MAILBOX != 0 {
            self.cores.write(MAILBOX_CLEAR + 16 * place, u32::MAX);
            return KICK;
        }
        // Devices first, as with a GIC: the timer may have much to do.
        let device = (source & FROM_DEVICES != 0).then(|| self.pending()).flatten();
        device.unwrap_or(if source & FROM_TIMERS == 0 { NO_LINE } else { 16 + source.trailing_zeros() })
    }

    fn pending(&self) -> Option<u32> {
        let devices = self.devices?;
        (0..).zip(BANKS).find_map(|(bank, (pending, _, _))| {
            let pending = devices.read(pending) & if bank == 0 { OWN } else { u32::MAX };
            (pending != 0).then(|| FIRST + 32 * bank + pending.trailing_zeros())
        })
    }

    /// Lets a line of this core fire.
    pub(super) fn unmask_private(&self, core: usize, line: u32) {
        let place = 4 * self.place[core % MAX_CORES];
        let (register, bit) = if line == KICK { (MAILBOXES, 0) } else { (TIMERS, (line - 16) % 4) };
        self.cores.write(register + place, self.cores.read(register + place) | 1 << bit);
    }

    pub(super) fn kick(&self, core: usize) {
        barrier();
        self.cores.write(MAILBOX_SET + 16 * self.place[core % MAX_CORES], 1);
    }

    /// Lets a line of a device fire, or not.
    pub(super) fn let_fire(&self, line: u32, fires: bool) {
        let bank = (line as usize / 32).checked_sub(1).and_then(|bank| BANKS.get(bank));
        if let (Some(devices), Some(&(_, enable, disable))) = (self.devices, bank) {
            devices.write(if fires { enable } else { disable }, 1 << (line % 32));
        }
    }

    /// Where the fast path looks for registers.
    pub(super) fn places(&self) -> (usize, usize) {
        (0, (&raw const NO_INTERFACE).expose_provenance())
    }
}
