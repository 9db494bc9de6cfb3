//! The driver of the ITS, beside a fake one that does what its commands say, as ARM IHI 0069 has them.

use std::cell::Cell;
use std::collections::BTreeMap;

use abi::layout::PAGE;

use super::*;
use crate::arch::arena;
use crate::mm::regions::Range;

const RAM: u64 = 0x4000_0000;
const RAM_BYTES: u64 = 4 << 20;
const FIRST: u32 = crate::message::FIRST;

/// What can be different.
#[derive(Clone, Copy)]
struct Made {
    device_bits: u64,
    indirect: bool,
    coherent: bool,
    /// The size of pages that its tables take: 0, 1, 2.
    pages: u64,
    by_address: bool,
    /// Bytes of an entry of a device's table.
    entry: u64,
    /// Collections that need no table.
    inside: u64,
}

const MADE: Made =
    Made { device_bits: 16, indirect: true, coherent: true, pages: 0, by_address: false, entry: 12, inside: 0 };

/// Registers of a fake.
struct Fake {
    made: Made,
    control: u32,
    queue: u64,
    write: u64,
    tables: [u64; 8],
    /// It does not do what it is told.
    stuck: Cell<bool>,
}

impl Fake {
    fn new(made: Made) -> Self {
        let tables = [1 << 56 | 7 << 48, 4 << 56 | 7 << 48, 2 << 56 | 7 << 48, 0, 0, 0, 0, 0];
        Self { made, control: 1, queue: 0, write: 96, tables, stuck: Cell::new(false) }
    }

    /// Without a place for a table of collections.
    fn without_collections(made: Made) -> Self {
        let mut fake = Self::new(made);
        fake.tables[1] = 0;
        fake
    }
}

impl Registers for Fake {
    fn read(&self, offset: usize) -> u32 {
        assert_eq!(offset, CTLR);
        self.control | if self.control & ENABLED == 0 { QUIESCENT } else { 0 }
    }

    fn read_long(&self, offset: usize) -> u64 {
        let made = self.made;
        match offset {
            TYPER => {
                let sizes = (made.entry - 1) << 4 | 15 << 8 | (made.device_bits - 1) << 13;
                1 | sizes | u64::from(made.by_address) << 19 | made.inside << 24
            }
            CBASER => self.queue,
            CREADR if self.stuck.get() => STALLED,
            CREADR => self.write,
            _ => self.tables[(offset - BASER) / 8],
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        assert_eq!(offset, CTLR);
        self.control = value & ENABLED;
    }

    fn write_long(&mut self, offset: usize, value: u64) {
        let is_off = self.control & ENABLED == 0;
        let kept = if self.made.coherent { value } else { value & !SHAREABILITY };
        match offset {
            CBASER => {
                assert!(is_off && value & 0xf000 == 0, "a queue begins at a multiple of 64 KiB");
                (self.queue, self.write) = (kept, 0);
            }
            CWRITER => self.write = value,
            _ => {
                assert!(is_off, "tables are set while it is off");
                let number = (offset - BASER) / 8;
                let fixed = 7 << 56 | 31 << 48;
                let mut changed = kept & !fixed & !(3 << 8) | self.made.pages << 8;
                if !self.made.indirect || number != 0 {
                    changed &= !INDIRECT;
                }
                self.tables[number] = self.tables[number] & fixed | changed;
            }
        }
    }
}

const INDIRECT: u64 = 1 << 62;

/// What the commands made of it.
#[derive(Default)]
struct World {
    done: u64,
    devices: BTreeMap<u32, (u64, u64)>,
    events: BTreeMap<(u32, u32), (u32, u64)>,
    collections: BTreeMap<u64, u64>,
    changed: Vec<(u32, u32)>,
    synced: Vec<u64>,
}

impl World {
    /// Does what stands in the queue.
    fn follow(&mut self, its: &Its<Fake>, mem: &Mem) {
        let fake = &its.registers;
        while self.done != fake.write {
            let place = (fake.queue & 0xf_ffff_ffff_f000) + self.done;
            let words = [0, 1, 2, 3].map(|at| mem.read_u64(Phys(place + at * 8)));
            self.command(fake, mem, words);
            self.done = (self.done + 32) % PAGE;
        }
    }

    fn command(&mut self, fake: &Fake, mem: &Mem, words: [u64; 4]) {
        let (device, event, valid) = ((words[0] >> 32) as u32, words[1] as u32, words[2] >> 63 != 0);
        let collection = words[2] & 0xffff;
        match words[0] & 0xff {
            0x08 if valid => {
                let table = words[2] & 0xf_ffff_ffff_ff00;
                assert!(entry(fake, mem, device), "there is no entry for device {device:#x}");
                let bytes = fake.made.entry << (words[1] + 1);
                assert!(bytes <= PAGE && (0..PAGE / 8).all(|at| mem.read_u64(Phys(table + at * 8)) == 0));
                assert!(self.devices.insert(device, (table, words[1] + 1)).is_none());
            }
            0x08 => {
                self.devices.remove(&device).expect("a device that is mapped");
                assert!(self.events.keys().all(|&(other, _)| other != device), "its events are gone before");
            }
            0x09 => drop(self.collections.insert(collection, words[2] & 0x7fff_ffff_ffff_0000)),
            0x0a => {
                let (_, bits) = self.devices[&device];
                assert!(u64::from(event) < 1 << bits && self.collections.contains_key(&collection));
                assert!(self.events.insert((device, event), ((words[1] >> 32) as u32, collection)).is_none());
            }
            0x0f => drop(self.events.remove(&(device, event)).expect("an event that is mapped")),
            0x01 => self.events.get_mut(&(device, event)).expect("an event that is mapped").1 = collection,
            0x0c => {
                assert!(self.events.contains_key(&(device, event)));
                self.changed.push((device, event));
            }
            0x05 => self.synced.push(words[2]),
            other => panic!("command {other:#x}"),
        }
    }
}

/// Whether the table of devices has an entry for one, as the ITS finds it.
fn entry(fake: &Fake, mem: &Mem, device: u32) -> bool {
    let table = fake.tables[0];
    assert!(table >> 63 != 0, "the table is there");
    let page = [4096, 16384, 65536][(table >> 8 & 3) as usize];
    let (base, bytes, entry) = (table & 0xffff_ffff_f000, (table & 255) * page + page, (table >> 48 & 31) + 1);
    if table & INDIRECT == 0 {
        return (u64::from(device) + 1) * entry <= bytes;
    }
    let run = page / entry;
    let pointer = u64::from(device) / run * 8;
    pointer < bytes && mem.read_u64(Phys(base + pointer)) >> 63 != 0
}

fn memory() -> (Mem, Regions) {
    let mut free = Regions::new();
    free.add(Range { start: RAM + PAGE, end: RAM + RAM_BYTES }).unwrap();
    (arena(Phys(RAM), RAM_BYTES as usize), free)
}

const PAGES: [Phys; 8] = {
    let mut pages = [Phys(0); 8];
    let mut at = 0;
    while at < 8 {
        pages[at] = Phys(RAM + RAM_BYTES - (at as u64 + 1) * PAGE);
        at += 1;
    }
    pages
};

fn start(made: Made) -> (Its<Fake>, Mem, World) {
    let (mut mem, mut free) = memory();
    let mut its = Its::start(Fake::new(made), &mut mem, &mut free).unwrap();
    assert!(PAGES.iter().all(|page| free.overlaps(Range { start: page.0, end: page.0 + PAGE })));
    its.add_core(&mut mem, 0, 0x80a_0000, 0);
    its.add_core(&mut mem, 1, 0x80c_0000, 1);
    let mut world = World::default();
    world.follow(&its, &mem);
    (its, mem, world)
}

#[test]
fn devices_and_their_events_come_and_go() {
    let (mut its, mut mem, mut world) = start(MADE);
    assert_eq!(world.collections, BTreeMap::from([(0, 0), (1, 1 << 16)]));
    assert_eq!(its.events(), 256);
    for round in 0..100 {
        assert!(its.map_device(&mut mem, 0x18, PAGES[0]));
        let (one, other) = (Event { device: 0x18, event: 3 }, Event { device: 0x18, event: 255 });
        assert!(its.map_event(&mut mem, one, FIRST, 0) && its.map_event(&mut mem, other, FIRST + 1, 1));
        its.route(&mut mem, one, 0, 1);
        its.changed(&mut mem, one, 1);
        world.follow(&its, &mem);
        assert_eq!(world.devices, BTreeMap::from([(0x18, (PAGES[0].0, 8))]));
        assert_eq!(world.events, BTreeMap::from([((0x18, 3), (FIRST, 1)), ((0x18, 255), (FIRST + 1, 1))]));
        assert_eq!(world.changed.len(), round + 1);
        assert_eq!(world.synced.last(), Some(&(1 << 16)));
        its.unmap_event(&mut mem, one, 1);
        its.unmap_event(&mut mem, other, 1);
        its.unmap_device(&mut mem, 0x18);
        // What the ITS wrote there is another's to find.
        mem.write_u64(PAGES[0], 7);
        world.follow(&its, &mem);
        assert!(world.devices.is_empty() && world.events.is_empty());
    }
}

#[test]
fn cores_are_named_as_the_its_wants() {
    let (_, _, world) = start(Made { by_address: true, ..MADE });
    assert_eq!(world.collections, BTreeMap::from([(0, 0x80a_0000), (1, 0x80c_0000)]));
    assert_eq!(world.synced, [0x80a_0000, 0x80c_0000]);
}

#[test]
fn devices_far_from_each_other_take_tables_as_long_as_there_are_some() {
    let (mut its, mut mem, mut world) = start(MADE);
    // 512 of them in a table of the second step.
    for (page, device) in [0, 511, 0x8000, 0xffff, 0x1000].into_iter().enumerate() {
        assert!(its.map_device(&mut mem, device, PAGES[page]), "{device:#x}");
        world.follow(&its, &mem);
    }
    assert_eq!(world.devices.len(), 5);
    for device in [0x4000, 0x1_0000, u32::MAX] {
        assert!(!its.has_room(&mem, device) && !its.map_device(&mut mem, device, PAGES[5]));
    }
    assert!(its.has_room(&mem, 0x8001) && its.works());
    world.follow(&its, &mem);
    assert_eq!(world.devices.len(), 5);
}

#[test]
fn a_table_of_one_step_has_room_for_the_first_devices() {
    let made = Made { indirect: false, ..MADE };
    let (mut its, mut mem, mut world) = start(made);
    assert!(its.map_device(&mut mem, 0, PAGES[0]) && its.map_device(&mut mem, 2047, PAGES[1]));
    assert!(!its.map_device(&mut mem, 2048, PAGES[2]));
    world.follow(&its, &mem);
    // All there can be, in a page.
    let (mut its, mut mem, mut world) = start(Made { device_bits: 5, ..made });
    assert!(its.map_device(&mut mem, 31, PAGES[0]) && !its.map_device(&mut mem, 32, PAGES[1]));
    world.follow(&its, &mem);
    assert_eq!(world.devices.len(), 1);
}

#[test]
fn tables_take_the_pages_that_the_its_has() {
    for (pages, indirect) in [(0, true), (1, true), (2, true), (1, false), (2, false)] {
        let (mut its, mut mem, mut world) = start(Made { pages, indirect, ..MADE });
        assert!(its.map_device(&mut mem, 100, PAGES[0]));
        world.follow(&its, &mem);
        assert_eq!(its.registers.tables[0] >> 8 & 3, pages);
    }
}

#[test]
fn an_its_beside_the_caches_finds_what_was_written() {
    use crate::arch::CLEANED;
    let (mut its, mut mem, mut world) = start(Made { coherent: false, ..MADE });
    assert_eq!(its.registers.queue & CACHED, NOT_CACHED);
    CLEANED.with_borrow_mut(Vec::clear);
    assert!(its.map_device(&mut mem, 5, PAGES[0]));
    world.follow(&its, &mem);
    // The device's table, the pointer to the table of the second step, and the queue.
    assert_eq!(CLEANED.with_borrow(Vec::len), 3);
    let (mut its, mut mem, _) = start(MADE);
    CLEANED.with_borrow_mut(Vec::clear);
    assert!(its.map_device(&mut mem, 5, PAGES[0]));
    assert_eq!(CLEANED.with_borrow(Vec::len), 0);
}

const CACHED: u64 = 7 << 59;

#[test]
fn what_does_not_fit_is_said() {
    let refused = |fake: Fake, bytes: u64| {
        let (mut mem, mut free) = memory();
        free.subtract(Range { start: RAM + bytes, end: u64::MAX }).unwrap();
        Its::start(fake, &mut mem, &mut free).err()
    };
    assert_eq!(refused(Fake::new(MADE), 64 << 10), Some(Lack::Memory));
    assert_eq!(refused(Fake::new(MADE), 80 << 10), None);
    let mut none = Fake::new(MADE);
    none.tables[0] = 0;
    assert_eq!(refused(none, RAM_BYTES), Some(Lack::Devices));
    assert_eq!(refused(Fake::without_collections(MADE), RAM_BYTES), Some(Lack::Collections));
    assert_eq!(refused(Fake::without_collections(Made { inside: 8, ..MADE }), RAM_BYTES), None);
}

#[test]
fn an_its_that_does_not_answer_is_off() {
    let (mut its, mut mem, _) = start(MADE);
    its.registers.stuck.set(true);
    assert!(!its.map_device(&mut mem, 1, PAGES[0]));
    assert!(!its.works() && its.registers.control & ENABLED == 0);
    its.registers.stuck.set(false);
    assert!(!its.map_device(&mut mem, 1, PAGES[0]), "it stays off");
}
