//! The derivation tree: what was derived from what, and how capabilities go away.
//!
//! Every step here is short. Long work (many children, many slots, many waiting threads) is done step by step with a
//! preemption check between; the state between two steps is consistent.

use abi::Kind;

use super::{Cap, Flags, Links, Slot};
use crate::kernel::{Kernel, Preempted};
use crate::mm::Ref;

impl Kernel {
    /// Fills an empty slot with a capability derived from `parent`.
    pub fn insert(&mut self, slot: Ref<Slot>, cap: Cap, parent: Option<Ref<Slot>>) {
        debug_assert!(self.mem[slot].is_empty());
        self.mem[slot] = Slot { cap, links: Links::default() };
        self.count_up(cap);
        if let Some(parent) = parent {
            self.adopt(slot, parent);
        }
    }

    /// Makes `slot`, which has no parent, the first child of `parent`.
    fn adopt(&mut self, slot: Ref<Slot>, parent: Ref<Slot>) {
        let next = self.mem[parent].links.child;
        let links = &mut self.mem[slot].links;
        links.parent = Some(parent);
        links.prev = None;
        links.next = next;
        if let Some(next) = next {
            self.mem[next].links.prev = Some(slot);
        }
        self.mem[parent].links.child = Some(slot);
    }

    /// Takes `slot` out of its parent's list; it keeps its children.
    fn orphan(&mut self, slot: Ref<Slot>) {
        let Links { parent, prev, next, .. } = self.mem[slot].links;
        match (prev, parent) {
            (Some(prev), _) => self.mem[prev].links.next = next,
            (None, Some(parent)) => self.mem[parent].links.child = next,
            (None, None) => {}
        }
        if let Some(next) = next {
            self.mem[next].links.prev = prev;
        }
        let links = &mut self.mem[slot].links;
        (links.parent, links.prev, links.next) = (None, None, None);
    }

    /// Moves a capability to an empty slot; its place in the tree and its mapping go along.
    pub fn move_cap(&mut self, from: Ref<Slot>, to: Ref<Slot>) {
        debug_assert!(self.mem[to].is_empty());
        let slot = self.mem[from];
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
        self.relink_mapping(to);
        let mut child = child;
        while let Some(at) = child {
            self.mem[at].links.parent = Some(to);
            child = self.mem[at].links.next;
        }
        self.mem[from] = Slot::EMPTY;
    }

    /// Empties a slot. Its children move up to its parent; the last capability of an object destroys it.
    pub fn delete(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        let parent = self.mem[slot].links.parent;
        while let Some(child) = self.mem[slot].links.child {
            self.orphan(child);
            if let Some(parent) = parent {
                self.adopt(child, parent);
            }
            self.preemption_point()?;
        }
        self.drop_leaf(slot);
        Ok(())
    }

    /// Deletes all descendants of a slot: children of children are pulled up first, so no step depends on depth.
    pub fn revoke(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        while let Some(child) = self.mem[slot].links.child {
            while let Some(grandchild) = self.mem[child].links.child {
                self.orphan(grandchild);
                self.adopt(grandchild, slot);
                self.preemption_point()?;
                if self.mem[slot].links.child != Some(child) {
                    break;
                }
            }
            if self.mem[child].links.child.is_none() {
                self.drop_leaf(child);
            }
            self.preemption_point()?;
        }
        self.bury()
    }

    /// Empties a slot without children.
    fn drop_leaf(&mut self, slot: Ref<Slot>) {
        let cap = self.mem[slot].cap;
        if cap.kind == Kind::Null {
            return;
        }
        if cap.kind == Kind::Frame && cap.space.is_some() {
            self.unmap_slot(slot);
        }
        if cap.kind == Kind::Untyped && cap.space.is_some() {
            self.drop_pool(slot);
        }
        self.orphan(slot);
        self.mem[slot] = Slot::EMPTY;
        if cap.flags.contains(Flags::IN_THREAD) {
            self.thread_lost(cap);
        } else if cap.flags.contains(Flags::IN_IRQ) {
            self.irq_lost(cap);
        } else if cap.flags.contains(Flags::IN_TIMER) {
            self.timer_lost(cap);
        }
        self.count_down(cap);
    }

    /// Clears a slot inside an object, if it is filled; such slots have no children.
    pub fn clear_held(&mut self, slot: Ref<Slot>) {
        debug_assert!(self.mem[slot].links.child.is_none());
        self.drop_leaf(slot);
    }
}
