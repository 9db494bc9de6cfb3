//! Measures system calls, IPC and the block path, and says so on the serial line.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bench_programs::{FIRST_INSTRUCTION, each, instructions, median};
use ipc::block::{Block, DATA, RingReader, Transfer};
use ipc::log::{self as log_protocol, Found};
use ipc::serial::Serial;
use ipc::supervisor::Supervisor;
use rt::{Cap, Endpoint, Env, LOG, Message, NOTIFICATION, SUPERVISOR, SharedBuffer, now_ticks, ticks_per_second};

rt::entry!(run);

/// Rounds that are measured, and rounds before them that are not.
const ROUNDS: u64 = 1000;
const WARM_UP: u64 = 20;

fn run(env: &'static Env) {
    let lines = [syscall_null(), call_reply(env, 0), call_reply(env, 8), spawn(), block_read(env)];
    if let Err(error) = print(env, &lines) {
        log::error!("bench: {error}");
    }
}

/// A measured line, or why there is none.
type Line = Result<String, String>;

fn metric(name: &str, value: u64) -> Line {
    Ok(format!("metric {name} {value} instructions"))
}

/// The cost of one of many rounds of `round`.
fn measure(mut round: impl FnMut() -> Result<(), String>) -> Result<u64, String> {
    (0..WARM_UP).try_for_each(|_| round())?;
    let start = now_ticks();
    (0..ROUNDS).try_for_each(|_| round())?;
    Ok(each(now_ticks() - start, ticks_per_second(), ROUNDS))
}

/// Polls an idle notification.
fn syscall_null() -> Line {
    let cost = measure(|| NOTIFICATION.poll().map(drop).map_err(|error| format!("poll: {error}")))?;
    metric("syscall.null", cost)
}

/// A round trip to another address space and back.
fn call_reply(env: &Env, words: u8) -> Line {
    let echo: Cap<Endpoint> = env.cap("use:bench-echo").map_err(|missing| format!("{missing}"))?;
    let message = Message { words, ..Message::new(1, [1, 2, 3, 4, 5, 6, 7, 8]) };
    let cost = measure(|| match echo.call(&message) {
        Ok(answer) if answer.words == words => Ok(()),
        Ok(answer) => Err(format!("bench-echo answered {} words", answer.words)),
        Err(error) => Err(format!("bench-echo: {error:?}")),
    })?;
    metric(if words == 0 { "ipc.call_reply_0w" } else { "ipc.call_reply_8w" }, cost)
}

/// Kills a component and takes the time from the log's line that it is started again to its first instruction. The
/// bundle was checked at boot.
fn spawn() -> Line {
    let supervisor = Supervisor(SUPERVISOR);
    let hello = component(&supervisor, "bench-hello")?;
    let last = log_lines(0)?.last().map_or(0, |line| line.sequence);
    supervisor.kill(hello).map_err(|error| format!("kill: {error:?}"))?;
    let lines = log_lines(last + 1)?;
    let begun = lines.iter().find(|line| line.component == 0 && line.text.as_str().contains("is started again"));
    let begun = begun.ok_or("init says nothing of a start")?.nanoseconds;
    let first = lines.iter().find_map(|line| line.text.as_str().split_once(FIRST_INSTRUCTION));
    let first: u64 = first.and_then(|(_, number)| number.trim().parse().ok()).ok_or("bench-hello says nothing")?;
    metric("process.spawn", first.saturating_sub(begun))
}

fn component(supervisor: &Supervisor, name: &str) -> Result<u32, String> {
    for index in 0.. {
        match supervisor.list(index) {
            Ok(Some(component)) if component.name.as_str() == name => return Ok(component.component),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(format!("supervisor: {error:?}")),
        }
    }
    Err(format!("no component {name}"))
}

/// The lines of the log from this number on.
fn log_lines(mut from: u64) -> Result<Vec<log_protocol::Line>, String> {
    let log = log_protocol::Log(LOG);
    let mut lines = Vec::new();
    loop {
        match log.read(from) {
            Ok(Found::Line(line)) => {
                from = line.sequence + 1;
                lines.push(line);
            }
            Ok(Found::NoneYet { .. }) => return Ok(lines),
            Err(error) => return Err(format!("log: {error:?}")),
        }
    }
}

/// Reads 4 KiB from a null disk, one request at a time: from the call to the data in our buffer. CPU time of all
/// components is compared, so that waiting for the emulated device does not count; what the comparison itself costs is
/// measured and taken off.
fn block_read(env: &Env) -> Line {
    let mut reader = Reader::open(env)?;
    (0..WARM_UP).try_for_each(|_| reader.read())?;
    let mut costs = Vec::new();
    let mut empty = Vec::new();
    for _ in 0..ROUNDS {
        let start = busy_ticks()?;
        let middle = busy_ticks()?;
        reader.read()?;
        let end = busy_ticks()?;
        empty.push(middle.saturating_sub(start));
        costs.push(end.saturating_sub(middle));
    }
    let ticks = median(costs).saturating_sub(median(empty));
    metric("blk.read_4k", instructions(ticks, ticks_per_second()))
}

/// CPU time of all components so far.
fn busy_ticks() -> Result<u64, String> {
    let supervisor = Supervisor(SUPERVISOR);
    let mut ticks = 0;
    for index in 0.. {
        match supervisor.list(index) {
            Ok(Some(component)) => ticks += component.ticks,
            Ok(None) => break,
            Err(error) => return Err(format!("supervisor: {error:?}")),
        }
    }
    Ok(ticks)
}

struct Reader {
    block: Block,
    buffer: SharedBuffer,
    ring: RingReader,
    tag: u32,
}

impl Reader {
    fn open(env: &Env) -> Result<Self, String> {
        let block = Block(env.cap("use:block").map_err(|missing| format!("{missing}"))?);
        let buffer = SharedBuffer::new(2).map_err(|error| format!("no buffer: {error:?}"))?;
        let ring = RingReader::reset(&buffer).map_err(|error| format!("{error:?}"))?;
        let signal = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error:?}"))?;
        block.attach(buffer.frame(), 2, signal, 1).map_err(|error| format!("block: {error:?}"))?;
        Ok(Self { block, buffer, ring, tag: 0 })
    }

    fn read(&mut self) -> Result<(), String> {
        self.tag += 1;
        let transfer = Transfer { sector: u64::from(self.tag) * 8, sectors: 8, offset: DATA as u32, tag: self.tag };
        self.block.read(transfer).map_err(|error| format!("block: {error:?}"))?;
        loop {
            match self.ring.next(&self.buffer) {
                Ok(Some(done)) if done.tag == self.tag && done.status == 0 => return Ok(()),
                Ok(Some(done)) => return Err(format!("block: {done:?}")),
                Ok(None) => NOTIFICATION.wait().map(drop).map_err(|error| format!("wait: {error}"))?,
                Err(error) => return Err(format!("{error:?}")),
            }
        }
    }
}

fn print(env: &Env, lines: &[Line]) -> Result<(), String> {
    let serial = Serial(env.cap::<Endpoint>("use:serial").map_err(|missing| format!("{missing}"))?);
    let (signal, bits) = (ipc::signal_only(NOTIFICATION), 2);
    let signal = signal.map_err(|error| format!("{error:?}"))?;
    serial.attach(signal, bits).map_err(|error| format!("serial: {error:?}"))?;
    for line in lines {
        let text = match line {
            Ok(metric) => format!("{metric}\r\n"),
            Err(error) => format!("bench: {error}\r\n"),
        };
        write(&serial, text.as_bytes())?;
    }
    write(&serial, b"bench: end\r\n")
}

fn write(serial: &Serial, mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        let taken = serial.write(bytes).map_err(|error| format!("serial: {error:?}"))?;
        bytes = bytes.get(taken..).unwrap_or_default();
        if taken == 0 {
            NOTIFICATION.wait().map_err(|error| format!("wait: {error}"))?;
        }
    }
    Ok(())
}
