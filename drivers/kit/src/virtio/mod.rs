//! virtio devices, on the crate `virtio-drivers`: its transport and queue, made safe to use.
//!
//! A driver names the memory of a request by [`Piece`]s of attached [`Memory`], which the queue hands over to the device,
//! keeps alive until the device is done, and takes back. Nothing the device writes is believed: what it claims to have used must be a request that is under
//! way.

mod any;
#[cfg(not(target_os = "none"))]
pub mod fake;
mod hal;
mod pci;
mod queue;
mod setup;

use alloc::boxed::Box;

use virtio_drivers::transport::mmio::{MmioError, MmioVersion};

use rt::Env;

use crate::dma::Space;
use crate::mmio::Mmio;
use crate::name;
use crate::pci::Function;

#[cfg(doc)]
use crate::dma::Memory;

pub use crate::dma::Piece;
pub use any::AnyTransport;
pub use hal::DmaHal;
pub use pci::PciTransport;
pub use queue::{Done, Lie, Queue, SubmitError};
pub use setup::{Failure, begin, config};
pub use virtio_drivers::transport::mmio::MmioTransport;
pub use virtio_drivers::{
    Error,
    transport::{DeviceStatus, DeviceType, InterruptStatus, Transport},
};

/// The virtio device that this component drives, whose DMA goes through `space`: one device a process. It may be a function of
/// PCI, or have registers that the device tree names.
///
/// # Errors
/// It is no virtio 1 device.
pub fn open(env: &Env, space: Space) -> Result<AnyTransport, Failure> {
    hal::set_space(space);
    // What the registers of a function are called.
    let is_function = BARS.iter().any(|bar| name::find(env.start_info(), "reg", bar).is_some());
    if is_function {
        open_pci(env).map(|transport| AnyTransport::Pci(Box::new(transport)))
    } else {
        open_mmio(&Mmio::open(env, 0)?).map(AnyTransport::Mmio)
    }
}

/// The names of a function's registers.
const BARS: [&str; 6] = ["bar0", "bar1", "bar2", "bar3", "bar4", "bar5"];

fn open_pci(env: &Env) -> Result<PciTransport, Failure> {
    let function = Function::open(env)?;
    let transport = PciTransport::new(&function, |bar| Mmio::named(env, BARS[bar]))?;
    function.set_master(true)?;
    Ok(transport)
}

fn open_mmio(mmio: &Mmio) -> Result<MmioTransport<'static>, Failure> {
    let transport = transport(mmio).map_err(Failure::Mmio)?;
    match transport.version() {
        MmioVersion::Modern => Ok(transport),
        MmioVersion::Legacy => Err(Failure::Legacy),
    }
}

#[cfg(target_os = "none")]
fn transport(mmio: &Mmio) -> Result<MmioTransport<'static>, MmioError> {
    // SAFETY: the registers stay mapped for the life of the process as device memory; the length is theirs, and `new`
    // refuses one that is too short. The page-aligned mapping plus the node's offset is aligned as the tree says.
    unsafe { MmioTransport::new(mmio.address().cast(), mmio.bytes()) }
}

/// There are no device registers on the host: drivers are tested over [`fake`].
#[cfg(not(target_os = "none"))]
fn transport(_: &Mmio) -> Result<MmioTransport<'static>, MmioError> {
    Err(MmioError::MmioRegionTooSmall)
}
