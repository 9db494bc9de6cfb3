//! AddressSpace and Frame: map, unmap, protect, pool; what a mapping lets through.

use abi::{ErrorCode, FaultKind, Kind, Op, Perms, Rights, layout::MemoryType, layout::PAGE, layout::USER_END};
use agent::{Agent, Check, Ended, World, code, equal, holds};
use alloc::format;

use super::common::*;
use crate::case::{Case, case, refusals};
use ErrorCode::*;

pub const CASES: &[Case] = &[
    refusals("AS-MAP-001", "mapping needs an address space and the right to", &[(Op::Map, LOOK_UP_RIGHT)], map_look_up),
    refusals(
        "AS-MAP-002",
        "what is mapped is a Frame with the rights of the permissions",
        &[(Op::Map, LOOK_UP_RIGHT)],
        map_frame,
    ),
    refusals("AS-MAP-003", "a capability has one mapping", &[(Op::Map, &[AlreadyMapped])], map_twice),
    refusals("AS-MAP-004", "nothing is mapped over something", &[(Op::Map, &[Overlap])], map_over),
    refusals("AS-MAP-005", "tables come out of the pool, and no further", &[(Op::Map, &[NoPool])], map_no_pool),
    refusals("AS-MAP-006", "nothing is writable and executable", &[(Op::Map, &[WriteExecute])], map_write_execute),
    refusals("AS-MAP-007", "an address is that of a page", &[(Op::Map, &[Misaligned])], map_misaligned),
    refusals(
        "AS-MAP-008",
        "addresses, pages and permissions out of range are refused",
        &[(Op::Map, &[InvalidArgument])],
        map_bad,
    ),
    refusals("AS-MAP-009", "device memory is not executable", &[(Op::Map, &[InvalidArgument])], map_device),
    case("AS-MAP-010", "a refused map maps nothing", map_refused),
    case("AS-MAP-011", "a part of a Frame is mapped, another part through a copy", map_parts),
    case("AS-MAP-012", "2 MiB that fit are one block: no table is needed for them", map_block),
    case("AS-MAP-013", "two mappings of a Frame show the same memory", map_alias),
    case("AS-MAP-014", "the last page of the lower half can be mapped", map_last),
    refusals(
        "AS-UNMAP-001",
        "unmapping needs an address space and the right to",
        &[(Op::Unmap, LOOK_UP_RIGHT)],
        unmap_look_up,
    ),
    refusals("AS-UNMAP-002", "what is unmapped is a Frame", &[(Op::Unmap, LOOK_UP)], unmap_argument),
    refusals("AS-UNMAP-003", "what is not mapped here is not unmapped", &[(Op::Unmap, &[NotMapped])], unmap_nothing),
    case("AS-UNMAP-004", "an unmapped page is gone for a thread that runs in it", unmap_at_once),
    case("AS-UNMAP-005", "a deleted Frame capability takes its mapping along", delete_unmaps),
    case("AS-UNMAP-006", "a revoked Frame takes the mappings of its copies along", revoke_unmaps),
    case("AS-UNMAP-007", "a part of a block can be neither seen nor lost: the whole mapping goes", unmap_block),
    refusals(
        "AS-PROTECT-001",
        "protecting needs an address space and the right to",
        &[(Op::Protect, LOOK_UP_RIGHT)],
        protect_look_up,
    ),
    refusals(
        "AS-PROTECT-002",
        "what is protected is a Frame with the rights of the permissions",
        &[(Op::Protect, LOOK_UP_RIGHT)],
        protect_argument,
    ),
    refusals(
        "AS-PROTECT-003",
        "what is not mapped here is not protected",
        &[(Op::Protect, &[NotMapped])],
        protect_nothing,
    ),
    refusals(
        "AS-PROTECT-004",
        "writable and executable, or without read, is refused",
        &[(Op::Protect, &[WriteExecute, InvalidArgument])],
        protect_bad,
    ),
    case("AS-PROTECT-005", "a page that becomes read-only is so for a thread that runs in it", protect_at_once),
    case("AS-PROTECT-006", "what was written is what is executed", write_then_execute),
    refusals(
        "AS-POOL-001",
        "adding to the pool needs an address space and the right to",
        &[(Op::AddPool, LOOK_UP_RIGHT)],
        pool_look_up,
    ),
    refusals("AS-POOL-002", "what is added is an Untyped", &[(Op::AddPool, LOOK_UP)], pool_argument),
    refusals(
        "AS-POOL-003",
        "memory with children, or that is a pool already, is refused",
        &[(Op::AddPool, &[HasChildren])],
        pool_children,
    ),
    refusals("AS-POOL-004", "device memory is no page table", &[(Op::AddPool, &[InvalidArgument])], pool_device),
    case("AS-POOL-005", "what was added serves as tables", pool_serves),
    case("AS-POOL-006", "an address space that loses pool memory loses its mappings, and maps anew", pool_lost),
    case("AS-END-001", "the end of an address space leaves its Frames unmapped", space_ends),
];

const RO: u64 = Perms::READ.bits() as u64;
const RW: u64 = RO | Perms::WRITE.bits() as u64;
const RX: u64 = RO | Perms::EXECUTE.bits() as u64;
const OWN: u32 = abi::SLOT_TABLE;
/// Where things are mapped here.
const PLACE: u64 = 0x12_0000;

/// An address space with tables for the first 2 MiB, and a Frame of four pages.
fn both(w: &mut World) -> Check<(u32, u32)> {
    Ok((w.make(Kind::AddressSpace, 5)?, w.make(Kind::Frame, 4)?))
}

fn map_args(frame: u32, address: u64, perms: u64) -> [u64; 5] {
    [frame.into(), address, 0, 4, perms]
}

fn map_look_up(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    look_up(w, Op::Map, &map_args(frame, PLACE, RW), Some((space, Rights::POOL | Rights::USE)))
}

fn map_frame(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    argument(w, Op::Map, space, &map_args(frame, PLACE, RW), 0, None)?;
    let read = w.copy(frame, Rights::READ, 0)?;
    let none = w.copy(frame, Rights::DMA, 0)?;
    for (slot, perms) in [(read, RW), (read, RX), (none, RO), (none, RW)] {
        w.refused(Op::Map, space, &map_args(slot, PLACE, perms), MissingRight, 5)?;
    }
    w.ok(Op::Map, space, &map_args(read, PLACE, RO)).map(drop)
}

fn map_twice(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    let other = w.make(Kind::AddressSpace, 5)?;
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW))?;
    for (space, address) in [(space, PLACE), (space, PLACE + 0x8000), (other, PLACE)] {
        w.refused(Op::Map, space, &map_args(frame, address, RW), AlreadyMapped, 1)?;
    }
    Ok(())
}

fn map_over(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW))?;
    let copy = w.copy(frame, ALL, 0)?;
    for pages in [1, 2, 3] {
        for address in [PLACE - (pages - 1) * PAGE, PLACE, PLACE + 3 * PAGE] {
            w.refused(Op::Map, space, &[copy.into(), address, 0, pages, RW], Overlap, 0)?;
        }
    }
    w.ok(Op::Map, space, &[copy.into(), PLACE + 4 * PAGE, 0, 4, RW]).map(drop)
}

fn map_no_pool(w: &mut World) -> Check {
    let frame = w.make(Kind::Frame, 4)?;
    for pages in 2..5 {
        let space = w.make(Kind::AddressSpace, pages)?;
        w.refused(Op::Map, space, &map_args(frame, PLACE, RW), NoPool, 0)?;
    }
    let space = w.make(Kind::AddressSpace, 5)?;
    // Across a border of 2 MiB two tables are needed.
    w.refused(Op::Map, space, &map_args(frame, 0x1f_f000, RW), NoPool, 0)?;
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW)).map(drop)
}

fn map_write_execute(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    w.refused(Op::Map, space, &map_args(frame, PLACE, RW | RX), WriteExecute, 5)
}

fn map_misaligned(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    for offset in [1, 8, 0xfff] {
        w.refused(Op::Map, space, &map_args(frame, PLACE + offset, RW), Misaligned, 2)?;
    }
    Ok(())
}

fn map_bad(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    for address in [USER_END, USER_END - PAGE, 0xffff_ffff_ffff_f000, 1 << 63] {
        w.refused(Op::Map, space, &map_args(frame, address, RW), InvalidArgument, 2)?;
    }
    for first in [4, 5, 1 << 52, u64::MAX] {
        w.refused(Op::Map, space, &[frame.into(), PLACE, first, 1, RW], InvalidArgument, 3)?;
    }
    for (first, pages) in [(0, 0), (0, 5), (1, 4), (3, 2), (0, 1 << 52), (0, u64::MAX)] {
        w.refused(Op::Map, space, &[frame.into(), PLACE, first, pages, RW], InvalidArgument, 4)?;
    }
    for perms in [0, 2, 4, 8, 9, 256 + RW, u64::MAX] {
        w.refused(Op::Map, space, &map_args(frame, PLACE, perms), InvalidArgument, 5)?;
    }
    Ok(())
}

/// A Frame of device registers.
pub fn device_frame(w: &mut World) -> Check<u32> {
    let (memory, slot) = (w.authority.registers, w.slot()?);
    let base = w.inspect(OWN, memory)?[2];
    let args = [Kind::Frame as u64, 1, 12, TABLE, slot.into(), base, MemoryType::DeviceNgnre as u64];
    w.ok(Op::Retype, memory, &args)?;
    Ok(slot)
}

fn map_device(w: &mut World) -> Check {
    let (space, frame) = (w.make(Kind::AddressSpace, 5)?, device_frame(w)?);
    w.refused(Op::Map, space, &[frame.into(), PLACE, 0, 1, RX], InvalidArgument, 5)?;
    w.ok(Op::Map, space, &[frame.into(), PLACE, 0, 1, RW])?;
    // Nor is it read through Debug.
    let debug = w.authority.debug;
    w.refused(Op::DebugRead, debug, &[space.into(), PLACE], NotMapped, 2)
}

/// Whether something is mapped at an address of an address space.
fn is_mapped(w: &mut World, space: u32, address: u64) -> Check<bool> {
    let debug = w.authority.debug;
    let out = w.send(&agent::Request::new(Op::DebugRead, debug).words(&[space.into(), address]))?;
    Ok(out.status().is_ok())
}

fn map_refused(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    w.refused(Op::Map, space, &map_args(frame, PLACE, RW | RX), WriteExecute, 5)?;
    w.refused(Op::Map, space, &map_args(frame, 0x1f_f000, RW), NoPool, 0)?;
    for address in [PLACE, 0x1f_f000] {
        holds(!is_mapped(w, space, address)?, "a refused map left a page")?;
    }
    // Its pool is as it was.
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW)).map(drop)
}

fn map_parts(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    let here = w.copy(frame, ALL, 0)?;
    let buffer = w.map(here, 4)?;
    for page in 0..4 {
        buffer.store_u32(page * PAGE as usize, 0x70 + page as u32).map_err(|_| "outside")?;
    }
    for page in [2, 0, 3, 1] {
        let copy = w.copy(frame, Rights::READ, 0)?;
        w.ok(Op::Map, space, &[copy.into(), PLACE + (3 - page) * PAGE, page, 1, RO])?;
    }
    let debug = w.authority.debug;
    for page in 0..4 {
        let word = w.ok(Op::DebugRead, debug, &[space.into(), PLACE + page * PAGE])?[0];
        equal(word, 0x70 + 3 - page, "the word there")?;
    }
    Ok(())
}

fn map_block(w: &mut World) -> Check {
    /// Pages of 2 MiB.
    const BLOCK: u64 = 512;
    let slot = w.slot()?;
    let aligned = [Kind::Frame as u64, BLOCK, 21, TABLE, slot.into(), 0, 0];
    // The arena may begin too late for an aligned one.
    if w.send(&agent::Request::new(Op::Retype, w.arena).words(&aligned))?.status().is_err() {
        return Err("the arena has no aligned 2 MiB".into());
    }
    let space = w.make(Kind::AddressSpace, 4)?;
    w.ok(Op::Map, space, &[slot.into(), 0x4000_0000, 0, BLOCK, RW])?;
    for page in [0, 1, 255, 511] {
        holds(is_mapped(w, space, 0x4000_0000 + page * PAGE)?, &format!("page {page} is not mapped"))?;
    }
    holds(!is_mapped(w, space, 0x4020_0000)?, "more is mapped")?;
    w.ok(Op::Protect, space, &[slot.into(), RO])?;
    w.ok(Op::Unmap, space, &[slot.into()])?;
    holds(!is_mapped(w, space, 0x4000_0000)?, "it is still mapped")
}

fn map_alias(w: &mut World) -> Check {
    let frame = w.make(Kind::Frame, 1)?;
    let (one, other) = (w.copy(frame, ALL, 0)?, w.copy(frame, ALL, 0)?);
    let (one, other) = (w.map(one, 1)?, w.map(other, 1)?);
    for value in [0x1234_5678, 0, 0xffff_ffff] {
        one.store_u32(64, value).map_err(|_| "outside")?;
        equal(other.load_u32(64).map_err(|_| "outside")?, value, "the word through the other")?;
    }
    Ok(())
}

fn map_last(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    w.ok(Op::Map, space, &[frame.into(), USER_END - 4 * PAGE, 0, 4, RW])?;
    holds(is_mapped(w, space, USER_END - 8)?, "the last word is not mapped")
}

fn unmap_look_up(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    look_up(w, Op::Unmap, &[frame.into()], Some((space, Rights::POOL | Rights::USE)))
}

fn unmap_argument(w: &mut World) -> Check {
    let (space, _) = both(w)?;
    argument(w, Op::Unmap, space, &[0], 0, None)
}

fn unmap_nothing(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    let other = w.make(Kind::AddressSpace, 5)?;
    w.refused(Op::Unmap, space, &[frame.into()], NotMapped, 1)?;
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW))?;
    w.refused(Op::Unmap, other, &[frame.into()], NotMapped, 1)?;
    w.ok(Op::Unmap, space, &[frame.into()])?;
    w.refused(Op::Unmap, space, &[frame.into()], NotMapped, 1)?;
    w.ok(Op::Map, other, &map_args(frame, PLACE, RW)).map(drop)
}

/// An agent that writes a page again and again; what is mapped there is taken away with `end`, and it must fault.
fn writes_until(w: &mut World, end: impl FnOnce(&mut World, Agent, u32) -> Check) -> Check {
    let frame = w.make(Kind::Frame, 1)?;
    let copy = w.copy(frame, ALL, 0)?;
    let agent = w.agent()?;
    w.ok(Op::Map, agent.space, &[copy.into(), PLACE, 0, 1, RW])?;
    let mut x = [0; 31];
    x[1] = PLACE;
    let here = w.copy(frame, ALL, 0)?;
    let word = w.map(here, 1)?;
    w.run(agent, code::COUNT, &x)?;
    for _ in 0..2000 {
        if word.load_u32(0) != Ok(0) {
            break;
        }
        w.sleep(1000)?;
    }
    equal(w.state(agent)?, agent::State::Ready, "the agent")?;
    end(w, agent, copy)?;
    let Ended { kind, message, .. } = w.end_of(agent)?;
    holds(matches!(kind, Some(FaultKind::Read | FaultKind::Write)), &format!("{kind:?}"))?;
    equal(message.address, PLACE, "the address")
}

fn unmap_at_once(w: &mut World) -> Check {
    writes_until(w, |w, agent, copy| w.ok(Op::Unmap, agent.space, &[copy.into()]).map(drop))
}

fn delete_unmaps(w: &mut World) -> Check {
    writes_until(w, |w, _, copy| w.ok(Op::Delete, OWN, &[copy.into()]).map(drop))
}

fn revoke_unmaps(w: &mut World) -> Check {
    writes_until(w, |w, _, copy| {
        let parent = copy - 1;
        w.ok(Op::Revoke, OWN, &[parent.into()]).map(drop)
    })
}

fn unmap_block(w: &mut World) -> Check {
    let frame = w.make(Kind::Frame, 40)?;
    let space = w.make(Kind::AddressSpace, 5)?;
    w.ok(Op::Map, space, &[frame.into(), PLACE, 0, 40, RW])?;
    w.ok(Op::Unmap, space, &[frame.into()])?;
    for page in 0..40 {
        holds(!is_mapped(w, space, PLACE + page * PAGE)?, "a page is left")?;
    }
    w.ok(Op::Map, space, &[frame.into(), PLACE, 8, 32, RW]).map(drop)
}

fn protect_look_up(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    look_up(w, Op::Protect, &[frame.into(), RO], Some((space, Rights::POOL | Rights::USE)))
}

fn protect_argument(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    argument(w, Op::Protect, space, &[0, RO], 0, None)?;
    let read = w.copy(frame, Rights::READ, 0)?;
    w.ok(Op::Map, space, &map_args(read, PLACE, RO))?;
    for perms in [RW, RX] {
        w.refused(Op::Protect, space, &[read.into(), perms], MissingRight, 2)?;
    }
    Ok(())
}

fn protect_nothing(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    let other = w.make(Kind::AddressSpace, 5)?;
    w.refused(Op::Protect, space, &[frame.into(), RO], NotMapped, 1)?;
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW))?;
    w.refused(Op::Protect, other, &[frame.into(), RO], NotMapped, 1)
}

fn protect_bad(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW))?;
    w.refused(Op::Protect, space, &[frame.into(), RW | RX], WriteExecute, 2)?;
    for perms in [0, 2, 4, 8, u64::MAX] {
        w.refused(Op::Protect, space, &[frame.into(), perms], InvalidArgument, 2)?;
    }
    Ok(())
}

fn protect_at_once(w: &mut World) -> Check {
    writes_until(w, |w, agent, copy| w.ok(Op::Protect, agent.space, &[copy.into(), RO]).map(drop))
}

/// `movz x0, #value; brk #END`.
fn instructions(value: u16) -> [u8; 8] {
    let words = [0xd280_0000 | u32::from(value) << 5, 0xd420_0000 | u32::from(code::END) << 5];
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&words[0].to_le_bytes());
    bytes[4..].copy_from_slice(&words[1].to_le_bytes());
    bytes
}

fn write_then_execute(w: &mut World) -> Check {
    let frame = w.make(Kind::Frame, 1)?;
    let (here, there) = (w.copy(frame, ALL, 0)?, w.copy(frame, ALL, 0)?);
    let buffer = w.map(here, 1)?;
    let agent = w.agent()?;
    w.ok(Op::Map, agent.space, &[there.into(), PLACE, 0, 1, RO])?;
    for value in 1..20 {
        buffer.write(0, &instructions(value)).map_err(|_| "outside")?;
        w.ok(Op::Protect, agent.space, &[there.into(), RX])?;
        w.run(agent, PLACE, &[0; 31])?;
        let ended = w.end_of(agent)?;
        equal(ended.kind, Some(FaultKind::Breakpoint), "its end")?;
        equal(w.registers(agent)?[0], value.into(), "what the instructions did")?;
        w.ok(Op::Protect, agent.space, &[there.into(), RO])?;
    }
    Ok(())
}

fn pool_look_up(w: &mut World) -> Check {
    let (space, memory) = (w.make(Kind::AddressSpace, 2)?, w.make(Kind::Untyped, 1)?);
    look_up(w, Op::AddPool, &[memory.into()], Some((space, Rights::MAP | Rights::USE)))
}

fn pool_argument(w: &mut World) -> Check {
    let space = w.make(Kind::AddressSpace, 2)?;
    argument(w, Op::AddPool, space, &[0], 0, None)
}

fn pool_children(w: &mut World) -> Check {
    let (space, other) = (w.make(Kind::AddressSpace, 2)?, w.make(Kind::AddressSpace, 2)?);
    let (used, pool) = (w.make(Kind::Untyped, 2)?, w.make(Kind::Untyped, 2)?);
    w.make_of(used, Kind::Endpoint, 0)?;
    w.refused(Op::AddPool, space, &[used.into()], HasChildren, 1)?;
    w.ok(Op::AddPool, space, &[pool.into()])?;
    w.refused(Op::AddPool, space, &[pool.into()], HasChildren, 1)?;
    w.refused(Op::AddPool, other, &[pool.into()], HasChildren, 1)
}

fn pool_device(w: &mut World) -> Check {
    let space = w.make(Kind::AddressSpace, 2)?;
    let memory = w.authority.registers;
    w.refused(Op::AddPool, space, &[memory.into()], InvalidArgument, 1)
}

fn pool_serves(w: &mut World) -> Check {
    let (space, frame) = (w.make(Kind::AddressSpace, 2)?, w.make(Kind::Frame, 4)?);
    for _ in 0..3 {
        w.refused(Op::Map, space, &map_args(frame, PLACE, RW), NoPool, 0)?;
        let memory = w.make(Kind::Untyped, 1)?;
        w.ok(Op::AddPool, space, &[memory.into()])?;
    }
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW)).map(drop)
}

fn pool_lost(w: &mut World) -> Check {
    let (space, memory) = (w.make(Kind::AddressSpace, 5)?, w.make(Kind::Untyped, 4)?);
    w.ok(Op::AddPool, space, &[memory.into()])?;
    let (low, high) = (w.make(Kind::Frame, 4)?, w.make(Kind::Frame, 4)?);
    w.ok(Op::Map, space, &map_args(low, PLACE, RW))?;
    w.ok(Op::Map, space, &map_args(high, 0x4000_0000, RW))?;
    w.ok(Op::Delete, OWN, &[memory.into()])?;
    for (frame, address) in [(low, PLACE), (high, 0x4000_0000)] {
        holds(!is_mapped(w, space, address)?, "a mapping is left")?;
        w.refused(Op::Unmap, space, &[frame.into()], NotMapped, 1)?;
    }
    w.ok(Op::Map, space, &map_args(low, PLACE, RW))?;
    holds(is_mapped(w, space, PLACE)?, "it is not mapped")
}

fn space_ends(w: &mut World) -> Check {
    let (space, frame) = both(w)?;
    let other = w.make(Kind::AddressSpace, 5)?;
    w.ok(Op::Map, space, &map_args(frame, PLACE, RW))?;
    w.ok(Op::Delete, OWN, &[space.into()])?;
    w.ok(Op::Map, other, &map_args(frame, PLACE, RW)).map(drop)
}
