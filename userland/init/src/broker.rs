//! What init does for devmgr and supervisor: they ask, init derives.

use alloc::format;
use alloc::string::String;

use ipc::Signal;
use ipc::log::Level;
use ipc::supervisor::State;
use rt::Badge;
use tree::Range;

use crate::Init;
use crate::component::Record;
use crate::device::{Block, Device, Line, Messages};
use crate::roster;
use crate::services::service;

/// What init remembers of both.
#[derive(Default)]
pub struct Broker {
    /// A device that devmgr is describing, and which instance of it does.
    draft: Option<(Badge, Device)>,
    /// Whom to signal when a component died.
    watcher: Option<(Badge, Signal)>,
}

impl Broker {
    /// A component is gone: what it began is void.
    pub fn forget(&mut self, component: u32) {
        self.draft = self.draft.take().filter(|(badge, _)| badge.component() != component);
        self.watcher = self.watcher.take().filter(|(badge, _)| badge.component() != component);
    }

    /// Signals this client when a component died.
    pub fn watch(&mut self, badge: Badge, signal: Signal) {
        self.watcher = Some((badge, signal));
    }

    /// A component died.
    pub fn signal(&self) {
        if let Some((_, signal)) = &self.watcher {
            signal.wake();
        }
    }

    /// Begins the description of a device.
    pub fn describe(&mut self, badge: Badge, path: &str) {
        self.draft = Some((badge, Device { path: path.into(), ..Device::default() }));
    }

    /// The device that this instance is describing.
    fn draft(&mut self, badge: Badge) -> Option<&mut Device> {
        self.draft.as_mut().filter(|(own, _)| *own == badge).map(|(_, device)| device)
    }

    /// Adds to the description; false if none was begun or there are too many.
    pub fn add_registers(&mut self, badge: Badge, range: Range, name: &str) -> bool {
        self.draft(badge).is_some_and(|device| add(&mut device.registers, Block { range, name: name.into() }))
    }

    /// The same for an interrupt line.
    pub fn add_line(&mut self, badge: Badge, number: u32, edge: bool, name: &str) -> bool {
        self.draft(badge).is_some_and(|device| add(&mut device.lines, Line { number, edge, name: name.into() }))
    }

    /// The same for reserved memory.
    pub fn add_memory(&mut self, badge: Badge, range: Range, name: &str) -> bool {
        self.draft(badge).is_some_and(|device| add(&mut device.memory, Block { range, name: name.into() }))
    }

    /// The same for messages.
    pub fn add_messages(&mut self, badge: Badge, messages: Messages) -> bool {
        self.draft(badge).is_some_and(|device| device.messages.replace(messages).is_none())
    }

    /// The same for the next bytes of what its node says.
    pub fn add_node(&mut self, badge: Badge, bytes: &[u8]) -> bool {
        self.draft(badge).is_some_and(|device| {
            let fits = device.node.len() + bytes.len() <= ipc::broker::MAX_NODE;
            if fits {
                device.node.extend_from_slice(bytes);
            }
            fits
        })
    }

    /// The same for the stream of a bus master.
    pub fn add_stream(&mut self, badge: Badge, iommu: u64, stream: u32) -> bool {
        self.draft(badge).is_some_and(|device| device.stream.replace((iommu, stream)).is_none())
    }

    /// The description, which is complete.
    pub fn take(&mut self, badge: Badge) -> Option<Device> {
        self.draft.take().filter(|(own, _)| *own == badge).map(|(_, device)| device)
    }
}

fn add<T>(list: &mut alloc::vec::Vec<T>, item: T) -> bool {
    let fits = list.len() < ipc::broker::MAX_EACH;
    if fits {
        list.push(item);
    }
    fits
}

impl Init {
    /// The component with the lowest number above `after`.
    pub fn component_after(&self, after: u32) -> Option<&Record> {
        self.components.iter().filter(|record| record.number > after).min_by_key(|record| record.number)
    }

    /// The same among those that died and were not decided about.
    pub fn death_after(&self, after: u32) -> Option<&Record> {
        let dead = self.components.iter().filter(|record| record.state == State::Restarting && record.number > after);
        dead.min_by_key(|record| record.number)
    }

    /// Starts a driver of the bundle for a device; the number of the component that it is.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn start_driver(&mut self, driver: u32, device: Device) -> Result<u32, String> {
        let drives = |record: &&Record| record.device.as_ref().is_some_and(|other| other.path == device.path);
        if let Some(other) = self.components.iter().find(drives) {
            return Err(format!("{} is {}'s", device.path, other.name));
        }
        let index = self.place_for(driver)?;
        self.claim_services(index)?;
        let Some(record) = self.components.get_mut(index) else { return Err("no such component".into()) };
        let (number, path) = (record.number, device.path.clone());
        record.device = Some(device);
        let serves_console = record.provides("serial");
        let started = self.start_component(index).map(|()| number).map_err(|why| {
            self.abandon(index);
            format!("{path}: {why}")
        });
        // A console that a bus found runs at once.
        self.output.owned |= self.drivers_run && serves_console && started.is_ok();
        started
    }

    /// The record of a driver's next process: the first is the bundle's own.
    fn place_for(&mut self, driver: u32) -> Result<usize, String> {
        let of_driver = |record: &&Record| record.component.number == driver && record.is_driver();
        let free = |record: &Record| record.component.number == driver && record.is_driver() && record.device.is_none();
        if let Some(index) = self.components.iter().position(free) {
            return Ok(index);
        }
        let first = self.components.iter().find(of_driver).ok_or("the bundle has no such driver")?;
        let (component, count) = (first.component, self.components.iter().filter(of_driver).count());
        if self.components.len() >= roster::MOST {
            return Err(format!("there are {} components already", roster::MOST));
        }
        self.last_number += 1;
        let name = service(component.name, count);
        self.components.push(Record::new(self.last_number, name, component));
        Ok(self.components.len() - 1)
    }

    fn claim_services(&mut self, index: usize) -> Result<(), String> {
        let Some(record) = self.components.get_mut(index) else { return Ok(()) };
        for protocol in record.component.manifest.provides() {
            match self.services.claim_next(protocol, &mut self.memory) {
                Ok(name) => record.services.push(name),
                Err(why) => {
                    self.services.disclaim(&record.services);
                    record.services.clear();
                    return Err(why);
                }
            }
        }
        Ok(())
    }

    /// A driver that never started, or whose device is gone: its place, its services and its device are another's again.
    pub fn abandon(&mut self, index: usize) {
        let Some(record) = self.components.get_mut(index) else { return };
        self.services.disclaim(&record.services);
        record.services.clear();
        record.device = None;
        record.state = State::NoDevice;
    }

    /// A driver that has no device: why.
    pub fn refuse_driver(&mut self, driver: u32, why: &str) -> bool {
        let waits = |record: &&Record| record.number == driver && record.is_driver() && record.device.is_none();
        let Some(name) = self.components.iter().find(waits).map(|record| record.name.clone()) else { return false };
        self.log(Level::Info, 0, &format!("{name}: {why}"));
        true
    }

    /// Every device of the tree that can have a driver has one: the drivers run. Once.
    pub fn let_drivers_run(&mut self) {
        if core::mem::replace(&mut self.drivers_run, true) {
            return;
        }
        self.summary();
        for index in 0..self.components.len() {
            let Some(record) = self.components.get_mut(index) else { continue };
            let Some(instance) = record.instance.as_mut().filter(|instance| instance.held) else { continue };
            instance.held = false;
            if let Err(error) = instance.thread.resume() {
                let text = format!("{} cannot run: {error}", record.name);
                self.log(Level::Error, 0, &text);
            }
        }
        // From here on the console is its driver's.
        self.output.owned = self.components.iter().any(|record| record.provides("serial") && record.instance.is_some());
    }

    /// No device is to come any more: services without a server say so, and whoever drives one runs.
    pub fn no_more_devices(&mut self) {
        self.services.close_unserved();
        self.let_drivers_run();
    }
}
