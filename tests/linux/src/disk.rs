//! The jobs.

use core::ffi::CStr;

use disk_jobs::{BEGIN, BLOCK, BUFFER, DISK, END, JOBS, Job, is_in_place, stamp};

use crate::console::say;
use crate::kernel::{self, Failed, File, Memory};
use crate::ring::Ring;

/// A disk, and memory to transfer from and to.
pub struct Disk {
    file: File,
    memory: Memory,
}

impl Disk {
    /// Opens the disk as soon as its driver has found it.
    pub fn open(path: &'static CStr) -> Result<Self, Failed> {
        let mut tries = 500;
        let file = loop {
            match kernel::open_disk(path) {
                Ok(file) => break file,
                Err(error) if tries == 0 => return Err(error),
                Err(_) => kernel::sleep(10),
            }
            tries -= 1;
        };
        if kernel::size(file)? != DISK {
            return Err(Failed::new("the disk has another size"));
        }
        Ok(Self { file, memory: Memory::new(BUFFER)? })
    }

    fn stamp(&self, number: usize, job: &Job, at: usize, request: u64) {
        for block in (0..job.bytes).step_by(BLOCK) {
            self.memory.store(at + block, stamp(job.offset(request) + block as u64, number));
        }
    }

    fn check(&self, job: &Job, at: usize, request: u64) -> Result<(), Failed> {
        match is_in_place(self.memory.load(at), job.offset(request)) {
            true => Ok(()),
            false => Err(Failed::new("a read brought another block")),
        }
    }
}

/// All jobs, each between its two lines.
pub fn run_all(disk: &Disk) -> Result<(), Failed> {
    for (number, job) in JOBS.iter().enumerate() {
        say(format_args!("{BEGIN}{}", job.name));
        if job.depth == 1 { one_at_a_time(disk, number, job) } else { many(disk, number, job) }?;
        say(format_args!("{END}{}", job.name));
    }
    Ok(())
}

fn one_at_a_time(disk: &Disk, number: usize, job: &Job) -> Result<(), Failed> {
    for request in 0..job.requests {
        if job.write {
            disk.stamp(number, job, 0, request);
        }
        kernel::transfer(disk.file, job.write, &disk.memory, (0, job.bytes), job.offset(request))?;
        if !job.write {
            disk.check(job, 0, request)?;
        }
    }
    Ok(())
}

/// Whatever has ended is followed by the next request in its part of the memory.
fn many(disk: &Disk, number: usize, job: &Job) -> Result<(), Failed> {
    let mut ring = Ring::new(job.depth, disk.file, &disk.memory)?;
    let push = |ring: &mut Ring, slot: usize, request: u64| {
        let at = slot * job.bytes;
        if job.write {
            disk.stamp(number, job, at, request);
        }
        let tag = (slot as u64) << 48 | request;
        ring.push(job.write, disk.memory.address(at, job.bytes), job.bytes, job.offset(request), tag);
    };
    (0..job.depth).for_each(|slot| push(&mut ring, slot, slot as u64));
    let (mut next, mut ended) = (job.depth as u64, 0);
    while ended < job.requests {
        ring.enter()?;
        while let Some(completion) = ring.pop() {
            let (slot, request) = ((completion.tag >> 48) as usize, completion.tag & 0xffff_ffff_ffff);
            if completion.result != job.bytes as i32 {
                return Err(Failed::new("a request through io_uring failed"));
            }
            if !job.write {
                disk.check(job, slot * job.bytes, request)?;
            }
            ended += 1;
            if next < job.requests {
                push(&mut ring, slot, next);
                next += 1;
            }
        }
    }
    Ok(())
}
