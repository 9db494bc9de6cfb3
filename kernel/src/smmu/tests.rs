//! The tables and commands as an SMMU reads them.

use super::*;
use crate::arch::arena;
use crate::mm::regions::Range;

const RAM: u64 = 0x4000_0000;
/// What QEMU's says of itself: stage 1, AArch64, coherent, two levels, 16 bits of ASID and of stream, 44 bits of address.
const IDR: [(usize, u32); 3] =
    [(IDR0, 1 << 27 | 1 << 12 | 1 << 4 | 2 << 2 | 1 << 1), (IDR1, 19 << 21 | 19 << 16 | 16), (IDR5, 1 << 4 | 4)];

/// An SMMU that is on.
pub fn fake(mem: &mut Mem, free: &mut Regions) -> (Smmu, Result<(), &'static str>) {
    smmu(mem, free, |_| {})
}

impl Smmu {
    /// Whether a stream goes through tables.
    pub fn is_open(&self, mem: &Mem, stream: u64) -> bool {
        entry(self, mem, stream).is_some_and(|entry| config(entry) == 0b101)
    }

    /// What was asked of it.
    pub fn log(&self) -> &[[u64; 2]] {
        self.translation.as_ref().map_or(&[], |translation| &translation.log)
    }
}

/// An SMMU that is on, if it can be.
fn smmu(mem: &mut Mem, free: &mut Regions, change: impl Fn(&Registers)) -> (Smmu, Result<(), &'static str>) {
    let control = Registers::default();
    IDR.iter().for_each(|&(offset, value)| control.write(offset, value));
    change(&control);
    Smmu::start(Ports { control, queues: Registers::default() }, 0x905_0000, (106, true), mem, free)
}

fn world() -> (Mem, Regions) {
    let mem = arena(Phys(RAM), 1 << 20);
    let mut free = Regions::new();
    free.add(Range { start: RAM + 0x1000, end: RAM + (1 << 20) }).unwrap();
    (mem, free)
}

/// The entry of a stream as the hardware finds it (3.3.2, 5.1, 5.2): its eight words.
fn entry(smmu: &Smmu, mem: &Mem, stream: u64) -> Option<[u64; 8]> {
    let base = Phys(smmu.ports.control.read(STRTAB_BASE) as u64 & !0x3f);
    let config = smmu.ports.control.read(STRTAB_BASE_CFG);
    let (split, bits) = (config >> 6 & 31, config & 0x3f);
    assert_eq!(config >> 16 & 3, 1, "two levels");
    assert!(stream < 1 << bits);
    let level1 = mem.read_u64(Phys(base.0 + (stream >> split) * 8));
    let span = level1 & 31;
    if span == 0 || stream & ((1 << split) - 1) >= 1 << (span - 1) {
        return None;
    }
    let at = (level1 & 0xf_ffff_ffff_ffc0) + (stream & ((1 << split) - 1)) * 64;
    Some(std::array::from_fn(|index| mem.read_u64(Phys(at + 8 * index as u64))))
}

fn config(entry: [u64; 8]) -> u64 {
    assert_eq!(entry[0] & 1, 1, "valid");
    entry[0] >> 1 & 7
}

#[test]
fn a_stream_is_bound_once_and_aborts_before_and_after() {
    let (mut mem, mut free) = world();
    let (mut smmu, started) = smmu(&mut mem, &mut free, |_| {});
    assert_eq!(started, Ok(()));
    assert_eq!(smmu.ports.control.read(CR0), CR0_ON | CR0_COMMANDS | CR0_EVENTS);
    assert_eq!(smmu.ports.control.read(GBPA), GBPA_ABORT);
    assert_eq!(entry(&smmu, &mem, 0x18), None, "nothing of it is known, so it aborts");
    let (root, context) = (Phys(RAM + 0xf_0000), Phys(RAM + 0xf_1800));
    mem.zero(Phys(RAM + 0xf_0000), 0x2000);
    assert_eq!(smmu.bind(&mut mem, 0x18, root, context), Ok(()));
    let ste = entry(&smmu, &mem, 0x18).unwrap();
    assert_eq!((config(ste), ste[0] & ADDRESS), (0, context.0), "bound, and closed");
    smmu.open_stream(&mut mem, 0x18);
    let ste = entry(&smmu, &mem, 0x18).unwrap();
    assert_eq!((config(ste), ste[0] & ADDRESS), (0b101, context.0));
    assert_eq!(smmu.bind(&mut mem, 0x18, root, context), Err(Unbound::Taken));
    // Its neighbours are known now, and abort.
    assert_eq!(config(entry(&smmu, &mem, 0x19).unwrap()), 0);
    assert_eq!(mem.read_u64(Phys(context.0 + 8)), root.0);
    let first = mem.read_u64(context);
    assert_eq!((first >> 48, first & 0x3f, first >> 32 & 7, first >> 45 & 7), (0x18, 16, 4, 7));
    smmu.unbind(&mut mem, 0x18);
    assert_eq!(config(entry(&smmu, &mem, 0x18).unwrap()), 0);
    assert_eq!(smmu.bind(&mut mem, 0x18, root, context), Ok(()));
}

#[test]
fn what_a_device_says_is_translated_is_looked_up_all_the_same() {
    let (mut mem, mut free) = world();
    let (smmu, started) = smmu(&mut mem, &mut free, |control| control.write(IDR0, IDR[0].1 | 1 << 10));
    assert_eq!((started, smmu.ports.control.read(CR0) & 1 << 4), (Ok(()), 1 << 4));
}

#[test]
fn streams_whose_number_is_no_asid_are_refused() {
    let (mut mem, mut free) = world();
    let (mut smmu, started) = smmu(&mut mem, &mut free, |control| control.write(IDR0, IDR[0].1 & !(1 << 12)));
    let context = Phys(RAM + 0xf_1800);
    mem.zero(Phys(RAM + 0xf_1000), 0x1000);
    assert_eq!(started, Ok(()));
    assert_eq!(smmu.bind(&mut mem, 0xff, Phys(RAM), context), Ok(()));
    assert_eq!(smmu.bind(&mut mem, 0x100, Phys(RAM), context), Err(Unbound::NoStream));
}

#[test]
fn it_sends_no_message_where_a_boot_loader_let_it() {
    let (mut mem, mut free) = world();
    let (smmu, started) = smmu(&mut mem, &mut free, |control| {
        control.write(IDR0, IDR[0].1 | 1 << 13);
        control.write_long(EVENTQ_IRQ_CFG0, RAM + 0x8000);
    });
    assert_eq!((started, smmu.ports.control.read(EVENTQ_IRQ_CFG0)), (Ok(()), 0));
}

#[test]
fn nothing_is_bound_to_one_that_did_not_start() {
    let (mut mem, mut free) = world();
    let (mut smmu, started) = smmu(&mut mem, &mut free, |control| control.break_at(IRQ_CTRL));
    assert_eq!((started, smmu.translates()), (Err("it does not answer"), false));
    assert_eq!(smmu.bind(&mut mem, 1, Phys(RAM), Phys(RAM)), Err(Unbound::NoStream));
}

#[test]
fn every_change_is_told_and_waited_for() {
    let (mut mem, mut free) = world();
    let (mut smmu, _) = smmu(&mut mem, &mut free, |_| {});
    let context = Phys(RAM + 0xf_1800);
    mem.zero(Phys(RAM + 0xf_1000), 0x1000);
    let log = |smmu: &mut Smmu| core::mem::take(&mut smmu.translation.as_mut().unwrap().log);
    assert_eq!(log(&mut smmu), [[command::CFGI_ALL, 31], [command::TLBI_NSNH_ALL, 0], [command::SYNC, 0]]);
    smmu.bind(&mut mem, 0x108, Phys(RAM + 0xf_0000), context).unwrap();
    let forgets = [[0x03 | 0x108 << 32, 0], [0x11 | 0x108 << 48, 0], [0x46, 0]];
    assert_eq!(log(&mut smmu), forgets);
    smmu.open_stream(&mut mem, 0x108);
    assert_eq!(log(&mut smmu), forgets);
    smmu.invalidate(&mut mem, 0x108, 0x2000_0000, 2, 12);
    assert_eq!(log(&mut smmu), [[0x12 | 0x108 << 48, 0x2000_0000], [0x12 | 0x108 << 48, 0x2000_1000], [0x46, 0]]);
    smmu.unbind(&mut mem, 0x108);
    assert_eq!(log(&mut smmu), forgets);
    // Round and round the queue.
    for _ in 0..1000 {
        smmu.invalidate(&mut mem, 0x108, 0, 3, 21);
    }
    assert_eq!(smmu.ports.control.read(CMDQ_PROD), smmu.translation.unwrap().produced);
}

#[test]
fn tables_of_streams_run_out_and_numbers_end() {
    let (mut mem, mut free) = world();
    let (mut smmu, _) = smmu(&mut mem, &mut free, |_| {});
    mem.zero(Phys(RAM + 0xf_0000), 0x1000);
    let mut bind = |stream| smmu.bind(&mut mem, stream, Phys(RAM), Phys(RAM + 0xf_0000));
    for table in 0..TABLES as u32 {
        assert_eq!(bind(table << SPLIT), Ok(()));
    }
    assert_eq!(bind((TABLES as u32) << SPLIT), Err(Unbound::Full));
    assert_eq!(bind(1), Ok(()));
    assert_eq!(bind(0x1_0000), Err(Unbound::NoStream));
}

#[test]
fn what_was_refused_is_told_once_and_stops_the_stream() {
    let (mut mem, mut free) = world();
    let (mut smmu, _) = smmu(&mut mem, &mut free, |_| {});
    let context = Phys(RAM + 0xf_1800);
    mem.zero(Phys(RAM + 0xf_1000), 0x1000);
    smmu.bind(&mut mem, 0x18, Phys(RAM + 0xf_0000), context).unwrap();
    assert_eq!(smmu.refused(&mut mem), None);
    // More than fit, as the hardware writes them; it lost one and says so.
    let events = smmu.translation.as_ref().unwrap().events;
    for (index, write) in [(0, true), (1, false)] {
        let place = events.0 + index * 32;
        mem.write_u64(Phys(place), 0x10 | 0x18 << 32);
        mem.write_u64(Phys(place + 8), if write { 0 } else { 1 << 35 });
        mem.write_u64(Phys(place + 16), 0xdead_0000 + index);
    }
    smmu.ports.queues.write(EVENTQ_PROD, 2 | 1 << 31);
    let refused = |address, write| Some(Refused { stream: 0x18, address, write, event: 0x10 });
    assert_eq!(smmu.refused(&mut mem), refused(0xdead_0000, true));
    assert_eq!(config(entry(&smmu, &mem, 0x18).unwrap()), 0, "it aborts");
    assert_eq!(smmu.bind(&mut mem, 0x18, Phys(RAM), context), Err(Unbound::Taken), "and is whose it was");
    assert_eq!(smmu.refused(&mut mem), refused(0xdead_0001, false));
    assert_eq!(smmu.refused(&mut mem), None);
    assert_eq!(smmu.ports.queues.read(EVENTQ_CONS), 2 | 1 << 31);
    smmu.unbind(&mut mem, 0x18);
    assert_eq!(smmu.bind(&mut mem, 0x18, Phys(RAM), context), Ok(()));
}

#[test]
fn what_a_stranger_tried_takes_no_table() {
    let (mut mem, mut free) = world();
    let (mut smmu, _) = smmu(&mut mem, &mut free, |_| {});
    mem.zero(Phys(RAM + 0xf_0000), 0x1000);
    let events = smmu.translation.as_ref().unwrap().events;
    for index in 0..TABLES {
        // An access of a kind that the SMMU does not know, by a requester that is nobody's.
        mem.write_u64(Phys(events.0 + index * 32), 1 | (0x1000 + (index << SPLIT)) << 32);
    }
    smmu.ports.queues.write(EVENTQ_PROD, TABLES as u32);
    while smmu.refused(&mut mem).is_some() {}
    assert_eq!(smmu.bind(&mut mem, 0x18, Phys(RAM), Phys(RAM + 0xf_0000)), Ok(()));
}

#[test]
fn one_that_cannot_do_it_aborts_everything() {
    let lacks: [(usize, u32, &str); 5] = [
        (IDR0, IDR[0].1 & !(1 << 4), "it does not see the caches"),
        (IDR0, IDR[0].1 & !(1 << 1), "it has no stage 1"),
        (IDR0, IDR[0].1 & !(3 << 27), "it has no tables of two levels"),
        (IDR1, IDR[1].1 & !(31 << 21), "its queues are too short"),
        (IDR5, 4, "it has no pages of 4 KiB"),
    ];
    for (offset, value, why) in lacks {
        let (mut mem, mut free) = world();
        let (mut smmu, started) = smmu(&mut mem, &mut free, |control| control.write(offset, value));
        assert_eq!((started, smmu.translates()), (Err(why), false));
        assert_eq!((smmu.ports.control.read(GBPA), smmu.ports.control.read(CR0)), (GBPA_ABORT, 0));
        assert_eq!(smmu.bind(&mut mem, 1, Phys(RAM), Phys(RAM)), Err(Unbound::NoStream));
        smmu.invalidate(&mut mem, 1, 0, 1, 12);
    }
}
