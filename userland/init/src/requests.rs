//! What devmgr and supervisor ask: each call is checked against what the board grants the caller.

use alloc::string::String;

use ipc::broker::{
    Broker, Component, Death, Identification, Identified, MAX_MESSAGES, MAX_NAME, MAX_NODE_PART, MAX_PATH, MAX_REASON,
    Policy, Status,
};
use ipc::{Bytes, Client, Signal, Text};
use tree::Range;

use crate::Init;
use crate::component::Record;
use crate::device::Messages;
use crate::devices;
use crate::spawn::{DEVICES, RESTARTS};

type Answer<T> = Result<T, Status>;

impl Init {
    fn grants(&self, client: Client, authority: &str) -> Answer<()> {
        if self.is_granted(client, authority) { Ok(()) } else { Err(Status::NotPermitted) }
    }

    /// Where the component is that died in this instance and was not decided about.
    fn undecided(&self, component: u32, epoch: u16) -> Answer<usize> {
        let meant = |record: &Record| {
            record.number == component && record.epoch == epoch && record.state == ipc::supervisor::State::Restarting
        };
        self.components.iter().position(meant).ok_or(Status::NoComponent)
    }
}

fn fits(added: bool) -> Answer<()> {
    if added { Ok(()) } else { Err(Status::NoDevice) }
}

/// An address and a length that run over 64 bits are no range.
fn range(base: u64, size: u64) -> Answer<Range> {
    Range::new(base, size).ok_or(Status::BadMessage)
}

impl Broker for Init {
    fn component(&mut self, client: Client, after: u32) -> Answer<Option<Component>> {
        self.grants(client, DEVICES).or_else(|_| self.grants(client, RESTARTS))?;
        Ok(self.component_after(after).map(|record| Component {
            number: record.number,
            program: record.component.number,
            state: record.state,
            name: Text::cut(&record.name),
            path: record.device.as_ref().map_or(Text::default(), |device| Text::cut(&device.path)),
        }))
    }

    fn describe(&mut self, client: Client, path: Text<MAX_PATH>) -> Answer<()> {
        self.grants(client, DEVICES)?;
        self.broker.describe(client, &path);
        Ok(())
    }

    fn add_registers(&mut self, client: Client, base: u64, size: u64, name: Text<MAX_NAME>) -> Answer<()> {
        fits(self.broker.add_registers(client, range(base, size)?, &name))
    }

    fn add_interrupt(&mut self, client: Client, line: u32, edge: bool, name: Text<MAX_NAME>) -> Answer<()> {
        fits(self.broker.add_line(client, line, edge, &name))
    }

    fn add_memory(&mut self, client: Client, base: u64, size: u64, name: Text<MAX_NAME>) -> Answer<()> {
        fits(self.broker.add_memory(client, range(base, size)?, &name))
    }

    fn add_node(&mut self, client: Client, bytes: Bytes<MAX_NODE_PART>) -> Answer<()> {
        fits(self.broker.add_node(client, &bytes))
    }

    fn add_stream(&mut self, client: Client, iommu: u64, stream: u32) -> Answer<()> {
        fits(self.broker.add_stream(client, iommu, stream))
    }

    fn add_messages(&mut self, client: Client, controller: u64, device: u32, count: u32) -> Answer<()> {
        fits(count <= MAX_MESSAGES && self.broker.add_messages(client, Messages { controller, device, count }))
    }

    fn start(&mut self, client: Client, driver: u32, dma: bool) -> Answer<(u32, Text<MAX_REASON>)> {
        self.grants(client, DEVICES)?;
        let mut device = self.broker.take(client).ok_or(Status::NoDevice)?;
        device.dma = dma;
        Ok(match self.start_driver(driver, device) {
            Ok(number) => (number, Text::default()),
            Err(why) => (0, Text::cut(&why)),
        })
    }

    fn refuse(&mut self, client: Client, driver: u32, why: Text<MAX_REASON>) -> Answer<()> {
        self.grants(client, DEVICES)?;
        if self.refuse_driver(driver, &why) { Ok(()) } else { Err(Status::NoComponent) }
    }

    fn settle(&mut self, client: Client) -> Answer<()> {
        self.grants(client, DEVICES)?;
        self.no_more_devices();
        Ok(())
    }

    fn run(&mut self, client: Client) -> Answer<()> {
        self.grants(client, DEVICES)?;
        self.let_drivers_run();
        Ok(())
    }

    fn identify(&mut self, client: Client, base: u64, size: u64, how: Identification) -> Answer<Identified> {
        self.grants(client, DEVICES)?;
        let how = match how {
            Identification::Virtio => devices::Identification::Virtio,
            Identification::PrimeCell => devices::Identification::PrimeCell,
        };
        let said = self.devices.identify(range(base, size)?, how);
        if self.devices.take_notified() {
            self.stopped_devices();
        }
        let (number, trouble) = said.map_or_else(|why| (None, why), |number| (number, String::new()));
        Ok(Identified { number, trouble: Text::cut(&trouble) })
    }

    fn watch(&mut self, client: Client, signal: Signal) -> Answer<()> {
        self.grants(client, RESTARTS)?;
        self.broker.watch(client, signal);
        Ok(())
    }

    fn death(&mut self, client: Client, after: u32) -> Answer<Option<Death>> {
        self.grants(client, RESTARTS)?;
        Ok(self.death_after(after).map(|record| Death {
            component: record.number,
            epoch: record.epoch,
            policy: policy(record.component.manifest.restart()),
            ran: record.ran,
            name: Text::cut(&record.name),
        }))
    }

    fn restart(&mut self, client: Client, component: u32, epoch: u16) -> Answer<()> {
        self.grants(client, RESTARTS)?;
        let index = self.undecided(component, epoch)?;
        self.again(index);
        Ok(())
    }

    fn give_up(&mut self, client: Client, component: u32, epoch: u16, why: Text<MAX_REASON>) -> Answer<()> {
        self.grants(client, RESTARTS)?;
        let index = self.undecided(component, epoch)?;
        self.never_again(index, &why);
        Ok(())
    }

    fn unblock(&mut self, client: Client, bus: u32, line: u32) -> Answer<u32> {
        self.grants(client, DEVICES)?;
        self.unblock_line(bus, line).ok_or(Status::NoComponent)
    }

    fn remove(&mut self, client: Client, component: u32) -> Answer<()> {
        self.grants(client, DEVICES)?;
        if self.remove_device(component) { Ok(()) } else { Err(Status::NoComponent) }
    }
}

const fn policy(restart: bundle::Restart) -> Policy {
    match restart {
        bundle::Restart::Never => Policy::Never,
        bundle::Restart::Once => Policy::Once,
        bundle::Restart::Always => Policy::Always,
    }
}
