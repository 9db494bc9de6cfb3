//! Measures what a transfer costs behind an SMMU, and attaching memory to a device.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bench_programs::report::{self, Line};
use bench_programs::{block, each, mark};
use rt::{
    Badge, Cap, DmaSpace, Env, Frame, IommuControl, Kind, MEMORY, Perms, Retype, Rights, SyscallError, TABLE,
    now_ticks, ticks_per_second,
};

rt::entry!(run);

/// A stream that no device has.
const STREAM: u32 = 0x1237;
/// 64 KiB.
const PAGES: u64 = 16;
const ADDRESS: u64 = 0x2000_0000;
const ROUNDS: u64 = 1000;

fn run(env: &'static Env) -> Result<(), String> {
    let mut lines = block::lines(env, &block::SMMU);
    match attaching(env) {
        Ok(both) => lines.extend(both),
        Err(error) => lines.push(Err(format!("DmaSpace: {error}"))),
    }
    report::print(env, &lines)
}

/// A buffer of 64 KiB that comes and goes.
fn attaching(env: &Env) -> Result<Vec<Line>, String> {
    let control = env.cap::<IommuControl>("control:iommu-control").map_err(|missing| format!("{missing}"))?;
    let iommu = control.info(0).ok_or("the machine has no IOMMU")?;
    let space = made::<DmaSpace>(Kind::DmaSpace, 8).map_err(|error| format!("{error}"))?;
    control.bind(space, Some((iommu.base, STREAM))).map_err(|error| format!("{error}"))?;
    let frame = made::<Frame>(Kind::Frame, PAGES).map_err(|error| format!("{error}"))?;
    let (attach, detach) = rounds(space, frame).map_err(|error| format!("{error}"))?;
    let line = |name, ticks| report::metric(name, each(ticks, ticks_per_second(), ROUNDS), "instructions");
    Ok(Vec::from([line("dma.attach_64k", attach), line("dma.detach_64k", detach)]))
}

fn made<K>(kind: Kind, size: u64) -> Result<Cap<K>, SyscallError> {
    let slot = rt::alloc_slot().map_err(|_| SyscallError::from(rt::ErrorCode::SlotOutOfRange))?;
    MEMORY.retype(kind, Retype { size, ..Retype::default() }, TABLE, slot).map(|()| Cap::from_slot(slot))
}

/// As a driver does it: a copy is attached, and deleted when it was detached. One page beside it stays, as a driver always has some.
fn rounds(space: Cap<DmaSpace>, frame: Cap<Frame>) -> Result<(u64, u64), SyscallError> {
    let stays = made::<Frame>(Kind::Frame, 1)?;
    space.attach(stays, ADDRESS - (1 << 12), 1, Perms::READ | Perms::WRITE)?;
    let slot = rt::alloc_slot().map_err(|_| SyscallError::from(rt::ErrorCode::SlotOutOfRange))?;
    let copy = Cap::<Frame>::from_slot(slot);
    let (mut attaching, mut detaching) = (0, 0);
    for round in 0..ROUNDS + 20 {
        let counts = round >= 20;
        let is_shown = round == ROUNDS / 2;
        let start = now_ticks();
        is_shown.then(|| mark("dma.attach_64k"));
        TABLE.copy(slot, TABLE, frame.slot(), Rights::all(), Badge(0))?;
        space.attach(copy, ADDRESS, PAGES, Perms::READ | Perms::WRITE)?;
        is_shown.then(|| mark("dma.attach_64k"));
        let middle = now_ticks();
        is_shown.then(|| mark("dma.detach_64k"));
        space.detach(copy)?;
        TABLE.delete(slot)?;
        is_shown.then(|| mark("dma.detach_64k"));
        let end = now_ticks();
        if counts {
            (attaching, detaching) = (attaching + middle - start, detaching + end - middle);
        }
    }
    Ok((attaching, detaching))
}
