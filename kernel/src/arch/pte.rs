//! Page table entries (ARM DDI 0487, D8.3): 4 KiB granule, 48-bit addresses.

use abi::{Perms, layout::MemoryType};

use crate::mm::Phys;

const VALID: u64 = 1;
const TABLE: u64 = 1 << 1;
const PAGE: u64 = 1 << 1;
const AP_USER: u64 = 1 << 6;
const AP_READ_ONLY: u64 = 1 << 7;
const SHARE_INNER: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
/// Indirect branches must end at landing pads.
pub const GUARDED: u64 = 1 << 50;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
/// What the MMU ignores in an entry that points to a table: here it counts that table's entries in use.
const USED: u64 = 0x3ff << 2;

/// MAIR_EL1: the index is the number of the [`MemoryType`].
pub const MAIR: u64 = 0x00_04_44_ff;

const fn index(memory: u8) -> u64 {
    ((memory & 3) as u64) << 2
}

/// Whether a value ends the walk at this level: a page or block.
pub const fn is_leaf(value: u64, level: u32) -> bool {
    value & VALID != 0 && (level == 3 || value & TABLE == 0)
}

/// The address in an entry.
pub const fn address(value: u64) -> Phys {
    Phys(value & ADDRESS)
}

/// An entry that points to the next table, of which nothing is in use yet.
pub const fn table(page: Phys) -> u64 {
    page.0 | TABLE | VALID
}

/// Whether a value points to the next table, at a level that has one.
pub const fn is_table(value: u64) -> bool {
    value & (TABLE | VALID) == TABLE | VALID
}

/// How many entries of the table that a value points to are in use.
pub const fn used(value: u64) -> u64 {
    (value & USED) >> 2
}

/// The same entry after `more` of its table came into use.
pub const fn more_used(value: u64, more: u64) -> u64 {
    value + (more << 2)
}

/// The same entry after `fewer` of its table are in use.
pub const fn fewer_used(value: u64, fewer: u64) -> u64 {
    value - (fewer << 2)
}

/// A page or block.
pub const fn leaf(base: u64, level: u32, attributes: u64) -> u64 {
    (base & ADDRESS) | attributes | VALID | if level == 3 { PAGE } else { 0 }
}

/// Attributes of a user mapping. The kernel never executes user memory.
pub const fn attributes(perms: Perms, memory: u8) -> u64 {
    let mut bits = AP_USER | ACCESSED | NOT_GLOBAL | PXN | SHARE_INNER | index(memory);
    if !perms.contains(Perms::WRITE) {
        bits |= AP_READ_ONLY;
    }
    if !perms.contains(Perms::EXECUTE) {
        bits |= UXN;
    } else if perms.contains(Perms::GUARDED) {
        bits |= GUARDED;
    }
    bits
}

/// Attributes of the kernel's own data.
pub const KERNEL_DATA: u64 = ACCESSED | SHARE_INNER | PXN | UXN;
/// Attributes of what the kernel only reads.
pub const KERNEL_READ_ONLY: u64 = KERNEL_DATA | AP_READ_ONLY;
/// Attributes of the kernel's code.
pub const KERNEL_CODE: u64 = ACCESSED | SHARE_INNER | AP_READ_ONLY | UXN;
/// Attributes of the kernel's own devices.
pub const KERNEL_DEVICE: u64 = ACCESSED | PXN | UXN | index(MemoryType::DeviceNgnre as u8);

/// The same page or block with other attributes.
pub const fn with_attributes(value: u64, attributes: u64) -> u64 {
    (value & (ADDRESS | VALID | PAGE)) | attributes
}

/// The attributes of a page or block.
#[cfg(test)]
pub const fn attributes_of(value: u64) -> u64 {
    value & !(ADDRESS | VALID | PAGE)
}

/// Whether a page or block may be the kernel's: not user space's, never executed there, not writable and executable.
pub const fn is_sound_for_kernel(value: u64) -> bool {
    value & AP_USER == 0 && value & UXN != 0 && (value & AP_READ_ONLY != 0 || value & PXN != 0)
}

/// Whether a page or block may be user space's: under its ASID, never executed by the kernel, not writable and executable.
pub const fn is_sound_for_user(value: u64) -> bool {
    let own = value & AP_USER != 0 && value & NOT_GLOBAL != 0 && value & PXN != 0;
    own && (value & AP_READ_ONLY != 0 || value & UXN != 0)
}

/// The same page or block, under the ASID.
pub const fn not_global(value: u64) -> u64 {
    value | NOT_GLOBAL
}

/// Whether a page or block is there whatever the ASID.
pub const fn is_global(value: u64) -> bool {
    value & NOT_GLOBAL == 0
}

/// Whether a page or block may be written.
pub const fn is_writable(value: u64) -> bool {
    value & AP_READ_ONLY == 0
}

/// Whether user space may execute what has these attributes.
pub const fn is_executable(attributes: u64) -> bool {
    attributes & UXN == 0
}

/// Whether a page or block is device memory.
pub const fn is_device(value: u64) -> bool {
    value & index(3) >= index(MemoryType::DeviceNgnre as u8)
}

/// TTBR0 of a root table and an ASID.
pub const fn ttbr(root: Phys, asid: u16) -> u64 {
    root.0 | (asid as u64) << 48
}

/// The ASID of a TTBR0.
pub const fn asid(ttbr: u64) -> u16 {
    (ttbr >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_attributes() {
        let code = attributes(Perms::READ | Perms::EXECUTE, 0);
        assert_eq!(code, 0x0020_0000_0000_0fc0);
        let data = attributes(Perms::READ | Perms::WRITE, 0);
        assert_eq!(data, 0x0060_0000_0000_0f40);
        assert_eq!(data & KERNEL_CODE & AP_READ_ONLY, 0);
        let registers = leaf(0x900_0000, 3, attributes(Perms::READ | Perms::WRITE, 2));
        assert!(is_device(registers) && is_leaf(registers, 3));
        assert_eq!(address(registers), Phys(0x900_0000));
        assert_eq!(with_attributes(leaf(0x1000, 3, data), code), leaf(0x1000, 3, code));
    }

    #[test]
    fn tables_count() {
        let mut entry = table(Phys(0x4000_1000));
        assert_eq!((used(entry), address(entry)), (0, Phys(0x4000_1000)));
        entry = more_used(entry, 512);
        assert_eq!((used(entry), address(entry)), (512, Phys(0x4000_1000)));
        assert!(is_table(entry) && !is_leaf(entry, 2));
        assert_eq!(fewer_used(entry, 512), table(Phys(0x4000_1000)));
    }

    #[test]
    fn nothing_of_the_kernel_is_writable_and_executable() {
        for attributes in [KERNEL_DATA, KERNEL_READ_ONLY, KERNEL_CODE, KERNEL_DEVICE] {
            assert!(is_sound_for_kernel(attributes) && !is_sound_for_user(attributes));
            assert!(attributes & AP_READ_ONLY != 0 || attributes & PXN != 0);
            assert!(attributes & UXN != 0 && attributes & AP_USER == 0);
        }
    }

    #[test]
    fn every_permission_of_a_process_is_in_order_but_write_with_execute() {
        for bits in 0..16 {
            let perms = Perms::from_bits_truncate(bits);
            for memory in 0..4 {
                let value = leaf(0x1000, 3, attributes(perms, memory));
                assert_eq!(is_sound_for_user(value), !perms.contains(Perms::WRITE | Perms::EXECUTE), "{perms:?}");
                assert!(!is_sound_for_kernel(value));
            }
        }
    }
}
