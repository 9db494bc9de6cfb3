//! The end of an object: when its last capability goes it is dead at once, and taken apart in short steps.
//!
//! Objects whose end may take long (tables, threads with callers, endpoints with queues, address spaces) wait in a list.
//! Memory is reused only by `retype`, which empties the list first.

use core::mem::offset_of;

use abi::{Kind, trace::Event};

use super::{
    AddressSpace, CapTable, DmaSpace, Endpoint, Header, Irq, Notification, Reply, SchedContext, Thread, Timer, Trace,
};
use crate::cap::Cap;
use crate::kernel::{Kernel, Preempted};
use crate::mm::{Direct, Ref};

/// Steps of a burial that nobody waits for, at the end of a slice.
const SOME: u32 = 16;

/// The kinds whose objects begin with their header.
const FIRST: u32 = 1 << Kind::CapTable as u32
    | 1 << Kind::Endpoint as u32
    | 1 << Kind::Reply as u32
    | 1 << Kind::Notification as u32
    | 1 << Kind::AddressSpace as u32
    | 1 << Kind::DmaSpace as u32
    | 1 << Kind::Irq as u32
    | 1 << Kind::Trace as u32;
/// Those in which it stands behind something else.
const BEHIND: u32 = 1 << Kind::Thread as u32 | 1 << Kind::SchedContext as u32 | 1 << Kind::Timer as u32;

const _: () = {
    assert!(offset_of!(CapTable, header) == 0 && offset_of!(Endpoint, header) == 0 && offset_of!(Reply, header) == 0);
    assert!(offset_of!(Notification, header) == 0 && offset_of!(AddressSpace, header) == 0);
    assert!(offset_of!(Irq, header) == 0 && offset_of!(Trace, header) == 0);
};

/// A dead object that still has to be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grave {
    /// Its slots are emptied.
    Table(Ref<CapTable>),
    /// Its callers are told, its slots are emptied.
    Thread(Ref<Thread>),
    /// Its queues are emptied.
    Endpoint(Ref<Endpoint>),
    /// Its mappings are forgotten.
    Space(Ref<AddressSpace>),
}

impl Kernel {
    /// The header of the object that a capability of this kind names with this word, if that has one.
    #[inline(always)]
    fn header_of(&mut self, kind: Kind, object: u64) -> Option<&mut Header> {
        let set = 1 << kind as u32;
        if set & FIRST != 0 {
            let header = Direct::<Header>::from_word(object)?;
            return Some(&mut self.mem[header]);
        }
        if set & BEHIND != 0 { self.header_behind(kind, object) } else { None }
    }

    #[inline(never)]
    fn header_behind(&mut self, kind: Kind, object: u64) -> Option<&mut Header> {
        let cap = Cap { kind, object, ..Cap::NULL };
        match kind {
            Kind::Thread => cap.object_of::<Thread>().map(|thread| &mut self.mem[thread].header),
            Kind::SchedContext => cap.object_of::<SchedContext>().map(|context| &mut self.mem[context].header),
            Kind::Timer => cap.object_of::<Timer>().map(|timer| &mut self.mem[timer].header),
            _ => None,
        }
    }

    /// A capability of this kind came into being that names an object.
    #[inline(always)]
    pub fn count_up(&mut self, kind: Kind, object: u64) {
        if let Some(header) = self.header_of(kind, object) {
            header.capabilities += 1;
        }
    }

    /// One is gone; with the last the object dies.
    #[inline(always)]
    pub fn count_down(&mut self, kind: Kind, object: u64) {
        let Some(header) = self.header_of(kind, object) else { return };
        header.capabilities -= 1;
        if header.capabilities == 0 {
            self.kill(Cap { kind, object, ..Cap::NULL });
        }
    }

    /// The object is dead: nothing starts with it any more.
    #[cold]
    fn kill(&mut self, cap: Cap) {
        let grave = match cap.kind {
            Kind::CapTable => cap.object_of().map(Grave::Table),
            Kind::Endpoint => cap.object_of().map(Grave::Endpoint),
            Kind::AddressSpace => cap.object_of().map(Grave::Space),
            Kind::DmaSpace => {
                let space = cap.object_of::<DmaSpace>().map(Ref::tables);
                space.into_iter().for_each(|space| self.unbind_stream(space));
                space.map(Grave::Space)
            }
            Kind::Thread => {
                let thread = cap.object_of::<Thread>();
                if let Some(thread) = thread {
                    self.trace(Event::End, thread.number(), 0);
                    self.stop_for_ever(thread);
                }
                thread.map(Grave::Thread)
            }
            Kind::Reply => {
                if let Some(reply) = cap.object_of::<Reply>() {
                    self.reply_dropped(reply);
                }
                None
            }
            Kind::Notification => {
                if let Some(notification) = cap.object_of::<Notification>() {
                    self.notification_dropped(notification);
                }
                None
            }
            Kind::SchedContext => {
                if let Some(context) = cap.object_of::<SchedContext>() {
                    self.sched_context_dropped(context);
                }
                None
            }
            Kind::Timer => {
                if let Some(timer) = cap.object_of::<Timer>() {
                    self.disarm(timer);
                }
                None
            }
            Kind::Trace => {
                if let Some(ring) = cap.object_of::<Trace>() {
                    self.untie_ring(ring);
                }
                None
            }
            Kind::Irq => {
                if let Some(irq) = cap.object_of::<Irq>() {
                    self.irq_dropped(irq);
                }
                None
            }
            _ => None,
        };
        if let Some(grave) = grave {
            let next = self.graves.replace(grave);
            *self.next_grave(grave) = next;
        }
    }

    fn next_grave(&mut self, grave: Grave) -> &mut Option<Grave> {
        match grave {
            Grave::Table(table) => &mut self.mem[table].header.next_grave,
            Grave::Thread(thread) => &mut self.mem[thread].header.next_grave,
            Grave::Endpoint(endpoint) => &mut self.mem[endpoint].header.next_grave,
            Grave::Space(space) => &mut self.mem[space].header.next_grave,
        }
    }

    /// Takes dead objects apart until none is left.
    #[inline(always)]
    pub fn bury(&mut self) -> Result<(), Preempted> {
        if self.graves.is_some() { self.bury_all() } else { Ok(()) }
    }

    #[inline(never)]
    fn bury_all(&mut self) -> Result<(), Preempted> {
        while let Some(grave) = self.graves {
            self.bury_one_step(grave)?;
            self.preemption_point()?;
        }
        Ok(())
    }

    /// A few steps of that, now and then: who began it may have died of it, and others wait to be told.
    pub(crate) fn bury_some(&mut self) {
        for _ in 0..SOME {
            let Some(grave) = self.graves else { return };
            if self.bury_one_step(grave).is_err() || self.preemption_point().is_err() {
                return;
            }
        }
    }

    fn bury_one_step(&mut self, grave: Grave) -> Result<(), Preempted> {
        // The object leaves the list only when done; objects that die meanwhile go in front of it.
        let done = match grave {
            Grave::Table(table) => self.empty_table(table)?,
            Grave::Thread(thread) => self.take_thread_apart(thread)?,
            Grave::Endpoint(endpoint) => self.empty_endpoint(endpoint)?,
            Grave::Space(space) => self.forget_mappings(space)?,
        };
        if done {
            self.remove_grave(grave);
        }
        Ok(())
    }

    /// Takes `grave` out of the list. It is the first, or stands a few places behind what died while it was worked on.
    fn remove_grave(&mut self, grave: Grave) {
        let next = self.next_grave(grave).take();
        if self.graves == Some(grave) {
            self.graves = next;
            return;
        }
        let mut at = self.graves;
        while let Some(other) = at {
            let link = self.next_grave(other);
            if *link == Some(grave) {
                *link = next;
                return;
            }
            at = *link;
        }
    }

    /// One slot of a dead table, or one Untyped that was slots of it; `true` when it was the last.
    fn empty_table(&mut self, table: Ref<CapTable>) -> Result<bool, Preempted> {
        let index = u32::from(self.mem[table].emptied) + 1;
        if index >= self.mem[table].end() {
            let Some(memory) = self.mem[table].memory else { return Ok(true) };
            self.drop_slots(memory)?;
            return Ok(false);
        }
        match self.slot(table, index.into(), 0) {
            Ok(slot) if !self.mem[slot].is_empty() => self.delete(slot)?,
            _ => {}
        }
        self.mem[table].emptied = index as u16;
        Ok(false)
    }
}
