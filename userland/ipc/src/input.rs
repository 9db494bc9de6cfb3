//! input: what people do to a device: keys, buttons, pointers, switches.

use rt::SharedBuffer;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::ring::{Consumer, Lie, Producer};
use crate::{Buffer, Bytes, Client, NoSession, Signal, Text, Wire};

/// What people do to a device: keys, buttons, pointers, switches.
///
/// Events are those of Linux' evdev (Linux, `Documentation/input/event-codes.rst`): a kind, a code and a value, with the numbers
/// of `input-event-codes.h`. Events of one moment are a *report*, which ends with `SYN_REPORT` and has one time.
///
/// A client attaches with a page of memory, which holds a ring that the server puts events in, and is signalled when a report
/// was put in. Every client gets every event. Reports are whole: one for which there is no room is left out, and with it what
/// comes until there is room again. In its place stand `SYN_DROPPED` and `SYN_REPORT`: who reads that asks again for what is
/// pressed and where the axes are.
///
/// ```text
/// +0       ring of 128 events: u64 time, u16 kind, u16 code, i32 value
/// ```
#[crate::protocol(name = "input", version = 1)]
pub trait Input {
    /// What the device is called, and which kinds of events it has.
    #[method(1)]
    fn info(&mut self) -> Result<Info, Status>;

    /// Which codes of a kind it has: bit n of the bytes, counted from the lowest of the first, is code n. Bytes that are 0 may be
    /// left out at the end; a kind that it has not has none.
    #[method(2)]
    fn codes(&mut self, kind: u16) -> Result<Codes, Status>;

    /// What the values of an absolute axis (`EV_ABS`) mean, and where it is now.
    #[method(3)]
    fn axis(&mut self, code: u16) -> Result<Axis, Status>;

    /// Which keys and buttons (`EV_KEY`) are pressed, as [`Input::codes`] writes it.
    #[method(4)]
    fn pressed(&mut self) -> Result<Codes, Status>;

    /// Begins a session, in the place of the one this client had. The buffer is one page, which can be read and written; it is
    /// signalled from the next report on.
    #[method(5)]
    fn attach(&mut self, client: Client, buffer: Buffer, signal: Signal) -> Result<(), Status>;

    /// Switches a light of the device (`EV_LED`) on or off.
    #[method(6)]
    fn light(&mut self, code: u16, on: bool) -> Result<(), Status>;
}

crate::statuses! {
    /// The device has no such axis.
    NoAxis = 1, "the input device has no such axis";
    /// Other components have all the sessions.
    TooManySessions = 2, "the input device serves no more clients";
    /// The device has no such light.
    NoLight = 3, "the input device has no such light";
    /// The device is not done with the lights before, or has failed.
    NotNow = 4, "the input device takes no changes of its lights now";
}

impl From<NoSession> for Status {
    fn from(_: NoSession) -> Self {
        Self::TooManySessions
    }
}

/// Most bytes of a device's name.
pub const MAX_NAME: usize = 64;
/// Highest number of a key or button, `KEY_MAX`.
pub const MAX_CODE: u16 = 0x2ff;
/// Places of the ring.
pub const PLACES: usize = 128;
/// Pages of a client's buffer.
pub const PAGES: u64 = 1;

const EVENTS: usize = 0;
const _: () = assert!(crate::ring::bytes::<Event, PLACES>() <= 4096);

/// A bit for each code.
pub type Codes = Bytes<{ (MAX_CODE as usize + 1) / 8 }>;

/// What the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Wire)]
pub struct Info {
    /// For people.
    pub name: Text<MAX_NAME>,
    /// Bit n: it has events of kind n.
    pub kinds: u32,
}

/// An absolute axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Wire)]
pub struct Axis {
    /// Where it is.
    pub value: i32,
    /// Least value.
    pub minimum: i32,
    /// Greatest value.
    pub maximum: i32,
    /// So much of a change may be noise.
    pub fuzz: i32,
    /// Values that are at most so far from the middle mean the middle.
    pub flat: i32,
    /// Units a millimetre, or a radian for an axis that turns; 0: unknown.
    pub resolution: i32,
}

/// An event, as it lies in the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Event {
    /// When, in nanoseconds of the kernel's clock.
    pub time: u64,
    /// One of [`kind`]; evdev's `type`.
    pub kind: u16,
    /// Which key, axis …: `input-event-codes.h`.
    pub code: u16,
    /// 0 or 1 of a key (released, pressed), how far of a relative axis, where of an absolute one.
    pub value: i32,
}

impl Event {
    /// What somebody did, without the time.
    pub const fn new(kind: u16, code: u16, value: i32) -> Self {
        Self { time: 0, kind, code, value }
    }

    /// Whether it ends a report.
    pub const fn ends_report(&self) -> bool {
        self.kind == kind::SYN && self.code == syn::REPORT
    }

    /// Whether it says that reports were left out.
    pub const fn says_dropped(&self) -> bool {
        self.kind == kind::SYN && self.code == syn::DROPPED
    }
}

/// Kinds of events: `EV_…` of `input-event-codes.h`.
pub mod kind {
    /// What holds reports together: [`super::syn`].
    pub const SYN: u16 = 0x00;
    /// Keys and buttons.
    pub const KEY: u16 = 0x01;
    /// Relative axes.
    pub const REL: u16 = 0x02;
    /// Absolute axes.
    pub const ABS: u16 = 0x03;
    /// What fits nowhere else.
    pub const MSC: u16 = 0x04;
    /// Switches.
    pub const SW: u16 = 0x05;
    /// Lights.
    pub const LED: u16 = 0x11;
    /// Sounds.
    pub const SND: u16 = 0x12;
    /// Repetition.
    pub const REP: u16 = 0x14;
}

/// Codes of [`kind::SYN`]: `SYN_…` of `input-event-codes.h`.
pub mod syn {
    /// The report is complete.
    pub const REPORT: u16 = 0;
    /// Reports were left out.
    pub const DROPPED: u16 = 3;
}

/// Whether the bit of a code is set.
pub fn has(codes: &[u8], code: u16) -> bool {
    codes.get(usize::from(code / 8)).is_some_and(|byte| byte >> (code % 8) & 1 == 1)
}

/// The bits of these codes; those above [`MAX_CODE`] have none.
pub fn codes(list: impl IntoIterator<Item = u16>) -> Codes {
    let mut bits = [0; (MAX_CODE as usize + 1) / 8];
    for code in list {
        if let Some(byte) = bits.get_mut(usize::from(code / 8)) {
            *byte |= 1 << (code % 8);
        }
    }
    let bytes = bits.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    Codes::cut(&bits[..bytes])
}

/// The client's end of the ring.
#[derive(Debug)]
pub struct Events(Consumer<Event, PLACES>);

impl Events {
    /// Empties the ring of a buffer: right before it is attached.
    ///
    /// # Errors
    /// The buffer has no page.
    pub fn reset(buffer: &SharedBuffer) -> Result<Self, Lie> {
        Consumer::reset(buffer, EVENTS).map(Self)
    }

    /// The next event; `None`: none yet.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn next(&mut self, buffer: &SharedBuffer) -> Result<Option<Event>, Lie> {
        self.0.pop(buffer)
    }
}

/// The server's end of the ring of one client.
#[derive(Debug)]
pub struct Reports {
    ring: Producer<Event, PLACES>,
    /// The last of what is in the ring says that reports were left out.
    dropped: bool,
}

/// Places that are kept for saying that reports were left out.
const KEPT: usize = 2;

impl Reports {
    /// The ring of a new session.
    pub const fn new() -> Self {
        Self { ring: Producer::new(EVENTS), dropped: false }
    }

    /// Puts a report in, which ends with `SYN_REPORT`, or says that there was no room for it. Whether the client is to be
    /// signalled.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn put(&mut self, buffer: &SharedBuffer, report: &[Event]) -> Result<bool, Lie> {
        let fits = self.ring.room(buffer)? >= report.len().saturating_add(KEPT);
        let time = report.last().map_or(0, |last| last.time);
        let lost = [syn::DROPPED, syn::REPORT].map(|code| Event { time, kind: kind::SYN, code, value: 0 });
        let put = match fits {
            true => report,
            false if self.dropped => return Ok(false),
            false => &lost,
        };
        for event in put {
            self.ring.push(buffer, event).map_err(|_| Lie)?;
        }
        self.dropped = !fits;
        Ok(true)
    }
}

impl Default for Reports {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN_REPORT: Event = Event::new(kind::SYN, syn::REPORT, 0);

    fn pair() -> (SharedBuffer, Events, Reports) {
        let buffer = SharedBuffer::fake(4096);
        let events = Events::reset(&buffer).expect("a page");
        (buffer, events, Reports::new())
    }

    fn all(buffer: &SharedBuffer, events: &mut Events) -> Vec<Event> {
        core::iter::from_fn(|| events.next(buffer).expect("no lie")).collect()
    }

    fn report(value: i32, length: usize) -> Vec<Event> {
        let mut report = vec![Event::new(kind::REL, 0, value); length - 1];
        report.push(SYN_REPORT);
        report
    }

    #[test]
    fn codes_are_bits() {
        let bits = codes([1, 116, 0x2ff, 0x300]);
        assert_eq!((bits.len(), bits[0]), (96, 2));
        assert!(
            has(&bits, 116) && has(&bits, 0x2ff) && !has(&bits, 117) && !has(&bits, 0x300) && !has(&bits, u16::MAX)
        );
        assert_eq!(codes([9]).as_slice(), [0, 2]);
        assert_eq!(codes([]).as_slice(), []);
    }

    #[test]
    fn who_does_not_read_is_told_that_it_lost_reports() {
        let (buffer, mut events, mut reports) = pair();
        // 42 of three events, and two places that are kept.
        for value in 0..42 {
            assert_eq!(reports.put(&buffer, &report(value, 3)), Ok(true));
        }
        assert_eq!(reports.put(&buffer, &report(42, 3)), Ok(true), "the loss is news");
        assert_eq!(reports.put(&buffer, &report(43, 3)), Ok(false), "once");
        let got = all(&buffer, &mut events);
        assert_eq!(got.len(), 128);
        assert!(got[126].says_dropped() && got[127].ends_report());
        assert!(got[..126].chunks(3).zip(0..).all(|(got, value)| got == report(value, 3)));
        assert_eq!(reports.put(&buffer, &report(44, 3)), Ok(true));
        assert_eq!(all(&buffer, &mut events), report(44, 3));
    }

    #[test]
    fn a_second_loss_is_told_again() {
        let (buffer, mut events, mut reports) = pair();
        let mut random = 1u64;
        let (mut put, mut expected, mut state) = (0, 0, 0);
        for _ in 0..100_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match random >> 60 {
                0..10 => {
                    put += 1;
                    reports.put(&buffer, &report(put, 2 + (random >> 40) as usize % 20)).expect("no lie");
                }
                _ => {
                    for _ in 0..(random >> 32) % 50 {
                        let Some(event) = events.next(&buffer).expect("no lie") else { break };
                        if event.says_dropped() {
                            state = 1;
                        } else if event.kind == kind::REL {
                            assert!(
                                event.value == expected || event.value == expected + 1 || state == 1,
                                "lost unsaid"
                            );
                            (expected, state) = (event.value, 0);
                        }
                    }
                }
            }
        }
        assert!(put > 50_000);
    }

    #[test]
    fn a_report_that_never_fits_is_lost() {
        let (buffer, mut events, mut reports) = pair();
        assert_eq!(reports.put(&buffer, &report(1, 127)), Ok(true));
        assert_eq!(all(&buffer, &mut events), [Event::new(kind::SYN, syn::DROPPED, 0), SYN_REPORT]);
        assert_eq!(reports.put(&buffer, &report(2, 126)), Ok(true));
        assert_eq!(all(&buffer, &mut events).len(), 126);
    }

    #[test]
    fn a_client_that_lies_is_found_out() {
        let (buffer, _, mut reports) = pair();
        buffer.store_u32(64, 5).expect("in");
        assert_eq!(reports.put(&buffer, &[SYN_REPORT]), Err(Lie));
    }
}
