//! The device: requests go in, and come back done, in whatever order the device likes. (virtio 1.2, 5.2)

use alloc::rc::Rc;

use bitflags::bitflags;
use ipc::block::{Info, SECTOR};
use kit::dma::{LINE, Memory, Space};
use kit::virtio::{DeviceStatus, DeviceType, Lie, Piece, Queue, Transport};

bitflags! {
    /// What device and driver agree on. Without VIRTIO_BLK_F_FLUSH a write is done when it is on the medium, which is
    /// what the block protocol promises.
    #[derive(Clone, Copy, Debug)]
    struct Features: u64 {
        const READ_ONLY = 1 << 5;
        const VERSION_1 = 1 << 32;
    }
}

/// Descriptors of the queue; a request takes three: header, data, status.
const DESCRIPTORS: usize = 64;
/// Requests that can be under way.
pub(crate) const REQUESTS: usize = DESCRIPTORS / 3;

/// Header and status of request n lie at n times this in the control page: while the device has one, another is
/// written.
const CONTROL: usize = LINE;
const HEADER: usize = 16;
const STATUS: usize = HEADER;
/// A status that no device gives.
const UNSET: u8 = 0xff;

/// How often the configuration is read again when the device changes it meanwhile.
const TRIES: usize = 16;

/// Status of a completion whose device failed; smaller ones are virtio's own.
pub(crate) const DEVICE_FAILED: u32 = 0x100;

/// Where the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device to memory.
    Read,
    /// From memory to the device.
    Write,
}

/// Why a device cannot be driven.
#[derive(Debug)]
pub enum SetupError {
    /// It is another kind of device.
    Kind(DeviceType),
    /// It does not offer the interface of virtio 1.
    Features,
    /// It did not take the features.
    Refused,
    /// Its configuration does not hold still, or is too short.
    Config,
    /// No memory, or a queue that is too small or in use.
    Queue(kit::virtio::Error),
    /// No memory.
    Memory(kit::Error),
}

impl core::fmt::Display for SetupError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "reg:0: a virtio device of another kind ({kind:?})"),
            Self::Features => f.write_str("the device does not offer virtio 1"),
            Self::Refused => f.write_str("the device refused the features it offered"),
            Self::Config => f.write_str("the device's configuration cannot be read"),
            Self::Queue(error) => write!(f, "queue of the device: {error}"),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SetupError {}

/// A request that is done; `O` is what its owner gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished<O> {
    /// What was given to [`Disk::submit`].
    pub owner: O,
    /// 0: done.
    pub status: u32,
}

struct Pending<O> {
    owner: O,
    /// Bytes the device must have written.
    expected: usize,
}

/// A block device behind a virtio transport. `O` says to whom a request belongs.
pub struct Disk<T, O> {
    transport: T,
    queue: Queue<DESCRIPTORS>,
    control: Rc<Memory>,
    pending: [Option<Pending<O>>; REQUESTS],
    info: Info,
    failed: bool,
}

impl<T: Transport, O> Disk<T, O> {
    /// Resets the device and sets it up.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(mut transport: T, space: Space) -> Result<Self, SetupError> {
        match transport.device_type() {
            DeviceType::Block => {}
            other => return Err(SetupError::Kind(other)),
        }
        let features = transport.begin_init(Features::all());
        if !features.contains(Features::VERSION_1) {
            return Err(SetupError::Features);
        }
        if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            return Err(SetupError::Refused);
        }
        let info = Info { sectors: sectors(&transport)?, read_only: features.contains(Features::READ_ONLY) };
        let queue = Queue::new(&mut transport, 0).map_err(SetupError::Queue)?;
        let control = Rc::new(Memory::new(space, 1).map_err(SetupError::Memory)?);
        transport.finish_init();
        Ok(Self { transport, queue, control, pending: [const { None }; REQUESTS], info, failed: false })
    }

    /// What the device is.
    pub const fn info(&self) -> Info {
        self.info
    }

    /// The device failed: it was reset, and takes no requests any more.
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Starts a request. The sectors must lie on the device and `data` be as long as they are. `false`: too many are
    /// under way, or the device has failed.
    pub fn submit(&mut self, direction: Direction, sector: u64, data: Piece, bytes: usize, owner: O) -> bool {
        let Some(free) = self.pending.iter().position(Option::is_none).filter(|_| !self.failed) else { return false };
        let Some((header, status)) = self.prepare(free, direction, sector) else { return false };
        let (input, output, expected) = match direction {
            Direction::Read => ([Some(header), None], [Some(data), Some(status)], bytes + 1),
            Direction::Write => ([Some(header), Some(data)], [Some(status), None], 1),
        };
        if self.queue.submit(&mut self.transport, input, output, free as u32).is_err() {
            return false;
        }
        self.pending[free] = Some(Pending { owner, expected });
        true
    }

    /// Writes the header of request number `index`: type, reserved, sector. (virtio 1.2, 5.2.6)
    fn prepare(&self, index: usize, direction: Direction, sector: u64) -> Option<(Piece, Piece)> {
        let kind: u32 = match direction {
            Direction::Read => 0,
            Direction::Write => 1,
        };
        let mut header = [0; HEADER + 1];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..HEADER].copy_from_slice(&sector.to_le_bytes());
        header[STATUS] = UNSET;
        let place = index * CONTROL;
        self.control.buffer().write(place, &header).ok()?;
        Some((Piece::new(&self.control, place, HEADER)?, Piece::new(&self.control, place + STATUS, 1)?))
    }

    /// Tells the device that its interrupt was seen.
    pub fn acknowledge(&mut self) {
        self.transport.ack_interrupt();
    }

    /// The next request that is done.
    pub fn finished(&mut self) -> Option<Finished<O>> {
        if self.failed {
            return self.given_up();
        }
        match self.queue.pop() {
            Ok(None) => None,
            Ok(Some(done)) => {
                let pending = self.pending.get_mut(done.cookie as usize)?.take()?;
                let status = self.status(done.cookie as usize, done.written >= pending.expected);
                Some(Finished { owner: pending.owner, status })
            }
            Err(Lie) => {
                log::error!(
                    "the device claims to have done what was never asked; it was reset and is not used any more"
                );
                self.failed = true;
                self.queue.abandon(&mut self.transport).for_each(drop);
                self.given_up()
            }
        }
    }

    /// The requests of a device that failed.
    fn given_up(&mut self) -> Option<Finished<O>> {
        let pending = self.pending.iter_mut().find_map(Option::take)?;
        Some(Finished { owner: pending.owner, status: DEVICE_FAILED })
    }

    /// What the device said about request number `index`; a device that wrote less than it says it did has failed at it.
    fn status(&self, index: usize, complete: bool) -> u32 {
        let mut status = [UNSET];
        let read = self.control.buffer().read(index * CONTROL + STATUS, &mut status);
        match (read, status[0]) {
            (Ok(()), 0) if complete => 0,
            (Ok(()), error) if error != 0 => error.into(),
            _ => DEVICE_FAILED,
        }
    }
}

/// The device's size, read until it holds still.
fn sectors(transport: &impl Transport) -> Result<u64, SetupError> {
    for _ in 0..TRIES {
        let before = transport.read_config_generation();
        let low: u32 = transport.read_config_space(0).map_err(|_| SetupError::Config)?;
        let high: u32 = transport.read_config_space(4).map_err(|_| SetupError::Config)?;
        if transport.read_config_generation() == before {
            // Not more than bytes can count.
            return Ok((u64::from(high) << 32 | u64::from(low)).min(u64::MAX / SECTOR as u64));
        }
    }
    Err(SetupError::Config)
}
