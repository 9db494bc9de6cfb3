//! A line with clients that behave and clients that do not.

use alloc::rc::Rc;
use core::cell::RefCell;

use ipc::serial::SerialClient;
use ipc::{Error, Loopback, SignalOn, fake::end, fake::signalled};
use rt::{Badge, Cap, Notification};

use super::*;

const SHELL: Badge = Badge::new(5, 1, 0);
const BELL: Cap<Notification> = Cap::from_slot(44);
const OTHER: Cap<Notification> = Cap::from_slot(46);
const FIFO: usize = 32;

#[derive(Default)]
struct Chip {
    arrived: VecDeque<Received>,
    sending: VecDeque<u8>,
    endless: bool,
    keeps: bool,
    flushed: usize,
    wants_room: bool,
}

#[derive(Clone, Default)]
struct Fake(Rc<RefCell<Chip>>);

impl Uart for Fake {
    fn receive(&mut self) -> Option<Received> {
        let mut chip = self.0.borrow_mut();
        let endless = chip.endless.then_some(Received::Byte(b'x'));
        chip.arrived.pop_front().or(endless)
    }
    fn send(&mut self, byte: u8) -> bool {
        let mut chip = self.0.borrow_mut();
        let room = chip.sending.len() < FIFO;
        if room {
            chip.sending.push_back(byte);
        }
        room
    }
    fn flush(&mut self) {
        let mut chip = self.0.borrow_mut();
        chip.flushed = chip.sending.len();
    }
    fn keeps_input(&self) -> bool {
        self.0.borrow().keeps
    }
    fn interrupt_for_room(&mut self, wanted: bool) {
        self.0.borrow_mut().wants_room = wanted;
    }
}

type Line = Shared<Service<Fake>>;

fn line() -> (Fake, Line) {
    let chip = Fake::default();
    (chip.clone(), Shared::new(Service::new(chip)))
}

fn client(line: &Line, badge: Badge) -> SerialClient<Loopback<SerialServer<Line>>> {
    SerialClient(Loopback::with_client(SerialServer(line.clone()), badge))
}

fn attached(line: &Line) -> SerialClient<Loopback<SerialServer<Line>>> {
    attached_as(line, SHELL, BELL)
}

fn attached_as(line: &Line, badge: Badge, bell: Cap<Notification>) -> SerialClient<Loopback<SerialServer<Line>>> {
    let client = client(line, badge);
    client.attach(SignalOn { notification: bell, bits: 2 }).expect("room");
    client
}

impl Fake {
    fn arrive(&self, line: &Line, what: &[Received]) {
        self.0.borrow_mut().arrived.extend(what);
        line.borrow_mut().interrupt();
    }

    fn transmit(&self, line: &Line) -> Vec<u8> {
        let sent = self.0.borrow_mut().sending.drain(..).collect();
        if self.0.borrow().wants_room {
            line.borrow_mut().interrupt();
        }
        sent
    }
}

#[test]
fn input_wakes_and_is_read() {
    let (chip, line) = line();
    let client = attached(&line);
    assert_eq!(signalled(BELL), 0);
    chip.arrive(&line, &[Received::Byte(b'a'), Received::Broken, Received::Byte(b'b')]);
    assert_eq!(signalled(BELL), 2);
    assert_eq!(client.read(1).as_deref(), Ok(&b"a"[..]));
    assert_eq!(client.read(u32::MAX).as_deref(), Ok(&b"b"[..]));
    assert_eq!(client.read(9).as_deref(), Ok(&b""[..]));
}

#[test]
fn what_was_typed_before_is_news() {
    let chip = Fake::default();
    chip.0.borrow_mut().arrived.extend([Received::Byte(b'l'), Received::Byte(b's')]);
    let line = Shared::new(Service::new(chip));
    let client = attached(&line);
    assert_eq!(signalled(BELL), 2);
    assert_eq!(client.read(9).as_deref(), Ok(&b"ls"[..]));
}

#[test]
fn output_passes_in_order_and_room_is_told() {
    let (chip, line) = line();
    let client = attached(&line);
    let text: Vec<u8> = (0..9000u32).map(|byte| byte as u8).collect();
    let (mut sent, mut out, mut rooms) = (0, Vec::new(), 0);
    while out.len() < text.len() {
        while sent < text.len() {
            let taken = client.write(&text[sent..text.len().min(sent + MAX_BYTES)]).expect("attached");
            sent += taken as usize;
            if taken < MAX_BYTES as u32 {
                break;
            }
        }
        out.extend(chip.transmit(&line));
        rooms += u32::from(signalled(BELL) != 0);
    }
    assert_eq!(out, text);
    assert!((1..=8).contains(&rooms), "at the half, not for each byte: {rooms}");
    assert!(!chip.0.borrow().wants_room, "no interrupts while there is nothing to send");
}

#[test]
fn room_is_told_whoever_made_it() {
    let (chip, line) = line();
    let (client, other) = (attached(&line), attached_as(&line, Badge::new(6, 1, 0), OTHER));
    while client.write(&[b'a'; MAX_BYTES]) == Ok(MAX_BYTES as u32) {}
    assert_eq!(signalled(BELL), 0);
    for _ in 0..OUTPUT / FIFO {
        // The device has sent, and its interrupt is still to come.
        chip.0.borrow_mut().sending.clear();
        assert_eq!(other.write(b"b"), Ok(1));
    }
    assert_eq!((signalled(BELL), signalled(OTHER)), (2, 0), "who was cut short");
    assert_eq!(client.write(&[b'a'; MAX_BYTES]), Ok(MAX_BYTES as u32), "a whole write fits");
}

#[test]
fn a_flood_leaves_the_others_the_line() {
    let (chip, line) = line();
    let (flood, polite) = (attached(&line), attached_as(&line, Badge::new(6, 1, 0), OTHER));
    let text: Vec<u8> = (0..1000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let (mut rest, mut waits, mut out) = (&text[..], false, Vec::new());
    // As long as it would take if both were polite, and a tenth.
    for _ in 0..2 * text.len() * 11 / 10 / FIFO {
        while flood.write(&[b'F'; MAX_BYTES]).expect("attached") > 0 {}
        waits &= signalled(OTHER) == 0;
        while !waits && !rest.is_empty() {
            let part = &rest[..rest.len().min(MAX_BYTES)];
            let taken = polite.write(part).expect("attached") as usize;
            (rest, waits) = (&rest[taken..], taken < part.len());
        }
        out.extend(chip.transmit(&line));
    }
    let got: Vec<u8> = out.iter().copied().filter(|&byte| byte != b'F').collect();
    assert!(got == text, "all of it, in order: {} of {}", got.len(), text.len());
    let is_whole = |line: &[u8]| line.iter().skip_while(|&&byte| byte == b'F').all(|&byte| byte != b'F');
    assert!(out.split(|&byte| byte == b'\n').all(is_whole), "lines are not torn");
}

#[test]
fn a_newcomer_has_no_claim_on_what_was_sent_before() {
    let (chip, line) = line();
    let old = attached(&line);
    for _ in 0..100 {
        assert_eq!(old.write(&[b'o'; MAX_BYTES]), Ok(MAX_BYTES as u32));
        while !chip.transmit(&line).is_empty() {}
    }
    let new = attached_as(&line, Badge::new(6, 1, 0), OTHER);
    let mut out = Vec::new();
    for _ in 0..200 {
        while new.write(&[b'n'; MAX_BYTES]).expect("attached") > 0 {}
        while old.write(&[b'o'; MAX_BYTES]).expect("attached") > 0 {}
        out.extend(chip.transmit(&line));
    }
    let olds = out.iter().filter(|&&byte| byte == b'o').count();
    assert!((out.len() * 45 / 100..out.len() * 55 / 100).contains(&olds), "half of it: {olds} of {}", out.len());
}

#[test]
fn a_successor_sends_what_its_former_self_wrote_first() {
    let (chip, line) = line();
    let old = attached(&line);
    assert_eq!(old.write(&[b'o'; 100]), Ok(100));
    let new = attached_as(&line, Badge::new(5, 2, 0), OTHER);
    assert_eq!(new.write(&[b'n'; 100]), Ok(100));
    let mut out = Vec::new();
    while out.len() < 200 {
        out.extend(chip.transmit(&line));
    }
    assert_eq!(out, [[b'o'; 100], [b'n'; 100]].concat());
}

#[test]
fn the_dead_leave_their_places_and_their_last_words() {
    let (chip, line) = line();
    let words = |component: u32| [b'a' + component as u8; 100];
    for component in 0..CLIENTS as u32 {
        let client = attached_as(&line, Badge::new(10 + component, 1, 0), Cap::from_slot(60 + component));
        assert_eq!(client.write(&words(component)), Ok(100));
    }
    (0..CLIENTS as u32).for_each(|component| end(Cap::from_slot(60 + component)));
    for component in 8..8 + CLIENTS as u32 {
        let client = attached_as(&line, Badge::new(10 + component, 1, 0), Cap::from_slot(60 + component));
        assert_eq!(client.write(&words(component)), Ok(100));
    }
    let refused = client(&line, SHELL).attach(SignalOn { notification: BELL, bits: 1 });
    assert_eq!(refused, Err(Error::Status(Status::TooManySessions)), "these live");
    let mut out = Vec::new();
    while out.len() < 200 * CLIENTS {
        out.extend(chip.transmit(&line));
    }
    let mut counts = [0; 16];
    out.iter().for_each(|byte| counts[usize::from(byte - b'a')] += 1);
    assert_eq!(counts, [100; 16]);
}

#[test]
fn what_nobody_reads_is_lost_from_the_end() {
    let (chip, line) = line();
    let client = attached(&line);
    for byte in 0..INPUT + 10 {
        chip.arrive(&line, &[Received::Byte(byte as u8)]);
    }
    chip.arrive(&line, &[Received::Overrun(1)]);
    assert_eq!(line.borrow_mut().lost, 12);
    let mut read = Vec::new();
    while let Ok(data) = client.read(u32::MAX)
        && !data.is_empty()
    {
        read.extend_from_slice(&data);
    }
    assert_eq!(read, (0..INPUT).map(|byte| byte as u8).collect::<Vec<_>>());
    assert_eq!(line.borrow_mut().lost, 0);
}

#[test]
fn what_the_device_keeps_is_not_lost() {
    let (chip, line) = line();
    let client = attached(&line);
    chip.0.borrow_mut().keeps = true;
    let text: Vec<u8> = (0..3 * INPUT).map(|byte| byte as u8).collect();
    chip.arrive(&line, &text.iter().map(|&byte| Received::Byte(byte)).collect::<Vec<_>>());
    assert_eq!(chip.0.borrow().arrived.len(), 2 * INPUT);
    line.borrow_mut().interrupt();
    let mut read = Vec::new();
    while let Ok(data) = client.read(100)
        && !data.is_empty()
    {
        read.extend_from_slice(&data);
    }
    assert_eq!((read == text, line.borrow_mut().lost), (true, 0));
}

#[test]
fn what_was_written_goes_out_at_once() {
    let (chip, line) = line();
    let client = attached(&line);
    assert_eq!((client.write(b"abc"), chip.0.borrow().flushed), (Ok(3), 3));
    assert_eq!((client.write(b"de"), chip.0.borrow().flushed), (Ok(2), 5));
}

#[test]
fn a_device_that_never_runs_empty_does_not_hold_us() {
    let (chip, line) = line();
    chip.0.borrow_mut().endless = true;
    line.borrow_mut().interrupt();
}

#[test]
fn sessions_are_needed_and_limited() {
    let (_, line) = line();
    let shell = client(&line, SHELL);
    assert_eq!(shell.write(b"x"), Err(Error::Status(Status::NotAttached)));
    assert_eq!(shell.read(1).map(drop), Err(Error::Status(Status::NotAttached)));
    let on = SignalOn { notification: BELL, bits: 1 };
    for component in 10..18 {
        client(&line, Badge::new(component, 1, 0)).attach(on).expect("room");
    }
    assert_eq!(shell.attach(on), Err(Error::Status(Status::TooManySessions)));
    client(&line, Badge::new(10, 2, 0)).attach(on).expect("its predecessor's place");
    assert_eq!(client(&line, Badge::new(10, 1, 0)).write(b"x"), Err(Error::Status(Status::NotAttached)));
}
