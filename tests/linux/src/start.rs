//! From the kernel's jump to the end of the machine.
#![allow(unsafe_code)]

use core::arch::global_asm;
use core::panic::PanicInfo;

use disk_jobs::{DONE, FAILED};

use crate::console::say;
use crate::disk::{self, Disk};
use crate::kernel::{self, Failed};

// The stack is there; nothing returns from here.
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x30, xzr", "bl {run}", run = sym run);

extern "C" fn run() -> ! {
    match work() {
        Ok(()) => say(format_args!("{DONE}")),
        Err(error) => say(format_args!("{FAILED}{error}")),
    }
    kernel::power_off()
}

fn work() -> Result<(), Failed> {
    kernel::mount(c"devtmpfs", c"/dev")?;
    kernel::mount(c"sysfs", c"/sys")?;
    kernel::load_module(c"/virtio_mmio.ko")?;
    kernel::load_module(c"/virtio_blk.ko")?;
    let disk = Disk::open(c"/dev/vda")?;
    // The fastest there is for such a disk.
    kernel::set(c"/sys/block/vda/queue/scheduler", b"none")?;
    disk::run_all(&disk)
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    say(format_args!("{FAILED}{info}"));
    kernel::power_off()
}
