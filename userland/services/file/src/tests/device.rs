//! The way to a driver: completions, and drivers that end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use ipc::block::{
    Block, BlockClient, BlockServer, Completion, Info, PLACES, RINGS, Request, ServerRings, Status as BlockStatus,
};
use ipc::file::Status;
use ipc::{Buffer, Call, Client, Loopback, SERVER_ENDED, Shared, Signal};
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

/// A driver.
#[derive(Default)]
struct Driver {
    session: Option<(SharedBuffer, ServerRings)>,
    attaches: u32,
    request: Option<Request>,
}

impl Block for Driver {
    fn info(&mut self) -> Result<Info, BlockStatus> {
        Ok(Info { sectors: 1000, read_only: false })
    }

    fn attach(&mut self, _: Client, buffer: Buffer, _: Signal) -> Result<(), BlockStatus> {
        assert_eq!(buffer.pages as usize, 1 + MAX_FETCH / 4096);
        let mapped = SharedBuffer::map(buffer.frame.cap(), buffer.pages.into()).expect("the client's");
        self.session = Some((mapped, RINGS.server()));
        self.attaches += 1;
        Ok(())
    }

    fn submit(&mut self, _: Client) -> Result<(), BlockStatus> {
        let (buffer, rings) = self.session.as_mut().ok_or(BlockStatus::NotAttached)?;
        self.request = rings.next(buffer, 0).expect("an honest client");
        Ok(())
    }
}

/// A driver, the kernel and the supervisor at once.
struct Surroundings {
    driver: Shared<Driver>,
    loopback: Loopback<BlockServer<Shared<Driver>>>,
    events: RefCell<VecDeque<Event>>,
}

#[derive(Clone)]
struct Around(Rc<Surroundings>);

impl std::ops::Deref for Around {
    type Target = Surroundings;

    fn deref(&self) -> &Surroundings {
        &self.0
    }
}

impl Call for Around {
    fn call(&self, message: &Message) -> Result<Message, CallError> {
        let next = self.events.borrow().front().copied();
        match next {
            Some(Event::Fail(code)) => {
                self.events.borrow_mut().pop_front();
                Err(CallError { error: SyscallError::new(code, 0), reason: 1 })
            }
            _ => self.loopback.call(message),
        }
    }
}

impl Wait for Around {
    fn wait(&self) -> Result<u64, SyscallError> {
        let mut driver = self.driver.borrow_mut();
        let tag = driver.request.expect("waits without a request").tag;
        let event = self.events.borrow_mut().pop_front().expect("waits for more than happens");
        let (tag, status) = match event {
            Event::Complete(status) => (tag, status),
            Event::Stale => (tag.wrapping_sub(5), 1),
            Event::End => {
                driver.session = None;
                return Ok(SERVER_ENDED);
            }
            Event::Fail(code) => return Err(SyscallError::new(code, 0)),
        };
        let (buffer, rings) = driver.session.as_mut().expect("attached");
        rings.complete(buffer, &Completion { tag, status }).expect("room");
        Ok(1)
    }
}

type Device = BlockDevice<Around, Around>;

fn device(events: &[Event]) -> (Around, Device) {
    let driver = Shared::new(Driver::default());
    let loopback = Loopback::new(BlockServer(driver.clone()));
    let events = RefCell::new(events.iter().copied().collect());
    let around = Around(Rc::new(Surroundings { driver, loopback, events }));
    let device = BlockDevice::new(BlockClient(around.clone()), Cap::from_slot(20), 1, around.clone());
    (around, device.expect("memory"))
}

fn fetch(events: &[Event]) -> (Result<(), Status>, u32) {
    let (around, mut device) = device(events);
    let result = device.fetch(8, 256).map(drop);
    if result.is_ok() {
        assert!(around.events.borrow().is_empty());
    }
    let attaches = around.driver.borrow_mut().attaches;
    (result, attaches)
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
    let (_, mut device) = device(&[]);
    assert_eq!(device.fetch(0, 257).map(drop), Err(Status::DeviceError));
    assert_eq!(device.fetch(0, usize::MAX).map(drop), Err(Status::DeviceError));
    assert_eq!(device.sectors(), Ok(1000));
}

#[test]
fn many_requests_one_after_the_other() {
    let (around, mut device) = device(&[]);
    for _ in 0..3 * PLACES {
        around.events.borrow_mut().push_back(Event::Complete(0));
        assert!(device.fetch(8, 256).is_ok());
    }
}
