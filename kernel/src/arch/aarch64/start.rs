//! The kernel's first Rust code: from the tree to init's first instruction.

use core::ops;

use aarch64_cpu::registers::{CNTFRQ_EL0, Readable};
use abi::Protections;
use early::{Layout, Ramoops, Uart};
use tree::{Intc as IntcNode, Machine as Described, Tree, TreeError, Trigger};

use super::console::Kept;
use super::cores::{self, Community};
use super::intc::{Bcm2836, Intc, V2, V3};
use super::mmu::{DeviceWindow, MapBuilder};
use super::{guard, layout, machine::Machine, mmu, psci, trap, unmapped};
use crate::arch::pte;
use crate::boot::{self, Handover};
use crate::console;
use crate::features::Needs;
use crate::kernel::Kernel;
use crate::mm::regions::{Range, Regions};
use crate::mm::{Mem, Phys};
use crate::smmu::{self, Smmu};

unsafe extern "C" {
    static __image_start: u8;
    static __image_end: u8;
    static __text_start: u8;
    static __data_start: u8;
    static __stack_bottom: u8;
    static __stack_top: u8;
    fn el0_enter(context: usize, control: u64) -> !;
}

fn address(symbol: *const u8) -> usize {
    symbol as usize
}

/// The kernel's stack.
pub(super) fn stack() -> ops::Range<usize> {
    address(&raw const __stack_bottom)..address(&raw const __stack_top)
}

/// The steps of boot are functions of their own, so that they use the same stack one after the other.
#[inline(never)]
fn describe<'a>(tree: &Tree<'a>) -> Result<Described<'a>, TreeError> {
    tree.machine()
}

/// Ends a boot that cannot go on: one line, then power off where there is firmware, else halt.
fn give_up(described: Option<&Described<'_>>, why: core::fmt::Arguments<'_>) -> ! {
    log::error!("boot: {why}");
    if let Some(conduit) = described.and_then(|machine| machine.psci) {
        psci::call(conduit, crate::object::SYSTEM_OFF, [0; 3]);
    }
    psci::halt()
}

/// Entered from `boot` with the MMU on: `tree` and `image` are physical addresses, `ticks` is CNTVCT at entry.
pub(super) extern "C" fn start(tree_at: u64, image: u64, ticks: u64) -> ! {
    console::init();
    cores::claim(stack().end);
    cores::set_registers();
    // SAFETY: called once; the boot protocol promises a tree.
    let bytes = unsafe { mmu::map_tree(Phys(tree_at), |header| Tree::total_size(header).ok()) };
    let Some(bytes) = bytes else { give_up(None, format_args!("no device tree at {tree_at:#x}")) };
    let mut window = DeviceWindow::default();
    let tree = match Tree::parse(bytes) {
        Ok(tree) => tree,
        Err(error) => {
            salvage_console(bytes, &mut window);
            give_up(None, format_args!("device tree: {error}"))
        }
    };
    start_console(&tree, &mut window);
    let described = match describe(&tree) {
        Ok(machine) => machine,
        Err(error) => give_up(None, format_args!("device tree: {error}")),
    };
    if let Some(level) = described.bootargs.and_then(console::set_level) {
        log::warn!("boot argument log={level} is not a level: error, warn, info, debug, trace, off");
    }
    let tree_range = Range { start: tree_at, end: tree_at + bytes.len() as u64 };
    let taken = [image_range(image), tree_range];
    show_text(&tree, &described, taken);
    keep_text(&tree, &described, &mut window, taken);
    if let Some(bootargs) = described.bootargs {
        super::selftest::run(bootargs);
    }
    let (mut mem, machine, forbidden, mut handover) = bring_up(&described, &mut window, tree_range, image, ticks);
    let smmus = bring_up_smmus(&described, &mut window, &mut mem, &mut handover.free);
    let kernel = trap::install(mem, machine, forbidden);
    kernel.smmus = smmus;
    let Kernel { mem, machine, .. } = &mut *kernel;
    let unused = handover.free.bytes();
    machine.take_messages(&described, &mut window, mem, &mut handover.free);
    handover.kernel_pages += ((unused - handover.free.bytes()) / 4096) as u32;
    if let Some((registers, names)) = &described.power
        && let Some(power) = early::find_power(*names)
        && let Some(registers) = window.map(registers.base, registers.size.min(Uart::BYTES))
    {
        machine.set_power(power, registers);
    }
    switch_fast_paths(described.bootargs.unwrap_or_default());
    let gic_registers = matches!(described.intc, Some(IntcNode::V3 { .. }));
    let usable = guard::built_with() | (Protections::FEATURES - Protections::BTI - Protections::AUTH);
    let needs = Needs { memory_end: kernel.mem.end().0, gic_registers, usable };
    let community = Community::new(&described, needs);
    let in_use = cores::start_all(kernel, &described, &mut window, &mut handover.free, taken, community);
    guard::settle(kernel, in_use, handover.seed);
    handover.protections = unmapped::settle(kernel, &mut handover.free, in_use);
    if let Err(error) = boot::start_init(kernel, handover) {
        give_up(Some(&described), format_args!("{error}"));
    }
    log::debug!("entering init");
    console::leave_early();
    leave_boot(kernel)
}

/// Boot is over: what only it needed is gone, and nothing returns there. The section says that this stays.
#[unsafe(link_section = ".text.stays")]
#[inline(never)]
fn leave_boot(kernel: &'static mut Kernel) -> ! {
    mmu::forget_boot();
    unmapped::begin();
    enter_user(trap::first(kernel))
}

/// Goes to user space.
pub(super) fn enter_user(context: usize) -> ! {
    // SAFETY: `context` is the register area of a thread of ours, in an address space that is loaded.
    unsafe { el0_enter(context, guard::control()) }
}

fn switch_fast_paths(bootargs: &str) {
    match console::fast_paths(bootargs) {
        Ok(true) => {}
        Ok(false) => {
            log::info!("the fast paths are switched off");
            cores::LOCK.switch_fast_paths(&cores::AREAS, false);
        }
        Err(other) => log::warn!("boot argument fast={other}: use on or off"),
    }
}

/// What is printed is shown in a framebuffer that is there already, if the command line or the tree names one.
#[inline(never)]
fn show_text(tree: &Tree<'_>, described: &Described<'_>, [image, tree_at]: [Range; 2]) {
    let picture = match boot::picture(tree, described) {
        Ok(Some(picture)) => picture,
        Ok(None) => return,
        Err(why) => return log::warn!("nothing is printed on a display: {why}"),
    };
    let place = Range { start: picture.base, end: picture.base + picture.bytes() };
    let uart = tree.console().ok().flatten().and_then(|it| Range::new(it.registers.base, it.registers.size));
    if !boot::is_picture(described, place, [image, tree_at, uart.unwrap_or_default()]) {
        return log::warn!(
            "nothing is printed on a display: {:#x}..{:#x} is memory or registers in use, or RAM that is not reserved",
            place.start,
            place.end
        );
    }
    // SAFETY: called once, during boot.
    match unsafe { mmu::map_picture(place.start, place.bytes()) } {
        Some(memory) => super::set_screen(picture, memory),
        None => log::warn!("nothing is printed on a display: the one at {:#x} has more than 128 MiB", place.start),
    }
}

/// What is printed goes into memory that survives a warm reset, too, if there is some.
fn keep_text(tree: &Tree<'_>, described: &Described<'_>, window: &mut DeviceWindow, taken: [Range; 2]) {
    let ramoops = match tree.ramoops() {
        Ok(Some(ramoops)) => ramoops,
        Ok(None) => return,
        Err(error) => return log::warn!("device tree: {error}"),
    };
    let memory = boot::kept_text(described, &ramoops, taken);
    if memory.and_then(|memory| set_kept(memory, ramoops.code, window)).is_none() {
        log::warn!("nothing is written into ramoops: it has no part for the console, or is not reserved");
    }
}

fn set_kept(memory: Range, code: u32, window: &mut DeviceWindow) -> Option<()> {
    let extent = Ramoops::extent(memory.bytes(), code)?;
    let text = window.map(memory.start, extent.text)?;
    let codes = match memory.bytes() - extent.codes {
        0 => None,
        bytes => Some((extent.codes as usize, window.map(memory.start + extent.codes, bytes)?)),
    };
    super::set_kept(Kept { text, codes }, memory.bytes(), code);
    Some(())
}

/// The kernel with init behind it.
fn image_range(image: u64) -> Range {
    let init_at = image + (address(&raw const __image_end) - address(&raw const __image_start)) as u64;
    Range { start: image, end: init_at + init_bytes(init_at) }
}

fn start_console(tree: &Tree<'_>, window: &mut DeviceWindow) {
    let Ok(Some(node)) = tree.console() else { return };
    let Some(uart) = node.compatible.clone().find_map(early::find) else { return };
    if let Some(registers) = window.map(node.registers.base, node.registers.size.min(Uart::BYTES)) {
        let layout = Layout { shift: node.shift, words: node.width == Some(4) };
        super::set_early(uart, layout, registers);
    }
}

/// For the last words about a broken tree: whatever in it looks like a UART that the table knows.
fn salvage_console(bytes: &[u8], window: &mut DeviceWindow) {
    let names = || early::UARTS.iter().flat_map(|uart| uart.compatible.iter().map(move |name| (uart, *name)));
    let found = names().find_map(|(uart, name)| Some((uart, tree::salvage_unit_address(bytes, name)?)));
    if let Some((uart, base)) = found
        && let Some(registers) = window.map(base, Uart::BYTES)
    {
        super::set_early(uart, Layout::PLAIN, registers);
    }
}

/// Memory map, interrupt controller, timer.
#[inline(never)]
fn bring_up<'a>(
    described: &Described<'_>,
    window: &mut DeviceWindow,
    tree: Range,
    image: u64,
    ticks: u64,
) -> (Mem, Machine, Regions, Handover<'a>) {
    let give_up = |why: core::fmt::Arguments<'_>| -> ! { give_up(Some(described), why) };
    if let Some(obstacle) = boot::obstacles(described).next() {
        give_up(format_args!("device tree: {obstacle}"));
    }
    let image_range = image_range(image);
    let init_at = image + (address(&raw const __image_end) - address(&raw const __image_start)) as u64;
    let plan = match boot::plan(described, image_range, tree, layout::MAP_BYTES) {
        Ok(plan) => plan,
        Err(error) => give_up(format_args!("{error}")),
    };
    let mut free = plan.free;
    let unused = free.bytes();
    let start = plan.mapped.as_slice().first().map_or(0, |range| range.start) & !((1 << 30) - 1);
    let Some(pool) = table_pool(&mut free, image, mmu::tables_needed(&plan.mapped)) else {
        give_up(format_args!("no free memory beside the kernel for its page tables"));
    };
    // SAFETY: boot runs alone; the pool was just taken from free memory in the identity map's reach.
    let mut builder = unsafe { MapBuilder::new(pool, Phys(start)) };
    let read_only = (address(&raw const __data_start) - address(&raw const __image_start)) as u64;
    // What goes after boot is memory like any other then, but for the first page of RAM: a reference is never 0.
    let goes = (address(&raw const __text_start) - address(&raw const __image_start)) as u64;
    let first = plan.mapped.as_slice().first().map_or(0, |range| range.start);
    let boot = Range { start: image.max(first + 4096), end: image + goes };
    let code = Range { start: boot.end, end: image + read_only };
    for &range in plan.mapped.as_slice() {
        if map_range(&mut builder, range, code).is_none() {
            give_up(format_args!("the memory map is in too many pieces for the kernel's page tables"));
        }
    }
    if free.add(builder.rest()).is_err() {
        give_up(format_args!("the memory map has too many pieces"));
    }
    let end = plan.mapped.as_slice().last().map_or(0, |range| range.end);
    // SAFETY: all RAM from `start` on was just mapped at MAP, and no other `Mem` exists.
    let mut mem = unsafe { Mem::new(layout::MAP, Phys(start), end - start) };

    let Some(intc) = bring_up_intc(described, window) else {
        give_up(format_args!("device tree: the registers of the interrupt controller cannot be mapped"));
    };
    let Some(timer) = described.timer.as_ref().and_then(|timer| timer.virt) else {
        give_up(format_args!("device tree: no virtual timer"));
    };
    let counter = described.timer.as_ref().and_then(|timer| timer.frequency).unwrap_or(CNTFRQ_EL0.get());
    if counter == 0 {
        give_up(format_args!("the timer's frequency is 0: CNTFRQ_EL0 is not set and the tree has no clock-frequency"));
    }
    let Some(empty) = free.take(4096, 4096).map(Phys) else { give_up(format_args!("no free memory")) };
    mem.zero(empty, 4096);
    let ring_offset = &raw const console::RING as usize - address(&raw const __image_start);
    let ring = (Phys(image + ring_offset as u64), size_of::<console::Ring>() as u64);
    let mut machine = Machine::new(intc, timer.intid, counter, described.psci, ring);
    mmu::set_empty_table(pte::ttbr(empty, 0));
    mmu::leave_user_table();
    mmu::flush_local();
    if !machine.start_core(&mut mem, 0) {
        give_up(format_args!("device tree: no redistributor of the interrupt controller belongs to the boot core"));
    }
    // Without init, which lies behind it in the image.
    let kernel_pages = ((init_at - boot.end + unused - free.bytes()) / 4096) as u32;
    log::debug!("{} MiB of memory, {} MiB free", plan.mapped.bytes() >> 20, free.bytes() >> 20);
    let init_place = layout::MAP + (init_at - start) as usize;
    let bytes = (image_range.end - init_at) as usize;
    // SAFETY: the image lies in mapped RAM; nobody writes it while boot reads its header.
    let image_bytes = unsafe { core::slice::from_raw_parts(init_place as *const u8, bytes) };
    let handover = Handover {
        image: image_bytes,
        image_at: Phys(init_at),
        tree,
        bundle: plan.bundle,
        free,
        boot,
        boot_ticks: ticks,
        frequency: counter,
        seed: seed(described),
        protections: abi::Protections::empty(),
        kernel_pages,
    };
    (mem, machine, plan.forbidden, handover)
}

/// Bytes of init behind the kernel as its header says, read through the identity map of boot; one page if there is none.
fn init_bytes(init_at: u64) -> u64 {
    let header = init_at as *const u64;
    // SAFETY: the identity map covers the gigabyte of the image and the next; reading RAM there changes nothing.
    let (magic, bytes) = unsafe { (header.read_volatile(), header.add(1).read_volatile()) };
    if magic.to_le_bytes() == abi::INIT_IMAGE_MAGIC && bytes.is_multiple_of(4096) && bytes < 1 << 28 {
        bytes.max(4096)
    } else {
        4096
    }
}

/// Free memory that the identity map of boot reaches.
fn table_pool(free: &mut crate::mm::regions::Regions, image: u64, pages: u64) -> Option<Range> {
    let low = image & !((1 << 30) - 1);
    let high = low + (1 << 30);
    let bytes = pages * 4096;
    let start = free.as_slice().iter().find_map(|range| {
        let start = range.start.max(low);
        (start + bytes <= range.end.min(high)).then_some(start)
    })?;
    let pool = Range { start, end: start + bytes };
    free.subtract(pool).ok()?;
    Some(pool)
}

/// Maps a piece of RAM for the kernel; its own code and constants are read-only there too.
fn map_range(builder: &mut MapBuilder, range: Range, code: Range) -> Option<()> {
    let cut = |start: u64, end: u64| Range { start: start.max(range.start), end: end.min(range.end) };
    for (piece, attributes) in [
        (cut(0, code.start), pte::KERNEL_DATA),
        (cut(code.start, code.end), pte::KERNEL_READ_ONLY),
        (cut(code.end, u64::MAX), pte::KERNEL_DATA),
    ] {
        if piece.start < piece.end {
            builder.map(piece, attributes)?;
        }
    }
    Some(())
}

/// Every IOMMU aborts what nobody bound.
#[inline(never)]
fn bring_up_smmus(
    described: &Described<'_>,
    window: &mut DeviceWindow,
    mem: &mut Mem,
    free: &mut Regions,
) -> [Option<Smmu>; smmu::MOST] {
    const BLOCK: u64 = 0x1_0000;
    let mut smmus = [const { None }; smmu::MOST];
    for (place, node) in smmus.iter_mut().zip(&described.smmus) {
        let base = node.registers.base;
        let line = node.events.map_or((0, false), |line| (line.intid, line.trigger == Trigger::Edge));
        let mut map =
            |offset: u64| (node.registers.size >= 2 * BLOCK).then(|| window.map(base + offset, 0x1000)).flatten();
        let (Some(control), Some(queues)) = (map(0), map(BLOCK)) else {
            give_up(Some(described), format_args!("device tree: the registers of the SMMU at {base:#x} cannot be used"))
        };
        let (smmu, started) = Smmu::start(smmu::Ports { control, queues }, base, line, mem, free);
        match started {
            Ok(()) => log::debug!("SMMU at {base:#x}: what is not bound aborts"),
            Err(why) => log::error!("SMMU at {base:#x}: {why}: it aborts everything"),
        }
        *place = Some(smmu);
    }
    smmus
}

fn bring_up_intc(described: &Described<'_>, window: &mut DeviceWindow) -> Option<Intc> {
    match described.intc.as_ref()? {
        IntcNode::V2 { distributor, cpu } => {
            let distributor = window.map(distributor.base, distributor.size.min(0x1000))?;
            let cpu = window.map(cpu.base, cpu.size.min(0x2000))?;
            Some(Intc::V2(V2::new(distributor, cpu)))
        }
        IntcNode::V3 { distributor, redistributors, stride } => {
            let distributor = window.map(distributor.base, distributor.size.min(0x1_0000))?;
            let stride = stride.and_then(|stride| usize::try_from(stride).ok()).unwrap_or(super::intc::REDISTRIBUTOR);
            let mut regions = [None; 4];
            for (slot, region) in regions.iter_mut().zip(redistributors.iter()) {
                *slot = window.map(region.base, region.size.min(16 * super::intc::REDISTRIBUTOR as u64 / 2));
            }
            let mut list = [(distributor, 0); 4];
            let mut count = 0;
            for (region, described) in regions.into_iter().zip(redistributors) {
                if let Some(region) = region {
                    list[count] = (region, described.base);
                    count += 1;
                }
            }
            Some(Intc::V3(V3::new(distributor, list, count, stride.max(super::intc::REDISTRIBUTOR))))
        }
        IntcNode::Bcm2836 { cores, devices } => {
            let cores = window.map(cores.base, 0x100)?;
            let devices = match devices {
                Some(devices) => Some(window.map(devices.base, 0x28)?),
                None => None,
            };
            Some(Intc::Bcm2836(Bcm2836::new(cores, devices)))
        }
    }
}

/// Random bytes of the boot loader, mixed into four words; zeros where there are none.
fn seed(described: &Described<'_>) -> [u64; 4] {
    let mut words = [0u64; 4];
    let sources = [described.rng_seed, described.kaslr_seed];
    for (index, &byte) in sources.into_iter().flatten().flatten().enumerate() {
        let word = &mut words[index % 4];
        *word = (*word ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(7);
    }
    words
}
