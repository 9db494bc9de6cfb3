//! The service with clients that behave and clients that do not.

use std::cell::RefCell;

use ipc::file::{Files, MAX_PAGES, Request, Status};
use ipc::{Error, Loopback};
use rt::{Badge, Cap, Message, SharedBuffer};

use super::image::{SMALL, items, pattern, volume};
use super::memory::MemoryDisk;
use crate::Service;

type Shared = RefCell<Service<MemoryDisk>>;

fn service() -> Shared {
    RefCell::new(Service::new(MemoryDisk::new(volume(SMALL, &items()))))
}

fn client(service: &Shared, component: u32, epoch: u16) -> Files<Loopback<impl Fn(&Message) -> Message>> {
    let badge = Badge::new(component, epoch, 0);
    Files(Loopback(move |message: &Message| {
        service
            .borrow_mut()
            .answer(badge, Request::decode(message), |_, pages| Ok(SharedBuffer::fake(pages as usize * 4096)))
    }))
}

fn refused<T>(status: Status) -> ipc::file::Result<T> {
    Err(Error::Status(status))
}

const FRAME: Cap<rt::Frame> = Cap::from_slot(20);

#[test]
fn a_client_reads() {
    let service = service();
    let files = client(&service, 1, 1);
    assert_eq!(files.open("/README.TXT"), refused(Status::NotAttached));
    files.attach(FRAME, 4).unwrap();
    let opened = files.open("/large.bin").unwrap();
    assert_eq!(opened.size, 40_000);
    assert_eq!(files.read(opened.handle, 0, 16_384, 0), Ok(16_384));
    assert_eq!(files.read(opened.handle, 39_990, 16_384, 0), Ok(10));
    assert_eq!(files.read(opened.handle, 0, 16_385, 0), refused(Status::Range));
    assert_eq!(files.read(opened.handle, 0, u32::MAX, u32::MAX), refused(Status::Range));
    assert_eq!(files.entry(opened.handle, 0), refused(Status::NotDirectory));
    files.close(opened.handle).unwrap();
    assert_eq!(files.close(opened.handle), refused(Status::BadHandle));
    assert_eq!(files.read(opened.handle, 0, 1, 0), refused(Status::BadHandle));
    let root = files.open("/").unwrap();
    assert_eq!(files.read(root.handle, 0, 1, 0), refused(Status::IsDirectory));
    assert_eq!(files.entry(root.handle, 0).unwrap().unwrap().name.as_str(), "README.TXT");
    assert_eq!(files.entry(root.handle, u64::MAX), Ok(None));
    assert_eq!(files.volume().unwrap().label.as_str(), "TUTTI");
}

#[test]
fn data_arrives_where_it_was_asked_for() {
    let mut service = Service::new(MemoryDisk::new(volume(SMALL, &items())));
    let badge = Badge::new(1, 1, 0);
    let mut ask =
        |request| service.answer(badge, Ok(request), |_, pages| Ok(SharedBuffer::fake(pages as usize * 4096)));
    assert_eq!(ask(Request::Attach { pages: 1 }).label, 0);
    let path = ipc::file::Path::exact("large.bin").unwrap();
    let handle = ask(Request::Open(path)).word(0) as u32;
    let read = ask(Request::Read { handle, position: 1000, bytes: 100, offset: 3996 });
    assert_eq!((read.label, read.word(0)), (0, 100));
    let buffer = service.buffer_of(badge).unwrap();
    let mut out = [0; 101];
    buffer.read(3995, &mut out).unwrap();
    assert_eq!((out[0], &out[1..]), (0, &pattern(1100)[1000..]));
}

#[test]
fn clients_and_handles_are_limited() {
    let service = service();
    let files = client(&service, 1, 1);
    files.attach(FRAME, 1).unwrap();
    for _ in 0..16 {
        files.open("/").unwrap();
    }
    assert_eq!(files.open("/"), refused(Status::TooManyHandles));
    for component in 2..=8 {
        client(&service, component, 1).attach(FRAME, 1).unwrap();
    }
    assert_eq!(client(&service, 9, 1).attach(FRAME, 1), refused(Status::TooManySessions));
    assert_eq!(files.attach(FRAME, MAX_PAGES + 1), refused(Status::Range));
    assert_eq!(files.attach(FRAME, 0), refused(Status::Range));
}

#[test]
fn a_new_instance_begins_anew() {
    let service = service();
    let (old, new) = (client(&service, 1, 1), client(&service, 1, 2));
    old.attach(FRAME, 1).unwrap();
    let handle = old.open("/README.TXT").unwrap().handle;
    assert_eq!(new.read(handle, 0, 1, 0), refused(Status::NotAttached));
    new.attach(FRAME, 1).unwrap();
    assert_eq!(new.read(handle, 0, 1, 0), refused(Status::BadHandle));
    assert_eq!(old.read(handle, 0, 1, 0), refused(Status::NotAttached));
}

#[test]
fn open_files_outlive_a_disk_that_comes_back() {
    let service = service();
    let files = client(&service, 1, 1);
    files.attach(FRAME, 1).unwrap();
    let handle = files.open("/large.bin").unwrap().handle;
    service.borrow_mut().device().broken = Some(Status::DeviceError);
    assert_eq!(files.read(handle, 0, 4096, 0), refused(Status::DeviceError));
    assert_eq!(files.read(handle, 0, 4096, 0), refused(Status::DeviceError));
    service.borrow_mut().device().broken = None;
    assert_eq!(files.read(handle, 0, 4096, 0), Ok(4096));
    // Another volume: what was open is gone.
    service.borrow_mut().device().broken = Some(Status::NoVolume);
    assert_eq!(files.open("/many/two"), refused(Status::NoVolume));
    service.borrow_mut().device().bytes = volume(super::image::Form { clusters: 301, ..SMALL }, &items());
    service.borrow_mut().device().broken = None;
    assert_eq!(files.read(handle, 0, 4096, 0), refused(Status::BadHandle));
    assert_eq!(files.open("/README.TXT").map(|opened| opened.size), Ok(6));
}

#[test]
fn a_message_that_cannot_be_read_is_answered() {
    let service = service();
    let ask = client(&service, 1, 1).0;
    let answer = (ask.0)(&Message::new(99, []));
    assert_eq!(answer.label, Status::UnknownMethod as u32);
    let answer = (ask.0)(&Message::new(ipc::file::method::READ, [1]));
    assert_eq!(answer.label, Status::BadMessage as u32);
}
