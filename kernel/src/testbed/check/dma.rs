//! What must always hold of DmaSpaces: an IOMMU remembers nothing that the tables do not say.

use super::*;
use crate::smmu::Stream;

impl Checker {
    /// What went from the tables of a stream was invalidated, and that was waited for.
    pub(super) fn check_told(&mut self, k: &Kernel, stream: Option<Stream>, now: &[(u64, u64)]) -> Check {
        let Some(Stream { id, .. }) = stream else { return Ok(()) };
        let (from, before) = self.reached.remove(&id).unwrap_or_default();
        let log = log(k);
        let since = log.get(from..).unwrap_or_default();
        for (address, value) in before {
            let same = now.binary_search(&(address, value)).is_ok();
            must!(same || forgotten(since, id, address), "{address:#x} of stream {id:#x} may still be reached");
        }
        self.reached.insert(id, (log.len(), now.to_vec()));
        Ok(())
    }

    /// A stream whose space is gone was forgotten.
    pub(super) fn check_lost_streams(&mut self, k: &Kernel) -> Check {
        let bound = |id: u16| {
            self.objects.iter().any(|&(kind, number)| {
                let space = || &k.mem[object::<AddressSpace>(number)];
                kind == Kind::DmaSpace && space().reach.stream().is_some_and(|stream| stream.id == id)
            })
        };
        let lost: Vec<u16> = self.reached.keys().copied().filter(|&id| !bound(id)).collect();
        for id in lost {
            let (from, before) = self.reached.remove(&id).unwrap_or_default();
            let since = log(k).get(from..).unwrap_or_default();
            let all = before.iter().all(|&(address, _)| forgotten(since, id, address));
            must!(all, "stream {id:#x} is nobody's and may still reach memory");
        }
        Ok(())
    }
}

fn log(k: &Kernel) -> &[[u64; 2]] {
    k.smmus[0].as_ref().map_or(&[], |smmu| smmu.log())
}

/// Whether the commands made an IOMMU forget an address of a stream (ARM IHI 0070, 4.4), and ended with a CMD_SYNC.
fn forgotten(since: &[[u64; 2]], id: u16, address: u64) -> bool {
    let told = since.iter().any(|command| match (command[0] & 0xff, (command[0] >> 48) as u16) {
        // What it remembers of a block goes with any address in it.
        (0x12, asid) => asid == id && (command[1] == address || command[1] == address & !0x1f_ffff),
        (0x11, asid) => asid == id,
        _ => false,
    });
    told && since.last() == Some(&[0x46, 0])
}
