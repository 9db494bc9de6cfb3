//! A device's interrupt, as bits of the process's Notification.

use rt::{Cap, Env, Irq, NOTIFICATION};

use crate::error::{Cause, Error};
use crate::name;

/// An interrupt line that signals bits of [`rt::NOTIFICATION`], so that the server loop's receive returns.
#[derive(Debug)]
pub struct Interrupt {
    irq: Cap<Irq>,
    bits: u64,
}

impl Interrupt {
    /// Binds the node's interrupt number `index`, from 0, to `bits` and lets it fire: `irq:INDEX` of the manifest.
    ///
    /// # Errors
    /// The component was not given the line, or the kernel refused.
    pub fn open(env: &Env, index: usize, bits: u64) -> Result<Self, Error> {
        let &name = name::INDICES.get(index).ok_or(Error::new("irq:8 and above", Cause::Limit))?;
        Self::named(env, name, bits)
    }

    /// As [`Self::open`], for the interrupt that the node's `interrupt-names` calls `name`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn named(env: &Env, name: &'static str, bits: u64) -> Result<Self, Error> {
        let failed = |cause| Error::of_node("irq:", name, cause);
        let entry = name::find(env.start_info(), "irq", name).ok_or(failed(Cause::Missing))?;
        let irq = Cap::<Irq>::from_slot(entry.slot);
        irq.bind(NOTIFICATION, bits).map_err(|error| failed(error.into()))?;
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
