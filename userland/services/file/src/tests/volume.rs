//! Sound volumes.

use ipc::file::{Kind, Status};

use super::image::{Form, Item, PARTITION, SECTOR, SMALL, items, pattern, volume, with_gpt, with_mbr};
use super::memory::MemoryDisk;
use crate::fat::{Node, Volume};
use crate::{Cache, Result};

pub struct Mounted {
    pub disk: Cache<MemoryDisk>,
    pub volume: Volume,
}

impl Mounted {
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        let mut disk = Cache::new(MemoryDisk::new(bytes));
        let volume = Volume::mount(&mut disk)?;
        Ok(Self { disk, volume })
    }

    pub fn read(&mut self, path: &str, position: u64, bytes: usize) -> Result<Vec<u8>> {
        let Node::File(mut file) = self.volume.open(&mut self.disk, path)? else { return Err(Status::IsDirectory) };
        let mut out = vec![0; bytes];
        let count = self.volume.read(&mut self.disk, &mut file, position, bytes, |data, skip, count, at| {
            data.read(skip, &mut out[at..at + count])
        })?;
        out.truncate(count);
        Ok(out)
    }

    pub fn list(&mut self, path: &str) -> Result<Vec<(String, Kind, u32)>> {
        let Node::Directory(mut folder) = self.volume.open(&mut self.disk, path)? else {
            return Err(Status::NotDirectory);
        };
        let mut found = Vec::new();
        let mut cursor = 0;
        while let Some(entry) = self.volume.entry(&mut self.disk, &mut folder, cursor)? {
            found.push((entry.name.as_str().to_owned(), entry.kind, entry.size));
            cursor = entry.next;
        }
        Ok(found)
    }
}

fn check(bytes: Vec<u8>) {
    let mut mounted = Mounted::new(bytes).unwrap();
    let names: Vec<_> = mounted.list("/").unwrap();
    assert_eq!(names[2], ("Übung mit Grüßen und Leerzeichen.txt".to_owned(), Kind::File, 700));
    assert_eq!(names[4], ("Bilder".to_owned(), Kind::Directory, 0));
    assert_eq!(names.len(), 6);
    assert_eq!(mounted.list("many").unwrap().len(), 40);
    assert_eq!(mounted.read("/README.TXT", 0, 100).unwrap(), b"hello\n");
    assert_eq!(mounted.read("/empty", 0, 100).unwrap(), b"");
    assert_eq!(mounted.read("/übung MIT grüßen und leerzeichen.TXT", 0, 1000).unwrap(), pattern(700));
    assert_eq!(mounted.read("/bilder//KÖLN 2024/./x/../dom.txt", 0, 9999).unwrap(), pattern(1537));
    assert_eq!(mounted.read("/00000003", 0, 99_999).unwrap(), pattern(40_000));
    let large = pattern(40_000);
    for (position, bytes) in [(0, 1), (511, 2), (512, 512), (39_999, 5), (40_000, 1), (7, 33_333), (u64::MAX, 9)] {
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(40_000);
        let end = start.saturating_add(bytes).min(40_000);
        assert_eq!(mounted.read("large.bin", position, bytes).unwrap(), large[start..end], "{position} {bytes}");
    }
}

#[test]
fn all_forms_read_the_same() {
    check(volume(SMALL, &items()));
    check(with_gpt(&volume(SMALL, &items())));
    check(with_mbr(&volume(SMALL, &items())));
    check(volume(Form { stride: 7, ..SMALL }, &items()));
    check(volume(Form { cluster_sectors: 8, ..SMALL }, &items()));
    check(volume(Form { fat32: false, clusters: 5000, ..SMALL }, &items()));
    check(volume(Form { fat32: false, clusters: 5000, stride: 3, cluster_sectors: 2 }, &items()));
}

#[test]
fn refusals() {
    let mut mounted = Mounted::new(volume(SMALL, &items())).unwrap();
    assert_eq!(mounted.read("/nothing", 0, 1), Err(Status::NotFound));
    assert_eq!(mounted.read("/nothing/at/all", 0, 1), Err(Status::NotFound));
    assert_eq!(mounted.read("/README.TXT/more", 0, 1), Err(Status::NotDirectory));
    assert_eq!(mounted.read("/README.TXT/", 0, 1), Err(Status::NotDirectory));
    assert_eq!(mounted.read("/..", 0, 1), Err(Status::IsDirectory));
    assert_eq!(mounted.list("/README.TXT"), Err(Status::NotDirectory));
}

#[test]
fn what_is_no_volume() {
    let mount = |bytes| Mounted::new(bytes).map(drop);
    assert_eq!(mount(Vec::new()), Err(Status::NoVolume));
    assert_eq!(mount(vec![0; 1 << 20]), Err(Status::NoVolume));
    assert_eq!(mount(vec![0xff; 1 << 20]), Err(Status::NoVolume));
    let mut boot_loader_only = with_mbr(&volume(SMALL, &items()));
    boot_loader_only[PARTITION * SECTOR..].fill(0);
    assert_eq!(mount(boot_loader_only), Err(Status::NoVolume));
    let fat12 = volume(Form { fat32: false, clusters: 1000, ..SMALL }, &[]);
    assert_eq!(mount(fat12), Err(Status::NoVolume));
}

#[test]
fn a_truncated_disk_is_damaged() {
    let mut disk = volume(SMALL, &items());
    disk.truncate(disk.len() - SECTOR);
    assert_eq!(Mounted::new(disk).map(drop), Err(Status::Corrupt));
    let mut disk = with_gpt(&volume(SMALL, &items()));
    disk.truncate(disk.len() / 2);
    assert_eq!(Mounted::new(disk).map(drop), Err(Status::NoVolume));
}

#[test]
fn the_second_partition_table_counts_when_the_first_is_damaged() {
    let sound = with_gpt(&volume(SMALL, &items()));
    for at in [SECTOR, SECTOR + 60, SECTOR + 72, 2 * SECTOR, 2 * SECTOR + 40] {
        let mut disk = sound.clone();
        disk[at] ^= 0x10;
        check(disk.clone());
        let last = disk.len() - SECTOR;
        disk[last + 20] ^= 1;
        assert_eq!(Mounted::new(disk).map(drop), Err(Status::Corrupt), "{at}");
    }
}

#[test]
fn a_partition_that_is_no_fat_is_passed_over() {
    let mut disk = with_gpt(&volume(SMALL, &items()));
    disk[PARTITION * SECTOR..][..SECTOR].fill(0);
    assert_eq!(Mounted::new(disk).map(drop), Err(Status::NoVolume));
}

#[test]
fn chains_that_are_rings_are_damaged() {
    let form = Form { clusters: 2000, ..SMALL };
    let sound = volume(form, &[Item::File("a", pattern(200_000)), Item::Folder("f", Vec::new())]);
    // The file has the clusters 2 to 392, the folder comes behind.
    for (from, to) in [(392, 2), (392, 392), (300, 17), (300, 250), (2, 2)] {
        let mut disk = sound.clone();
        disk[32 * SECTOR + from * 4..][..4].copy_from_slice(&(to as u32).to_le_bytes());
        let mut mounted = Mounted::new(disk).unwrap();
        // A ring that the file goes round often enough is noticed; one behind its last byte is never followed.
        let expected = if from == 392 || to == 17 { Ok(200_000) } else { Err(Status::Corrupt) };
        assert_eq!(mounted.read("a", 0, 200_000).map(|bytes| bytes.len()), expected, "{from} {to}");
    }
    let folder = 393;
    let mut disk = sound.clone();
    disk[32 * SECTOR + folder * 4..][..4].copy_from_slice(&(folder as u32).to_le_bytes());
    let start = (32 + 2 * (2002 * 4usize).div_ceil(SECTOR) + folder - 2) * SECTOR;
    disk[start..][..SECTOR].fill(0xe5);
    assert_eq!(Mounted::new(disk).unwrap().list("f"), Err(Status::Corrupt));
}

#[test]
fn a_chain_that_is_too_short_is_damaged() {
    let mut disk = volume(SMALL, &[Item::File("a", pattern(5000))]);
    disk[32 * SECTOR + 4 * 4..][..4].copy_from_slice(&0x0fff_ffffu32.to_le_bytes());
    let mut mounted = Mounted::new(disk).unwrap();
    assert_eq!(mounted.read("a", 0, 1536).unwrap(), pattern(1536));
    assert_eq!(mounted.read("a", 0, 1537), Err(Status::Corrupt));
}

#[test]
fn names_too_long_for_a_message_give_way_to_short_ones() {
    let long: &'static str = "語".repeat(200).leak();
    let mut mounted = Mounted::new(volume(SMALL, &[Item::File(long, pattern(3))])).unwrap();
    assert_eq!(mounted.list("/").unwrap()[0].0, "00000000");
    assert_eq!(mounted.read("/00000000", 0, 9).unwrap(), pattern(3));
}

#[test]
fn a_large_file_takes_few_requests() {
    let form = Form { clusters: 70_000, ..SMALL };
    let disk = with_gpt(&volume(form, &[Item::File("big", pattern(32 << 20))]));
    let mut mounted = Mounted::new(disk).unwrap();
    assert!(mounted.disk.device().fetches <= 6, "mounting took {} requests", mounted.disk.device().fetches);
    let Node::File(mut file) = mounted.volume.open(&mut mounted.disk, "big").unwrap() else { panic!("no file") };
    mounted.disk.device().fetches = 0;
    mounted.disk.device().fetched = 0;
    let mut sum = 0u64;
    for position in (0..32 << 20).step_by(64 << 10) {
        let (volume, disk) = (mounted.volume, &mut mounted.disk);
        let read = volume.read(disk, &mut file, position, 64 << 10, |data, skip, count, _| {
            let mut out = vec![0; count];
            data.read(skip, &mut out)?;
            sum += out.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            Ok(())
        });
        assert_eq!(read, Ok(64 << 10));
    }
    assert_eq!(sum, pattern(32 << 20).iter().map(|&byte| u64::from(byte)).sum());
    let disk = mounted.disk.device();
    // 512 pieces of data, and 256 KiB of table in windows of 8 KiB.
    assert!(disk.fetches <= 512 + 40, "{} requests", disk.fetches);
    assert!(disk.fetched <= (32 << 20) + (512 << 10), "{} bytes", disk.fetched);
}
