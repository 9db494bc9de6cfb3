//! Operations on objects: each many times in a row, on as many slots, so that what is timed is the operation alone.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bench_programs::{each, mark};
use rt::{
    Badge, Cap, Frame, Kind, MEMORY, Perms, Retype, Rights, SPACE, SyscallError, TABLE, now_ticks, ticks_per_second,
};

use crate::{Line, metric};

/// Slots and addresses an operation goes through, and how often.
const MANY: u64 = 64;
const TIMES: u64 = 16;
/// Where the bench maps: a gigabyte that nothing else uses, and where in it blocks go.
const WINDOW: u64 = 0x40_0000_0000;
const BLOCKS: u64 = WINDOW + (1 << 29);
const BOTH: Perms = Perms::READ.union(Perms::WRITE);
const PAGE_BITS: u32 = 12;

pub fn lines() -> Vec<Line> {
    match measure() {
        Ok(metrics) => metrics.into_iter().map(|(name, cost)| metric(name, cost)).collect(),
        Err(error) => alloc::vec![Err(error)],
    }
}

type Found = Vec<(&'static str, u64)>;

fn measure() -> Result<Found, String> {
    let slots = slots()?;
    let mut found = capabilities(&slots)?;
    found.extend(mappings(&slots, 0, ["frame.map", "frame.unmap"])?);
    found.extend(mappings(&slots, 4, ["frame.map_64k", "frame.unmap_64k"])?);
    found.extend(mappings(&slots, 9, ["frame.map_2m", "frame.unmap_2m"])?);
    found.push(retype(&slots)?);
    slots.into_iter().for_each(rt::free_slot);
    Ok(found)
}

fn slots() -> Result<Vec<u32>, String> {
    (0..MANY).map(|_| slot()).collect()
}

fn slot() -> Result<u32, String> {
    rt::alloc_slot().map_err(|_| String::from("no slot"))
}

/// What is going wrong, for the line on the console.
fn at<T>(what: &str, result: Result<T, SyscallError>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

/// The ticks of many calls of `one`, which is given the number of its slot; the first round is not counted.
fn timed(what: &str, round: u64, mut one: impl FnMut(u64) -> Result<(), SyscallError>) -> Result<u64, String> {
    let name = if round > 0 { what } else { "" };
    mark(name);
    let start = now_ticks();
    let result = (0..MANY).try_for_each(&mut one);
    let ticks = now_ticks() - start;
    mark(name);
    at(what, result)?;
    Ok(if round > 0 { ticks } else { 0 })
}

fn cost(ticks: u64) -> u64 {
    each(ticks, ticks_per_second(), MANY * TIMES)
}

/// Two operations that undo each other.
fn pair(
    names: [&'static str; 2],
    mut one: impl FnMut(u64) -> Result<(), SyscallError>,
    mut other: impl FnMut(u64) -> Result<(), SyscallError>,
) -> Result<Found, String> {
    let mut ticks = [0; 2];
    for round in 0..=TIMES {
        ticks[0] += timed(names[0], round, &mut one)?;
        ticks[1] += timed(names[1], round, &mut other)?;
    }
    Ok(names.into_iter().zip(ticks.map(cost)).collect())
}

fn at_slot(slots: &[u32], number: u64) -> u32 {
    // Slot 0 is never filled: an operation on it is refused.
    slots.get(number as usize).copied().unwrap_or(0)
}

fn new_frame(pages_bits: u32) -> Result<Cap<Frame>, String> {
    let slot = slot()?;
    let what = Retype { size: 1 << pages_bits, align: pages_bits + PAGE_BITS, ..Retype::default() };
    at("frame", MEMORY.retype(Kind::Frame, what, TABLE, slot))?;
    Ok(Cap::from_slot(slot))
}

fn give_back(frame: Cap<Frame>) -> Result<(), String> {
    at("delete", TABLE.delete(frame.slot()))?;
    rt::free_slot(frame.slot());
    Ok(())
}

/// Copies of a Frame, which has no mapping.
fn capabilities(slots: &[u32]) -> Result<Found, String> {
    let frame = new_frame(0)?;
    let copy = |number| TABLE.copy(at_slot(slots, number), TABLE, frame.slot(), Rights::all(), Badge(0));
    let found = pair(["cap.copy", "cap.delete"], copy, |number| TABLE.delete(at_slot(slots, number)))?;
    give_back(frame)?;
    Ok(found)
}

/// Maps and unmaps 2^`bits` pages in one call, each time at another address, through copies of one Frame.
fn mappings(slots: &[u32], bits: u32, names: [&'static str; 2]) -> Result<Found, String> {
    let frame = new_frame(bits)?;
    for &slot in slots {
        at("copy", TABLE.copy(slot, TABLE, frame.slot(), Rights::all(), Badge(0)))?;
    }
    let window = if bits < 9 { WINDOW } else { BLOCKS };
    let frame_of = |number| Cap::<Frame>::from_slot(at_slot(slots, number));
    let map = |number| SPACE.map(frame_of(number), window + (number << (bits + PAGE_BITS)), 0, 1 << bits, BOTH);
    let found = pair(names, map, |number| SPACE.unmap(frame_of(number)))?;
    for &slot in slots {
        at("delete", TABLE.delete(slot))?;
    }
    give_back(frame)?;
    Ok(found)
}

/// Endpoints out of an Untyped of their own, which is whole again after each round.
fn retype(slots: &[u32]) -> Result<(&'static str, u64), String> {
    let memory = slot()?;
    at("memory", MEMORY.retype(Kind::Untyped, Retype { size: 2, ..Retype::default() }, TABLE, memory))?;
    let memory = Cap::<rt::Untyped>::from_slot(memory);
    let make = |number| memory.retype(Kind::Endpoint, Retype::default(), TABLE, at_slot(slots, number));
    let mut ticks = 0;
    for round in 0..=TIMES {
        ticks += timed("untyped.retype", round, make)?;
        for &slot in slots {
            at("delete", TABLE.delete(slot))?;
        }
    }
    Ok(("untyped.retype", cost(ticks)))
}
