//! The block path: one request and many, small and large.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ipc::SignalOn;
use ipc::block::{BlockClient, ClientRings, DATA, Operation, RINGS, Request};
use rt::{Env, NOTIFICATION, SharedBuffer, ticks_per_second};

use crate::report::{Line, metric};
use crate::{busy_ticks, instructions, mark, median};

/// Sectors of 4 KiB, and of a MiB.
const SMALL: u32 = 8;
const LARGE: u32 = 2048;
/// Measurements of which the middle counts, and requests before them that do not.
const ROUNDS: usize = 1000;
const WARM_UP: usize = 20;

/// A metric: its name, what is asked for, how many sectors, and how many requests are under way at a time.
pub type Kind = (&'static str, Operation, u32, u32);

/// Of a virtio device.
pub const VIRTIO: [Kind; 5] = [
    ("blk.read_4k", Operation::Read, SMALL, 1),
    ("blk.write_4k", Operation::Write, SMALL, 1),
    ("blk.read_4k_d32", Operation::Read, SMALL, 32),
    ("blk.write_4k_d32", Operation::Write, SMALL, 32),
    ("blk.read_1m", Operation::Read, LARGE, 1),
];

/// Of an NVM Express controller.
pub const NVME: [Kind; 2] =
    [("nvme.read_4k", Operation::Read, SMALL, 1), ("nvme.read_4k_d32", Operation::Read, SMALL, 32)];

/// Of a virtio device behind an SMMU.
pub const SMMU: [Kind; 2] =
    [("blk.read_4k_smmu", Operation::Read, SMALL, 1), ("blk.read_4k_d32_smmu", Operation::Read, SMALL, 32)];

/// Transfers with a null disk, from the call to the data in our buffer. CPU time of all components is compared, so that
/// waiting for the emulated device does not count; what the comparison itself costs is measured and taken off.
pub fn lines(env: &Env, kinds: &[Kind]) -> Vec<Line> {
    let mut user = match User::open(env) {
        Ok(user) => user,
        Err(error) => return alloc::vec![Err(error)],
    };
    let measure = |&(name, operation, sectors, depth): &Kind| user.measure(name, operation, sectors, depth);
    kinds.iter().map(measure).collect()
}

struct User {
    block: BlockClient,
    buffer: SharedBuffer,
    rings: ClientRings,
    sectors: u64,
    next: u64,
}

impl User {
    fn open(env: &Env) -> Result<Self, String> {
        let block = BlockClient::from_env(env).map_err(|missing| format!("{missing}"))?;
        let pages = 1 + u64::from(LARGE) / 8;
        let buffer = SharedBuffer::new(pages).map_err(|error| format!("no buffer: {error:?}"))?;
        let rings = RINGS.client(&buffer).map_err(|error| format!("{error:?}"))?;
        let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
        block.attach(&buffer, SignalOn { notification, bits: 1 }).map_err(|error| format!("block: {error}"))?;
        let sectors = block.info().map_err(|error| format!("block: {error}"))?.sectors;
        Ok(Self { block, buffer, rings, sectors, next: 0 })
    }

    /// Instructions of one request when `depth` of them are under way at a time.
    fn measure(&mut self, name: &str, operation: Operation, sectors: u32, depth: u32) -> Line {
        (0..WARM_UP).try_for_each(|_| self.transfer(operation, sectors, depth))?;
        let (mut costs, mut empty) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let start = busy_ticks()?;
            let middle = busy_ticks()?;
            if round == ROUNDS / 2 {
                mark(name);
            }
            self.transfer(operation, sectors, depth)?;
            if round == ROUNDS / 2 {
                mark(name);
            }
            let end = busy_ticks()?;
            empty.push(middle.saturating_sub(start));
            costs.push(end.saturating_sub(middle));
        }
        let ticks = median(costs).saturating_sub(median(empty));
        metric(name, instructions(ticks, ticks_per_second()).div_ceil(depth.into()), "instructions")
    }

    /// `depth` requests, all of them begun before the first is waited for.
    fn transfer(&mut self, operation: Operation, sectors: u32, depth: u32) -> Result<(), String> {
        for tag in 0..depth {
            let request = Request {
                sector: self.next,
                sectors,
                offset: DATA as u32 + tag * sectors * 512,
                tag,
                operation: operation as u32,
            };
            self.rings.ask(&self.buffer, &request).map_err(|error| format!("block: {error:?}"))?;
            self.next = (self.next + u64::from(sectors)) % (self.sectors - u64::from(LARGE));
        }
        self.block.submit().map_err(|error| format!("block: {error}"))?;
        let mut left = depth;
        while left > 0 {
            match self.rings.completion(&self.buffer) {
                Ok(Some(done)) if done.status == 0 => left -= 1,
                Ok(Some(done)) => return Err(format!("block: {done:?}")),
                Ok(None) => NOTIFICATION.wait().map(drop).map_err(|error| format!("wait: {error}"))?,
                Err(error) => return Err(format!("{error:?}")),
            }
        }
        Ok(())
    }
}
