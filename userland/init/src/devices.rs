//! The tree, and the capabilities of what its nodes name: devmgr says which driver is for which node.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::layout::{MemoryType, PAGE};
use rt::{Badge, Cap, Frame, Kind, Mapping, Perms, Retype, Rights, SyscallError, TABLE, Untyped};
use tree::{Range, Tree};

use crate::Fatal;
use crate::authority::{DEVICES, SPACE};
use crate::device::Device;
use crate::memory::slot;
use crate::scout::Scout;

/// Where a device says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identification {
    /// The DeviceID of virtio over MMIO.
    Virtio,
    /// The peripheral ID of a PrimeCell.
    PrimeCell,
}

/// Bytes of the largest registers that are looked at for that.
const LARGEST_IDENTIFIED: u64 = 0x1_0000;

/// A Frame of device memory that init keeps; drivers get copies.
struct Kept {
    start: u64,
    pages: u64,
    frame: Cap<Frame>,
    /// Paths of the devices whose drivers got it: more than one is a trust group.
    users: Vec<String>,
}

impl Kept {
    fn end(&self) -> u64 {
        self.start + self.pages * PAGE
    }
}

/// Device memory that init looks at itself.
struct Look {
    start: u64,
    pages: u64,
    frame: Cap<Frame>,
    mapping: Mapping,
}

impl Look {
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
pub fn pages_of(range: Range) -> Option<(u64, u64)> {
    Some((range.base & !(PAGE - 1), range.end().checked_next_multiple_of(PAGE)?))
}

/// Key and number of `NAME.KEY=NUMBER`.
fn argument<'a>(word: &'a str, component: &str) -> Option<(&'a str, u32)> {
    let (key, number) = word.strip_prefix(component)?.strip_prefix('.')?.split_once('=')?;
    Some((key, number.parse().ok()?))
}

/// The kernel's command line and the device memory that was cut out so far.
pub struct Devices {
    /// The kernel's command line, found once: the walk costs more than starting a component.
    bootargs: &'static str,
    kept: Vec<Kept>,
    look: Option<Look>,
    /// Reads registers.
    scout: Option<Scout>,
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
    pub fn new(env: &'static rt::Env, scout: Scout) -> Result<Self, Fatal> {
        let info = env.start_info();
        let (offset, bytes) = (info.tree_offset as usize, info.tree_bytes as usize);
        let pages = (offset + bytes).div_ceil(PAGE as usize) as u64;
        let mapping = rt::map(Cap::from_slot(abi::SLOT_TREE), pages, Perms::READ)
            .map_err(|error| format!("device tree: {error:?}"))?;
        let bytes = mapping.kept_bytes().and_then(|all| all.get(offset..offset + bytes));
        let tree = Tree::parse(bytes.ok_or("the device tree cannot be read")?)
            .map_err(|error| format!("device tree: {error}"))?;
        let bootargs = bootargs(&tree);
        Ok(Self { bootargs, kept: Vec::new(), look: None, scout: Some(scout) })
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

    /// A device's driver is gone.
    pub fn release(&mut self, path: &str) {
        self.kept.iter_mut().for_each(|kept| kept.users.retain(|user| user != path));
    }

    /// What a device says of itself in its registers; nothing where they say nothing.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn identify(&mut self, range: Range, how: Identification) -> Result<Option<u32>, String> {
        if range.size > LARGEST_IDENTIFIED {
            return Err(format!("registers of {:#x} bytes: no device that says what it is has as many", range.size));
        }
        match how {
            Identification::Virtio => self.identify_virtio(range),
            Identification::PrimeCell => self.identify_primecell(range),
        }
    }

    /// virtio over MMIO (Virtual I/O Device 1.2, 4.2.2): MagicValue, then DeviceID at 8; 0 is an empty slot.
    fn identify_virtio(&mut self, range: Range) -> Result<Option<u32>, String> {
        const MAGIC: u32 = 0x7472_6976;
        const DEVICE_ID: usize = 8;
        if range.size < 0x100 || self.register(range, 0)? != Some(MAGIC) {
            return Ok(None);
        }
        self.register(range, DEVICE_ID)
    }

    /// PrimeCells (for one: ARM DDI 0183, 3.3.15): the lowest bytes of eight words at the end of the last page.
    fn identify_primecell(&mut self, range: Range) -> Result<Option<u32>, String> {
        const CELL: u32 = 0xb105_f00d;
        if range.size < PAGE || !range.base.is_multiple_of(PAGE) {
            return Ok(None);
        }
        let end = range.size as usize;
        let cell = self.bytes_of_words(range, end - 0x10)?;
        if cell == Some(CELL) { self.bytes_of_words(range, end - 0x20) } else { Ok(None) }
    }

    /// The number in the lowest bytes of four words.
    fn bytes_of_words(&mut self, range: Range, offset: usize) -> Result<Option<u32>, String> {
        let mut number = 0;
        for index in 0..4 {
            let Some(word) = self.register(range, offset + 4 * index)? else { return Ok(None) };
            number |= (word & 0xff) << (8 * index);
        }
        Ok(Some(number))
    }

    fn register(&mut self, range: Range, offset: usize) -> Result<Option<u32>, String> {
        let (start, mapping) = self.look(range)?;
        let place = mapping.register_at((range.base - start) as usize + offset);
        let Some((place, scout)) = place.zip(self.scout.as_mut()) else { return Ok(None) };
        let missing = |_| format!("no device answers at {:#x}", range.base + offset as u64);
        scout.read(place).map(Some).map_err(missing)
    }

    /// Whether init was notified while it looked at registers.
    pub fn take_notified(&mut self) -> bool {
        self.scout.as_mut().is_some_and(Scout::take_notified)
    }

    /// Where a mapping of init's own begins that covers these registers. It lasts until another is asked for or a driver
    /// gets registers: they must not keep a driver from its own.
    fn look(&mut self, range: Range) -> Result<(u64, Mapping), String> {
        let (start, end) = pages_of(range).ok_or("registers at the end of all addresses")?;
        if let Some(look) = &self.look
            && look.start <= start
            && end <= look.end()
        {
            return Ok((look.start, look.mapping));
        }
        self.look_away();
        let (from, pages, frame) = match place(&self.kept, start, end) {
            Place::Taken(index) => return Err(self.conflict(start, end, index)),
            Place::Free { .. } => (start, (end - start) / PAGE, self.cut(start, end)?),
            Place::Inside(index) => self.copy_of(index)?,
        };
        let mapping = rt::map(frame, pages, Perms::READ).map_err(|error| {
            let _ = TABLE.delete(frame.slot());
            rt::free_slot(frame.slot());
            format!("registers at {:#x}: {error:?}", range.base)
        })?;
        self.look = Some(Look { start: from, pages, frame, mapping });
        Ok((from, mapping))
    }

    /// Ends init's own look at registers.
    fn look_away(&mut self) {
        if let Some(look) = self.look.take() {
            let _ = SPACE.unmap(look.frame);
            let _ = TABLE.delete(look.frame.slot());
            rt::free_slot(look.frame.slot());
        }
    }

    fn copy_of(&self, index: usize) -> Result<(u64, u64, Cap<Frame>), String> {
        let kept = self.kept.get(index).ok_or("registers that nobody has")?;
        let refused = |error: SyscallError| format!("registers {:#x}..{:#x}: {error}", kept.start, kept.end());
        let copy = slot().map_err(refused)?;
        let copied = TABLE.copy(copy, TABLE, kept.frame.slot(), Rights::READ, Badge(0));
        copied.inspect_err(|_| rt::free_slot(copy)).map_err(refused)?;
        Ok((kept.start, kept.pages, Cap::from_slot(copy)))
    }

    /// A Frame of these pages of device memory.
    fn cut(&self, start: u64, end: u64) -> Result<Cap<Frame>, String> {
        let refused = |error: SyscallError| format!("registers {start:#x}..{end:#x}: {error}");
        let slot = slot().map_err(refused)?;
        let what =
            Retype { size: (end - start) / PAGE, address: start, memory: Some(MemoryType::DeviceNgnre), align: 12 };
        DEVICES.retype(Kind::Frame, what, TABLE, slot).inspect_err(|_| rt::free_slot(slot)).map_err(refused)?;
        Ok(Cap::from_slot(slot))
    }

    /// The Frame that covers a register block, cut out when it is first asked for.
    fn keep(&mut self, range: Range) -> Result<usize, String> {
        self.look_away();
        let (start, end) = pages_of(range).ok_or("registers at the end of all addresses")?;
        let (start, end, over) = match place(&self.kept, start, end) {
            Place::Inside(index) => return Ok(index),
            Place::Taken(index) => return Err(self.conflict(start, end, index)),
            Place::Free { start, end, over } => (start, end, over),
        };
        // Their drivers are gone.
        for index in over.into_iter().rev() {
            let slot = self.kept.remove(index).frame.slot();
            TABLE.delete(slot).map_err(|error| format!("registers {start:#x}..{end:#x}: {error}"))?;
            rt::free_slot(slot);
        }
        let frame = self.cut(start, end)?;
        self.kept.push(Kept { start, pages: (end - start) / PAGE, frame, users: Vec::new() });
        Ok(self.kept.len() - 1)
    }

    fn conflict(&self, start: u64, end: u64, index: usize) -> String {
        let (from, to) = self.kept.get(index).map_or((0, 0), |kept| (kept.start, kept.end()));
        let users = self.kept.get(index).map(|kept| kept.users.join(", ")).unwrap_or_default();
        format!("its registers take the pages {start:#x}..{end:#x}, and of them {users} has {from:#x}..{to:#x}")
    }

    /// Cuts out the registers of a device.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub fn obtain(&mut self, device: &Device) -> Result<(), String> {
        self.forget_unused();
        device.registers.iter().try_for_each(|block| self.keep(block.range).map(drop))
    }

    /// Gives up Frames whose drivers are gone: what lay in one of them is not to come with a smaller block of another device.
    fn forget_unused(&mut self) {
        for kept in self.kept.extract_if(.., |kept| kept.users.is_empty()) {
            let _ = TABLE.delete(kept.frame.slot());
            rt::free_slot(kept.frame.slot());
        }
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
        Kept { start, pages, frame: Cap::from_slot(0), users: user.map(Into::into).into_iter().collect() }
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
    fn a_device_gets_no_pages_of_one_whose_driver_is_gone() {
        let mut devices = Devices {
            bootargs: "",
            kept: [kept(0x1000, 8, Some("/gone")), kept(0x20_0000, 4, Some("/uart"))].into(),
            look: None,
            scout: None,
        };
        devices.release("/gone");
        let block = crate::device::Block { range: Range::new(0x3000, 0x100).expect("a range"), name: String::new() };
        // Nothing is cut out on the host.
        let _ = devices.obtain(&Device { path: "/new".into(), registers: [block].into(), ..Device::default() });
        assert_eq!(devices.kept.iter().map(|kept| kept.start).collect::<Vec<_>>(), [0x20_0000]);
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
