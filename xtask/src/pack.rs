//! ELF files into load records: nothing on the target parses ELF.

use std::fs;
use std::path::Path;

use abi::{Perms, Protections, layout::PAGE};
use anyhow::{Context, Result, ensure};
use bundle::write::{Program, Segment};
use object::elf::{PF_R, PF_W, PF_X, PT_LOAD, ProgramFlags};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};

/// An ELF file and its path, for errors.
pub struct Elf<'a> {
    pub path: &'a Path,
    pub file: ElfFile64<'a, LittleEndian>,
}

/// A loaded segment of an ELF file.
pub struct Load<'a> {
    pub address: u64,
    pub bytes: &'a [u8],
    pub memory: u64,
    pub flags: ProgramFlags,
}

/// Reads a file whole.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

impl<'a> Elf<'a> {
    pub fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let file = ElfFile64::parse(bytes).with_context(|| format!("{} is no ELF file", path.display()))?;
        Ok(Self { path, file })
    }

    /// The segments that take memory, by address.
    pub fn loads(&self) -> Result<Vec<Load<'a>>> {
        let (endian, data) = (self.file.endian(), self.file.data());
        let mut loads = Vec::new();
        for header in self.file.elf_program_headers() {
            if header.p_type(endian) != PT_LOAD || header.p_memsz(endian) == 0 {
                continue;
            }
            let bytes = header.data(endian, data).ok();
            let address = header.p_vaddr(endian);
            let bytes = bytes
                .with_context(|| format!("{}: segment {address:#x} lies outside the file", self.path.display()))?;
            loads.push(Load { address, bytes, memory: header.p_memsz(endian), flags: header.p_flags(endian) });
        }
        loads.sort_by_key(|load| load.address);
        Ok(loads)
    }

    /// The address of a symbol.
    pub fn symbol(&self, name: &str) -> Result<u64> {
        let symbol = self.file.symbol_by_name(name);
        Ok(symbol.with_context(|| format!("{} has no symbol {name}", self.path.display()))?.address())
    }

    /// Whether all its code has landing pads, as the linker says.
    pub fn is_guarded(&self) -> bool {
        let note = self.file.section_by_name(".note.gnu.property").and_then(|section| section.data().ok());
        note.is_some_and(|note| abi::properties(note).contains(Protections::BTI))
    }

    /// The load records of a program.
    pub fn program(&self) -> Result<Program> {
        let segments: Vec<Segment> = self.loads()?.iter().map(|load| self.segment(load)).collect::<Result<_>>()?;
        let entry = self.file.elf_header().e_entry(self.file.endian());
        Ok(Program { entry, segments })
    }

    fn segment(&self, load: &Load) -> Result<Segment> {
        // The linker script starts every segment on a page of its own; a segment that does not would share its page's
        // permissions with another.
        ensure!(
            load.address.is_multiple_of(PAGE),
            "{}: segment {:#x} does not begin at a page; the linker script must align it",
            self.path.display(),
            load.address
        );
        let pages = u32::try_from(load.memory.div_ceil(PAGE))
            .with_context(|| format!("{}: segment {:#x} is too large", self.path.display(), load.address))?;
        let flag = |bit: ProgramFlags, perm: Perms| if load.flags.0 & bit.0 != 0 { perm } else { Perms::empty() };
        let mut perms = flag(PF_R, Perms::READ) | flag(PF_W, Perms::WRITE) | flag(PF_X, Perms::EXECUTE);
        perms.set(Perms::GUARDED, perms.contains(Perms::EXECUTE) && self.is_guarded());
        Ok(Segment { address: load.address, bytes: load.bytes.to_vec(), pages, perms })
    }
}
