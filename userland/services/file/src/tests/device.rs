//! The way to a driver: completions, and drivers that end.

use std::cell::RefCell;

use ipc::block::{Completion, Info, Request, RingWriter, Status as BlockStatus, accepted};
use ipc::file::Status;
use ipc::{Call, SERVER_ENDED};
use rt::{CallError, Cap, ErrorCode, Message, SharedBuffer, SyscallError};

use crate::device::{BlockDevice, Wait};
use crate::{BlockRead, MAX_FETCH};

/// What happens next in a test.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Event {
    /// The driver completes the request with this status.
    Complete(u32),
    /// It ends instead.
    End,
    /// It completes a request of long ago first.
    Stale,
    /// Calls end with this error.
    Fail(ErrorCode),
}

/// A driver, the kernel and the supervisor at once.
struct Driver {
    attached: bool,
    attaches: u32,
    ring: RingWriter,
    tag: Option<u32>,
    events: Vec<Event>,
}

struct Shared<'a>(&'a RefCell<Driver>, &'a SharedBuffer);

impl Call for Shared<'_> {
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        let mut driver = self.0.borrow_mut();
        if let Some(&Event::Fail(code)) = driver.events.first() {
            driver.events.remove(0);
            return Err(CallError { error: SyscallError::new(code, 0), reason: 1 });
        }
        Ok(match Request::decode(message).unwrap() {
            Request::Info => Info { sectors: 1000, read_only: false }.encode(),
            Request::Attach { pages: 33, .. } => {
                (driver.attached, driver.ring) = (true, RingWriter::new());
                driver.attaches += 1;
                accepted()
            }
            Request::Read(_) if !driver.attached => BlockStatus::NotAttached.answer(),
            Request::Read(transfer) => {
                driver.tag = Some(transfer.tag);
                accepted()
            }
            other => panic!("{other:?}"),
        })
    }
}

impl Wait for Shared<'_> {
    fn wait(&self) -> Result<u64, SyscallError> {
        let mut driver = self.0.borrow_mut();
        let tag = driver.tag.expect("waits without a request");
        let event = driver.events.remove(0);
        let (tag, status) = match event {
            Event::Complete(status) => (tag, status),
            Event::Stale => (tag.wrapping_sub(5), 1),
            Event::End => {
                driver.attached = false;
                return Ok(SERVER_ENDED);
            }
            Event::Fail(code) => return Err(SyscallError::new(code, 0)),
        };
        driver.ring.push(self.1, Completion { tag, status }).unwrap();
        Ok(1)
    }
}

fn fetch(events: &[Event]) -> (Result<(), Status>, u32) {
    let (buffer, view) = SharedBuffer::fake_pair(4096 + MAX_FETCH);
    let driver = RefCell::new(Driver {
        attached: false,
        attaches: 0,
        ring: RingWriter::new(),
        tag: None,
        events: events.to_vec(),
    });
    let (call, wait) = (Shared(&driver, &view), Shared(&driver, &view));
    let mut device = BlockDevice::with_buffer(call, Cap::from_slot(20), wait, buffer);
    let result = device.fetch(8, 256).map(drop);
    if result.is_ok() {
        assert!(driver.borrow().events.is_empty());
    }
    (result, driver.borrow().attaches)
}

#[test]
fn a_request_completes() {
    assert_eq!(fetch(&[Event::Complete(0)]), (Ok(()), 1));
    assert_eq!(fetch(&[Event::Stale, Event::Stale, Event::Complete(0)]), (Ok(()), 1));
    assert_eq!(fetch(&[Event::Complete(5)]), (Err(Status::DeviceError), 1));
}

#[test]
fn a_driver_that_ends_is_replaced() {
    assert_eq!(fetch(&[Event::End, Event::Complete(0)]), (Ok(()), 2));
    assert_eq!(fetch(&[Event::Stale, Event::End, Event::Complete(0)]), (Ok(()), 2));
    assert_eq!(fetch(&[Event::Fail(ErrorCode::PeerGone), Event::Complete(0)]), (Ok(()), 1));
    assert_eq!(fetch(&[Event::End, Event::End, Event::End, Event::End]), (Err(Status::DeviceError), 3));
}

#[test]
fn an_endpoint_without_a_driver() {
    assert_eq!(fetch(&[Event::Fail(ErrorCode::Closed)]), (Err(Status::NoVolume), 0));
    assert_eq!(fetch(&[Event::End, Event::Fail(ErrorCode::Closed)]), (Err(Status::NoVolume), 1));
    assert_eq!(fetch(&[Event::Fail(ErrorCode::Revoked)]), (Err(Status::DeviceError), 0));
}

#[test]
fn requests_are_bounded() {
    let driver =
        RefCell::new(Driver { attached: false, attaches: 0, ring: RingWriter::new(), tag: None, events: Vec::new() });
    let (buffer, view) = SharedBuffer::fake_pair(4096);
    let (call, wait) = (Shared(&driver, &view), Shared(&driver, &view));
    let mut device = BlockDevice::with_buffer(call, Cap::from_slot(20), wait, buffer);
    assert_eq!(device.fetch(0, 257).map(drop), Err(Status::DeviceError));
    assert_eq!(device.fetch(0, usize::MAX).map(drop), Err(Status::DeviceError));
    assert_eq!(device.sectors(), Ok(1000));
}
