//! Starting a process: a quota, the objects in it, the program mapped, the table filled with what the manifest names.

use alloc::string::String;
use alloc::vec::Vec;

use abi::{
    InitSegment, NAME_LEN, NamedSlot, StartInfo,
    layout::{MemoryType, PAGE, USER_HEAP, USER_INFO, USER_MESSAGE_PAGE, USER_STACK_MAX, USER_STACK_TOP},
};
use bundle::Component;
use ipc::log::Level;
use ipc::supervisor::State;
use rt::{
    AddressSpace, Badge, Cap, CapTable, DmaSpace, Endpoint, Frame, Irq, Kind, Notification, Perms, Retype, Rights,
    SchedContext, SyscallError, TABLE, Thread, ThreadConfig, Untyped,
};

use crate::Init;
use crate::authority::{IOMMU_CONTROL, IRQ_CONTROL, SMC_CONTROL, SPACE, sched_control};
use crate::component::{Instance, Record};
use crate::device::{Block, Device, Messages};
use crate::devices::{Devices, pages_of};
use crate::memory::slot;
use crate::roster::BROKER;
use crate::services::{self, Closed};

/// Pages of an address space object: itself, its root, and tables for program, stack, heap and mappings.
const SPACE_PAGES: u64 = 14;
/// Pages for thread, Reply, Notification and Irqs.
const OBJECT_PAGES: u64 = 2;
/// Pages of a DmaSpace: itself, its root, and its drain; behind an IOMMU, tables for what is attached.
const UNPROTECTED_PAGES: u64 = 3;
const STREAM_PAGES: u64 = 24;
/// Pages for the Irqs of messages.
const MESSAGE_PAGES: u64 = 1;
/// Where init maps another process' memory to fill it.
const SCRATCH: u64 = 0x3f00_0000;

/// Who has this binds streams itself.
const IOMMU: &str = "iommu-control";
/// Authority of init's own that a component gets a copy of when it asks for it and the board grants it: name and slot.
const CONTROLS: [(&str, u32); 7] = [
    ("irq-control", abi::SLOT_IRQ_CONTROL),
    ("debug", abi::SLOT_DEBUG),
    ("kernel-console", abi::SLOT_CONSOLE),
    ("smc", abi::SLOT_SMC),
    ("smc-control", abi::SLOT_SMC_CONTROL),
    (IOMMU, abi::SLOT_IOMMU_CONTROL),
    ("trace", abi::SLOT_TRACE),
];
/// The same for the SchedControl of every core.
const SCHED: &str = "sched-control";
/// The same for the registers of its device: not a Frame of them but the Untyped that Frames are made of.
const DEVICE_MEMORY: &str = "device-memory";

/// Authority of devmgr.
pub const DEVICES: &str = "devices";
/// Authority of supervisor.
pub const RESTARTS: &str = "restarts";

/// Functions of the firmware by their identifiers: `smc:FIRST` or `smc:FIRST+COUNT`, in hexadecimal.
fn functions(name: &str) -> Option<(u32, u32)> {
    let range = name.strip_prefix("smc:")?;
    let (first, count) = range.split_once('+').unwrap_or((range, "1"));
    Some((u32::from_str_radix(first, 16).ok()?, u32::from_str_radix(count, 16).ok()?))
}

/// Which of init's endpoints' clients a badge of init's own endpoint means: its server field.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Client {
    /// The log.
    Log = 1,
    /// The supervisor.
    Supervisor = 2,
    /// The kernel, with a fault.
    Fault = 3,
    /// devmgr and supervisor.
    Broker = 4,
}

/// What went wrong, and at what.
struct Failed(&'static str, SyscallError);

trait At<T> {
    fn at(self, what: &'static str) -> Result<T, Failed>;
}

impl<T> At<T> for Result<T, SyscallError> {
    fn at(self, what: &'static str) -> Result<T, Failed> {
        self.map_err(|error| Failed(what, error))
    }
}

impl Init {
    /// Starts a component. A driver without a device is left alone; what went wrong is in the log, and given back.
    pub fn start_component(&mut self, index: usize) -> Result<(), String> {
        let Some(record) = self.components.get(index) else { return Ok(()) };
        if record.is_driver() && record.device.is_none() {
            return Ok(());
        }
        let (who, device) = (Who::of(record), record.device.clone());
        let obtained = device.as_ref().map_or(Ok(()), |device| self.devices.obtain(device));
        let spawned = obtained.and_then(|()| {
            self.spawn(&who, device.as_ref()).map_err(|Failed(what, error)| alloc::format!("{what}: {error}"))
        });
        match spawned {
            Ok(instance) => {
                who.services.iter().for_each(|name| self.services.open(name));
                if let Some(record) = self.components.get_mut(index) {
                    record.instance = Some(instance);
                    (record.epoch, record.state) = (who.epoch, State::Running);
                    record.began = rt::now_nanoseconds();
                }
                Ok(())
            }
            Err(why) => {
                if let Some(device) = &device {
                    self.devices.release(&device.path);
                }
                self.log(Level::Error, 0, &alloc::format!("{} cannot start: {why}", who.name));
                self.give_up(index);
                Err(why)
            }
        }
    }

    /// The component will not run again.
    pub fn give_up(&mut self, index: usize) {
        if let Some(record) = self.components.get_mut(index) {
            record.state = State::GivenUp;
            for name in &record.services {
                self.services.close(name, Closed::GivenUp);
            }
        }
    }

    fn spawn(&mut self, who: &Who, device: Option<&Device>) -> Result<Instance, Failed> {
        let component = &who.component;
        let manifest = &component.manifest;
        let stack = stack_bytes(component) / PAGE;
        let table_pages = (u64::from(manifest.table_slots()) * 64).div_ceil(PAGE);
        let data: u64 =
            component.segments().iter().filter(|s| is_data(s)).map(|segment| u64::from(segment.pages)).sum();
        let memory = manifest.memory_bytes() / PAGE;
        let node = device.map_or(0, |device| device.node.len() as u64).div_ceil(PAGE);
        let dma = device.filter(|device| device.masters(manifest)).map_or(0, Device::dma_pages);
        // Start page and message page; a page for each alignment gap.
        let messages = device.and_then(|device| device.messages).map_or(0, |_| MESSAGE_PAGES);
        let pages = messages + memory + stack + data + table_pages + node + dma + SPACE_PAGES + OBJECT_PAGES + 2 + 2;
        let quota = self.memory.quota(pages).at("memory")?;
        let mut building = Building::new(self, who, quota, pages);
        match building.build(device, memory, stack) {
            Ok(()) => Ok(building.instance),
            Err(failed) => {
                let instance = building.instance;
                self.dismantle(instance);
                Err(failed)
            }
        }
    }

    /// Ends a process: what was derived for it goes, then everything made of its quota, at once.
    pub fn dismantle(&mut self, instance: Instance) {
        for slot in instance.derived {
            let _ = TABLE.revoke(slot);
            let _ = TABLE.delete(slot);
            rt::free_slot(slot);
        }
        self.memory.give_back(instance.quota, instance.pages);
        for slot in instance.freed {
            rt::free_slot(slot);
        }
    }
}

/// Bytes of a component's stack.
pub fn stack_bytes(component: &Component<'_>) -> u64 {
    component.manifest.stack_bytes().min(USER_STACK_MAX)
}

/// Bytes of a component's memory that are its heap's; the rest is for Frames and other objects.
const fn heap_bytes(memory: u64) -> u64 {
    memory / 2 / PAGE * PAGE
}

const fn is_data(segment: &InitSegment) -> bool {
    segment.flags & Perms::WRITE.bits() as u32 != 0
}

/// Whose process it is.
struct Who {
    number: u32,
    name: String,
    component: Component<'static>,
    /// Its next.
    epoch: u16,
    services: Vec<String>,
}

impl Who {
    fn of(record: &Record) -> Self {
        let Record { number, ref name, component, ref services, epoch, .. } = *record;
        Self { number, name: name.clone(), component, epoch: epoch.saturating_add(1), services: services.clone() }
    }

    fn badge(&self, server: u32) -> Badge {
        Badge::new(self.number, self.epoch, server)
    }
}

impl Device {
    /// Whether its driver gets a DmaSpace. One that may bind spaces makes its own, and is not ended for what its device tries.
    pub fn masters(&self, manifest: &bundle::Manifest<'_>) -> bool {
        self.dma && manifest.dma() && !manifest.is_granted(IOMMU)
    }

    /// Pages of that.
    const fn dma_pages(&self) -> u64 {
        let own = if self.stream.is_some() { STREAM_PAGES } else { UNPROTECTED_PAGES };
        // The table of its messages.
        own + self.messages.is_some() as u64
    }
}

/// A process in the making.
struct Building<'i> {
    init: &'i mut Init,
    who: &'i Who,
    component: Component<'static>,
    instance: Instance,
    next: u32,
}

impl<'i> Building<'i> {
    fn new(init: &'i mut Init, who: &'i Who, quota: Cap<Untyped>, pages: u64) -> Self {
        let component = who.component;
        let none = abi::SLOT_NULL;
        let instance = Instance {
            quota,
            pages,
            table: Cap::from_slot(none),
            slots: component.manifest.table_slots(),
            space: Cap::from_slot(none),
            thread: Cap::from_slot(none),
            held: false,
            stack: Cap::from_slot(none),
            notification: Cap::from_slot(none),
            freed: Vec::new(),
            derived: Vec::new(),
            named: Vec::new(),
        };
        Self { init, who, component, instance, next: abi::SLOT_FIRST }
    }

    fn build(&mut self, device: Option<&Device>, memory: u64, stack: u64) -> Result<(), Failed> {
        let slots = self.instance.slots;
        // The large aligned things first: no gaps.
        self.instance.space = self.object(Kind::AddressSpace, SPACE_PAGES).at("address space")?;
        let stack_memory = self.object(Kind::Untyped, stack).at("stack")?;
        let info_frame = self.object(Kind::Frame, 1).at("start page")?;
        let page_frame = self.object(Kind::Frame, 1).at("message page")?;
        self.load().at("program")?;
        self.instance.table = self.object(Kind::CapTable, slots.trailing_zeros().into()).at("table")?;
        self.instance.thread = self.object(Kind::Thread, 0).at("thread")?;
        self.instance.notification = self.object(Kind::Notification, 0).at("notification")?;
        self.fixed_slots().at("fixed slots")?;
        self.services().at("services")?;
        self.controls().at("control capabilities")?;
        self.files().at("tree and bundle")?;
        if let Some(device) = device {
            self.device(device).at("device")?;
            let mut memory = device.memory.iter().enumerate();
            memory.try_for_each(|(index, block)| self.reserved_memory(index, block)).at("reserved memory")?;
            self.node(&device.node).at("node")?;
        }
        self.arguments();
        if memory > 0 {
            self.give(Kind::Untyped, memory, abi::SLOT_MEMORY).at("memory")?;
        }
        let read_write = Perms::READ | Perms::WRITE;
        let space = self.instance.space;
        (self.instance.stack, _) = space.reserve(stack_memory, USER_STACK_TOP - stack * PAGE, stack).at("stack")?;
        space.map(page_frame, USER_MESSAGE_PAGE, 0, 1, read_write).at("message page")?;
        self.write_info(info_frame).at("start page")?;
        self.thread(page_frame).at("thread")
    }

    /// An object out of the quota, into a slot of init's table.
    fn object<K>(&mut self, kind: Kind, size: u64) -> Result<Cap<K>, SyscallError> {
        let slot = slot()?;
        self.instance.freed.push(slot);
        let what = Retype { size, ..Retype::default() };
        self.instance.quota.retype(kind, what, TABLE, slot).map(|()| Cap::from_slot(slot))
    }

    /// An object out of the quota, straight into the component's table.
    fn give(&mut self, kind: Kind, size: u64, index: u32) -> Result<(), SyscallError> {
        let what = Retype { size, ..Retype::default() };
        self.instance.quota.retype(kind, what, self.instance.table, index)
    }

    /// A copy of a capability of init's, into the component's table.
    fn copy(&mut self, from: u32, to: u32, rights: Rights, badge: Badge) -> Result<(), SyscallError> {
        self.instance.table.copy(to, TABLE, from, rights, badge)
    }

    /// The same through a copy that is revoked with the component: what it handed on of it goes then, too.
    fn lend(&mut self, from: u32, to: u32, rights: Rights) -> Result<(), SyscallError> {
        let own = slot()?;
        self.instance.derived.push(own);
        TABLE.copy(own, TABLE, from, rights, Badge(0))?;
        self.copy(own, to, rights, Badge(0))
    }

    /// Program: code and constants are mapped out of the bundle, data is copied.
    fn load(&mut self) -> Result<(), SyscallError> {
        let component = self.component;
        for segment in component.segments() {
            let perms = Perms::from_bits_truncate(segment.flags as u8);
            if is_data(segment) {
                let bytes = component.bytes(segment);
                let frame = self.object::<Frame>(Kind::Frame, segment.pages.into())?;
                fill(frame, segment.file_pages.into(), bytes)?;
                self.instance.space.map(frame, segment.address, 0, segment.pages.into(), perms)?;
            } else {
                let copy = slot()?;
                self.instance.derived.push(copy);
                TABLE.copy(copy, TABLE, abi::SLOT_BUNDLE, Rights::READ | Rights::EXECUTE, Badge(0))?;
                let first = segment.offset / PAGE;
                let frame = Cap::<Frame>::from_slot(copy);
                self.instance.space.map(frame, segment.address, first, segment.pages.into(), perms)?;
            }
        }
        Ok(())
    }

    /// Slots 1 to 9. Own table and thread are attenuated: the process cannot start threads on its table or change its
    /// priority.
    fn fixed_slots(&mut self) -> Result<(), SyscallError> {
        let own = self.init.own.slot();
        let badge = |client: Client| self.who.badge(client as u32);
        let table = self.instance.table.slot();
        self.copy(table, abi::SLOT_TABLE, Rights::TAKE | Rights::PUT | Rights::REVOKE, Badge(0))?;
        self.copy(self.instance.thread.slot(), abi::SLOT_THREAD, Rights::BIND, Badge(0))?;
        self.copy(self.instance.space.slot(), abi::SLOT_SPACE, Rights::MAP | Rights::POOL, Badge(0))?;
        let (log, supervisor) = (badge(Client::Log), badge(Client::Supervisor));
        self.copy(own, abi::SLOT_LOG, Rights::SEND | Rights::GRANT, log)?;
        self.copy(own, abi::SLOT_SUPERVISOR, Rights::SEND | Rights::GRANT, supervisor)?;
        self.give(Kind::Reply, 0, abi::SLOT_REPLY)?;
        let notification = self.instance.notification.slot();
        self.copy(notification, abi::SLOT_NOTIFICATION, Rights::SIGNAL | Rights::WAIT, Badge(0))
    }

    fn name(&mut self, prefix: &str, name: &str, slot: u32, size: u64) {
        let mut bytes = [0; NAME_LEN];
        for (to, from) in bytes.iter_mut().zip(prefix.bytes().chain(name.bytes())) {
            *to = from;
        }
        self.instance.named.push(NamedSlot { name: bytes, slot, size: u32::try_from(size).unwrap_or(u32::MAX) });
    }

    /// The next free slot behind those the manifest named so far.
    fn next(&mut self) -> u32 {
        let slot = self.next;
        self.next += 1;
        slot
    }

    fn services(&mut self) -> Result<(), SyscallError> {
        let (manifest, who) = (self.component.manifest, self.who);
        // To the server it is the protocol, whichever of its servers it is.
        for (name, service) in manifest.provides().zip(&who.services) {
            let derived = self.init.services.for_instance(service)?;
            self.instance.derived.push(derived);
            let slot = self.next();
            self.copy(derived, slot, Rights::RECEIVE | Rights::GRANT | Rights::SEND, Badge(0))?;
            self.name("provide:", name, slot, 0);
        }
        for used in manifest.uses() {
            if used == BROKER {
                let slot = self.next();
                let own = self.init.own.slot();
                self.copy(own, slot, Rights::SEND | Rights::GRANT, who.badge(Client::Broker as u32))?;
                self.name("use:", used, slot, 0);
            }
            for name in services::meant(used) {
                let Some(endpoint) = self.init.services.find(&name) else { continue };
                let slot = self.next();
                self.copy(endpoint.slot(), slot, Rights::SEND | Rights::GRANT, who.badge(0))?;
                self.name("use:", &name, slot, 0);
            }
        }
        Ok(())
    }

    /// Tree and bundle, read-only, for who matches the one with the other.
    fn files(&mut self) -> Result<(), SyscallError> {
        if !self.component.manifest.is_granted(DEVICES) {
            return Ok(());
        }
        for (name, from) in [("tree", abi::SLOT_TREE), ("bundle", abi::SLOT_BUNDLE)] {
            let slot = self.next();
            self.copy(from, slot, Rights::READ, Badge(0))?;
            self.name(name, "", slot, 0);
        }
        Ok(())
    }

    fn controls(&mut self) -> Result<(), SyscallError> {
        for (name, from) in CONTROLS {
            if self.component.manifest.is_granted(name) {
                self.control(name, from)?;
            }
        }
        if self.component.manifest.is_granted(SCHED) {
            self.control(SCHED, abi::SLOT_SCHED_CONTROL)?;
            for core in 1..self.init.env.start_info().cores {
                self.control(&alloc::format!("{SCHED}{core}"), abi::SLOT_SCHED_CONTROL + core)?;
            }
        }
        let manifest = self.component.manifest;
        for name in manifest.requests().filter(|name| manifest.is_granted(name)) {
            if let Some((first, count)) = functions(name) {
                let made = slot()?;
                self.instance.derived.push(made);
                SMC_CONTROL.make(made, first, count)?;
                self.control(name, made)?;
            }
        }
        Ok(())
    }

    fn control(&mut self, name: &str, from: u32) -> Result<(), SyscallError> {
        let slot = self.next();
        self.copy(from, slot, Rights::all(), Badge(0))?;
        self.name("control:", name, slot, 0);
        Ok(())
    }

    /// Numbers that the kernel's command line has for this component, as `NAME.KEY=NUMBER`.
    fn arguments(&mut self) {
        for (key, number) in self.init.devices.arguments_of(self.component.name) {
            self.name("arg:", key, number, 0);
        }
    }

    /// Registers and interrupts of exactly one node; the DmaSpace if the manifest asks for it.
    fn device(&mut self, device: &Device) -> Result<(), SyscallError> {
        for (index, block) in device.registers.iter().enumerate() {
            let range = block.range;
            if self.component.manifest.is_granted(DEVICE_MEMORY) {
                self.device_memory(index, range)?;
                continue;
            }
            let (frame, offset, pages) = self.init.devices.frame_for(&device.path, range)?;
            let slot = self.next();
            self.lend(frame, slot, Devices::RIGHTS)?;
            self.names("reg:", index, &block.name, slot, pages * PAGE);
            self.names("reg-offset:", index, &block.name, offset as u32, range.size);
        }
        for (index, line) in device.lines.iter().enumerate().filter(|(_, line)| line.number != 0) {
            let irq = self.object::<Irq>(Kind::Irq, 0)?;
            IRQ_CONTROL.set(irq, line.number, line.edge)?;
            let slot = self.next();
            self.copy(irq.slot(), slot, Rights::IRQ_BIND | Rights::IRQ_ACK, Badge(0))?;
            self.names("irq:", index, &line.name, slot, 0);
        }
        if device.masters(&self.component.manifest) {
            let space = self.object::<DmaSpace>(Kind::DmaSpace, device.dma_pages())?;
            IOMMU_CONTROL.bind(space, device.stream)?;
            let slot = self.next();
            self.copy(space.slot(), slot, Rights::INVOKE, Badge(0))?;
            self.name("dma", "", slot, 0);
            if let Some(messages) = &device.messages {
                self.messages(messages, space)?;
            }
        }
        Ok(())
    }

    /// As many of a device's messages as can be had.
    fn messages(&mut self, messages: &Messages, space: Cap<DmaSpace>) -> Result<(), SyscallError> {
        for event in 0..messages.count {
            let irq = self.object::<Irq>(Kind::Irq, 0)?;
            if let Err(error) = IRQ_CONTROL.message(irq, space, messages.device, event, messages.controller) {
                let text = alloc::format!("{}: {event} of {} messages: {error}", self.who.name, messages.count);
                self.init.log(Level::Warn, 0, &text);
                break;
            }
            let slot = self.next();
            self.copy(irq.slot(), slot, Rights::IRQ_BIND | Rights::IRQ_ACK, Badge(0))?;
            self.name("irq:", &alloc::format!("msi{event}"), slot, 0);
        }
        Ok(())
    }

    /// Memory that the tree reserves for the device, as the kernel lets it be had.
    fn reserved_memory(&mut self, index: usize, block: &Block) -> Result<(), SyscallError> {
        let (start, end) = pages_of(block.range).ok_or(SyscallError::from(rt::ErrorCode::InvalidArgument))?;
        let made = slot()?;
        self.instance.derived.push(made);
        // RAM that a device may read past all caches.
        let memory = Some(MemoryType::NonCacheable);
        let what = Retype { size: (end - start) / PAGE, address: start, memory, align: 12 };
        crate::authority::DEVICES.retype(Kind::Frame, what, TABLE, made)?;
        let slot = self.next();
        self.copy(made, slot, Devices::RIGHTS, Badge(0))?;
        self.names("mem:", index, &block.name, slot, end - start);
        Ok(())
    }

    /// What the node says, to be read only.
    fn node(&mut self, bytes: &[u8]) -> Result<(), SyscallError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let pages = (bytes.len() as u64).div_ceil(PAGE);
        let frame = self.object::<Frame>(Kind::Frame, pages)?;
        fill(frame, pages, bytes)?;
        let slot = self.next();
        self.copy(frame.slot(), slot, Rights::READ, Badge(0))?;
        self.name("node", "", slot, bytes.len() as u64);
        Ok(())
    }

    /// A slot of a device: by its index, and by its name where it has one that fits and that no other has.
    fn names(&mut self, prefix: &str, index: usize, name: &str, slot: u32, size: u64) {
        self.name(prefix, &alloc::format!("{index}"), slot, size);
        let whole = alloc::format!("{prefix}{name}");
        let taken = self.instance.named.iter().any(|named| name_of(named) == whole);
        if !name.is_empty() && whole.len() <= NAME_LEN && !taken {
            self.name(prefix, name, slot, size);
        }
    }

    /// The pages of a register block as an Untyped.
    fn device_memory(&mut self, index: usize, range: tree::Range) -> Result<(), SyscallError> {
        let (own, what) = self.init.devices.memory_for(range)?;
        self.instance.derived.push(own.slot());
        let slot = self.next();
        own.retype(Kind::Untyped, what, self.instance.table, slot)?;
        self.name("reg-memory:", &alloc::format!("{index}"), slot, what.size * PAGE);
        Ok(())
    }

    fn write_info(&mut self, frame: Cap<Frame>) -> Result<(), SyscallError> {
        if self.instance.named.len() > abi::MAX_NAMED {
            return Err(rt::ErrorCode::SlotOutOfRange.into());
        }
        let own = *self.init.env.start_info();
        // Who gets tree and bundle must know how long they are.
        let files = self.component.manifest.is_granted(DEVICES);
        let of_files = |number: u32| if files { number } else { 0 };
        let mut info = StartInfo {
            table_slots: self.instance.slots,
            seed: seed(&own.seed, self.who.number, self.who.epoch),
            message_page: USER_MESSAGE_PAGE,
            heap_base: USER_HEAP,
            heap_limit: heap_bytes(self.component.manifest.memory_bytes()),
            component: self.who.number,
            epoch: self.who.epoch.into(),
            tree_offset: of_files(own.tree_offset),
            tree_bytes: of_files(own.tree_bytes),
            bundle_offset: of_files(own.bundle_offset),
            memory_slots: 0,
            bundle_bytes: if files { own.bundle_bytes } else { 0 },
            named_count: self.instance.named.len().min(abi::MAX_NAMED) as u32,
            ..own
        };
        for (to, from) in info.named.iter_mut().zip(&self.instance.named) {
            *to = *from;
        }
        fill(frame, 1, rt::start_info_bytes(&info))?;
        self.instance.space.map(frame, USER_INFO, 0, 1, Perms::READ)
    }

    fn thread(&mut self, page: Cap<Frame>) -> Result<(), SyscallError> {
        let fault = slot()?;
        self.instance.derived.push(fault);
        let badge = self.who.badge(Client::Fault as u32);
        TABLE.copy(fault, TABLE, self.init.own.slot(), Rights::SEND, badge)?;
        let thread: Cap<Thread> = self.instance.thread;
        let table: Cap<CapTable> = self.instance.table;
        let space: Cap<AddressSpace> = self.instance.space;
        let notification: Cap<Notification> = self.instance.notification;
        let priority = self.component.manifest.priority().min(crate::serve::HIGHEST);
        thread.configure(&ThreadConfig {
            table,
            space,
            message_page: Some((page, USER_MESSAGE_PAGE)),
            fault: Some(Cap::<Endpoint>::from_slot(fault)),
            priority,
            ceiling: priority,
            fpu: self.component.manifest.fpu(),
        })?;
        thread.bind(notification)?;
        let time = self.object::<SchedContext>(Kind::SchedContext, 0)?;
        let cores = self.init.env.start_info().cores;
        // Budget and period that are equal have no limit.
        let ticks = |microseconds: u32| (u64::from(microseconds) * rt::ticks_per_second() / 1_000_000).max(1);
        let (budget, period) =
            self.component.manifest.budget().map_or((1, 1), |(one, other)| (ticks(one), ticks(other)));
        sched_control(self.component.manifest.core(), cores).configure(time, budget, period, false)?;
        time.bind(thread)?;
        self.copy(time.slot(), abi::SLOT_SCHED, Rights::SCHED_READ, Badge(0))?;
        thread.write_registers(0, [USER_INFO])?;
        thread.write_registers(31, [USER_STACK_TOP, self.component.entry])?;
        // Before devmgr is through the console is the kernel's, and drivers wait.
        self.instance.held = !self.init.drivers_run && self.component.manifest.drives().next().is_some();
        if self.instance.held { Ok(()) } else { thread.resume() }
    }
}

/// Writes bytes into the first `pages` pages of a Frame that is not mapped yet.
fn fill(frame: Cap<Frame>, pages: u64, bytes: &[u8]) -> Result<(), SyscallError> {
    if pages == 0 {
        return Ok(());
    }
    let bad = |_| SyscallError::from(rt::ErrorCode::InvalidArgument);
    let buffer = rt::SharedBuffer::map_at(frame, SCRATCH, pages).map_err(|error| match error {
        rt::VmError::Kernel(error) => error,
        rt::VmError::NoSlot => rt::ErrorCode::SlotOutOfRange.into(),
    })?;
    buffer.write(0, bytes).map_err(bad)?;
    SPACE.unmap(frame)
}

/// Random words of a process: each gets its own out of init's.
fn seed(own: &[u64; 4], component: u32, epoch: u16) -> [u64; 4] {
    if *own == [0; 4] {
        return [0; 4];
    }
    let mut state = own.iter().fold(u64::from(component) << 16 | u64::from(epoch), |state, word| {
        (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
    });
    [0; 4].map(|_: u64| {
        // SplitMix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// A named slot's name.
pub fn name_of(named: &NamedSlot) -> String {
    let end = named.name.iter().position(|&byte| byte == 0).unwrap_or(NAME_LEN);
    String::from_utf8_lossy(named.name.get(..end).unwrap_or(&[])).into_owned()
}
