//! A program of three instructions: it reads a register and stops, whatever becomes of that.

#[cfg(target_os = "none")]
core::arch::global_asm!(
    ".pushsection .text.rt_scout, \"ax\"",
    ".global rt_scout",
    ".balign 4",
    "rt_scout:",
    "ldr w0, [x0]",
    // An error that comes late comes here.
    "dsb sy",
    "brk #{seen}",
    "b rt_scout",
    ".popsection",
    seen = const BRK_SEEN,
);

/// The breakpoint at which it stops when the read went well.
pub const BRK_SEEN: u16 = 0x7a02;

/// Where a thread begins that is to read the 32 bits at the address in its x0. It needs no stack, and stops with a fault in any
/// case: with the breakpoint [`BRK_SEEN`] and the value in x0, or with that of the read.
pub fn entry() -> u64 {
    #[cfg(target_os = "none")]
    {
        unsafe extern "C" {
            static rt_scout: u8;
        }
        (&raw const rt_scout) as u64
    }
    #[cfg(not(target_os = "none"))]
    0
}
