//! A virtio device, however it is attached.

use alloc::boxed::Box;

use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::pci::PciTransport;

/// A transport of one of the two kinds.
#[derive(Debug)]
pub enum AnyTransport {
    /// Registers that the device tree names (virtio 1.2, 4.2).
    Mmio(MmioTransport<'static>),
    /// A function of PCI (4.1).
    Pci(Box<PciTransport>),
}

/// Passes a call on.
macro_rules! either {
    ($own:ident, $it:ident => $call:expr) => {
        match $own {
            Self::Mmio($it) => $call,
            Self::Pci($it) => $call,
        }
    };
}

impl Transport for AnyTransport {
    fn device_type(&self) -> DeviceType {
        either!(self, it => it.device_type())
    }
    fn read_device_features(&mut self) -> u64 {
        either!(self, it => it.read_device_features())
    }
    fn write_driver_features(&mut self, features: u64) {
        either!(self, it => it.write_driver_features(features));
    }
    fn max_queue_size(&mut self, queue: u16) -> u32 {
        either!(self, it => it.max_queue_size(queue))
    }
    fn notify(&mut self, queue: u16) {
        either!(self, it => it.notify(queue));
    }
    fn get_status(&self) -> DeviceStatus {
        either!(self, it => it.get_status())
    }
    fn set_status(&mut self, status: DeviceStatus) {
        either!(self, it => it.set_status(status));
    }
    fn set_guest_page_size(&mut self, bytes: u32) {
        either!(self, it => it.set_guest_page_size(bytes));
    }
    fn requires_legacy_layout(&self) -> bool {
        either!(self, it => it.requires_legacy_layout())
    }
    fn queue_set(&mut self, queue: u16, size: u32, descriptors: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        either!(self, it => it.queue_set(queue, size, descriptors, driver, device));
    }
    fn queue_unset(&mut self, queue: u16) {
        either!(self, it => it.queue_unset(queue));
    }
    fn queue_used(&mut self, queue: u16) -> bool {
        either!(self, it => it.queue_used(queue))
    }
    fn ack_interrupt(&mut self) -> InterruptStatus {
        either!(self, it => it.ack_interrupt())
    }
    fn read_config_generation(&self) -> u32 {
        either!(self, it => it.read_config_generation())
    }
    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        either!(self, it => it.read_config_space(offset))
    }
    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        either!(self, it => it.write_config_space(offset, value))
    }
}
