//! The PL031 real-time clock (ARM DDI 0224).
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use kit::class::clock::Rtc;
use kit::mmio::*;

kit::registers! {
    /// The registers in use (DDI 0224, 3.3), with their names there.
    struct Registers {
        /// RTCDR: the time, in seconds.
        0x00 => data: ReadOnly<u32>,
        /// RTCMR: the interrupt is raised when RTCDR becomes this.
        0x04 => match_value: WriteOnly<u32>,
        /// RTCLR: sets RTCDR, at the next second.
        0x08 => load: WriteOnly<u32>,
        /// RTCCR: a 1 starts the clock, and nothing stops it.
        0x0c => control: WriteOnly<u32>,
        /// RTCIMSC: a 1 lets the interrupt through.
        0x10 => interrupt_mask: WriteOnly<u32>,
        /// RTCICR: a 1 takes the interrupt back.
        0x1c => interrupt_clear: WriteOnly<u32>,
    }
}

/// A PL031.
#[derive(Debug)]
pub struct Pl031(Registers);

impl Pl031 {
    /// Takes over a clock, and starts it if it stands. Whatever alarm it had is off.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio) -> kit::Result<Self> {
        let mut clock = Self(Registers::new(mmio)?);
        clock.set_alarm(None);
        clock.acknowledge();
        clock.0.control.set(1);
        Ok(clock)
    }
}

impl Rtc for Pl031 {
    const LAST: u64 = u32::MAX as u64;

    fn now(&self) -> u64 {
        self.0.data.get().into()
    }

    fn set(&mut self, time: u64) {
        self.0.load.set(time as u32);
    }

    fn set_alarm(&mut self, at: Option<u64>) {
        if let Some(at) = at {
            self.0.match_value.set(at as u32);
        }
        self.0.interrupt_mask.set(at.is_some().into());
    }

    fn acknowledge(&mut self) {
        self.0.interrupt_clear.set(1);
    }
}

#[cfg(test)]
mod tests;
