//! Interrupts: the kernel's own timer, and lines whose Irq objects signal a Notification.

use abi::trace::Event;

use crate::kernel::Kernel;

/// Serves every interrupt that is pending.
pub fn handle(k: &mut Kernel) {
    while let Some(line) = k.machine.acknowledge() {
        k.trace(Event::Interrupt, line.into(), 0);
        if line == k.machine.timer_line() {
            k.machine.end(line);
            k.tick();
            k.bury_some();
        } else {
            // Masked until every driver on the line has acknowledged.
            k.machine.mask(line);
            k.machine.end(line);
            k.fire(line);
        }
    }
}
