//! What every virtio driver does first (virtio 1.2, 3.1.1).

use core::fmt;

use virtio_drivers::transport::mmio::MmioError;
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};
use zerocopy::{FromBytes, IntoBytes};

/// VIRTIO_F_VERSION_1: the interface of virtio 1, which is the only one that is spoken.
const VERSION_1: u64 = 1 << 32;
/// VIRTIO_F_ACCESS_PLATFORM: the device reaches memory as the platform lets it, through an IOMMU if there is one. Bus addresses
/// are what it is given either way.
const ACCESS_PLATFORM: u64 = 1 << 33;
/// How often the configuration is read again when the device changes it meanwhile.
const TRIES: usize = 16;

/// Why a device cannot be driven.
#[derive(Debug)]
pub enum Failure {
    /// The registers are not those of a virtio device that is known.
    Mmio(MmioError),
    /// A device of virtio 0.9: its interface is not spoken.
    Legacy,
    /// A function of PCI with this device ID, which is no kind of virtio device that is known.
    Unknown(u16),
    /// A function of PCI that does not say where this structure is, or says that it lies outside of its registers.
    Structure(&'static str),
    /// It is another kind of device.
    Kind(DeviceType),
    /// It does not offer the interface of virtio 1.
    Features,
    /// It did not take the features.
    Refused,
    /// Its configuration does not hold still, or is too short.
    Config,
    /// No memory, or a queue that is too small or in use.
    Queue(virtio_drivers::Error),
    /// What the driver needs could not be had.
    Kit(crate::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mmio(error) => write!(f, "reg:0: {error}"),
            Self::Legacy => f.write_str("reg:0: a legacy virtio device (QEMU: -global virtio-mmio.force-legacy=false)"),
            Self::Unknown(id) => write!(f, "a virtio device of an unknown kind ({id:#x})"),
            Self::Structure(what) => write!(f, "the device does not say where in its registers its {what} is"),
            Self::Kind(kind) => write!(f, "a virtio device of another kind ({kind:?})"),
            Self::Features => f.write_str("the device does not offer virtio 1"),
            Self::Refused => f.write_str("the device refused the features it offered"),
            Self::Config => f.write_str("the device's configuration cannot be read"),
            Self::Queue(error) => write!(f, "queue of the device: {error}"),
            Self::Kit(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Failure {}

impl From<virtio_drivers::Error> for Failure {
    fn from(error: virtio_drivers::Error) -> Self {
        Self::Queue(error)
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::Kit(error)
    }
}

/// Resets the device and agrees with it on features: those of `wanted` (bits) that it offers. Set up its queues next, then
/// [`Transport::finish_init`].
///
/// # Errors
/// [`Failure`].
pub fn begin(transport: &mut impl Transport, kind: DeviceType, wanted: u64) -> Result<u64, Failure> {
    if transport.device_type() != kind {
        return Err(Failure::Kind(transport.device_type()));
    }
    transport.set_status(DeviceStatus::empty());
    transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
    let features = transport.read_device_features() & (wanted | VERSION_1 | ACCESS_PLATFORM);
    transport.write_driver_features(features);
    let ready = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK;
    transport.set_status(ready);
    if features & VERSION_1 == 0 {
        return Err(Failure::Features);
    }
    if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
        return Err(Failure::Refused);
    }
    Ok(features)
}

/// A part of the device's configuration, read until it holds still. What is larger than 32 bits is an array of them.
///
/// # Errors
/// `Config`.
pub fn config<T: FromBytes + IntoBytes>(transport: &impl Transport, offset: usize) -> Result<T, Failure> {
    const { assert!(align_of::<T>() <= 4, "the configuration is aligned to 4 bytes (virtio 1.2, 4.2.2.2)") };
    for _ in 0..TRIES {
        let before = transport.read_config_generation();
        let value = transport.read_config_space(offset).map_err(|_| Failure::Config)?;
        if transport.read_config_generation() == before {
            return Ok(value);
        }
    }
    Err(Failure::Config)
}
