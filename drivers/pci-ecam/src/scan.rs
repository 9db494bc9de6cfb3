//! Finding functions, and giving their registers a place.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ipc::devices::Function;

use crate::bridge::{Bridge, Bridges, is_bridge};
use crate::bus::set_mark;
use crate::buses::{buses, functions};
use crate::capability::messages;
use crate::config::{Address, COMMAND, Ecam, HEADER, ID, INTERRUPT, INTX_DISABLE, IO, MASTER, MEMORY, set_command};
use crate::layout::{Layout, Placed};
use crate::windows::{Kind, Windows};

/// More registers of a type 0 and type 1 header (PCI Local Bus Specification 3.0, 6.1).
const CLASS: u16 = 0x08;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Which.
    pub index: u8,
    /// Bytes.
    pub size: u64,
    /// What addresses it holds.
    pub kind: Kind,
    /// Reading what it leads to has no effect.
    pub prefetchable: bool,
    /// What it holds.
    pub bus: u64,
}

impl Bar {
    /// Whether it belongs in a bridge's prefetchable window. `wide`: that one may be above 4 GiB.
    pub const fn is_prefetchable(&self, wide: bool) -> bool {
        wide && matches!(self.kind, Kind::Wide) && self.prefetchable
    }

    /// The bit of the command register with which a function answers to its addresses.
    pub const fn decoded_by(&self) -> u32 {
        if matches!(self.kind, Kind::Io) { IO } else { MEMORY }
    }
}

/// A function, and the registers that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sized {
    /// Which.
    pub at: Address,
    /// Its registers.
    pub bars: Vec<Bar>,
}

/// What is behind a host bridge.
#[derive(Debug, Default)]
pub struct Scan {
    /// The functions, what is behind a bridge after it.
    pub functions: Vec<Result<Function, Fault>>,
    /// The bridges among them.
    pub bridges: Bridges,
}

/// All functions, in order; of each its registers have a place. A function whose do not fit, or that lies, is a fault. What has a
/// place already keeps it, so that a bridge driver that comes back finds things as they are; one that does not (`is_first`) has no
/// function that masters the bus.
pub fn scan(ecam: &Ecam, windows: &Windows, is_first: bool) -> Scan {
    let tree = buses(ecam);
    if is_first {
        for &at in tree.functions.iter().flatten() {
            set_command(ecam, at, MASTER, 0);
            set_mark(ecam, at, 0);
        }
    }
    let mut bridges = tree.bridges;
    let mut found: Vec<Result<Sized, Fault>> = Vec::new();
    for at in tree.functions {
        found.push(at.and_then(|at| Ok(Sized { at, bars: bars(ecam, at)? })));
    }
    leave_out(ecam, &mut found, &mut bridges);
    let sized: Vec<Sized> = found.iter().flatten().cloned().collect();
    bridges.0.iter().for_each(|bridge| bridge.set_up(ecam));
    let layout = Layout::new(ecam, &sized, &bridges, is_first, windows);
    let settle = |found: Result<Sized, Fault>| settle(ecam, &layout, &found?);
    let mut functions: Vec<_> = found.into_iter().map(settle).collect();
    // A bridge that has no place for its own registers passes nothing on.
    let broken: Vec<Address> = functions.iter().filter_map(|it| it.as_ref().err()).map(|fault| fault.at).collect();
    let reached = |function: &Function| !bridges.above(Address(function.address)).any(|it| broken.contains(&it.at));
    functions.retain(|it| it.as_ref().map_or(true, reached));
    for fault in functions.iter().filter_map(|it| it.as_ref().err()) {
        // What is not whole answers to nothing.
        ecam.write(fault.at, COMMAND, 0);
    }
    Scan { functions, bridges }
}

/// The functions of a device that came behind a port, as [`scan`] finds them. What else runs is not touched.
pub fn scan_slot(ecam: &Ecam, windows: &Windows, bridges: &Bridges, port: &Bridge) -> Vec<Result<Function, Fault>> {
    let found: Vec<Result<Sized, Fault>> = functions(ecam, port.secondary, true)
        .map(|at| {
            set_command(ecam, at, MASTER, 0);
            set_mark(ecam, at, 0);
            if is_bridge(ecam, at) {
                let why =
                    "it is a bridge that came while the machine runs: no bus number is left for what is behind it";
                return Err(Fault { at, why: why.into() });
            }
            Ok(Sized { at, bars: bars(ecam, at)? })
        })
        .collect();
    let sized: Vec<Sized> = found.iter().flatten().cloned().collect();
    let wide = port.wide && bridges.above(port.at).all(|bridge| bridge.wide);
    let passed_on = [false, true].map(|prefetchable| {
        let (bus, size) = port.window(ecam, prefetchable)?;
        windows.find(bus, size).map(|place| (place, size))
    });
    let none = Bridges::default();
    let layout = Layout::behind(ecam, &sized, &none, port, wide, passed_on);
    let functions: Vec<_> = found.into_iter().map(|found| settle(ecam, &layout, &found?)).collect();
    for fault in functions.iter().filter_map(|it| it.as_ref().err()) {
        ecam.write(fault.at, COMMAND, 0);
    }
    functions
}

/// What is behind a bridge that is left alone is not there.
fn leave_out(ecam: &Ecam, found: &mut Vec<Result<Sized, Fault>>, bridges: &mut Bridges) {
    let broken: Vec<Address> = found.iter().filter_map(|it| it.as_ref().err()).map(|fault| fault.at).collect();
    let all = bridges.clone();
    let reached = |at: Address| !all.above(at).any(|it| broken.contains(&it.at));
    found.retain(|it| it.as_ref().map_or(true, |it| reached(it.at)));
    bridges.0.retain(|bridge| reached(bridge.at) && !broken.contains(&bridge.at));
    for at in broken.into_iter().filter(|&at| is_bridge(ecam, at)) {
        ecam.write(at, COMMAND, 0);
    }
}

/// Gives each register of a function its place, and switches the function on, without interrupts.
fn settle(ecam: &Ecam, layout: &Layout<'_>, sized: &Sized) -> Result<Function, Fault> {
    let at = sized.at;
    let mut function = describe(ecam, at);
    for bar in &sized.bars {
        let &Placed { place, is_kept, .. } = layout.place(at, bar).ok_or_else(|| Fault {
            at,
            why: alloc::format!("BAR {} of {:#x} bytes fits in no window of the bridge", bar.index, bar.size),
        })?;
        if !is_kept {
            // Off, as it would answer to half of an address.
            ecam.write(at, COMMAND, 0);
            set(ecam, at, bar, place.bus);
        }
        function.bars[usize::from(bar.index)] = ipc::devices::Bar { base: place.cpu, size: bar.size };
    }
    let ports = sized.bars.iter().fold(0, |bits, bar| bits | bar.decoded_by() & IO);
    set_command(ecam, at, IO | MEMORY | INTX_DISABLE, ports | MEMORY | INTX_DISABLE);
    Ok(function)
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
fn bars(ecam: &Ecam, at: Address) -> Result<Vec<Bar>, Fault> {
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

fn sized(ecam: &Ecam, at: Address, count: u8) -> Result<Vec<Bar>, Fault> {
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
                found.push(Bar { index, size, kind: Kind::Io, prefetchable: false, bus: u64::from(low & !0b11) });
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
                let (kind, prefetchable) = (if wide { Kind::Wide } else { Kind::Narrow }, low & 0b1000 != 0);
                found.push(Bar { index, size, kind, prefetchable, bus });
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

fn set(ecam: &Ecam, at: Address, bar: &Bar, bus: u64) {
    let register = BAR + 4 * u16::from(bar.index);
    ecam.write(at, register, bus as u32);
    if bar.kind == Kind::Wide {
        ecam.write(at, register + 4, (bus >> 32) as u32);
    }
}
