//! The supervisor's protocol: what components there are, what they hold, their end, and the machine's.

use alloc::format;

use ipc::log::Level;
use ipc::supervisor::{Component, MAX_LINE, MAX_NAME, Milestone, Status, Supervisor};
use ipc::{Client, Text};
use rt::{CapInfo, Kind, TABLE};

use crate::Init;
use crate::authority::{self, DEBUG};
use crate::component::{Instance, Record};

impl Supervisor for Init {
    fn list(&mut self, client: Client, index: u32) -> Result<Option<Component>, Status> {
        self.permit(client, "inspect")?;
        Ok(self.components.get(index as usize).map(|record| self.summary_of(record)))
    }

    fn caps(&mut self, client: Client, component: u32, line: u32) -> Result<Option<Text<MAX_LINE>>, Status> {
        self.permit(client, "inspect")?;
        let record = self.by_number(component).ok_or(Status::NoComponent)?;
        Ok(self.describe(record, line).map(|text| Text::cut(&text)))
    }

    fn kill(&mut self, client: Client, component: u32) -> Result<(), Status> {
        self.permit(client, "kill")?;
        self.by_number(component).ok_or(Status::NoComponent)?;
        if self.end_by(component, client.component()) { Ok(()) } else { Err(Status::NotPossible) }
    }

    fn power_off(&mut self, client: Client) -> Result<(), Status> {
        self.permit(client, "power")?;
        authority::power_off();
        Err(Status::Unsupported)
    }

    fn reboot(&mut self, client: Client) -> Result<(), Status> {
        self.permit(client, "power")?;
        authority::reset();
        Err(Status::Unsupported)
    }

    fn milestone(&mut self, _: Client, milestone: Milestone) -> Result<(), Status> {
        match milestone {
            Milestone::Prompt => self.prompt_shown(),
        }
        Ok(())
    }

    fn thread(&mut self, client: Client, component: u32) -> Result<u64, Status> {
        self.permit(client, "inspect")?;
        self.thread_number(component).ok_or(Status::NoComponent)
    }
}

impl Init {
    /// The component with this number.
    pub fn by_number(&self, component: u32) -> Option<&Record> {
        self.components.iter().find(|record| record.number == component)
    }

    /// The number of a component's first thread in trace records; component 0 is init.
    fn thread_number(&self, component: u32) -> Option<u64> {
        let thread = match component {
            0 => rt::THREAD,
            _ => self.by_number(component)?.instance.as_ref()?.thread,
        };
        DEBUG.thread(thread).ok().map(|(_, _, number)| number)
    }

    /// Whether the board grants this to the component of a client.
    pub fn is_granted(&self, client: Client, authority: &str) -> bool {
        self.by_number(client.component()).is_some_and(|record| record.component.manifest.is_granted(authority))
    }

    fn permit(&self, client: Client, authority: &str) -> Result<(), Status> {
        if self.is_granted(client, authority) { Ok(()) } else { Err(Status::NotPermitted) }
    }

    fn summary_of(&self, record: &Record) -> Component {
        let instance = record.instance.as_ref();
        let ticks = instance.and_then(|instance| DEBUG.thread(instance.thread).ok()).map_or(0, |(_, ticks, _)| ticks);
        let unused = instance.map_or(0, unused);
        Component {
            component: record.number,
            state: record.state,
            memory: record.memory_bytes(),
            used: record.memory_bytes().saturating_sub(unused),
            epoch: record.epoch,
            ticks,
            name: Text::<MAX_NAME>::cut(&record.name),
        }
    }

    /// The prompt is there: the figures of this boot.
    fn prompt_shown(&mut self) {
        let info = self.env.start_info();
        let since = |ticks: u64| info.nanoseconds(ticks.saturating_sub(info.boot_ticks));
        let (first, prompt) = (since(self.started), since(rt::now_ticks()));
        let taken = self.memory.whole() - self.memory.left();
        self.log(
            Level::Info,
            0,
            &format!(
                "boot: first user instruction after {first} ns, prompt after {prompt} ns, {taken} bytes taken, {} bytes the \
                 kernel's",
                u64::from(info.kernel_pages) * abi::layout::PAGE
            ),
        );
        let protections = abi::Protections::from_bits_truncate(info.protections);
        let none = if protections.is_empty() { " none" } else { "" };
        self.log(Level::Info, 0, &format!("protections in use:{}{none}", abi::Named(protections)));
    }
}

/// Bytes of a component's memory that nothing was made of, and of its heap and stack that are not there now.
fn unused(instance: &Instance) -> u64 {
    // A component puts into its slots what it likes.
    let unused = |table, slot| match DEBUG.inspect(table, slot) {
        Ok(CapInfo { kind: Kind::Untyped | Kind::Reserve, bytes, used, .. }) => bytes.saturating_sub(used),
        _ => 0,
    };
    unused(instance.table, abi::SLOT_MEMORY)
        + unused(instance.table, abi::SLOT_HEAP)
        + unused(TABLE, instance.stack.slot())
}
