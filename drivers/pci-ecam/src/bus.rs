//! The functions of a bus, and what their drivers may do with them: the protocol `pci`.

use alloc::vec::Vec;

use ipc::Client;
use ipc::devices::{Function, Route};
use ipc::pci::{Pci, Status};

use crate::capability::{capabilities, merged, sends_messages, snoop, stop_messages};
use crate::config::{
    Address, COMMAND, ID, INTERRUPT, INTX_DISABLE, IO, MASTER, MEMORY, RAISES_INTX, REGISTERS, set_command,
};
use crate::scan::scan_slot;
use crate::slot::{Change, Slot};
use crate::{Ecam, Fault, Scan, Windows};

/// A bus that was scanned.
#[derive(Debug)]
pub struct Bus {
    ecam: Ecam,
    /// What the host bridge passes on.
    windows: Windows,
    found: Scan,
    driven: Vec<Driven>,
    /// The slots that interrupt: the port, the line, and what happened that was not seen to.
    slots: Vec<(Address, u32, u16)>,
}

/// Who drives a function.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// The component.
    pub component: u32,
    /// It may have the function read and write memory.
    pub may_master: bool,
    /// Which of the lines of the bus the function interrupts on.
    pub line: Option<u32>,
}

/// A function with a driver.
#[derive(Debug)]
struct Driven {
    at: Address,
    component: u32,
    may_master: bool,
    /// Which of the lines of the bus it interrupts on.
    line: Option<u32>,
    /// The instance of the driver that has it; none until it has called this process.
    instance: Option<u16>,
}

impl Bus {
    /// With what was found behind it.
    pub const fn new(ecam: Ecam, windows: Windows, found: Scan) -> Self {
        Self { ecam, windows, found, driven: Vec::new(), slots: Vec::new() }
    }

    /// What was found, in order.
    pub fn found(&self) -> &[Result<Function, Fault>] {
        &self.found.functions
    }

    /// How a function is reached; none on the root bus.
    pub fn route(&self, function: &Function) -> Option<Route> {
        self.found.bridges.route(function)
    }

    /// Which device of the root bus takes a function's interrupt for its own, and on which pin.
    pub fn pin(&self, function: &Function) -> (u16, u8) {
        self.route(function).map_or((function.address, function.pin), |route| (route.device, route.pin))
    }

    /// A function is this driver's, or nobody's. Only one with a driver may raise its INTx: else nobody would serve it, and
    /// its line may be shared.
    pub fn give(&mut self, at: Address, driver: Option<Driver>) {
        let before = self.driven.iter().position(|it| it.at == at).map(|index| self.driven.swap_remove(index));
        let Some(Driver { component, may_master, line }) = driver else {
            self.quiet(at);
            // A slot is served here.
            let is_served = self.slots.iter().any(|slot| slot.0 == at);
            return set_command(&self.ecam, at, INTX_DISABLE, if is_served { 0 } else { INTX_DISABLE });
        };
        if let Err(bad) = capabilities(&self.ecam, at) {
            log::error!("{at}: {bad}; none of it is used");
        }
        let instance = before.filter(|it| it.component == component).and_then(|it| it.instance);
        self.driven.push(Driven { at, component, may_master, line, instance });
        snoop(&self.ecam, at);
        if !may_master {
            self.master(at, false);
        }
        set_command(&self.ecam, at, INTX_DISABLE, 0);
    }

    /// The components that have functions.
    pub fn drivers(&self) -> impl Iterator<Item = u32> + '_ {
        self.driven.iter().map(|it| it.component)
    }

    /// A component does not run any more: its function is quiet until its next instance calls.
    pub fn ended(&mut self, component: u32) {
        let Some(driven) = self.driven.iter_mut().find(|it| it.component == component) else { return };
        driven.instance = None;
        let (at, interrupts) = (driven.at, self.ecam.read(driven.at, COMMAND) & RAISES_INTX != 0);
        self.quiet(at);
        set_command(&self.ecam, at, INTX_DISABLE, INTX_DISABLE);
        set_mark(&self.ecam, at, 0);
        if interrupts {
            log::warn!("{at}: its driver ended while it raised INTx, which is off until it is started again");
        }
    }

    /// The functions that raise this line now.
    pub fn raising(&self, line: u32) -> Vec<Address> {
        let here = self.driven.iter().filter(|it| it.line == Some(line)).map(|it| it.at);
        here.filter(|&at| raises(&self.ecam, at)).collect()
    }

    /// A function raises its line without end, and its driver does not serve it.
    pub fn cut_off(&mut self, at: Address) {
        let Some(driven) = self.driven.iter().find(|it| it.at == at) else { return };
        set_command(&self.ecam, at, INTX_DISABLE, INTX_DISABLE);
        let component = driven.component;
        log::error!(
            "{at}: it raises INTx without end, and its driver (component {component}) does not serve it: INTx is off until the \
             driver is started again"
        );
    }

    /// The slots where devices come and go, and whose interrupt that is: a device of the root bus and a pin.
    pub fn slots(&self) -> Vec<(Address, (u16, u8))> {
        let ports = self.found.bridges.0.iter().filter(|bridge| bridge.slot.is_some()).map(|bridge| bridge.at);
        let function = |at: Address| self.found.functions.iter().flatten().find(|it| it.address == at.0);
        ports.filter_map(|at| function(at).map(|function| (at, self.pin(function)))).collect()
    }

    /// Has the slot of a port interrupt on this line.
    pub fn listen(&mut self, port: Address, line: u32) {
        let Some(slot) = self.slot(port) else { return };
        self.slots.retain(|slot| slot.0 != port);
        self.slots.push((port, line, 0));
        set_command(&self.ecam, port, INTX_DISABLE, 0);
        slot.listen(&self.ecam);
    }

    /// A line fired: whether something happened at a slot on it, which does not raise the line any more.
    pub fn slots_fired(&mut self, line: u32) -> bool {
        let ports: Vec<Address> = self.slots.iter().filter(|slot| slot.1 == line).map(|slot| slot.0).collect();
        // Each is looked at.
        ports.into_iter().filter(|&port| self.look(port)).count() != 0
    }

    /// Whether something happened at the slot of a port.
    pub fn look(&mut self, port: Address) -> bool {
        let Some(slot) = self.slot(port) else { return false };
        let Some(place) = self.slots.iter_mut().find(|slot| slot.0 == port) else { return false };
        let events = slot.events(&self.ecam);
        place.2 |= events;
        events != 0
    }

    /// What is to be done about the next slot at which something happened.
    pub fn next_change(&mut self) -> Option<(Address, Change)> {
        let place = self.slots.iter_mut().find(|slot| slot.2 != 0)?;
        let (port, events) = (place.0, core::mem::take(&mut place.2));
        let change = self.slot(port)?.change(&self.ecam, events, !self.behind(port).is_empty());
        Some((port, change))
    }

    /// Switches what is behind a port on or off.
    pub fn power(&self, port: Address, on: bool) {
        if let Some(slot) = self.slot(port) {
            slot.power(&self.ecam, on);
        }
    }

    /// Whether the link of a port is up.
    pub fn is_active(&self, port: Address) -> bool {
        self.slot(port).is_some_and(|slot| slot.is_active(&self.ecam))
    }

    /// Takes in what came behind a port: where it stands in [`Self::found`].
    pub fn plug(&mut self, port: Address) -> core::ops::Range<usize> {
        let first = self.found.functions.len();
        if let Some(bridge) = self.found.bridges.at(port).copied() {
            let new = scan_slot(&self.ecam, &self.windows, &self.found.bridges, &bridge);
            self.found.functions.extend(new);
        }
        first..self.found.functions.len()
    }

    /// What is behind a port is quiet, and not there any more: the functions, what is behind a bridge before the bridge.
    pub fn take_behind(&mut self, port: Address) -> Vec<Address> {
        let mut gone = self.behind(port);
        gone.reverse();
        for &at in &gone {
            self.quiet(at);
            set_command(&self.ecam, at, INTX_DISABLE | MEMORY | IO, INTX_DISABLE);
        }
        self.driven.retain(|it| !gone.contains(&it.at));
        self.slots.retain(|slot| !gone.contains(&slot.0));
        self.found.bridges.0.retain(|it| !gone.contains(&it.at));
        let is_gone = |at: Address| gone.contains(&at);
        self.found.functions.retain(|it| {
            let at = it.as_ref().map_or_else(|fault| fault.at, |function| Address(function.address));
            !is_gone(at)
        });
        gone
    }

    /// Where behind a port there could be a function and is none.
    pub fn nothing_at(&self, port: Address) -> Vec<Address> {
        let Some(bridge) = self.found.bridges.at(port) else { return Vec::new() };
        let there = self.behind(port);
        let all = (0..8).map(|function| Address::new(bridge.secondary, 0, function));
        all.filter(|at| !there.contains(at)).collect()
    }

    /// All that was found behind a port, in order.
    fn behind(&self, port: Address) -> Vec<Address> {
        let Some(bridge) = self.found.bridges.at(port) else { return Vec::new() };
        let all = self.found.functions.iter();
        let all = all.map(|it| it.as_ref().map_or_else(|fault| fault.at, |function| Address(function.address)));
        all.filter(|at| bridge.leads_to(at.bus())).collect()
    }

    fn slot(&self, port: Address) -> Option<Slot> {
        self.found.bridges.at(port)?.slot
    }

    /// The function of a client, which is quiet if this instance of it calls for the first time.
    fn function(&mut self, client: Client) -> Result<(Address, bool), Status> {
        let driven = self.driven.iter_mut().find(|it| it.component == client.component()).ok_or(Status::NoFunction)?;
        let (at, may_master) = (driven.at, driven.may_master);
        if self.ecam.read(at, ID) == u32::MAX {
            return Err(Status::Gone);
        }
        let before = driven.instance.replace(client.epoch());
        let same = before.map_or(mark(&self.ecam, at) == mark_of(client), |before| before == client.epoch());
        if !same {
            self.quiet(at);
            set_mark(&self.ecam, at, mark_of(client));
            set_command(&self.ecam, at, INTX_DISABLE, 0);
        }
        Ok((at, may_master))
    }

    /// Masters no bus, and sends no messages.
    fn quiet(&self, at: Address) {
        self.master(at, false);
        stop_messages(&self.ecam, at);
    }

    /// Lets a function master the bus or not, and the bridges above it as long as anything behind them does.
    fn master(&self, at: Address, on: bool) {
        let set = |at: Address, on: bool| set_command(&self.ecam, at, MASTER, if on { MASTER } else { 0 });
        let bridges = &self.found.bridges;
        if bridges.at(at).is_some() {
            return;
        }
        set(at, on);
        for bridge in bridges.above(at) {
            let masters = |at: Address| bridge.leads_to(at.bus()) && masters(&self.ecam, at);
            let all = self.found.functions.iter().flatten().map(|it| Address(it.address));
            let needed = on || all.into_iter().any(|at| bridges.at(at).is_none() && masters(at));
            set(bridge.at, needed);
        }
    }
}

/// Whether a function holds its line: it is there, raises INTx and may, and does not send messages instead.
fn raises(ecam: &Ecam, at: Address) -> bool {
    let word = ecam.read(at, COMMAND);
    word != u32::MAX && word & RAISES_INTX != 0 && word & INTX_DISABLE == 0 && !sends_messages(ecam, at)
}

/// Whether a function is there and masters the bus.
fn masters(ecam: &Ecam, at: Address) -> bool {
    let word = ecam.read(at, COMMAND);
    word != u32::MAX && word & MASTER != 0
}

/// Which instance of a driver a function has is noted in the function itself, so that a bus driver that comes back knows: in the
/// interrupt line register, which no hardware looks at (PCI Local Bus Specification 3.0, 6.2.4). 0: none.
const fn mark_of(client: Client) -> u8 {
    (client.epoch() % 255) as u8 + 1
}

fn mark(ecam: &Ecam, at: Address) -> u8 {
    ecam.read(at, INTERRUPT) as u8
}

/// Notes it.
pub fn set_mark(ecam: &Ecam, at: Address, mark: u8) {
    ecam.write(at, INTERRUPT, ecam.read(at, INTERRUPT) & !0xff | u32::from(mark));
}

const fn checked(register: u16) -> Result<u16, Status> {
    if register < REGISTERS && register.is_multiple_of(4) { Ok(register) } else { Err(Status::NoRegister) }
}

impl Pci for Bus {
    fn read(&mut self, client: Client, register: u16) -> Result<u32, Status> {
        let (at, _) = self.function(client)?;
        Ok(self.ecam.read(at, checked(register)?))
    }

    fn write(&mut self, client: Client, register: u16, value: u32) -> Result<(), Status> {
        let (at, _) = self.function(client)?;
        let register = checked(register)?;
        let value = merged(&self.ecam, at, register, value).ok_or(Status::NotWritable)?;
        self.ecam.write(at, register, value);
        Ok(())
    }

    fn set_master(&mut self, client: Client, on: bool) -> Result<(), Status> {
        let (at, may_master) = self.function(client)?;
        if on && !may_master {
            return Err(Status::NotMaster);
        }
        self.master(at, on);
        Ok(())
    }

    fn reset(&mut self, client: Client) -> Result<(), Status> {
        let (at, _) = self.function(client)?;
        self.quiet(at);
        Ok(())
    }
}
