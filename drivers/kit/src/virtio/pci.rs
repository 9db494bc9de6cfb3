//! virtio over PCI (virtio 1.2, 4.1). The transport of `virtio-drivers` is not used: with it a device can end its driver (an
//! offset that leads out of its registers) or keep it for ever (a reset that never ends), and it knows no MSI-X.

use alloc::vec::Vec;

use ipc::Call;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Failure;
use crate::mmio::{Mmio, Place, ReadOnly, ReadWrite, Readable, WriteOnly, Writeable};
use crate::pci::Function;

/// A capability of the vendor's own.
const VENDOR: u8 = 0x09;
/// Kinds of them that say where a structure lies (4.1.4): common configuration, notifications, interrupt status, configuration
/// of the device, from 1 on.
const KINDS: usize = 4;
const NOTIFY: u8 = 2;

/// Device ID of the first kind of device; those below are of devices that speak virtio 0.9 too (4.1.2.1).
const MODERN: u16 = 0x1040;
/// Registers with the device ID, and with the subsystem's.
const ID: u16 = 0x00;
const SUBSYSTEM: u16 = 0x2c;

/// How often a device is asked whether its reset is over.
const LOOKS: u32 = 100_000;

/// A part of the device's registers.
#[derive(Clone, Debug)]
struct Structure {
    bar: Mmio,
    offset: usize,
    bytes: usize,
}

impl Structure {
    fn register<P: Place>(&self, offset: usize) -> Option<P> {
        let end = offset.checked_add(P::BYTES).filter(|end| *end <= self.bytes)?;
        let place = self.offset.checked_add(end)? - P::BYTES;
        self.bar.register(place).ok()
    }
}

/// The common configuration (4.1.4.3). What has 64 bits is written in halves.
#[derive(Debug)]
struct Common {
    device_feature_select: ReadWrite<u32>,
    device_feature: ReadOnly<u32>,
    driver_feature_select: ReadWrite<u32>,
    driver_feature: ReadWrite<u32>,
    device_status: ReadWrite<u8>,
    config_generation: ReadOnly<u8>,
    queue_select: ReadWrite<u16>,
    queue_size: ReadWrite<u16>,
    queue_enable: ReadWrite<u16>,
    queue_notify_off: ReadOnly<u16>,
    queue_addresses: [[ReadWrite<u32>; 2]; 3],
}

impl Common {
    fn new(of: &Structure) -> Option<Self> {
        let halves = |offset| Some([of.register(offset)?, of.register(offset + 4)?]);
        Some(Self {
            device_feature_select: of.register(0x00)?,
            device_feature: of.register(0x04)?,
            driver_feature_select: of.register(0x08)?,
            driver_feature: of.register(0x0c)?,
            device_status: of.register(0x14)?,
            config_generation: of.register(0x15)?,
            queue_select: of.register(0x16)?,
            queue_size: of.register(0x18)?,
            queue_enable: of.register(0x1c)?,
            queue_notify_off: of.register(0x1e)?,
            queue_addresses: [halves(0x20)?, halves(0x28)?, halves(0x30)?],
        })
    }
}

/// A virtio device that is a function of PCI.
#[derive(Debug)]
pub struct PciTransport {
    kind: DeviceType,
    common: Common,
    notify: Structure,
    /// Bytes between the places where queues are notified.
    multiplier: usize,
    /// Where those are notified that are set up.
    places: Vec<(u16, WriteOnly<u16>)>,
    isr: ReadOnly<u8>,
    config: Option<Structure>,
}

impl PciTransport {
    /// The device that this function is; `bar` opens its registers with this number, below 6, and is asked once for each.
    ///
    /// # Errors
    /// It is no virtio 1 device, or what it says of its registers makes no sense.
    pub fn new<C: Call>(
        function: &Function<C>,
        bar: impl FnMut(usize) -> core::result::Result<Mmio, crate::Error>,
    ) -> core::result::Result<Self, Failure> {
        let kind = kind(function)?;
        let mut found =
            Found { function, bar, bars: [const { None }; BARS], structures: [const { None }; KINDS], multiplier: 0 };
        found.look()?;
        let Found { structures: [common, notify, isr, config], multiplier, .. } = found;
        let common = common.as_ref().and_then(Common::new).ok_or(Failure::Structure("common configuration"))?;
        let notify = notify.ok_or(Failure::Structure("notification area"))?;
        let isr = isr.and_then(|it| it.register(0)).ok_or(Failure::Structure("interrupt status"))?;
        Ok(Self { kind, common, notify, multiplier: multiplier as usize, places: Vec::new(), isr, config })
    }

    /// Where a queue is notified; that it lies outside is the device's fault.
    fn place(&self, queue: u16) -> Option<WriteOnly<u16>> {
        self.common.queue_select.set(queue);
        self.notify.register(usize::from(self.common.queue_notify_off.get()).checked_mul(self.multiplier)?)
    }
}

/// Registers of a function that can have structures.
const BARS: usize = 6;

/// What the capabilities of a function say.
struct Found<'f, C, B> {
    function: &'f Function<C>,
    bar: B,
    bars: [Option<Mmio>; BARS],
    /// By their kind.
    structures: [Option<Structure>; KINDS],
    multiplier: u32,
}

impl<C: Call, B: FnMut(usize) -> core::result::Result<Mmio, crate::Error>> Found<'_, C, B> {
    fn look(&mut self) -> core::result::Result<(), crate::Error> {
        for capability in self.function.capabilities()?.into_iter().filter(|it| it.id == VENDOR) {
            self.take(capability.at)?;
        }
        Ok(())
    }

    /// Takes the structure that the capability at this register describes, if it is the first of its kind.
    fn take(&mut self, at: u16) -> core::result::Result<(), crate::Error> {
        let [_, _, bytes, kind] = self.function.read(at)?.to_le_bytes();
        let bar = self.function.read(at + 4)? as u8;
        let index = usize::from(kind).wrapping_sub(1);
        // Other kinds, and other numbers of registers, are to be ignored (4.1.4.1).
        if self.structures.get(index).is_none_or(Option::is_some) || bytes < 16 || usize::from(bar) >= BARS {
            return Ok(());
        }
        if kind == NOTIFY {
            self.multiplier = self.function.read(at + 16)?;
        }
        let (offset, bytes) = (self.function.read(at + 8)? as usize, self.function.read(at + 12)? as usize);
        let bar = self.bar(usize::from(bar))?;
        self.structures[index] = Some(Structure { bar, offset, bytes });
        Ok(())
    }

    fn bar(&mut self, index: usize) -> core::result::Result<Mmio, crate::Error> {
        if let Some(bar) = &self.bars[index] {
            return Ok(bar.clone());
        }
        let bar = (self.bar)(index)?;
        Ok(self.bars[index].insert(bar).clone())
    }
}

/// What kind of device it is.
fn kind<C: Call>(function: &Function<C>) -> core::result::Result<DeviceType, Failure> {
    let id = (function.read(ID)? >> 16) as u16;
    let number = match id.checked_sub(MODERN) {
        Some(number) => number,
        None => (function.read(SUBSYSTEM)? >> 16) as u16,
    };
    DeviceType::try_from(u32::from(number)).map_err(|_| Failure::Unknown(id))
}

impl Transport for PciTransport {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        let half = |index| {
            self.common.device_feature_select.set(index);
            u64::from(self.common.device_feature.get())
        };
        half(0) | half(1) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        for (index, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.common.driver_feature_select.set(index);
            self.common.driver_feature.set(half);
        }
    }

    /// 0, which is too small for any, for a queue that could not be notified.
    fn max_queue_size(&mut self, queue: u16) -> u32 {
        if self.place(queue).is_none() {
            return 0;
        }
        self.common.queue_size.get().into()
    }

    fn notify(&mut self, queue: u16) {
        if let Some((_, place)) = self.places.iter().find(|(number, _)| *number == queue) {
            place.set(queue);
        }
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_truncate(self.common.device_status.get().into())
    }

    /// A reset is over when the device says so (4.1.4.3.2); one that never says so is not waited for.
    fn set_status(&mut self, status: DeviceStatus) {
        self.common.device_status.set(status.bits() as u8);
        if status.is_empty() {
            self.places.clear();
            let _ = (0..LOOKS).find(|_| self.common.device_status.get() == 0);
        }
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, queue: u16, size: u32, descriptors: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        let Some(place) = self.place(queue) else { return };
        self.places.push((queue, place));
        self.common.queue_size.set(size as u16);
        for ([low, high], address) in self.common.queue_addresses.iter().zip([descriptors, driver, device]) {
            low.set(address as u32);
            high.set((address >> 32) as u32);
        }
        self.common.queue_enable.set(1);
    }

    /// A queue ends with a reset of the device only.
    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.common.queue_select.set(queue);
        self.common.queue_enable.get() != 0
    }

    /// Reading it takes the level of the line away (4.1.4.5).
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::from_bits_truncate(self.isr.get().into())
    }

    fn read_config_generation(&self) -> u32 {
        self.common.config_generation.get().into()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let config = self.config.as_ref().ok_or(Error::ConfigSpaceMissing)?;
        let mut value = T::new_zeroed();
        match align_of::<T>() {
            1 => load::<u8>(config, offset, value.as_mut_bytes()),
            2 => load::<u16>(config, offset, value.as_mut_bytes()),
            _ => load::<u32>(config, offset, value.as_mut_bytes()),
        }
        .ok_or(Error::ConfigSpaceTooSmall)?;
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        let config = self.config.as_ref().ok_or(Error::ConfigSpaceMissing)?;
        match align_of::<T>() {
            1 => store::<u8>(config, offset, value.as_bytes()),
            2 => store::<u16>(config, offset, value.as_bytes()),
            _ => store::<u32>(config, offset, value.as_bytes()),
        }
        .ok_or(Error::ConfigSpaceTooSmall)
    }
}

/// Reads bytes in accesses as wide as the fields are (4.1.3.1).
fn load<T: crate::mmio::Width + IntoBytes + Immutable>(config: &Structure, offset: usize, to: &mut [u8]) -> Option<()> {
    for (index, part) in to.chunks_mut(size_of::<T>()).enumerate() {
        let register: ReadOnly<T> = config.register(offset.checked_add(index * size_of::<T>())?)?;
        part.copy_from_slice(register.get().as_bytes().get(..part.len())?);
    }
    Some(())
}

/// Writes bytes in accesses as wide as the fields are.
fn store<T: crate::mmio::Width + FromBytes>(config: &Structure, offset: usize, from: &[u8]) -> Option<()> {
    for (index, part) in from.chunks(size_of::<T>()).enumerate() {
        let register: WriteOnly<T> = config.register(offset.checked_add(index * size_of::<T>())?)?;
        register.set(T::read_from_bytes(part).ok()?);
    }
    Some(())
}

impl Drop for PciTransport {
    /// A device that nobody drives reaches no memory.
    fn drop(&mut self) {
        self.set_status(DeviceStatus::empty());
    }
}

#[cfg(test)]
mod tests;
