//! The upper half: what lies where. The boot assembly points the tables accordingly.

/// All RAM, from the gigabyte of the lowest address on.
pub const MAP: usize = 0xffff_8000_0000_0000;
/// Where the object with a number is mapped.
pub const fn place(number: u32) -> usize {
    MAP | (number as usize) << 6
}
/// Most bytes of it: what a `Ref` reaches.
pub const MAP_BYTES: u64 = 1 << 38;
/// The device tree, in blocks of 2 MiB.
pub const TREE: usize = 0xffff_ffff_c000_0000;
/// Blocks of the tree's window.
pub const TREE_BLOCKS: usize = 9;
/// The kernel's own devices, in pages.
pub const DEVICES: usize = 0xffff_ffff_c200_0000;
/// Pages of that window.
pub const DEVICE_PAGES: usize = 512;
