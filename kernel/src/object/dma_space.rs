//! DmaSpace: what a bus master can reach. It is an address space that no thread enters; bound to a stream of an IOMMU, its
//! tables are what the device's accesses go through. Bound to none it is unprotected: attaching names the physical address, and
//! nothing keeps the device from the rest of memory. `docs/threat-model.md` says what that means. One that was not bound at all is
//! of no use.

use abi::{
    ErrorCode, Kind, Perms, Rights, SyscallError,
    layout::{MemoryType, PAGE, PAGE_BITS, USER_END},
};

use super::mapping::Work;
use super::tables::{Piece, give_page, take_page};
use super::{AddressSpace, Thread};
use crate::arch::pte;
use crate::cap::{Cap, Flags, Slot};
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::{Mem, Object, Phys, Ref};
use crate::smmu::{self, Stream, Unbound};
use crate::syscall::Args;

/// The lowest bus address at which a Frame can be attached: below is the doorbell of messages.
const LOWEST: u64 = 0x1_0000;
/// The page at which a device finds the doorbell of its messages.
const DOORBELL: u64 = 0x1000;

/// Pages that are no tables below the root: the object, the root, the drain.
const OWN: u32 = 3;
/// Pages looked at by one call of `DmaClear`.
const STEP: u64 = 32;

/// Where in the first page the stream's context descriptor lies, behind the structure.
const CONTEXT: u64 = 2048;

/// What the device of a DmaSpace reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// It was not bound yet.
    Nothing,
    /// All memory, whatever is attached.
    Everything,
    /// It is bound to this stream, which aborts until something is attached or a message is listened to: what the device still does for a driver that died is
    /// not its successor's.
    Bound(Stream),
    /// What is attached: this stream goes through its tables.
    Stream(Stream),
}

impl Reach {
    /// The stream that goes through the tables.
    #[inline(always)]
    pub const fn stream(self) -> Option<Stream> {
        match self {
            Self::Bound(stream) | Self::Stream(stream) => Some(stream),
            _ => None,
        }
    }
}

/// A DmaSpace.
#[repr(transparent)]
#[derive(Debug)]
pub struct DmaSpace(AddressSpace);

impl Object for DmaSpace {
    const KIND: Kind = Kind::DmaSpace;
}

const _: () = assert!(size_of::<DmaSpace>() as u64 <= CONTEXT);

impl DmaSpace {
    /// A new one of `pages` zeroed pages at `place`.
    pub fn create(mem: &mut Mem, place: Phys, pages: u64) -> Ref<Self> {
        AddressSpace::create_as(Kind::DmaSpace, OWN, mem, place, pages).offset(0)
    }
}

impl Ref<DmaSpace> {
    /// Its tables.
    #[inline(always)]
    pub fn tables(self) -> Ref<AddressSpace> {
        self.offset(0)
    }
}

fn bad(argument: u8) -> SyscallError {
    SyscallError::new(ErrorCode::InvalidArgument, argument)
}

/// The space, and the Frame that its device may reach.
fn decode(k: &Kernel, caller: Ref<Thread>, args: &Args) -> Res<(Ref<AddressSpace>, Ref<Slot>)> {
    let (space, _) = k.get::<DmaSpace>(caller, args.target(), Rights::INVOKE, 0)?;
    let slot = k.get_slot(caller, args.words[0], Kind::Frame, Rights::DMA, 1)?;
    if k.mem[slot].cap.flags.contains(Flags::DEVICE) {
        return Err(bad(1));
    }
    Ok((space.tables(), slot))
}

/// What the device may do with a Frame: at least read.
fn permissions(cap: &Cap, bits: u64) -> Res<Perms> {
    let known = Perms::READ | Perms::WRITE;
    let perms = u8::try_from(bits).ok().and_then(Perms::from_bits).filter(|perms| known.contains(*perms));
    let perms = perms.filter(|perms| perms.contains(Perms::READ)).ok_or(bad(3))?;
    // The bits of Perms and of a Frame's rights are the same.
    let allowed = cap.rights.bits() & perms.bits() == perms.bits();
    if allowed { Ok(perms) } else { Err(SyscallError::new(ErrorCode::MissingRight, 3)) }
}

/// Lets the bus master reach the first pages of a Frame, through this capability: it is not mapped meanwhile.
///
/// # Rights
/// DmaSpace. Frame: dma, and those of the permissions.
/// # Returns
/// x0: the bus address of the Frame's first byte: the one that was asked for, or of an unprotected space the physical one.
/// # Errors
/// `InvalidState` (the space was not bound), `AlreadyMapped`, `Busy` (it is being taken away), `Overlap`, `NoPool`, `Misaligned` (bus
/// address), `InvalidArgument` (device memory; a bus address below 64 KiB or beyond 48 bits; permissions without read, or others than
/// read and write; pages not in the Frame), and those of the look-ups.
pub fn attach(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [_, address, perms, pages, ..] = args.words;
    let (space, slot) = decode(k, caller, args)?;
    let cap = k.mem[slot].cap;
    let perms = permissions(&cap, perms)?;
    if !address.is_multiple_of(PAGE) {
        return Err(SyscallError::new(ErrorCode::Misaligned, 2));
    }
    if pages == 0 || pages > cap.pages.into() {
        return Err(bad(4));
    }
    match k.mem[space].reach {
        Reach::Nothing => return Err(ErrorCode::InvalidState.into()),
        Reach::Everything if cap.space.is_some() => return Err(SyscallError::new(ErrorCode::AlreadyMapped, 1)),
        Reach::Everything => {
            k.begin_mapping(slot, space, Piece { address: cap.object, base: cap.object, pages: 0 }, 0);
            return Ok(k.answer_one(caller, cap.object));
        }
        Reach::Bound(_) | Reach::Stream(_) => {}
    }
    if !(LOWEST..USER_END).contains(&address) || USER_END - address < pages << PAGE_BITS {
        return Err(bad(2));
    }
    let piece = Piece { address, base: cap.object, pages };
    // The device does not execute, and sees what it shares with the cores as they do.
    let attributes = pte::attributes(perms, cap.memory_type());
    Ok(match k.map_frame(slot, space, piece, 0, attributes)? {
        Next::Done => {
            k.open_stream(space);
            k.answer_one(caller, address)
        }
        next => next,
    })
}

/// Takes a Frame away again. When this returns, what the device did with it is complete. What others were taking away meanwhile
/// may have left the drain at its end: see DmaClear.
///
/// # Rights
/// DmaSpace. Frame: dma.
/// # Returns
/// Nothing.
/// # Errors
/// `NotMapped` (not attached, or to another space), `InvalidArgument` (device memory), and those of the look-ups.
pub fn detach(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (space, slot) = decode(k, caller, args)?;
    if k.mem[slot].cap.space != Some(space) {
        return Err(SyscallError::new(ErrorCode::NotMapped, 1));
    }
    Ok(match k.unmap_slot(slot) {
        Ok(()) => Next::Done,
        Err(Preempted) => Next::Restart,
    })
}

/// Ends what is left at some bus addresses of Frames that were taken away by others than the driver: the device reached the
/// space's drain there. What is attached stays.
///
/// # Rights
/// DmaSpace.
/// # Returns
/// x0: pages that were done, from the first on; those behind are left for another call.
/// # Errors
/// `Misaligned` (bus address), `InvalidArgument` (beyond 48 bits; no pages), and those of the look-ups.
pub fn clear(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [address, pages, ..] = args.words;
    let (space, _) = k.get::<DmaSpace>(caller, args.target(), Rights::INVOKE, 0)?;
    if !address.is_multiple_of(PAGE) {
        return Err(SyscallError::new(ErrorCode::Misaligned, 1));
    }
    if address >= USER_END {
        return Err(bad(1));
    }
    if pages == 0 || pages > (USER_END - address) >> PAGE_BITS {
        return Err(bad(2));
    }
    let (space, mut done) = (space.tables(), 0);
    for _ in 0..STEP.min(pages) {
        if done < pages {
            done += k.clear_drained(space, address + (done << PAGE_BITS), k.drain(space));
        }
    }
    let drain = k.drain(space);
    k.mem.zero(drain, PAGE);
    Ok(k.answer_one(caller, done.min(pages)))
}

/// A stream of an IOMMU is this space's, until that is destroyed: it goes through its tables when the first Frame is attached, and
/// aborts before. Without an IOMMU (registers 0) the space is unprotected from now on.
///
/// # Rights
/// IommuControl. DmaSpace: invoke.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidState` (the space was bound), `InvalidArgument` (no IOMMU with these registers translates; no
/// such stream), `Busy` (the stream has a space), `OutOfMemory` (the IOMMU's tables of streams are full), and those of the look-ups.
pub fn bind(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [space, base, stream, ..] = args.words;
    k.get_cap(caller, args.target(), Kind::IommuControl, Rights::INVOKE, 0)?;
    let (space, _) = k.get::<DmaSpace>(caller, space, Rights::INVOKE, 1)?;
    let tables = space.tables();
    if k.mem[tables].reach != Reach::Nothing {
        return Err(SyscallError::new(ErrorCode::InvalidState, 1));
    }
    if base == 0 {
        k.mem[tables].reach = Reach::Everything;
        return Ok(Next::Done);
    }
    let (root, context) = (k.mem[tables].root, Phys(k.mem.address(space).0 + CONTEXT));
    let Kernel { mem, smmus, .. } = k;
    let mut known = smmus.iter_mut().enumerate();
    let found =
        known.find_map(|(index, smmu)| smmu.as_mut().filter(|smmu| smmu.base == base).map(|smmu| (index, smmu)));
    let (index, smmu) = found.filter(|(_, smmu)| smmu.translates()).ok_or(bad(2))?;
    let id = u16::try_from(stream).map_err(|_| bad(3))?;
    smmu.bind(mem, id.into(), root, context).map_err(|why| match why {
        Unbound::NoStream => bad(3),
        Unbound::Taken => SyscallError::new(ErrorCode::Busy, 3),
        Unbound::Full => SyscallError::new(ErrorCode::OutOfMemory, 3),
    })?;
    k.mem[tables].reach = Reach::Bound(Stream { smmu: index as u8, id });
    Ok(Next::Done)
}

/// What a device tried that it may not, the oldest that was not told yet. Its stream aborts from now on, until another space is
/// bound to it.
///
/// # Rights
/// IommuControl.
/// # Returns
/// x0 = 1 if there is one (else 0), x1 = registers of the IOMMU, x2 = stream, x3 = bus address, x4 = 1 if it wanted to write,
/// x5 = the event (ARM IHI 0070, 7.3).
/// # Errors
/// Those of the look-ups.
pub fn fault(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    k.get_cap(caller, args.target(), Kind::IommuControl, Rights::INVOKE, 0)?;
    let Kernel { mem, smmus, .. } = k;
    let refused = smmus.iter_mut().flatten().find_map(|smmu| Some((smmu.base, smmu.refused(mem)?)));
    let results = refused
        .map_or([0; 8], |(base, it)| [1, base, it.stream.into(), it.address, it.write.into(), it.event.into(), 0, 0]);
    Ok(k.answer_with(caller, results))
}

/// What there is of an IOMMU.
///
/// # Rights
/// IommuControl.
/// # Returns
/// x0 = address of its registers, x1 = the line of its events (0: none), x2 = 1 if that fires on an
/// edge, x3 = 1 if it translates, 0 if it aborts everything.
/// # Errors
/// `InvalidArgument`: no IOMMU with this index.
pub fn info(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    k.get_cap(caller, args.target(), Kind::IommuControl, Rights::INVOKE, 0)?;
    let index = usize::try_from(args.words[0]).unwrap_or(smmu::MOST);
    let smmu = k.smmus.get(index).and_then(Option::as_ref).ok_or(bad(1))?;
    let results = [smmu.base, smmu.line.into(), smmu.edge.into(), smmu.translates().into(), 0, 0, 0, 0];
    Ok(k.answer_with(caller, results))
}

impl Kernel {
    /// The page that the device reaches where a Frame was that its owner took away.
    fn drain(&self, space: Ref<AddressSpace>) -> Phys {
        Phys(self.mem[space].root.0 + PAGE)
    }

    /// An attached Frame goes that the driver did not detach: what the device has begun goes on, and into the drain. A device that
    /// met nothing there would have to be stopped, and with it everybody else's requests.
    pub(crate) fn drain_slot(&mut self, slot: Ref<Slot>, space: Ref<AddressSpace>) -> Result<(), Preempted> {
        let (cap, drain) = (&self.mem[slot].cap, self.drain(space));
        let (address, mut left) = (cap.word, cap.mapped());
        while left > 0 {
            left -= self.drain_run(space, address, left, drain);
            if left > 0 {
                self.mem[slot].cap.set_mapped(left, Work::Unmap, 0);
                self.preemption_point()?;
            }
        }
        self.forget_mapping(slot, space);
        Ok(())
    }

    /// A stream that aborts because nothing was attached and no message is listened to goes through the tables from now on.
    pub(super) fn open_stream(&mut self, space: Ref<AddressSpace>) {
        let Self { mem, smmus, .. } = self;
        if let Reach::Bound(stream) = mem[space].reach
            && let Some(smmu) = smmus.get_mut(usize::from(stream.smmu)).and_then(Option::as_mut)
        {
            mem[space].reach = Reach::Stream(stream);
            smmu.open_stream(mem, stream.id.into());
        }
    }

    /// Its stream, if it has one, aborts. What the device did before is complete.
    pub(super) fn unbind_stream(&mut self, space: Ref<AddressSpace>) {
        let Self { mem, smmus, .. } = self;
        if let Some(stream) = core::mem::replace(&mut mem[space].reach, Reach::Nothing).stream()
            && let Some(smmu) = smmus.get_mut(usize::from(stream.smmu)).and_then(Option::as_mut)
        {
            smmu.unbind(mem, stream.id.into());
        }
    }

    /// The IOMMU forgets what it knows of some entries of a space's tables, if a stream goes through them.
    #[cold]
    pub(super) fn invalidate_stream(&mut self, space: Ref<AddressSpace>, start: u64, entries: u64, bits: u32) {
        let Self { mem, smmus, .. } = self;
        if let Some(stream) = mem[space].reach.stream()
            && let Some(smmu) = smmus.get_mut(usize::from(stream.smmu)).and_then(Option::as_mut)
        {
            smmu.invalidate(mem, stream.id.into(), start, entries, bits);
        }
    }
}

/// Messages of the device.
impl Kernel {
    /// A page of the pool, which is zero.
    ///
    /// # Errors
    /// `NoPool`.
    pub(super) fn take_pool_page(&mut self, space: Ref<DmaSpace>) -> Res<Phys> {
        let space = space.tables();
        if self.mem[space].free_pages == 0 {
            Err(ErrorCode::NoPool.into())
        } else {
            Ok(take_page(&mut self.mem, space))
        }
    }

    /// A page goes back to the pool, whatever is in it.
    pub(super) fn give_pool_page(&mut self, space: Ref<DmaSpace>, page: Phys) {
        self.mem.zero(page, PAGE);
        give_page(&mut self.mem, space.tables(), page);
    }

    /// The device finds a page of registers at [`DOORBELL`] from now on, if it goes through the tables.
    ///
    /// # Errors
    /// `NoPool`: nothing was changed.
    pub(super) fn attach_doorbell(&mut self, space: Ref<DmaSpace>, doorbell: u64) -> Res<()> {
        let space = space.tables();
        if self.mem[space].reach.stream().is_some() {
            let piece = Piece { address: DOORBELL, base: doorbell & !(PAGE - 1), pages: 1 };
            let attributes = pte::attributes(Perms::READ | Perms::WRITE, MemoryType::DeviceNgnre as u8);
            self.map_run(space, piece, attributes, 1)?;
        }
        Ok(())
    }

    /// The device does not find it there any more.
    pub(super) fn detach_doorbell(&mut self, space: Ref<DmaSpace>) {
        if self.finds_doorbell(space) {
            self.clear_run(space.tables(), DOORBELL, 1);
        }
    }

    fn finds_doorbell(&self, space: Ref<DmaSpace>) -> bool {
        self.way(space.tables(), DOORBELL).value != 0
    }

    /// The address of a doorbell as the device has it.
    pub(super) fn doorbell_of(&self, space: Ref<DmaSpace>, doorbell: u64) -> u64 {
        if self.finds_doorbell(space) { DOORBELL | doorbell & (PAGE - 1) } else { doorbell }
    }
}
