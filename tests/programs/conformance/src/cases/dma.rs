//! DmaSpace and IommuControl.

use abi::{ErrorCode, Kind, Op, Rights, layout::PAGE, layout::USER_END};
use agent::{Check, World, equal};

use super::common::*;
use super::space::device_frame;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals("DM-ATTACH-001", "attaching needs a DmaSpace", &[(Op::DmaAttach, LOOK_UP_RIGHT)], attach_look_up),
    refusals(
        "DM-ATTACH-002",
        "what is attached is a Frame with the right to DMA",
        &[(Op::DmaAttach, LOOK_UP_RIGHT)],
        attach_argument,
    ),
    refusals("DM-ATTACH-003", "device memory is not attached", &[(Op::DmaAttach, &[InvalidArgument])], attach_device),
    case("DM-ATTACH-004", "the bus address in an unprotected space is where the Frame lies", attach),
    refusals(
        "DM-ATTACH-005",
        "a space that was not bound is of no use",
        &[(Op::DmaAttach, &[InvalidState])],
        attach_unbound,
    ),
    refusals(
        "DM-ATTACH-006",
        "a capability is mapped or attached, and once",
        &[(Op::DmaAttach, &[AlreadyMapped])],
        attach_twice,
    ),
    refusals(
        "DM-ATTACH-007",
        "permissions are those of the Frame, pages lie in it, addresses at pages",
        &[(Op::DmaAttach, &[InvalidArgument, MissingRight, Misaligned])],
        attach_bad,
    ),
    refusals(
        "DM-ATTACH-008",
        "behind an IOMMU a device finds a Frame where it was attached, and nothing lies there twice",
        &[(Op::DmaAttach, &[Overlap, NoPool, InvalidArgument])],
        attach_to_stream,
    )
    .with_iommu(),
    refusals("DM-DETACH-001", "detaching needs a DmaSpace", &[(Op::DmaDetach, LOOK_UP_RIGHT)], detach_look_up),
    refusals(
        "DM-DETACH-002",
        "what is detached is a Frame with the right to DMA",
        &[(Op::DmaDetach, LOOK_UP_RIGHT)],
        detach_argument,
    ),
    refusals("DM-DETACH-003", "device memory is not detached", &[(Op::DmaDetach, &[InvalidArgument])], detach_device),
    refusals("DM-DETACH-004", "what is not attached is not detached", &[(Op::DmaDetach, &[NotMapped])], detach_nothing),
    case("DM-DETACH-005", "a Frame that was revoked is not attached any more", |w| {
        let dma = unprotected(w)?;
        revoked(w, dma)
    }),
    case("DM-DETACH-006", "nor behind an IOMMU", |w| {
        let dma = bound(w, 6)?;
        revoked(w, dma)
    })
    .with_iommu(),
    refusals("DM-CLEAR-001", "clearing needs a DmaSpace", &[(Op::DmaClear, LOOK_UP_RIGHT)], |w| {
        let dma = unprotected(w)?;
        look_up(w, Op::DmaClear, &[PLACE, 1], Some((dma, NOTHING)))
    }),
    refusals(
        "DM-CLEAR-002",
        "addresses stand at pages below 48 bits",
        &[(Op::DmaClear, &[Misaligned, InvalidArgument])],
        clear_bad,
    ),
    refusals(
        "DM-CLEAR-003",
        "where a Frame was taken away nothing fits before that is cleared",
        &[(Op::DmaAttach, &[Overlap])],
        cleared,
    )
    .with_iommu(),
    refusals("DM-BIND-001", "binding needs IommuControl", &[(Op::DmaBind, LOOK_UP_RIGHT)], bind_look_up),
    refusals("DM-BIND-002", "what is bound is a DmaSpace", &[(Op::DmaBind, LOOK_UP_RIGHT)], bind_argument),
    refusals("DM-BIND-003", "a space is bound once", &[(Op::DmaBind, &[InvalidState])], bind_twice),
    refusals("DM-BIND-004", "a stream has one space", &[(Op::DmaBind, &[Busy, InvalidArgument])], bind_stream)
        .with_iommu(),
    refusals("DM-FAULT-001", "asking what devices tried needs IommuControl", &[(Op::DmaFault, LOOK_UP_RIGHT)], fault),
    refusals(
        "DM-INFO-001",
        "asking what IOMMUs there are needs IommuControl",
        &[(Op::IommuInfo, LOOK_UP_RIGHT), (Op::IommuInfo, &[InvalidArgument])],
        info,
    ),
];

const OWN: u32 = abi::SLOT_TABLE;
const NOTHING: Rights = Rights::empty();
/// A bus address.
const PLACE: u64 = 0x2000_0000;
/// A stream that no device has.
const STREAM: u64 = 0x1237;
const READ_WRITE: u64 = 3;

fn unprotected(w: &mut World) -> Check<u32> {
    let space = w.make(Kind::DmaSpace, 3)?;
    w.ok(Op::DmaBind, w.authority.iommu, &[space.into(), 0])?;
    Ok(space)
}

/// The registers of the machine's IOMMU.
fn iommu(w: &mut World) -> Check<u64> {
    Ok(w.ok(Op::IommuInfo, w.authority.iommu, &[0])?[0])
}

/// A DmaSpace of so many pages behind the IOMMU.
fn bound(w: &mut World, pages: u64) -> Check<u32> {
    let (iommu, space) = (iommu(w)?, w.make(Kind::DmaSpace, pages)?);
    w.ok(Op::DmaBind, w.authority.iommu, &[space.into(), iommu, STREAM])?;
    Ok(space)
}

fn attach_look_up(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, w.make(Kind::Frame, 1)?);
    look_up(w, Op::DmaAttach, &[frame.into(), PLACE, READ_WRITE, 1], Some((dma, NOTHING)))
}

fn attach_argument(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, w.make(Kind::Frame, 1)?);
    let args = [frame.into(), PLACE, READ_WRITE, 1];
    argument(w, Op::DmaAttach, dma, &args, 0, Some((frame, Rights::READ | Rights::WRITE)))
}

fn attach_device(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, device_frame(w)?);
    w.refused(Op::DmaAttach, dma, &[frame.into(), PLACE, READ_WRITE, 1], InvalidArgument, 1)
}

fn attach(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, w.make(Kind::Frame, 2)?);
    let base = w.inspect(OWN, frame)?[2];
    equal(w.ok(Op::DmaAttach, dma, &[frame.into(), PLACE, READ_WRITE, 2])?[0], base, "the bus address")?;
    equal(w.inspect(OWN, dma)?[4..6].to_vec(), [1, 1].to_vec(), "unprotected, one Frame")?;
    w.ok(Op::DmaDetach, dma, &[frame.into()])?;
    equal(w.inspect(OWN, dma)?[5], 0, "Frames")
}

fn attach_unbound(w: &mut World) -> Check {
    let (dma, frame) = (w.make(Kind::DmaSpace, 3)?, w.make(Kind::Frame, 1)?);
    w.refused(Op::DmaAttach, dma, &[frame.into(), PLACE, READ_WRITE, 1], InvalidState, 0)
}

fn attach_twice(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, w.make(Kind::Frame, 1)?);
    let args = [frame.into(), PLACE, READ_WRITE, 1];
    w.ok(Op::DmaAttach, dma, &args)?;
    w.refused(Op::DmaAttach, dma, &args, AlreadyMapped, 1)?;
    let map = [frame.into(), 0x5000_0000, 0, 1, 3];
    w.refused(Op::Map, abi::SLOT_SPACE, &map, AlreadyMapped, 1)?;
    w.refused(Op::Unmap, abi::SLOT_SPACE, &[frame.into()], NotMapped, 1)
}

fn attach_bad(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, w.make(Kind::Frame, 2)?);
    for perms in [0, 2, 4, 5, 7, 9, 256, u64::MAX] {
        w.refused(Op::DmaAttach, dma, &[frame.into(), PLACE, perms, 2], InvalidArgument, 3)?;
    }
    for pages in [0, 3, 1 << 32, u64::MAX] {
        w.refused(Op::DmaAttach, dma, &[frame.into(), PLACE, READ_WRITE, pages], InvalidArgument, 4)?;
    }
    w.refused(Op::DmaAttach, dma, &[frame.into(), PLACE + 8, READ_WRITE, 2], Misaligned, 2)?;
    let less = w.copy(frame, Rights::READ | Rights::DMA, 0)?;
    w.refused(Op::DmaAttach, dma, &[less.into(), PLACE, READ_WRITE, 2], MissingRight, 3)?;
    w.ok(Op::DmaAttach, dma, &[less.into(), PLACE, 1, 1]).map(drop)
}

fn attach_to_stream(w: &mut World) -> Check {
    let (dma, frame) = (bound(w, 6)?, w.make(Kind::Frame, 3)?);
    let args = |slot: u32, address: u64| [slot.into(), address, READ_WRITE, 3];
    for address in [0, 0xf000, USER_END, USER_END - PAGE, !(PAGE - 1)] {
        w.refused(Op::DmaAttach, dma, &args(frame, address), InvalidArgument, 2)?;
    }
    equal(w.ok(Op::DmaAttach, dma, &args(frame, PLACE))?[0], PLACE, "the bus address")?;
    let other = w.copy(frame, ALL, 0)?;
    w.refused(Op::DmaAttach, dma, &args(other, PLACE + 2 * PAGE), Overlap, 0)?;
    // Its three tables are in use.
    w.refused(Op::DmaAttach, dma, &args(other, PLACE << 1), NoPool, 0)?;
    w.ok(Op::DmaAttach, dma, &args(other, PLACE + 3 * PAGE))?;
    w.ok(Op::DmaDetach, dma, &[other.into()])?;
    w.ok(Op::DmaDetach, dma, &[frame.into()])?;
    w.ok(Op::DmaAttach, dma, &args(other, PLACE << 1)).map(drop)
}

fn detach_look_up(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, w.make(Kind::Frame, 1)?);
    look_up(w, Op::DmaDetach, &[frame.into()], Some((dma, NOTHING)))
}

fn detach_argument(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, w.make(Kind::Frame, 1)?);
    argument(w, Op::DmaDetach, dma, &[frame.into()], 0, Some((frame, Rights::READ)))
}

fn detach_device(w: &mut World) -> Check {
    let (dma, frame) = (unprotected(w)?, device_frame(w)?);
    w.refused(Op::DmaDetach, dma, &[frame.into()], InvalidArgument, 1)
}

fn detach_nothing(w: &mut World) -> Check {
    let (dma, other, frame) = (unprotected(w)?, unprotected(w)?, w.make(Kind::Frame, 1)?);
    w.refused(Op::DmaDetach, dma, &[frame.into()], NotMapped, 1)?;
    w.ok(Op::DmaAttach, other, &[frame.into(), PLACE, READ_WRITE, 1])?;
    w.refused(Op::DmaDetach, dma, &[frame.into()], NotMapped, 1)
}

fn revoked(w: &mut World, dma: u32) -> Check {
    let frame = w.make(Kind::Frame, 3)?;
    for _ in 0..3 {
        let copy = w.copy(frame, ALL, 0)?;
        w.ok(Op::DmaAttach, dma, &[copy.into(), PLACE, READ_WRITE, 3])?;
        w.ok(Op::Revoke, OWN, &[frame.into()])?;
        equal(w.inspect(OWN, dma)?[5], 0, "Frames")?;
        w.ok(Op::DmaClear, dma, &[PLACE, 3])?;
    }
    Ok(())
}

fn clear_bad(w: &mut World) -> Check {
    let dma = unprotected(w)?;
    w.refused(Op::DmaClear, dma, &[PLACE + 8, 1], Misaligned, 1)?;
    w.refused(Op::DmaClear, dma, &[USER_END, 1], InvalidArgument, 1)?;
    for pages in [0, USER_END / PAGE, u64::MAX] {
        w.refused(Op::DmaClear, dma, &[PLACE, pages], InvalidArgument, 2)?;
    }
    Ok(())
}

fn cleared(w: &mut World) -> Check {
    let (dma, frame) = (bound(w, 6)?, w.make(Kind::Frame, 3)?);
    let copy = w.copy(frame, ALL, 0)?;
    w.ok(Op::DmaAttach, dma, &[copy.into(), PLACE, READ_WRITE, 3])?;
    w.ok(Op::Revoke, OWN, &[frame.into()])?;
    let again = [frame.into(), PLACE, READ_WRITE, 3];
    w.refused(Op::DmaAttach, dma, &again, Overlap, 0)?;
    equal(w.ok(Op::DmaClear, dma, &[PLACE, 3])?[0], 3, "pages")?;
    w.ok(Op::DmaAttach, dma, &again)?;
    // What is attached stays.
    w.ok(Op::DmaClear, dma, &[PLACE, 3])?;
    w.ok(Op::DmaDetach, dma, &[frame.into()]).map(drop)
}

fn bind_look_up(w: &mut World) -> Check {
    let (control, space) = (w.authority.iommu, w.make(Kind::DmaSpace, 3)?);
    look_up(w, Op::DmaBind, &[space.into(), 0], Some((control, NOTHING)))
}

fn bind_argument(w: &mut World) -> Check {
    let (control, space) = (w.authority.iommu, w.make(Kind::DmaSpace, 3)?);
    argument(w, Op::DmaBind, control, &[space.into(), 0], 0, Some((space, NOTHING)))
}

fn bind_twice(w: &mut World) -> Check {
    let (control, space) = (w.authority.iommu, unprotected(w)?);
    w.refused(Op::DmaBind, control, &[space.into(), 0], InvalidState, 1)
}

fn bind_stream(w: &mut World) -> Check {
    let (control, other) = (w.authority.iommu, w.make(Kind::DmaSpace, 3)?);
    w.refused(Op::DmaBind, control, &[other.into(), 0x1234, STREAM], InvalidArgument, 2)?;
    let iommu = iommu(w)?;
    let args = |space: u32, stream: u64| [space.into(), iommu, stream];
    w.refused(Op::DmaBind, control, &args(other, 1 << 16), InvalidArgument, 3)?;
    let space = w.make(Kind::DmaSpace, 3)?;
    w.ok(Op::DmaBind, control, &args(space, STREAM))?;
    w.refused(Op::DmaBind, control, &args(other, STREAM), Busy, 3)?;
    // Its end frees the stream.
    w.ok(Op::Delete, OWN, &[space.into()])?;
    w.ok(Op::DmaBind, control, &args(other, STREAM))?;
    equal(w.inspect(OWN, other)?[4], STREAM + 2, "the stream")
}

fn fault(w: &mut World) -> Check {
    let control = w.authority.iommu;
    look_up(w, Op::DmaFault, &[], Some((control, NOTHING)))?;
    equal(w.ok(Op::DmaFault, control, &[])?[0], 0, "faults")
}

fn info(w: &mut World) -> Check {
    let control = w.authority.iommu;
    look_up(w, Op::IommuInfo, &[0], Some((control, NOTHING)))?;
    for index in [4, 255, 256, u64::MAX] {
        w.refused(Op::IommuInfo, control, &[index], InvalidArgument, 1)?;
    }
    Ok(())
}
