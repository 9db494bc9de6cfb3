//! The process of the shell.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::OnceCell;

use ipc::trace::Found;
use ipc::{
    clock::ClockClient, devices::DevicesClient, display::DisplayClient, entropy::EntropyClient, file::FileClient,
    input::InputClient, log::LogClient, net::NetClient, serial::SerialClient, supervisor::SupervisorClient,
};
use rt::{Env, Kind, NOTIFICATION, Notification, Retype, SharedBuffer, Timer};
use shell::{Carrier, Machine, Rings, Services, Shell, Unprinted};

rt::entry!(run);

/// Pages shared with the file service: 64 KiB.
const PAGES: u64 = 16;
/// All servers of `input`.
const INPUTS: [&str; 4] = ["use:input", "use:input.1", "use:input.2", "use:input.3"];
/// Network interfaces.
const NETS: [&str; 4] = ["use:net", "use:net.1", "use:net.2", "use:net.3"];

/// As many displays as there can be.
const DISPLAYS: [&str; 4] = ["use:display", "use:display.1", "use:display.2", "use:display.3"];

fn run(env: &'static Env) {
    match services(env) {
        Ok(services) => Shell::new(services, Box::new(Process(env, OnceCell::new()))).run(),
        Err(error) => log::error!("{error}"),
    }
}

fn services(env: &'static Env) -> Result<Services, String> {
    // While slots in a row are free: displays answer with capabilities.
    ipc::window::open().map_err(|_| "receive window: no four free slots: `table` in the manifest")?;
    let endpoint = |name| env.cap::<rt::Endpoint>(name).map(Carrier::new).map_err(|missing| format!("{missing}"));
    Ok(Services {
        serial: SerialClient(endpoint("use:serial")?),
        files: FileClient(endpoint("use:file")?),
        clock: ClockClient(endpoint("use:clock")?),
        entropy: EntropyClient(endpoint("use:entropy")?),
        inputs: INPUTS.into_iter().map(|name| endpoint(name).map(InputClient)).collect::<Result<_, _>>()?,
        nets: NETS.into_iter().filter_map(|name| endpoint(name).ok().map(NetClient)).collect(),
        log: LogClient(Carrier::new(rt::LOG)),
        supervisor: SupervisorClient(Carrier::new(rt::SUPERVISOR)),
        devices: DevicesClient(endpoint("use:devices")?),
        displays: DISPLAYS.into_iter().filter_map(|name| endpoint(name).ok()).map(DisplayClient).collect(),
        notification: ipc::signal_only(NOTIFICATION).map_err(|error| format!("notification: {error:?}"))?,
        buffer: SharedBuffer::new(PAGES).map(Rc::new).map_err(|error| format!("buffer for files: {error:?}"))?,
        rings: env.cap("control:trace").ok().map(|control| Box::new(Recorder(env, control, None)) as Box<dyn Rings>),
    })
}

/// The process, and what it sleeps with.
struct Process(&'static Env, OnceCell<Option<(rt::Cap<Timer>, rt::Cap<Notification>)>>);

fn object<K>(kind: Kind) -> Option<rt::Cap<K>> {
    let slot = rt::alloc_slot().ok()?;
    rt::MEMORY.retype(kind, Retype::default(), rt::TABLE, slot).ok()?;
    Some(rt::Cap::from_slot(slot))
}

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

    fn sleep(&self, milliseconds: u64) {
        let alarm = self.1.get_or_init(|| Some((object(Kind::Timer)?, object(Kind::Notification)?)));
        let Some((timer, bell)) = *alarm else { return };
        if timer.arm(rt::now_ticks() + milliseconds * rt::ticks_per_second() / 1000, bell, 1).is_ok() {
            let _ = bell.wait();
        }
    }
}

/// The right to look at all cores, and the rings from the first look on.
struct Recorder(&'static Env, rt::Cap<rt::Trace>, Option<rt::Rings>);

/// Most pages of a ring.
const RING: u64 = 512;

impl Rings for Recorder {
    fn cores(&self) -> u64 {
        self.2.as_ref().map_or(0, rt::Rings::cores)
    }

    fn clock(&self) -> (u64, u64) {
        (rt::ticks_per_second(), self.0.start_info().boot_ticks)
    }

    fn start(&mut self) -> Result<(), String> {
        let rings = match self.2.take() {
            Some(rings) => rings,
            None => rt::Rings::new(self.1, self.0.start_info().cores.into(), RING).map_err(because)?,
        };
        self.2.insert(rings).start().map_err(because)
    }

    fn stop(&mut self) {
        self.2.iter().for_each(rt::Rings::stop);
    }

    fn read(&mut self, core: u64, with: &mut dyn FnMut(Found) -> core::fmt::Result) -> Result<(), Unprinted> {
        match self.2.as_mut().map(|rings| rings.read(core, with)) {
            None => Ok(()),
            Some(Ok(result)) => Ok(result?),
            Some(Err(error)) => Err(Unprinted::Because(because(error))),
        }
    }
}

fn because(error: rt::VmError) -> String {
    format!("rings: {error:?}")
}
