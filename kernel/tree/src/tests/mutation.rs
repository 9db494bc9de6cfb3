//! Broken trees: whatever the bytes are, there is an answer, soon, and no panic.
//!
//! `TREE_MUTATIONS=1000000 cargo test --release -p tutti-tree mutated` runs more than the usual 20,000.

use std::string::ToString;
use std::time::{Duration, Instant};
use std::vec::Vec;
use std::{eprintln, println, thread, vec};

use super::resources::board;
use super::{QEMU, phone};
use crate::{Interrupt, Phandle, Phandles, Range, Tree, TreeError};

const USUAL: u64 = 20_000;
/// What a boot loader's bug, a bit error or an attacker who knows the format would write.
const WORDS: [u32; 22] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    9,
    12,
    16,
    17,
    39,
    40,
    64,
    0x100,
    0x1000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    0xffff_fffd,
    u32::MAX,
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Names the mutation when a check on it panics.
struct Culprit(u64);

impl Drop for Culprit {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("mutation with seed {}", self.0);
        }
    }
}

fn write(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn mutate(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(20) {
            0..=3 => write(&mut bytes, at, &[random.next() as u8]),
            4..=6 => {
                let flipped = bytes.get(at).map(|byte| byte ^ 1 << random.below(8)).unwrap_or(0);
                write(&mut bytes, at, &[flipped]);
            }
            7..=10 => {
                let word = WORDS.get(random.below(WORDS.len())).copied().unwrap_or(0);
                write(&mut bytes, at & !3, &word.to_be_bytes());
            }
            11..=14 => {
                let word = random.below(bytes.len() * 2) as u32;
                write(&mut bytes, at & !3, &word.to_be_bytes());
            }
            15 => {
                let word = WORDS.get(random.below(WORDS.len())).copied().unwrap_or(0);
                write(&mut bytes, random.below(10) * 4, &word.to_be_bytes());
            }
            16..=18 => {
                let length = (random.below(16) + 1) * 4;
                let from = random.below(bytes.len()) & !3;
                let copied = bytes.get(from..from + length).unwrap_or(&[]).to_vec();
                write(&mut bytes, at & !3, &copied);
            }
            _ => {
                // An honest length every other time, so that more than the length is tried.
                bytes.truncate(at);
                if random.below(2) == 0 {
                    let length = bytes.len() as u32;
                    write(&mut bytes, 4, &length.to_be_bytes());
                }
            }
        }
    }
    bytes
}

fn one_line(error: &TreeError) {
    let line = error.to_string();
    assert!(!line.is_empty() && line.len() < 240 && !line.contains(char::is_control), "{line:?}");
}

fn sound(range: &Range) {
    assert!(range.base.checked_add(range.size).is_some());
}

fn check<T>(result: Result<T, TreeError>, fine: impl FnOnce(T)) {
    match result {
        Ok(value) => fine(value),
        Err(error) => one_line(&error),
    }
}

/// Asks everything there is to ask. Whether the tree was taken.
fn exercise(bytes: &[u8]) -> bool {
    check(Tree::total_size(bytes), |size| assert!(size <= crate::MAX_TREE_BYTES));
    let tree = match Tree::parse(bytes) {
        Ok(tree) => tree,
        Err(error) => {
            one_line(&error);
            return false;
        }
    };
    let _ = (tree.model(), tree.compatible().count());
    check(tree.console(), |console| console.iter().for_each(|it| sound(&it.registers)));
    check(tree.machine(), |machine| {
        machine.memory.iter().for_each(sound);
        machine.reserved.iter().for_each(|it| sound(&it.range));
        machine.initrd.iter().for_each(sound);
    });
    let mut walk = tree.walk();
    while let Some(node) = walk.next() {
        assert!(node.properties().all(|property| !property.name.contains('\0')));
        check(node.number("clock-frequency"), drop);
        check(node.text("status"), drop);
    }
    let mut room = vec![Phandle::default(); Phandles::count(&tree)];
    let phandles = Phandles::of(&tree, &mut room).unwrap();
    let mut place = tree.walk();
    let mut devices = tree.devices();
    while let Some(device) = devices.next() {
        assert!(device.enabled() && !device.path().to_string().contains(char::is_control));
        device.registers().for_each(|range| check(range, |range| sound(&range)));
        let names = device.register_names().count() + device.interrupt_names().count();
        assert!(names <= bytes.len());
        device.interrupts().for_each(|interrupt| {
            check(interrupt, |interrupt| {
                if let Interrupt::Other { controller: Some(at), .. } = interrupt {
                    assert!(place.seek(at).is_some());
                }
            });
        });
        device.dma_windows().for_each(|window| check(window, |window| sound(&window.cpu)));
        device.memory_regions(&phandles).for_each(|region| {
            check(region, |region| {
                region.range.iter().for_each(sound);
                assert!(place.seek(region.at).is_some());
            });
        });
        device.references(&phandles).for_each(|reference| {
            check(reference, |reference| assert!(place.seek(reference.provider).is_some()));
        });
        if let Some(bus) = device.bus() {
            assert!(place.seek(bus.at).is_some());
        }
        let _ = tree.label(&device.path().to_string());
    }
    true
}

#[test]
fn mutated_trees_have_an_answer() {
    let count = std::env::var("TREE_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(USUAL);
    let written = [phone(), board()];
    let originals: Vec<&[u8]> =
        QEMU.iter().map(|(_, bytes)| *bytes).chain(written.iter().map(|tree| tree.as_slice())).collect();
    let (mut taken, mut slowest) = (0, Duration::ZERO);
    for seed in 0..count {
        let culprit = Culprit(seed);
        let mut random = Random(seed);
        let original = originals.get(random.below(originals.len())).unwrap();
        let bytes = mutate(original, &mut random);
        let begun = Instant::now();
        taken += u64::from(exercise(&bytes));
        slowest = slowest.max(begun.elapsed());
        drop(culprit);
    }
    println!("{count} mutations, {taken} taken, slowest {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(taken > count / 10, "most mutations never get past the structure: {taken} of {count}");
}

#[test]
fn noise_has_an_answer() {
    let mut random = Random(1);
    for _ in 0..2000 {
        let length = random.below(400);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        write(&mut bytes, 0, &0xd00d_feed_u32.to_be_bytes());
        exercise(&bytes);
    }
}
