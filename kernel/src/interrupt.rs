//! Interrupts: the kernel's own timer, and lines and messages whose Irq objects signal a Notification.

use abi::trace::Event;

use crate::kernel::Kernel;

/// Lines below are signals between cores (ARM IHI 0048, 2.2.1). That one came is all there is to say.
const FIRST_PRIVATE: u32 = 16;

/// Serves what interrupts are pending, the timer once: where deadlines come faster than they are served, other cores get the
/// lock in between.
pub fn handle(k: &mut Kernel) {
    handle_from(k, None);
}

/// The same, and before that the line that was acknowledged already.
pub fn handle_from(k: &mut Kernel, mut acknowledged: Option<u32>) {
    while let Some(line) = acknowledged.take().or_else(|| k.machine.acknowledge()) {
        k.trace(Event::Interrupt, line.into(), 0);
        if line == k.machine.timer_line() {
            k.machine.end(line);
            k.tick();
            k.bury_some();
            return;
        } else if line < FIRST_PRIVATE {
            // Never masked: where a controller can mask it, no other core would reach this one again.
            k.machine.end(line);
        } else {
            // Masked until every driver on the line has acknowledged.
            k.mask(line);
            k.machine.end(line);
            k.fire(line);
        }
    }
}
