//! QEMU's debugger port: GDB's remote protocol, as much of it as stepping and looking takes.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// General registers by their numbers in the protocol.
pub mod register {
    pub const X0: u32 = 0;
    pub const X1: u32 = 1;
    pub const LR: u32 = 30;
    pub const PC: u32 = 32;
}

/// How long QEMU may take to open its port.
const START: Duration = Duration::from_secs(10);

/// Bytes of memory that fit into one packet.
const PIECE: usize = 1024;

/// A stopped machine.
pub struct Remote {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Remote {
    /// Connects to the port, which QEMU is about to open.
    pub fn connect(path: &Path) -> Result<Self> {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if start.elapsed() > START => {
                    return Err(error).context("QEMU does not open its debugger port");
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut remote = Self { stream, received: Vec::new() };
        remote.ask("qSupported:xmlRegisters=aarch64")?;
        Ok(remote)
    }

    /// How long an answer may take; a machine that runs answers when it stops.
    pub fn patience(&mut self, patience: Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(patience)).context("the debugger port")
    }

    /// Interrupts come also while the machine is stepped. Its clock follows the instructions, but what waits for it to
    /// go on without instructions waits in vain.
    pub fn step_with_interrupts(&mut self) -> Result<()> {
        self.expect_ok("Qqemu.sstep=5")
    }

    /// Runs one instruction.
    pub fn step(&mut self) -> Result<()> {
        self.run("s")
    }

    /// Runs to the next breakpoint.
    pub fn resume(&mut self) -> Result<()> {
        self.run("c")
    }

    fn run(&mut self, command: &str) -> Result<()> {
        let answer = self.ask(command)?;
        ensure!(answer.starts_with(['T', 'S']), "the machine ended: {answer:?}");
        Ok(())
    }

    pub fn set_breakpoint(&mut self, address: u64) -> Result<()> {
        self.expect_ok(&format!("Z0,{address:x},4"))
    }

    pub fn clear_breakpoint(&mut self, address: u64) -> Result<()> {
        self.expect_ok(&format!("z0,{address:x},4"))
    }

    /// A register of 64 bits.
    pub fn register(&mut self, number: u32) -> Result<u64> {
        let answer = self.ask(&format!("p{number:x}"))?;
        let bytes = decode(&answer).with_context(|| format!("register {number}: {answer:?}"))?;
        let bytes = bytes.first_chunk().with_context(|| format!("register {number} is shorter than 64 bits"))?;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Memory at an address of the loaded address space; none where nothing is mapped.
    pub fn read(&mut self, address: u64, count: usize) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let part = PIECE.min(count - bytes.len());
            let answer = self.ask(&format!("m{:x},{part:x}", address + bytes.len() as u64))?;
            match decode(&answer) {
                Some(more) if more.len() == part => bytes.extend(more),
                _ => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }

    /// The number of a system register.
    pub fn system_register(&mut self, name: &str) -> Result<u32> {
        let list = self.document("system-registers.xml")?;
        let number = list.split('<').filter(|entry| entry.starts_with("reg ")).find_map(|entry| {
            let attribute = |name: &str| entry.split_once(&format!("{name}=\""))?.1.split('"').next();
            (attribute("name")? == name).then(|| attribute("regnum")?.parse().ok())?
        });
        number.with_context(|| format!("QEMU does not show the register {name}"))
    }

    /// A description of the machine, which comes in pieces.
    fn document(&mut self, name: &str) -> Result<String> {
        let mut text = String::new();
        loop {
            let part = self.ask(&format!("qXfer:features:read:{name}:{:x},f00", text.len()))?;
            match part.split_at_checked(1) {
                Some(("m", part)) if !part.is_empty() => text.push_str(part),
                Some(("l", part)) => return Ok(text + part),
                _ => bail!("QEMU has no {name}"),
            }
        }
    }

    fn expect_ok(&mut self, command: &str) -> Result<()> {
        let answer = self.ask(command)?;
        ensure!(answer == "OK", "QEMU answers {answer:?} to {command:?}");
        Ok(())
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        let sum = command.bytes().fold(0u8, u8::wrapping_add);
        write!(self.stream, "${command}#{sum:02x}").context("QEMU's debugger port is closed")?;
        let answer = self.answer().with_context(|| format!("no answer to {command:?}"))?;
        self.stream.write_all(b"+")?;
        Ok(answer)
    }

    fn answer(&mut self) -> Result<String> {
        loop {
            if let Some((text, end)) = packet(&self.received) {
                self.received.drain(..end);
                return Ok(text);
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer)?;
            ensure!(count > 0, "QEMU ended");
            self.received.extend_from_slice(&buffer[..count]);
        }
    }
}

/// The first whole packet, `$text#sum`, and where it ends.
fn packet(bytes: &[u8]) -> Option<(String, usize)> {
    let start = bytes.iter().position(|&byte| byte == b'$')? + 1;
    let end = start + bytes[start..].iter().position(|&byte| byte == b'#')?;
    (bytes.len() >= end + 3).then(|| (unescape(&bytes[start..end]), end + 3))
}

/// `}` announces a byte that would mean something in a packet.
fn unescape(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    let mut bytes = bytes.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'}' => text.extend(bytes.next().map(|byte| byte ^ 0x20)),
            _ => text.push(byte),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_cut_out_of_the_stream() {
        assert_eq!(packet(b"+$T05thread:01;#07$x"), Some(("T05thread:01;".into(), 18)));
        assert_eq!(packet(b"+$a}\x03b#"), None);
        assert_eq!(packet(b"$a}\x03b#00"), Some(("a#b".into(), 8)));
    }

    #[test]
    fn bytes_are_two_digits_each() {
        assert_eq!(decode("00ff1A"), Some(vec![0, 255, 26]));
        assert_eq!(decode("E14x"), None);
        assert_eq!(decode("123"), None);
    }
}
