//! The kernel's second step of linking (decision 0018). Cargo's leaves an object with a section for each function and constant.
//! Here is found which of them nothing refers to that runs after boot; the linker script lays them apart, and the result is
//! checked: nothing that stays refers to what goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::elf::{
    R_AARCH64_CALL26, R_AARCH64_CONDBR19, R_AARCH64_JUMP26, R_AARCH64_TSTBR14, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE,
};
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionFlags, SectionIndex, SymbolKind,
};
use rustc_demangle::demangle;

use crate::pack::{self, Elf};
use crate::toolchain::Toolchain;
use crate::workspace;

/// The linker script and what in it stands for the sections that go.
const SCRIPT: &str = "kernel/src/arch/aarch64/image.ld";
const CODE: &str = "BOOT_CODE";
const CONSTANTS: &str = "BOOT_CONSTANTS";
const TABLES: &str = "ENTRY_TABLES";
/// The first instructions lie where the image begins, which goes.
const HEAD: &str = ".head";
/// What the processor or another core enters by itself, and what boot calls last.
const ENTERED: [&str; 5] = [".text.vectors", ".text.trampoline", ".text.fpu", ".text.secondary", ".text.stays"];
/// How the sections of the processor's entries begin: then come the table and the number in it.
const SLOT: &str = ".text.slot.";
/// The table that lies behind the trampoline.
const FIRST: &str = ".text.slot.vectors_loop.";
/// Bytes of an entry and of a table.
const SLOT_BYTES: u64 = 128;
const TABLE_BYTES: u64 = 2048;
/// Traits whose objects only lie on the stack, while something is printed or gone through.
const PASSING: [&str; 2] = ["core::fmt::", "core::iter::"];
/// How the output sections that go begin.
pub const BOOT: &str = ".boot";

/// Links the object that cargo left; returns the program.
pub fn link(root: &Path, toolchain: &Toolchain, object: &Path) -> Result<PathBuf> {
    let bytes = pack::read(object)?;
    let elf = Elf::parse(object, &bytes)?;
    let graph = Graph::of(&elf)?;
    let (code, constants) = graph.boot();
    let path = root.join(SCRIPT);
    let script = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let script = lay_out(&script, &code, &constants).replace(TABLES, &entry_tables(graph.slots()));
    let linked = object.with_extension("linked");
    let place = object.with_extension("ld");
    fs::write(&place, script).with_context(|| format!("cannot write {}", place.display()))?;
    workspace::run(toolchain.link().arg("-T").args([&place, object]).arg("-o").arg(&linked))
        .context("the kernel does not link")?;
    check(&linked)?;
    Ok(linked)
}

/// The script with the names of the sections that go.
fn lay_out(script: &str, code: &[&str], constants: &[&str]) -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("*({name})")).collect::<Vec<_>>().join(" ");
    script.replace(CODE, &list(code)).replace(CONSTANTS, &list(constants))
}

/// The tables of entries: where one does not end at its place, the kernel does not link.
fn entry_tables(slots: Vec<Vec<String>>) -> String {
    let list = |names: &[String]| names.iter().map(|name| format!("*({name})")).collect::<Vec<_>>().join(" ");
    let place = |slots: &[Vec<String>]| {
        slots.iter().map(|names| format!("{} . = ALIGN({SLOT_BYTES});\n", list(names))).collect()
    };
    let table = |slots: &[Vec<String>]| -> String {
        let places: String = place(slots);
        let name = slots.first().and_then(|names| names.first()).map_or("", String::as_str).replace(['.'], "_");
        format!(
            ". = ALIGN({TABLE_BYTES}); {name} = .;\n{places}ASSERT(. == {name} + {TABLE_BYTES}, \"a table of entries\")\n"
        )
    };
    slots.chunks((TABLE_BYTES / SLOT_BYTES) as usize).map(table).collect()
}

/// A section of the object.
struct Node {
    name: String,
    /// Its function, as one reads it, if it is code.
    function: Option<String>,
    writable: bool,
    size: u64,
    align: u64,
    /// What it refers to, and whether it only branches there.
    to: BTreeMap<usize, bool>,
}

impl Node {
    /// Whether a pointer to it that boot made may outlive boot: every function's may but those of traits whose objects lie on
    /// the stack.
    fn is_lasting(&self) -> bool {
        // The head is a place, and nobody calls it.
        let lasting = |name: &String| !PASSING.iter().any(|module| name.contains(module));
        self.function.as_ref().is_some_and(lasting) && self.name != HEAD
    }
}

/// What is loaded and what refers to what.
struct Graph(BTreeMap<usize, Node>);

impl Graph {
    fn of(elf: &Elf) -> Result<Self> {
        let mut nodes = BTreeMap::new();
        for section in elf.file.sections() {
            let Some(flags) = loaded(section.flags()) else { continue };
            let name = section.name()?.to_owned();
            let function = flags.contains(SHF_EXECINSTR).then(|| name.clone());
            let mut to = BTreeMap::new();
            for (_, relocation) in section.relocations() {
                let RelocationTarget::Symbol(index) = relocation.target() else { continue };
                let Some(target) = elf.file.symbol_by_index(index)?.section_index() else { continue };
                let branch = is_branch(relocation.flags());
                to.entry(target.0).and_modify(|only| *only &= branch).or_insert(branch);
            }
            to.remove(&section.index().0);
            let writable = flags.contains(SHF_WRITE);
            nodes.insert(
                section.index().0,
                Node { name, function, writable, size: section.size(), align: section.align(), to },
            );
        }
        for symbol in elf.file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
            let node = symbol.section_index().and_then(|SectionIndex(index)| nodes.get_mut(&index));
            if let (Some(Node { function: Some(function), .. }), Ok(name)) = (node, symbol.name()) {
                *function = format!("{:#}", demangle(name));
            }
        }
        Ok(Self(nodes))
    }

    /// Names of the sections of code and of constants that go.
    fn boot<'a>(&'a self) -> (Vec<&'a str>, Vec<&'a str>) {
        let stays = self.stays();
        let goes = self.0.iter().filter(|(index, _)| !stays.contains(index)).map(|(_, node)| node);
        // The linker script places these two itself.
        let goes = goes.filter(|node| node.name != HEAD && !node.name.starts_with(".note"));
        let (code, constants): (Vec<_>, Vec<_>) = goes.partition(|node| node.function.is_some());
        let names = |nodes: Vec<&'a Node>| nodes.into_iter().map(|node| node.name.as_str()).collect();
        (names(code), names(constants))
    }

    /// The entries of the tables in order, each with functions that stay and are small enough to lie behind it.
    fn slots(&self) -> Vec<Vec<String>> {
        let stays = self.stays();
        let code = stays.iter().filter_map(|index| self.0.get(index)).filter(|node| node.function.is_some());
        let (mut slots, mut small): (Vec<&Node>, Vec<&Node>) = code.partition(|node| node.name.starts_with(SLOT));
        slots.sort_by_key(|node| (!node.name.starts_with(FIRST), &node.name));
        small.retain(|node| node.size < SLOT_BYTES && node.align <= 8);
        small.sort_by_key(|node| (node.size, &node.name));
        let fill = |slot: &Node| {
            let (mut names, mut end) = (vec![slot.name.clone()], slot.size);
            let fits = |node: &Node, end: u64| end.next_multiple_of(node.align.max(4)) + node.size <= SLOT_BYTES;
            while let Some(place) = small.iter().rposition(|node| fits(node, end)) {
                let node = small.remove(place);
                end = end.next_multiple_of(node.align.max(4)) + node.size;
                names.push(node.name.clone());
            }
            names
        };
        slots.into_iter().map(fill).collect()
    }

    /// What is reached after boot, or may be.
    fn stays(&self) -> BTreeSet<usize> {
        let entered = |name: &str| ENTERED.contains(&name) || name.starts_with(SLOT);
        let is_root = |node: &Node| node.writable || entered(&node.name);
        let mut stays = BTreeSet::new();
        let mut new: Vec<usize> = self.0.iter().filter(|(_, node)| is_root(node)).map(|(&index, _)| index).collect();
        loop {
            self.reach(&mut stays, new);
            let goes = self.0.keys().filter(|&index| !stays.contains(index));
            new = goes.flat_map(|&index| self.left(index)).filter(|index| !stays.contains(index)).collect();
            if new.is_empty() {
                return stays;
            }
        }
    }

    fn reach(&self, stays: &mut BTreeSet<usize>, mut new: Vec<usize>) {
        while let Some(index) = new.pop() {
            if let Some(node) = self.0.get(&index)
                && stays.insert(index)
            {
                new.extend(node.to.keys());
            }
        }
    }

    /// What this section, which goes, may leave behind in memory: addresses of functions, and itself if it is a constant with
    /// such an address in it.
    fn left(&self, index: usize) -> Vec<usize> {
        let node = &self.0[&index];
        let lasting =
            |(to, branch): (&usize, &bool)| (!branch && self.0.get(to).is_some_and(Node::is_lasting)).then_some(*to);
        let mut left: Vec<usize> = node.to.iter().filter_map(lasting).collect();
        if !left.is_empty() && node.function.is_none() {
            left.push(index);
        }
        left
    }
}

/// The flags of a section that is loaded.
fn loaded(flags: SectionFlags) -> Option<object::elf::SectionFlags> {
    let SectionFlags::Elf { sh_flags, .. } = flags else { return None };
    sh_flags.contains(SHF_ALLOC).then_some(sh_flags)
}

fn is_branch(flags: RelocationFlags) -> bool {
    let branches = [R_AARCH64_CALL26, R_AARCH64_JUMP26, R_AARCH64_CONDBR19, R_AARCH64_TSTBR14];
    matches!(flags, RelocationFlags::Elf { r_type } if branches.contains(&r_type))
}

/// Nothing that stays refers to what goes: read from the linked program, whose relocations the linker kept.
fn check(linked: &Path) -> Result<()> {
    let bytes = pack::read(linked)?;
    let elf = Elf::parse(linked, &bytes)?;
    let goes = |address: u64| {
        let mut sections =
            elf.file.sections().filter(|section| section.name().is_ok_and(|name| name.starts_with(BOOT)));
        sections.any(|section| (section.address()..section.address() + section.size()).contains(&address))
    };
    let stays = |name: &str| !name.starts_with(BOOT);
    for section in elf.file.sections().filter(|section| loaded(section.flags()).is_some()) {
        if !section.name().is_ok_and(stays) {
            continue;
        }
        for (from, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else { continue };
            let symbol = elf.file.symbol_by_index(index)?;
            let (base, name) = match symbol.section_index() {
                Some(index) if symbol.kind() == SymbolKind::Section => {
                    (elf.file.section_by_index(index)?.address(), "")
                }
                _ => (symbol.address(), symbol.name().unwrap_or_default()),
            };
            let to = base.wrapping_add_signed(relocation.addend());
            // What the linker script defines marks a place and is none: the bounds of what goes. Functions of the compiler's own
            // begin alike.
            let is_bound = name.starts_with("__") && symbol.kind() != SymbolKind::Text;
            ensure!(
                !goes(to) || is_bound,
                "{} refers to {}, which is gone after boot",
                near(&elf, from),
                near(&elf, to)
            );
        }
    }
    Ok(())
}

/// The function or constant at an address, for people.
fn near(elf: &Elf, address: u64) -> String {
    let named = elf.file.symbols().filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data));
    let covers = |at: u64, size: u64| (at..at + size.max(1)).contains(&address);
    let mut covering = named.filter(|symbol| covers(symbol.address(), symbol.size()));
    let name = covering.find_map(|symbol| symbol.name().ok().map(|name| format!("{:#}", demangle(name))));
    name.unwrap_or_else(|| format!("the constant at {address:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRANCH: bool = true;
    const POINTER: bool = false;

    /// Name, what is behind it if that is a function, what it refers to.
    type Section<'a> = (&'a str, Option<&'a str>, &'a [(usize, bool)]);

    fn graph(sections: &[Section<'_>]) -> Graph {
        let node = |(name, function, to): &Section<'_>| Node {
            name: (*name).into(),
            function: function.map(Into::into),
            writable: name.starts_with(".data"),
            size: 64,
            align: 4,
            to: to.iter().copied().collect(),
        };
        Graph(sections.iter().map(node).enumerate().collect())
    }

    #[test]
    fn what_only_boot_reaches_goes() {
        let graph = graph(&[
            (HEAD, Some("_head"), &[(1, BRANCH)]),
            (".text.start", Some("start"), &[(0, POINTER), (3, BRANCH), (4, POINTER), (5, POINTER), (6, BRANCH)]),
            (".text.vectors", Some("vectors"), &[(3, BRANCH)]),
            (".text.both", Some("both"), &[(7, POINTER)]),
            (".rodata.boot", None, &[]),
            (".text.print", Some("<boot::Error as core::fmt::Display>::fmt"), &[]),
            (".text.stays", Some("leave_boot"), &[]),
            (".rodata.both", None, &[]),
        ]);
        assert_eq!(graph.boot(), (vec![".text.start", ".text.print"], vec![".rodata.boot"]));
    }

    #[test]
    fn what_boot_may_leave_behind_stays() {
        let graph = graph(&[
            (".text.start", Some("start"), &[(1, POINTER), (3, POINTER)]),
            (".rodata.table", None, &[(2, POINTER), (5, POINTER)]),
            (".text.send", Some("console::send"), &[(4, BRANCH)]),
            (".text.kept", Some("kept"), &[]),
            (".text.below", Some("below"), &[]),
            (".rodata.name", None, &[]),
        ]);
        assert_eq!(graph.boot(), (vec![".text.start"], vec![]));
    }

    #[test]
    fn data_keeps_what_it_points_to() {
        let graph = graph(&[(".data.table", None, &[(1, POINTER)]), (".text.late", Some("late"), &[])]);
        assert_eq!(graph.boot(), (vec![], vec![]));
    }

    #[test]
    fn the_script_names_what_goes() {
        let script =
            lay_out(".boot.text : { BOOT_CODE } .boot.rodata : { BOOT_CONSTANTS }", &[".text.a", ".text.b"], &[]);
        assert_eq!(script, ".boot.text : { *(.text.a) *(.text.b) } .boot.rodata : {  }");
    }
}
