//! The block path.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bench_programs::{instructions, median};
use ipc::block::{Block, DATA, RingReader, Transfer};
use ipc::supervisor::Supervisor;
use rt::{Env, NOTIFICATION, SUPERVISOR, SharedBuffer, ticks_per_second};

use crate::{Line, ROUNDS, WARM_UP, metric};

/// Reads 4 KiB from a null disk, one request at a time: from the call to the data in our buffer. CPU time of all
/// components is compared, so that waiting for the emulated device does not count; what the comparison itself costs is
/// measured and taken off.
pub fn read(env: &Env) -> Line {
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
