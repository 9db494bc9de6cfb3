//! Reserve: an Untyped tied to a range, whose pages are there when they are touched.

use abi::{
    ErrorCode, FaultKind, Kind,
    layout::{MemoryType, PAGE, USER_END},
};

use super::{At, Call, Leaf, Model, Name, Next, Out, Reserve, Step, refuse};

const MAP: u8 = 1;
const RETYPE: u8 = 1;
const INVOKE: u8 = 1;
/// Reserves of an address space.
const MOST: usize = 60;

/// Whether an address and a number of pages, the arguments from `first` on, lie in a range.
fn check_range((address, pages): (u64, u64), (start, end): (u64, u64), first: u8) -> Step {
    if !address.is_multiple_of(PAGE) {
        return refuse(ErrorCode::Misaligned, first);
    }
    if address < start || address > end {
        return refuse(ErrorCode::InvalidArgument, first);
    }
    if pages > (end - address) / PAGE {
        return refuse(ErrorCode::InvalidArgument, first + 1);
    }
    Ok(())
}

pub fn reserve(m: &mut Model, call: &Call) -> Out {
    m.bury()?;
    let [untyped, address, pages, ..] = call.x;
    let space = m.target(call, Kind::AddressSpace, MAP)?;
    let name = m.get(call, untyped, Kind::Untyped, RETYPE, 1)?;
    let cap = m.caps[&name].clone();
    if cap.device || cap.keep {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    if cap.is_tied() || !cap.children.is_empty() {
        return refuse(ErrorCode::HasChildren, 1);
    }
    check_range((address, pages), (0, USER_END), 2)?;
    if pages == 0 {
        return refuse(ErrorCode::InvalidArgument, 3);
    }
    if m.spaces[&space].lost {
        return refuse(ErrorCode::Busy, 0);
    }
    let end = address + pages * PAGE;
    let others = m.windows(space);
    if others.iter().any(|other| other.start < end && address < other.end) {
        return refuse(ErrorCode::Overlap, 2);
    }
    if others.len() == MOST {
        return refuse(ErrorCode::Busy, 0);
    }
    let range = Reserve { space, start: address, end, fresh: 0, returned: Vec::new(), alive: true };
    (m.cap(name).kind, m.cap(name).reserve) = (Kind::Reserve, Some(range));
    m.space(space).mapped.insert(0, name);
    m.books.free -= cap.pages * PAGE;
    m.books.used += cap.pages * PAGE;
    Ok(m.answer_one(call.caller, cap.pages))
}

pub fn release(m: &mut Model, call: &Call) -> Out {
    let [address, pages, ..] = call.x;
    let name = m.get(call, call.target, Kind::Reserve, INVOKE, 0)?;
    let range = m.caps[&name].reserve.clone().filter(|range| range.alive);
    let Some(range) = range else { return refuse(ErrorCode::InvalidState, 0) };
    check_range((address, pages), (range.start, range.end), 1)?;
    let end = address + pages * PAGE;
    if m.fuel.is_some() && (address + 1..end).contains(&m.oracle) {
        // It made way, and its registers say what is left.
        let rest = m.oracle;
        while m.give_page_back(name, address, rest).is_some() {}
        (m.thread(call.caller).x[0], m.thread(call.caller).x[1]) = (rest, (end - rest) / PAGE);
        return Ok(Next::Again);
    }
    while m.give_page_back(name, address, end).is_some() {}
    let free = m.caps[&name].pages - m.reserve(name).given();
    Ok(m.answer_one(call.caller, free))
}

impl Reserve {
    /// Pages that are mapped.
    pub fn given(&self) -> u64 {
        self.fresh - self.returned.len() as u64
    }
}

impl Model {
    fn reserve(&mut self, name: Name) -> &mut Reserve {
        self.cap(name).reserve.as_mut().expect("a Reserve")
    }

    /// The ranges of an address space that answer touches.
    pub fn windows(&self, space: At) -> Vec<&Reserve> {
        let tied = self.spaces[&space].mapped.iter().filter_map(|name| self.caps[name].reserve.as_ref());
        tied.filter(|range| range.alive).collect()
    }

    /// Touches of an address space are not answered any more.
    pub fn no_windows(&mut self, space: At) {
        for name in self.spaces[&space].mapped.clone() {
            if let Some(range) = &mut self.cap(name).reserve {
                range.alive = false;
            }
        }
    }

    /// The first page of a Reserve that is mapped from an address on: its address and number.
    fn first_page(&self, name: Name, from: u64, to: u64) -> Option<(u64, u64)> {
        let cap = &self.caps[&name];
        let range = cap.reserve.as_ref()?;
        let mine = |leaf: &Leaf| (cap.object..cap.end()).contains(&leaf.base);
        let mut leaves = self.spaces[&range.space].leaves.range(from..to);
        leaves.find(|(_, leaf)| mine(leaf)).map(|(&at, leaf)| (at, (leaf.base - cap.object) / PAGE))
    }

    /// Gives the first such page back.
    fn give_page_back(&mut self, name: Name, from: u64, to: u64) -> Option<u64> {
        let (at, page) = self.first_page(name, from, to)?;
        let range = self.reserve(name);
        range.returned.push(page);
        let space = range.space;
        self.space(space).leaves.remove(&at);
        Some(at)
    }

    /// A Reserve becomes an Untyped: its pages are unmapped from the front on, and the range begins behind them.
    pub fn untie(&mut self, name: Name) -> Step {
        while let Some(range) = self.caps[&name].reserve.clone().filter(|range| range.alive) {
            let Some(at) = self.give_page_back(name, range.start, range.end) else { break };
            self.reserve(name).start = at + PAGE;
            self.point()?;
        }
        if self.caps[&name].reserve.is_some() {
            // The way over what is not mapped is long too.
            self.point()?;
            self.unlink(name);
        }
        Ok(())
    }

    /// A range that is being given up begins where the kernel says, if nothing is mapped up to there.
    pub fn begin_range_at(&mut self, name: Name, start: u64) {
        let Some(range) = self.caps[&name].reserve.clone() else { return };
        let skips = start > range.start && start <= range.end && start.is_multiple_of(PAGE);
        if skips && self.first_page(name, range.start, start).is_none() {
            self.reserve(name).start = start;
        }
    }

    /// The running thread writes to an address at which nothing is mapped.
    pub fn touch(&mut self, thread: At, address: u64, syndrome: u64) {
        let kind = match self.first_touch(thread, address) {
            Ok(true) => return,
            Ok(false) => FaultKind::Write,
            Err(kind) => kind,
        };
        self.fault(thread, kind, address, syndrome);
    }

    fn first_touch(&mut self, thread: At, address: u64) -> Result<bool, FaultKind> {
        let held = self.threads[&thread].held[super::SPACE].expect("who runs has an address space");
        let (space, at) = (self.caps[&held].object, address & !(PAGE - 1));
        let inside = |name: &Name| {
            let range = self.caps[name].reserve.as_ref().filter(|range| range.alive);
            range.is_some_and(|range| (range.start..range.end).contains(&address))
        };
        let Some(name) = self.spaces[&space].mapped.iter().copied().find(inside) else { return Ok(false) };
        if self.missing_tables(space, at, 3) > self.free_pages(space) {
            return Err(FaultKind::NoTables);
        }
        let (memory, pages) = (self.caps[&name].object, self.caps[&name].pages);
        let range = self.reserve(name);
        let page = match range.returned.pop() {
            Some(page) => page,
            None if range.fresh < pages => {
                range.fresh += 1;
                range.fresh - 1
            }
            None => return Err(FaultKind::NoMemory),
        };
        let base = memory + page * PAGE;
        let leaf = Leaf { level: 3, base, write: true, execute: false, memory: MemoryType::Normal };
        self.space(space).leaves.insert(at, leaf);
        self.fresh.push((Kind::Frame, base, base + PAGE));
        self.words.retain(|&place, _| place < base || place >= base + PAGE);
        Ok(true)
    }
}
