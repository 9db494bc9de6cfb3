//! The process of the shell.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;

use ipc::{file::Files, log::Log, serial::Serial, supervisor::Supervisor};
use rt::{Env, NOTIFICATION, SharedBuffer};
use shell::{Carrier, Machine, Services, Shell};

rt::entry!(run);

/// Pages shared with the file service: 64 KiB.
const PAGES: u64 = 16;

fn run(env: &'static Env) {
    match services(env) {
        Ok(services) => Shell::new(services, Box::new(Process(env))).run(),
        Err(error) => log::error!("{error}"),
    }
}

fn services(env: &Env) -> Result<Services, String> {
    let endpoint = |name| env.cap(name).map(Carrier::new).map_err(|missing| format!("{missing}"));
    Ok(Services {
        serial: Serial(endpoint("use:serial")?),
        files: Files(endpoint("use:file")?),
        log: Log(Carrier::new(rt::LOG)),
        supervisor: Supervisor(Carrier::new(rt::SUPERVISOR)),
        notification: ipc::signal_only(NOTIFICATION).map_err(|error| format!("notification: {error:?}"))?,
        buffer: SharedBuffer::new(PAGES).map(Rc::new).map_err(|error| format!("buffer for files: {error:?}"))?,
    })
}

struct Process(&'static Env);

impl Machine for Process {
    fn wait(&self) -> Option<u64> {
        NOTIFICATION.wait().ok()
    }

    fn poll(&self) -> u64 {
        NOTIFICATION.poll().unwrap_or_default()
    }

    fn uptime(&self) -> u64 {
        let info = self.0.start_info();
        info.nanoseconds(rt::now_ticks().saturating_sub(info.boot_ticks))
    }

    fn nanoseconds(&self, ticks: u64) -> u64 {
        self.0.start_info().nanoseconds(ticks)
    }
}
