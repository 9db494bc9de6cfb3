//! The end of objects: dead with the last capability, taken apart step by step.

use abi::{ErrorCode, Kind};

use super::{At, Model, Place, State, Step};

impl Model {
    /// The last capability of an object is gone.
    pub fn dies(&mut self, kind: Kind, at: At) {
        match kind {
            Kind::CapTable | Kind::Endpoint | Kind::AddressSpace => self.dying.push((kind, at)),
            Kind::DmaSpace => {
                if let Some(stream) = self.space(at).stream.take() {
                    self.streams.remove(&stream);
                }
                self.dying.push((kind, at));
            }
            Kind::Thread => {
                self.dying.push((kind, at));
                self.halt(at, State::Suspended);
                if let Some(home) = self.threads[&at].home {
                    self.charge_for(home);
                }
                self.leave_time(at);
                self.thread(at).fpu = false;
                self.unbind(at);
            }
            Kind::Reply => {
                self.reply_dropped(at);
                self.end_object(kind, at);
            }
            Kind::Notification => {
                if let Some(waiter) = self.notifications[&at].waiter {
                    self.cancel_ipc(waiter, ErrorCode::Revoked);
                }
                if let Some(bound) = self.notifications[&at].bound {
                    self.thread(bound).bound = None;
                }
                self.end_object(kind, at);
            }
            Kind::SchedContext => {
                self.charge_for(at);
                self.take_home(at);
                // Nothing is charged to it any more.
                self.cores.iter_mut().filter(|core| core.time == Some(at)).for_each(|core| core.time = None);
                self.end_object(kind, at);
            }
            Kind::Timer => {
                self.clear_held(Place::Timer(at));
                self.end_object(kind, at);
            }
            Kind::Trace => self.end_object(kind, at),
            Kind::Irq => {
                self.irq_dropped(at);
                self.end_object(kind, at);
            }
            _ => unreachable!("{kind:?} is no object"),
        }
    }

    /// Takes all dead objects apart.
    pub fn bury(&mut self) -> Step {
        while let Some(&(kind, at)) = self.dying.last() {
            // Looking at an empty slot is a step too.
            self.point()?;
            if self.bury_step(kind, at)? {
                self.dying.retain(|&other| other != (kind, at));
                self.end_object(kind, at);
            }
        }
        self.point()
    }

    /// One thing of a dead object; `true` when nothing is left.
    fn bury_step(&mut self, kind: Kind, at: At) -> Result<bool, super::Stop> {
        match kind {
            Kind::CapTable => {
                if let Some(name) = self.first_in_table(at) {
                    self.delete(name)?;
                } else if let Some(&memory) = self.tables[&at].memory.first() {
                    self.drop_slots(memory)?;
                } else {
                    return Ok(true);
                }
            }
            Kind::Endpoint => {
                let endpoint = &self.endpoints[&at];
                if let Some(&sender) = endpoint.senders.first() {
                    self.fail(sender, ErrorCode::Revoked, 0, 0);
                } else if let Some(&receiver) = endpoint.receivers.first() {
                    self.cancel_ipc(receiver, ErrorCode::Revoked);
                } else {
                    return Ok(true);
                }
            }
            Kind::AddressSpace | Kind::DmaSpace => {
                if let Some(&irq) = self.spaces[&at].messages.first() {
                    self.irq_dropped(irq);
                    self.irq(irq).pending = false;
                    return Ok(false);
                }
                self.no_windows(at);
                let Some(&name) = self.spaces[&at].mapped.first() else { return Ok(true) };
                self.unlink(name);
            }
            _ => {
                let thread = &self.threads[&at];
                let Some(reply) = thread.reply.or(thread.debts.first().copied()) else {
                    (0..4).for_each(|which| self.clear_held(Place::Thread(at, which)));
                    return Ok(true);
                };
                self.reply_dropped(reply);
            }
        }
        Ok(false)
    }

    fn end_object(&mut self, kind: Kind, at: At) {
        match kind {
            Kind::CapTable => drop(self.tables.remove(&at)),
            Kind::Thread => drop(self.threads.remove(&at)),
            Kind::Endpoint => drop(self.endpoints.remove(&at)),
            Kind::Reply => drop(self.replies.remove(&at)),
            Kind::Notification => drop(self.notifications.remove(&at)),
            Kind::AddressSpace | Kind::DmaSpace => drop(self.spaces.remove(&at)),
            Kind::SchedContext => drop(self.times.remove(&at)),
            Kind::Irq => drop(self.irqs.remove(&at)),
            Kind::Timer => drop(self.timers.remove(&at)),
            Kind::Trace => drop(self.rings.remove(&at)),
            _ => unreachable!("{kind:?} is no object"),
        }
    }
}
