//! Drives the disk as fast as it can, with one and with many requests at a time. `cargo xtask compare` looks at the host's
//! clock when a job begins and ends, and has Linux do the same.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bench_programs::report::Printer;
use disk_jobs::{BEGIN, BLOCK, BUFFER, DISK, DONE, END, FAILED, JOBS, Job, is_in_place, stamp};
use ipc::Error;
use ipc::block::{Block, DATA, RingReader, SECTOR, Status, Transfer};
use rt::{Env, NOTIFICATION, SharedBuffer};

rt::entry!(run);

fn run(env: &'static Env) {
    let printed = Printer::open(env).and_then(|printer| match run_all(env, &printer) {
        Ok(()) => printer.line(DONE),
        Err(error) => printer.line(&format!("{FAILED}{error}")),
    });
    if let Err(error) = printed {
        log::error!("bench-disk: {error}");
    }
}

/// All jobs, each between its two lines.
fn run_all(env: &Env, printer: &Printer) -> Result<(), String> {
    let mut disk = Disk::open(env)?;
    for (number, job) in JOBS.iter().enumerate() {
        printer.line(&format!("{BEGIN}{}", job.name))?;
        many(&mut disk, number, job)?;
        printer.line(&format!("{END}{}", job.name))?;
    }
    Ok(())
}

/// Whatever part of the buffer is free takes the next request, as long as the driver takes more.
fn many(disk: &mut Disk, number: usize, job: &Job) -> Result<(), String> {
    let mut free: Vec<usize> = (0..job.depth).collect();
    let mut requests = vec![0; job.depth];
    let (mut next, mut ended) = (0, 0);
    while ended < job.requests {
        while next < job.requests
            && let Some(slot) = free.pop()
        {
            if !disk.submit(number, job, slot, next)? {
                free.push(slot);
                break;
            }
            requests[slot] = next;
            next += 1;
        }
        let slot = disk.wait()?;
        disk.check(job, slot, *requests.get(slot).ok_or("a completion of no request")?)?;
        free.push(slot);
        ended += 1;
    }
    Ok(())
}

/// A session with the disk, and the buffer that is shared with it.
struct Disk {
    block: Block,
    buffer: SharedBuffer,
    ring: RingReader,
}

impl Disk {
    fn open(env: &Env) -> Result<Self, String> {
        let block = Block(env.cap("use:block").map_err(|missing| format!("{missing}"))?);
        let info = block.info().map_err(|error| format!("block: {error:?}"))?;
        if info.sectors * SECTOR as u64 != DISK {
            return Err(format!("the disk has {} sectors", info.sectors));
        }
        let pages = ((DATA + BUFFER) / BLOCK) as u32;
        let buffer = SharedBuffer::new(pages.into()).map_err(|error| format!("no buffer: {error:?}"))?;
        let ring = RingReader::reset(&buffer).map_err(|error| format!("{error:?}"))?;
        let signal = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error:?}"))?;
        block.attach(buffer.frame(), pages, signal, 1).map_err(|error| format!("block: {error:?}"))?;
        Ok(Self { block, buffer, ring })
    }

    /// Hands a request in that uses this part of the buffer. False: the driver takes no more for now.
    fn submit(&mut self, number: usize, job: &Job, slot: usize, request: u64) -> Result<bool, String> {
        let (place, offset) = (DATA + slot * job.bytes, job.offset(request));
        let transfer = Transfer {
            sector: offset / SECTOR as u64,
            sectors: (job.bytes / SECTOR) as u32,
            offset: place as u32,
            tag: slot as u32,
        };
        let accepted = if job.write {
            for block in (0..job.bytes).step_by(BLOCK) {
                let stamp = stamp(offset + block as u64, number).to_le_bytes();
                self.buffer.write(place + block, &stamp).map_err(|_| "outside of the buffer")?;
            }
            self.block.write(transfer)
        } else {
            self.block.read(transfer)
        };
        match accepted {
            Ok(()) => Ok(true),
            Err(Error::Status(Status::Full)) => Ok(false),
            Err(error) => Err(format!("block: {error:?}")),
        }
    }

    /// Waits until a request has ended, and says which part of the buffer it used.
    fn wait(&mut self) -> Result<usize, String> {
        loop {
            match self.ring.next(&self.buffer) {
                Ok(Some(done)) if done.status == 0 => return Ok(done.tag as usize),
                Ok(Some(done)) => return Err(format!("block: {done:?}")),
                Ok(None) => NOTIFICATION.wait().map(drop).map_err(|error| format!("wait: {error}"))?,
                Err(error) => return Err(format!("{error:?}")),
            }
        }
    }

    /// Whether a read brought what lies there.
    fn check(&self, job: &Job, slot: usize, request: u64) -> Result<(), String> {
        let mut stamp = [0; 8];
        self.buffer.read(DATA + slot * job.bytes, &mut stamp).map_err(|_| "outside of the buffer")?;
        if job.write || is_in_place(u64::from_le_bytes(stamp), job.offset(request)) {
            return Ok(());
        }
        Err("a read brought another block".into())
    }
}
