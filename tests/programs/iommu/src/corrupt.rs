//! Random corruptions of what a virtio device is told, one after the other. Whatever it tries is stopped, and what it may not
//! write is as it was. A device that gives up is reset, and bound to a new space.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ipc::Call;
use kit::virtio::{self, AnyTransport, DeviceStatus, DeviceType, Transport};
use rt::Env;

use crate::random::Random;
use crate::reach::{OPEN, Reach};
use crate::request::{self, Piece};
use crate::victim::{TARGETS, VictimClient};

/// Corruptions unless the command line says how many.
const COUNT: u32 = 2000;
/// Corruptions between two looks at all that must be as it was.
const EACH: u32 = 50;
/// How often the device is looked at before it is taken to be through, or to be stopped.
const LOOKS: u32 = 300;
/// Looks at memory for each at a register.
const GLANCES: u32 = 20;
/// Nanoseconds between two reports.
const REPORT: u64 = 1_000_000_000;

/// A page of the open memory for each queue, and where in it the rings are.
const PAGE: usize = 4096;
const SIZE: u16 = 16;
const AVAILABLE: usize = 0x400;
const USED: usize = 0x800;
/// Tables of indirect descriptors, headers, and data.
const TABLES: usize = 4 * PAGE;
const HEADERS: usize = 5 * PAGE;
const DATA: usize = 8 * PAGE;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
/// Rings whose events are suppressed by their indices, and tables of descriptors (virtio 1.2, 6).
const RING_FEATURES: u64 = 1 << 28 | 1 << 29;

#[derive(Clone, Copy, Default)]
struct Descriptor {
    address: u64,
    bytes: u32,
    flags: u16,
    next: u16,
}

struct Corrupter {
    transport: AnyTransport,
    kind: DeviceType,
    reach: Reach,
    random: Random,
    /// Addresses that belong to others.
    foreign: Vec<u64>,
    /// Requests put into each queue since it was set up.
    offered: [u16; 4],
    counts: Counts,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    served: u32,
    gave_up: u32,
    silent: u32,
}

/// Corrupts as often as the command line says, and says in words what became of it.
///
/// # Errors
/// In words: what must not be changed was changed, or the device does not come back.
pub fn run(env: &'static Env) -> Result<String, String> {
    let (count, seed) = (env.argument("arg:count").unwrap_or(COUNT), env.argument("arg:seed").unwrap_or(1));
    let victim = VictimClient::from_env(env).map_err(|error| format!("{error}"))?;
    let reach = Reach::new(env)?;
    let mut transport = virtio::open(env, reach.space()).map_err(|error| format!("{error}"))?;
    let kind = transport.device_type();
    log::info!("corrupt: {kind:?}, {count} corruptions, seed {seed}");
    let mut foreign = Vec::from(reach.closed());
    foreign.extend((0..TARGETS.len() as u32).filter_map(|index| victim.target(index).ok().flatten()));
    transport.set_status(DeviceStatus::empty());
    let counts = Counts::default();
    let mut corrupter = Corrupter { transport, kind, reach, random: Random::new(0), foreign, offered: [0; 4], counts };
    corrupter.begin(false)?;
    corrupter.corrupt(count, seed, &victim)?;
    corrupter.proves_itself()?;
    let Counts { served, gave_up, silent } = corrupter.counts;
    Ok(format!(
        "{count} corruptions of {kind:?} with seed {seed}: {served} served, {gave_up} given up, {silent} silent"
    ))
}

impl Corrupter {
    fn corrupt(&mut self, count: u32, seed: u32, victim: &VictimClient<impl Call>) -> Result<(), String> {
        let mut reported = rt::now_nanoseconds();
        for number in 0..count {
            // Whatever the device does, each is what it would be in another run.
            self.random = Random::new(u64::from(seed) << 32 | u64::from(number));
            self.one()?;
            if number % EACH == 0 || number + 1 == count {
                self.look(number, victim)?;
            }
            if rt::now_nanoseconds() - reported > REPORT {
                reported = rt::now_nanoseconds();
                let Counts { served, gave_up, silent } = self.counts;
                log::info!("corrupt: so far {number}: {served} served, {gave_up} given up, {silent} silent");
            }
        }
        Ok(())
    }

    fn look(&self, number: u32, victim: &VictimClient<impl Call>) -> Result<(), String> {
        if !self.reach.is_intact() {
            return Err(format!("memory that the device may not write changed before corruption {number}"));
        }
        match victim.is_intact() {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("what is another's changed before corruption {number}")),
            Err(error) => Err(format!("the victim: {error}")),
        }
    }

    /// Sets the device up again, with a new space. `wild`: some of it as nobody would.
    fn begin(&mut self, wild: bool) -> Result<(), String> {
        self.transport.set_status(DeviceStatus::empty());
        self.reach.renew()?;
        let wanted = request::features(self.kind) | if self.random.below(2) == 0 { RING_FEATURES } else { 0 };
        virtio::begin(&mut self.transport, self.kind, wanted).map_err(|error| format!("{error}"))?;
        self.offered = [0; 4];
        let bus = self.reach.bus();
        for queue in 0..request::queues(self.kind) {
            let page = usize::from(queue) * PAGE;
            let _ = self.reach.open.write(page, &[0; PAGE]);
            let mut size = SIZE.into();
            let mut at = [0, AVAILABLE, USED].map(|offset| bus + (page + offset) as u64);
            if wild && self.random.below(2) == 0 {
                let which = if self.keeps_lengths() { 1 + self.random.below(2) } else { self.random.below(4) } as usize;
                match at.get(which) {
                    Some(_) => at[which] = self.address(),
                    None => size = self.random.one_of(&[0, 1, 3, 64, 255, 256, 1024, 0x8000, 0xffff]),
                }
            }
            self.transport.queue_set(queue, size, at[0], at[1], at[2]);
        }
        self.transport.finish_init();
        Ok(())
    }

    /// Whether descriptors lie where nothing but [`put`](Self::put) writes, because some lengths end the emulator.
    const fn keeps_lengths(&self) -> bool {
        request::least(self.kind) > 0
    }

    /// An address that means harm, or its own.
    fn address(&mut self) -> u64 {
        let bus = self.reach.bus();
        match self.random.below(8) {
            0 => {
                let first = if self.keeps_lengths() { DATA } else { 0 } as u64;
                bus + first + self.random.below(OPEN * PAGE as u64 - first)
            }
            1 => self.random.number(),
            2 => self.random.number() >> 16,
            // The doorbell of messages, and round about.
            3 => self.random.below(0x3000),
            4 => self.random.below(1 << 32),
            _ => {
                let foreign = self.foreign[self.random.below(self.foreign.len() as u64) as usize];
                foreign.wrapping_add(self.random.below(64)).wrapping_sub(self.random.below(64))
            }
        }
    }

    fn bytes(&mut self) -> u32 {
        let random = self.random.number() as u32;
        let most = self.random.one_of(&[0, 0, 0x1f, 0xfff, 0xffff, u32::MAX]);
        random & most
    }

    /// A request, corrupted in one to three places.
    fn one(&mut self) -> Result<(), String> {
        if self.random.below(32) == 0 {
            self.begin(true)?;
        }
        let request = request::sensible(self.kind, &mut self.random, self.reach.bus() + DATA as u64);
        let queue = request.queue;
        let mut chain = self.lay_out(&request.pieces);
        let (mut head, mut ahead) = (0, 1);
        for _ in 0..1 + self.random.below(3) {
            self.harm(queue, &mut chain, &mut head, &mut ahead);
        }
        let used = self.used(queue);
        self.offer(queue, &chain, head, ahead);
        let whom = if self.random.below(32) == 0 { self.random.below(4) as u16 } else { queue };
        self.transport.notify(whom);
        self.wait(queue, used)
    }

    /// The pieces in memory of its own, as descriptors.
    fn lay_out(&mut self, pieces: &[Piece]) -> Vec<Descriptor> {
        let bus = self.reach.bus();
        let last = pieces.len() - 1;
        let describe = |(index, piece): (usize, &Piece)| {
            let (place, bytes, write) = match piece {
                Piece::Says(bytes) => {
                    let place = HEADERS + 256 * index;
                    let _ = self.reach.open.write(place, bytes);
                    (place, bytes.len() as u32, 0)
                }
                Piece::Data(bytes, write) => (DATA + PAGE * index, *bytes, if *write { WRITE } else { 0 }),
            };
            let flags = write | if index < last { NEXT } else { 0 };
            Descriptor { address: bus + place as u64, bytes, flags, next: index as u16 + 1 }
        };
        pieces.iter().enumerate().map(describe).collect()
    }

    fn harm(&mut self, queue: u16, chain: &mut [Descriptor], head: &mut u16, ahead: &mut u16) {
        let which = self.random.below(chain.len() as u64) as usize;
        let random = self.random.number();
        match self.random.below(12) {
            0..=2 if self.keeps_lengths() && chain[which].flags & INDIRECT != 0 => {}
            0..=2 => chain[which].address = self.address(),
            3 => chain[which].bytes = self.bytes(),
            4 => {
                let flags = self.random.one_of(&[NEXT, WRITE, INDIRECT, random as u16]);
                chain[which].flags ^= if self.keeps_lengths() { flags & !INDIRECT } else { flags };
            }
            // Circles among them.
            5 => (chain[which].flags, chain[which].next) = (chain[which].flags | NEXT, self.random.below(20) as u16),
            6 => self.table(&mut chain[which]),
            7 => *head = if random.is_multiple_of(2) { self.random.below(20) as u16 } else { (random >> 16) as u16 },
            8 => *ahead = self.random.one_of(&[0, 2, 15, 17, 0x8000, 0xffff]),
            // In what the device is asked.
            9 => drop(self.reach.open.write(HEADERS + self.random.below(64) as usize, &random.to_le_bytes())),
            // Anywhere in the rings, those of the device among them.
            _ => {
                let first = if self.keeps_lengths() { AVAILABLE } else { 0 };
                let place = first + self.random.below((PAGE - 8 - first) as u64) as usize;
                let place = usize::from(queue) * PAGE + place;
                let _ = self.reach.open.write(place, &random.to_le_bytes());
            }
        }
    }

    /// Makes a descriptor one of a table, which is random.
    fn table(&mut self, descriptor: &mut Descriptor) {
        let entries = 1 + self.random.below(16) as usize;
        for index in 0..entries {
            let flags = self.random.number() as u16 & if self.random.below(4) == 0 { 0xffff } else { NEXT | WRITE };
            let entry = Descriptor {
                address: self.address(),
                bytes: self.bytes(),
                flags,
                next: self.random.below(entries as u64 + 1) as u16,
            };
            self.put(TABLES + 16 * index, entry);
        }
        descriptor.address = self.reach.bus() + TABLES as u64;
        descriptor.bytes = 16 * entries as u32 + if self.random.below(8) == 0 { self.bytes() } else { 0 };
        descriptor.flags = INDIRECT;
    }

    fn put(&self, place: usize, descriptor: Descriptor) {
        let Descriptor { address, bytes, flags, next } = descriptor;
        let bytes = bytes.max(request::least(self.kind));
        let mut all = [0; 16];
        all[..8].copy_from_slice(&address.to_le_bytes());
        all[8..12].copy_from_slice(&bytes.to_le_bytes());
        all[12..14].copy_from_slice(&flags.to_le_bytes());
        all[14..].copy_from_slice(&next.to_le_bytes());
        let _ = self.reach.open.write(place, &all);
    }

    fn offer(&mut self, queue: u16, chain: &[Descriptor], head: u16, ahead: u16) {
        let page = usize::from(queue) * PAGE;
        for (index, descriptor) in chain.iter().enumerate() {
            self.put(page + 16 * index, *descriptor);
        }
        let offered = &mut self.offered[usize::from(queue)];
        let place = page + AVAILABLE + 4 + 2 * usize::from(*offered % SIZE);
        *offered = offered.wrapping_add(ahead);
        let _ = self.reach.open.write(place, &head.to_le_bytes());
        kit::dma::publish();
        let _ = self.reach.open.write(page + AVAILABLE + 2, &offered.to_le_bytes());
        kit::dma::publish();
    }

    fn used(&self, queue: u16) -> u16 {
        let mut index = [0; 2];
        let _ = self.reach.open.read(usize::from(queue) * PAGE + USED + 2, &mut index);
        u16::from_le_bytes(index)
    }

    /// Until the device is through with something, gives up, or has been silent for long. Memory that waits for something to
    /// come is used later.
    fn wait(&mut self, queue: u16, used: u16) -> Result<(), String> {
        for _ in 0..LOOKS {
            if (0..GLANCES).any(|_| self.used(queue) != used) {
                self.counts.served += 1;
                return Ok(());
            }
            if self.transport.get_status().contains(DeviceStatus::DEVICE_NEEDS_RESET) {
                self.counts.gave_up += 1;
                return self.begin(false);
            }
            if self.waits(queue) {
                return Ok(());
            }
        }
        self.counts.silent += 1;
        self.begin(false)
    }

    /// Whether it is for what comes that the queue has memory.
    const fn waits(&self, queue: u16) -> bool {
        match self.kind {
            DeviceType::Network | DeviceType::Input => queue == 0,
            DeviceType::Console => queue.is_multiple_of(2),
            _ => false,
        }
    }

    /// After all of it the device does what a sensible request asks for.
    fn proves_itself(&mut self) -> Result<(), String> {
        self.begin(false)?;
        for _ in 0..100 {
            let request = request::sensible(self.kind, &mut self.random, self.reach.bus() + DATA as u64);
            if self.waits(request.queue) {
                continue;
            }
            let chain = self.lay_out(&request.pieces);
            let (used, served) = (self.used(request.queue), self.counts.served);
            self.offer(request.queue, &chain, 0, 1);
            self.transport.notify(request.queue);
            self.wait(request.queue, used)?;
            if self.counts.served != served {
                return Ok(());
            }
        }
        Err("the device does nothing any more".into())
    }
}
