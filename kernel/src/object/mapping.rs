//! Mapping Frames into an address space. Large ranges stop at preemption points; how far a call has come stands in the
//! Frame's capability, and the call that is made again goes on there.

use abi::{
    ErrorCode, Kind, Perms, Rights, SyscallError,
    layout::{PAGE, PAGE_BITS, USER_END},
};

use super::tables::{Piece, RUN};
use super::{AddressSpace, Thread, frame};
use crate::arch::pte;
use crate::cap::{Cap, Slot};
use crate::kernel::{Kernel, Next, Preempted, Res};
use crate::mm::{Phys, Ref};
use crate::syscall::Args;

/// Pages cleaned for instruction fetch between two preemption points.
const CLEAN: u64 = 4;

/// What is being done with a mapping and was not finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Nothing.
    None,
    /// It is made; counted are the pages that are clean for instruction fetch.
    Map,
    /// It met something and is taken away again, to be refused with this.
    Undo(ErrorCode),
    /// It is to become executable; counted are the pages that are clean for instruction fetch.
    Clean(Perms),
    /// Its permissions change; counted are the pages that have the new ones.
    Protect(Perms),
    /// It is taken away, from its end on.
    Unmap,
}

impl Cap {
    /// Frame: pages that are mapped.
    pub(crate) const fn mapped(&self) -> u64 {
        self.extra & 0xffff_ffff
    }

    /// Frame: the number of its memory type.
    pub(crate) const fn memory_type(&self) -> u8 {
        self.memory & 3
    }

    /// Frame: what is being done with its mapping, and how many pages are done.
    pub(crate) fn work(&self) -> (Work, u64) {
        let perms = unpack(self.memory >> 5);
        let work = match self.memory >> 2 & 7 {
            0 => Work::None,
            1 => Work::Map,
            2 => Work::Undo(ErrorCode::Overlap),
            3 => Work::Undo(ErrorCode::NoPool),
            4 => Work::Clean(perms),
            5 => Work::Protect(perms),
            _ => Work::Unmap,
        };
        (work, self.extra >> 32)
    }

    /// Frame: so many pages are mapped, and of this work so many are done.
    pub(crate) fn set_mapped(&mut self, pages: u64, work: Work, done: u64) {
        let work = match work {
            Work::None => 0,
            Work::Map => 1,
            Work::Undo(ErrorCode::Overlap) => 2,
            Work::Undo(_) => 3,
            Work::Clean(perms) => 4 | pack(perms) << 3,
            Work::Protect(perms) => 5 | pack(perms) << 3,
            Work::Unmap => 6,
        };
        self.extra = pages | done << 32;
        self.memory = self.memory_type() | work << 2;
    }
}

/// Permissions in three bits: what is guarded stands as writable and executable, which nothing is.
fn pack(perms: Perms) -> u8 {
    if perms.contains(Perms::GUARDED) { 7 } else { perms.bits() & 7 }
}

fn unpack(bits: u8) -> Perms {
    if bits == 7 { Perms::READ | Perms::EXECUTE | Perms::GUARDED } else { Perms::from_bits_truncate(bits) }
}

fn bad(argument: u8) -> SyscallError {
    SyscallError::new(ErrorCode::InvalidArgument, argument)
}

/// Maps a Frame, or pages of it, in the largest blocks that fit.
///
/// # Rights
/// AddressSpace: map. Frame: those of the permissions.
/// # Returns
/// Nothing.
/// # Errors
/// `AlreadyMapped`, `Busy` (it is being taken away), `Overlap`, `NoPool`, `WriteExecute`, `Misaligned` (address), `InvalidArgument`
/// (address not in the lower half; pages not in the Frame; permissions without read, or guarded and not executable; device memory
/// executable), and those of the look-ups.
pub fn map(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let [frame, address, first, pages, perms, ..] = args.words;
    let (space, _) = k.get::<AddressSpace>(caller, args.target(), Rights::MAP, 0)?;
    let slot = k.get_slot(caller, frame, Kind::Frame, Rights::empty(), 1)?;
    let cap = &k.mem[slot].cap;
    let perms = frame::check_perms(cap, perms, 5)?;
    if !address.is_multiple_of(PAGE) {
        return Err(SyscallError::new(ErrorCode::Misaligned, 2));
    }
    let whole = u64::from(cap.pages);
    if first >= whole {
        return Err(bad(3));
    }
    if pages == 0 || pages > whole - first {
        return Err(bad(4));
    }
    if address >= USER_END || USER_END - address < pages << PAGE_BITS {
        return Err(bad(2));
    }
    let piece = Piece { address, base: cap.object + (first << PAGE_BITS), pages };
    let attributes = pte::attributes(k.machine.usable(perms), cap.memory_type());
    k.map_frame(slot, space, piece, first, attributes)
}

impl Kernel {
    /// Maps a piece of a Frame, from its page `first` on, or goes on with that.
    #[inline(always)]
    pub(super) fn map_frame(
        &mut self,
        slot: Ref<Slot>,
        space: Ref<AddressSpace>,
        piece: Piece,
        first: u64,
        attributes: u64,
    ) -> Res<Next> {
        let (cap, pages) = (&self.mem[slot].cap, piece.pages);
        if cap.space.is_none() && !pte::is_executable(attributes) {
            // The usual case; if one table has all its entries, there is nothing to be remembered.
            let done = if pages <= RUN {
                self.map_entries::<3>(space, piece, attributes, RUN)?
            } else {
                self.map_run(space, piece, attributes, RUN)?
            };
            self.begin_mapping(slot, space, piece, first);
            if done == pages {
                return Ok(Next::Done);
            }
            self.mem[slot].cap.set_mapped(done, Work::Map, 0);
        } else if cap.space.is_none() {
            self.begin_mapping(slot, space, piece, first);
            self.mem[slot].cap.set_mapped(0, Work::Map, 0);
        } else {
            // What is in the tables already is in the piece, or it would be forgotten there.
            let within = cap.mapped() <= pages;
            let same =
                cap.space == Some(space) && cap.word == piece.address && u64::from(cap.holder) == first && within;
            let work = cap.work().0;
            if !same || !matches!(work, Work::Map | Work::Undo(_)) {
                // Who asks whether it is still there must not be told so of one whose end is gone.
                let code = if work == Work::Unmap { ErrorCode::Busy } else { ErrorCode::AlreadyMapped };
                return Err(SyscallError::new(code, 1));
            }
        }
        self.go_on_mapping(slot, space, piece, attributes)
    }

    /// A Frame capability has this mapping from now on.
    #[inline(always)]
    pub(super) fn begin_mapping(&mut self, slot: Ref<Slot>, space: Ref<AddressSpace>, piece: Piece, first: u64) {
        let cap = &mut self.mem[slot].cap;
        (cap.word, cap.extra, cap.holder) = (piece.address, piece.pages, first as u32);
        self.link_mapping(slot, space);
    }

    /// Maps what of a piece is not mapped yet.
    fn go_on_mapping(&mut self, slot: Ref<Slot>, space: Ref<AddressSpace>, piece: Piece, attributes: u64) -> Res<Next> {
        let cap = &self.mem[slot].cap;
        let (work, mut clean) = cap.work();
        let mut done = cap.mapped().min(piece.pages);
        if let Work::Undo(code) = work {
            return self.undo_mapping(slot, code);
        }
        let executable = pte::is_executable(attributes);
        while done < piece.pages {
            let rest = piece.behind(done);
            let most = match (executable, rest.level()) {
                (false, _) => RUN,
                (true, 3) => CLEAN,
                (true, _) => 1,
            };
            let end = if executable { done + rest.pages.min(most << (9 * (3 - rest.level()))) } else { 0 };
            while clean < end {
                let pages = CLEAN.min(end - clean);
                self.mem.sync_instructions(Phys(piece.base + (clean << PAGE_BITS)), pages);
                clean += pages;
                if clean < end && self.preemption_point().is_err() {
                    self.mem[slot].cap.set_mapped(done, Work::Map, clean);
                    return Ok(Next::Restart);
                }
            }
            match self.map_run(space, rest, attributes, most) {
                Ok(pages) => done += pages,
                Err(code) => {
                    self.mem[slot].cap.set_mapped(done, Work::Undo(code), 0);
                    return self.undo_mapping(slot, code);
                }
            }
            if done < piece.pages && self.preemption_point().is_err() {
                self.mem[slot].cap.set_mapped(done, Work::Map, clean);
                return Ok(Next::Restart);
            }
        }
        self.mem[slot].cap.set_mapped(done, Work::None, 0);
        Ok(Next::Done)
    }

    /// Takes away what a call mapped that is refused with `code`.
    fn undo_mapping(&mut self, slot: Ref<Slot>, code: ErrorCode) -> Res<Next> {
        match self.unmap_slot(slot) {
            Ok(()) => Err(code.into()),
            Err(Preempted) => Ok(Next::Restart),
        }
    }

    /// Removes the mapping of a Frame capability, if it has one, from its end on, piece by piece.
    #[inline(always)]
    pub(crate) fn unmap_slot(&mut self, slot: Ref<Slot>) -> Result<(), Preempted> {
        let cap = &self.mem[slot].cap;
        let Some(space) = cap.space else { return Ok(()) };
        if cap.mapped() == 1 && self.clear_page(space, cap.word) {
            self.forget_mapping(slot, space);
            return Ok(());
        }
        self.unmap_pieces(slot, space)
    }

    #[inline(never)]
    fn unmap_pieces(&mut self, slot: Ref<Slot>, space: Ref<AddressSpace>) -> Result<(), Preempted> {
        let cap = &self.mem[slot].cap;
        let (address, mut left) = (cap.word, cap.mapped());
        while left > 0 {
            left -= self.clear_run(space, address, left);
            if left > 0 {
                let cap = &mut self.mem[slot].cap;
                let work = match cap.work().0 {
                    undo @ Work::Undo(_) => undo,
                    _ => Work::Unmap,
                };
                cap.set_mapped(left, work, 0);
                self.preemption_point()?;
            }
        }
        self.forget_mapping(slot, space);
        Ok(())
    }
}

/// The slot of a Frame that is mapped in the address space.
#[inline(always)]
fn mapped_frame(k: &Kernel, caller: Ref<Thread>, args: &Args) -> Res<(Ref<AddressSpace>, Ref<Slot>)> {
    let (space, _) = k.get::<AddressSpace>(caller, args.target(), Rights::MAP, 0)?;
    let slot = k.get_slot(caller, args.words[0], Kind::Frame, Rights::empty(), 1)?;
    Ok((space, slot))
}

#[inline(always)]
fn check_mapped(k: &Kernel, space: Ref<AddressSpace>, slot: Ref<Slot>) -> Res<()> {
    if k.mem[slot].cap.space == Some(space) { Ok(()) } else { Err(SyscallError::new(ErrorCode::NotMapped, 1)) }
}

/// Removes the mapping of a Frame capability.
///
/// # Rights
/// AddressSpace: map.
/// # Returns
/// Nothing.
/// # Errors
/// `NotMapped` (not at all, or in another address space), and those of the look-ups.
pub fn unmap(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (space, slot) = mapped_frame(k, caller, args)?;
    check_mapped(k, space, slot)?;
    Ok(match k.unmap_slot(slot) {
        Ok(()) => Next::Done,
        Err(Preempted) => Next::Restart,
    })
}

/// Changes the permissions of a mapping.
///
/// # Rights
/// AddressSpace: map. Frame: those of the permissions.
/// # Returns
/// Nothing.
/// # Errors
/// `NotMapped`, `WriteExecute`, `InvalidArgument` (permissions), `Busy` (a call that maps it, or takes it away, was not finished),
/// and those of the look-ups.
pub fn protect(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (space, slot) = mapped_frame(k, caller, args)?;
    let perms = frame::check_perms(&k.mem[slot].cap, args.words[1], 2)?;
    check_mapped(k, space, slot)?;
    let cap = k.mem[slot].cap;
    let (mut work, mut done) = cap.work();
    if matches!(work, Work::Map | Work::Undo(_) | Work::Unmap) {
        return Err(SyscallError::new(ErrorCode::Busy, 1));
    }
    let attributes = pte::attributes(k.machine.usable(perms), cap.memory_type());
    // Who asks for what is so already asks whether the mapping is still there: that costs the same for every Frame.
    if work == Work::None && !perms.contains(Perms::EXECUTE) && k.has_attributes(space, cap.word, attributes) {
        return Ok(Next::Done);
    }
    if work != Work::Clean(perms) && work != Work::Protect(perms) {
        done = 0;
        work = if perms.contains(Perms::EXECUTE) { Work::Clean(perms) } else { Work::Protect(perms) };
    }
    let pages = cap.mapped();
    let base = cap.object + (u64::from(cap.holder) << PAGE_BITS);
    loop {
        if let Work::Clean(_) = work {
            let step = CLEAN.min(pages - done);
            k.mem.sync_instructions(Phys(base + (done << PAGE_BITS)), step);
            done += step;
            if done == pages {
                (work, done) = (Work::Protect(perms), 0);
            }
        } else {
            done += k.change_run(space, cap.word + (done << PAGE_BITS), pages - done, attributes);
            if done == pages {
                break;
            }
        }
        if k.preemption_point().is_err() {
            k.mem[slot].cap.set_mapped(pages, work, done);
            return Ok(Next::Restart);
        }
    }
    k.mem[slot].cap.set_mapped(pages, Work::None, 0);
    Ok(Next::Done)
}
