//! net: Ethernet frames out of and into a buffer both sides share.

use core::fmt;

use rt::SharedBuffer;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::ring::{self, Lie, Pair};
use crate::{Buffer, Client, Signal, Wire};

/// A network interface: whole Ethernet frames, without preamble and check sequence.
///
/// A client attaches with a buffer. Its first page holds four rings, two for each direction: the client asks, the server says what
/// is done. To transmit, the client names frames; one is sent when its completion is there. To receive, it offers room; a
/// completion says that a frame was put there. It puts in as many as it likes of both, and calls `submit` once. Completions come
/// in any order; the client is signalled after the last of several, and when the link comes or goes.
///
/// As many of each may be under way as a ring has places; one more is taken when a completion was taken out. Every client
/// receives every frame for which it has room offered. While none has, frames wait in the device, which drops them when it is full;
/// what came before the first client is dropped.
///
/// ```text
/// +0       ring of 64 frames to transmit:  u32 offset, u32 bytes, u32 tag
/// +1024    ring of 64 completions of them: u32 tag, u32 result
/// +2048    ring of 64 rooms to receive in: u32 offset, u32 bytes, u32 tag
/// +3072    ring of 64 completions of them: u32 tag, u32 result
/// +4096    data
/// ```
#[crate::protocol(name = "net", version = 1)]
pub trait Net {
    /// What the interface is, and whether its link is up.
    #[method(1)]
    fn info(&mut self) -> Result<Info, Status>;

    /// What went through it since it was started.
    #[method(2)]
    fn counters(&mut self) -> Result<Counters, Status>;

    /// Begins a session with a buffer, of which the Frame can be read, written and used for DMA, and a signal. It takes the place of
    /// the session this client had, whose frames may still be sent but complete nowhere.
    #[method(3)]
    fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Status>;

    /// There is something in the rings.
    #[method(4)]
    fn submit(&mut self, client: Client) -> Result<(), Status>;

    /// Ends the session.
    #[method(5)]
    fn detach(&mut self, client: Client) -> Result<(), Status>;
}

crate::statuses! {
    /// No `attach` came before, or it came to a server that has ended since.
    NotAttached = 1, "not attached to the network interface";
    /// The counts of the session's rings cannot be: it was ended.
    BadRing = 2, "the rings of the session are broken: it was ended";
    /// Other components have all the sessions.
    TooManySessions = 3, "the network interface serves no more clients";
    /// The device failed and takes no frames any more.
    DeviceError = 4, "the network interface does not answer";
}

/// Places of a ring: at most so many frames may be under way in a direction.
pub const PLACES: usize = 64;
/// First byte of the shared buffer that is data.
pub const DATA: usize = 4096;
/// Bytes before what a frame carries: destination, source, type.
pub const HEADER: usize = 14;
/// Bytes of the longest frame.
pub const LONGEST: usize = 1514;

const TRANSMIT: Pair<Place, Completion, PLACES> = Pair::new(0, 1024, 2048);
const RECEIVE: Pair<Place, Completion, PLACES> = Pair::new(2048, 3072, DATA);
/// The client's ends of the two rings of a direction: frames to transmit, or room to receive in.
pub type Asked = ring::Asked<Place, Completion, PLACES>;
/// The server's ends of the two rings of a direction.
pub type Served = ring::Served<Place, Completion, PLACES>;

/// An address of Ethernet, as it stands in a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Wire, FromBytes, IntoBytes, Immutable)]
#[wire(layout)]
#[repr(C)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// What the interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Info {
    /// Its address.
    pub mac: Mac,
    /// Most bytes that a frame carries behind its header.
    pub mtu: u16,
    /// The link is up.
    pub link: bool,
}

/// What went through the interface since its driver was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Wire)]
pub struct Counters {
    /// Frames that the device took to send.
    pub sent: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Frames that the device received.
    pub received: u64,
    /// Bytes of them.
    pub received_bytes: u64,
    /// Frames received for which no client had room.
    pub dropped: u64,
    /// Frames that the device failed to send, or that cannot be any.
    pub errors: u64,
}

/// Where a frame lies in the shared buffer, or room for one. What a client puts in is checked with [`Place::frame`] or
/// [`Place::room`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Place {
    /// First byte in the shared buffer: from [`DATA`] on.
    pub offset: u32,
    /// How many: those of the frame, or at least [`LONGEST`].
    pub bytes: u32,
    /// Repeated by the completion.
    pub tag: u32,
}

impl Place {
    /// Whether it is a frame that can be sent, in a buffer of `bytes` bytes.
    ///
    /// # Errors
    /// One of [`outcome`].
    pub fn frame(&self, bytes: usize) -> Result<(), u32> {
        if !self.is_inside(bytes) {
            return Err(outcome::RANGE);
        }
        if (HEADER..=LONGEST).contains(&(self.bytes as usize)) { Ok(()) } else { Err(outcome::LENGTH) }
    }

    /// Whether it is room for any frame, in a buffer of `bytes` bytes.
    ///
    /// # Errors
    /// One of [`outcome`].
    pub fn room(&self, bytes: usize) -> Result<(), u32> {
        if !self.is_inside(bytes) {
            return Err(outcome::RANGE);
        }
        if self.bytes as usize >= LONGEST { Ok(()) } else { Err(outcome::LENGTH) }
    }

    fn is_inside(&self, bytes: usize) -> bool {
        let end = (self.offset as usize).checked_add(self.bytes as usize);
        self.offset as usize >= DATA && end.is_some_and(|end| end <= bytes)
    }
}

/// A frame that was sent, or that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Completion {
    /// The tag of the [`Place`].
    pub tag: u32,
    /// Bytes of the frame, or from [`outcome::FIRST`] on why there is none.
    pub result: u32,
}

impl Completion {
    /// Bytes of the frame.
    ///
    /// # Errors
    /// One of [`outcome`].
    pub const fn bytes(&self) -> Result<usize, u32> {
        if self.result < outcome::FIRST { Ok(self.result as usize) } else { Err(self.result) }
    }
}

/// What a completion says that is no length.
pub mod outcome {
    /// The first of them.
    pub const FIRST: u32 = 0x1_0000;
    /// The device failed.
    pub const DEVICE_FAILED: u32 = FIRST;
    /// Bytes outside of the shared buffer, or in the page of the rings.
    pub const RANGE: u32 = FIRST + 1;
    /// A frame that is too short or too long, or room that is too small for one.
    pub const LENGTH: u32 = FIRST + 2;
}

/// The client's ends of all rings.
#[derive(Debug)]
pub struct ClientRings {
    /// Frames to send.
    pub transmit: Asked,
    /// Rooms for frames that come.
    pub receive: Asked,
}

impl ClientRings {
    /// Empties the rings of a buffer: right before it is attached.
    ///
    /// # Errors
    /// The buffer has no page.
    pub fn reset(buffer: &SharedBuffer) -> Result<Self, Lie> {
        Ok(Self { transmit: TRANSMIT.client(buffer)?, receive: RECEIVE.client(buffer)? })
    }
}

/// The server's ends of all rings.
#[derive(Debug)]
pub struct ServerRings {
    /// Frames to send.
    pub transmit: Served,
    /// Rooms for frames that come.
    pub receive: Served,
}

impl ServerRings {
    /// The rings of a new session.
    pub const fn new() -> Self {
        Self { transmit: TRANSMIT.server(), receive: RECEIVE.server() }
    }
}

impl Default for ServerRings {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_rooms_are_checked() {
        let place = |offset, bytes| Place { offset, bytes, tag: 0 };
        let all = 2 * DATA;
        for (offset, bytes, frame, room) in [
            (4096, 14, Ok(()), Err(outcome::LENGTH)),
            (4096, 1514, Ok(()), Ok(())),
            (4097, 1514, Ok(()), Ok(())),
            (8192 - 1514, 1514, Ok(()), Ok(())),
            (4096, 1515, Err(outcome::LENGTH), Ok(())),
            (4096, 13, Err(outcome::LENGTH), Err(outcome::LENGTH)),
            (4096, 0, Err(outcome::LENGTH), Err(outcome::LENGTH)),
            (4095, 1514, Err(outcome::RANGE), Err(outcome::RANGE)),
            (0, 1514, Err(outcome::RANGE), Err(outcome::RANGE)),
            (8192 - 1513, 1514, Err(outcome::RANGE), Err(outcome::RANGE)),
            (u32::MAX, u32::MAX, Err(outcome::RANGE), Err(outcome::RANGE)),
            (4096, u32::MAX, Err(outcome::RANGE), Err(outcome::RANGE)),
        ] {
            assert_eq!(place(offset, bytes).frame(all), frame, "{bytes} bytes at {offset}");
            assert_eq!(place(offset, bytes).room(all), room, "{bytes} bytes at {offset}");
        }
    }

    #[test]
    fn a_result_is_a_length_or_a_reason() {
        assert_eq!(Completion { tag: 0, result: 1514 }.bytes(), Ok(1514));
        assert_eq!(Completion { tag: 0, result: outcome::RANGE }.bytes(), Err(outcome::RANGE));
    }

    #[test]
    fn the_rings_do_not_overlap() {
        let buffer = SharedBuffer::fake(4096);
        let mut client = ClientRings::reset(&buffer).expect("a page");
        let mut server = ServerRings::new();
        let place = |tag| Place { offset: 1, bytes: 2, tag };
        for tag in 0..64 {
            client.transmit.ask(&buffer, &place(tag)).expect("room");
            client.receive.ask(&buffer, &place(100 + tag)).expect("room");
        }
        assert_eq!(client.transmit.ask(&buffer, &place(0)), Err(ring::PushError::Full));
        for tag in 0..64 {
            for (served, tag) in [(&mut server.transmit, tag), (&mut server.receive, 100 + tag)] {
                assert_eq!(served.next(&buffer, 0), Ok(Some(place(tag))));
                served.complete(&buffer, &Completion { tag, result: 7 }).expect("room");
            }
        }
        for tag in 0..64 {
            for (asked, tag) in [(&mut client.transmit, tag), (&mut client.receive, 100 + tag)] {
                assert_eq!(asked.completion(&buffer), Ok(Some(Completion { tag, result: 7 })));
            }
        }
    }

    #[test]
    fn addresses_are_written_as_usual() {
        assert_eq!(Mac([0x52, 0x54, 0, 0x12, 0xab, 1]).to_string(), "52:54:00:12:ab:01");
    }
}
