//! A component died: what happened, who it was, and whether it is started again.

use alloc::format;
use alloc::string::String;

use abi::layout::{PAGE, USER_END, USER_MESSAGE_PAGE, USER_STACK_TOP};
use ipc::log::Level;
use ipc::supervisor::State;
use rt::{Badge, FaultKind, FaultMessage, Message};

use crate::Init;
use crate::authority::DEBUG;
use crate::component::{Instance, Record};
use crate::services;
use crate::spawn::stack_bytes;

/// Below the lowest page of a stack nothing is mapped, down to the message page.
const STACK_GUARD: core::ops::Range<u64> = USER_MESSAGE_PAGE + PAGE..USER_STACK_TOP;

/// Frames of a backtrace.
const FRAMES: usize = 12;

impl Init {
    /// The kernel reports a fault of a component's thread.
    pub fn fault(&mut self, badge: Badge, message: &Message) {
        let Some(index) = self.running(badge) else { return };
        let fault = FaultMessage::from_words(&message.regs);
        let kind = FaultKind::from_number(message.label).unwrap_or(FaultKind::Other);
        match (kind, fault.syndrome as u16) {
            (FaultKind::Breakpoint, rt::panic::BRK_EXIT) => self.ended(index),
            (FaultKind::Breakpoint, rt::panic::BRK_PANIC) => self.crashed(index, "panicked", &fault),
            _ => self.crashed(index, &self.what(index, kind, &fault), &fault),
        }
    }

    /// A fault in words.
    fn what(&self, index: usize, kind: FaultKind, fault: &FaultMessage) -> String {
        use FaultKind::{Alignment, Bus, Execute, NoMemory, NoTables, Read, Write};
        let stack = self.components.get(index).map_or(0, |record| stack_bytes(&record.component));
        let words = match kind {
            Read | Write if STACK_GUARD.contains(&fault.address) && fault.address < USER_STACK_TOP - stack => {
                "stack overflow"
            }
            _ => kind.text(),
        };
        match kind {
            Read | Write | Execute | Alignment | Bus | NoTables | NoMemory => {
                format!("{words} ({:#x})", fault.address)
            }
            _ => String::from(words),
        }
    }

    /// The component of a badge, if that very instance still runs.
    fn running(&self, badge: Badge) -> Option<usize> {
        let is = |record: &Record| {
            record.number == badge.component() && record.epoch == badge.epoch() && record.instance.is_some()
        };
        self.components.iter().position(is)
    }

    /// It left by itself.
    fn ended(&mut self, index: usize) {
        let name = self.name(index);
        self.log(Level::Info, 0, &format!("{name} ended"));
        self.end(index);
        self.give_up(index);
        if let Some(record) = self.components.get_mut(index) {
            record.state = State::Ended;
        }
        self.without(index);
    }

    fn crashed(&mut self, index: usize, what: &str, fault: &FaultMessage) {
        let name = self.name(index);
        let number = self.components.get(index).map_or(0, |record| record.number);
        let trace = self.components.get(index).and_then(|record| record.instance.as_ref()).map(|i| backtrace(i, fault));
        if self.components.get(index).is_some_and(|record| record.provides("serial")) {
            // Nobody else can print this.
            self.output.owned = false;
        }
        let text = format!("{name} (component {number}) crashed: {what}, syndrome {:#x}", fault.syndrome);
        self.log(Level::Error, 0, &text);
        self.log(Level::Error, 0, &format!("{name} backtrace: {}", trace.unwrap_or_default()));
        self.end(index);
        self.died(index);
    }

    /// Its device did what it may not and is cut off, or it keeps from others what is theirs.
    pub fn stopped_driver(&mut self, index: usize, what: &str) {
        let name = self.name(index);
        let number = self.components.get(index).map_or(0, |record| record.number);
        self.log(Level::Error, 0, &format!("{name} (component {number}) was stopped: {what}"));
        self.end(index);
        self.died(index);
    }

    /// Somebody with the right to do so wants it dead.
    pub fn end_by(&mut self, component: u32, by: u32) -> bool {
        let position = |number| self.components.iter().position(|record: &Record| record.number == number);
        let runs = |index: &usize| self.components.get(*index).is_some_and(|record| record.instance.is_some());
        let Some(index) = position(component).filter(runs) else { return false };
        let by = position(by).map_or(String::new(), |by| self.name(by));
        let name = self.name(index);
        self.log(Level::Warn, 0, &format!("{name} (component {component}) was killed by {by}"));
        self.end(index);
        self.died(index);
        true
    }

    /// The device of a driver is gone: it has none, as before it was started.
    pub fn remove_device(&mut self, component: u32) -> bool {
        let meant = |record: &Record| record.number == component && record.device.is_some();
        let Some(index) = self.components.iter().position(meant) else { return false };
        let (name, path) = (self.name(index), self.path(index));
        self.log(Level::Warn, 0, &format!("{name} (component {component}) has no device any more: {path} is gone"));
        self.end(index);
        self.close_services(index);
        self.abandon(index);
        true
    }

    /// Nobody serves what a component did.
    fn close_services(&mut self, index: usize) {
        let Some(record) = self.components.get(index) else { return };
        record.services.iter().for_each(|name| self.services.close(name, services::Closed::NoDevice));
    }

    /// Path of what a component drives.
    fn path(&self, index: usize) -> String {
        let device = self.components.get(index).and_then(|record| record.device.as_ref());
        device.map_or(String::new(), |device| device.path.clone())
    }

    /// Takes the process apart and tells those who use what it provided.
    fn end(&mut self, index: usize) {
        let Some(record) = self.components.get_mut(index) else { return };
        let (number, services, manifest) = (record.number, record.services.clone(), record.component.manifest);
        record.ran = rt::now_nanoseconds().saturating_sub(record.began);
        if let Some(device) = &record.device {
            self.devices.release(&device.path);
        }
        if let Some(instance) = record.instance.take() {
            self.dismantle(instance);
        }
        self.journal.unsubscribe(number);
        self.broker.forget(number);
        for other in &self.components {
            let Some(instance) = &other.instance else { continue };
            let uses = |used| services.iter().any(|service| services::means(used, service));
            let serves = |used| other.services.iter().any(|service| services::means(used, service));
            let server = if other.component.manifest.uses().any(uses) { ipc::SERVER_ENDED } else { 0 };
            let client = if manifest.uses().any(serves) { ipc::CLIENT_ENDED } else { 0 };
            if server | client != 0 {
                let _ = instance.notification.signal(server | client);
            }
        }
    }

    /// Name of a component.
    pub fn name(&self, index: usize) -> String {
        self.components.get(index).map_or(String::new(), |record| record.name.clone())
    }
}

/// Follows the frame pointers of a dead thread. `cargo xtask` turns the addresses into names.
fn backtrace(instance: &Instance, fault: &FaultMessage) -> String {
    // The signature of a return address stands in its upper bits.
    let plain = |address: u64| address & (USER_END - 1);
    let mut text = format!("#0 {:#x} #1 {:#x}", fault.pc, plain(fault.lr));
    let mut frame = fault.fp;
    for depth in 2..FRAMES {
        let next = DEBUG.read(instance.space, frame);
        let back = DEBUG.read(instance.space, frame.wrapping_add(8));
        let (Ok(next), Ok(back)) = (next, back) else { break };
        if back == 0 {
            break;
        }
        text.push_str(&format!(" #{depth} {:#x}", plain(back)));
        if next <= frame {
            break;
        }
        frame = next;
    }
    text
}
