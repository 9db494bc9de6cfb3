//! The supervisor's protocol: what components there are, what they hold, their end, and the machine's.

use alloc::format;

use ipc::Text;
use ipc::log::Level;
use ipc::supervisor::{self, Component, Milestone, Request, Status, done, line};
use rt::{Badge, CapInfo, Kind, Message, TABLE};

use crate::Init;
use crate::authority::{self, DEBUG};
use crate::component::{Instance, Record};

impl Init {
    /// Answers a client of the supervisor.
    pub fn supervise(&mut self, badge: Badge, message: &Message) -> Message {
        match Request::decode(message).and_then(|request| self.carry_out(badge, request)) {
            Ok(answer) => answer,
            Err(status) => status.answer(),
        }
    }

    fn carry_out(&mut self, badge: Badge, request: Request) -> Result<Message, Status> {
        match request {
            Request::List { index } => {
                self.permit(badge, "inspect")?;
                let record = self.components.get(index as usize).ok_or(Status::End)?;
                Ok(self.summary_of(record).encode())
            }
            Request::Caps { component, line: number } => {
                self.permit(badge, "inspect")?;
                let record = self.by_number(component).ok_or(Status::NoComponent)?;
                self.describe(record, number).map(|text| line(&text)).ok_or(Status::End)
            }
            Request::Kill { component } => {
                self.permit(badge, "kill")?;
                self.by_number(component).ok_or(Status::NoComponent)?;
                if self.kill(component, badge.component()) { Ok(done()) } else { Err(Status::NotPossible) }
            }
            Request::Thread { component } => {
                self.permit(badge, "inspect")?;
                self.thread_number(component).map(supervisor::thread).ok_or(Status::NoComponent)
            }
            Request::PowerOff => {
                self.permit(badge, "power")?;
                authority::power_off();
                Err(Status::Unsupported)
            }
            Request::Reboot => {
                self.permit(badge, "power")?;
                authority::reset();
                Err(Status::Unsupported)
            }
            Request::Milestone(Milestone::Prompt) => {
                self.prompt_shown();
                Ok(done())
            }
        }
    }

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

    /// Whether the board grants this to the component of a badge.
    pub fn is_granted(&self, badge: Badge, authority: &str) -> bool {
        self.by_number(badge.component()).is_some_and(|record| record.component.manifest.is_granted(authority))
    }

    fn permit(&self, badge: Badge, authority: &str) -> Result<(), Status> {
        if self.is_granted(badge, authority) { Ok(()) } else { Err(Status::NotPermitted) }
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
            name: Text::<{ supervisor::MAX_NAME }>::cut(&record.name),
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
