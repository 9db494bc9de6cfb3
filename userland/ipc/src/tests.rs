//! A protocol with everything that a protocol can have.

use rt::{Cap, Frame, Message, SharedBuffer};

use crate::{
    Buffer, Bytes, Call, Client, Error, Loopback, Owned, PROTOCOLS, Protocol, Signal, SignalOn, Text, Wire, common,
    fake,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Everything.
#[crate::protocol(name = "all", version = 3)]
trait All {
    /// Three words.
    #[method(1)]
    fn three(&mut self, a: u64, b: u32, c: bool) -> Result<u64, Status>;
    /// Nothing at all.
    #[method(2)]
    fn nothing(&mut self) -> Result<(), Status>;
    /// Who calls.
    #[method(4)]
    fn who(&mut self, client: Client) -> Result<u32, Status>;
    /// Text in, bytes out.
    #[method(5)]
    fn text(&mut self, to: Text<20>, from: u8) -> Result<Bytes<40>, Status>;
    /// A structure by its bytes.
    #[method(6)]
    fn packed(&mut self, point: Point) -> Result<Point, Status>;
    /// A capability there and another back.
    #[method(7)]
    fn swap(&mut self, frame: Owned<Frame>) -> Result<Owned<Frame>, Status>;
    /// A signal and a buffer.
    #[method(8)]
    fn share(&mut self, signal: Signal, buffer: Buffer, colour: Colour) -> Result<Option<Colour>, Status>;
    /// Nine words.
    #[method(9)]
    fn nine(&mut self, one: Eight, more: i64) -> Result<(Eight, i64), Status>;
}

crate::statuses! {
    /// No.
    No = 1, "no";
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
enum Colour {
    Red = 1,
    Blue = 7,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire, FromBytes, IntoBytes, Immutable)]
#[wire(layout)]
#[repr(C)]
struct Point {
    x: u16,
    y: u16,
    z: [u8; 7],
    end: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
struct Eight {
    a: u64,
    b: (u64, u64, u64),
    c: (u64, u64, u64),
    d: i32,
}

struct Server;

impl All for Server {
    fn three(&mut self, a: u64, b: u32, c: bool) -> Result<u64, Status> {
        if c { Ok(a + u64::from(b)) } else { Err(Status::No) }
    }
    fn nothing(&mut self) -> Result<(), Status> {
        Ok(())
    }
    fn who(&mut self, client: Client) -> Result<u32, Status> {
        Ok(client.component())
    }
    fn text(&mut self, to: Text<20>, from: u8) -> Result<Bytes<40>, Status> {
        Ok(Bytes::cut(&[to.as_bytes(), &[from]].concat()))
    }
    fn packed(&mut self, point: Point) -> Result<Point, Status> {
        Ok(Point { x: point.y, y: point.x, ..point })
    }
    fn swap(&mut self, frame: Owned<Frame>) -> Result<Cap<Frame>, Status> {
        Ok(Cap::from_slot(frame.cap().slot() + 1))
    }
    fn share(&mut self, signal: Signal, buffer: Buffer, colour: Colour) -> Result<Option<Colour>, Status> {
        signal.wake();
        Ok((buffer.pages == 2).then_some(colour))
    }
    fn nine(&mut self, one: Eight, more: i64) -> Result<(Eight, i64), Status> {
        Ok((one, -more))
    }
}

fn client() -> AllClient<Loopback<AllServer<Server>>> {
    AllClient(Loopback::new(AllServer(Server)))
}

#[test]
fn every_kind_of_value_gets_there_and_back() {
    let all = client();
    assert_eq!(all.three(u64::MAX - 7, 7, true), Ok(u64::MAX));
    assert_eq!(all.three(1, 2, false), Err(Error::Status(Status::No)));
    assert_eq!((all.nothing(), all.who()), (Ok(()), Ok(1)));
    assert_eq!(all.text("grün", 9).as_deref(), Ok(&b"gr\xc3\xbcn\x09"[..]));
    let point = Point { x: 1, y: 2, z: [3; 7], end: 4 };
    assert_eq!(all.packed(point), Ok(Point { x: 2, y: 1, ..point }));
    assert_eq!(all.swap(Cap::from_slot(50)).map(|frame| frame.cap().slot()), Ok(51));
    let eight = Eight { a: 1, b: (2, 3, 4), c: (5, 6, 7), d: -8 };
    assert_eq!(all.nine(eight, i64::MIN + 1), Ok((eight, i64::MAX)));
    let on = SignalOn { notification: Cap::from_slot(60), bits: 4 };
    assert_eq!(all.share(on, &SharedBuffer::fake(8192), Colour::Blue), Ok(Some(Colour::Blue)));
    assert_eq!(all.share(on, &SharedBuffer::fake(4096), Colour::Red), Ok(None));
    assert_eq!(fake::signalled(Cap::from_slot(60)), 4);
}

#[test]
fn what_is_too_long_is_not_sent() {
    assert_eq!(client().text("123456789012345678901", 9).map(drop), Err(Error::TooLong));
}

#[test]
fn messages_that_do_not_fit_their_method_are_refused() {
    let server = Loopback::new(AllServer(Server));
    let status = |message: Message| server.call(&message).expect("a loopback").label;
    let label = |method| ALL.label(method);
    assert_eq!(status(Message::new(label(1), [1, 2, 1])), 0);
    assert_eq!(status(Message::new(label(1), [1, 2])), common::BAD_MESSAGE);
    assert_eq!(status(Message::new(label(1), [1, 2, 1, 1])), common::BAD_MESSAGE);
    assert_eq!(status(Message::new(label(1), [1, 1 << 32, 1])), common::BAD_MESSAGE);
    assert_eq!(status(Message::new(label(1), [1, 2, 2])), common::BAD_MESSAGE);
    assert_eq!(status(Message::new(label(1), [1, 2, 1]).with_caps(&[9])), common::BAD_MESSAGE, "a capability too many");
    assert_eq!(status(Message::new(label(7), [])), common::BAD_CAPABILITY);
    assert_eq!(status(Message::new(label(3), [])), common::UNKNOWN_METHOD);
    assert_eq!(status(Message::new(label(10), [])), common::UNKNOWN_METHOD);
    assert_eq!(status(Message::new(2 << 16 | 1, [1, 2, 1])), common::WRONG_VERSION);
    assert_eq!(status(Message::new(1, [1, 2, 1])), common::WRONG_VERSION);
}

#[test]
fn a_server_says_which_version_it_serves() {
    let answer = Loopback::new(AllServer(Server)).call(&Message::new(9 << 16, [])).expect("a loopback");
    assert_eq!((answer.label, answer.regs[0], answer.regs[1]), (0, 3, 9));
}

/// Answers everything with the same.
struct Fixed(Message);

impl Call for Fixed {
    fn call(&self, _: &Message) -> Result<Message, rt::CallError> {
        Ok(self.0)
    }
}

#[test]
fn a_server_that_lies_is_noticed() {
    assert_eq!(AllClient(Fixed(Message::new(0, [1, 2]))).three(1, 2, true), Err(Error::Malformed));
    assert_eq!(AllClient(Fixed(Message::new(0, []))).three(1, 2, true), Err(Error::Malformed));
    assert_eq!(AllClient(Fixed(Message::new(77, [1]))).three(1, 2, true), Err(Error::Malformed));
    assert_eq!(AllClient(Fixed(Message::new(0, [1 << 40]))).who(), Err(Error::Malformed));
    let with_a_cap = |words: Message| words.with_caps(&[9]);
    assert_eq!(AllClient(Fixed(with_a_cap(Message::new(0, [1])))).three(1, 2, true), Err(Error::Malformed));
    assert_eq!(AllClient(Fixed(with_a_cap(Message::new(0, [])))).nothing(), Err(Error::Malformed));
    assert_eq!(AllClient(Fixed(with_a_cap(Message::new(1, [])))).nothing(), Err(Error::Status(Status::No)));
    let mut long = Message::new(0, [1; 8]);
    long.push(1);
    assert_eq!(AllClient(Fixed(long)).three(1, 2, true), Err(Error::Malformed));
    assert_eq!(AllClient(Fixed(Message::new(0, [3, 0, 0]))).text("", 0).map(drop), Err(Error::Malformed));
    assert_eq!(AllClient(Fixed(Message::new(0, []))).swap(Cap::from_slot(1)).map(drop), Err(Error::Malformed));
}

#[test]
fn a_protocol_is_known_as_data() {
    let text = ALL.methods.iter().find(|method| method.name == "text").expect("there");
    assert_eq!((text.number, text.arguments[0].written, text.in_registers), (5, "Text<20>", false));
    assert_eq!(text.arguments[0].shape.to_string(), "text of at most 20 bytes");
    assert_eq!(ALL.methods[0].result.shape.to_string(), "u64");
    assert_eq!(ALL.methods[5].arguments[0].shape.to_string(), "capability: Frame");
    assert!(ALL.methods[0].in_registers && ALL.methods[2].knows_client);
    let hashes: std::collections::BTreeSet<u64> = ALL.methods.iter().map(|method| method.hash).collect();
    assert_eq!(hashes.len(), ALL.methods.len());
}

/// What of a protocol must not change: a line a method, by number and hash, and what it looks like, for people.
fn frozen(protocol: &Protocol) -> String {
    let line = |method: &crate::Method| {
        let shapes: Vec<String> = method.arguments.iter().map(|argument| argument.shape.to_string()).collect();
        format!("{} {:016x} ({}) -> {}\n", method.number, method.hash, shapes.join(", "), method.result.shape)
    };
    protocol.methods.iter().map(line).collect()
}

/// `released/NAME-VERSION`: each of its lines must still be true. A protocol that is not there yet was not released.
#[test]
fn what_was_released_is_as_it_was() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("released");
    for protocol in PROTOCOLS {
        let file = folder.join(format!("{}-{}", protocol.name, protocol.version));
        let now = frozen(protocol);
        let Ok(released) = std::fs::read_to_string(&file) else {
            panic!("{} is missing; it is to hold:\n{now}", file.display());
        };
        for line in released.lines() {
            assert!(
                now.lines().any(|have| have == line),
                "{}: a released method has changed; give the protocol a new version.\nreleased: {line}\nnow:\n{now}",
                file.display()
            );
        }
        let added: String = now.lines().filter(|line| !released.lines().any(|have| &have == line)).collect();
        assert!(added.is_empty(), "{}: add the new method: {added}", file.display());
    }
}

#[test]
fn names_and_labels_are_used_once() {
    let names: std::collections::BTreeSet<&str> = PROTOCOLS.iter().map(|protocol| protocol.name).collect();
    assert_eq!(names.len(), PROTOCOLS.len());
}
