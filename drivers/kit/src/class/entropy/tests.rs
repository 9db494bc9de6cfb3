//! A source with clients that behave and clients that do not.

use alloc::rc::Rc;
use core::cell::RefCell;

use ipc::entropy::EntropyClient;
use ipc::{Error, Loopback, SignalOn, fake::end, fake::signalled};
use rt::{Badge, Cap, Notification};

use super::*;
use crate::entropy::{Entropy as _, Unfilled};
use crate::fake::Noise;

const BELL: Cap<Notification> = Cap::from_slot(45);

struct Chip {
    noise: Noise,
    asked: bool,
    /// What it brings next.
    brought: Option<Vec<u8>>,
    failed: bool,
}

#[derive(Clone)]
struct Fake(Rc<RefCell<Chip>>);

impl Generator for Fake {
    fn request(&mut self) {
        self.0.borrow_mut().asked = true;
    }
    fn acknowledge(&mut self) {}
    fn take(&mut self, block: &mut [u8; BLOCK]) -> Option<usize> {
        let bytes = self.0.borrow_mut().brought.take()?;
        block[..bytes.len()].copy_from_slice(&bytes);
        Some(bytes.len())
    }
    fn has_failed(&self) -> bool {
        self.0.borrow().failed
    }
}

type Source = Shared<Service<Fake>>;
type Client = EntropyClient<Loopback<EntropyServer<Source>>>;

fn source() -> (Fake, Source) {
    let chip = Chip { noise: Noise::new(1), asked: false, brought: None, failed: false };
    let chip = Fake(Rc::new(RefCell::new(chip)));
    (chip.clone(), Shared::new(Service::new(chip)))
}

fn client(source: &Source, component: u32) -> Client {
    EntropyClient(Loopback::with_client(EntropyServer(source.clone()), Badge::new(component, 1, 0)))
}

fn attached(source: &Source, component: u32) -> Client {
    let client = client(source, component);
    client.attach(SignalOn { notification: BELL, bits: 1 << component }).expect("room");
    client
}

impl Fake {
    /// Brings these bytes, asked or not.
    fn bring(&self, source: &Source, bytes: &[u8]) {
        self.0.borrow_mut().brought = Some(bytes.to_vec());
        source.borrow_mut().interrupt();
    }

    /// Brings a full block if it was asked.
    fn work(&self, source: &Source) -> bool {
        let asked = core::mem::take(&mut self.0.borrow_mut().asked);
        if asked {
            let mut block = [0; BLOCK];
            self.0.borrow_mut().noise.fill(&mut block).expect("noise");
            self.bring(source, &block);
        }
        asked
    }

    fn fill(&self, source: &Source) {
        while self.work(source) {}
    }
}

#[test]
fn what_is_kept_is_there_at_once_and_once() {
    let (chip, source) = source();
    chip.fill(&source);
    let mut seen = Vec::new();
    for component in [3, 4] {
        let client = attached(&source, component);
        assert!(chip.0.borrow().asked, "what it took is asked for again");
        assert_eq!(client.read(40).expect("bytes").len(), 40);
        seen.extend_from_slice(&client.read(464).expect("bytes"));
        chip.fill(&source);
        seen.extend_from_slice(&client.read(504).expect("bytes"));
    }
    assert_eq!(seen.len(), 2 * (464 + 504));
    let mut eights: Vec<_> = seen.chunks(8).collect();
    eights.sort_unstable();
    eights.dedup();
    assert_eq!(eights.len(), seen.len() / 8, "each is given out once");
    assert_eq!(signalled(BELL), 0, "nobody had to wait");
}

#[test]
fn who_gets_less_is_told_when_there_is_more() {
    let (chip, source) = source();
    let client = attached(&source, 3);
    assert_eq!(client.read(0).map(|data| data.len()), Ok(0));
    chip.work(&source);
    assert_eq!(signalled(BELL), 0, "it did not ask for any");
    assert_eq!(client.read(300).map(|data| data.len()), Ok(BLOCK));
    assert_eq!(client.read(44).map(|data| data.len()), Ok(0));
    chip.bring(&source, &[1, 2, 3]);
    assert_eq!(signalled(BELL), 1 << 3);
    assert_eq!(client.read(2).as_deref(), Ok(&[2, 3][..]));
    chip.work(&source);
    assert_eq!(signalled(BELL), 0);
}

#[test]
fn where_bytes_lay_is_wiped() {
    let (chip, source) = source();
    let client = attached(&source, 3);
    chip.fill(&source);
    assert_eq!(client.read(300).expect("bytes").len(), 300);
    let mut service = source.borrow_mut();
    let share = &service.sessions.iter_mut().next().expect("a session").share;
    assert!(share.filled == 204 && share.bytes[..204].iter().any(|&byte| byte != 0));
    assert!(share.bytes[204..].iter().all(|&byte| byte == 0));
    let kept = &mut service.kept;
    assert!(kept.is_full());
    kept.take(MAX_BYTES, |_| ());
    assert!(kept.filled == 0 && kept.bytes.iter().all(|&byte| byte == 0));
}

#[test]
fn a_flood_leaves_the_others_their_share() {
    let (chip, source) = source();
    let (flood, polite) = (attached(&source, 3), attached(&source, 4));
    chip.fill(&source);
    let mut got = [0, 0];
    for _ in 0..1000 {
        got[0] += flood.read(504).expect("bytes").len();
        assert_eq!(polite.read(64).expect("bytes").len(), 64, "always there");
        chip.work(&source);
    }
    let other = attached(&source, 5);
    assert_eq!(other.read(100).expect("bytes").len(), 100, "and for who comes now");
    // A device that brings a byte at a time.
    while !polite.read(504).expect("bytes").is_empty() {}
    while !flood.read(504).expect("bytes").is_empty() {}
    while !other.read(504).expect("bytes").is_empty() {}
    for byte in 0..100 {
        chip.bring(&source, &[byte]);
        got[0] += flood.read(504).expect("bytes").len();
        got[1] += polite.read(504).expect("bytes").len();
    }
    assert!((33..=34).contains(&got[1]), "a third each: {}", got[1]);
}

#[test]
fn a_new_session_gains_nothing() {
    let (chip, source) = source();
    chip.fill(&source);
    let greedy = attached(&source, 3);
    chip.fill(&source);
    for _ in 0..5 {
        greedy.attach(SignalOn { notification: BELL, bits: 1 }).expect("room");
    }
    chip.0.borrow_mut().asked = false;
    let other = attached(&source, 4);
    assert_eq!(other.read(504).expect("bytes").len(), 504);
}

#[test]
fn strangers_and_too_many_are_refused() {
    let (_, source) = source();
    assert_eq!(client(&source, 3).read(1), Err(Error::Status(Status::NotAttached)));
    (0..8).for_each(|component| drop(attached(&source, 10 + component)));
    let refused = client(&source, 3).attach(SignalOn { notification: BELL, bits: 1 });
    assert_eq!(refused, Err(Error::Status(Status::TooManySessions)));
}

#[test]
fn the_dead_leave_their_places() {
    let (_, source) = source();
    let bell = |component| SignalOn { notification: Cap::from_slot(component), bits: 1 };
    (60..68).for_each(|component| client(&source, component).attach(bell(component)).expect("room"));
    (60..68).for_each(|component| end(Cap::from_slot(component)));
    (70..78).for_each(|component| client(&source, component).attach(bell(component)).expect("room"));
    assert_eq!(client(&source, 78).attach(bell(78)), Err(Error::Status(Status::TooManySessions)), "these live");
}

#[test]
fn a_device_that_fails_gives_what_it_brought_and_says_so() {
    let (chip, source) = source();
    let client = attached(&source, 3);
    chip.bring(&source, &[1, 2, 3]);
    assert_eq!(client.read(2).map(|data| data.len()), Ok(2));
    assert_eq!(client.read(504).map(|data| data.len()), Ok(1));
    chip.0.borrow_mut().failed = true;
    source.borrow_mut().interrupt();
    assert_eq!(signalled(BELL), 1 << 3);
    assert_eq!(client.read(1), Err(Error::Status(Status::DeviceError)));
    assert_eq!(client.read(0).map(|data| data.len()), Ok(0));
}

#[test]
fn bytes_that_repeat_are_no_random_bytes() {
    let (chip, source) = source();
    let client = attached(&source, 3);
    chip.bring(&source, &[7; 10]);
    assert_eq!(client.read(10).map(|data| data.len()), Ok(10));
    chip.bring(&source, &[7, 1, 2]);
    assert_eq!(client.read(1), Err(Error::Status(Status::DeviceError)), "over the end of a block");
    chip.0.borrow_mut().asked = false;
    source.borrow_mut().interrupt();
    assert!(!chip.0.borrow().asked, "it is not asked any more");
}

#[test]
fn a_client_is_a_source_of_the_kit() {
    let (chip, source) = source();
    let mut client = attached(&source, 3);
    let (mut one, mut two) = ([0; 400], [0; 105]);
    assert_eq!(client.fill(&mut two), Err(Unfilled::Later));
    chip.fill(&source);
    assert_eq!(client.fill(&mut one), Ok(()));
    assert_eq!(client.fill(&mut two), Err(Unfilled::Later), "it had 104");
    chip.fill(&source);
    assert!(rand_core::TryRng::try_next_u64(&mut crate::entropy::Rng(client)).is_ok());
}

#[test]
fn random_calls_do_no_harm() {
    let (chip, source) = source();
    let clients = [attached(&source, 3), attached(&source, 4), attached(&source, 5)];
    let (mut noise, mut brought, mut given) = (Noise::new(9), 0, 0);
    for _ in 0..20_000 {
        let mut any = [0; 4];
        noise.fill(&mut any).expect("noise");
        let client = &clients[usize::from(any[0] % 3)];
        match any[1] % 8 {
            0 => client.attach(SignalOn { notification: BELL, bits: 1 }).expect("room"),
            1..5 => given += client.read(u32::from(any[2]) * 3).expect("bytes").len(),
            _ if core::mem::take(&mut chip.0.borrow_mut().asked) => {
                let mut block = [0; BLOCK];
                noise.fill(&mut block).expect("noise");
                let count = usize::from(any[3]).max(1);
                chip.bring(&source, &block[..count]);
                brought += count;
            }
            _ => source.borrow_mut().interrupt(),
        }
        assert!(given <= brought && brought - given <= 4 * 504 + BLOCK);
    }
}
