//! The frames of a network interface behind the protocol `net`.

use alloc::rc::Rc;
use core::fmt;

use ipc::net::{ClientRings, DATA, HEADER, LONGEST, NetClient, PLACES, Place, Status};
use ipc::{Call, Error, SignalOn};
use rt::SharedBuffer;

use crate::frames::Frames;

/// Bytes of the buffer that a frame takes.
const SLOT: usize = 1536;

/// A session with a network interface: [`Frames`]. The session ends with it.
///
/// A server that was restarted knows it no more: then nothing comes and nothing goes, and a new one is opened.
#[derive(Debug)]
pub struct Port<'n, C: Call> {
    net: &'n NetClient<C>,
    buffer: Rc<SharedBuffer>,
    rings: ClientRings,
    /// Frames in each direction: those that are sent lie before those that come.
    frames: u32,
    /// Slots for frames to send that are free, a bit each.
    free: u64,
    /// Rooms were offered of which the server does not know.
    offered: bool,
}

/// Why a session did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The buffer has no room for a frame in each direction: it takes two pages.
    Small,
    /// The server refused.
    Refused(Error<Status>),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small => f.write_str("the buffer for frames is too small"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<Error<Status>> for OpenError {
    fn from(error: Error<Status>) -> Self {
        Self::Refused(error)
    }
}

impl<'n, C: Call> Port<'n, C> {
    /// Begins a session with this buffer: a page for the rings, and as many frames in each direction as it has room for, up to 64.
    /// The signal comes when there is something to do.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(net: &'n NetClient<C>, buffer: Rc<SharedBuffer>, signal: SignalOn) -> Result<Self, OpenError> {
        let frames = (buffer.len().saturating_sub(DATA) / (2 * SLOT)).min(PLACES) as u32;
        if frames == 0 {
            return Err(OpenError::Small);
        }
        let rings = ClientRings::reset(&buffer).map_err(|_| OpenError::Small)?;
        net.attach(&buffer, signal)?;
        let free = u64::MAX >> (u64::BITS - frames);
        let mut port = Self { net, buffer, rings, frames, free, offered: false };
        (0..frames).for_each(|room| port.offer(room));
        port.submit();
        Ok(port)
    }

    /// Where frame number `tag` lies: below `frames` one that is sent, else one that comes.
    const fn place(tag: u32, bytes: usize) -> Place {
        Place { offset: DATA as u32 + tag * SLOT as u32, bytes: bytes as u32, tag }
    }

    fn offer(&mut self, room: u32) {
        let place = Self::place(self.frames + room, SLOT);
        self.offered |= self.rings.receive.ask(&self.buffer, &place).is_ok();
    }

    fn submit(&mut self) {
        self.offered = false;
        // A server that is gone says so when a session is begun.
        let _ = self.net.submit();
    }

    /// Takes back the slots of what was sent.
    fn collect(&mut self) {
        while let Ok(Some(done)) = self.rings.transmit.completion(&self.buffer) {
            if done.tag < self.frames {
                self.free |= 1 << done.tag;
            }
        }
    }
}

impl<C: Call> Frames for Port<'_, C> {
    fn longest(&self) -> usize {
        LONGEST
    }

    fn receive(&mut self, out: &mut [u8]) -> Option<usize> {
        while let Ok(Some(done)) = self.rings.receive.completion(&self.buffer) {
            let Some(room) = done.tag.checked_sub(self.frames).filter(|&room| room < self.frames) else { continue };
            let offset = Self::place(done.tag, SLOT).offset as usize;
            let frame = done.bytes().ok().filter(|&bytes| bytes <= LONGEST).and_then(|bytes| out.get_mut(..bytes));
            let bytes = frame.and_then(|frame| self.buffer.read(offset, frame).ok().map(|()| frame.len()));
            self.offer(room);
            if bytes.is_some() {
                return bytes;
            }
        }
        if self.offered {
            self.submit();
        }
        None
    }

    fn has_room(&mut self) -> bool {
        self.collect();
        self.free != 0
    }

    fn send(&mut self, frame: &[u8]) {
        if !self.has_room() || !(HEADER..=LONGEST).contains(&frame.len()) {
            return;
        }
        let place = Self::place(self.free.trailing_zeros(), frame.len());
        let written = self.buffer.write(place.offset as usize, frame);
        if written.is_ok() && self.rings.transmit.ask(&self.buffer, &place).is_ok() {
            self.free &= self.free - 1;
            self.submit();
        }
    }
}

impl<C: Call> Drop for Port<'_, C> {
    fn drop(&mut self) {
        // Who is gone has no session either.
        let _ = self.net.detach();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::net::{Completion, Counters, Info, Mac, Net, NetServer, ServerRings, outcome};
    use ipc::{Buffer, Client, Loopback, Signal};
    use rt::Cap;

    /// An interface that sends back what is sent.
    #[derive(Default)]
    struct Mirror {
        session: Option<(SharedBuffer, ServerRings)>,
        /// Frames that are on their way.
        frames: Vec<Vec<u8>>,
        /// What it says instead of the length.
        lies: Option<u32>,
    }

    impl Net for Mirror {
        fn info(&mut self) -> Result<Info, Status> {
            Ok(Info { mac: Mac([2; 6]), mtu: 1500, link: true })
        }

        fn counters(&mut self) -> Result<Counters, Status> {
            Ok(Counters::default())
        }

        fn attach(&mut self, _: Client, buffer: Buffer, _: Signal) -> Result<(), Status> {
            let buffer =
                SharedBuffer::map(buffer.frame.keep(), buffer.pages.into()).map_err(|_| Status::BadCapability)?;
            self.session = Some((buffer, ServerRings::new()));
            Ok(())
        }

        fn submit(&mut self, _: Client) -> Result<(), Status> {
            let (buffer, rings) = self.session.as_mut().ok_or(Status::NotAttached)?;
            while let Some(place) = rings.transmit.next(buffer, 0).unwrap() {
                assert_eq!(place.frame(buffer.len()), Ok(()));
                let mut frame = vec![0; place.bytes as usize];
                buffer.read(place.offset as usize, &mut frame).unwrap();
                self.frames.push(frame);
                rings.transmit.complete(buffer, &Completion { tag: place.tag, result: place.bytes }).unwrap();
            }
            while !self.frames.is_empty()
                && let Some(place) = rings.receive.next(buffer, 0).unwrap()
            {
                assert_eq!(place.room(buffer.len()), Ok(()));
                let frame = self.frames.remove(0);
                buffer.write(place.offset as usize, &frame).unwrap();
                let result = self.lies.unwrap_or(frame.len() as u32);
                rings.receive.complete(buffer, &Completion { tag: place.tag, result }).unwrap();
            }
            Ok(())
        }

        fn detach(&mut self, _: Client) -> Result<(), Status> {
            self.session.take().map(drop).ok_or(Status::NotAttached)
        }
    }

    fn signal() -> SignalOn {
        SignalOn { notification: Cap::from_slot(9), bits: 1 }
    }

    fn mirror() -> NetClient<Loopback<NetServer<Mirror>>> {
        NetClient(Loopback::new(NetServer(Mirror::default())))
    }

    #[test]
    fn frames_go_out_and_come_back() {
        let net = mirror();
        let mut port = Port::open(&net, Rc::new(SharedBuffer::fake(4 * 4096)), signal()).unwrap();
        assert_eq!(port.frames, 4);
        let mut frame = [0; LONGEST];
        for round in 0..200u8 {
            port.send(&[round; 60]);
            port.send(&[round; LONGEST]);
            port.send(&[round; LONGEST + 1]);
            port.send(&[round; HEADER - 1]);
            assert_eq!((port.receive(&mut frame), frame[59]), (Some(60), round));
            assert_eq!((port.receive(&mut frame), frame[LONGEST - 1]), (Some(LONGEST), round));
            assert_eq!(port.receive(&mut frame), None);
        }
    }

    #[test]
    fn the_session_ends_with_the_port() {
        let net = mirror();
        let buffer = Rc::new(SharedBuffer::fake(2 * 4096));
        for _ in 0..3 {
            let mut port = Port::open(&net, buffer.clone(), signal()).unwrap();
            port.send(&[1; 60]);
            assert_eq!(port.receive(&mut [0; 60]), Some(60));
            drop(port);
            assert_eq!(net.submit(), Err(Error::Status(Status::NotAttached)));
        }
        let small = Port::open(&net, Rc::new(SharedBuffer::fake(4096)), signal());
        assert_eq!(small.map(drop), Err(OpenError::Small));
    }

    #[test]
    fn a_server_that_lies_is_not_believed() {
        for lie in [u32::MAX, outcome::DEVICE_FAILED, LONGEST as u32 + 1, 61] {
            let net = mirror();
            net.0.server().0.lies = Some(lie);
            let mut port = Port::open(&net, Rc::new(SharedBuffer::fake(2 * 4096)), signal()).unwrap();
            for _ in 0..10 {
                port.send(&[1; 60]);
                assert_eq!(port.receive(&mut [0; 60]), None, "{lie}");
            }
        }
    }
}
