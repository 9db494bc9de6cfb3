//! A device's interrupt, as something that a task waits for.

#[cfg(target_os = "none")]
use core::cell::Cell;

use rt::Env;
use rt::task::Event;
#[cfg(target_os = "none")]
use rt::{Cap, Irq, NOTIFICATION};

#[cfg(target_os = "none")]
use crate::error::Cause;
use crate::error::Error;

/// What a device writes to fire an interrupt that is a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where, as the device has it.
    pub address: u64,
    /// What.
    pub data: u32,
}

/// The names of messages.
#[cfg(target_os = "none")]
const MESSAGES: [&str; 8] = ["msi0", "msi1", "msi2", "msi3", "msi4", "msi5", "msi6", "msi7"];

/// An interrupt line of the device, or a message. It fires once for each [`Self::wait`]: from when that returns until the next one it is
/// masked.
///
/// ```
/// # use tutti_kit as kit;
/// # use std::{cell::Cell, rc::Rc};
/// // In a driver: `Interrupt::open(env, 0)?`.
/// let interrupt = kit::Interrupt::fake();
/// let bits = interrupt.bits();
/// let served = Rc::new(Cell::new(0));
/// let count = served.clone();
/// kit::on_interrupt(interrupt, move || count.set(count.get() + 1));
/// rt::task::fake::raise(bits);
/// assert_eq!(served.get(), 1);
/// ```
#[derive(Debug)]
pub struct Interrupt {
    #[cfg(target_os = "none")]
    irq: Cap<Irq>,
    event: Event,
    /// It fired and was not acknowledged.
    #[cfg(target_os = "none")]
    fired: Cell<bool>,
}

impl Interrupt {
    /// The node's interrupt number `index`, from 0: `irq:INDEX` of the manifest.
    ///
    /// # Errors
    /// The component was not given the line, or the kernel refused.
    #[cfg(target_os = "none")]
    pub fn open(env: &Env, index: usize) -> Result<Self, Error> {
        let &name = crate::name::INDICES.get(index).ok_or(Error::new("irq:8 and above", Cause::Limit))?;
        Self::named(env, name)
    }

    /// The interrupt that the node's `interrupt-names` calls `name`.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[cfg(target_os = "none")]
    pub fn named(env: &Env, name: &'static str) -> Result<Self, Error> {
        let failed = |cause| Error::of_node("irq:", name, cause);
        let entry = crate::name::find(env.start_info(), "irq", name).ok_or(failed(Cause::Missing))?;
        let (irq, event) = (Cap::<Irq>::from_slot(entry.slot), Event::new()?);
        irq.bind(NOTIFICATION, event.bits()).map_err(|error| failed(error.into()))?;
        Ok(Self { irq, event, fired: Cell::new(false) })
    }

    /// The message number `index` that the device may send, from 0: `irq:msiINDEX`; and what it is to write for that.
    ///
    /// # Errors
    /// The component was not given it, or the kernel refused.
    #[cfg(target_os = "none")]
    pub fn message(env: &Env, index: usize) -> Result<(Self, Message), Error> {
        let &name = MESSAGES.get(index).ok_or(Error::new("irq:msi8 and above", Cause::Limit))?;
        let interrupt = Self::named(env, name)?;
        let (address, data) = interrupt.irq.target().map_err(|error| Error::of_node("irq:", name, error.into()))?;
        Ok((interrupt, Message { address, data }))
    }

    /// There are no interrupts on the host.
    ///
    /// # Errors
    /// None.
    #[cfg(not(target_os = "none"))]
    pub fn open(_: &Env, _: usize) -> Result<Self, Error> {
        Ok(Self::fake())
    }

    /// As [`Self::open`].
    ///
    /// # Errors
    /// None.
    #[cfg(not(target_os = "none"))]
    pub fn named(_: &Env, _: &'static str) -> Result<Self, Error> {
        Ok(Self::fake())
    }

    /// As [`Self::open`].
    ///
    /// # Errors
    /// None.
    #[cfg(not(target_os = "none"))]
    pub fn message(_: &Env, index: usize) -> Result<(Self, Message), Error> {
        Ok((Self::fake(), Message { address: 0x1040, data: index as u32 }))
    }

    /// A line that a test fires with [`rt::task::fake::raise`] of its [`Self::bits`].
    ///
    /// # Panics
    /// The test has used up all bits.
    #[cfg(not(target_os = "none"))]
    pub fn fake() -> Self {
        Self { event: Event::new().expect("a free bit") }
    }

    /// The bits of the own Notification that it signals.
    pub const fn bits(&self) -> u64 {
        self.event.bits()
    }

    /// Waits until the line fires.
    pub async fn wait(&self) {
        #[cfg(target_os = "none")]
        if self.fired.take()
            && let Err(error) = self.irq.ack()
        {
            log::error!("irq: {error}");
        }
        self.event.wait().await;
        #[cfg(target_os = "none")]
        self.fired.set(true);
    }
}
