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
use ipc::SignalOn;
use ipc::block::{BlockClient, ClientRings, DATA, Operation, RINGS, Request, SECTOR};
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

/// Whatever part of the buffer is free takes the next request; the driver is told once of as many as there are.
fn many(disk: &mut Disk, number: usize, job: &Job) -> Result<(), String> {
    let mut free: Vec<usize> = (0..job.depth).collect();
    let mut requests = vec![0; job.depth];
    let (mut next, mut ended) = (0, 0);
    while ended < job.requests {
        while next < job.requests
            && let Some(slot) = free.pop()
        {
            disk.request(number, job, slot, next)?;
            requests[slot] = next;
            next += 1;
        }
        disk.submit()?;
        let first = disk.wait()?;
        let mut slot = Some(first);
        while let Some(done) = slot {
            disk.check(job, done, *requests.get(done).ok_or("a completion of no request")?)?;
            free.push(done);
            ended += 1;
            slot = disk.completion()?;
        }
    }
    Ok(())
}

/// A session with the disk, and the buffer that is shared with it.
struct Disk {
    block: BlockClient,
    buffer: SharedBuffer,
    rings: ClientRings,
    /// Requests were put in that the driver was not told of.
    news: bool,
}

impl Disk {
    fn open(env: &Env) -> Result<Self, String> {
        let block = BlockClient::from_env(env).map_err(|missing| format!("{missing}"))?;
        let info = block.info().map_err(|error| format!("block: {error}"))?;
        if info.sectors * SECTOR as u64 != DISK {
            return Err(format!("the disk has {} sectors", info.sectors));
        }
        let pages = ((DATA + BUFFER) / BLOCK) as u64;
        let buffer = SharedBuffer::new(pages).map_err(|error| format!("no buffer: {error:?}"))?;
        let rings = RINGS.client(&buffer).map_err(|error| format!("{error:?}"))?;
        let notification = ipc::signal_only(NOTIFICATION).map_err(|error| format!("{error}"))?;
        block.attach(&buffer, SignalOn { notification, bits: 1 }).map_err(|error| format!("block: {error}"))?;
        Ok(Self { block, buffer, rings, news: false })
    }

    /// Puts a request in that uses this part of the buffer.
    fn request(&mut self, number: usize, job: &Job, slot: usize, request: u64) -> Result<(), String> {
        let (place, offset) = (DATA + slot * job.bytes, job.offset(request));
        if job.write {
            for block in (0..job.bytes).step_by(BLOCK) {
                let stamp = stamp(offset + block as u64, number).to_le_bytes();
                self.buffer.write(place + block, &stamp).map_err(|_| "outside of the buffer")?;
            }
        }
        let operation = if job.write { Operation::Write } else { Operation::Read };
        let request = Request {
            sector: offset / SECTOR as u64,
            sectors: (job.bytes / SECTOR) as u32,
            offset: place as u32,
            tag: slot as u32,
            operation: operation as u32,
        };
        self.news = true;
        self.rings.ask(&self.buffer, &request).map_err(|error| format!("block: {error:?}"))
    }

    /// Tells the driver.
    fn submit(&mut self) -> Result<(), String> {
        if core::mem::take(&mut self.news) {
            self.block.submit().map_err(|error| format!("block: {error}"))
        } else {
            Ok(())
        }
    }

    /// The part of the buffer whose request has ended; none: none has yet.
    fn completion(&mut self) -> Result<Option<usize>, String> {
        match self.rings.completion(&self.buffer) {
            Ok(Some(done)) if done.status == 0 => Ok(Some(done.tag as usize)),
            Ok(Some(done)) => Err(format!("block: {done:?}")),
            Ok(None) => Ok(None),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    /// Waits for one.
    fn wait(&mut self) -> Result<usize, String> {
        loop {
            if let Some(slot) = self.completion()? {
                return Ok(slot);
            }
            NOTIFICATION.wait().map_err(|error| format!("wait: {error}"))?;
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
