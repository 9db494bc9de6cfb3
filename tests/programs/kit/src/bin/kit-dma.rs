//! Hands memory to a device that does not see the caches, and takes it back: the cache maintenance of user space. There is
//! no such device; that nothing is lost on the way and nothing faults is what can be seen.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::rc::Rc;

use abi::layout::PAGE;
use kit::dma::{Coherence, Direction, Memory, Piece, Space};
use rt::{Cap, DmaSpace, IommuControl, Kind, MEMORY, Retype, SharedBuffer, TABLE};

rt::entry!(run);

const PAGES: u64 = 4;
const WORDS: usize = (PAGES * PAGE) as usize / 4;

fn run(env: &'static rt::Env) {
    let Some(space) = unprotected(env) else { return log::error!("dma broken: no DmaSpace") };
    let space = Space::new(space, Coherence::NotCoherent);
    kit_programs::report(
        "dma",
        &[
            ("a piece that was lent and taken back is as it was", &|| lent(space)),
            ("what no cache keeps is as it was written", &|| uncached(space)),
        ],
    );
}

/// A DmaSpace of a device that is behind no IOMMU.
fn unprotected(env: &rt::Env) -> Option<Cap<DmaSpace>> {
    let (control, slot) = (env.cap::<IommuControl>("control:iommu-control").ok()?, rt::alloc_slot().ok()?);
    MEMORY.retype(Kind::DmaSpace, Retype { size: 3, ..Retype::default() }, TABLE, slot).ok()?;
    control.bind(Cap::from_slot(slot), None).ok()?;
    Some(Cap::from_slot(slot))
}

fn fill(buffer: &SharedBuffer, seed: u32) -> Option<()> {
    (0..WORDS).try_for_each(|index| buffer.store_u32(4 * index, index as u32 ^ seed).ok())
}

fn holds(buffer: &SharedBuffer, seed: u32) -> bool {
    (0..WORDS).all(|index| buffer.load_u32(4 * index) == Ok(index as u32 ^ seed))
}

fn lent(space: Space) -> Option<bool> {
    let memory = Rc::new(Memory::new(space, PAGES).ok()?);
    let mut fine = true;
    for (seed, direction) in [(1, Direction::ToDevice), (2, Direction::FromDevice), (3, Direction::Both)] {
        fill(memory.buffer(), seed)?;
        // Neither begins nor ends with a line.
        let piece = Piece::new(&memory, 12, memory.bytes() - 24)?;
        drop(piece.lend(direction).reclaim());
        fine &= holds(memory.buffer(), seed);
    }
    Some(fine)
}

fn uncached(space: Space) -> Option<bool> {
    let memory = Memory::consistent(space, PAGES).ok()?;
    fill(memory.buffer(), 4)?;
    Some(holds(memory.buffer(), 4))
}
