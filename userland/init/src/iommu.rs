//! What devices tried that they may not: their drivers end as if they had done it themselves.

use alloc::format;
use alloc::vec::Vec;

use ipc::log::Level;
use rt::{Cap, DmaFault, Irq, Kind, NOTIFICATION};

use crate::Init;
use crate::authority::{IOMMU_CONTROL, IRQ_CONTROL};
use crate::component::Record;
use crate::memory::Memory;

/// The lines of the IOMMUs' events.
#[derive(Default)]
pub struct Iommus(Vec<Cap<Irq>>);

impl Iommus {
    /// Listens to all there are; what is wrong with one is said later, as nobody logs yet.
    pub fn new(memory: &mut Memory) -> (Self, Vec<alloc::string::String>) {
        let (mut lines, mut troubles) = (Vec::new(), Vec::new());
        for iommu in (0..).map_while(|index| IOMMU_CONTROL.info(index)) {
            let (line, edge) = iommu.line;
            if !iommu.translates {
                troubles
                    .push(format!("the IOMMU at {:#x} cannot be used: devices behind it reach nothing", iommu.base));
            } else if line == 0 {
                troubles.push(format!("the IOMMU at {:#x} tells nobody what it stopped", iommu.base));
            } else {
                let listened = memory.object::<Irq>(Kind::Irq).and_then(|irq| {
                    IRQ_CONTROL.set(irq, line, edge)?;
                    irq.bind(NOTIFICATION, 1)?;
                    Ok(irq)
                });
                match listened {
                    Ok(irq) => lines.push(irq),
                    Err(error) => troubles.push(format!("events of the IOMMU at {:#x}: {error}", iommu.base)),
                }
            }
        }
        (Self(lines), troubles)
    }
}

impl Init {
    /// An IOMMU stopped something, or nothing did.
    pub fn stopped_devices(&mut self) {
        while let Ok(Some(fault)) = IOMMU_CONTROL.fault() {
            self.stopped(&fault);
        }
        for irq in &self.iommus.0 {
            let _ = irq.ack();
        }
    }

    fn stopped(&mut self, fault: &DmaFault) {
        let did = if fault.write { "write" } else { "read" };
        let what = format!("its device tried to {did} {:#x} (SMMU stream {:#x})", fault.address, fault.stream.1);
        let has = |record: &Record| {
            let device = record.device.as_ref().filter(|device| device.masters(&record.component.manifest));
            record.instance.is_some() && device.is_some_and(|device| device.stream == Some(fault.stream))
        };
        match self.components.iter().position(has) {
            Some(index) => self.stopped_driver(index, &what),
            // The driver died of an earlier one.
            None => self.log(Level::Debug, 0, &format!("nobody's driver: {what}")),
        }
    }
}
