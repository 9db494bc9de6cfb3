//! What must always hold of capabilities and memory: one place in the tree each, counted, and no byte in two objects.

use abi::Kind;

use super::*;

impl Checker {
    /// From the roots down: every link must be answered. Init's table exists; what else exists is found on the way.
    pub(super) fn walk_tree(&mut self, k: &Kernel) -> Check {
        let mut tables = vec![self.table];
        tables.extend(dead(k).into_iter().filter(|&(kind, _)| kind == Kind::CapTable).map(|(_, table)| object(table)));
        let (mut done, mut searched) = (0, 0);
        while let Some(&table) = tables.get(searched) {
            searched += 1;
            for slot in slots(k, table) {
                let links = &k.mem[slot].links;
                let root = !k.mem[slot].is_empty() && links.parent.is_none() && links.prev.is_none();
                if root && !self.is_slot(slot) {
                    self.find(k, slot)?;
                }
            }
            while let Some(&slot) = self.slots.get(done) {
                done += 1;
                self.walk_children(k, slot)?;
                if let Some(table) = k.mem[slot].cap.object_of::<CapTable>()
                    && !tables.contains(&table)
                {
                    tables.push(table);
                }
            }
        }
        Ok(())
    }

    fn walk_children(&mut self, k: &Kernel, slot: Ref<Slot>) -> Check {
        let (mut before, mut at) = (None, k.mem[slot].links.child);
        while let Some(child) = at {
            let links = &k.mem[child].links;
            must!(links.prev == before, "{child:?}: its previous is {:?}, not {before:?}", links.prev);
            if before.is_none() {
                must!(links.parent == Some(slot), "{child:?}: its parent is {:?}, not {slot:?}", links.parent);
            }
            self.find(k, child)?;
            (before, at) = (Some(child), links.next);
        }
        Ok(())
    }

    fn find(&mut self, k: &Kernel, slot: Ref<Slot>) -> Check {
        let index = self.granule(slot.number())?;
        must!(self.seen[index] != self.round, "{slot:?} has two places in the tree");
        must!(!k.mem[slot].is_empty(), "{slot:?} is empty and in the tree");
        self.seen[index] = self.round;
        self.slots.push(slot);
        Ok(())
    }

    /// The number of capabilities of each object; the dead are exactly those that wait to be taken apart.
    pub(super) fn count_capabilities(&mut self, k: &Kernel) -> Check {
        for index in 0..self.slots.len() {
            let cap = k.mem[self.slots[index]].cap;
            // The right to tie rings is a Trace without a ring.
            if header_kind(cap.kind) && !(cap.kind == Kind::Trace && cap.object == 0) {
                let at = self.granule(cap.object)?;
                if self.named[at].0 != self.round {
                    self.named[at] = (self.round, 0);
                    self.objects.push((cap.kind, cap.object));
                }
                self.named[at].1 += 1;
            }
        }
        for (kind, number) in dead(k) {
            let place = self.granule(number)?;
            let twice = self.named[place].0 == self.round;
            must!(!twice, "{kind:?} @{number:#x} is dead and has capabilities, or is dead twice");
            self.named[place] = (self.round, 0);
            self.objects.push((kind, number));
        }
        for &(kind, number) in &self.objects {
            let (found, count) = (header(k, kind, number).unwrap(), self.named[number as usize].1);
            must!(found.kind == kind, "{kind:?} @{number:#x} is a {:?}", found.kind);
            must!(found.capabilities == count, "{kind:?} @{number:#x} counts {}, not {count}", found.capabilities);
        }
        Ok(())
    }

    /// Every capability lies in a table, a thread or an Irq that exists, and those hold nothing else.
    pub(super) fn check_places(&mut self, k: &Kernel) -> Check {
        let mut found = 0;
        for index in 0..self.objects.len() {
            let (kind, number) = self.objects[index];
            match kind {
                Kind::CapTable => {
                    let table = object::<CapTable>(number);
                    for slot in slots(k, table) {
                        let flags = k.mem[slot].cap.flags;
                        found += self.check_place(k, slot)?;
                        let held = Flags::IN_THREAD | Flags::IN_IRQ | Flags::IN_TIMER;
                        must!(!flags.intersects(held), "{slot:?} is not held: {flags:?}");
                    }
                }
                Kind::Thread => {
                    let kinds = [Kind::CapTable, Kind::AddressSpace, Kind::Frame, Kind::Endpoint];
                    for (which, wanted) in kinds.into_iter().enumerate() {
                        let offset = (core::mem::offset_of!(Thread, held) / 64 + which) as u32;
                        let slot = object::<Thread>(number).offset(offset);
                        found += self.check_held(k, slot, &[wanted], Flags::IN_THREAD, number)?;
                    }
                }
                Kind::Irq => {
                    let slot = object::<Irq>(number).offset(1);
                    found += self.check_held(k, slot, &[Kind::Notification], Flags::IN_IRQ, number)?;
                }
                Kind::Timer => {
                    let slot = object::<Timer>(number).offset(1);
                    found += self.check_held(k, slot, &[Kind::Notification, Kind::Thread], Flags::IN_TIMER, number)?;
                }
                _ => {}
            }
        }
        must!(found == self.slots.len(), "{} capabilities, {found} of them in tables and objects", self.slots.len());
        Ok(())
    }

    fn check_place(&self, k: &Kernel, slot: Ref<Slot>) -> Result<usize, String> {
        let (empty, known) = (k.mem[slot].is_empty(), self.is_slot(slot));
        must!(empty != known, "{slot:?} is {} and {}in the tree", if empty { "empty" } else { "filled" }, not(known));
        Ok(usize::from(known))
    }

    fn check_held(
        &self,
        k: &Kernel,
        slot: Ref<Slot>,
        kinds: &[Kind],
        flag: Flags,
        holder: u64,
    ) -> Result<usize, String> {
        let held = &k.mem[slot];
        if !held.is_empty() {
            must!(kinds.contains(&held.cap.kind), "{slot:?} holds a {:?}", held.cap.kind);
            must!(held.links.child.is_none(), "{slot:?} is held and has children");
            let right = held.cap.flags.contains(flag) && u64::from(held.cap.holder) == holder;
            must!(right, "{slot:?} does not know its holder");
        }
        self.check_place(k, slot)
    }

    /// Objects and Frames do not overlap, and lie where their Untyped says that memory was handed out.
    pub(super) fn check_memory(&mut self, k: &Kernel) -> Check {
        for &(kind, number) in &self.objects {
            let start = self.ram.0 + number * GRANULE;
            self.extents.push(Extent { start, end: start + bytes_of(k, kind, number), kind });
        }
        for &slot in &self.slots {
            let cap = &k.mem[slot].cap;
            let tied = matches!(cap.kind, Kind::Untyped | Kind::Reserve) && cap.space.is_some();
            if (cap.kind == Kind::Frame && !cap.flags.intersects(Flags::DEVICE | Flags::KEEP)) || tied {
                self.extents.push(Extent { start: cap.object, end: end_of(cap), kind: cap.kind });
            }
        }
        self.extents.sort_unstable();
        self.extents.dedup();
        for pair in self.extents.windows(2) {
            must!(pair[0].end <= pair[1].start, "{:x?} and {:x?} overlap", pair[0], pair[1]);
        }
        let ram = self.ram.0..=self.ram.0 + self.ram.1;
        let inside = self.extents.iter().all(|extent| ram.contains(&extent.start) && ram.contains(&extent.end));
        must!(inside, "something lies outside RAM");
        self.slots.iter().filter(|&&slot| k.mem[slot].cap.kind == Kind::Untyped).try_for_each(|&slot| {
            let cap = &k.mem[slot].cap;
            if cap.space.is_some() {
                must!(k.mem[slot].links.child.is_none(), "{slot:?} is in use and has children");
                return Ok(());
            }
            self.check_untyped(k, slot, cap)
        })
    }

    fn check_untyped(&self, k: &Kernel, slot: Ref<Slot>, cap: &Cap) -> Check {
        let device = cap.flags.contains(Flags::DEVICE);
        let used = if device { end_of(cap) } else { cap.object + cap.word };
        must!(used <= end_of(cap), "{slot:?} handed out more than it has");
        let (mut children, mut at) = (Vec::new(), k.mem[slot].links.child);
        while let Some(child) = at {
            let made = k.mem[child].cap;
            let (start, end) = match made.kind {
                Kind::Untyped | Kind::Reserve | Kind::Frame => (made.object, end_of(&made)),
                kind => {
                    let start = self.ram.0 + made.object * GRANULE;
                    (start, start + bytes_of(k, kind, made.object))
                }
            };
            must!(start >= cap.object && end <= used, "{child:?} {made:x?} lies outside {slot:?} {cap:x?}");
            // What is being deleted has lost its rights; its children are its siblings by then.
            if made.kind != Kind::Untyped || !made.rights.is_empty() {
                children.push((start, end));
            }
            at = k.mem[child].links.next;
        }
        children.sort_unstable();
        children.dedup();
        let apart = children.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        must!(apart || device, "what was made of {slot:?} overlaps: {children:x?}");
        Ok(())
    }
}

/// The slots of a table. Those that an Untyped lost which is being deleted are not reached by an index any more.
fn slots(k: &Kernel, table: Ref<CapTable>) -> Vec<Ref<Slot>> {
    let first = (1..k.mem[table].slots()).map(|index| table.offset::<Slot>(index));
    let mut slots: Vec<_> = first.collect();
    let mut at = k.mem[table].memory;
    while let Some(memory) = at {
        let cap = &k.mem[memory].cap;
        let start: Ref<Slot> = k.mem.granule(Phys(cap.object)).unwrap();
        slots.extend((0..(cap.word / GRANULE) as u32).map(|index| start.offset(index)));
        at = k.mem[memory].links.map_next;
    }
    slots
}
