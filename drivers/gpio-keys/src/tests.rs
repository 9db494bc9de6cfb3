//! Keys on lines of the test, from the node to the client.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ipc::input::{Event, Events, InputClient, InputServer, has, kind};
use ipc::{Loopback, Shared, SignalOn};
use kit::Node;
use kit::class::input::Service;
use kit::fake::Pin;
use kit::pin::Level;
use rt::{Cap, SharedBuffer, task};

use crate::{Key, Keys, follow};

const POWER: u32 = 116;
const VOLUME: u32 = 115;
const LID: u32 = 0;

/// A power key as QEMU has it, a volume key that is pressed while its line is low, and a lid.
fn node() -> Node {
    let power = key("poweroff", 3, 0, POWER).with_text("label", "GPIO Key Poweroff");
    let volume = key("volume", 4, 1, VOLUME).with_cells("debounce-interval", &[30]);
    let lid = key("lid", 5, 0, LID).with_cells("linux,input-type", &[5]);
    let keys = Node::fake("").with_text("compatible", "gpio-keys").with_text("label", "Board keys");
    keys.with_child(power).with_child(volume).with_child(lid)
}

fn key(name: &str, line: u32, flags: u32, code: u32) -> Node {
    Node::fake(name).with_cells("gpios", &[0x8003, line, flags]).with_cells("linux,code", &[code])
}

#[test]
fn a_node_for_each_key() {
    let (_, found) = Keys::of(&node());
    let of = |line, active_low, kind, code, debounce: u64| Key {
        line,
        active_low,
        kind,
        code,
        debounce: Duration::from_millis(debounce),
    };
    let expected = [
        of(3, false, kind::KEY, POWER as u16, 5),
        of(4, true, kind::KEY, VOLUME as u16, 30),
        of(5, false, kind::SW, LID as u16, 5),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_malformed_is_left_out() {
    let taken = |node: Node| Keys::of(&Node::fake("").with_child(node)).1.len();
    let line = || Node::fake("key").with_cells("gpios", &[1, 3, 0]);
    assert_eq!(taken(key("key", 3, 0, 1)), 1);
    assert_eq!(taken(Node::fake("key")), 0);
    assert_eq!(taken(line()), 0, "no code");
    assert_eq!(taken(Node::fake("key").with_cells("linux,code", &[1])), 0, "no line");
    assert_eq!(taken(Node::fake("key").with_cells("gpios", &[1, 3]).with_cells("linux,code", &[1])), 0, "half a line");
    for code in [&[0x300][..], &[u32::MAX], &[1, 1], &[]] {
        assert_eq!(taken(line().with_cells("linux,code", code)), 0, "{code:?}");
    }
    assert_eq!(taken(key("key", 3, 0, 1).with_cells("linux,input-type", &[3])), 0, "an axis");
    assert_eq!(taken(key("key", 3, 0, 1).with_bytes("debounce-interval", &[1])), 0);
    assert_eq!(taken(key("key", 3, 0, 1).with_cells("debounce-interval", &[u32::MAX])), 1);
    let many = (0..1000).fold(Node::fake(""), |all, _| all.with_child(key("key", 3, 0, 1)));
    assert_eq!(Keys::of(&many).1.len(), 48);
}

/// The board, and a client that reads.
struct Board {
    lines: Vec<Pin>,
    taken: Rc<RefCell<u32>>,
    client: InputClient<Loopback<InputServer<Shared<Service<Keys>>>>>,
    buffer: SharedBuffer,
    events: Events,
}

fn board() -> Board {
    task::fake::reset();
    let (device, keys) = Keys::of(&node());
    let service = Shared::new(Service::new(device));
    let (lines, taken): (Vec<Pin>, Rc<RefCell<u32>>) = (keys.iter().map(|_| Pin::new()).collect(), Rc::default());
    lines[1].set(Level::High);
    for (key, line) in keys.into_iter().zip(&lines) {
        let (line, taken) = (line.clone(), taken.clone());
        follow(key, service.clone(), move || {
            *taken.borrow_mut() += 1;
            Ok::<_, String>(line.clone())
        });
    }
    task::run_ready();
    let client = InputClient(Loopback::new(InputServer(service)));
    let buffer = SharedBuffer::fake(4096);
    let events = Events::reset(&buffer).expect("a page");
    client.attach(&buffer, SignalOn { notification: Cap::from_slot(70), bits: 1 }).expect("room");
    Board { lines, taken, client, buffer, events }
}

impl Board {
    fn set(&self, line: usize, level: Level) {
        self.lines[line].set(level);
        task::run_ready();
    }

    /// What has come: kind, code and value.
    fn read(&mut self) -> Vec<(u16, u16, i32)> {
        let events = core::iter::from_fn(|| self.events.next(&self.buffer).expect("no lie"));
        events.filter(|event| !event.ends_report()).map(|Event { kind, code, value, .. }| (kind, code, value)).collect()
    }
}

const MILLISECOND: u64 = 1_000_000;

#[test]
fn a_key_is_pressed_and_released() {
    let mut board = board();
    board.set(0, Level::High);
    assert_eq!(board.read(), [], "not before it has settled");
    task::fake::advance(6 * MILLISECOND);
    assert_eq!(board.read(), [(kind::KEY, 116, 1)]);
    assert!(has(&board.client.pressed().expect("bits"), 116));
    task::fake::advance(1000 * MILLISECOND);
    board.set(0, Level::Low);
    task::fake::advance(6 * MILLISECOND);
    assert_eq!(board.read(), [(kind::KEY, 116, 0)]);
    assert_eq!(*board.taken.borrow(), 3, "each line once");
}

#[test]
fn a_key_that_is_active_low_and_a_switch_are_followed() {
    let mut board = board();
    task::fake::advance(100 * MILLISECOND);
    assert_eq!(board.read(), [], "at rest");
    board.set(1, Level::Low);
    board.set(2, Level::High);
    task::fake::advance(10 * MILLISECOND);
    assert_eq!(board.read(), [(kind::SW, 0, 1)]);
    task::fake::advance(30 * MILLISECOND);
    assert_eq!(board.read(), [(kind::KEY, 115, 1)]);
}

#[test]
fn bounces_are_no_presses() {
    let mut board = board();
    for level in [Level::High, Level::Low, Level::High, Level::Low] {
        board.set(0, level);
        task::fake::advance(MILLISECOND);
    }
    task::fake::advance(100 * MILLISECOND);
    assert_eq!(board.read(), []);
    for level in [Level::High, Level::Low, Level::High] {
        board.set(0, level);
        task::fake::advance(MILLISECOND);
    }
    task::fake::advance(100 * MILLISECOND);
    assert_eq!(board.read(), [(kind::KEY, 116, 1)]);
}

#[test]
fn the_device_says_what_it_has() {
    let board = board();
    let info = board.client.info().expect("info");
    assert_eq!((info.name.as_str(), info.kinds), ("Board keys", 1 << kind::SYN | 1 << kind::KEY | 1 << kind::SW));
    let of = |kind| board.client.codes(kind).expect("bits");
    assert!(has(&of(kind::KEY), 115) && has(&of(kind::KEY), 116) && !has(&of(kind::KEY), 0) && has(&of(kind::SW), 0));
    assert_eq!(of(kind::ABS).as_slice(), []);
}

/// A line that is lost at the first look at it.
struct Lost;

impl kit::pin::Pin for Lost {
    type Error = std::fmt::Error;
}
impl kit::pin::Input for Lost {
    fn level(&mut self) -> Result<Level, std::fmt::Error> {
        Err(std::fmt::Error)
    }
}
impl kit::pin::Watch for Lost {
    async fn wait(&mut self, _: kit::pin::Trigger) -> Result<(), std::fmt::Error> {
        Err(std::fmt::Error)
    }
}

#[test]
fn a_line_that_is_lost_is_taken_again_and_not_too_often() {
    task::fake::reset();
    let (device, found) = Keys::of(&node());
    let (service, tries) = (Shared::new(Service::new(device)), Rc::new(RefCell::new(0)));
    let count = tries.clone();
    follow(found[0], service, move || {
        *count.borrow_mut() += 1;
        if *count.borrow() % 2 == 0 { Ok(Lost) } else { Err("refused") }
    });
    task::run_ready();
    assert_eq!(*tries.borrow(), 1);
    task::fake::advance(10_500 * MILLISECOND);
    assert_eq!(*tries.borrow(), 11);
}
