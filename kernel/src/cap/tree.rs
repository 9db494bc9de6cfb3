//! The derivation tree: what was derived from what, and how capabilities go away.
//!
//! Every step here is short. Long work (many children, many slots, many waiting threads) is done step by step with a
//! preemption check between; the state between two steps is consistent.

use abi::{Kind, Rights};

use super::{Cap, Flags, Links, Slot};
use crate::kernel::{Kernel, Preempted};
use crate::mm::Ref;

impl Kernel {
    /// Fills an empty slot with a capability derived from `parent`.
    #[inline(always)]
    pub fn insert(&mut self, slot: Ref<Slot>, cap: Cap, parent: Option<Ref<Slot>>) {
        debug_assert!(self.mem[slot].is_empty());
        self.mem[slot] = Slot { cap, links: Links::default() };
        self.count_up(cap.kind, cap.object);
        if let Some(parent) = parent {
            self.adopt(slot, parent);
        }
    }

    /// Makes `slot`, which stands nowhere, the first child of `parent`.
    #[inline(always)]
    fn adopt(&mut self, slot: Ref<Slot>, parent: Ref<Slot>) {
        let next = self.mem[parent].links.child.replace(slot);
        let links = &mut self.mem[slot].links;
        (links.parent, links.prev, links.next) = (Some(parent), None, next);
        if let Some(next) = next {
            let links = &mut self.mem[next].links;
            (links.parent, links.prev) = (None, Some(slot));
        }
    }

    /// Takes `slot` out of its parent's list; it keeps its children.
    #[inline(always)]
    fn orphan(&mut self, slot: Ref<Slot>) {
        let links = &mut self.mem[slot].links;
        let (parent, prev, next) = (links.parent.take(), links.prev.take(), links.next.take());
        match (prev, parent) {
            (Some(prev), _) => self.mem[prev].links.next = next,
            (None, Some(parent)) => self.mem[parent].links.child = next,
            (None, None) => {}
        }
        if let Some(next) = next {
            let links = &mut self.mem[next].links;
            (links.parent, links.prev) = (parent, prev);
        }
    }

    /// Pulls a child of `slot` up: it becomes the next sibling of `slot`, or a root if that is one.
    fn lift(&mut self, child: Ref<Slot>, slot: Ref<Slot>) {
        self.orphan(child);
        let Links { parent, prev, next, .. } = self.mem[slot].links;
        if parent.is_none() && prev.is_none() {
            return;
        }
        let links = &mut self.mem[child].links;
        (links.prev, links.next) = (Some(slot), next);
        self.mem[slot].links.next = Some(child);
        if let Some(next) = next {
            self.mem[next].links.prev = Some(child);
        }
    }

    /// Moves a capability to an empty slot; its place in the tree and its mapping go along. Only the first child names
    /// its parent, so this is short however many there are.
    pub fn move_cap(&mut self, from: Ref<Slot>, to: Ref<Slot>) {
        debug_assert!(self.mem[to].is_empty());
        let slot = core::mem::replace(&mut self.mem[from], Slot::EMPTY);
        let Links { parent, child, prev, next, .. } = slot.links;
        self.mem[to] = slot;
        match (prev, parent) {
            (Some(prev), _) => self.mem[prev].links.next = Some(to),
            (None, Some(parent)) => self.mem[parent].links.child = Some(to),
            (None, None) => {}
        }
        if let Some(next) = next {
            self.mem[next].links.prev = Some(to);
        }
        if let Some(child) = child {
            self.mem[child].links.parent = Some(to);
        }
        self.relink_mapping(to);
    }

    /// Empties a slot. Its children move up to its parent; the last capability of an object destroys it.
    pub fn delete(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        if self.mem[slot].cap.kind == Kind::Untyped && self.mem[slot].links.child.is_some() {
            // Without its children it would take its memory for free, and what they name still lives there.
            self.mem[slot].cap.rights = Rights::empty();
        }
        while let Some(child) = self.mem[slot].links.child {
            self.lift(child, slot);
            self.preemption_point()?;
        }
        match self.mem[slot].cap.kind {
            Kind::Frame if self.mem[slot].cap.space.is_none() => {}
            Kind::Frame => self.unmap_before(slot)?,
            Kind::Untyped if self.mem[slot].cap.is_slots() => self.drop_slots(slot)?,
            Kind::Untyped => self.drop_pool(slot)?,
            Kind::Reserve => self.untie(slot)?,
            _ => {}
        }
        self.empty(slot);
        Ok(())
    }

    #[inline(never)]
    fn unmap_before(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        if let Some(space) = self.mem[slot].cap.space
            && self.mem[space].reach.stream().is_some()
        {
            return self.drain_slot(slot, space);
        }
        self.unmap_slot(slot)
    }

    /// Deletes all descendants of a slot: children of children are pulled up first, so no step depends on depth. A Reserve
    /// becomes an Untyped.
    pub fn revoke(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        while let Some(child) = self.mem[slot].links.child {
            self.delete(child)?;
            self.preemption_point()?;
        }
        if self.mem[slot].cap.kind == Kind::Reserve {
            self.untie(slot)?;
        }
        self.bury()
    }

    /// Empties a slot without children, which is neither mapped, nor a Reserve, nor page table memory.
    #[inline(always)]
    fn empty(&mut self, slot: Ref<Slot>) {
        // Only what is needed: the whole would be copied byte by byte.
        let Cap { kind, flags, object, holder, .. } = self.mem[slot].cap;
        if kind == Kind::Null {
            return;
        }
        self.orphan(slot);
        self.mem[slot] = Slot::EMPTY;
        if flags.intersects(Flags::IN_THREAD | Flags::IN_IRQ | Flags::IN_TIMER) {
            self.holder_lost(flags, kind, holder.into());
        }
        self.count_down(kind, object);
    }

    /// The object with this number lost a capability of this kind that it held.
    #[cold]
    fn holder_lost(&mut self, flags: Flags, kind: Kind, holder: u64) {
        if flags.contains(Flags::IN_THREAD) {
            Ref::from_number(holder).into_iter().for_each(|thread| self.thread_lost(thread, kind));
        } else if flags.contains(Flags::IN_IRQ) {
            Ref::from_number(holder).into_iter().for_each(|irq| self.irq_lost(irq));
        } else {
            Ref::from_number(holder).into_iter().for_each(|timer| self.timer_lost(timer));
        }
    }

    /// Clears a slot inside an object, if it is filled; such slots have no children and their Frames no mapping.
    pub fn clear_held(&mut self, slot: Ref<Slot>) {
        debug_assert!(self.mem[slot].links.child.is_none() && self.mem[slot].cap.space.is_none());
        self.empty(slot);
    }
}
