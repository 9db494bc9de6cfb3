//! Damaged disks: whatever the bytes are, the answer is data or a status, after a bounded number of requests.

use ipc::file::{Kind, Status};

use super::image::{Form, PARTITION, SECTOR, SMALL, items, volume, with_gpt};
use super::volume::Mounted;

/// xorshift64*: the same damage in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Changes some bytes within the first `reach`, and sometimes cuts the end off.
fn damage(random: &mut Random, disk: &mut Vec<u8>, reach: usize) {
    for _ in 0..1 + random.below(12) {
        let at = random.below(reach.min(disk.len() - 8));
        match random.below(4) {
            0 => disk[at] ^= 1 << random.below(8),
            1 => disk[at] = random.next() as u8,
            2 => disk[at..at + 4].copy_from_slice(&(random.below(400) as u32).to_le_bytes()),
            _ => disk[at..at + 8].fill(if random.below(2) == 0 { 0 } else { 0xff }),
        }
    }
    if random.below(8) == 0 {
        disk.truncate(random.below(disk.len()) & !(SECTOR - 1));
    }
}

/// Everything a client could do, with a limit to how much of a damaged tree is looked at.
fn explore(disk: Vec<u8>) -> Result<(), Status> {
    let mut mounted = Mounted::new(disk)?;
    let mut folders = vec![String::new()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = mounted.list(&folder) else { continue };
        assert!(entries.len() <= 65536);
        for (name, kind, size) in entries {
            seen += 1;
            if seen > 200 {
                return Ok(());
            }
            let path = format!("{folder}/{name}");
            match kind {
                Kind::Directory if path.len() < 200 => folders.push(path),
                Kind::Directory => {}
                Kind::File => {
                    let _ = mounted.read(&path, 0, 3000);
                    let _ = mounted.read(&path, u64::from(size).saturating_sub(10), 1000);
                }
            }
        }
    }
    let fetches = mounted.disk.device().fetches;
    assert!(fetches < 100_000, "{fetches} requests");
    Ok(())
}

fn rounds(name: &str, sound: &[u8], reach: usize, count: u64) {
    let mut outcomes = [0; 2];
    for seed in 1..=count {
        let mut disk = sound.to_vec();
        damage(&mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), &mut disk, reach);
        outcomes[usize::from(explore(disk).is_ok())] += 1;
    }
    // Both must occur, or the test does not reach what it is for.
    assert!(outcomes.iter().all(|&count| count > 0), "{name}: {outcomes:?}");
}

#[test]
fn damaged_tables_and_folders() {
    let sound = volume(SMALL, &items());
    rounds("boot sector", &sound, 96, 2000);
    rounds("everything", &sound, sound.len(), 1500);
}

#[test]
fn damaged_fat16() {
    let sound = volume(Form { fat32: false, clusters: 5000, ..SMALL }, &items());
    rounds("boot sector", &sound, 64, 1000);
    rounds("table and root", &sound, 100_000, 500);
}

#[test]
fn damaged_partition_tables() {
    let sound = with_gpt(&volume(SMALL, &items()));
    rounds("partition table", &sound, PARTITION * SECTOR, 1500);
}
