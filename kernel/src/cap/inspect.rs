//! What a capability is, in numbers, for those who hold Debug.

use abi::{Kind, layout::PAGE};

use super::{Cap, Slot};
use crate::kernel::Kernel;
use crate::mm::Ref;
use crate::object::{
    AddressSpace, CapTable, DmaSpace, Endpoint, Irq, Notification, Reach, Reply, SchedContext, Thread, Trace,
};

impl Kernel {
    /// Kind, rights, base, bytes, badge or address, bytes in use, whether it waits for an acknowledgement: the results of `DebugCap`.
    pub fn describe(&self, slot: &Slot) -> [u64; 8] {
        let cap = &slot.cap;
        // Without children an Untyped is whole again, however much it handed out before.
        let handed_out = if slot.links.child.is_some() || cap.space.is_some() { cap.word } else { 0 };
        let (base, bytes, extra, used) = match cap.kind {
            Kind::Untyped => (cap.object, u64::from(cap.pages) * PAGE, 0, handed_out),
            Kind::Reserve => {
                let mapped = self.window_of(cap).map_or(0, |window| u64::from(window.mapped));
                (cap.object, u64::from(cap.pages) * PAGE, cap.word, mapped * PAGE)
            }
            Kind::Frame => (cap.object, u64::from(cap.pages) * PAGE, cap.word, cap.mapped() * PAGE),
            Kind::CapTable => self.place::<CapTable>(cap, |table| u64::from(table.end()) * 64),
            Kind::Thread => {
                let (base, bytes, ..) = self.place::<Thread>(cap, |_| Thread::BYTES as u64);
                let fpu = cap.object_of::<Thread>().is_some_and(|thread| self.may_use_fpu(thread));
                (base, bytes, 0, fpu.into())
            }
            Kind::Endpoint => self.place::<Endpoint>(cap, |_| size_of::<Endpoint>() as u64),
            Kind::Notification => self.place::<Notification>(cap, |_| size_of::<Notification>() as u64),
            Kind::Reply => self.place::<Reply>(cap, |_| size_of::<Reply>() as u64),
            Kind::AddressSpace => self.place::<AddressSpace>(cap, |space| u64::from(space.pages) * PAGE),
            Kind::DmaSpace => {
                let space = cap.object_of::<DmaSpace>().map(|space| &self.mem[space.tables()]);
                let (base, bytes) = (self.place::<DmaSpace>(cap, |_| 0).0, space.map_or(0, |space| space.pages.into()));
                let reach = match space.map_or(Reach::Nothing, |space| space.reach) {
                    Reach::Nothing => 0,
                    Reach::Everything => 1,
                    Reach::Bound(stream) | Reach::Stream(stream) => u64::from(stream.id) + 2,
                };
                (base, bytes * PAGE, reach, space.map_or(0, |space| self.attached(space.maps)))
            }
            Kind::SchedContext => {
                let time = cap.object_of::<SchedContext>().map(|time| &self.mem[time]);
                let (base, bytes, ..) = self.place::<SchedContext>(cap, |_| size_of::<SchedContext>() as u64);
                (base, bytes, time.map_or(0, |time| time.period), time.map_or(0, |time| time.budget))
            }
            Kind::Smc => (cap.object, u64::from(cap.pages), 0, 0),
            Kind::Trace => self.place::<Trace>(cap, |ring| (u64::from(ring.pages) + 1) * PAGE),
            Kind::Irq => {
                let irq = cap.object_of::<Irq>().map(|irq| &self.mem[irq]);
                let line = irq.and_then(|irq| irq.line).unwrap_or(0);
                let message = irq.and_then(|irq| irq.message).map_or(0, |message| message.inspect());
                let (base, bytes, ..) = self.place::<Irq>(cap, |_| size_of::<Irq>() as u64);
                (base, bytes, line.into(), message)
            }
            _ => (0, 0, 0, 0),
        };
        let badge = if matches!(cap.kind, Kind::Endpoint | Kind::Notification) { cap.word } else { extra };
        let pending = cap.object_of::<Irq>().filter(|_| cap.kind == Kind::Irq).is_some_and(|irq| self.mem[irq].pending);
        [cap.kind as u64, cap.rights.bits().into(), base, bytes, badge, used, pending.into(), 0]
    }

    /// Frames in a space's list, up to 1000.
    fn attached(&self, first: Option<Ref<Slot>>) -> u64 {
        core::iter::successors(first, |&slot| self.mem[slot].links.map_next).take(1000).count() as u64
    }

    fn place<T: crate::mm::Object>(&self, cap: &Cap, bytes: impl Fn(&T) -> u64) -> (u64, u64, u64, u64) {
        match cap.object_of::<T>() {
            Some(object) => (self.mem.address(object).0, bytes(&self.mem[object]), 0, 0),
            None => (0, 0, 0, 0),
        }
    }
}
