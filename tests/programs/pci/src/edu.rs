//! A driver of QEMU's `edu` (docs/specs/edu), which interrupts when it is asked to, by a message that its driver chooses.

use kit::mmio::{Mmio, ReadOnly, Readable, WriteOnly, Writeable};
use kit::pci::Function;
use kit::{Interrupt, Message};
use rt::{Cap, Endpoint, Env};

/// Which interrupts the device raised; raises some; they are served.
const STATUS: usize = 0x24;
const RAISE: usize = 0x60;
const SERVED: usize = 0x64;

/// The device.
#[derive(Debug)]
pub struct Edu {
    function: Function<Cap<Endpoint>>,
    registers: Mmio,
}

impl Edu {
    /// Finds the device, its interrupt and its own message.
    ///
    /// # Errors
    /// What it needs was not given.
    pub fn open(env: &Env) -> Result<(Self, Interrupt, Message), kit::Error> {
        let function = Function::open(env)?;
        let registers = Mmio::named(env, "bar0")?;
        function.set_master(true)?;
        let (interrupt, message) = Interrupt::message(env, 0)?;
        Ok((Self { function, registers }, interrupt, message))
    }

    /// Has the device send a message.
    ///
    /// # Errors
    /// The device is gone.
    pub fn send(&self, message: Message) -> Result<(), kit::Error> {
        self.function.send(&[message], |_| Ok(self.registers.clone()))?;
        raise(&self.registers)
    }

    /// Whether the device raised an interrupt, which is served now.
    ///
    /// # Errors
    /// The registers are too short.
    pub fn serve(&self) -> Result<bool, kit::Error> {
        let status = self.registers.register::<ReadOnly<u32>>(STATUS)?.get();
        self.registers.register::<WriteOnly<u32>>(SERVED)?.set(status);
        Ok(status != 0)
    }
}

/// Has the device interrupt.
///
/// # Errors
/// The registers are too short.
pub fn raise(registers: &Mmio) -> Result<(), kit::Error> {
    registers.register::<WriteOnly<u32>>(RAISE)?.set(1);
    Ok(())
}
