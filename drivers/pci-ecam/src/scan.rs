//! Finding functions, and giving their registers a place.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ipc::devices::{Bar, Function};

use crate::bus::set_mark;
use crate::capability::messages;
use crate::config::{Address, COMMAND, Ecam, ID, INTERRUPT, INTX_DISABLE, IO, MASTER, MEMORY, set_command};
use crate::windows::{Kind, Place, Windows};

/// More registers of a type 0 and type 1 header (PCI Local Bus Specification 3.0, 6.1).
const CLASS: u16 = 0x08;
const HEADER: u16 = 0x0c;
const BAR: u16 = 0x10;
const SUBSYSTEM: u16 = 0x2c;

/// What is wrong with a function. It is left alone, and its neighbours are served.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub at: Address,
    /// Why.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}

/// A base address register as it was found.
#[derive(Clone, Copy)]
struct Found {
    index: u8,
    size: u64,
    kind: Kind,
    /// What it holds.
    bus: u64,
}

/// All functions of the first bus, in order; of each its registers have a place. A function whose do not fit, or that lies, is a
/// fault. What has a place already keeps it, so that a bridge driver that comes back finds things as they are; one that does not
/// (`is_first`) has no function that masters the bus.
pub fn scan(ecam: &Ecam, windows: &mut Windows, is_first: bool) -> Vec<Result<Function, Fault>> {
    let addresses: Vec<Address> = functions(ecam).collect();
    if is_first {
        for &at in &addresses {
            set_command(ecam, at, MASTER, 0);
            set_mark(ecam, at, 0);
        }
    }
    let found: Vec<_> = addresses.into_iter().map(|at| Ok((at, bars(ecam, at)?))).collect();
    // Before any other is given a place.
    let kept: Vec<Kept> = found.iter().flatten().flat_map(|(at, bars)| keep(ecam, windows, *at, bars)).collect();
    let settle = |found: Result<_, Fault>| {
        let (at, bars): (_, Vec<_>) = found?;
        // What is not whole answers to nothing.
        settle(ecam, windows, at, &bars, &kept).inspect_err(|fault| ecam.write(fault.at, COMMAND, 0))
    };
    found.into_iter().map(settle).collect()
}

/// The place that a register has already.
struct Kept {
    at: Address,
    index: u8,
    place: Place,
}

/// The places that the registers of a function have, if it is switched on.
fn keep(ecam: &Ecam, windows: &mut Windows, at: Address, bars: &[Found]) -> Vec<Kept> {
    let command = ecam.read(at, COMMAND);
    let places = bars.iter().filter(|bar| command & decodes(bar) != 0).filter_map(|bar| {
        let place = windows.keep(bar.bus, bar.size, bar.kind)?;
        Some(Kept { at, index: bar.index, place })
    });
    places.collect()
}

/// The bit of the command register with which a function answers to the addresses of a register.
const fn decodes(bar: &Found) -> u32 {
    if matches!(bar.kind, Kind::Io) { IO } else { MEMORY }
}

/// Gives each register of a function a place, and switches the function on, without interrupts.
fn settle(ecam: &Ecam, windows: &mut Windows, at: Address, bars: &[Found], kept: &[Kept]) -> Result<Function, Fault> {
    let mut function = describe(ecam, at);
    for bar in bars {
        let has = kept.iter().find(|it| (it.at, it.index) == (at, bar.index)).map(|it| it.place);
        let place = has.or_else(|| windows.place(bar.size, bar.kind)).ok_or_else(|| Fault {
            at,
            why: alloc::format!("BAR {} of {:#x} bytes fits in no window of the bridge", bar.index, bar.size),
        })?;
        if has.is_none() {
            // Off, as it would answer to half of an address.
            ecam.write(at, COMMAND, 0);
            set(ecam, at, bar, place.bus);
        }
        function.bars[usize::from(bar.index)] = Bar { base: place.cpu, size: bar.size };
    }
    let ports = bars.iter().fold(0, |bits, bar| bits | decodes(bar) & IO);
    set_command(ecam, at, IO | MEMORY | INTX_DISABLE, ports | MEMORY | INTX_DISABLE);
    Ok(function)
}

/// The functions that are there. One that is not says so with all ones; of a device without function 0 there are none.
fn functions(ecam: &Ecam) -> impl Iterator<Item = Address> + '_ {
    (0..32u8).flat_map(move |device| {
        let first = Address::new(ecam.first(), device, 0);
        let several = ecam.read(first, HEADER) & 0x80_0000 != 0;
        let count = if !is_there(ecam, first) {
            0
        } else if several {
            8
        } else {
            1
        };
        (0..count).map(move |function| Address::new(ecam.first(), device, function)).filter(|&at| is_there(ecam, at))
    })
}

fn is_there(ecam: &Ecam, at: Address) -> bool {
    !matches!(ecam.read(at, ID) & 0xffff, 0 | 0xffff)
}

fn describe(ecam: &Ecam, at: Address) -> Function {
    let (id, subsystem) = (ecam.read(at, ID), ecam.read(at, SUBSYSTEM));
    Function {
        vendor: id as u16,
        device: (id >> 16) as u16,
        subsystem_vendor: subsystem as u16,
        subsystem: (subsystem >> 16) as u16,
        class: ecam.read(at, CLASS),
        address: at.0,
        pin: (ecam.read(at, INTERRUPT) >> 8) as u8,
        messages: messages(ecam, at),
        ..Function::default()
    }
}

/// The registers, with their sizes: what stays of all ones (6.2.5.1). Those of I/O ports count only where there are no others, as
/// they have few places: a function of PCI Express does without them.
fn bars(ecam: &Ecam, at: Address) -> Result<Vec<Found>, Fault> {
    let count = match ecam.read(at, HEADER) >> 16 & 0x7f {
        0 => 6,
        1 => 2,
        other => return Err(Fault { at, why: alloc::format!("a header of type {other}, which nobody knows") }),
    };
    let decoded = ecam.read(at, COMMAND) & (IO | MEMORY);
    // Not while its registers hold nonsense.
    set_command(ecam, at, IO | MEMORY, 0);
    let bars = sized(ecam, at, count);
    set_command(ecam, at, IO | MEMORY, decoded);
    let mut bars = bars?;
    if bars.iter().any(|bar| bar.kind != Kind::Io) {
        bars.retain(|bar| bar.kind != Kind::Io);
    }
    Ok(bars)
}

fn sized(ecam: &Ecam, at: Address, count: u8) -> Result<Vec<Found>, Fault> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < count {
        let register = BAR + 4 * u16::from(index);
        let low = ecam.read(at, register);
        let (io, wide) = (low & 1 != 0, low & 0b111 == 0b100);
        let fault = |why: &str| Fault { at, why: alloc::format!("BAR {index} {why}") };
        if wide && index + 1 == count {
            return Err(fault("has 64 bits, of which half lie behind the last one"));
        }
        if io {
            // The upper half may not be there.
            let mask = probe(ecam, at, register) & !0b11;
            if mask != 0 {
                let size = u64::from((mask | 0xffff_0000).wrapping_neg());
                if !size.is_power_of_two() {
                    return Err(fault("says no size that there is"));
                }
                found.push(Found { index, size, kind: Kind::Io, bus: u64::from(low & !0b11) });
            }
        } else {
            let high = if wide { u64::from(probe(ecam, at, register + 4)) } else { 0xffff_ffff };
            let mask = high << 32 | u64::from(probe(ecam, at, register) & !0xf);
            let bus = u64::from(low & !0xf) | if wide { u64::from(ecam.read(at, register + 4)) << 32 } else { 0 };
            if mask & 0xffff_ffff != 0 || wide && high != 0 {
                let size = mask.wrapping_neg();
                if !size.is_power_of_two() {
                    return Err(fault("says no size that there is"));
                }
                found.push(Found { index, size, kind: if wide { Kind::Wide } else { Kind::Narrow }, bus });
            }
        }
        index += if wide { 2 } else { 1 };
    }
    Ok(found)
}

/// What stays of all ones. The register holds afterwards what it did before.
fn probe(ecam: &Ecam, at: Address, register: u16) -> u32 {
    let before = ecam.read(at, register);
    ecam.write(at, register, u32::MAX);
    let stays = ecam.read(at, register);
    ecam.write(at, register, before);
    stays
}

fn set(ecam: &Ecam, at: Address, bar: &Found, bus: u64) {
    let register = BAR + 4 * u16::from(bar.index);
    ecam.write(at, register, bus as u32);
    if bar.kind == Kind::Wide {
        ecam.write(at, register + 4, (bus >> 32) as u32);
    }
}
