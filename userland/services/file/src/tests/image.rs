//! Makes FAT volumes and partition tables.

use gpt_disk_types::{Crc32, GptHeader, GptPartitionEntry, GptPartitionType, LbaLe, MasterBootRecord, U32Le};

pub const SECTOR: usize = 512;
/// First sector of the partition in a disk of [`with_gpt`].
pub const PARTITION: usize = 64;

pub enum Item {
    File(&'static str, Vec<u8>),
    Folder(&'static str, Vec<Item>),
}

/// How a volume is laid out.
#[derive(Clone, Copy)]
pub struct Form {
    pub fat32: bool,
    pub clusters: usize,
    pub cluster_sectors: usize,
    /// Distance between the clusters of a chain; 1: files in one piece.
    pub stride: usize,
}

pub const SMALL: Form = Form { fat32: true, clusters: 300, cluster_sectors: 1, stride: 1 };

struct Maker {
    form: Form,
    table: Vec<u32>,
    data: Vec<u8>,
    next: usize,
}

/// A volume with these items in its root.
pub fn volume(form: Form, items: &[Item]) -> Vec<u8> {
    let bytes = form.clusters * form.cluster_sectors * SECTOR;
    let mut table = vec![0; form.clusters + 2];
    (table[0], table[1]) = (0x0fff_fff8, 0x0fff_ffff);
    let mut maker = Maker { form, table, data: vec![0; bytes], next: 2 };
    let root = maker.folder(items);
    let (root_records, root_cluster) =
        if form.fat32 { (Vec::new(), maker.store(&root, true)) } else { (pad(root, 512 * 32), 0) };
    let entry_bytes = if form.fat32 { 4 } else { 2 };
    let table_sectors = (maker.table.len() * entry_bytes).div_ceil(SECTOR);
    let reserved = 32;
    let total = reserved + 2 * table_sectors + root_records.len() / SECTOR + maker.data.len() / SECTOR;
    let mut image = pad(boot(form, reserved, table_sectors, total, root_cluster), reserved * SECTOR);
    for _ in 0..2 {
        let entries = maker.table.iter().flat_map(|entry| entry.to_le_bytes()[..entry_bytes].to_vec()).collect();
        image.extend(pad(entries, table_sectors * SECTOR));
    }
    image.extend(root_records);
    image.extend(maker.data);
    image
}

fn pad(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    assert!(bytes.len() <= length);
    bytes.resize(length, 0);
    bytes
}

fn boot(form: Form, reserved: usize, table_sectors: usize, total: usize, root: u32) -> Vec<u8> {
    let mut boot = vec![0; SECTOR];
    let mut put = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xeb, 0x58, 0x90]);
    put(11, &512u16.to_le_bytes());
    put(13, &[form.cluster_sectors as u8]);
    put(14, &(reserved as u16).to_le_bytes());
    put(16, &[2]);
    put(21, &[0xf8]);
    put(32, &(total as u32).to_le_bytes());
    if form.fat32 {
        put(36, &(table_sectors as u32).to_le_bytes());
        put(44, &root.to_le_bytes());
        put(67, &0x1234_5678u32.to_le_bytes());
        put(71, b"TUTTI      FAT32   ");
    } else {
        put(17, &512u16.to_le_bytes());
        put(22, &(table_sectors as u16).to_le_bytes());
        put(43, b"TUTTI      FAT16   ");
    }
    put(510, &[0x55, 0xaa]);
    boot
}

impl Maker {
    /// The records of a folder, its contents stored.
    fn folder(&mut self, items: &[Item]) -> Vec<u8> {
        let mut records = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (name, attributes, contents) = match item {
                Item::File(name, contents) => (name, 32, contents.clone()),
                Item::Folder(name, items) => (name, 16, self.folder(items)),
            };
            let first = self.store(&contents, attributes == 16);
            let size = if attributes == 16 { 0 } else { contents.len() as u32 };
            records.extend(named(name, index, attributes, first, size));
        }
        records
    }

    /// Stores bytes in a chain; a folder has at least a cluster.
    fn store(&mut self, bytes: &[u8], folder: bool) -> u32 {
        let cluster_bytes = self.form.cluster_sectors * SECTOR;
        let count = bytes.len().div_ceil(cluster_bytes).max(folder.into());
        let mut chain = Vec::new();
        for index in 0..count {
            let cluster = self.free();
            let part = bytes.chunks(cluster_bytes).nth(index).unwrap_or_default();
            let at = (cluster - 2) * cluster_bytes;
            self.data[at..at + part.len()].copy_from_slice(part);
            self.table[cluster] = 0x0fff_ffff;
            chain.push(cluster);
        }
        for pair in chain.windows(2) {
            self.table[pair[0]] = pair[1] as u32;
        }
        chain.first().map_or(0, |&first| first as u32)
    }

    fn free(&mut self) -> usize {
        let clusters = self.table.len();
        self.next = (self.next + self.form.stride - 1) % clusters;
        while self.next < 2 || self.table[self.next] != 0 {
            self.next = (self.next + 1) % clusters;
        }
        self.next
    }
}

/// The record of a file with the pieces of its long name before it. Short names are numbered.
fn named(name: &str, index: usize, attributes: u8, first: u32, size: u32) -> Vec<u8> {
    let short = format!("{index:08}   ").into_bytes();
    let checksum = short.iter().fold(0u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte));
    let mut units: Vec<u16> = name.encode_utf16().collect();
    if !units.len().is_multiple_of(13) {
        units.push(0);
    }
    let pieces = units.len().div_ceil(13);
    units.resize(pieces * 13, 0xffff);
    let mut records = Vec::new();
    for (number, piece) in units.chunks(13).enumerate().rev() {
        let last = if number + 1 == pieces { 0x40 } else { 0 };
        let bytes: Vec<u8> = piece.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        records.push((number as u8 + 1) | last);
        records.extend(&bytes[..10]);
        records.extend([15, 0, checksum]);
        records.extend(&bytes[10..22]);
        records.extend([0, 0]);
        records.extend(&bytes[22..]);
    }
    let mut record = [0; 32];
    record[..11].copy_from_slice(&short);
    record[11] = attributes;
    record[20..22].copy_from_slice(&first.to_le_bytes()[2..]);
    record[26..28].copy_from_slice(&first.to_le_bytes()[..2]);
    record[28..].copy_from_slice(&size.to_le_bytes());
    records.extend(record);
    records
}

/// A disk with a GPT and this volume as its only data partition.
pub fn with_gpt(volume: &[u8]) -> Vec<u8> {
    let sectors = PARTITION + volume.len() / SECTOR + 33;
    let mut disk = pad(protective(sectors), PARTITION * SECTOR);
    disk.extend(volume);
    disk.resize(sectors * SECTOR, 0);
    let mut entry = GptPartitionEntry { partition_type_guid: GptPartitionType::BASIC_DATA, ..Default::default() };
    entry.starting_lba = LbaLe::from_u64(PARTITION as u64);
    entry.ending_lba = LbaLe::from_u64((PARTITION + volume.len() / SECTOR - 1) as u64);
    let table = pad(bytemuck::bytes_of(&entry).to_vec(), 128 * 128);
    for (at, table_at) in [(1, 2), (sectors - 1, sectors - 33)] {
        disk[table_at * SECTOR..][..table.len()].copy_from_slice(&table);
        let header = header(at, table_at, &table);
        disk[at * SECTOR..][..92].copy_from_slice(bytemuck::bytes_of(&header));
    }
    disk
}

/// A disk with an MBR that begins with a boot loader, and this volume as its second partition.
pub fn with_mbr(volume: &[u8]) -> Vec<u8> {
    let mut record = MasterBootRecord { signature: [0x55, 0xaa], ..Default::default() };
    record.boot_strap_code[..3].copy_from_slice(&[0xeb, 0x63, 0x90]);
    record.partitions[0].os_indicator = 0x83;
    record.partitions[1].os_indicator = 0x0c;
    record.partitions[1].starting_lba = U32Le::from_u32(PARTITION as u32);
    record.partitions[1].size_in_lba = U32Le::from_u32((volume.len() / SECTOR) as u32);
    let mut disk = pad(bytemuck::bytes_of(&record).to_vec(), PARTITION * SECTOR);
    disk.extend(volume);
    disk
}

fn protective(sectors: usize) -> Vec<u8> {
    let mut record = MasterBootRecord::protective_mbr(sectors as u64);
    record.signature = [0x55, 0xaa];
    bytemuck::bytes_of(&record).to_vec()
}

fn header(at: usize, table_at: usize, table: &[u8]) -> GptHeader {
    let crc = crc::Crc::<u32>::new(&Crc32::ALGORITHM);
    let mut header = GptHeader {
        my_lba: LbaLe::from_u64(at as u64),
        partition_entry_lba: LbaLe::from_u64(table_at as u64),
        number_of_partition_entries: U32Le::from_u32(128),
        size_of_partition_entry: U32Le::from_u32(128),
        partition_entry_array_crc32: Crc32(U32Le::from_u32(crc.checksum(table))),
        ..Default::default()
    };
    header.update_header_crc32();
    header
}

/// Bytes that differ from place to place.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 + index / 251) as u8).collect()
}

/// A little of everything.
pub fn items() -> Vec<Item> {
    let many = (0..40).map(|index| Item::File(NUMBERS[index % NUMBERS.len()], vec![index as u8; index])).collect();
    vec![
        Item::File("README.TXT", b"hello\n".to_vec()),
        Item::File("empty", Vec::new()),
        Item::File("Übung mit Grüßen und Leerzeichen.txt", pattern(700)),
        Item::File("large.bin", pattern(40_000)),
        Item::Folder("Bilder", vec![Item::Folder("Köln 2024", vec![Item::File("dom.txt", pattern(1537))])]),
        Item::Folder("many", many),
    ]
}

const NUMBERS: [&str; 4] = ["a rather long name, to fill the records of this folder", "two", "drei", "vier vier vier"];
