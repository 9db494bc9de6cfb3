//! virtio devices, on the crate `virtio-drivers`: its transport and queue, made safe to use.
//!
//! A driver names the memory of a request by [`Piece`]s of attached [`Memory`], which the queue hands over to the device,
//! keeps alive until the device is done, and takes back. Nothing the device writes is believed: what it claims to have used must be a request that is under
//! way.

#[cfg(not(target_os = "none"))]
pub mod fake;
mod hal;
mod queue;
mod setup;

use virtio_drivers::transport::mmio::{MmioError, MmioVersion};

use crate::dma::Space;
use crate::mmio::Mmio;

#[cfg(doc)]
use crate::dma::Memory;

pub use crate::dma::Piece;
pub use hal::DmaHal;
pub use queue::{Done, Lie, Queue, SubmitError};
pub use setup::{Failure, begin, config};
pub use virtio_drivers::transport::mmio::MmioTransport;
pub use virtio_drivers::{
    Error,
    transport::{DeviceStatus, DeviceType, InterruptStatus, Transport},
};

/// The virtio device behind these registers, whose DMA goes through `space`: one device a process.
///
/// # Errors
/// The registers are not those of a virtio 1 device.
pub fn open(mmio: &Mmio, space: Space) -> Result<MmioTransport<'static>, Failure> {
    hal::set_space(space);
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
