//! Slots, and the tree that says what was derived from what.

use abi::{ErrorCode, Kind, layout::MemoryType};

use super::{At, Call, Cap, Model, Name, Place, Step, Stop, TABLE, Table, refuse};

impl Cap {
    /// A capability of an object, or of a control kind (object 0), that lies nowhere yet.
    pub fn of(kind: Kind, object: At) -> Self {
        Self {
            kind,
            rights: abi::Rights::all_of(kind).bits(),
            badge: 0,
            object,
            pages: 0,
            memory: MemoryType::Normal,
            device: false,
            keep: false,
            used: 0,
            pool: None,
            slots_of: None,
            reserve: None,
            mapping: None,
            place: Place::Table(0, 0),
            parent: None,
            children: Vec::new(),
        }
    }

    /// A copy: with at most these rights, without mapping and children.
    pub fn copied(&self, rights: u8, badge: u64) -> Self {
        let (rights, mapping) = (self.rights & rights, None);
        Self { rights, badge, mapping, used: 0, parent: None, children: Vec::new(), ..self.clone() }
    }

    /// Whether an Untyped is memory of something else.
    pub fn is_tied(&self) -> bool {
        self.pool.is_some() || self.slots_of.is_some()
    }

    pub fn end(&self) -> u64 {
        self.object + self.pages * abi::layout::PAGE
    }
}

/// Whether a capability of this kind names an object that dies with its last one. The right to tie rings is a Trace too,
/// without an object (0).
pub fn names_object(kind: Kind, object: At) -> bool {
    use Kind::*;
    let kinds =
        [CapTable, Thread, Endpoint, Reply, Notification, AddressSpace, DmaSpace, SchedContext, Irq, Timer, Trace];
    kinds.contains(&kind) && object != 0
}

impl Model {
    pub fn cap(&mut self, name: Name) -> &mut Cap {
        self.caps.get_mut(&name).expect("a capability that exists")
    }

    fn slot_at(&mut self, place: Place) -> &mut Option<Name> {
        match place {
            Place::Table(table, index) => &mut self.tables.get_mut(&table).expect("a table that exists").slots[index],
            Place::Grown(at) => self.grown.entry(at).or_default(),
            Place::Thread(thread, which) => &mut self.thread(thread).held[which],
            Place::Irq(irq) => &mut self.irqs.get_mut(&irq).expect("an Irq that exists").held,
            Place::Timer(timer) => &mut self.timers.get_mut(&timer).expect("a Timer that exists").held,
        }
    }

    /// Puts a capability into an empty slot, as the newest child of `parent`.
    pub fn insert(&mut self, place: Place, cap: Cap, parent: Option<Name>) -> Name {
        self.next_name += 1;
        let name = self.next_name;
        self.caps.insert(name, Cap { place, parent, ..cap });
        if let Some(parent) = parent {
            self.cap(parent).children.insert(0, name);
        }
        let before = self.slot_at(place).replace(name);
        assert!(before.is_none(), "the slot was empty");
        name
    }

    pub fn move_to(&mut self, name: Name, place: Place) {
        let from = self.cap(name).place;
        *self.slot_at(from) = None;
        *self.slot_at(place) = Some(name);
        self.cap(name).place = place;
    }

    /// Takes a capability out of its parent's children.
    fn orphan(&mut self, name: Name) {
        if let Some(parent) = self.cap(name).parent.take() {
            self.cap(parent).children.retain(|&child| child != name);
            self.perhaps_whole(parent);
        }
    }

    /// The first child moves up: it stands right behind its parent from now on, or stands alone if that does.
    fn lift_first(&mut self, name: Name) {
        let (child, parent) = (self.caps[&name].children[0], self.caps[&name].parent);
        self.orphan(child);
        if let Some(parent) = parent {
            self.cap(child).parent = Some(parent);
            let list = &mut self.cap(parent).children;
            let behind = list.iter().position(|&other| other == name).expect("a child of its parent") + 1;
            list.insert(behind, child);
        }
    }

    /// Empties a slot: children move up, a mapping goes, the last capability takes its object along.
    pub fn delete(&mut self, name: Name) -> Step {
        if self.caps[&name].kind == Kind::Untyped && !self.caps[&name].children.is_empty() {
            self.give_up_memory(name);
        }
        while !self.caps[&name].children.is_empty() {
            self.lift_first(name);
            self.point()?;
        }
        self.drain_cap(name)?;
        self.drop_slots(name)?;
        self.drop_pool(name)?;
        self.untie(name)?;
        self.remove(name);
        Ok(())
    }

    /// Deletes all descendants.
    pub fn revoke(&mut self, name: Name) -> Step {
        while let Some(&child) = self.caps[&name].children.first() {
            self.delete(child)?;
            self.point()?;
        }
        // A Reserve becomes an Untyped.
        self.untie(name)?;
        self.bury()
    }

    /// The capability is gone, and whoever held it notices.
    pub fn remove(&mut self, name: Name) {
        self.memory_gone(name);
        self.orphan(name);
        let cap = self.caps.remove(&name).expect("a capability that exists");
        *self.slot_at(cap.place) = None;
        match cap.place {
            Place::Table(..) | Place::Grown(_) => {}
            Place::Thread(thread, which) => self.thread_lost(thread, which),
            Place::Irq(irq) => self.irq_lost(irq),
            Place::Timer(timer) => self.timers.get_mut(&timer).expect("a Timer").deadline = None,
        }
        let others = |other: &Cap| other.kind == cap.kind && other.object == cap.object;
        if names_object(cap.kind, cap.object) && !self.caps.values().any(others) {
            self.dies(cap.kind, cap.object);
        }
    }

    pub fn clear_held(&mut self, place: Place) {
        if let Some(name) = *self.slot_at(place) {
            self.remove(name);
        }
    }

    // Looking up: range, emptiness, kind, rights.

    pub fn table_of(&self, thread: At) -> Result<At, Stop> {
        // Who ended its own thread has none either.
        match self.threads.get(&thread).and_then(|thread| thread.held[TABLE]) {
            Some(name) => Ok(self.caps[&name].object),
            None => refuse(ErrorCode::InvalidState, 0),
        }
    }

    /// A slot of a table.
    pub fn slot(&self, table: At, index: u64, argument: u8) -> Result<Place, Stop> {
        let Table { slots, parts, .. } = &self.tables[&table];
        let first = slots.len() as u64;
        if (1..first).contains(&index) {
            return Ok(Place::Table(table, index as usize));
        }
        for (part, place) in parts.iter().enumerate() {
            if let Some(place) = place
                && (first << part..first << (part + 1)).contains(&index)
            {
                return Ok(Place::Grown(place + 64 * (index - (first << part))));
            }
        }
        refuse(ErrorCode::SlotOutOfRange, argument)
    }

    pub fn in_slot(&self, place: Place) -> Option<Name> {
        match place {
            Place::Table(table, index) => self.tables[&table].slots[index],
            Place::Grown(at) => self.grown.get(&at).copied().flatten(),
            _ => unreachable!("only slots of tables have numbers"),
        }
    }

    pub fn empty_slot(&self, table: At, index: u64, argument: u8) -> Result<Place, Stop> {
        let place = self.slot(table, index, argument)?;
        if self.in_slot(place).is_some() {
            return refuse(ErrorCode::SlotOccupied, argument);
        }
        Ok(place)
    }

    /// The capability that an argument names, which must have this kind and these rights.
    pub fn get(&self, call: &Call, index: u64, kind: Kind, rights: u8, argument: u8) -> Result<Name, Stop> {
        let place = self.slot(self.table_of(call.caller)?, index, argument)?;
        let Some(name) = self.in_slot(place) else { return refuse(ErrorCode::EmptySlot, argument) };
        if self.caps[&name].kind != kind {
            return refuse(ErrorCode::WrongKind, argument);
        }
        if self.caps[&name].rights & rights != rights {
            return refuse(ErrorCode::MissingRight, argument);
        }
        Ok(name)
    }

    /// The object that an argument names.
    pub fn object(&self, call: &Call, index: u64, kind: Kind, rights: u8, argument: u8) -> Result<At, Stop> {
        self.get(call, index, kind, rights, argument).map(|name| self.caps[&name].object)
    }

    /// The object that the target names.
    pub fn target(&self, call: &Call, kind: Kind, rights: u8) -> Result<At, Stop> {
        self.object(call, call.target, kind, rights, 0)
    }
}
