//! Memory: how much of it is where, and that it is zero when it is handed out.

use abi::{Kind, layout::PAGE};

use super::places::{object_at, object_of, slot_at};
use super::{Same, same};
use crate::arch::JUNK;
use crate::cap::{CapTable, Flags};
use crate::kernel::Kernel;
use crate::mm::raw::GRANULE;
use crate::mm::{Object, Phys};
use crate::object;
use crate::testbed::bed::{RAM, RAM_BYTES};
use crate::testbed::model::caps::names_object;
use crate::testbed::model::memory::Books;
use crate::testbed::model::{At, Model};

/// Bytes of an Untyped that are handed out. Without children it is whole, unless it is going away.
pub fn used_of(have: &crate::cap::Cap, has_children: bool) -> u64 {
    let whole = !has_children && have.space.is_none() && !have.rights.is_empty();
    if whole || have.flags.contains(Flags::DEVICE) { 0 } else { have.word }
}
/// Free and used memory as the kernel has them: what every Untyped can still hand out, and what lives.
fn kernel_books(k: &Kernel, m: &Model) -> (u64, u64) {
    let (mut free, mut used) = (0, Vec::new());
    let first = m.boot.0 + 8 * m.boot.1.len() as u64;
    for cap in m.caps.values() {
        let slot = slot_at(cap.place);
        let have = &k.mem[slot].cap;
        if have.flags.intersects(Flags::DEVICE | Flags::KEEP) {
            continue;
        }
        let (start, pages) = (object_of(k, have), u64::from(have.pages) * PAGE);
        match have.kind {
            Kind::Untyped if have.space.is_none() && !have.rights.is_empty() => {
                free += pages - used_of(have, k.mem[slot].links.child.is_some());
            }
            Kind::Untyped | Kind::Reserve if have.space.is_some() && start >= first => used.push((start, pages)),
            Kind::Frame if start >= first => used.push((start, pages)),
            kind if names_object(kind, start) && start >= first => used.push((start, size_of_object(k, kind, start))),
            _ => {}
        }
    }
    used.sort_unstable();
    // A ring covers the Frames of its records, and copies of a Frame are one.
    let (mut end, mut sum) = (0, 0);
    for (start, bytes) in used {
        sum += (start + bytes).saturating_sub(start.max(end));
        end = end.max(start + bytes);
    }
    (free, sum)
}

fn size_of_object(k: &Kernel, kind: Kind, at: At) -> u64 {
    fn of<T: Object>() -> u64 {
        (size_of::<T>() as u64).next_multiple_of(GRANULE)
    }
    match kind {
        Kind::CapTable => u64::from(k.mem[object_at::<CapTable>(at)].slots()) * GRANULE,
        Kind::AddressSpace | Kind::DmaSpace => u64::from(k.mem[object_at::<object::AddressSpace>(at)].pages) * PAGE,
        Kind::Thread => object::Thread::BYTES as u64,
        Kind::Endpoint => of::<object::Endpoint>(),
        Kind::Reply => of::<object::Reply>(),
        Kind::Notification => of::<object::Notification>(),
        Kind::SchedContext => of::<object::SchedContext>(),
        Kind::Irq => of::<object::Irq>(),
        Kind::Timer => of::<object::Timer>(),
        Kind::Trace => u64::from(k.mem[object_at::<object::Trace>(at)].pages + 1) * PAGE,
        _ => 0,
    }
}

/// No byte is lost and none is there twice: free, in use, or waiting for the rest of its Untyped, the sum is constant.
pub fn books(k: &Kernel, m: &Model) -> Same {
    let Books { free, used, stranded } = m.books;
    same!(kernel_books(k, m), (free, used), "bytes free and in use");
    let all = RAM + RAM_BYTES - m.boot.0 - 8 * m.boot.1.len() as u64;
    same!(free + used + stranded, all, "the sum of all memory");
    Ok(())
}

/// Memory that was just handed out is zero, but for the object in it.
pub fn fresh(k: &Kernel, m: &Model) -> Same {
    for &(kind, from, to) in &m.fresh {
        let skip = match kind {
            Kind::Frame => 0,
            Kind::CapTable => GRANULE,
            Kind::AddressSpace | Kind::DmaSpace | Kind::Trace => PAGE,
            _ => continue,
        };
        let words = k.mem.words(Phys(from + skip), ((to - from - skip) / 8) as usize);
        if let Some(place) = words.iter().position(|&word| word != 0) {
            return Err(format!("word {place} of a new {kind:?} at {from:#x} is {:#x}", words[place]));
        }
    }
    Ok(())
}

/// User space writes to its new Frames, so that nobody finds zeros by chance.
pub fn fill(k: &mut Kernel, m: &mut Model) {
    for (kind, from, to) in m.fresh.drain(..) {
        if kind == Kind::Frame {
            k.mem.fill(Phys(from), to - from, JUNK);
        }
    }
}
