//! The functions of a bus, and what their drivers may do with them: the protocol `pci`.

use alloc::vec::Vec;

use ipc::Client;
use ipc::devices::{Function, Route};
use ipc::pci::{Pci, Status};

use crate::capability::{capabilities, merged, snoop, stop_messages};
use crate::config::{Address, COMMAND, ID, INTERRUPT, INTX_DISABLE, MASTER, RAISES_INTX, REGISTERS, set_command};
use crate::{Ecam, Fault, Scan};

/// A bus that was scanned.
#[derive(Debug)]
pub struct Bus {
    ecam: Ecam,
    found: Scan,
    driven: Vec<Driven>,
}

/// A function with a driver.
#[derive(Debug)]
struct Driven {
    at: Address,
    component: u32,
    may_master: bool,
    /// The instance of the driver that has it; none until it has called this process.
    instance: Option<u16>,
}

impl Bus {
    /// With what was found behind it.
    pub const fn new(ecam: Ecam, found: Scan) -> Self {
        Self { ecam, found, driven: Vec::new() }
    }

    /// What was found, in order.
    pub fn found(&self) -> &[Result<Function, Fault>] {
        &self.found.functions
    }

    /// How a function is reached; none on the root bus.
    pub fn route(&self, function: &Function) -> Option<Route> {
        self.found.bridges.route(function)
    }

    /// A function is this component's, or nobody's. Only one with a driver may raise its INTx: else nobody would serve it, and
    /// its line may be shared.
    pub fn give(&mut self, at: Address, component: Option<u32>, may_master: bool) {
        let before = self.driven.iter().position(|it| it.at == at).map(|index| self.driven.swap_remove(index));
        let Some(component) = component else {
            self.quiet(at);
            return set_command(&self.ecam, at, INTX_DISABLE, INTX_DISABLE);
        };
        if let Err(bad) = capabilities(&self.ecam, at) {
            log::error!("{at}: {bad}; none of it is used");
        }
        let instance = before.filter(|it| it.component == component).and_then(|it| it.instance);
        self.driven.push(Driven { at, component, may_master, instance });
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
            let masters = |at: Address| bridge.leads_to(at.bus()) && self.ecam.read(at, COMMAND) & MASTER != 0;
            let all = self.found.functions.iter().flatten().map(|it| Address(it.address));
            let needed = on || all.into_iter().any(|at| bridges.at(at).is_none() && masters(at));
            set(bridge.at, needed);
        }
    }
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
