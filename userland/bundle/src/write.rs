//! The writer: what the build tool makes of programs and manifests.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use abi::{INIT_IMAGE_MAGIC, Perms, layout::PAGE};

use crate::format::{FORMAT_MAJOR, FORMAT_MINOR, MAGIC, MAX_SEGMENTS, NAME_BYTES, header, record, tag};
use crate::manifest::{Restart, is_text};
use crate::reader::header_crc;
use crate::{Bundle, MAX_ADDRESS, MIN_ADDRESS};

/// Bytes of a page as an index.
const PAGE_BYTES: usize = PAGE as usize;

/// A segment of a program.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its first address, a multiple of the page size.
    pub address: u64,
    /// Its bytes; zeros follow up to `pages`.
    pub bytes: Vec<u8>,
    /// Pages in memory.
    pub pages: u32,
    /// Its permissions.
    pub perms: Perms,
}

/// A program as load records.
#[derive(Clone, Debug)]
pub struct Program {
    /// Address of the first instruction.
    pub entry: u64,
    /// At most [`MAX_SEGMENTS`], by address.
    pub segments: Vec<Segment>,
}

/// A device that a component drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// A string of the device tree's `compatible`.
    pub compatible: String,
    /// Only where the device says so.
    pub id: Option<u32>,
}

/// What a component says about itself. See [`crate::Manifest`] for units.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Protocols it serves.
    pub provides: Vec<String>,
    /// Protocols it calls.
    pub uses: Vec<String>,
    /// Devices it drives.
    pub drives: Vec<Drive>,
    /// Bytes of untyped memory.
    pub memory: u64,
    /// Bytes of stack.
    pub stack: u64,
    /// Capability slots.
    pub table: u32,
    /// Priority.
    pub priority: u8,
    /// What happens when it dies.
    pub restart: Restart,
    /// Microseconds that it may run in any window of so many microseconds.
    pub budget: Option<(u32, u32)>,
    /// Whether its device is a bus master.
    pub dma: bool,
    /// Whether its threads may use floating point and vector registers.
    pub fpu: bool,
    /// What of other devices its device cannot do without.
    pub needs: Vec<String>,
    /// Authority it asks for.
    pub requests: Vec<String>,
}

/// A component of a bundle.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its program.
    pub program: Program,
    /// What it says about itself.
    pub manifest: Manifest,
    /// What the board gives it.
    pub grants: Vec<String>,
    /// The core on which the board lets it run.
    pub core: u8,
}

/// What cannot be written, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError(pub String);

impl std::fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for WriteError {}

/// Makes a bundle. What comes out has been read back: every limit that the reader checks holds.
///
/// # Errors
/// [`WriteError`] names the component and what is wrong with it.
pub fn bundle(components: &[Component]) -> Result<Vec<u8>, WriteError> {
    let table_end = header::BYTES + components.len() * record::BYTES;
    let mut file = vec_of_zeros(table_end);
    let parts: Vec<Parts> = components.iter().map(|component| append_manifest(&mut file, component)).collect();
    for ((index, component), parts) in components.iter().enumerate().zip(parts) {
        let record = append_segments(&mut file, component, parts)
            .map_err(|error| WriteError(format!("{}: {error}", component.name)))?;
        file[header::BYTES + index * record::BYTES..][..record::BYTES].copy_from_slice(&record);
    }
    pad_to_page(&mut file);
    write_header(&mut file, components.len(), table_end);
    read_back(&file)?;
    Ok(file)
}

/// Makes what is appended to the kernel: the header of init in a page of its own, then its segments.
///
/// # Errors
/// [`WriteError`] says what is wrong with the program.
pub fn init_image(program: &Program) -> Result<Vec<u8>, WriteError> {
    check_program(program)?;
    let mut file = vec_of_zeros(PAGE_BYTES);
    file[..8].copy_from_slice(&INIT_IMAGE_MAGIC);
    file[16..24].copy_from_slice(&program.entry.to_le_bytes());
    file[24..32].copy_from_slice(&(program.segments.len() as u64).to_le_bytes());
    for (index, segment) in program.segments.iter().enumerate() {
        let record = append_segment(&mut file, segment);
        file[32 + index * record::SEGMENT_BYTES..][..record::SEGMENT_BYTES].copy_from_slice(&record);
    }
    let bytes = file.len() as u64;
    file[8..16].copy_from_slice(&bytes.to_le_bytes());
    Ok(file)
}

/// Offsets and sizes of manifest and grants.
struct Parts {
    manifest: (u32, u32),
    grants: (u32, u32),
}

fn append_manifest(file: &mut Vec<u8>, component: &Component) -> Parts {
    let mut append = |bytes: Vec<u8>| {
        let offset = file.len() as u32;
        file.extend_from_slice(&bytes);
        (offset, bytes.len() as u32)
    };
    let manifest = append(encode_manifest(&component.manifest));
    let grants = append(encode_grants(&component.grants, component.core));
    Parts { manifest, grants }
}

fn encode_manifest(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = Vec::new();
    manifest.provides.iter().for_each(|name| item(&mut bytes, tag::PROVIDES, name.as_bytes()));
    manifest.uses.iter().for_each(|name| item(&mut bytes, tag::USES, name.as_bytes()));
    manifest.needs.iter().for_each(|need| item(&mut bytes, tag::NEEDS, need.as_bytes()));
    for drive in &manifest.drives {
        let mut value = u32::from(drive.id.is_some()).to_le_bytes().to_vec();
        value.extend_from_slice(&drive.id.unwrap_or(0).to_le_bytes());
        value.extend_from_slice(drive.compatible.as_bytes());
        item(&mut bytes, tag::DRIVES, &value);
    }
    item(&mut bytes, tag::MEMORY, &manifest.memory.to_le_bytes());
    item(&mut bytes, tag::STACK, &manifest.stack.to_le_bytes());
    item(&mut bytes, tag::TABLE, &manifest.table.to_le_bytes());
    item(&mut bytes, tag::PRIORITY, &[manifest.priority]);
    item(&mut bytes, tag::RESTART, &[manifest.restart as u8]);
    if let Some((budget, period)) = manifest.budget {
        item(&mut bytes, tag::BUDGET, &(u64::from(budget) | u64::from(period) << 32).to_le_bytes());
    }
    if manifest.dma {
        item(&mut bytes, tag::DMA, &[1]);
    }
    if manifest.fpu {
        item(&mut bytes, tag::FPU, &[1]);
    }
    manifest.requests.iter().for_each(|name| item(&mut bytes, tag::REQUEST, name.as_bytes()));
    bytes
}

fn encode_grants(grants: &[String], core: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    grants.iter().for_each(|name| item(&mut bytes, tag::GRANT, name.as_bytes()));
    if core != 0 {
        item(&mut bytes, tag::CORE, &[core]);
    }
    bytes
}

/// A value longer than a `u16` says is cut; the reader then refuses the text, so the writer does too.
fn item(bytes: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let value = &value[..value.len().min(u16::MAX.into())];
    bytes.extend_from_slice(&tag.to_le_bytes());
    bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
    bytes.extend_from_slice(value);
}

/// Appends the program and makes the record.
fn append_segments(file: &mut Vec<u8>, component: &Component, parts: Parts) -> Result<[u8; record::BYTES], WriteError> {
    let name = component.name.as_bytes();
    if !is_text(&component.name) || name.len() > NAME_BYTES {
        return Err(WriteError(format!("a name is 1 to {NAME_BYTES} visible ASCII characters")));
    }
    check_program(&component.program)?;
    let mut record = [0; record::BYTES];
    record[..name.len()].copy_from_slice(name);
    put64(&mut record, record::ENTRY, component.program.entry);
    put32(&mut record, record::MANIFEST, parts.manifest.0);
    put32(&mut record, record::MANIFEST_BYTES, parts.manifest.1);
    put32(&mut record, record::GRANTS, parts.grants.0);
    put32(&mut record, record::GRANTS_BYTES, parts.grants.1);
    put32(&mut record, record::SEGMENTS, component.program.segments.len() as u32);
    let mut hasher = crc32fast::Hasher::new();
    for (index, segment) in component.program.segments.iter().enumerate() {
        pad_to_page(file);
        let start = file.len();
        let segment = append_segment(file, segment);
        hasher.update(&file[start..]);
        record[record::SEGMENT + index * record::SEGMENT_BYTES..][..record::SEGMENT_BYTES].copy_from_slice(&segment);
    }
    for (offset, bytes) in [parts.manifest, parts.grants] {
        hasher.update(&file[offset as usize..][..bytes as usize]);
    }
    put32(&mut record, record::CRC, hasher.finalize());
    Ok(record)
}

/// Appends whole pages at the end of the file, which is a page boundary, and makes the load record.
fn append_segment(file: &mut Vec<u8>, segment: &Segment) -> [u8; record::SEGMENT_BYTES] {
    let offset = file.len();
    file.extend_from_slice(&segment.bytes);
    pad_to_page(file);
    let mut record = [0; record::SEGMENT_BYTES];
    put64(&mut record, 0, segment.address);
    put64(&mut record, 8, offset as u64);
    put32(&mut record, 16, ((file.len() - offset) / PAGE_BYTES) as u32);
    put32(&mut record, 20, segment.pages);
    put32(&mut record, 24, segment.perms.bits().into());
    record
}

fn check_program(program: &Program) -> Result<(), WriteError> {
    let count = program.segments.len();
    if count == 0 || count > MAX_SEGMENTS {
        return Err(WriteError(format!("{count} segments, 1 to {MAX_SEGMENTS} are possible")));
    }
    let mut free_from = MIN_ADDRESS;
    for segment in &program.segments {
        let end = segment.address.saturating_add(u64::from(segment.pages) * PAGE);
        if segment.address < free_from || end > MAX_ADDRESS || !segment.address.is_multiple_of(PAGE) {
            return Err(WriteError(format!(
                "segment {:#x}..{end:#x} overlaps another, is not page-aligned, or lies outside \
                 {MIN_ADDRESS:#x}..{MAX_ADDRESS:#x}",
                segment.address
            )));
        }
        if segment.bytes.len() as u64 > u64::from(segment.pages) * PAGE || segment.pages == 0 {
            return Err(WriteError(format!("segment {:#x} has more bytes than memory", segment.address)));
        }
        if segment.perms.contains(Perms::WRITE | Perms::EXECUTE) || !segment.perms.contains(Perms::READ) {
            return Err(WriteError(format!("segment {:#x} has permissions {:?}", segment.address, segment.perms)));
        }
        free_from = end;
    }
    Ok(())
}

fn write_header(file: &mut [u8], count: usize, table_end: usize) {
    file[..8].copy_from_slice(&MAGIC);
    file[header::MAJOR..][..2].copy_from_slice(&FORMAT_MAJOR.to_le_bytes());
    file[header::MINOR..][..2].copy_from_slice(&FORMAT_MINOR.to_le_bytes());
    put32(file, header::COUNT, count as u32);
    let total = file.len() as u64;
    put64(file, header::TOTAL, total);
    put32(file, header::TABLE, header::BYTES as u32);
    put32(file, header::STRIDE, record::BYTES as u32);
    let crc = header_crc(&file[..header::CRC], &file[header::BYTES..table_end]);
    put32(file, header::CRC, crc);
}

fn read_back(file: &[u8]) -> Result<(), WriteError> {
    let refuse = |error: crate::BundleError| WriteError(error.to_string());
    for component in Bundle::parse(file).map_err(refuse)?.components() {
        component.map_err(refuse)?.verify().map_err(refuse)?;
    }
    Ok(())
}

fn vec_of_zeros(bytes: usize) -> Vec<u8> {
    std::vec![0; bytes]
}

fn pad_to_page(file: &mut Vec<u8>) {
    file.resize(file.len().next_multiple_of(PAGE_BYTES), 0);
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
