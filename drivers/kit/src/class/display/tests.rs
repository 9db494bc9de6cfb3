//! The class in front of a panel that a test drives.

use alloc::rc::Rc;
use core::cell::RefCell;

use ipc::display::{DisplayClient, Format};
use ipc::surface::{Screen, ScreenError, Surface};
use ipc::{Error, Loopback, SignalOn, fake::end, fake::signalled};
use rt::{Badge, Notification};

use super::*;

const MODES: [Mode; 2] = [Mode::packed(64, 16, Format::Xrgb8888), Mode::packed(20, 10, Format::Rgb565)];
const BELL: Cap<Notification> = Cap::from_slot(70);
const OTHER: Cap<Notification> = Cap::from_slot(71);
const PART: Area = Area { left: 3, top: 4, width: 5, height: 6 };

/// What the panel saw, and how it behaves.
#[derive(Default)]
struct State {
    seen: Vec<(usize, Area)>,
    mode: usize,
    at_once: bool,
    finished: bool,
    failed: bool,
}

struct Fake(SharedBuffer, Rc<RefCell<State>>);

impl Panel for Fake {
    fn modes(&self) -> &[Mode] {
        &MODES
    }
    fn memory(&self) -> &SharedBuffer {
        &self.0
    }
    fn set(&mut self, index: usize) {
        self.1.borrow_mut().mode = index;
    }
    fn show(&mut self, area: Area) -> Shown {
        let mut state = self.1.borrow_mut();
        let mode = state.mode;
        state.seen.push((mode, area));
        match (state.failed, state.at_once) {
            (true, _) => Shown::Failed,
            (_, true) => Shown::Done,
            _ => Shown::UnderWay,
        }
    }
    fn finished(&mut self) -> bool {
        core::mem::take(&mut self.1.borrow_mut().finished)
    }
    fn has_failed(&self) -> bool {
        self.1.borrow().failed
    }
}

struct Bench {
    service: Shared<Service<Fake>>,
    state: Rc<RefCell<State>>,
}

type Carrier = Loopback<DisplayServer<Shared<Service<Fake>>>>;

impl Bench {
    fn new(at_once: bool) -> Self {
        let state = Rc::new(RefCell::new(State { at_once, ..State::default() }));
        let service = Service::new(Fake(SharedBuffer::fake(4096), state.clone())).expect("a slot");
        Self { service: Shared::new(service), state }
    }

    fn client(&self, component: u32) -> DisplayClient<Carrier> {
        let server = DisplayServer(self.service.clone());
        DisplayClient(Loopback::with_client(server, Badge::new(component, 1, 0)))
    }

    /// The device has done what it was asked.
    fn finish(&self) {
        self.state.borrow_mut().finished = true;
        self.service.borrow_mut().interrupt();
    }

    fn seen(&self) -> Vec<(usize, Area)> {
        core::mem::take(&mut self.state.borrow_mut().seen)
    }
}

fn on(notification: Cap<Notification>) -> SignalOn {
    SignalOn { notification, bits: 4 }
}

fn refused<T>(result: Result<T, Error<Status>>) -> Status {
    match result {
        Err(Error::Status(status)) => status,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn frames_are_shown_and_said_to_be_done() {
    let bench = Bench::new(false);
    let client = bench.client(7);
    assert_eq!([0, 1, 2].map(|index| client.mode(index)), [Ok(Some(MODES[0])), Ok(Some(MODES[1])), Ok(None)]);
    client.open(0, on(BELL)).expect("free");
    bench.finish();
    assert_eq!((bench.seen(), signalled(BELL)), (vec![(0, MODES[0].area())], 0));
    assert_eq!((client.damage(PART), client.done(), signalled(BELL)), (Ok(1), Ok(0), 0));
    bench.finish();
    assert_eq!((client.done(), signalled(BELL)), (Ok(1), 4));
    assert_eq!(bench.seen(), [(0, PART)]);
    bench.finish();
    assert_eq!(signalled(BELL), 0, "nothing was under way");
}

#[test]
fn what_is_damaged_meanwhile_is_one_frame() {
    let bench = Bench::new(false);
    let client = bench.client(7);
    client.open(1, on(BELL)).expect("free");
    bench.finish();
    bench.seen();
    assert_eq!(client.damage(PART), Ok(1));
    for frame in 2..1000 {
        assert_eq!(client.damage(Area { left: frame as u32 % 15, ..PART }), Ok(frame));
    }
    assert_eq!((bench.seen().len(), client.done()), (1, Ok(0)));
    bench.finish();
    assert_eq!((bench.seen(), client.done()), (vec![(1, Area { left: 0, width: 19, ..PART })], Ok(1)));
    bench.finish();
    assert_eq!((bench.seen().len(), client.done()), (0, Ok(999)));
}

#[test]
fn a_panel_that_shows_its_memory_is_done_at_once() {
    let bench = Bench::new(true);
    let client = bench.client(7);
    client.open(0, on(BELL)).expect("free");
    assert_eq!(signalled(BELL), 0);
    assert_eq!((client.damage(PART), client.done(), signalled(BELL)), (Ok(1), Ok(1), 4));
}

#[test]
fn what_is_no_part_of_the_picture_is_refused() {
    let bench = Bench::new(true);
    let client = bench.client(7);
    assert_eq!(refused(client.damage(PART)), Status::NotOpen);
    assert_eq!(refused(client.done()), Status::NotOpen);
    assert_eq!(refused(client.close()), Status::NotOpen);
    assert_eq!(refused(client.open(2, on(BELL))), Status::NoMode);
    assert_eq!(refused(client.open(u32::MAX, on(BELL))), Status::NoMode);
    client.open(1, on(BELL)).expect("free");
    bench.seen();
    for bad in [
        Area { left: 16, ..PART },
        Area { top: 5, ..PART },
        Area { width: 0, ..PART },
        Area { height: 0, ..PART },
        Area { left: u32::MAX, ..PART },
        Area { height: u32::MAX, ..PART },
    ] {
        assert_eq!(refused(client.damage(bad)), Status::BadArea, "{bad:?}");
    }
    assert_eq!(bench.seen(), []);
}

#[test]
fn one_client_at_a_time_has_the_display() {
    let bench = Bench::new(true);
    let (first, second) = (bench.client(7), bench.client(8));
    first.open(0, on(BELL)).expect("free");
    assert_eq!(refused(second.open(0, on(OTHER))), Status::Busy);
    assert_eq!(refused(second.damage(PART)), Status::NotOpen);
    assert_eq!(refused(second.close()), Status::NotOpen);
    assert_eq!(signalled(BELL), 0, "who was asked about is not woken");
    first.close().expect("its own");
    second.open(0, on(OTHER)).expect("free again");
    assert_eq!(refused(first.damage(PART)), Status::NotOpen);
    end(OTHER);
    first.open(1, on(BELL)).expect("the other has ended");
    let again = DisplayClient(Loopback::with_client(DisplayServer(bench.service.clone()), Badge::new(7, 2, 0)));
    again.open(0, on(BELL)).expect("it was started again");
    assert_eq!(refused(first.damage(PART)), Status::NotOpen);
}

#[test]
fn nobody_sees_what_another_drew() {
    let bench = Bench::new(true);
    let (first, second) = (bench.client(7), bench.client(8));
    let theirs = SharedBuffer::map(first.open(0, on(BELL)).expect("free").keep(), 1).expect("a page");
    theirs.write(0, b"secret").expect("inside");
    let reopened = SharedBuffer::map(first.open(1, on(BELL)).expect("its own").keep(), 1).expect("a page");
    assert!(!theirs.is_mapped());
    reopened.write(100, b"secret").expect("inside");
    first.close().expect("its own");
    assert!(!reopened.is_mapped());
    let mine = SharedBuffer::map(second.open(0, on(OTHER)).expect("free").keep(), 1).expect("a page");
    let mut seen = [1; 4096];
    mine.read(0, &mut seen).expect("inside");
    assert!(seen.iter().all(|&byte| byte == 0) && mine.is_mapped());
    assert_eq!(bench.seen().len(), 4, "black is shown, too");
}

#[test]
fn frames_of_another_are_not_ones_own() {
    let bench = Bench::new(false);
    let (first, second) = (bench.client(7), bench.client(8));
    first.open(0, on(BELL)).expect("free");
    bench.finish();
    assert_eq!((first.damage(PART), first.close()), (Ok(1), Ok(())));
    second.open(1, on(OTHER)).expect("free");
    bench.finish();
    assert_eq!((second.done(), signalled(BELL), signalled(OTHER)), (Ok(0), 0, 0));
    assert_eq!(second.damage(PART), Ok(1));
    bench.finish();
    bench.finish();
    assert_eq!((second.done(), signalled(OTHER)), (Ok(1), 4));
    assert_eq!(bench.seen().last(), Some(&(1, PART)));
}

#[test]
fn a_device_that_fails_says_so() {
    let bench = Bench::new(false);
    let client = bench.client(7);
    client.open(0, on(BELL)).expect("free");
    bench.state.borrow_mut().failed = true;
    bench.service.borrow_mut().interrupt();
    assert_eq!(signalled(BELL), 4);
    assert_eq!(refused(client.damage(PART)), Status::DeviceError);
    assert_eq!(refused(client.done()), Status::DeviceError);
    assert_eq!(refused(client.open(0, on(BELL))), Status::DeviceError);
}

#[test]
fn a_screen_is_drawn_on_and_given_up() {
    let bench = Bench::new(false);
    let mut screen = Screen::open(bench.client(7), 1, on(BELL)).expect("free");
    bench.finish();
    assert_eq!((screen.mode(), screen.is_done()), (MODES[1], Ok(true)));
    screen.write(100, b"pixels").expect("inside");
    assert_eq!(screen.write(4095, b"ab"), Err(ScreenError::Outside));
    screen.show(PART).expect("its own");
    assert_eq!(screen.is_done(), Ok(false));
    bench.finish();
    assert_eq!(screen.is_done(), Ok(true));
    let busy = Screen::open(bench.client(8), 0, on(OTHER)).map(drop);
    assert_eq!(busy, Err(ScreenError::Display(Error::Status(Status::Busy))));
    drop(screen);
    let mut other = Screen::open(bench.client(8), 0, on(OTHER)).expect("free");
    rt::fake_frames::revoke(bench.service.borrow_mut().panel.memory().frame());
    assert_eq!(other.write(0, b"x"), Err(ScreenError::Gone));
}

#[test]
fn random_clients_and_interrupts_do_no_harm() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let bench = Bench::new(false);
    let clients = [7, 8, 9].map(|component| bench.client(component));
    for _ in 0..20_000 {
        let client = &clients[random(3) as usize];
        let area = Area {
            left: random(70) as u32,
            top: random(18) as u32,
            width: random(70) as u32,
            height: random(18) as u32,
        };
        match random(8) {
            0 => drop(client.open(random(3) as u32, on(Cap::from_slot(80 + random(3) as u32)))),
            1 => drop(client.close()),
            2..5 => drop(client.damage(area)),
            5 => drop(client.done()),
            _ => bench.finish(),
        }
        for (mode, area) in bench.seen() {
            assert!(area.is_in(&MODES[mode]), "{area:?} in mode {mode}");
        }
        let mut service = bench.service.borrow_mut();
        let owner = service.owner.as_mut().map(|owner| (owner.done, owner.under_way, owner.asked));
        assert!(owner.is_none_or(|(done, under_way, asked)| done <= under_way && under_way <= asked), "{owner:?}");
    }
}
