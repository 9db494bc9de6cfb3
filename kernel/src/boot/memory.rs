//! The memory map: what is RAM, what of it is free, what no device capability may cover.

use abi::layout::PAGE;
use tree::{Intc, MEMRESERVE, Machine, Ramoops, Reserved};

use crate::mm::regions::{Range, Regions, TooMany};

/// What boot decided about memory.
#[derive(Debug)]
pub struct Plan {
    /// RAM that the kernel maps.
    pub mapped: Regions,
    /// RAM that nobody uses yet, in whole pages.
    pub free: Regions,
    /// What no device capability may cover: all RAM but what the tree reserves for devices, and the interrupt controllers.
    pub forbidden: Regions,
    /// The bundle.
    pub bundle: Option<Range>,
}

/// Why the memory map cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryError {
    /// No memory node has memory in it.
    NoMemory,
    /// The map has more pieces than the kernel keeps.
    TooMany,
    /// The kernel does not lie in memory that the tree names.
    KernelOutside,
    /// The ramdisk does not lie in memory that the tree names.
    BundleOutside(Range),
}

impl core::fmt::Display for MemoryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoMemory => write!(f, "device tree: no `memory` node with a `reg` that has memory"),
            Self::TooMany => write!(f, "device tree: memory and reserved-memory have too many pieces"),
            Self::KernelOutside => write!(f, "device tree: the kernel lies outside every `memory` node"),
            Self::BundleOutside(range) => write!(
                f,
                "device tree: /chosen linux,initrd-start..end {:#x}..{:#x} lies outside every `memory` node",
                range.start, range.end
            ),
        }
    }
}

impl From<TooMany> for MemoryError {
    fn from(_: TooMany) -> Self {
        Self::TooMany
    }
}

fn range(range: tree::Range) -> Range {
    Range { start: range.base, end: range.end() }
}

fn contains(regions: &Regions, range: Range) -> bool {
    regions.as_slice().iter().any(|have| have.start <= range.start && range.end <= have.end)
}

/// Decides about memory. `image` is the kernel with init behind it, `tree` the device tree; `reach` is how much RAM from
/// its first gigabyte on the kernel can map.
///
/// # Errors
/// [`MemoryError`].
pub fn plan(machine: &Machine<'_>, image: Range, tree: Range, reach: u64) -> Result<Plan, MemoryError> {
    let mut ram = Regions::new();
    for &memory in &machine.memory {
        ram.add(range(memory))?;
    }
    ram.trim_to_pages();
    let first = ram.as_slice().first().ok_or(MemoryError::NoMemory)?.start;
    let mut forbidden = ram.clone();
    for block in intc_blocks(machine) {
        forbidden.add(block.outer_pages())?;
    }
    for smmu in &machine.smmus {
        forbidden.add(range(smmu.registers).outer_pages())?;
    }
    let limit = (first & !((1 << 30) - 1)).saturating_add(reach);
    let mut mapped = ram;
    mapped.subtract(Range { start: limit, end: u64::MAX })?;
    let mut free = mapped.clone();
    for reserved in &machine.reserved {
        let taken = range(reserved.range).outer_pages();
        free.subtract(taken)?;
        forbidden.add(taken)?;
        if reserved.no_map {
            mapped.subtract(taken)?;
        }
    }
    if !contains(&mapped, image) {
        return Err(MemoryError::KernelOutside);
    }
    let bundle = machine.initrd.map(range).filter(|bundle| bundle.start < bundle.end);
    if let Some(bundle) = bundle
        && !contains(&mapped, bundle.outer_pages())
    {
        return Err(MemoryError::BundleOutside(bundle));
    }
    for taken in [Some(image), Some(tree), bundle].into_iter().flatten() {
        free.subtract(taken.outer_pages())?;
    }
    for region in for_devices(machine, [Some(image), Some(tree), bundle]) {
        forbidden.subtract(region)?;
        mapped.subtract(region)?;
    }
    // A reference is never 0: no object lies in the first granule of what is mapped, which may begin behind RAM that is reserved.
    let lowest = mapped.as_slice().first().ok_or(MemoryError::NoMemory)?.start;
    free.subtract(Range { start: lowest, end: lowest + PAGE })?;
    free.trim_to_pages();
    Ok(Plan { mapped, free, forbidden, bundle })
}

/// Reserved memory that drivers may be given: whole pages of a region that may be mapped, and that is nothing else's. The kernel
/// does not map it, as its driver has it with attributes of its own. What `/memreserve/` names is the boot loader's or the
/// firmware's.
fn for_devices<'m>(machine: &'m Machine<'_>, kept: [Option<Range>; 3]) -> impl Iterator<Item = Range> + 'm {
    let pages = |reserved: &Reserved<'_>| range(reserved.range).outer_pages();
    let is_given = |reserved: &&Reserved<'_>| !reserved.no_map && reserved.name != MEMRESERVE;
    machine.reserved.iter().filter(is_given).map(move |region| (region, pages(region))).filter_map(
        move |(region, own)| {
            let mut others = machine.reserved.iter().filter(|other| !core::ptr::eq(*other, region)).map(pages);
            let taken = others.any(|other| other.overlaps(own))
                || kept.into_iter().flatten().any(|kept| kept.outer_pages().overlaps(own))
                || intc_blocks(machine).any(|block| block.outer_pages().overlaps(own));
            (!taken && own == range(region.range)).then_some(own)
        },
    )
}

/// The part of a region that survives a reset into which the kernel may write: it lies in one reserved region, which nothing else
/// reaches into, and in whole words. `taken` are the kernel and the tree.
pub fn kept_text(machine: &Machine<'_>, ramoops: &Ramoops, taken: [Range; 2]) -> Option<Range> {
    let console = range(ramoops.console?);
    early::Ramoops::extent(console.bytes(), ramoops.code)?;
    (is_reserved(machine, console, taken) && console.start.is_multiple_of(4)).then_some(console)
}

/// Whether the kernel may write into a picture: nothing that it uses lies in its pages, and it is no RAM, or RAM that is reserved. `taken`
/// are the kernel, the tree, and the registers of the console.
pub fn is_picture(machine: &Machine<'_>, memory: Range, taken: [Range; 3]) -> bool {
    let [image, tree, console] = taken;
    let own = memory.outer_pages();
    let is_ram = machine.memory.iter().any(|&it| range(it).overlaps(own));
    let is_free = !is_taken(machine, own, [image, tree]) && !console.outer_pages().overlaps(own);
    is_free && (!is_ram || is_reserved(machine, memory, [image, tree]))
}

/// Whether memory lies in one reserved region and nothing else reaches into its pages.
fn is_reserved(machine: &Machine<'_>, memory: Range, taken: [Range; 2]) -> bool {
    let own = memory.outer_pages();
    let mut around = machine.reserved.iter().map(|it| range(it.range)).filter(|it| it.overlaps(own));
    let inside = around.next().is_some_and(|it| it.start <= memory.start && memory.end <= it.end);
    inside && around.next().is_none() && !is_taken(machine, own, taken)
}

/// Whether something that the kernel uses lies in these pages: itself, the tree, the bundle, or what it drives.
fn is_taken(machine: &Machine<'_>, own: Range, taken: [Range; 2]) -> bool {
    let initrd = machine.initrd.map(range);
    let smmus = machine.smmus.iter().map(|smmu| range(smmu.registers));
    let power = machine.power.as_ref().map(|(registers, _)| range(*registers));
    let mut all = taken.into_iter().chain(initrd).chain(intc_blocks(machine)).chain(smmus).chain(power);
    all.any(|it| it.outer_pages().overlaps(own))
}

/// Whether a core's release address is a place where the kernel may write: in memory, and reserved, as Linux asks for
/// (Documentation/arm64/booting.rst). `taken` are the kernel and the tree.
pub fn is_release_address(machine: &Machine<'_>, address: u64, taken: [Range; 2]) -> bool {
    let Some(place) = tree::Range::new(address, 8).map(range) else { return false };
    let is_in = |it: &Range| it.start <= place.start && place.end <= it.end;
    let is_memory = machine.memory.iter().any(|&it| is_in(&range(it)));
    let is_reserved = machine.reserved.iter().any(|it| is_in(&range(it.range)));
    let bundle = machine.initrd.map(range);
    let is_taken = taken.into_iter().chain(bundle).any(|it| it.overlaps(place));
    address.is_multiple_of(8) && is_memory && is_reserved && !is_taken
}

fn intc_blocks(machine: &Machine<'_>) -> impl Iterator<Item = Range> {
    let (first, second, others) = match &machine.intc {
        Some(Intc::V2 { distributor, cpu }) => (Some(*distributor), Some(*cpu), None),
        Some(Intc::V3 { distributor, redistributors, .. }) => (Some(*distributor), None, Some(redistributors)),
        Some(Intc::Bcm2836 { cores, devices }) => (Some(*cores), *devices, None),
        None => (None, None, None),
    };
    let messages = machine.messages.iter().map(|controller| controller.registers);
    first.into_iter().chain(second).chain(others.into_iter().flatten().copied()).chain(messages).map(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(base: u64, size: u64) -> tree::Range {
        tree::Range::new(base, size).unwrap()
    }

    #[test]
    fn an_address_is_written_for_a_core_only_where_memory_is_reserved() {
        let mut machine = Machine::default();
        machine.memory.push(at(0, 64 * MIB));
        machine.reserved.push(reserved(0, 0x1000, false, tree::MEMRESERVE));
        machine.reserved.push(reserved(8 * MIB, MIB, false, "everything"));
        machine.reserved.push(reserved(64 * MIB, MIB, false, "registers"));
        machine.initrd = Some(at(8 * MIB + 0x1000, 0x1000));
        let taken = [(8 * MIB, 8 * MIB + 0x1000), (0, 0)].map(|(start, end)| Range { start, end });
        let is_one = |address| is_release_address(&machine, address, taken);
        for good in [0xd8, 0, 0xff8, 8 * MIB + 0x2000] {
            assert!(is_one(good), "{good:#x}");
        }
        for bad in [0xdc, 0x1000, 0xffc, 8 * MIB, 8 * MIB + 0xff8, 8 * MIB + 0x1000, 64 * MIB, u64::MAX - 7, u64::MAX] {
            assert!(!is_one(bad), "{bad:#x}");
        }
    }

    fn reserved(base: u64, size: u64, no_map: bool, name: &'static str) -> Reserved<'static> {
        Reserved { range: at(base, size), no_map, name }
    }

    /// 64 MiB of RAM with the image at 2 MiB, the tree at 8, and these regions.
    fn planned(regions: &[Reserved<'static>]) -> Plan {
        let mut machine = Machine::default();
        machine.memory.push(at(0x4000_0000, 64 * MIB));
        regions.iter().for_each(|&region| machine.reserved.push(region));
        let image = Range { start: 0x4020_0000, end: 0x4030_0000 };
        plan(&machine, image, Range { start: 0x4080_0000, end: 0x4081_0000 }, 1 << 38).unwrap()
    }

    fn has(regions: &Regions, start: u64) -> bool {
        regions.overlaps(Range { start, end: start + 1 })
    }

    #[test]
    fn text_is_kept_only_where_nothing_else_is() {
        let mut machine = Machine::default();
        machine.reserved.push(reserved(0x4100_0000, MIB, false, "ramoops"));
        let taken = [Range { start: 0x4020_0000, end: 0x4030_0000 }, Range { start: 0x4080_0000, end: 0x4081_0000 }];
        let ramoops = |base, size| Ramoops { region: at(base, size), console: Some(at(base, size)), code: 0 };
        let kept = |machine: &Machine<'_>, base, size| kept_text(machine, &ramoops(base, size), taken);
        assert_eq!(kept(&machine, 0x4108_0000, 0x1000), Some(Range { start: 0x4108_0000, end: 0x4108_1000 }));
        for (base, size) in [(0x4108_0002, 0x1000), (0x410f_f000, 0x2000), (0x4200_0000, 0x1000), (0x4020_0000, 0x1000)]
        {
            assert_eq!(kept(&machine, base, size), None, "{base:#x}");
        }
        assert_eq!(kept_text(&machine, &Ramoops { region: at(0x4100_0000, MIB), console: None, code: 0 }, taken), None);
        machine.reserved.push(reserved(0x4108_0000, 4096, true, "modem"));
        assert_eq!(kept(&machine, 0x4108_0000, 0x1000), None);
        machine.initrd = Some(at(0x4104_0000, MIB));
        assert_eq!(kept(&machine, 0x4104_0000, 0x1000), None);
    }

    #[test]
    fn a_picture_is_no_memory_that_is_used() {
        let mut machine = Machine::default();
        machine.memory.push(at(0x4000_0000, 256 * MIB));
        machine.reserved.push(reserved(0x4800_0000, 4 * MIB, true, "framebuffer"));
        let taken = [(0x4020_0000, 0x4030_0000), (0x4080_0000, 0x4081_0000), (0x900_0000, 0x900_1000)];
        let taken = taken.map(|(start, end)| Range { start, end });
        let is_one = |start, bytes| is_picture(&machine, Range { start, end: start + bytes }, taken);
        assert!(is_one(0x4800_0000, 4 * MIB) && is_one(0x4810_0004, 2 * MIB) && is_one(0x9d40_0000, 10 * MIB));
        for (start, bytes) in [
            (0x4400_0000, MIB),
            (0x4800_0000, 4 * MIB + 1),
            (0x47ff_ffff, MIB),
            (0x4020_0000, MIB),
            (0x4080_0800, 0x1000),
            (0x900_0800, 0x100),
            (0x3fff_0000, MIB),
        ] {
            assert!(!is_one(start, bytes), "{start:#x}");
        }
    }

    #[test]
    fn memory_reserved_for_a_device_is_its_drivers_and_nobody_elses() {
        let plan = planned(&[reserved(0x4100_0000, 2 * MIB, false, "framebuffer")]);
        for place in [0x4100_0000, 0x411f_ffff] {
            assert!(!has(&plan.forbidden, place) && !has(&plan.mapped, place) && !has(&plan.free, place));
        }
        for place in [0x40ff_ffff, 0x4120_0000] {
            assert!(has(&plan.forbidden, place) && has(&plan.mapped, place) && has(&plan.free, place));
        }
    }

    #[test]
    fn no_object_lies_where_the_kernels_map_begins() {
        const GIB: u64 = 1 << 30;
        for no_map in [false, true] {
            let mut machine = Machine::default();
            machine.memory.push(at(GIB, 2 * GIB));
            machine.reserved.push(reserved(GIB, GIB, no_map, "the whole first gigabyte"));
            let image = Range { start: 2 * GIB + 2 * MIB, end: 2 * GIB + 3 * MIB };
            let plan =
                plan(&machine, image, Range { start: 2 * GIB + 8 * MIB, end: 2 * GIB + 9 * MIB }, 1 << 38).unwrap();
            assert_eq!(plan.mapped.as_slice()[0].start, 2 * GIB);
            assert!(!has(&plan.free, 2 * GIB) && has(&plan.free, 2 * GIB + PAGE));
        }
    }

    #[test]
    fn many_regions_at_odd_pages_are_pieces_or_refused() {
        const REGIONS: u64 = 64;
        let with = |memories: u64| {
            let mut machine = Machine::default();
            (0..memories).for_each(|index| machine.memory.push(at(0x4000_0000 + index * 64 * MIB, 63 * MIB)));
            for index in 0..REGIONS {
                machine.reserved.push(reserved(
                    0x4100_1000 + index * 0x5000,
                    0x1000 + index % 3 * 0x1000,
                    false,
                    "odd",
                ));
            }
            let image = Range { start: 0x4020_0000, end: 0x4030_0000 };
            plan(&machine, image, Range { start: 0x4080_0000, end: 0x4081_0000 }, 1 << 38)
        };
        let plan = with(1).unwrap();
        assert_eq!(plan.mapped.as_slice().len() as u64, REGIONS + 1);
        assert_eq!(with(32).map(drop), Err(MemoryError::TooMany));
    }

    #[test]
    fn what_is_reserved_for_others_stays_refused() {
        for region in [
            reserved(0x4100_0000, MIB, true, "secure"),
            reserved(0x4100_0000, MIB, false, MEMRESERVE),
            reserved(0x4100_0000, MIB - 1, false, "within a page"),
            reserved(0x4020_0000, MIB, false, "the image"),
            reserved(0x4080_0000, 0x1000, false, "the tree"),
        ] {
            let plan = planned(&[region]);
            assert!(has(&plan.forbidden, region.range.base), "{}", region.name);
            assert!(!has(&plan.free, region.range.base), "{}", region.name);
        }
        for no_map in [true, false] {
            let other = reserved(0x4100_0000, 0x1000, no_map, "other");
            let plan = planned(&[reserved(0x4100_0000, MIB, false, "one"), other]);
            assert!(has(&plan.forbidden, 0x4100_0000) && has(&plan.forbidden, 0x410f_f000));
        }
    }
}
