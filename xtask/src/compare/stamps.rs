//! The disk before and after: each block begins with its number, and afterwards with who wrote it.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use disk_jobs::{BLOCK, DISK, JOBS, stamp};

/// Makes the disk anew. It is read once, so that the host has it in memory whoever comes first.
pub fn fill(path: &Path) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut block = [0; BLOCK];
        for offset in (0..DISK).step_by(BLOCK) {
            block[..8].copy_from_slice(&stamp(offset, 0).to_le_bytes());
            file.write_all(&block)?;
        }
        file.into_inner()?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Fails unless every block was written by the last job that writes.
pub fn check(path: &Path) -> Result<()> {
    let job = JOBS.iter().rposition(|job| job.write).context("no job writes")?;
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut block = [0; BLOCK];
    for offset in (0..DISK).step_by(BLOCK) {
        file.read_exact(&mut block).with_context(|| format!("cannot read {}", path.display()))?;
        let found = u64::from_le_bytes(block[..8].try_into()?);
        let wanted = stamp(offset, job);
        ensure!(found == wanted, "the disk has {found:#x} at byte {offset}, where {wanted:#x} was written");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_was_not_written_is_found_out() {
        let path = std::env::temp_dir().join(format!("tutti-stamps-{}", std::process::id()));
        fill(&path).expect("filled");
        let error = check(&path).expect_err("nobody wrote").to_string();
        std::fs::remove_file(&path).expect("removed");
        assert!(error.contains("at byte 0"), "{error}");
    }
}
