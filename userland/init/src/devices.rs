//! Devices: which node of the tree a driver is for, and the capabilities of what the node names.

use alloc::string::String;
use alloc::vec::Vec;

use abi::layout::{MemoryType, PAGE};
use bundle::{Component, Drive};
use rt::{Cap, Frame, Kind, Mapping, Perms, Retype, Rights, SyscallError, TABLE};
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

/// The tree and the device memory that was cut out so far.
pub struct Devices {
    tree: Tree<'static>,
    kept: Vec<Kept>,
    taken: Vec<String>,
}

impl Devices {
    /// Opens the tree that the kernel left.
    pub fn new(env: &'static rt::Env) -> Result<Self, Fatal> {
        let info = env.start_info();
        let (offset, bytes) = (info.tree_offset as usize, info.tree_bytes as usize);
        let pages = (offset + bytes).div_ceil(PAGE as usize) as u64;
        let mapping = rt::map(Cap::from_slot(abi::SLOT_TREE), pages, Perms::READ)
            .map_err(|error| alloc::format!("device tree: {error:?}"))?;
        let bytes = mapping.kept_bytes().and_then(|all| all.get(offset..offset + bytes));
        let tree = Tree::parse(bytes.ok_or("the device tree cannot be read")?)
            .map_err(|error| alloc::format!("device tree: {error}"))?;
        Ok(Self { tree, kept: Vec::new(), taken: Vec::new() })
    }

    /// Whether the kernel's command line has this word.
    pub fn is_asked_for(&self, word: &str) -> bool {
        let mut walk = self.tree.walk();
        while let Some(node) = walk.next() {
            if node.depth() == 1 && node.is_named("chosen") {
                let bootargs = node.text("bootargs").ok().flatten().unwrap_or_default();
                return bootargs.split_ascii_whitespace().any(|asked| asked == word);
            }
        }
        false
    }

    /// The first enabled node that a component drives and that no other component has: its most specific `compatible`
    /// counts first, and where only the device knows what it is, its identification register decides.
    pub fn find(&mut self, component: &Component<'static>) -> Option<Device> {
        let mut walk = self.tree.clone().devices();
        while let Some(node) = walk.next() {
            let drive =
                node.compatible().find_map(|name| component.manifest.drives().find(|drive| drive.compatible == name));
            let Some(drive) = drive else { continue };
            let mut registers = Vec::new();
            let readable = node.registers().all(|range| range.map(|range| registers.push(range)).is_ok());
            let path = alloc::format!("{}", node.path());
            if !readable || self.taken.contains(&path) || !self.identifies(&registers, drive) {
                continue;
            }
            let lines = node.interrupts().filter_map(|interrupt| match interrupt {
                Ok(Interrupt::Gic(line)) => Some((line.intid, line.trigger == Trigger::Edge)),
                _ => None,
            });
            self.taken.push(path.clone());
            return Some(Device { path, registers, lines: lines.collect() });
        }
        None
    }

    /// A device's component will not be started again.
    pub fn release(&mut self, path: &str) {
        self.taken.retain(|taken| taken != path);
    }

    /// virtio over MMIO (Virtual I/O Device 1.2, 4.2.2): MagicValue, then DeviceID at 8; 0 is an empty slot.
    fn identifies(&mut self, registers: &[Range], drive: Drive<'static>) -> bool {
        const MAGIC: u32 = 0x7472_6976;
        const DEVICE_ID: usize = 8;
        let Some(wanted) = drive.id else { return true };
        let Some(&range) = registers.first() else { return false };
        let read = |devices: &mut Self, offset| devices.register(range, offset);
        drive.compatible == "virtio,mmio" && read(self, 0) == Some(MAGIC) && read(self, DEVICE_ID) == Some(wanted)
    }

    fn register(&mut self, range: Range, offset: usize) -> Option<u32> {
        let index = self.keep(range).ok()?;
        let kept = self.kept.get_mut(index)?;
        let mapping = match kept.mapping {
            Some(mapping) => mapping,
            None => *kept.mapping.insert(rt::map(kept.frame, kept.pages, Perms::READ).ok()?),
        };
        mapping.read_register((range.base - kept.start) as usize + offset)
    }

    /// The Frame that covers a register block, cut out when it is first asked for.
    fn keep(&mut self, range: Range) -> Result<usize, SyscallError> {
        let start = range.base & !(PAGE - 1);
        let end =
            range.end().checked_next_multiple_of(PAGE).ok_or(SyscallError::from(rt::ErrorCode::InvalidArgument))?;
        let pages = (end - start) / PAGE;
        let covers = |kept: &Kept| kept.start <= start && end <= kept.start + kept.pages * PAGE;
        if let Some(index) = self.kept.iter().position(covers) {
            return Ok(index);
        }
        let slot = slot()?;
        let what = Retype { size: pages, address: start, memory: Some(MemoryType::DeviceNgnre), align: 12 };
        DEVICES.retype(Kind::Frame, what, TABLE, slot).inspect_err(|_| rt::free_slot(slot))?;
        self.kept.push(Kept { start, pages, frame: Cap::from_slot(slot), mapping: None, users: Vec::new() });
        Ok(self.kept.len() - 1)
    }

    /// The Frame for a driver's register block: init's slot, the offset of the block in it, and its pages.
    pub fn frame_for(&mut self, path: &str, range: Range) -> Result<(u32, u64, u64), SyscallError> {
        let index = self.keep(range)?;
        let kept = self.kept.get_mut(index).ok_or(SyscallError::from(rt::ErrorCode::InvalidArgument))?;
        if !kept.users.iter().any(|user| user == path) {
            kept.users.push(path.into());
        }
        Ok((kept.frame.slot(), range.base - kept.start, kept.pages))
    }

    /// Who else has the page of registers at this address: a trust group.
    pub fn group(&self, base: u64) -> &[String] {
        self.kept.iter().find(|kept| kept.start == base).map_or(&[], |kept| kept.users.as_slice())
    }

    /// The rights of a driver on its registers.
    pub const RIGHTS: Rights = Rights::READ.union(Rights::WRITE);
}
