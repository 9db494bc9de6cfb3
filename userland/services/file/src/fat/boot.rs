//! The first sector of a volume: where everything else is.

use ipc::block::SECTOR;
use ipc::file::Status;

use crate::Result;
use crate::gpt::Extent;

/// How many bits an entry of the file allocation table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Fat16,
    Fat32,
}

/// Where the root directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// Sectors of their own (FAT16).
    Sectors { first: u64, bytes: u32 },
    /// A chain that begins with this cluster.
    Cluster(u32),
}

/// The layout of a volume, in sectors of 512 bytes from the start of the disk. All of it lies on the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub width: Width,
    /// First sector of the file allocation table in use.
    pub table: u64,
    /// First sector of cluster 2.
    pub data: u64,
    /// Sectors of a cluster.
    pub cluster_sectors: u32,
    /// The highest cluster number.
    pub last_cluster: u32,
    pub root: Root,
    pub serial: u32,
    pub label: [u8; 11],
}

/// The bytes of the sector, little-endian.
struct Fields<'a>(&'a [u8; SECTOR]);

impl Fields<'_> {
    fn byte(&self, at: usize) -> u64 {
        self.0[at].into()
    }
    fn half(&self, at: usize) -> u64 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]]).into()
    }
    fn word(&self, at: usize) -> u64 {
        self.half(at) | self.half(at + 2) << 16
    }
    /// The first of two fields that is not 0.
    fn either(&self, half: usize, word: usize) -> u64 {
        match self.half(half) {
            0 => self.word(word),
            value => value,
        }
    }
    fn says_fat(&self) -> bool {
        // A boot loader in an MBR jumps too, but has no media byte there.
        let jumps = matches!((self.0[0], self.0[2]), (0xeb, 0x90) | (0xe9, _)) && self.0[21] >= 0xf0;
        let named = self.0[54..].starts_with(b"FAT") || self.0[82..].starts_with(b"FAT32");
        self.half(510) == 0xaa55 && (jumps || named)
    }
}

impl Layout {
    /// Reads the first sector of a volume in this extent.
    ///
    /// # Errors
    /// `NoVolume`: it is not the first sector of a FAT16 or FAT32 volume; `Corrupt`: it is, and contradicts itself or the
    /// extent.
    pub fn read(sector: &[u8; SECTOR], extent: Extent) -> Result<Self> {
        let fields = Fields(sector);
        if !fields.says_fat() {
            return Err(Status::NoVolume);
        }
        Self::parse(&fields, extent).ok_or(Status::Corrupt)?.ok_or(Status::NoVolume)
    }

    /// `None`: a contradiction; `Some(None)`: FAT12.
    fn parse(fields: &Fields<'_>, extent: Extent) -> Option<Option<Self>> {
        let unit = fields.half(11);
        let cluster = fields.byte(13);
        let (reserved, tables, roots) = (fields.half(14), fields.byte(16), fields.half(17));
        let (total, table) = (fields.either(19, 32), fields.either(22, 36));
        let sizes = matches!(unit, 512 | 1024 | 2048 | 4096) && cluster.is_power_of_two() && cluster <= 128;
        if !sizes || reserved == 0 || tables == 0 || table == 0 {
            return None;
        }
        let scale = unit / SECTOR as u64;
        // None of these can overflow: each factor has at most 32 bits, and only two of them are multiplied.
        let root_sectors = (roots * 32).div_ceil(unit);
        let data = reserved + tables * table + root_sectors;
        if total * scale > extent.sectors || data >= total {
            return None;
        }
        let clusters = (total - data) / cluster;
        let width = if fields.half(22) == 0 { Width::Fat32 } else { Width::Fat16 };
        let entries = match width {
            Width::Fat32 => table * unit / 4,
            Width::Fat16 if clusters < 4085 => return Some(None),
            Width::Fat16 => (table * unit / 2).min(0xfff7),
        };
        // Clusters count from 2; a table that is too short for all of them bounds them.
        let last_cluster = u32::try_from((clusters + 1).min(entries.min(0x0fff_fff7) - 1)).ok()?;
        let root = match width {
            Width::Fat32 => Root::Cluster(u32::try_from(fields.word(44)).ok()?),
            Width::Fat16 => Root::Sectors {
                first: extent.first + (reserved + tables * table) * scale,
                bytes: u32::try_from(roots * 32).ok()?,
            },
        };
        if matches!(root, Root::Cluster(first) if !(2..=last_cluster).contains(&first)) {
            return None;
        }
        let extended = if width == Width::Fat32 { 64 } else { 36 };
        Some(Some(Self {
            width,
            table: extent.first + (reserved + active_table(fields, width, tables) * table) * scale,
            data: extent.first + data * scale,
            cluster_sectors: u32::try_from(cluster * scale).ok()?,
            last_cluster,
            root,
            serial: u32::try_from(fields.word(extended + 3)).ok()?,
            label: *fields.0.get(extended + 7..)?.first_chunk()?,
        }))
    }

    /// Bytes of a cluster.
    pub fn cluster_bytes(&self) -> u32 {
        self.cluster_sectors * SECTOR as u32
    }

    /// First sector of a cluster, which must be one of the volume's.
    pub fn sector_of(&self, cluster: u32) -> u64 {
        self.data + u64::from(cluster.saturating_sub(2)) * u64::from(self.cluster_sectors)
    }

    /// Whether the volume has this cluster.
    pub fn has(&self, cluster: u32) -> bool {
        (2..=self.last_cluster).contains(&cluster)
    }
}

/// FAT32 may say that only one table is kept up to date.
fn active_table(fields: &Fields<'_>, width: Width, tables: u64) -> u64 {
    let flags = fields.half(40);
    match width {
        Width::Fat32 if flags & 0x80 != 0 && flags & 15 < tables => flags & 15,
        _ => 0,
    }
}
