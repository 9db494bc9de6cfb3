//! The block protocol: sessions of clients in front of one device.

use alloc::rc::Rc;

use ipc::block::{Completion, Info, RingWriter, SECTOR, Status, Transfer};
use ipc::{NoSession, Sessions};
use kit::dma::Memory;
use kit::server::Waker;
use kit::virtio::{Piece, Transport};
use rt::Badge;

use crate::disk::{Direction, Disk, Finished};

/// Clients at a time.
const CLIENTS: usize = 8;

/// To whom a request belongs: a session is never confused with the one that replaced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    session: u64,
    tag: u32,
}

/// The memory a client shares, and how it is told.
struct Session {
    number: u64,
    memory: Rc<Memory>,
    ring: RingWriter,
    waker: Waker,
    /// Completions were written that the client was not woken for yet.
    news: bool,
    /// The client took its memory away, or died.
    gone: bool,
}

/// One device and its clients.
pub struct Service<T> {
    disk: Disk<T, Owner>,
    sessions: Sessions<Session, CLIENTS>,
    /// Sessions begun so far.
    begun: u64,
}

impl<T: Transport> Service<T> {
    /// Serves this device.
    pub const fn new(disk: Disk<T, Owner>) -> Self {
        Self { disk, sessions: Sessions::new(), begun: 0 }
    }

    /// What the device is.
    pub const fn info(&self) -> Info {
        self.disk.info()
    }

    /// Begins the session of a client, in place of the one it had.
    ///
    /// # Errors
    /// `TooManySessions`.
    pub fn attach(&mut self, badge: Badge, memory: Memory, waker: Waker) -> Result<(), Status> {
        self.sessions.close(badge);
        self.begun += 1;
        let number = self.begun;
        let memory = Rc::new(memory);
        let session = Session { number, memory, ring: RingWriter::new(), waker, news: false, gone: false };
        let opened = self.sessions.open(badge, |_| Ok::<_, NoSession>(session));
        opened.map(drop).map_err(|NoSession| Status::TooManySessions)
    }

    /// Starts a transfer between the device and the client's memory.
    ///
    /// # Errors
    /// `NotAttached`, `Range`, `ReadOnly`, `Full`, `DeviceError`.
    pub fn transfer(&mut self, badge: Badge, direction: Direction, transfer: Transfer) -> Result<(), Status> {
        let session = self.sessions.get(badge).ok_or(Status::NotAttached)?;
        let info = self.disk.info();
        transfer.check(info.sectors, session.memory.bytes())?;
        if direction == Direction::Write && info.read_only {
            return Err(Status::ReadOnly);
        }
        if self.disk.has_failed() {
            return Err(Status::DeviceError);
        }
        let bytes = transfer.sectors as usize * SECTOR;
        let data = Piece::new(&session.memory, transfer.offset as usize, bytes).ok_or(Status::Range)?;
        let owner = Owner { session: session.number, tag: transfer.tag };
        let taken = self.disk.submit(direction, transfer.sector, data, bytes, owner);
        if taken { Ok(()) } else { Err(Status::Full) }
    }

    /// The device wants attention: completes what is done and wakes whom it concerns.
    pub fn interrupt(&mut self) {
        self.disk.acknowledge();
        while let Some(Finished { owner, status }) = self.disk.finished() {
            if let Some(session) = self.sessions.iter_mut().find(|session| session.number == owner.session) {
                session.complete(Completion { tag: owner.tag, status });
            }
        }
        for session in self.sessions.iter_mut() {
            if core::mem::take(&mut session.news) {
                session.waker.wake();
            }
        }
    }
}

impl Session {
    fn complete(&mut self, completion: Completion) {
        if !self.news {
            // Once for each batch: this process runs above its clients, so none of them can act in between.
            self.gone = !self.memory.is_present();
            self.news = true;
        }
        if !self.gone {
            // The buffer has a first page: there is no session without.
            let _ = self.ring.push(self.memory.buffer(), completion);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::block::RingReader;
    use kit::dma::fake as frames;
    use kit::server::fake as wakers;
    use kit::virtio::fake::{Device, FakeTransport};
    use rt::{Cap, Frame};

    const VERSION_1: u64 = 1 << 32;
    const READ_ONLY: u64 = 1 << 5;
    const SECTORS: u64 = 1000;
    const CLIENT: Badge = Badge::new(7, 1, 0);
    const NOTIFICATION: u32 = 70;

    fn disk(offered: u64) -> (Device, Service<FakeTransport>) {
        let (device, transport) = Device::new(2, offered, &SECTORS.to_le_bytes());
        (device, Service::new(Disk::new(transport, frames::space()).unwrap()))
    }

    fn attach(service: &mut Service<FakeTransport>, badge: Badge, pages: u64) -> Cap<Frame> {
        let frame = frames::frame(pages);
        let memory = Memory::attach(frames::space(), frame, pages).unwrap();
        service.attach(badge, memory, Waker::new(Cap::from_slot(NOTIFICATION), 4)).unwrap();
        frame
    }

    fn transfer(tag: u32) -> Transfer {
        Transfer { sector: tag.into(), sectors: 2, offset: 4096 + 1024 * tag, tag }
    }

    /// A disk on which every byte of sector n is n.
    fn serve(input: &[u8], output: &mut [u8]) -> u32 {
        assert_eq!((input.len(), &input[..8]), (16, &[0; 8][..]));
        let sector = u64::from_le_bytes(input[8..].try_into().unwrap());
        let (status, data) = output.split_last_mut().unwrap();
        for (index, byte) in data.iter_mut().enumerate() {
            *byte = (sector + (index / SECTOR) as u64) as u8;
        }
        *status = 0;
        output.len() as u32
    }

    #[test]
    fn the_device_is_set_up_with_what_it_offers() {
        let (device, service) = disk(VERSION_1 | READ_ONLY | 0xff);
        assert_eq!(service.info(), Info { sectors: SECTORS, read_only: true });
        assert_eq!(device.accepted(), VERSION_1 | READ_ONLY);
    }

    #[test]
    fn devices_that_cannot_be_driven_are_refused() {
        let refused = |kind, offered, config: &[u8]| {
            let (_, transport) = Device::new(kind, offered, config);
            Disk::<_, Owner>::new(transport, frames::space()).err().unwrap()
        };
        assert!(matches!(refused(1, VERSION_1, &[0; 8]), SetupError::Kind(_)));
        assert!(matches!(refused(2, 0, &[0; 8]), SetupError::Features));
        assert!(matches!(refused(2, VERSION_1, &[0; 7]), SetupError::Config));
        let (device, transport) = Device::new(2, VERSION_1, &[0; 8]);
        device.be_unsteady();
        assert!(matches!(Disk::<_, Owner>::new(transport, frames::space()), Err(SetupError::Config)));
    }

    use crate::SetupError;

    #[test]
    fn reads_complete_in_the_clients_memory() {
        let (device, mut service) = disk(VERSION_1);
        let frame = attach(&mut service, CLIENT, 9);
        let buffer = frames::view(frame);
        let mut ring = RingReader::reset(&buffer).unwrap();
        for tag in 0..20 {
            assert_eq!(service.transfer(CLIENT, Direction::Read, transfer(tag)), Ok(()), "{tag}");
        }
        assert_eq!(wakers::signalled(NOTIFICATION), 0);
        let heads: Vec<u16> = core::iter::from_fn(|| device.take()).collect();
        heads.iter().rev().for_each(|&head| device.serve_one(head, serve));
        service.interrupt();
        assert_eq!(wakers::signalled(NOTIFICATION), 4);
        for tag in (0..20).rev() {
            assert_eq!(ring.next(&buffer), Ok(Some(Completion { tag, status: 0 })));
            let mut data = [0; 1024];
            buffer.read(4096 + 1024 * tag as usize, &mut data).unwrap();
            assert!(data[..512].iter().all(|&byte| byte == tag as u8));
            assert!(data[512..].iter().all(|&byte| byte == tag as u8 + 1));
        }
        assert_eq!(ring.next(&buffer), Ok(None));
    }

    #[test]
    fn writes_carry_the_clients_data() {
        let (device, mut service) = disk(VERSION_1);
        let buffer = frames::view(attach(&mut service, CLIENT, 2));
        buffer.write(4096, &[0xab; 512]).unwrap();
        let transfer = Transfer { sector: 9, sectors: 1, offset: 4096, tag: 3 };
        service.transfer(CLIENT, Direction::Write, transfer).unwrap();
        device.serve(|input, output| {
            assert_eq!((input[0], input[8], &input[16..]), (1, 9, &[0xab; 512][..]));
            output.fill(0);
            1
        });
        service.interrupt();
        assert_eq!(RingReader::default().next(&buffer), Ok(Some(Completion { tag: 3, status: 0 })));
    }

    #[test]
    fn bad_requests_are_refused() {
        let (_, mut service) = disk(VERSION_1 | READ_ONLY);
        let good = transfer(0);
        assert_eq!(service.transfer(CLIENT, Direction::Read, good), Err(Status::NotAttached));
        attach(&mut service, CLIENT, 2);
        assert_eq!(service.transfer(Badge::new(7, 2, 0), Direction::Read, good), Err(Status::NotAttached));
        assert_eq!(service.transfer(CLIENT, Direction::Write, good), Err(Status::ReadOnly));
        for bad in [
            Transfer { sector: SECTORS - 1, ..good },
            Transfer { sectors: 9, ..good },
            Transfer { offset: 0, ..good },
            Transfer { offset: 8192, ..good },
        ] {
            assert_eq!(service.transfer(CLIENT, Direction::Read, bad), Err(Status::Range), "{bad:?}");
        }
        let taken = (0..100).take_while(|_| service.transfer(CLIENT, Direction::Read, good).is_ok()).count();
        assert!(taken >= 16, "{taken}");
        assert_eq!(service.transfer(CLIENT, Direction::Read, good), Err(Status::Full));
    }

    #[test]
    fn errors_of_the_device_reach_the_client() {
        let (device, mut service) = disk(VERSION_1);
        let buffer = frames::view(attach(&mut service, CLIENT, 9));
        (0..3).for_each(|tag| service.transfer(CLIENT, Direction::Read, transfer(tag)).unwrap());
        let answers = [(1, 1025), (0, 4), (UNSET, 1025)];
        let mut answers = answers.into_iter();
        device.serve(|_, output| {
            let (status, written) = answers.next().unwrap();
            *output.last_mut().unwrap() = status;
            written
        });
        service.interrupt();
        let mut ring = RingReader::default();
        let statuses: Vec<u32> = core::iter::from_fn(|| ring.next(&buffer).unwrap()).map(|done| done.status).collect();
        assert_eq!(statuses, [1, crate::disk::DEVICE_FAILED, 255]);
    }

    const UNSET: u8 = 0xff;

    #[test]
    fn a_lying_device_is_reset_and_its_requests_fail() {
        let (device, mut service) = disk(VERSION_1);
        let buffer = frames::view(attach(&mut service, CLIENT, 9));
        (0..3).for_each(|tag| service.transfer(CLIENT, Direction::Read, transfer(tag)).unwrap());
        device.complete(60, 1);
        service.interrupt();
        assert!(device.is_reset());
        let mut ring = RingReader::default();
        let failed = core::iter::from_fn(|| ring.next(&buffer).unwrap());
        assert_eq!(failed.filter(|done| done.status == crate::disk::DEVICE_FAILED).count(), 3);
        assert_eq!(service.transfer(CLIENT, Direction::Read, transfer(0)), Err(Status::DeviceError));
        service.interrupt();
    }

    #[test]
    fn a_client_that_is_gone_is_not_written_to() {
        let (device, mut service) = disk(VERSION_1);
        let frame = attach(&mut service, CLIENT, 9);
        let buffer = frames::view(frame);
        service.transfer(CLIENT, Direction::Read, transfer(0)).unwrap();
        device.serve(serve);
        frames::revoke(frame);
        service.interrupt();
        assert_eq!(buffer.load_u32(0), Ok(0));
    }

    #[test]
    fn a_new_session_does_not_see_the_requests_of_the_old() {
        let (device, mut service) = disk(VERSION_1);
        let old = frames::view(attach(&mut service, CLIENT, 9));
        service.transfer(CLIENT, Direction::Read, transfer(0)).unwrap();
        let new = frames::view(attach(&mut service, Badge::new(7, 2, 0), 9));
        device.serve(serve);
        service.interrupt();
        assert_eq!((old.load_u32(0), new.load_u32(0)), (Ok(0), Ok(0)));
    }

    #[test]
    fn random_requests_and_a_random_device_do_no_harm() {
        let mut seed = 0x1234_5678_9abc_def1u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..50 {
            let (device, mut service) = disk(VERSION_1);
            attach(&mut service, CLIENT, 4);
            for _ in 0..400 {
                let any = Transfer {
                    sector: random(SECTORS + 10),
                    sectors: random(12) as u32,
                    offset: random(40) as u32 * 512,
                    tag: random(100) as u32,
                };
                let direction = if random(2) == 0 { Direction::Read } else { Direction::Write };
                let _ = service.transfer(CLIENT, direction, any);
                match random(20) {
                    0 => device.complete(random(70) as u32, random(5000) as u32),
                    1..10 => {
                        if let Some(head) = device.take() {
                            device.serve_one(head, |_, output| random(output.len() as u64 + 9) as u32);
                        }
                    }
                    _ => service.interrupt(),
                }
            }
        }
    }
}
