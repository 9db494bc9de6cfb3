//! What becomes of a component that died: supervisor decides about all but itself and devmgr.

use alloc::format;

use ipc::log::Level;
use ipc::supervisor::State;

use crate::Init;
use crate::spawn::{DEVICES, RESTARTS};

impl Init {
    /// A component is dead. Those that decide about the others are started again by init itself.
    pub fn died(&mut self, index: usize) {
        let Some(record) = self.components.get_mut(index) else { return };
        if record.is_inits() {
            let decided = record.restarts.another(rt::now_nanoseconds());
            return match decided {
                Ok(()) => self.again(index),
                Err(why) => self.never_again(index, why),
            };
        }
        record.state = State::Restarting;
        if self.supervisor_runs() {
            self.broker.signal();
        } else {
            self.never_again(index, "there is no supervisor");
        }
    }

    fn supervisor_runs(&self) -> bool {
        let mut supervisors = self.components.iter().filter(|it| it.component.manifest.is_granted(RESTARTS));
        supervisors.any(|record| record.instance.is_some())
    }

    /// Starts a component that died once more.
    pub fn again(&mut self, index: usize) {
        let name = self.name(index);
        // Servers tell instances apart by the epoch: none is used twice.
        if self.components.get(index).is_some_and(|record| record.epoch == u16::MAX) {
            return self.never_again(index, "it was 65,534 times");
        }
        // Before it happens: the time of this line is when the new process was begun.
        self.log(Level::Warn, 0, &format!("{name} is started again"));
        // What went wrong is in the log.
        let _ = self.start_component(index);
        let Some(record) = self.components.get(index) else { return };
        self.output.owned |= record.provides("serial") && record.instance.is_some();
        if record.instance.is_none() {
            self.without(index);
        }
    }

    /// A component that died stays dead.
    pub fn never_again(&mut self, index: usize, why: &str) {
        let name = self.name(index);
        self.give_up(index);
        self.log(Level::Error, 0, &format!("{name} is not started again: {why}"));
        self.without(index);
    }

    /// Goes on without a component that others wait for to be decided about.
    pub fn without(&mut self, index: usize) {
        let Some(record) = self.components.get(index).filter(|record| record.is_inits()) else { return };
        let manifest = record.component.manifest;
        if manifest.is_granted(DEVICES) {
            self.no_more_devices();
        }
        if manifest.is_granted(RESTARTS) && !self.supervisor_runs() {
            for index in 0..self.components.len() {
                if self.components.get(index).is_some_and(|record| record.state == State::Restarting) {
                    self.never_again(index, "there is no supervisor");
                }
            }
        }
    }
}
