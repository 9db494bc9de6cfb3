//! AddressSpace and Frame: what is mapped where, and the memory of the page tables.

use abi::{
    ErrorCode, Kind,
    layout::{MemoryType, PAGE, USER_END},
};

use super::{At, Call, Cap, Leaf, Mapping, Model, Name, Next, Out, Space, Step, Stop, Work, refuse};

const MAP: u8 = 1;
const POOL: u8 = 2;
const RETYPE: u8 = 1;
const READ: u64 = 1;
const WRITE: u64 = 2;
const EXECUTE: u64 = 4;

/// What an entry of a table at this level covers.
fn span(level: u32) -> u64 {
    PAGE << (9 * (3 - level))
}

fn check_perms(cap: &Cap, perms: u64, argument: u8) -> Step {
    if perms > 7 || perms & READ == 0 {
        return refuse(ErrorCode::InvalidArgument, argument);
    }
    if perms & WRITE != 0 && perms & EXECUTE != 0 {
        return refuse(ErrorCode::WriteExecute, argument);
    }
    if perms & EXECUTE != 0 && cap.device {
        return refuse(ErrorCode::InvalidArgument, argument);
    }
    if u64::from(cap.rights) & perms != perms {
        return refuse(ErrorCode::MissingRight, argument);
    }
    Ok(())
}

pub fn map(m: &mut Model, call: &Call) -> Out {
    let [frame, address, first, pages, perms, ..] = call.x;
    let space = m.target(call, Kind::AddressSpace, MAP)?;
    let name = m.get(call, frame, Kind::Frame, 0, 1)?;
    let cap = m.caps[&name].clone();
    check_perms(&cap, perms, 5)?;
    if !address.is_multiple_of(PAGE) {
        return refuse(ErrorCode::Misaligned, 2);
    }
    if first >= cap.pages {
        return refuse(ErrorCode::InvalidArgument, 3);
    }
    if pages == 0 || pages > cap.pages - first {
        return refuse(ErrorCode::InvalidArgument, 4);
    }
    if address >= USER_END || pages * PAGE > USER_END - address {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    map_frame(m, name, space, address, first, pages, perms)?;
    Ok(Next::Done)
}

/// Maps pages of a Frame in a space, whoever uses its tables.
pub fn map_frame(m: &mut Model, name: Name, space: At, address: u64, first: u64, pages: u64, perms: u64) -> Step {
    let cap = m.caps[&name].clone();
    if let Some(have) = cap.mapping {
        if have.work == Work::Unmap {
            return refuse(ErrorCode::Busy, 1);
        }
        // A map that made way goes on, for at least the pages that are there.
        let same = (have.space, have.address, have.first) == (space, address, first) && have.pages <= pages;
        if !same || !matches!(have.work, Work::Map | Work::Undo(_)) {
            return refuse(ErrorCode::AlreadyMapped, 1);
        }
    }
    let leaf = |base, level| Leaf {
        level,
        base,
        write: perms & WRITE != 0,
        execute: perms & EXECUTE != 0,
        memory: cap.memory,
    };
    if cap.mapping.is_none() {
        m.cap(name).mapping = Some(Mapping { space, address, pages: 0, first, work: Work::Map });
        m.space(space).mapped.insert(0, name);
        m.point()?;
    }
    // From here on it is also the call that made way and is made again.
    while let Some(Mapping { pages: done, work: Work::Map, .. }) = m.caps[&name].mapping
        && done < pages
    {
        let (at, base) = (address + done * PAGE, cap.object + (first + done) * PAGE);
        match m.level_for(space, at, base, pages - done) {
            Ok(level) => {
                m.space(space).leaves.insert(at, leaf(base, level));
                m.mapping(name).pages += span(level) / PAGE;
                m.point()?;
            }
            Err(code) => m.mapping(name).work = Work::Undo(code),
        }
    }
    if let Work::Undo(code) = m.mapping(name).work {
        m.unmap_cap(name)?;
        return refuse(code, 0);
    }
    m.mapping(name).work = Work::None;
    Ok(())
}

/// What a device finds where something was taken away.
pub fn drained_leaf(space: At) -> Leaf {
    Leaf { level: 3, base: space + 2 * PAGE, write: true, execute: false, memory: MemoryType::Normal }
}

impl Space {
    /// Tables below the root, by level and first address: one for every part of the range that something is mapped in.
    pub fn tables(&self) -> Vec<(u32, u64)> {
        let mut list: Vec<(u32, u64)> = Vec::new();
        let mut last = [None; 4];
        for (&at, leaf) in &self.leaves {
            for level in 1..=leaf.level {
                let first = at & !(span(level - 1) - 1);
                if last[level as usize].replace(first) != Some(first) {
                    list.push((level, first));
                }
            }
        }
        list
    }
}

fn mapped_here(m: &Model, call: &Call, space: At) -> Result<(Name, Mapping), Stop> {
    let name = m.get(call, call.x[0], Kind::Frame, 0, 1)?;
    match m.caps[&name].mapping {
        Some(mapping) if mapping.space == space => Ok((name, mapping)),
        _ => refuse(ErrorCode::NotMapped, 1),
    }
}

pub fn unmap(m: &mut Model, call: &Call) -> Out {
    let space = m.target(call, Kind::AddressSpace, MAP)?;
    let (name, _) = mapped_here(m, call, space)?;
    m.unmap_cap(name)?;
    Ok(Next::Done)
}

pub fn protect(m: &mut Model, call: &Call) -> Out {
    let space = m.target(call, Kind::AddressSpace, MAP)?;
    let name = m.get(call, call.x[0], Kind::Frame, 0, 1)?;
    let perms = call.x[1];
    check_perms(&m.caps[&name].clone(), perms, 2)?;
    let (_, mapping) = mapped_here(m, call, space)?;
    if matches!(mapping.work, Work::Map | Work::Undo(_) | Work::Unmap) {
        return refuse(ErrorCode::Busy, 1);
    }
    if perms & EXECUTE != 0 && mapping.work != Work::Protect(perms) {
        // Its memory is cleaned first.
        m.mapping(name).work = Work::Clean(perms);
        m.point()?;
    }
    m.mapping(name).work = Work::Protect(perms);
    let end = mapping.address + mapping.pages * PAGE;
    let at: Vec<u64> = m.spaces[&space].leaves.range(mapping.address..end).map(|(&at, _)| at).collect();
    for at in at {
        m.point()?;
        let leaf = m.space(space).leaves.get_mut(&at).expect("it was there");
        (leaf.write, leaf.execute) = (perms & WRITE != 0, perms & EXECUTE != 0);
    }
    m.mapping(name).work = Work::None;
    Ok(Next::Done)
}

pub fn add_pool(m: &mut Model, call: &Call) -> Out {
    m.bury()?;
    let space = m.target(call, Kind::AddressSpace, POOL)?;
    let name = m.get(call, call.x[0], Kind::Untyped, RETYPE, 1)?;
    let cap = m.caps[&name].clone();
    if cap.device || cap.keep {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    // One that was given in part goes on.
    let begun = cap.pool == Some(space) && cap.used < cap.pages * PAGE;
    if !begun && (cap.is_tied() || !cap.children.is_empty()) {
        return refuse(ErrorCode::HasChildren, 1);
    }
    if m.spaces[&space].lost {
        return refuse(ErrorCode::Busy, 0);
    }
    if !begun {
        m.cap(name).pool = Some(space);
        m.space(space).mapped.insert(0, name);
        m.books.free -= cap.pages * PAGE;
        m.books.used += cap.pages * PAGE;
    }
    while m.caps[&name].used < cap.pages * PAGE {
        m.cap(name).used += PAGE;
        if m.caps[&name].used < cap.pages * PAGE {
            m.point()?;
        }
    }
    Ok(Next::Done)
}

impl Model {
    pub fn space(&mut self, at: At) -> &mut Space {
        self.spaces.get_mut(&at).expect("an AddressSpace that exists")
    }

    fn mapping(&mut self, name: Name) -> &mut Mapping {
        self.cap(name).mapping.as_mut().expect("it is mapped")
    }

    /// Pages that can become tables.
    pub fn free_pages(&self, space: At) -> u64 {
        let object = &self.spaces[&space];
        if object.lost {
            return 0;
        }
        let given = |name: &Name| match &self.caps[name] {
            cap if cap.kind == Kind::Untyped => cap.used / PAGE,
            _ => 0,
        };
        object.pages - object.own + object.mapped.iter().map(given).sum::<u64>()
            - object.tables().len() as u64
            - u64::from(object.events)
    }

    /// The level of the largest entry that fits at an address, if nothing is in its way and the tables can be made.
    pub fn level_for(&self, space: At, at: u64, base: u64, pages: u64) -> Result<u32, ErrorCode> {
        let fits = |&level: &u32| (at | base).is_multiple_of(span(level)) && pages * PAGE >= span(level);
        let object = &self.spaces[&space];
        let level = if object.stream.is_some() { 3 } else { (1..3).find(fits).unwrap_or(3) };
        let before = object.leaves.range(..at).next_back();
        let covered = before.is_some_and(|(start, leaf)| at - start < span(leaf.level));
        if covered || object.leaves.range(at..at + span(level)).next().is_some() {
            return Err(ErrorCode::Overlap);
        }
        if self.missing_tables(space, at, level) > self.free_pages(space) {
            return Err(ErrorCode::NoPool);
        }
        Ok(level)
    }

    /// How many tables an entry at this level would need beside those that are there.
    pub fn missing_tables(&self, space: At, at: u64, level: u32) -> u64 {
        let tables = self.spaces[&space].tables();
        (1..=level).filter(|&level| !tables.contains(&(level, at & !(span(level - 1) - 1)))).count() as u64
    }

    /// Removes the mapping of a Frame, if there is one, from its end on.
    pub fn unmap_cap(&mut self, name: Name) -> Step {
        self.take_away(name, false)
    }

    /// The same where the capability goes: what a device has begun goes on, into the drain of its space.
    pub fn drain_cap(&mut self, name: Name) -> Step {
        self.take_away(name, true)
    }

    fn take_away(&mut self, name: Name, drain: bool) -> Step {
        while let Some(Mapping { space, address, pages, .. }) = self.caps[&name].mapping {
            let end = address + pages * PAGE;
            let last = self.spaces[&space].leaves.range(address..end).next_back().map(|(&at, _)| at);
            let left = last.map_or(0, |last| (last - address) / PAGE);
            let drained = drain && self.spaces[&space].stream.is_some();
            match last {
                Some(last) if drained => drop(self.space(space).leaves.insert(last, drained_leaf(space))),
                Some(last) => drop(self.space(space).leaves.remove(&last)),
                None => {}
            }
            if left == 0 {
                self.unlink(name);
                break;
            }
            let mapping = self.mapping(name);
            mapping.pages = left;
            if !matches!(mapping.work, Work::Undo(_)) {
                mapping.work = Work::Unmap;
            }
            self.point()?;
        }
        Ok(())
    }

    /// It is not mapped, not tied, or not page table memory, any more.
    pub fn unlink(&mut self, name: Name) {
        let cap = self.cap(name);
        let (mapping, pool, reserve) = (cap.mapping.take(), cap.pool.take(), cap.reserve.take());
        let slots_of = cap.slots_of.take();
        let space = mapping.map(|mapping| mapping.space).or(pool).or(reserve.as_ref().map(|reserve| reserve.space));
        if space.or(slots_of).is_none() {
            return;
        }
        if mapping.is_none() {
            (cap.kind, cap.used) = (Kind::Untyped, 0);
            let bytes = cap.pages * PAGE;
            self.books.free += bytes;
            self.books.used -= bytes;
        }
        if let Some(space) = space {
            self.space(space).mapped.retain(|&other| other != name);
        }
        if let Some(table) = slots_of {
            self.table(table).memory.retain(|&other| other != name);
        }
    }

    /// An Untyped that was page table memory goes: its address space loses all tables and mappings at once, and all
    /// other memory of that kind is free again.
    pub fn drop_pool(&mut self, name: Name) -> Step {
        let Some(at) = self.caps[&name].pool else { return Ok(()) };
        let space = self.space(at);
        space.lost = true;
        space.leaves.clear();
        self.no_windows(at);
        while let Some(&other) = self.spaces[&at].mapped.iter().find(|&&other| other != name) {
            self.unlink(other);
            self.point()?;
        }
        self.unlink(name);
        self.space(at).lost = false;
        Ok(())
    }
}
