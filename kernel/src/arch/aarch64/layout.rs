//! The upper half: what lies where. The boot assembly points the tables accordingly.

/// All RAM, from the gigabyte of the lowest address on.
pub const MAP: usize = 0xffff_8000_0000_0000;
/// Where the object with a number is mapped. The compiler must not see how the address comes about: it would make that of
/// each field anew, because it takes the addition of a field's offset apart.
#[inline(always)]
pub fn place(number: u32) -> usize {
    let mut place = MAP | (number as usize) << 6;
    // SAFETY: does nothing.
    unsafe { core::arch::asm!("/* {} */", inlateout(reg) place, options(pure, nomem, nostack, preserves_flags)) };
    place
}
/// Most bytes of it: what a `Ref` reaches.
pub const MAP_BYTES: u64 = 1 << 38;
/// The device tree, in blocks of 2 MiB.
pub const TREE: usize = 0xffff_ffff_c000_0000;
/// Blocks of the tree's window.
pub const TREE_BLOCKS: usize = 9;
/// A framebuffer, in blocks of 2 MiB.
pub const PICTURE: usize = 0xffff_ffff_c400_0000;
/// Blocks of that window: 128 MiB.
pub const PICTURE_BLOCKS: usize = 64;
/// The kernel's own devices, in pages.
pub const DEVICES: usize = 0xffff_ffff_c200_0000;
/// Pages of that window.
pub const DEVICE_PAGES: usize = 512;
