//! The kernel's own death: a readable report, then halt.

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{console, cores, psci};
use crate::console::{Plain, byte};
use crate::context::Context;

static DEAD: AtomicBool = AtomicBool::new(false);

struct Early;

impl Write for Early {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        console::early_print(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> core::fmt::Result {
        console::early_print(&[byte(character)]);
        Ok(())
    }
}

/// What an exception class means, for people.
fn class(syndrome: u64) -> &'static str {
    match syndrome >> 26 & 0x3f {
        0x00 => "undefined instruction",
        0x07 => "floating point used",
        0x0d => "branch to what is no landing pad",
        0x0e => "illegal execution state",
        0x1c => "address with a wrong signature",
        0x20 | 0x21 => "instruction abort",
        0x22 => "misaligned program counter",
        0x24 | 0x25 => "data abort",
        0x26 => "misaligned stack pointer",
        0x2f => "SError",
        0x3c => "breakpoint",
        _ => "exception",
    }
}

fn status(syndrome: u64) -> &'static str {
    match syndrome & 0x3c {
        0x00 => "address size",
        0x04 => "nothing is mapped there",
        0x08 => "access flag",
        0x0c => "permission denied",
        0x10 | 0x14 => "external abort",
        0x20 => "misaligned",
        _ => "other",
    }
}

/// An exception in the kernel. `kind` is the number of the vector.
pub(super) extern "C" fn fatal(kind: u64, context: &Context, syndrome: u64, address: u64) -> ! {
    if DEAD.swap(true, Ordering::Relaxed) {
        psci::halt();
    }
    console::take_back();
    let mut out = Early;
    let what = match kind & 3 {
        0 => class(syndrome),
        1 => "interrupt",
        2 => "fast interrupt",
        _ => "SError",
    };
    let _ = writeln!(out, "\nkernel fault: {}, vector {kind}, core {}", Plain(what), cores::number());
    let _ = writeln!(out, "  syndrome {syndrome:#x} ({})", Plain(status(syndrome)));
    let _ = writeln!(out, "  address {address:#018x}");
    let _ = writeln!(out, "  pc {:#018x}  spsr {:#x}", context.pc, context.spsr);
    for (index, pair) in context.x[..30].chunks(2).enumerate() {
        let _ = writeln!(out, "  x{:<2} {:#018x}  x{:<2} {:#018x}", index * 2, pair[0], index * 2 + 1, pair[1]);
    }
    let _ = writeln!(out, "  x30 {:#018x}  sp  {:#018x}", context.x[30], context.sp);
    backtrace(&mut out, context.pc, context.x[29]);
    let _ = writeln!(out, "kernel halted");
    psci::halt()
}

/// Follows frame pointers on the kernel's stack.
fn backtrace(out: &mut Early, pc: u64, frame: u64) {
    let _ = writeln!(out, "  backtrace:");
    let _ = writeln!(out, "    #0 {pc:#018x}");
    let stack = cores::stack();
    let mut frame = frame as usize;
    for depth in 1..32u64 {
        if !frame.is_multiple_of(16) || frame < stack.start || frame + 16 > stack.end {
            return;
        }
        // SAFETY: the frame lies on the kernel's mapped stack (checked just above).
        let (next, back) = unsafe { ((frame as *const usize).read(), (frame as *const usize).add(1).read()) };
        if back == 0 {
            return;
        }
        // The signature of a return address stands in its upper bits.
        let back = back | 0xffff << 48;
        let _ = writeln!(out, "    #{depth} {back:#018x}");
        if next <= frame {
            return;
        }
        frame = next;
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    if !DEAD.swap(true, Ordering::Relaxed) {
        console::take_back();
        let mut out = Early;
        let _ = writeln!(out, "\nkernel panic: {}", info.message());
        let _ = writeln!(out, "  core {}", cores::number());
        if let Some(place) = info.location() {
            let _ = writeln!(out, "  at {}:{}", Plain(place.file()), u64::from(place.line()));
        }
        let frame: u64;
        let pc: u64;
        // SAFETY: reads the frame pointer and the program counter.
        unsafe { core::arch::asm!("mov {}, x29", "adr {}, .", out(reg) frame, out(reg) pc, options(nomem, nostack)) };
        backtrace(&mut out, pc, frame);
        let _ = writeln!(out, "kernel halted");
    }
    psci::halt()
}
