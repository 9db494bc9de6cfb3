//! The first process: init, its table, and all authority there is.

use abi::{
    InitImage, InitSegment, Kind, NamedSlot, Perms, Protections, Rights, StartInfo,
    layout::{PAGE, PAGE_BITS, USER_END, USER_HEAP, USER_INFO, USER_MESSAGE_PAGE, USER_STACK_TOP},
};

use crate::arch::pte;
use crate::cap::{Cap, CapTable, Flags, Slot};
use crate::firmware::POWER;
use crate::kernel::Kernel;
use crate::mm::regions::{Range, Regions};
use crate::mm::{Phys, Ref};
use crate::object::{AddressSpace, Notification, Reply, SchedContext, Thread};

/// log2 of the slots of init's table.
const TABLE_BITS: u8 = 10;
/// Pages of init's address space object: enough tables for program, stack, heap and mappings.
const SPACE_PAGES: u64 = 24;
/// Pages of init's stack.
const STACK_PAGES: u64 = 16;
/// Most Untyped capabilities of RAM that init gets.
const MEMORY_SLOTS: usize = 64;

/// What boot hands over.
#[derive(Debug)]
pub struct Handover<'a> {
    /// Init, as it lies behind the kernel.
    pub image: &'a [u8],
    /// Where it lies.
    pub image_at: Phys,
    /// The device tree.
    pub tree: Range,
    /// The bundle.
    pub bundle: Option<Range>,
    /// Free memory.
    pub free: Regions,
    /// Code and constants of boot: free when init runs, not before.
    pub boot: Range,
    /// CNTVCT when the kernel was entered.
    pub boot_ticks: u64,
    /// Ticks of a second.
    pub frequency: u64,
    /// Random bytes, or zeros.
    pub seed: [u64; 4],
    /// What is in use.
    pub protections: Protections,
    /// Pages that the kernel keeps for itself.
    pub kernel_pages: u32,
}

/// Why init cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitError {
    /// No init behind the kernel.
    NoImage,
    /// A field of its header makes no sense.
    Field(&'static str),
    /// Too little memory.
    Memory,
}

impl core::fmt::Display for InitError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoImage => write!(f, "no init behind the kernel: build the image with `cargo xtask build`"),
            Self::Field(name) => write!(f, "init's header: `{name}` makes no sense"),
            Self::Memory => write!(f, "too little memory to start init"),
        }
    }
}

fn word(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// Reads and checks the header behind the kernel.
fn header(bytes: &[u8]) -> Result<InitImage, InitError> {
    if bytes.get(..8) != Some(&abi::INIT_IMAGE_MAGIC) {
        return Err(InitError::NoImage);
    }
    let field = |offset, name| word(bytes, offset).ok_or(InitError::Field(name));
    let mut image = InitImage {
        magic: abi::INIT_IMAGE_MAGIC,
        bytes: field(8, "bytes")?,
        entry: field(16, "entry")?,
        segments: field(24, "segments")?,
        segment: [InitSegment::default(); 4],
    };
    if image.segments > 4 || image.bytes > bytes.len() as u64 {
        return Err(InitError::Field("segments"));
    }
    for index in 0..image.segments as usize {
        let at = 32 + index * 32;
        let pages = field(at + 16, "pages")?;
        let flags = field(at + 24, "flags")?;
        let segment = InitSegment {
            address: field(at, "address")?,
            offset: field(at + 8, "offset")?,
            file_pages: pages as u32,
            pages: (pages >> 32) as u32,
            flags: flags as u32,
            reserved: 0,
        };
        check_segment(&segment, image.bytes)?;
        image.segment[index] = segment;
    }
    Ok(image)
}

fn check_segment(segment: &InitSegment, bytes: u64) -> Result<(), InitError> {
    let file = u64::from(segment.file_pages) << PAGE_BITS;
    let memory = u64::from(segment.pages) << PAGE_BITS;
    if !(segment.address | segment.offset).is_multiple_of(PAGE) {
        return Err(InitError::Field("address"));
    }
    if file > memory || segment.offset.checked_add(file).is_none_or(|end| end > bytes) {
        return Err(InitError::Field("file_pages"));
    }
    if segment.address.checked_add(memory).is_none_or(|end| end > USER_HEAP.min(USER_END)) {
        return Err(InitError::Field("pages"));
    }
    Ok(())
}

/// Memory for boot, taken from what is free.
struct Boot<'k> {
    k: &'k mut Kernel,
    free: Regions,
}

impl Boot<'_> {
    fn take(&mut self, bytes: u64) -> Result<Phys, InitError> {
        let place = self.take_dirty(bytes)?;
        self.k.mem.zero(place, bytes.next_multiple_of(PAGE));
        Ok(place)
    }

    fn take_dirty(&mut self, bytes: u64) -> Result<Phys, InitError> {
        self.free.take(bytes.next_multiple_of(PAGE), PAGE).map(Phys).ok_or(InitError::Memory)
    }

    fn map(
        &mut self,
        space: Ref<AddressSpace>,
        address: u64,
        place: Phys,
        pages: u64,
        perms: Perms,
    ) -> Result<(), InitError> {
        if perms.contains(Perms::EXECUTE) {
            self.k.mem.sync_instructions(place, pages);
        }
        let mut rest = crate::object::Piece { address, base: place.0, pages };
        while rest.pages > 0 {
            let attributes = pte::attributes(self.k.machine.usable(perms), 0);
            let done = self.k.map_run(space, rest, attributes, u64::MAX);
            rest = rest.behind(done.map_err(|_| InitError::Memory)?);
        }
        Ok(())
    }

    fn map_segment(
        &mut self,
        space: Ref<AddressSpace>,
        image_at: Phys,
        segment: &InitSegment,
    ) -> Result<(), InitError> {
        let perms = Perms::from_bits(segment.flags as u8).ok_or(InitError::Field("flags"))?;
        if perms.contains(Perms::WRITE | Perms::EXECUTE) {
            return Err(InitError::Field("flags"));
        }
        let file = u64::from(segment.file_pages);
        if file > 0 {
            self.map(space, segment.address, Phys(image_at.0 + segment.offset), file, perms)?;
        }
        let rest = u64::from(segment.pages) - file;
        if rest > 0 {
            let place = self.take(rest << PAGE_BITS)?;
            self.map(space, segment.address + (file << PAGE_BITS), place, rest, perms)?;
        }
        Ok(())
    }
}

/// Creates init's objects and fills its table. Afterwards init is ready to run.
///
/// # Errors
/// [`InitError`].
#[inline(never)]
pub fn start_init(k: &mut Kernel, handover: Handover<'_>) -> Result<Ref<Thread>, InitError> {
    let image = header(handover.image)?;
    let free = handover.free.clone();
    let mut boot = Boot { k, free };
    let table_place = boot.take(64 << TABLE_BITS)?;
    let table = boot.k.mem.create(table_place, CapTable::new(TABLE_BITS));
    let space_place = boot.take(SPACE_PAGES << PAGE_BITS)?;
    let space = AddressSpace::create(&mut boot.k.mem, space_place, SPACE_PAGES);
    let small = boot.take(PAGE)?;
    let thread = boot.k.mem.create(small, Thread::new());
    let behind = small.0 + Thread::BYTES as u64;
    let reply = boot.k.mem.create(Phys(behind), Reply::new());
    let notification = boot.k.mem.create(Phys(behind + 64), Notification::new());
    let time = boot.k.mem.create(Phys(behind + 128), SchedContext::new());
    for segment in &image.segment[..image.segments as usize] {
        boot.map_segment(space, handover.image_at, segment)?;
    }
    let stack = boot.take_dirty(STACK_PAGES << PAGE_BITS)?;
    let page = boot.take(PAGE)?;
    boot.map(space, USER_MESSAGE_PAGE, page, 1, Perms::READ | Perms::WRITE)?;
    let info = boot.take(PAGE)?;
    boot.map(space, USER_INFO, info, 1, Perms::READ)?;

    let Boot { k, mut free } = boot;
    free.add(handover.boot).map_err(|_| InitError::Memory)?;
    let cores = k.sched.count() as u32;
    let mut fill = |index: u32, cap: Cap| -> Ref<Slot> {
        let slot = table.offset(index);
        k.insert(slot, cap, None);
        slot
    };
    let table_slot = fill(abi::SLOT_TABLE, Cap::of(table));
    fill(abi::SLOT_THREAD, Cap::of(thread));
    let space_slot = fill(abi::SLOT_SPACE, Cap::of(space));
    fill(abi::SLOT_REPLY, Cap::of(reply));
    fill(abi::SLOT_NOTIFICATION, Cap::of(notification));
    fill(abi::SLOT_SCHED, Cap::of(time));
    for core in 0..cores {
        let control = Cap { object: u64::from(core), ..Cap::control(Kind::SchedControl) };
        fill(abi::SLOT_SCHED_CONTROL + core, control);
    }
    fill(abi::SLOT_IRQ_CONTROL, Cap::control(Kind::IrqControl));
    fill(abi::SLOT_DEBUG, Cap::control(Kind::Debug));
    fill(abi::SLOT_CONSOLE, Cap::control(Kind::KernelConsole));
    fill(abi::SLOT_SMC, Cap::smc(POWER));
    fill(abi::SLOT_SMC_CONTROL, Cap::control(Kind::SmcControl));
    fill(abi::SLOT_TRACE, Cap { rights: Rights::TRACE_CONTROL, ..Cap::control(Kind::Trace) });
    fill(abi::SLOT_IOMMU_CONTROL, Cap::control(Kind::IommuControl));
    fill(abi::SLOT_TREE, kept(handover.tree, Rights::READ));
    if let Some(bundle) = handover.bundle {
        fill(abi::SLOT_BUNDLE, kept(bundle, Rights::READ | Rights::EXECUTE));
    }
    fill(abi::SLOT_DEVICES, Cap::memory(Kind::Untyped, Phys(0), u32::MAX, Flags::DEVICE));
    let page_slot = fill(abi::SLOT_INIT_MEMORY - 1, Cap::memory(Kind::Frame, page, 1, Flags::empty()));
    let ranges = &free.as_slice()[..free.as_slice().len().min(MEMORY_SLOTS)];
    for (index, range) in ranges.iter().enumerate() {
        let pages = u32::try_from(range.bytes() >> PAGE_BITS).unwrap_or(u32::MAX);
        fill(
            abi::SLOT_INIT_MEMORY + index as u32,
            Cap::memory(Kind::Untyped, Phys(range.start), pages, Flags::empty()),
        );
    }
    let stack = fill(abi::SLOT_STACK, Cap::memory(Kind::Untyped, stack, STACK_PAGES as u32, Flags::empty()));
    k.tie(stack, space, USER_STACK_TOP - (STACK_PAGES << PAGE_BITS), STACK_PAGES).map_err(|_| InitError::Memory)?;
    k.hold_all(thread, [Some(table_slot), Some(space_slot), Some(page_slot), None]);
    let object = &mut k.mem[thread];
    (object.priority, object.ceiling) = (255, 255);
    object.context.pc = image.entry;
    object.context.sp = USER_STACK_TOP;
    object.context.x[0] = USER_INFO;
    write_info(k, info, &handover, ranges.len() as u32);
    k.allow_fpu(thread, true);
    k.mem[thread].bound = Some(notification);
    k.mem[notification].bound = Some(thread);
    let unlimited = &mut k.mem[time];
    (unlimited.budget, unlimited.period, unlimited.left) = (1, 1, 1);
    k.set_plain(time);
    k.give_home(time, thread);
    k.make_ready(thread);
    k.first = Some(thread);
    Ok(thread)
}

/// Memory whose content is kept: the tree, the bundle.
fn kept(range: Range, rights: Rights) -> Cap {
    let pages = range.outer_pages();
    let count = (pages.bytes() >> PAGE_BITS).min(u32::MAX.into()) as u32;
    Cap { rights, ..Cap::memory(Kind::Frame, Phys(pages.start), count, Flags::KEEP) }
}

/// Ticks to nanoseconds as a multiplication and a shift, with as many bits as fit.
pub fn tick_conversion(frequency: u64) -> (u32, u32) {
    let frequency = frequency.max(1);
    for shift in (0..=32u32).rev() {
        let mul = (1_000_000_000u128 << shift) / u128::from(frequency);
        if let Ok(mul) = u32::try_from(mul) {
            return (mul, shift);
        }
    }
    (u32::MAX, 0)
}

fn write_info(k: &mut Kernel, place: Phys, handover: &Handover<'_>, memory_slots: u32) {
    let (tick_mul, tick_shift) = tick_conversion(handover.frequency);
    let within = |range: Range| (range.start % PAGE) as u32;
    let info = StartInfo {
        abi_version: abi::ABI_VERSION,
        table_slots: 1 << TABLE_BITS,
        tick_mul,
        tick_shift,
        seed: handover.seed,
        boot_ticks: handover.boot_ticks,
        message_page: USER_MESSAGE_PAGE,
        heap_base: USER_HEAP,
        heap_limit: 0,
        component: 0,
        epoch: 1,
        tree_offset: within(handover.tree),
        tree_bytes: handover.tree.bytes() as u32,
        bundle_offset: handover.bundle.map_or(0, within),
        memory_slots,
        bundle_bytes: handover.bundle.map_or(0, Range::bytes),
        named_count: 0,
        cores: k.sched.count() as u32,
        protections: handover.protections.bits(),
        kernel_pages: handover.kernel_pages,
        named: [NamedSlot { name: [0; abi::NAME_LEN], slot: 0, size: 0 }; abi::MAX_NAMED],
    };
    k.mem.create(place, info);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tick_conversion_is_exact_where_it_can_be() {
        assert_eq!(tick_conversion(62_500_000), (16 << 27, 27));
        assert_eq!(tick_conversion(1_000_000_000), (1 << 31, 31));
        let (mul, shift) = tick_conversion(19_200_000);
        let hour = 19_200_000u128 * 3600;
        let error = ((hour * u128::from(mul)) >> shift).abs_diff(3_600_000_000_000);
        assert!(error < 2000, "{error} ns an hour");
        assert!(tick_conversion(0).0 > 0);
    }

    #[test]
    fn a_bad_header_is_named() {
        assert_eq!(header(&[0; 64]).unwrap_err(), InitError::NoImage);
        let mut bytes = vec![0; 4096];
        bytes[..8].copy_from_slice(&abi::INIT_IMAGE_MAGIC);
        bytes[8..16].copy_from_slice(&4096u64.to_le_bytes());
        bytes[24..32].copy_from_slice(&9u64.to_le_bytes());
        assert_eq!(header(&bytes).unwrap_err(), InitError::Field("segments"));
        bytes[24..32].copy_from_slice(&1u64.to_le_bytes());
        bytes[32..40].copy_from_slice(&7u64.to_le_bytes());
        assert_eq!(header(&bytes).unwrap_err(), InitError::Field("address"));
    }
}
