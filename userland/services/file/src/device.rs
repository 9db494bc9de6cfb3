//! A disk behind a block driver: one request at a time through a shared buffer. A driver that ends is noticed, and its
//! successor attached to, with the request repeated.

use ipc::block::{self, BlockClient, ClientRings, Completion, DATA, Info, Operation, RINGS, Request, SECTOR};
use ipc::file::Status;
use ipc::{Call, Error, SignalOn};
use rt::{Cap, ErrorCode, Notification, SharedBuffer, SyscallError};

use crate::Result;
use crate::block::{BlockRead, Fetched, MAX_FETCH};

/// Pages of the shared buffer: the ring and the data.
const PAGES: u64 = ((DATA + MAX_FETCH) / 4096) as u64;
/// How often a request is sent when drivers end under it.
const ATTEMPTS: u32 = 3;

/// Waits for bits: a Notification, or a test.
pub trait Wait {
    /// The bits that were set.
    ///
    /// # Errors
    /// The kernel's.
    fn wait(&self) -> core::result::Result<u64, SyscallError>;
}

impl Wait for Cap<Notification> {
    fn wait(&self) -> core::result::Result<u64, SyscallError> {
        Cap::<Notification>::wait(*self)
    }
}

/// A disk behind a block driver.
#[derive(Debug)]
pub struct BlockDevice<C, W> {
    driver: BlockClient<C>,
    signal: SignalOn,
    wait: W,
    buffer: SharedBuffer,
    link: Option<Link>,
    tag: u32,
}

/// What holds as long as the driver lives.
#[derive(Debug)]
struct Link {
    rings: ClientRings,
    sectors: u64,
}

/// Why a request did not work.
enum Failure {
    /// The driver is gone, or knows nothing of us: attach, and try again.
    Lost,
    /// It will not work.
    Final(Status),
}

impl<C: Call, W: Wait> BlockDevice<C, W> {
    /// Does not call the driver yet. `signal` is handed to it and signals these bits, which `wait` waits for.
    ///
    /// # Errors
    /// [`rt::VmError`]: there is no memory for the buffer.
    pub fn new(
        driver: BlockClient<C>,
        signal: Cap<Notification>,
        bits: u64,
        wait: W,
    ) -> core::result::Result<Self, rt::VmError> {
        let signal = SignalOn { notification: signal, bits };
        Ok(Self { driver, signal, wait, buffer: SharedBuffer::new(PAGES)?, link: None, tag: 0 })
    }

    /// Tries, and tries again with the driver's successor.
    fn persist<T>(&mut self, mut attempt: impl FnMut(&mut Self) -> core::result::Result<T, Failure>) -> Result<T> {
        for _ in 0..ATTEMPTS {
            match attempt(self) {
                Ok(value) => return Ok(value),
                Err(Failure::Lost) => self.link = None,
                Err(Failure::Final(status)) => {
                    self.link = None;
                    return Err(status);
                }
            }
        }
        Err(Status::DeviceError)
    }

    fn link(&mut self) -> core::result::Result<&mut Link, Failure> {
        if self.link.is_none() {
            let rings = RINGS.client(&self.buffer).map_err(|_| Failure::Final(Status::DeviceError))?;
            self.driver.attach(&self.buffer, self.signal).map_err(failure)?;
            let Info { sectors, .. } = self.driver.info().map_err(failure)?;
            self.link = Some(Link { rings, sectors });
        }
        self.link.as_mut().ok_or(Failure::Lost)
    }

    fn read(&mut self, sector: u64, sectors: u32) -> core::result::Result<(), Failure> {
        self.link()?;
        self.tag = self.tag.wrapping_add(1);
        let operation = Operation::Read as u32;
        let request = Request { sector, sectors, offset: DATA as u32, tag: self.tag, operation };
        let rings = &mut self.link.as_mut().ok_or(Failure::Lost)?.rings;
        // A ring that is full of requests that were given up is begun anew, as one that lies.
        rings.ask(&self.buffer, &request).map_err(|_| Failure::Lost)?;
        self.driver.submit().map_err(failure)?;
        match self.completion()? {
            Completion { status: 0, .. } => Ok(()),
            _ => Err(Failure::Final(Status::DeviceError)),
        }
    }

    /// Waits for the completion of the request under way; those of others are of requests that were given up.
    fn completion(&mut self) -> core::result::Result<Completion, Failure> {
        loop {
            let (tag, buffer) = (self.tag, &self.buffer);
            let rings = &mut self.link.as_mut().ok_or(Failure::Lost)?.rings;
            while let Some(completion) = rings.completion(buffer).map_err(|_| Failure::Final(Status::DeviceError))? {
                if completion.tag == tag {
                    return Ok(completion);
                }
            }
            let bits = self.wait.wait().map_err(|_| Failure::Final(Status::DeviceError))?;
            if bits & ipc::SERVER_ENDED != 0 {
                return Err(Failure::Lost);
            }
        }
    }
}

impl<C: Call, W: Wait> BlockRead for BlockDevice<C, W> {
    fn sectors(&mut self) -> Result<u64> {
        self.persist(|device| device.link().map(|link| link.sectors))
    }

    fn fetch(&mut self, sector: u64, sectors: usize) -> Result<Fetched<'_>> {
        let bytes = sectors.checked_mul(SECTOR).filter(|&bytes| bytes <= MAX_FETCH).ok_or(Status::DeviceError)?;
        self.persist(|device| device.read(sector, sectors as u32))?;
        Ok(Fetched::new(&self.buffer, DATA, bytes))
    }

    fn driver_ended(&mut self) {
        self.link = None;
    }
}

fn failure(error: Error<block::Status>) -> Failure {
    match error {
        Error::Status(block::Status::NotAttached | block::Status::BadRing) => Failure::Lost,
        Error::Call(call) if call.error.code == ErrorCode::PeerGone => Failure::Lost,
        // The supervisor closes the endpoint when the machine has no such device or its driver was given up.
        Error::Call(call) if call.error.code == ErrorCode::Closed => Failure::Final(Status::NoVolume),
        _ => Failure::Final(Status::DeviceError),
    }
}
