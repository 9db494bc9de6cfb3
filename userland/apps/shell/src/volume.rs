//! The file service, attached when it is needed, and again after it was restarted.

use alloc::rc::Rc;

use ipc::Error;
use ipc::file::{Entry, FileClient, Opened, Status};
use rt::{ErrorCode, SharedBuffer};

use crate::machine::Carrier;

type Result<T> = core::result::Result<T, Error<Status>>;

/// The file service.
pub struct Volume {
    files: FileClient<Carrier>,
    buffer: Rc<SharedBuffer>,
    attached: bool,
}

impl Volume {
    /// The service, and the buffer it is to fill.
    pub const fn new(files: FileClient<Carrier>, buffer: Rc<SharedBuffer>) -> Self {
        Self { files, buffer, attached: false }
    }

    /// A server ended, maybe this one: the next `open` begins a new session.
    pub fn reattach(&mut self) {
        self.attached = false;
    }

    /// Opens a file or directory; [`Self::close`] it.
    ///
    /// # Errors
    /// The service's.
    pub fn open(&mut self, path: &str) -> Result<Opened> {
        match self.try_open(path) {
            Err(error) if is_restart(&error) => {
                self.attached = false;
                self.try_open(path)
            }
            result => result,
        }
    }

    fn try_open(&mut self, path: &str) -> Result<Opened> {
        if !self.attached {
            self.files.attach(&self.buffer)?;
            self.attached = true;
        }
        self.files.open(path)
    }

    /// Reads up to as many bytes of a file as `out` has; 0 at its end.
    ///
    /// # Errors
    /// The service's.
    pub fn read(&mut self, handle: u32, position: u64, out: &mut [u8]) -> Result<usize> {
        let wanted = out.len().min(self.buffer.len());
        let count = self.files.read(handle, position, wanted as u32, 0).inspect_err(|error| self.note(error))?;
        let out = out.get_mut(..count as usize).ok_or(Error::Malformed)?;
        self.buffer.read(0, out).map_err(|_| Error::Malformed)?;
        Ok(out.len())
    }

    /// The entry of a directory at `cursor`.
    ///
    /// # Errors
    /// The service's.
    pub fn entry(&mut self, handle: u32, cursor: u64) -> Result<Option<Entry>> {
        self.files.entry(handle, cursor).inspect_err(|error| self.note(error))
    }

    /// Gives a handle back. A service that was restarted knows it no more, which is as good.
    pub fn close(&mut self, handle: u32) {
        let _ = self.files.close(handle);
    }

    fn note(&mut self, error: &Error<Status>) {
        if is_restart(error) {
            self.attached = false;
        }
    }
}

/// The service was restarted: attaching again helps.
fn is_restart(error: &Error<Status>) -> bool {
    match error {
        Error::Call(call) => {
            matches!(call.error.code, ErrorCode::PeerGone | ErrorCode::Revoked | ErrorCode::Cancelled)
        }
        Error::Status(status) => *status == Status::NotAttached,
        Error::Malformed | Error::TooLong => false,
    }
}
