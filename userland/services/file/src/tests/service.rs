//! The service with clients that behave and clients that do not.

use ipc::file::{FILE, FileClient, FileServer, MAX_PAGES, Status};
use ipc::{Call, Error, Loopback};
use rt::{Badge, Message, SharedBuffer};

use super::image::{SMALL, items, pattern, volume};
use super::memory::MemoryDisk;
use crate::Service;

type Shared = ipc::Shared<Service<MemoryDisk>>;

fn service() -> Shared {
    Shared::new(Service::new(MemoryDisk::new(volume(SMALL, &items()))))
}

fn client(service: &Shared, component: u32, epoch: u16) -> FileClient<Loopback<FileServer<Shared>>> {
    FileClient(Loopback::with_client(FileServer(service.clone()), Badge::new(component, epoch, 0)))
}

fn pages(count: usize) -> SharedBuffer {
    SharedBuffer::fake(count * 4096)
}

fn refused<T>(status: Status) -> Result<T, Error<Status>> {
    Err(Error::Status(status))
}

#[test]
fn a_client_reads() {
    let service = service();
    let files = client(&service, 1, 1);
    assert_eq!(files.open("/README.TXT"), refused(Status::NotAttached));
    files.attach(&pages(4)).unwrap();
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
    let (service, buffer) = (service(), pages(1));
    let files = client(&service, 1, 1);
    files.attach(&buffer).unwrap();
    let handle = files.open("large.bin").unwrap().handle;
    assert_eq!(files.read(handle, 1000, 100, 3996), Ok(100));
    let mut out = [0; 101];
    buffer.read(3995, &mut out).unwrap();
    assert_eq!((out[0], &out[1..]), (0, &pattern(1100)[1000..]));
}

#[test]
fn clients_and_handles_are_limited() {
    let service = service();
    let files = client(&service, 1, 1);
    files.attach(&pages(1)).unwrap();
    for _ in 0..16 {
        files.open("/").unwrap();
    }
    assert_eq!(files.open("/"), refused(Status::TooManyHandles));
    for component in 2..=8 {
        client(&service, component, 1).attach(&pages(1)).unwrap();
    }
    assert_eq!(client(&service, 9, 1).attach(&pages(1)), refused(Status::TooManySessions));
    assert_eq!(files.attach(&pages(MAX_PAGES as usize + 1)), refused(Status::Range));
}

#[test]
fn a_new_instance_begins_anew() {
    let service = service();
    let (old, new) = (client(&service, 1, 1), client(&service, 1, 2));
    old.attach(&pages(1)).unwrap();
    let handle = old.open("/README.TXT").unwrap().handle;
    assert_eq!(new.read(handle, 0, 1, 0), refused(Status::NotAttached));
    new.attach(&pages(1)).unwrap();
    assert_eq!(new.read(handle, 0, 1, 0), refused(Status::BadHandle));
    assert_eq!(old.read(handle, 0, 1, 0), refused(Status::NotAttached));
}

#[test]
fn open_files_outlive_a_disk_that_comes_back() {
    let service = service();
    let files = client(&service, 1, 1);
    files.attach(&pages(1)).unwrap();
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
    let ask = client(&service(), 1, 1).0;
    let status = |message: Message| ask.call(&message).unwrap().label;
    assert_eq!(status(Message::new(FILE.label(99), [])), Status::UnknownMethod as u32);
    assert_eq!(status(Message::new(FILE.label(3), [1])), Status::BadMessage as u32);
}

#[test]
fn a_buffer_that_is_not_as_large_as_it_is_said_to_be_is_refused() {
    let ask = client(&service(), 1, 1).0;
    let mut message = Message::new(FILE.label(1), [3]);
    message.push_cap(pages(2).frame().slot());
    assert_eq!(ask.call(&message).unwrap().label, Status::BadCapability as u32);
    let message = Message::new(FILE.label(1), [3]);
    assert_eq!(ask.call(&message).unwrap().label, Status::BadCapability as u32);
}
