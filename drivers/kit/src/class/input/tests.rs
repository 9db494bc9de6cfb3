//! Clients that read, that do not, that lie and that die.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;

use ipc::input::{Events, InputClient, syn};
use ipc::{Error, Loopback, SignalOn, Text, fake::signalled};
use rt::{Badge, Cap, Notification};

use super::*;

const SYN_REPORT: Event = Event::new(kind::SYN, syn::REPORT, 0);
const POWER: u16 = 116;

/// A key and an axis.
#[derive(Clone, Default)]
struct Fake(Rc<RefCell<VecDeque<Event>>>);

impl Device for Fake {
    fn info(&self) -> Info {
        Info { name: Text::cut("fake"), kinds: 1 << kind::KEY | 1 << kind::ABS }
    }
    fn codes(&self, kind: u16) -> Codes {
        codes(match kind {
            kind::KEY => Some(POWER),
            kind::ABS => Some(1),
            _ => None,
        })
    }
    fn axis(&self, code: u16) -> Option<Axis> {
        (code == 1).then(|| Axis { maximum: 100, ..Axis::default() })
    }
    fn next(&mut self) -> Option<Event> {
        self.0.borrow_mut().pop_front()
    }
}

type Served = Shared<Service<Fake>>;

fn served() -> (Fake, Served) {
    let fake = Fake::default();
    (fake.clone(), Shared::new(Service::new(fake)))
}

impl Fake {
    fn does(&self, served: &Served, events: &[Event]) {
        self.0.borrow_mut().extend(events);
        served.borrow_mut().interrupt();
    }
}

/// A client, its end of the ring, and its bell.
struct Reader {
    client: InputClient<Loopback<InputServer<Served>>>,
    buffer: SharedBuffer,
    events: Events,
    bell: Cap<Notification>,
}

impl Reader {
    fn attach(served: &Served, component: u32, epoch: u16) -> Result<Self, Error<Status>> {
        let badge = Badge::new(component, epoch, 0);
        let client = InputClient(Loopback::with_client(InputServer(served.clone()), badge));
        let (buffer, bell) = (SharedBuffer::fake(4096), Cap::from_slot(component));
        let events = Events::reset(&buffer).expect("a page");
        client.attach(&buffer, SignalOn { notification: bell, bits: 2 })?;
        Ok(Self { client, buffer, events, bell })
    }

    /// What has come, without the times.
    fn read(&mut self) -> Vec<Event> {
        let all = core::iter::from_fn(|| self.events.next(&self.buffer).expect("no lie"));
        all.map(|event| Event { time: 0, ..event }).collect()
    }
}

const PRESS: [Event; 2] = [Event::new(kind::KEY, POWER, 1), SYN_REPORT];
const RELEASE: [Event; 2] = [Event::new(kind::KEY, POWER, 0), SYN_REPORT];

#[test]
fn everybody_gets_every_report_with_its_time() {
    let (fake, served) = served();
    let mut one = Reader::attach(&served, 50, 1).expect("room");
    let mut two = Reader::attach(&served, 51, 1).expect("room");
    assert_eq!(signalled(one.bell), 0);
    rt::task::fake::advance(5_000);
    let now = rt::now_nanoseconds();
    fake.does(&served, &PRESS);
    assert_eq!((signalled(one.bell), signalled(two.bell)), (2, 2));
    let first = one.events.next(&one.buffer).expect("no lie").expect("one");
    assert_eq!((first.time, first.code, first.value), (now, POWER, 1));
    assert_eq!((one.read(), two.read()), (vec![SYN_REPORT], PRESS.to_vec()));
}

#[test]
fn half_a_report_is_kept_back() {
    let (fake, served) = served();
    let mut reader = Reader::attach(&served, 50, 1).expect("room");
    fake.does(&served, &PRESS[..1]);
    assert_eq!((signalled(reader.bell), reader.read()), (0, vec![]));
    fake.does(&served, &PRESS[1..]);
    assert_eq!((signalled(reader.bell), reader.read()), (2, PRESS.to_vec()));
}

#[test]
fn the_device_is_described_and_its_state_known() {
    let (fake, served) = served();
    let client = Reader::attach(&served, 50, 1).expect("room").client;
    assert_eq!(client.info().map(|info| (info.name, info.kinds)), Ok((Text::cut("fake"), 10)));
    assert!(has(&client.codes(kind::KEY).expect("bits"), POWER));
    assert_eq!(client.codes(77).as_deref(), Ok(&[][..]));
    fake.does(&served, &[PRESS[0], Event::new(kind::ABS, 1, 7), Event::new(kind::ABS, 999, 7), SYN_REPORT]);
    assert!(has(&client.pressed().expect("bits"), POWER));
    assert_eq!(client.axis(1).map(|axis| (axis.value, axis.maximum)), Ok((7, 100)));
    for none in [0, 64, u16::MAX] {
        assert_eq!(client.axis(none), Err(Error::Status(Status::NoAxis)));
    }
    fake.does(&served, &RELEASE);
    assert_eq!(client.pressed().as_deref(), Ok(&[][..]));
}

#[test]
fn one_that_does_not_read_loses_only_its_own() {
    let (fake, served) = served();
    let mut lazy = Reader::attach(&served, 50, 1).expect("room");
    let mut eager = Reader::attach(&served, 51, 1).expect("room");
    for _ in 0..100 {
        fake.does(&served, &PRESS);
        assert_eq!(eager.read(), PRESS);
    }
    let got = lazy.read();
    assert_eq!((got.len(), got[126].says_dropped()), (128, true));
    fake.does(&served, &RELEASE);
    assert_eq!(lazy.read(), RELEASE);
}

#[test]
fn a_client_that_lies_or_dies_is_left_alone() {
    let (fake, served) = served();
    let (liar, dead) = (Reader::attach(&served, 50, 1).expect("room"), Reader::attach(&served, 51, 1).expect("room"));
    let mut honest = Reader::attach(&served, 52, 1).expect("room");
    liar.buffer.store_u32(64, 77).expect("in");
    rt::fake_frames::revoke(dead.buffer.frame());
    fake.does(&served, &PRESS);
    fake.does(&served, &RELEASE);
    assert_eq!((signalled(liar.bell), signalled(dead.bell)), (0, 0));
    assert_eq!(honest.read(), [PRESS, RELEASE].concat());
    // Its successor begins anew.
    let mut next = Reader::attach(&served, 51, 2).expect("its place");
    fake.does(&served, &PRESS);
    assert_eq!(next.read(), PRESS);
}

#[test]
fn sessions_are_limited_and_their_memory_is_checked() {
    let (_, served) = served();
    let all: Vec<Reader> = (50..58).map(|component| Reader::attach(&served, component, 1).expect("room")).collect();
    assert_eq!(Reader::attach(&served, 58, 1).map(drop), Err(Error::Status(Status::TooManySessions)));
    let gone = SharedBuffer::fake(4096);
    rt::fake_frames::revoke(gone.frame());
    let on = SignalOn { notification: all[0].bell, bits: 1 };
    assert_eq!(all[0].client.attach(&gone, on), Err(Error::Status(Status::BadCapability)));
}

#[test]
fn the_dead_leave_their_places() {
    let (_, served) = served();
    let dead: Vec<Reader> = (50..58).map(|component| Reader::attach(&served, component, 1).expect("room")).collect();
    dead.iter().for_each(|reader| rt::fake_frames::revoke(reader.buffer.frame()));
    let alive: Vec<Reader> = (60..68).map(|component| Reader::attach(&served, component, 1).expect("room")).collect();
    assert_eq!(alive.len(), CLIENTS);
    assert_eq!(Reader::attach(&served, 68, 1).map(drop), Err(Error::Status(Status::TooManySessions)), "these live");
}

#[test]
fn a_device_that_never_stops_does_not_hold_us() {
    struct Endless;
    impl Device for Endless {
        fn info(&self) -> Info {
            Info { name: Text::default(), kinds: 0 }
        }
        fn codes(&self, _: u16) -> Codes {
            Codes::default()
        }
        fn next(&mut self) -> Option<Event> {
            Some(Event::new(u16::MAX, u16::MAX, i32::MIN))
        }
    }
    let mut service = Service::new(Endless);
    service.interrupt();
    assert_eq!(service.report.len(), REPORT - 1, "and a report has an end");
}
