//! Slots behind the first part of a table: an Untyped that was given whole.

use abi::{ErrorCode, Kind, layout::PAGE};

use super::{At, Call, Model, Name, Next, Out, Step, Table, refuse};

const PUT: u8 = 2;
const RETYPE: u8 = 1;
/// Bytes of a slot.
const SLOT: u64 = 64;
/// Bytes between two places where it may make way.
const SLICE: u64 = 4096;
/// Most doublings of a table.
pub const PARTS: usize = 10;
/// log2 of the most slots.
const MOST: u64 = 16;

impl Table {
    pub fn new(slots: usize) -> Self {
        Self { slots: vec![None; slots], parts: [None; PARTS], memory: Vec::new() }
    }

    /// Slots of a doubling.
    fn slots_of_part(&self, part: usize) -> u64 {
        (self.slots.len() as u64) << part
    }

    /// One more than the highest index.
    pub fn end(&self) -> u64 {
        let parts = self.parts.iter().rposition(Option::is_some).map_or(0, |part| part + 1);
        self.slots_of_part(parts)
    }

    /// Doublings that it does not have, of those up to so many slots.
    fn missing(&self, bits: u64) -> Vec<usize> {
        let first = u64::from(self.slots.len().ilog2());
        if bits > MOST || bits > first + PARTS as u64 {
            return Vec::new();
        }
        (0..PARTS).filter(|&part| first + (part as u64) < bits && self.parts[part].is_none()).collect()
    }
}

pub fn grow(m: &mut Model, call: &Call) -> Out {
    m.bury()?;
    let [memory, bits, ..] = call.x;
    let at = m.target(call, Kind::CapTable, PUT)?;
    let name = m.get(call, memory, Kind::Untyped, RETYPE, 1)?;
    let cap = m.caps[&name].clone();
    let own = m.table_of(call.caller)?;
    if cap.device || cap.keep || memory >= m.tables[&own].slots.len() as u64 {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    let missing = m.tables[&at].missing(bits);
    let bytes: u64 = missing.iter().map(|&part| m.tables[&at].slots_of_part(part) * SLOT).sum();
    // One that made way goes on.
    let begun = cap.slots_of == Some(at) && !m.has_slots(name);
    if missing.is_empty() {
        if begun {
            // Whoever deletes it may be in the middle of that.
            m.drop_slots(name)?;
        }
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    if !begun && (cap.is_tied() || !cap.children.is_empty()) {
        return refuse(ErrorCode::HasChildren, 1);
    }
    if bytes > cap.pages * PAGE {
        return refuse(ErrorCode::OutOfMemory, 1);
    }
    if !begun {
        (m.cap(name).slots_of, m.cap(name).used) = (Some(at), 0);
        m.table(at).memory.insert(0, name);
        m.books.free -= cap.pages * PAGE;
        m.books.used += cap.pages * PAGE;
    }
    while m.caps[&name].used < bytes {
        let done = m.caps[&name].used;
        m.cap(name).used = bytes.min(done + SLICE);
        m.point()?;
    }
    let mut place = cap.object;
    for part in missing {
        let table = m.table(at);
        table.parts[part] = Some(place);
        place += table.slots_of_part(part) * SLOT;
    }
    Ok(Next::Done)
}

impl Model {
    pub fn table(&mut self, at: At) -> &mut Table {
        self.tables.get_mut(&at).expect("a table that exists")
    }

    /// Whether an index leads to the slots that an Untyped is.
    fn has_slots(&self, name: Name) -> bool {
        let cap = &self.caps[&name];
        let mine = |place: &&At| (cap.object..cap.object + cap.used).contains(place);
        cap.slots_of.is_some_and(|table| self.tables[&table].parts.iter().flatten().any(|place| mine(&place)))
    }

    /// What lies at the lowest index of a table.
    pub fn first_in_table(&self, table: At) -> Option<Name> {
        let table = &self.tables[&table];
        let behind = table.parts.iter().enumerate().filter_map(|(part, place)| Some((part, (*place)?)));
        let grown = behind.flat_map(|(part, place)| {
            let end = place + table.slots_of_part(part) * SLOT;
            self.grown.range(place..end).filter_map(|(_, name)| *name)
        });
        table.slots.iter().flatten().copied().chain(grown).next()
    }

    /// An Untyped that is slots goes: no index leads to them any more, and what lies in them is deleted from the end on.
    pub fn drop_slots(&mut self, name: Name) -> Step {
        let Some(table) = self.caps[&name].slots_of else { return Ok(()) };
        let start = self.caps[&name].object;
        let end = start + self.caps[&name].used;
        self.table(table).parts.iter_mut().for_each(|part| {
            part.take_if(|place| (start..end).contains(place));
        });
        while self.caps[&name].used > 0 {
            let last = self.caps[&name].used - SLOT;
            if let Some(Some(inside)) = self.grown.remove(&(start + last)) {
                self.grown.insert(start + last, Some(inside));
                self.delete(inside)?;
            }
            self.cap(name).used = last;
            self.point()?;
        }
        self.unlink(name);
        Ok(())
    }
}
