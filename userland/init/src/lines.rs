//! Interrupt lines that several drivers have: one that does not acknowledge keeps the line from the others.

use alloc::format;
use alloc::vec::Vec;

use rt::{CapInfo, Kind, TABLE};

use crate::Init;
use crate::authority::DEBUG;
use crate::component::Instance;

impl Init {
    /// Ends the drivers that did not acknowledge this line although the driver of their bus did: how many. None if that one does not
    /// have the line. If it has not acknowledged either, the line fired just now, and nobody holds it.
    pub fn unblock_line(&mut self, bus: u32, line: u32) -> Option<u32> {
        let own = self.by_number(bus)?.instance.as_ref()?;
        if pending(own, line)? {
            return Some(0);
        }
        let holds = |instance: &Instance| pending(instance, line) == Some(true);
        let holders = self.components.iter().filter(|record| record.instance.as_ref().is_some_and(holds));
        let holders: Vec<u32> = holders.map(|record| record.number).collect();
        for &number in &holders {
            if let Some(index) = self.components.iter().position(|record| record.number == number) {
                self.stopped_driver(index, &format!("it holds interrupt line {line}, which others share"));
            }
        }
        u32::try_from(holders.len()).ok()
    }
}

/// Whether an instance has still to acknowledge a line; none if it does not have the line.
fn pending(instance: &Instance, line: u32) -> Option<bool> {
    // init's own slots: what a component does with its copies does not matter.
    let mut irqs = instance.freed.iter().filter_map(|&slot| DEBUG.inspect(TABLE, slot).ok());
    let is_it = |info: &CapInfo| info.kind == Kind::Irq && info.badge == line.into() && info.used == 0;
    irqs.find(is_it).map(|info| info.pending)
}
