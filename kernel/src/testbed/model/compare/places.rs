//! Where things lie in the kernel's memory, and what its page tables say.

use abi::layout::MemoryType;

use crate::cap::{CapTable, Slot};
use crate::kernel::Kernel;
use crate::mm::raw::GRANULE;
use crate::mm::{Phys, Ref};
use crate::object;
use crate::testbed::bed::RAM;
use crate::testbed::model::caps::names_object;
use crate::testbed::model::{At, Leaf, Place};
use abi::Kind;

/// Where an object lies.
pub fn place_of<T>(k: &Kernel, object: Ref<T>) -> At {
    k.mem.address(object).0
}

/// The object at a place.
pub fn object_at<T>(at: At) -> Ref<T> {
    Ref::from_number((at - RAM) / GRANULE).expect("no object lies at the start of RAM")
}

/// What a capability of the kernel names, as the model does.
pub fn object_of(k: &Kernel, cap: &crate::cap::Cap) -> At {
    if names_object(cap.kind, cap.object) { k.mem.start().0 + cap.object * GRANULE } else { cap.object }
}

/// A slot inside a thread.
pub fn held_slot(thread: Ref<object::Thread>, which: usize) -> Ref<Slot> {
    let offset = core::mem::offset_of!(object::Thread, held) / size_of::<Slot>() + which;
    thread.offset(offset as u32)
}

/// Every entry of the tables below `table` that is not empty: address, level, and its value if it maps something.
pub fn walk(k: &Kernel, table: Phys, level: u32, base: u64, found: &mut impl FnMut(u64, u32, Option<u64>)) {
    for (index, &value) in k.mem.words(table, 512).iter().enumerate() {
        if value == 0 {
            continue;
        }
        let address = base + ((index as u64) << (39 - 9 * level));
        // ARM DDI 0487, D8.3: bits 1:0 are 11 for a table and for a page, 01 for a block.
        match (level, value & 3) {
            (3, 3) | (1..=2, 1) => found(address, level, Some(value)),
            (0..=2, 3) => {
                found(address, level + 1, None);
                walk(k, Phys(value & 0xffff_ffff_f000), level + 1, address, found);
            }
            _ => found(address, level, Some(value)),
        }
    }
}

/// Where the range of a Reserve in a slot begins now.
pub fn range_starts(k: &Kernel, place: Place) -> u64 {
    let slot = slot_at(place);
    if k.mem[slot].cap.kind == Kind::Reserve { k.mem[slot].cap.word } else { 0 }
}

/// Whether anything is mapped at an address.
pub fn is_mapped(k: &Kernel, mut table: Phys, address: u64) -> bool {
    for level in 0..4 {
        let value = k.mem.read_u64(Phys(table.0 + (address >> (39 - 9 * level) & 511) * 8));
        if value == 0 || level == 3 || value & 2 == 0 {
            return value != 0;
        }
        table = Phys(value & 0xffff_ffff_f000);
    }
    unreachable!("level 3 is the last")
}

/// What an entry maps; `None` when it is no such entry as user space has.
pub fn leaf_of(value: u64, level: u32) -> Option<Leaf> {
    // AP[1] user, SH inner, AF, nG, PXN; the type of memory in 3:2 and AP[2] (read-only) and UXN are left.
    const FIXED: u64 = 1 << 6 | 3 << 8 | 1 << 10 | 1 << 11 | 1 << 53;
    const OPEN: u64 = 3 << 2 | 1 << 7 | 1 << 54 | 0xffff_ffff_f000;
    let kind = if level == 3 { 3 } else { 1 };
    (value & !OPEN == FIXED | kind).then(|| Leaf {
        level,
        base: value & 0xffff_ffff_f000,
        write: value & 1 << 7 == 0,
        execute: value & 1 << 54 == 0,
        memory: MemoryType::from_number(value >> 2 & 3).expect("two bits"),
    })
}

/// The kernel's slot at a place.
pub fn slot_at(place: Place) -> Ref<Slot> {
    match place {
        Place::Table(at, index) => object_at::<CapTable>(at).offset(index as u32),
        Place::Grown(at) => object_at(at),
        Place::Thread(at, which) => held_slot(object_at(at), which),
        Place::Irq(at) | Place::Timer(at) => inner_slot(at),
    }
}

/// The slot inside an Irq or a Timer.
pub fn inner_slot(at: At) -> Ref<Slot> {
    object_at::<object::Irq>(at).offset(1)
}
