//! Devices that a test makes up: what a driver's host tests stand on.
//!
//! A test says in a few lines how the device behaves, drives it, and looks at what happened:
//!
//! - [`Registers`]: a bank of registers. Each has a behaviour; whatever the driver does that the device does not provide
//!   for ends the test with a message that says what and where.
//! - [`Registers::expect`]: a script, when the order of accesses is what matters.
//! - [`Line`]: an interrupt line that follows a condition of the registers.
//! - What drivers stand on whose device is behind another driver's: [`Pin`], [`wire`], [`Disk`], [`Noise`] and
//!   [`Clock`]. Memory that devices reach is in [`dma::fake`](crate::dma::fake).
//!
//! ```
//! # use tutti_kit as kit;
//! use kit::fake::{self, read, write};
//! use kit::mmio::*;
//!
//! kit::registers! {
//!     struct Registers { 0x00 => data: ReadOnly<u32>, 0x18 => flags: ReadOnly<u32>, 0x30 => control: ReadWrite<u32> }
//! }
//!
//! # fn main() -> Result<(), kit::Error> {
//! let device = fake::Registers::new(0x1000);
//! let registers = Registers::new(&device.mmio())?;
//!
//! // The device is switched on, and is busy when it is asked the first three times.
//! device.expect([write(0x30, 0x301), read(0x18, 0x8).times(3), read(0x18, 0)]);
//! registers.control.set(0x301);
//! while registers.flags.get() & 0x8 != 0 {}
//! device.done();
//! # Ok(())
//! # }
//! ```

mod access;
mod clock;
mod disk;
mod line;
mod noise;
mod pin;
mod registers;
mod wire;

pub use access::{Access, read, write};
pub use clock::Clock;
pub use disk::{Disk, NotOnDisk};
pub use line::Line;
pub use noise::Noise;
pub use pin::Pin;
pub use registers::Registers;
pub use wire::{Stuck, Wire, wire};
