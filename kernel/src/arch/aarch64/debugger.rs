//! Where a debugger finds things: absolute symbols `tutti_*` in the ELF file, which take no room in the image
//! (xtask/src/gdb/tutti.py).

use core::mem::offset_of;

use crate::cap::{Cap, CapTable, Slot, grow::PARTS};
use crate::context::Context;
use crate::kernel::Kernel;
use crate::object::{AddressSpace, Thread};

macro_rules! symbols {
    ($($name:literal = $value:expr;)*) => {
        $(core::arch::global_asm!(
            concat!(".global tutti_", $name),
            concat!(".set tutti_", $name, ", {}"),
            const $value,
        );)*
    };
}

symbols! {
    "objects" = super::layout::MAP;
    "kernel_first" = offset_of!(Kernel, first);
    "thread_x" = offset_of!(Thread, context) + offset_of!(Context, x);
    "thread_pc" = offset_of!(Thread, context) + offset_of!(Context, pc);
    "thread_state" = offset_of!(Thread, state);
    "thread_core" = offset_of!(Thread, core);
    "thread_priority" = offset_of!(Thread, priority);
    "thread_held" = offset_of!(Thread, held);
    "cap_kind" = offset_of!(Slot, cap) + offset_of!(Cap, kind);
    "cap_object" = offset_of!(Slot, cap) + offset_of!(Cap, object);
    "table_bits" = offset_of!(CapTable, bits);
    "table_parts" = offset_of!(CapTable, parts);
    "table_parts_count" = PARTS;
    "space_root" = offset_of!(AddressSpace, root);
}

core::arch::global_asm!(".global tutti_kernel", ".set tutti_kernel, {}", sym super::trap::KERNEL);
