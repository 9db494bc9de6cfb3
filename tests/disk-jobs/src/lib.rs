//! What Tutti and Linux both do with a disk when `cargo xtask compare` holds one against the other, and how each says
//! when it begins and ends: the host's clock counts.
#![no_std]
#![forbid(unsafe_code)]

/// Bytes of the disk.
pub const DISK: u64 = 256 << 20;
/// Bytes of a block: each begins with its [`stamp`].
pub const BLOCK: usize = 4096;

/// Before the name of a job that begins, on a line of its own.
pub const BEGIN: &str = "compare: begin ";
/// Before the name of a job that has ended.
pub const END: &str = "compare: end ";
/// After all jobs.
pub const DONE: &str = "compare: done";
/// Before what went wrong.
pub const FAILED: &str = "compare: failed: ";

/// Sequential requests of one size and direction, so many of them under way at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// What it is called on the console.
    pub name: &'static str,
    /// To the disk; else from it.
    pub write: bool,
    /// Bytes of a request: whole blocks.
    pub bytes: usize,
    /// Requests under way at a time.
    pub depth: usize,
    /// Requests in all.
    pub requests: u64,
}

/// All jobs, in the order in which they run. The first only warms up.
pub const JOBS: [Job; 9] = [
    Job { name: "warm-up", write: false, bytes: 1 << 20, depth: 1, requests: 256 },
    Job { name: "read-4k-d1", write: false, bytes: 4096, depth: 1, requests: 1 << 15 },
    Job { name: "write-4k-d1", write: true, bytes: 4096, depth: 1, requests: 1 << 15 },
    Job { name: "read-4k-d32", write: false, bytes: 4096, depth: 32, requests: 1 << 16 },
    Job { name: "write-4k-d32", write: true, bytes: 4096, depth: 32, requests: 1 << 16 },
    Job { name: "read-1m-d1", write: false, bytes: 1 << 20, depth: 1, requests: 1 << 11 },
    Job { name: "write-1m-d1", write: true, bytes: 1 << 20, depth: 1, requests: 1 << 11 },
    Job { name: "read-1m-d8", write: false, bytes: 1 << 20, depth: 8, requests: 1 << 12 },
    Job { name: "write-1m-d8", write: true, bytes: 1 << 20, depth: 8, requests: 1 << 12 },
];

/// Bytes that the requests under way take at most.
pub const BUFFER: usize = 8 << 20;

impl Job {
    /// Where on the disk a request lies, in bytes: one behind the other, and from the start again.
    #[must_use]
    pub const fn offset(&self, request: u64) -> u64 {
        request * self.bytes as u64 % DISK
    }

    /// Bytes moved in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.requests * self.bytes as u64
    }
}

/// What the block at this byte of the disk begins with, little-endian: its number, and above it which job wrote it: the
/// job's place in [`JOBS`], or 0.
#[must_use]
pub const fn stamp(offset: u64, job: usize) -> u64 {
    (offset / BLOCK as u64) | ((job as u64) << 32)
}

/// Whether a block's stamp belongs where it was found, whoever wrote it.
#[must_use]
pub const fn is_in_place(found: u64, offset: u64) -> bool {
    found as u32 as u64 == offset / BLOCK as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_fit_the_disk_and_the_buffer() {
        for job in JOBS {
            assert!(job.bytes.is_multiple_of(BLOCK) && DISK.is_multiple_of(job.bytes as u64), "{}", job.name);
            assert!(job.depth * job.bytes <= BUFFER && job.requests >= job.depth as u64, "{}", job.name);
            assert_eq!((job.offset(0), job.offset(DISK / job.bytes as u64)), (0, 0));
        }
        let last = JOBS.iter().rfind(|job| job.write).expect("one writes");
        assert!(last.total() >= DISK, "afterwards every block shows whether it was written");
    }

    #[test]
    fn stamps_name_their_place() {
        assert!(is_in_place(stamp(8192, 7), 8192) && is_in_place(stamp(8192, 0), 8192));
        assert!(!is_in_place(stamp(8192, 7), 4096) && !is_in_place(0, 4096));
    }
}
