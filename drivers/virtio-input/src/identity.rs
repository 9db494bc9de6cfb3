//! What the device says of itself, in its configuration (virtio 1.2, 5.8.4 and 5.8.5): the driver selects, the device shows.

use alloc::string::String;
use alloc::vec::Vec;

use ipc::Text;
use ipc::input::{Axis, Codes, Info, MAX_NAME, codes, has, kind};
use kit::virtio::{self, Transport};

use crate::Failure;

/// Bytes of the configuration: `select`, `subsel`, and of what they show the number of bytes and the bytes.
const SELECT: usize = 0;
const SUBSEL: usize = 1;
const SIZE: usize = 2;
const DATA: usize = 8;
/// Most bytes that are shown at a time.
const MOST: usize = 128;

/// What can be selected.
const ID_NAME: u8 = 0x01;
const ID_DEVIDS: u8 = 0x03;
const EV_BITS: u8 = 0x11;
const ABS_INFO: u8 = 0x12;

/// Kinds of events, `EV_CNT`; absolute axes, `ABS_CNT`.
const KINDS: u16 = 32;
const AXES: u16 = 64;

/// What a device is, and what it has.
#[derive(Debug)]
pub struct Identity {
    /// Name and kinds.
    pub info: Info,
    /// Bus, vendor, product and version.
    pub ids: [u16; 4],
    codes: Vec<(u16, Codes)>,
    axes: Vec<(u16, Axis)>,
}

impl Identity {
    /// Asks the device.
    ///
    /// # Errors
    /// `Config`.
    pub fn read(transport: &mut impl Transport) -> Result<Self, Failure> {
        let name = text(&bytes(transport, ID_NAME, 0)?);
        let ids = match select(transport, ID_DEVIDS, 0)? {
            size if size >= size_of::<[u16; 4]>() => virtio::config::<[u16; 4]>(transport, DATA)?.map(u16::from_le),
            _ => [0; 4],
        };
        let mut found = Vec::new();
        for kind in 1..KINDS {
            let bits = bytes(transport, EV_BITS, kind as u8)?;
            if bits.iter().any(|&byte| byte != 0) {
                found.push((kind, codes((0..=ipc::input::MAX_CODE).filter(|&code| has(&bits, code)))));
            }
        }
        let kinds = found.iter().fold(1 << kind::SYN, |kinds, (kind, _)| kinds | 1 << kind);
        let mut identity = Self { info: Info { name, kinds }, ids, codes: found, axes: Vec::new() };
        let axes = (0..AXES).filter(|&code| identity.has(kind::ABS, code));
        let axes = axes.filter_map(|code| axis(transport, code).map(|axis| Some((code, axis?))).transpose());
        identity.axes = axes.collect::<Result<_, _>>()?;
        Ok(identity)
    }

    /// Which codes of a kind it has.
    pub fn codes(&self, kind: u16) -> Codes {
        self.codes.iter().find(|(of, _)| *of == kind).map(|(_, codes)| *codes).unwrap_or_default()
    }

    /// Whether it has this code.
    pub fn has(&self, kind: u16, code: u16) -> bool {
        self.codes.iter().any(|(of, codes)| *of == kind && has(codes, code))
    }

    /// What the values of an axis mean.
    pub fn axis(&self, code: u16) -> Option<Axis> {
        self.axes.iter().find(|(of, _)| *of == code).map(|&(_, axis)| axis)
    }
}

/// Selects, and says how many bytes there are; 0: there is no such thing.
fn select(transport: &mut impl Transport, what: u8, of: u8) -> Result<usize, Failure> {
    for (place, value) in [(SELECT, what), (SUBSEL, of)] {
        transport.write_config_space(place, value).map_err(|_| Failure::Config)?;
    }
    Ok(usize::from(virtio::config::<u8>(transport, SIZE)?).min(MOST))
}

/// One by one: the width of an access is that of the field (4.2.2.2).
fn bytes(transport: &mut impl Transport, what: u8, of: u8) -> Result<Vec<u8>, Failure> {
    let size = select(transport, what, of)?;
    (0..size).map(|place| virtio::config::<u8>(transport, DATA + place)).collect()
}

/// Up to the first zero, and what is no text as a replacement.
fn text(bytes: &[u8]) -> Text<MAX_NAME> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    Text::cut(&String::from_utf8_lossy(&bytes[..end]))
}

/// `struct virtio_input_absinfo`. An axis without a range means nothing.
fn axis(transport: &mut impl Transport, code: u16) -> Result<Option<Axis>, Failure> {
    if select(transport, ABS_INFO, code as u8)? < size_of::<[u32; 5]>() {
        return Ok(None);
    }
    let mut values = [0; 5];
    for (index, value) in values.iter_mut().enumerate() {
        *value = u32::from_le(virtio::config(transport, DATA + 4 * index)?) as i32;
    }
    let [minimum, maximum, fuzz, flat, resolution] = values;
    Ok((minimum < maximum).then_some(Axis { value: minimum, minimum, maximum, fuzz, flat, resolution }))
}
