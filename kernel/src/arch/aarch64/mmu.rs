//! Translation: the map of all RAM, the windows for tree and devices, TTBR0, TLB maintenance.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::layout::{PAGE, PAGE_BITS};

use super::{identity, layout};
use crate::arch::pte;
use crate::errata::Quirks;
use crate::mm::Phys;
use crate::mm::regions::{Range, Regions};

unsafe extern "C" {
    static mut fix_l2: [u64; 512];
    static mut dev_l3: [u64; 512];
    static mut map_l1: [u64; 512];
    static mut id_l1: [u64; 512];
    static mut k_l3: [u64; 512];
    static __image_start: u8;
    static __boot_rodata_start: u8;
    static __text_start: u8;
    static __rodata_start: u8;
}

/// Makes writes to the tables of user space visible to the walker; the return there synchronises.
#[inline(always)]
pub fn user_tables_written() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb ishst", options(nostack, preserves_flags)) };
}

/// Makes table writes visible to the walker.
pub fn tables_written() {
    // SAFETY: barriers.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
}

/// Bytes of a device tree's header.
const HEADER: usize = 40;

/// Maps the blocks that hold the device tree read-only and returns its bytes; `None` when the pointer is not aligned.
///
/// # Safety
/// Called once, during boot. The boot loader promises a tree at `tree`.
pub unsafe fn map_tree(tree: Phys, size: impl Fn(&[u8]) -> Option<usize>) -> Option<&'static [u8]> {
    let block = 1usize << 21;
    if tree.0 == 0 || !tree.0.is_multiple_of(8) || tree.0 >= 1 << 48 {
        return None;
    }
    let first = tree.0 & !(block as u64 - 1);
    let offset = (tree.0 - first) as usize;
    let map = |index: usize| {
        let base = first + (index * block) as u64;
        // SAFETY: boot runs alone; the entry belongs to the tree's window and was empty.
        unsafe { (&raw mut fix_l2[index]).write_volatile(pte::leaf(base, 2, pte::KERNEL_READ_ONLY)) };
        tables_written();
    };
    map(0);
    if offset + HEADER > block {
        map(1);
    }
    let start = (layout::TREE + offset) as *const u8;
    // SAFETY: the blocks that the header lies in are mapped.
    let header = unsafe { core::slice::from_raw_parts(start, HEADER) };
    let bytes = size(header)?;
    let blocks = (offset + bytes).div_ceil(block);
    if blocks > layout::TREE_BLOCKS {
        return None;
    }
    (1..blocks).for_each(map);
    // SAFETY: all blocks of the tree are mapped read-only for the life of the kernel.
    Some(unsafe { core::slice::from_raw_parts(start, bytes) })
}

/// Maps the blocks that a framebuffer lies in, as device memory: what lies beside it there is never accessed, not even ahead of time
/// (ARM DDI 0487, B2.10.2). `None` when it is too large.
///
/// # Safety
/// Called once, during boot.
pub unsafe fn map_picture(base: u64, bytes: u64) -> Option<super::mmio::Registers> {
    const BLOCK: u64 = 1 << 21;
    let offset = base % BLOCK;
    let blocks = usize::try_from(offset.checked_add(bytes)?.div_ceil(BLOCK)).ok()?;
    if blocks > layout::PICTURE_BLOCKS || base.checked_add(bytes)? > 1 << 48 {
        return None;
    }
    for block in 0..blocks {
        let entry = pte::leaf(base - offset + block as u64 * BLOCK, 2, pte::KERNEL_DEVICE);
        // SAFETY: boot runs alone; the entries of this window are empty.
        unsafe { (&raw mut fix_l2[((layout::PICTURE >> 21) & 511) + block]).write_volatile(entry) };
    }
    tables_written();
    // SAFETY: just mapped as device memory, and never unmapped.
    Some(unsafe { super::mmio::Registers::new(layout::PICTURE + offset as usize, bytes as usize) })
}

/// Hands out the window for the kernel's own devices.
#[derive(Debug, Default)]
pub struct DeviceWindow {
    used: usize,
}

impl DeviceWindow {
    /// Maps device registers; `None` when the window is full.
    pub fn map(&mut self, base: u64, bytes: u64) -> Option<super::mmio::Registers> {
        let range = Range::new(base, bytes)?.outer_pages();
        let pages = usize::try_from(range.bytes() >> PAGE_BITS).ok()?;
        if bytes == 0 || pages > layout::DEVICE_PAGES - self.used {
            return None;
        }
        for page in 0..pages {
            let entry = pte::leaf(range.start + page as u64 * PAGE, 3, pte::KERNEL_DEVICE);
            // SAFETY: boot runs alone; the entries from `used` on are empty and belong to this window.
            unsafe { (&raw mut dev_l3[self.used + page]).write_volatile(entry) };
        }
        tables_written();
        let address = layout::DEVICES + self.used * PAGE as usize + (base - range.start) as usize;
        self.used += pages;
        // SAFETY: just mapped as device memory, and never unmapped.
        Some(unsafe { super::mmio::Registers::new(address, bytes as usize) })
    }

    /// Maps memory as a stack with a page below it that is not mapped; returns the end of the stack.
    pub fn map_stack(&mut self, base: Phys, bytes: u64) -> Option<usize> {
        let pages = (bytes / PAGE) as usize;
        if pages + 1 > layout::DEVICE_PAGES - self.used {
            return None;
        }
        let first = self.used + 1;
        for page in 0..pages {
            let entry = pte::leaf(base.0 + page as u64 * PAGE, 3, pte::KERNEL_DATA);
            // SAFETY: boot runs alone; the entries from `used` on are empty and belong to this window.
            unsafe { (&raw mut dev_l3[first + page]).write_volatile(entry) };
        }
        tables_written();
        self.used = first + pages;
        Some(layout::DEVICES + self.used * PAGE as usize)
    }
}

/// Builds the map of all RAM. Tables come from `pool`, which lies in the gigabyte of the image or the next: it is reached
/// through the identity map of boot.
pub struct MapBuilder {
    pool: Range,
    start: u64,
}

impl MapBuilder {
    /// # Safety
    /// Boot runs alone, `pool` is free memory that the identity map of boot covers, and TTBR0 still holds that map.
    pub unsafe fn new(pool: Range, start: Phys) -> Self {
        Self { pool, start: start.0 }
    }

    fn new_table(&mut self) -> Option<u64> {
        let page = self.pool.start;
        if page + PAGE > self.pool.end {
            return None;
        }
        self.pool.start += PAGE;
        // SAFETY: the page is free memory, reached through the identity map.
        unsafe { super::cache::zero(page as *mut u8, PAGE as usize) };
        Some(page)
    }

    fn entry(&mut self, table: u64, index: u64) -> *mut u64 {
        (table + index * 8) as *mut u64
    }

    /// Maps physical memory at its place in the map; `None` when the pool is used up.
    pub fn map(&mut self, range: Range, attributes: u64) -> Option<()> {
        let mut at = range.start;
        while at < range.end {
            let offset = at - self.start;
            let left = range.end - at;
            // SAFETY: the address of a static.
            let l1 = unsafe { (&raw mut map_l1).cast::<u64>().add((offset >> 30) as usize & 511) };
            at += self.map_one(l1, at, offset, left, attributes)?;
        }
        Some(())
    }

    /// Maps one page or block at level 1, 2 or 3; returns its bytes.
    fn map_one(&mut self, l1: *mut u64, at: u64, offset: u64, left: u64, attributes: u64) -> Option<u64> {
        let mut place = l1;
        for level in 1..=3u32 {
            let span = 1u64 << (12 + 9 * (3 - level));
            // SAFETY: `place` is an entry of a table of ours: the static one, or one from the pool.
            let value = unsafe { place.read_volatile() };
            if value & 1 == 0 && (at | offset).is_multiple_of(span) && left >= span {
                // SAFETY: as above; the entry is empty.
                unsafe { place.write_volatile(pte::leaf(at, level, attributes)) };
                return Some(span);
            }
            if level == 3 || pte::is_leaf(value, level) {
                // Mapped already. Ranges do not overlap, so this is not met; a block must not be taken for a table.
                return Some(span - (offset & (span - 1)));
            }
            let table = if value & 1 == 0 {
                let table = self.new_table()?;
                // SAFETY: as above; the entry is empty.
                unsafe { place.write_volatile(pte::table(Phys(table))) };
                table
            } else {
                pte::address(value).0
            };
            place = self.entry(table, offset >> (12 + 9 * (2 - level)) & 511);
        }
        None
    }

    /// What of the pool was not needed.
    pub fn rest(self) -> Range {
        tables_written();
        self.pool
    }
}

/// How many tables a map of these regions can need.
pub fn tables_needed(regions: &Regions) -> u64 {
    regions.as_slice().len() as u64 * 4 + 4
}

/// Whether the kernel has something mapped at an address.
pub fn is_mapped(address: usize) -> bool {
    let found: u64;
    // SAFETY: asks the hardware where the address lies.
    unsafe { asm!("at s1e1r, {}", "isb", "mrs {}, par_el1", in(reg) address, out(reg) found, options(nostack)) };
    found & 1 == 0
}

/// For a self-test during boot: maps the gigabyte around an address of the image once more, for user space, at the end of
/// the identity map's table, and returns where.
pub fn map_for_user(address: usize) -> usize {
    const SPAN: u64 = 1 << 30;
    let physical: u64;
    // SAFETY: asks the hardware where the address lies.
    unsafe { asm!("at s1e1r, {}", "isb", "mrs {}, par_el1", in(reg) address, out(reg) physical, options(nostack)) };
    let physical = (physical & 0xffff_ffff_f000) | (address as u64 & 0xfff);
    let block = pte::leaf(physical & !(SPAN - 1), 1, pte::attributes(abi::Perms::READ, 0));
    // SAFETY: boot runs alone; nothing is mapped that far behind the image.
    unsafe { (&raw mut id_l1[511]).write_volatile(block) };
    tables_written();
    ((physical & !(512 * SPAN - 1)) | (511 * SPAN) | (physical & (SPAN - 1))) as usize
}

/// From here on an indirect branch in the kernel must end at a landing pad.
pub fn guard_code() {
    let page = |symbol: *const u8| (symbol as usize >> PAGE_BITS) & 511;
    let boot = page(&raw const __image_start)..page(&raw const __boot_rodata_start);
    let stays = page(&raw const __text_start)..page(&raw const __rodata_start);
    boot.chain(stays).for_each(|index| {
        // SAFETY: boot runs alone; these are the entries of the kernel's code, and nothing but the guard of what they map
        // changes, which takes no break before make (ARM DDI 0487, D8.16).
        unsafe {
            let entry = (&raw mut k_l3[index]).cast::<u64>();
            entry.write_volatile(entry.read_volatile() | pte::GUARDED);
        }
    });
    // SAFETY: TLB maintenance changes no memory.
    maintain(|| unsafe { asm!("tlbi vmalle1is", options(nostack, preserves_flags)) });
    tables_written();
}

/// Boot is over: its code and constants are mapped no more, on any core.
pub fn forget_boot() {
    let page = |symbol: *const u8| (symbol as usize >> PAGE_BITS) & 511;
    (page(&raw const __image_start)..page(&raw const __text_start)).for_each(|index| {
        // SAFETY: the entries of what nothing refers to that still runs, as was checked when the kernel was linked.
        unsafe { (&raw mut k_l3[index]).write_volatile(0) };
    });
    // SAFETY: TLB maintenance changes no memory.
    maintain(|| unsafe { asm!("tlbi vmalle1is", options(nostack, preserves_flags)) });
    tables_written();
}

/// Loads TTBR0. No barrier: nothing in the kernel touches user memory, and the return to user space synchronises.
pub fn load_user_table(ttbr: u64) {
    // SAFETY: the table is an address space's own or the empty one.
    unsafe { asm!("msr ttbr0_el1, {}", in(reg) ttbr, options(nostack, preserves_flags)) };
}

/// The root of the kernel's tables.
pub fn kernel_root() -> Phys {
    let ttbr: u64;
    // SAFETY: reads a system register.
    unsafe { asm!("mrs {}, ttbr1_el1", out(reg) ttbr, options(nomem, nostack, preserves_flags)) };
    pte::address(ttbr)
}

static EMPTY: AtomicU64 = AtomicU64::new(0);

/// What TTBR0 holds while a core is in no address space.
pub fn set_empty_table(ttbr: u64) {
    EMPTY.store(ttbr, Ordering::Relaxed);
}

/// TTBR0 of the empty address space.
pub fn empty_space() -> u64 {
    EMPTY.load(Ordering::Relaxed)
}

/// Leaves whatever address space this core is in; its tables may be freed afterwards.
pub fn leave_user_table() {
    load_user_table(EMPTY.load(Ordering::Relaxed));
    tables_written();
}

/// What TTBR0 holds.
#[inline(always)]
pub fn user_table() -> u64 {
    let ttbr;
    // SAFETY: reads a system register.
    unsafe { asm!("mrs {}, ttbr0_el1", out(reg) ttbr, options(nomem, nostack, preserves_flags)) };
    ttbr
}

/// Makes table writes visible, drops translations of all cores, and waits for that.
#[inline(always)]
fn maintain(tlbi: impl Fn()) {
    user_tables_written();
    tlbi();
    if identity::has(Quirks::TLBI_TWICE) {
        // SAFETY: TLB maintenance changes no memory. What cores have looked up ahead of time under the kernel's own ASID goes too.
        unsafe { asm!("tlbi aside1is, xzr", "dsb ish", options(nostack, preserves_flags)) };
        tlbi();
        // SAFETY: the same once more.
        unsafe { asm!("tlbi aside1is, xzr", options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
}

/// Drops all translations of an ASID.
pub fn flush_asid(asid: u16) {
    let operand = u64::from(asid) << 48;
    // SAFETY: TLB maintenance changes no memory.
    maintain(|| unsafe { asm!("tlbi aside1is, {}", in(reg) operand, options(nostack, preserves_flags)) });
    // SAFETY: a barrier.
    unsafe { asm!("isb", options(nostack, preserves_flags)) };
}

/// Drops the translations of some entries that cover 2^`bits` bytes each. No `isb`: the kernel uses none of them, and the
/// return to user space synchronises.
pub fn flush_entries(asid: u16, start: u64, entries: u64, bits: u32) {
    if entries > 64 {
        return flush_asid(asid);
    }
    maintain(|| {
        let mut operand = u64::from(asid) << 48 | (start >> PAGE_BITS) & 0xfff_ffff_ffff;
        for _ in 0..entries {
            // SAFETY: TLB maintenance changes no memory.
            unsafe { asm!("tlbi vae1is, {}", in(reg) operand, options(nostack, preserves_flags)) };
            operand += 1 << (bits - PAGE_BITS);
        }
    });
}

/// Drops the translation of one page.
#[inline(always)]
pub fn flush_page(asid: u16, address: u64) {
    let operand = u64::from(asid) << 48 | (address >> PAGE_BITS) & 0xfff_ffff_ffff;
    // SAFETY: TLB maintenance changes no memory.
    maintain(|| unsafe { asm!("tlbi vae1is, {}", in(reg) operand, options(nostack, preserves_flags)) });
}

/// Drops every translation of this core, the boot's identity map among them.
pub fn flush_local() {
    // SAFETY: TLB maintenance changes no memory.
    unsafe { asm!("dsb nshst", "tlbi vmalle1", "dsb nsh", "isb", options(nostack)) };
}
