//! Walks page tables and judges every leaf: nothing writable is executable, nothing of the kernel is user space's, and the
//! kernel executes nothing of user space. For tests, on the host and on the target.

use crate::arch::pte;
use crate::kernel::Kernel;
use crate::mm::{Mem, Phys};

/// What was found to be in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Leaves of the kernel's own tables.
    pub kernel: u64,
    /// Leaves of all processes' tables.
    pub processes: u64,
    /// Address spaces that have run and still have their ASID.
    pub spaces: u32,
}

/// A leaf that is not in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsound {
    /// What it maps.
    pub address: u64,
    /// The leaf.
    pub value: u64,
}

/// Where the upper half begins.
pub const UPPER: u64 = 0xffff << 48;

/// Judges the kernel's tables, if their root is given, and those of every address space that has an ASID.
///
/// # Errors
/// The first leaf that is not in order.
pub fn audit(k: &Kernel, kernel_root: Option<Phys>) -> Result<Tally, Unsound> {
    let mut tally = Tally::default();
    if let Some(root) = kernel_root {
        tally.kernel = judge(&k.mem, root, 0, UPPER, pte::is_sound_for_kernel)?;
    }
    for asid in 1..=u16::from(u8::MAX) {
        let Some(space) = k.asids.owner(asid) else { continue };
        tally.spaces += 1;
        tally.processes += judge(&k.mem, k.mem[space].root, 0, 0, pte::is_sound_for_user)?;
    }
    Ok(tally)
}

/// Counts the leaves below a table, if all are in order.
fn judge(mem: &Mem, table: Phys, level: u32, base: u64, sound: fn(u64) -> bool) -> Result<u64, Unsound> {
    let mut leaves = 0;
    for index in 0..512 {
        let value = mem.read_u64(Phys(table.0 + index * 8));
        let address = base + (index << (39 - 9 * level));
        if pte::is_leaf(value, level) {
            if !sound(value) {
                return Err(Unsound { address, value });
            }
            leaves += 1;
        } else if level < 3 && pte::is_table(value) {
            leaves += judge(mem, pte::address(value), level + 1, address, sound)?;
        }
    }
    Ok(leaves)
}

#[cfg(test)]
mod tests {
    use abi::{Kind, Op, Perms};

    use super::*;
    use crate::testbed::Bed;

    #[test]
    fn init_is_in_order_and_a_bad_leaf_is_found() {
        let mut bed = Bed::new();
        // It gets its ASID when it first runs.
        let space = bed.k.mem[bed.init].space().unwrap();
        bed.k.activate(space);
        let before = audit(&bed.k, None).expect("init's tables are in order");
        assert!(before.spaces == 1 && before.processes > 1 && before.kernel == 0, "{before:?}");
        bed.make(Kind::Frame, 1, 70);
        bed.ok(Op::Map, abi::SLOT_SPACE, &[70, 0x7000_0000, 0, 1, Perms::READ.bits().into()]);
        assert_eq!(audit(&bed.k, None).map(|tally| tally.processes), Ok(before.processes + 1));
        let mut table = bed.k.mem[space].root;
        for level in 0..3u32 {
            table = pte::address(bed.k.mem.read_u64(Phys(table.0 + (0x7000_0000 >> (39 - 9 * level) & 511) * 8)));
        }
        let both = pte::attributes(Perms::READ | Perms::WRITE | Perms::EXECUTE, 0);
        let value = pte::leaf(0x4000_0000, 3, both);
        bed.k.mem.write_u64(table, value);
        assert_eq!(audit(&bed.k, None), Err(Unsound { address: 0x7000_0000, value }));
    }
}
