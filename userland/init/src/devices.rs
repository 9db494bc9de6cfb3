//! Devices: which node of the tree a driver is for, and the capabilities of what the node names.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::layout::{MemoryType, PAGE};
use bundle::{Component, Drive};
use rt::{Cap, Frame, Kind, Mapping, Perms, Retype, Rights, SyscallError, TABLE, Untyped};
use tree::{Interrupt, Range, Tree, Trigger};

use crate::Fatal;
use crate::authority::DEVICES;
use crate::memory::slot;

/// A device that a driver gets.
#[derive(Clone)]
pub struct Device {
    /// Path of its node.
    pub path: String,
    /// Its registers.
    pub registers: Vec<Range>,
    /// Its lines: number and whether they fire on an edge.
    pub lines: Vec<(u32, bool)>,
}

/// A Frame of device memory that init keeps; drivers get copies.
struct Kept {
    start: u64,
    pages: u64,
    frame: Cap<Frame>,
    mapping: Option<Mapping>,
    /// Paths of the devices whose drivers got it: more than one is a trust group.
    users: Vec<String>,
}

impl Kept {
    fn end(&self) -> u64 {
        self.start + self.pages * PAGE
    }
}

/// Where the pages of a register block are.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In this Frame.
    Inside(usize),
    /// To be cut out from `start` to `end`, together with these Frames, which nobody uses and which end here.
    Free { start: u64, end: u64, over: Vec<usize> },
    /// In part in this Frame, which a driver has: Frames do not grow.
    Taken(usize),
}

fn place(kept: &[Kept], start: u64, end: u64) -> Place {
    if let Some(index) = kept.iter().position(|kept| kept.start <= start && end <= kept.end()) {
        return Place::Inside(index);
    }
    let (mut from, mut to) = (start, end);
    let mut over = Vec::new();
    // Kept Frames lie apart from each other: what they add to the range touches no further one.
    for (index, kept) in kept.iter().enumerate().filter(|(_, kept)| kept.start < end && start < kept.end()) {
        if !kept.users.is_empty() {
            return Place::Taken(index);
        }
        (from, to) = (from.min(kept.start), to.max(kept.end()));
        over.push(index);
    }
    Place::Free { start: from, end: to, over }
}

/// First and last page of a register block, the last exclusive; none at the end of all addresses.
fn pages_of(range: Range) -> Option<(u64, u64)> {
    Some((range.base & !(PAGE - 1), range.end().checked_next_multiple_of(PAGE)?))
}

/// Key and number of `NAME.KEY=NUMBER`.
fn argument<'a>(word: &'a str, component: &str) -> Option<(&'a str, u32)> {
    let (key, number) = word.strip_prefix(component)?.strip_prefix('.')?.split_once('=')?;
    Some((key, number.parse().ok()?))
}

/// The tree and the device memory that was cut out so far.
pub struct Devices {
    tree: Tree<'static>,
    /// The kernel's command line, found once: the walk costs more than starting a component.
    bootargs: &'static str,
    kept: Vec<Kept>,
    taken: Vec<String>,
}

/// The kernel's command line in a tree.
fn bootargs(tree: &Tree<'static>) -> &'static str {
    let mut walk = tree.walk();
    while let Some(node) = walk.next() {
        if node.depth() == 1 && node.is_named("chosen") {
            return node.text("bootargs").ok().flatten().unwrap_or_default();
        }
    }
    ""
}

impl Devices {
    /// Opens the tree that the kernel left.
    pub fn new(env: &'static rt::Env) -> Result<Self, Fatal> {
        let info = env.start_info();
        let (offset, bytes) = (info.tree_offset as usize, info.tree_bytes as usize);
        let pages = (offset + bytes).div_ceil(PAGE as usize) as u64;
        let mapping = rt::map(Cap::from_slot(abi::SLOT_TREE), pages, Perms::READ)
            .map_err(|error| format!("device tree: {error:?}"))?;
        let bytes = mapping.kept_bytes().and_then(|all| all.get(offset..offset + bytes));
        let tree = Tree::parse(bytes.ok_or("the device tree cannot be read")?)
            .map_err(|error| format!("device tree: {error}"))?;
        let bootargs = bootargs(&tree);
        Ok(Self { tree, bootargs, kept: Vec::new(), taken: Vec::new() })
    }

    /// The words of the kernel's command line.
    fn bootargs(&self) -> impl Iterator<Item = &'static str> {
        self.bootargs.split_ascii_whitespace()
    }

    /// Whether the kernel's command line has this word.
    pub fn is_asked_for(&self, word: &str) -> bool {
        self.bootargs().any(|asked| asked == word)
    }

    /// What the command line has for a component: `NAME.KEY=NUMBER`.
    pub fn arguments_of(&self, component: &str) -> Vec<(&'static str, u32)> {
        self.bootargs().filter_map(|word| argument(word, component)).collect()
    }

    /// The first enabled node that a component drives and that no other component has: its most specific `compatible`
    /// counts first, and where only the device knows what it is, its identification register decides.
    ///
    /// # Errors
    /// There is none but a node whose registers cannot be had: which, and why.
    pub fn find(&mut self, component: &Component<'static>) -> Result<Option<Device>, String> {
        let mut refused = None;
        let mut walk = self.tree.clone().devices();
        while let Some(node) = walk.next() {
            let drive =
                node.compatible().find_map(|name| component.manifest.drives().find(|drive| drive.compatible == name));
            let Some(drive) = drive else { continue };
            let mut registers = Vec::new();
            let readable = node.registers().all(|range| range.map(|range| registers.push(range)).is_ok());
            let path = format!("{}", node.path());
            if !readable || self.taken.contains(&path) {
                continue;
            }
            match self.obtain(&registers, drive) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(why) => {
                    refused.get_or_insert_with(|| format!("{path}: {why}"));
                    continue;
                }
            }
            let lines = node.interrupts().filter_map(|interrupt| match interrupt {
                Ok(Interrupt::Gic(line)) => Some((line.intid, line.trigger == Trigger::Edge)),
                _ => None,
            });
            self.taken.push(path.clone());
            return Ok(Some(Device { path, registers, lines: lines.collect() }));
        }
        refused.map_or(Ok(None), Err)
    }

    /// A device's driver is gone.
    pub fn release(&mut self, path: &str) {
        self.taken.retain(|taken| taken != path);
        self.kept.iter_mut().for_each(|kept| kept.users.retain(|user| user != path));
    }

    /// Cuts out the registers of a node; false when the device is another than the driver wants.
    fn obtain(&mut self, registers: &[Range], drive: Drive<'static>) -> Result<bool, String> {
        if !self.identifies(registers, drive)? {
            return Ok(false);
        }
        registers.iter().try_for_each(|&range| self.keep(range).map(drop)).map(|()| true)
    }

    /// virtio over MMIO (Virtual I/O Device 1.2, 4.2.2): MagicValue, then DeviceID at 8; 0 is an empty slot.
    fn identifies(&mut self, registers: &[Range], drive: Drive<'static>) -> Result<bool, String> {
        const MAGIC: u32 = 0x7472_6976;
        const DEVICE_ID: usize = 8;
        let Some(wanted) = drive.id else { return Ok(true) };
        let Some(&range) = registers.first() else { return Ok(false) };
        let fits = drive.compatible == "virtio,mmio" && self.register(range, 0)? == Some(MAGIC);
        Ok(fits && self.register(range, DEVICE_ID)? == Some(wanted))
    }

    fn register(&mut self, range: Range, offset: usize) -> Result<Option<u32>, String> {
        let index = self.keep(range)?;
        let Some(kept) = self.kept.get_mut(index) else { return Ok(None) };
        let mapping = match kept.mapping {
            Some(mapping) => mapping,
            None => {
                let mapping = rt::map(kept.frame, kept.pages, Perms::READ);
                *kept.mapping.insert(mapping.map_err(|error| format!("registers at {:#x}: {error:?}", range.base))?)
            }
        };
        Ok(mapping.read_register((range.base - kept.start) as usize + offset))
    }

    /// The Frame that covers a register block, cut out when it is first asked for.
    fn keep(&mut self, range: Range) -> Result<usize, String> {
        let (start, end) = pages_of(range).ok_or("registers at the end of all addresses")?;
        let (start, end, over) = match place(&self.kept, start, end) {
            Place::Inside(index) => return Ok(index),
            Place::Taken(index) => return Err(self.conflict(start, end, index)),
            Place::Free { start, end, over } => (start, end, over),
        };
        // Nobody has them yet but init, which looked at an identification register.
        for index in over.into_iter().rev() {
            let slot = self.kept.remove(index).frame.slot();
            TABLE.delete(slot).map_err(|error| format!("registers {start:#x}..{end:#x}: {error}"))?;
            rt::free_slot(slot);
        }
        let refused = |error: SyscallError| format!("registers {start:#x}..{end:#x}: {error}");
        let slot = slot().map_err(refused)?;
        let pages = (end - start) / PAGE;
        let what = Retype { size: pages, address: start, memory: Some(MemoryType::DeviceNgnre), align: 12 };
        DEVICES.retype(Kind::Frame, what, TABLE, slot).inspect_err(|_| rt::free_slot(slot)).map_err(refused)?;
        self.kept.push(Kept { start, pages, frame: Cap::from_slot(slot), mapping: None, users: Vec::new() });
        Ok(self.kept.len() - 1)
    }

    fn conflict(&self, start: u64, end: u64, index: usize) -> String {
        let (from, to) = self.kept.get(index).map_or((0, 0), |kept| (kept.start, kept.end()));
        let users = self.kept.get(index).map(|kept| kept.users.join(", ")).unwrap_or_default();
        format!("its registers take the pages {start:#x}..{end:#x}, and of them {users} has {from:#x}..{to:#x}")
    }

    /// The Frame for a driver's register block: init's slot, the offset of the block in it, and its pages.
    pub fn frame_for(&mut self, path: &str, range: Range) -> Result<(u32, u64, u64), SyscallError> {
        let index = self.keep(range).map_err(|_| SyscallError::from(rt::ErrorCode::Overlap))?;
        let kept = self.kept.get_mut(index).ok_or(SyscallError::from(rt::ErrorCode::InvalidArgument))?;
        if !kept.users.iter().any(|user| user == path) {
            kept.users.push(path.into());
        }
        Ok((kept.frame.slot(), range.base - kept.start, kept.pages))
    }

    /// The pages of a register block as an Untyped of their own, and what of it makes another of the same pages.
    pub fn memory_for(&mut self, range: Range) -> Result<(Cap<Untyped>, Retype), SyscallError> {
        let taken = SyscallError::from(rt::ErrorCode::Overlap);
        let index = self.keep(range).map_err(|_| taken)?;
        if self.kept.get(index).is_none_or(|kept| !kept.users.is_empty()) {
            return Err(taken);
        }
        let Kept { start, pages, frame, .. } = self.kept.remove(index);
        TABLE.delete(frame.slot())?;
        let what = Retype { size: pages, address: start, ..Retype::default() };
        DEVICES.retype(Kind::Untyped, what, TABLE, frame.slot()).inspect_err(|_| rt::free_slot(frame.slot()))?;
        Ok((Cap::from_slot(frame.slot()), what))
    }

    /// Who else has the page of registers at this address: a trust group.
    pub fn group(&self, base: u64) -> &[String] {
        self.kept.iter().find(|kept| kept.start == base).map_or(&[], |kept| kept.users.as_slice())
    }

    /// The rights of a driver on its registers.
    pub const RIGHTS: Rights = Rights::READ.union(Rights::WRITE);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(start: u64, pages: u64, user: Option<&str>) -> Kept {
        Kept {
            start,
            pages,
            frame: Cap::from_slot(0),
            mapping: None,
            users: user.map(Into::into).into_iter().collect(),
        }
    }

    #[test]
    fn arguments_have_a_name_a_key_and_a_number() {
        assert_eq!(argument("fuzz.calls=5000", "fuzz"), Some(("calls", 5000)));
        for word in ["fuzz.calls", "fuzz.calls=", "fuzz.calls=-1", "fuzz=1", "fuzzy.calls=1", "calls=1", "log=info"] {
            assert_eq!(argument(word, "fuzz"), None, "{word}");
        }
    }

    #[test]
    fn pages_are_whole() {
        let range = |base, size| Range::new(base, size).expect("a range");
        assert_eq!(pages_of(range(0x9000_0e00, 0x200)), Some((0x9000_0000, 0x9000_1000)));
        assert_eq!(pages_of(range(0x9000_0e00, 0x201)), Some((0x9000_0000, 0x9000_2000)));
        assert_eq!(pages_of(range(u64::MAX - 0x10, 0x10)), None);
    }

    #[test]
    fn registers_that_overlap_find_their_place() {
        let all = [kept(0x1000, 1, None), kept(0x4000, 2, Some("/uart")), kept(0x8000, 1, None)];
        assert_eq!(place(&all, 0x4000, 0x5000), Place::Inside(1));
        assert_eq!(place(&all, 0x2000, 0x4000), Place::Free { start: 0x2000, end: 0x4000, over: Vec::new() });
        assert_eq!(place(&all, 0x5000, 0x7000), Place::Taken(1));
        assert_eq!(place(&all, 0x1000, 0x3000), Place::Free { start: 0x1000, end: 0x3000, over: [0].into() });
        assert_eq!(place(&all, 0x7000, 0x9000), Place::Free { start: 0x7000, end: 0x9000, over: [2].into() });
        assert_eq!(place(&all, 0, 0x9000), Place::Taken(1));
        let free = [kept(0x1000, 2, None), kept(0x4000, 2, None)];
        assert_eq!(place(&free, 0x2000, 0x5000), Place::Free { start: 0x1000, end: 0x6000, over: [0, 1].into() });
    }
}
