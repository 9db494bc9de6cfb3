//! The first process. It owns all memory and every capability there is, starts the components of the bundle with exactly
//! what their manifests name and the board grants, keeps the log, and acts when a component dies.
//!
//! Invariant: a component's objects and memory come out of one Untyped, its quota. Revoking the quota ends the component
//! and everything it made; what init keeps for its successor (endpoints, device frames) lies outside it.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_op_in_unsafe_fn)]
// The host builds init to check it; nothing calls its parts there.
#![cfg_attr(not(target_os = "none"), allow(dead_code))]

extern crate alloc;

mod afterwards;
mod authority;
mod broker;
mod component;
mod crash;
mod describe;
mod device;
mod devices;
mod iommu;
mod journal;
mod kernel_log;
mod lines;
mod memory;
mod output;
mod requests;
mod restarts;
mod roster;
mod scout;
mod serve;
mod services;
mod spawn;
mod supervise;

use alloc::vec::Vec;

use bundle::Bundle;
use component::Record;
use rt::{Cap, Endpoint, Env, Kind, Perms, Rights, TABLE};

rt::entry!(run);

/// All that init knows.
struct Init {
    env: &'static Env,
    memory: memory::Memory,
    services: services::Services,
    devices: devices::Devices,
    iommus: iommu::Iommus,
    journal: journal::Journal,
    kernel_log: Option<kernel_log::KernelLog>,
    output: output::Output,
    broker: broker::Broker,
    components: Vec<Record>,
    /// The highest number that a component has.
    last_number: u32,
    /// Components in the bundle, broken ones included.
    listed: usize,
    /// Every device of the tree that can have a driver has one, and the drivers run.
    drivers_run: bool,
    /// Where faults, the log and the supervisor's clients call.
    own: Cap<Endpoint>,
    /// Ticks at init's first instruction.
    started: u64,
}

/// Why the system cannot start.
type Fatal = alloc::string::String;

fn run(env: &'static Env) {
    let started = rt::now_ticks();
    let mut memory = memory::Memory::new(env.start_info());
    if memory.own_heap().is_err() {
        output::Output::default().line("init: too little memory to start");
        return authority::power_off();
    }
    match start(env, memory, started) {
        Ok(mut init) => init.serve(),
        Err(why) => {
            output::Output::default().line(&alloc::format!("init: {why}"));
            authority::power_off();
        }
    }
}

/// Starts everything; what comes back only has to serve.
fn start(env: &'static Env, mut memory: memory::Memory, started: u64) -> Result<Init, Fatal> {
    let bundle = open_bundle(env)?;
    let own = memory.object::<Endpoint>(Kind::Endpoint).map_err(|error| alloc::format!("own endpoint: {error}"))?;
    let scout = scout::Scout::new(&mut memory, env.start_info().cores)
        .map_err(|error| alloc::format!("the thread that reads registers: {error}"))?;
    let devices = devices::Devices::new(env, scout)?;
    let (iommus, troubles) = iommu::Iommus::new(&mut memory);
    // So that tests can see init's own end.
    assert!(!devices.is_asked_for("selftest=init"), "asked for by selftest=init");
    let mut init = Init {
        env,
        memory,
        services: services::Services::default(),
        devices,
        iommus,
        journal: journal::Journal::new(env.start_info()),
        kernel_log: kernel_log::KernelLog::open(),
        output: output::Output::default(),
        broker: broker::Broker::default(),
        components: Vec::new(),
        last_number: bundle.len() as u32,
        listed: bundle.len(),
        drivers_run: false,
        own,
        started,
    };
    troubles.iter().for_each(|trouble| init.log(ipc::log::Level::Error, 0, trouble));
    init.enlist(&bundle)?;
    for index in 0..init.components.len() {
        // What went wrong is in the log.
        let _ = init.start_component(index);
    }
    if init.components.iter().all(|record| record.instance.is_none()) {
        return Err("no component of the bundle can be started".into());
    }
    init.await_devmgr();
    Ok(init)
}

fn open_bundle(env: &'static Env) -> Result<Bundle<'static>, Fatal> {
    let info = env.start_info();
    if info.bundle_bytes == 0 {
        return Err("no bundle: give the boot loader bundle.img as initial ramdisk".into());
    }
    let offset = info.bundle_offset as usize;
    if offset != 0 {
        return Err("the bundle does not start at a page boundary".into());
    }
    let pages = info.bundle_bytes.div_ceil(abi::layout::PAGE);
    // One mapping a capability: the bundle itself is read through a copy.
    let copy = rt::alloc_slot().map_err(|_| "no free slot")?;
    TABLE
        .copy(copy, TABLE, abi::SLOT_BUNDLE, Rights::READ, rt::Badge::default())
        .map_err(|error| alloc::format!("bundle: {error}"))?;
    let mapping =
        rt::map(Cap::from_slot(copy), pages, Perms::READ).map_err(|error| alloc::format!("bundle: {error:?}"))?;
    let bytes = mapping.kept_bytes().and_then(|bytes| bytes.get(..info.bundle_bytes as usize));
    Bundle::parse(bytes.ok_or("the bundle cannot be read")?).map_err(|error| alloc::format!("{error}"))
}

impl Init {
    /// Drivers come when devmgr asks for them; without one there are none.
    fn await_devmgr(&mut self) {
        let runs = |record: &Record| record.instance.is_some() && record.component.manifest.is_granted(spawn::DEVICES);
        if self.components.iter().any(runs) {
            return;
        }
        if self.components.iter().any(Record::is_driver) {
            self.log(ipc::log::Level::Error, 0, "no devmgr runs: no driver is started");
        }
        self.no_more_devices();
    }

    /// One line that says how many of those in the bundle were started, in which time and from which memory.
    fn summary(&mut self) {
        let listed = self.listed;
        // A driver counts once, however many devices it has.
        let first = |record: &&Record| record.number == record.component.number;
        let running = self.components.iter().filter(first).filter(|record| record.instance.is_some()).count();
        let given: u64 = self.components.iter().map(Record::memory_bytes).sum();
        let left = self.memory.left();
        // The counter goes on through a warm reset: what is known is when the kernel was entered.
        let info = self.env.start_info();
        let since = info.nanoseconds(rt::now_ticks().saturating_sub(info.boot_ticks));
        let text = alloc::format!(
            "Tutti: {running} of {listed} components started on {} core{}, {} KiB given, {} MiB left, {} ms since reset",
            info.cores,
            if info.cores == 1 { "" } else { "s" },
            given / 1024,
            left >> 20,
            since / 1_000_000
        );
        self.log(ipc::log::Level::Info, 0, &text);
    }
}
