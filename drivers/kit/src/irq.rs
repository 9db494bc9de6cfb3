//! A device's interrupt, as bits of the process's Notification.

use rt::{Cap, Env, Irq, NOTIFICATION};

use crate::error::{Cause, Error};

const NAMES: [&str; 4] = ["irq:0", "irq:1", "irq:2", "irq:3"];

/// An interrupt line that signals bits of [`rt::NOTIFICATION`], so that the server loop's receive returns.
#[derive(Debug)]
pub struct Interrupt {
    irq: Cap<Irq>,
    bits: u64,
}

impl Interrupt {
    /// Binds `irq:INDEX` of the manifest to `bits` and lets it fire.
    ///
    /// # Errors
    /// The component was not given the line, or the kernel refused.
    pub fn open(env: &Env, index: usize, bits: u64) -> Result<Self, Error> {
        let name = *NAMES.get(index).ok_or(Error::new("irq", Cause::Limit))?;
        let irq = env.cap::<Irq>(name)?;
        irq.bind(NOTIFICATION, bits).map_err(|error| Error::new(name, error.into()))?;
        Ok(Self { irq, bits })
    }

    /// Whether these notification bits say that the line fired.
    pub const fn fired(&self, bits: u64) -> bool {
        bits & self.bits != 0
    }

    /// The device was served: the line may fire again.
    ///
    /// # Errors
    /// The line was taken away.
    pub fn acknowledge(&self) -> Result<(), Error> {
        self.irq.ack().map_err(|error| Error::new("irq", error.into()))
    }
}
