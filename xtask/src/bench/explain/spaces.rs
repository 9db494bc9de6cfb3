//! Address spaces and the programs in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Step;
use crate::board::Board;
use crate::build::{Built, INIT, KERNEL as KERNEL_NAME};
use crate::program::Program;
use crate::remote::Remote;

/// The place of the kernel among the spaces.
pub const KERNEL: usize = 0;
/// The lowest address of the upper half.
pub const UPPER: u64 = 0xffff << 48;
/// Bytes of a page.
const PAGE: usize = 4096;

/// The programs that may run, by name.
pub struct Programs {
    folder: PathBuf,
    all: BTreeMap<String, Program>,
}

impl Programs {
    /// The kernel, init, and the components of a set.
    pub fn read(board: &Board, built: &Built, set: &str) -> Result<Self> {
        let components = board.selection(Some(set))?.components;
        let names = [KERNEL_NAME, INIT].into_iter().map(str::to_owned).chain(components);
        let read = |name: String| Ok((name.clone(), Program::read(&built.folder.join(format!("{name}.elf")))?));
        Ok(Self { folder: built.folder.clone(), all: names.map(read).collect::<Result<_>>()? })
    }

    pub fn get(&self, name: &str) -> Option<&Program> {
        self.all.get(name)
    }

    /// A program's ELF file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.elf"))
    }

    /// An instruction of the kernel.
    pub fn kernel_word(&self, address: u64) -> Option<u32> {
        let bytes = self.get(KERNEL_NAME)?.bytes(address, 4)?;
        Some(u32::from_le_bytes(*bytes.first_chunk()?))
    }

    /// Where the user programs have a function.
    pub fn addresses(&self, function: &str) -> Vec<u64> {
        let mut found: Vec<u64> = self.all.values().filter_map(|program| program.address(function)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The program that has these bytes at this address.
    fn holding(&self, address: u64, bytes: &[u8]) -> Option<&str> {
        let holds = |program: &Program| {
            program.segments().iter().any(|segment| {
                let Some(start) = address.checked_sub(segment.address) else { return false };
                let there = segment.bytes.get(start as usize..).unwrap_or_default();
                let count = there.len().min(bytes.len());
                count > 0 && there[..count] == bytes[..count]
            })
        };
        self.all.iter().find(|(_, program)| holds(program)).map(|(name, _)| name.as_str())
    }
}

/// The spaces that were seen: what TTBR0 held and which program that is.
pub struct Spaces<'a> {
    programs: &'a Programs,
    /// The number of TTBR0_EL1.
    table: u32,
    seen: Vec<(u64, String)>,
    current: usize,
    /// From the physical address of the kernel's image to where it is linked.
    image: Option<(u64, u64)>,
}

impl<'a> Spaces<'a> {
    pub fn new(programs: &'a Programs, remote: &mut Remote) -> Result<Self> {
        let table = remote.system_register("TTBR0_EL1")?;
        Ok(Self { programs, table, seen: vec![(0, KERNEL_NAME.into())], current: KERNEL, image: None })
    }

    /// Before the MMU is on, the image runs from here.
    pub fn image_at(&mut self, physical: u64) -> Result<()> {
        let kernel = self.programs.get(KERNEL_NAME).context("no kernel")?;
        let linked = kernel.segments().iter().map(|segment| segment.address).min().context("an empty kernel")?;
        self.image = Some((physical, linked));
        Ok(())
    }

    /// The step at an address. The space changes only on the way out of the kernel.
    pub fn step_at(&mut self, pc: u64, remote: &mut Remote) -> Result<Step> {
        if pc >= UPPER {
            self.current = KERNEL;
        } else if let Some(linked) = self.in_image(pc) {
            return Ok(Step { space: KERNEL, pc: linked });
        } else if self.current == KERNEL {
            self.current = self.find(pc, remote)?;
        }
        Ok(Step { space: self.current, pc })
    }

    fn in_image(&self, pc: u64) -> Option<u64> {
        let (physical, linked) = self.image?;
        let at = linked + pc.checked_sub(physical)?;
        self.programs.get(KERNEL_NAME)?.bytes(at, 4).map(|_| at)
    }

    fn find(&mut self, pc: u64, remote: &mut Remote) -> Result<usize> {
        let table = remote.register(self.table)?;
        if let Some(known) = self.seen.iter().position(|(seen, _)| *seen == table) {
            return Ok(known);
        }
        let page = pc & !(PAGE as u64 - 1);
        let bytes = remote.read(page, PAGE)?.unwrap_or_default();
        let name = self.programs.holding(page, &bytes).unwrap_or("unknown");
        self.seen.push((table, name.into()));
        Ok(self.seen.len() - 1)
    }

    /// The name of the program in a space.
    pub fn name(&self, space: usize) -> &str {
        self.seen.get(space).map_or("unknown", |(_, name)| name)
    }
}
