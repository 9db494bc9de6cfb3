//! Measures what a frame costs on its way out and on its way in: two network interfaces on one network, so that what one sends
//! the other receives.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bench_programs::report::{self, Line};
use bench_programs::{busy_ticks, instructions, mark, median};
use ipc::SignalOn;
use ipc::net::{Asked, ClientRings, DATA, LONGEST, NetClient, Place};
use rt::{Cap, Endpoint, Env, NOTIFICATION, Notification, SharedBuffer, ticks_per_second};

rt::entry!(run);

/// Frames of a burst.
const BURST: u32 = 32;
/// Bytes of the buffer that a frame takes.
const SLOT: u32 = 1536;
/// Bursts of which the middle counts, and bursts before them that do not.
const ROUNDS: usize = 300;
const WARM_UP: usize = 20;

fn run(env: &'static Env) -> Result<(), String> {
    let lines = measure(env).unwrap_or_else(|error| alloc::vec![Err(error)]);
    report::print(env, &lines)
}

/// CPU time of all components is compared, so that waiting does not count. A frame that is received was sent by the other driver
/// just before: what that costs alone is measured too, and taken off.
fn measure(env: &Env) -> Result<Vec<Line>, String> {
    let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
    let mut sender = User::open(env, "use:net", notification)?;
    let mut receiver = User::open(env, "use:net.1", notification)?;
    let both = middle("net.frame_rx", || transfer(&mut sender, Some(&mut receiver)))?;
    // From now on nobody has room there, and nothing is done for what arrives.
    let out = middle("net.frame_tx", || transfer(&mut sender, None))?;
    let line = |name, ticks: u64| {
        report::metric(name, instructions(ticks, ticks_per_second()).div_ceil(BURST.into()), "instructions")
    };
    Ok(alloc::vec![line("net.frame_tx", out), line("net.frame_rx", both.saturating_sub(out))])
}

/// The middle of what `burst` takes.
fn middle(name: &str, mut burst: impl FnMut() -> Result<(), String>) -> Result<u64, String> {
    (0..WARM_UP).try_for_each(|_| burst())?;
    let (mut costs, mut empty) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let start = busy_ticks()?;
        let middle = busy_ticks()?;
        let is_marked = round == ROUNDS / 2;
        is_marked.then(|| mark(name));
        burst()?;
        is_marked.then(|| mark(name));
        let end = busy_ticks()?;
        empty.push(middle.saturating_sub(start));
        costs.push(end.saturating_sub(middle));
    }
    Ok(median(costs).saturating_sub(median(empty)))
}

/// A burst out of one interface and, if there is a receiver, into the other.
fn transfer(sender: &mut User, receiver: Option<&mut User>) -> Result<(), String> {
    match receiver {
        Some(receiver) => {
            ask(&mut receiver.rings.receive, &receiver.buffer)?;
            receiver.submit()?;
            ask(&mut sender.rings.transmit, &sender.buffer)?;
            sender.submit()?;
            done(&mut receiver.rings.receive, &receiver.buffer)?;
        }
        None => {
            ask(&mut sender.rings.transmit, &sender.buffer)?;
            sender.submit()?;
        }
    }
    done(&mut sender.rings.transmit, &sender.buffer)
}

fn ask(rings: &mut Asked, buffer: &SharedBuffer) -> Result<(), String> {
    (0..BURST).try_for_each(|tag| {
        let place = Place { offset: DATA as u32 + tag * SLOT, bytes: LONGEST as u32, tag };
        rings.ask(buffer, &place).map_err(|error| format!("net: {error:?}"))
    })
}

fn done(rings: &mut Asked, buffer: &SharedBuffer) -> Result<(), String> {
    let mut left = BURST;
    while left > 0 {
        match rings.completion(buffer) {
            Ok(Some(done)) if done.bytes() == Ok(LONGEST) => left -= 1,
            Ok(Some(done)) => return Err(format!("net: {done:?}")),
            Ok(None) => NOTIFICATION.wait().map(drop).map_err(|error| format!("wait: {error}"))?,
            Err(error) => return Err(format!("net: {error:?}")),
        }
    }
    Ok(())
}

/// A session with an interface.
struct User {
    net: NetClient,
    buffer: SharedBuffer,
    rings: ClientRings,
}

impl User {
    fn open(env: &Env, name: &'static str, notification: Cap<Notification>) -> Result<Self, String> {
        let endpoint: Cap<Endpoint> = env.cap(name).map_err(|missing| format!("{missing}"))?;
        let net = NetClient(endpoint);
        let pages = 1 + u64::from(BURST * SLOT).div_ceil(4096);
        let buffer = SharedBuffer::new(pages).map_err(|error| format!("no buffer: {error:?}"))?;
        // A frame to everybody, of a protocol that nobody speaks.
        for tag in 0..BURST {
            let header = *b"\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x88\xb5";
            let offset = DATA + (tag * SLOT) as usize;
            buffer.write(offset, &header).map_err(|error| format!("buffer: {error:?}"))?;
        }
        let rings = ClientRings::reset(&buffer).map_err(|error| format!("{error:?}"))?;
        let new = Self { net, buffer, rings };
        let signal = SignalOn { notification, bits: 1 };
        new.net.attach(&new.buffer, signal).map_err(|error| format!("{name}: {error}"))?;
        Ok(new)
    }

    fn submit(&self) -> Result<(), String> {
        self.net.submit().map_err(|error| format!("net: {error}"))
    }
}
