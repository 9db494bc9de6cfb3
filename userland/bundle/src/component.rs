//! One component: its program and its manifest.

use abi::{InitSegment, Perms, layout::PAGE};

use crate::bytes::{array, slice, u32_at, u64_at};
use crate::error::{BundleError, Name, Problem};
use crate::format::{MAX_SEGMENTS, NAME_BYTES, record};
use crate::manifest::{Manifest, is_text};

/// The first address a program may use: page 0 stays unmapped.
pub const MIN_ADDRESS: u64 = PAGE;
/// Programs lie below this; stack, heap and mappings lie above.
pub const MAX_ADDRESS: u64 = 0x4000_0000;

/// A component whose record, load records and manifest have been checked. Its bytes have not: see
/// [`Component::verify`].
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// Its number, counted from 1: what badges carry.
    pub number: u32,
    /// Its name.
    pub name: &'a str,
    /// Address of its first instruction, inside an executable segment.
    pub entry: u64,
    /// What it says about itself and what the board grants.
    pub manifest: Manifest<'a>,
    segments: [InitSegment; MAX_SEGMENTS],
    count: usize,
    bundle: &'a [u8],
    crc: u32,
}

impl<'a> Component<'a> {
    pub(crate) fn parse(bundle: &'a [u8], number: u32, record: &'a [u8]) -> Result<Self, BundleError> {
        let name = Name::new(array(record, record::NAME).unwrap_or([0; NAME_BYTES]));
        Self::read(bundle, number, record).map_err(|(field, problem)| BundleError::Component {
            number,
            name,
            field,
            problem,
        })
    }

    fn read(bundle: &'a [u8], number: u32, record: &'a [u8]) -> Result<Self, Fault> {
        let name = read_name(record).ok_or(("name", Problem::Text))?;
        let entry = field(u64_at(record, record::ENTRY), "entry")?;
        let crc = field(u32_at(record, record::CRC), "CRC")?;
        let count = field(u32_at(record, record::SEGMENTS), "segments")?;
        if count == 0 || count as usize > MAX_SEGMENTS {
            return Err(("segments", Problem::Value(count.into())));
        }
        let count = count as usize;
        let mut segments = [InitSegment::default(); MAX_SEGMENTS];
        for (index, segment) in segments.iter_mut().take(count).enumerate() {
            *segment = field(read_segment(record, index), "segment")?;
        }
        check_segments(bundle, &segments[..count])?;
        check_entry(entry, &segments[..count])?;
        let manifest = part(bundle, record, [record::MANIFEST, record::MANIFEST_BYTES], "manifest")?;
        let grants = part(bundle, record, [record::GRANTS, record::GRANTS_BYTES], "grants")?;
        let manifest = Manifest::parse(manifest, grants)?;
        Ok(Self { number, name, entry, manifest, segments, count, bundle, crc })
    }

    /// The load records, by address: page-aligned, apart from each other, inside the file, never writable and
    /// executable. Offsets count from the start of the bundle.
    pub fn segments(&self) -> &[InitSegment] {
        self.segments.get(..self.count).unwrap_or_default()
    }

    /// The bytes of a segment in the file: `file_pages` pages.
    pub fn bytes(&self, segment: &InitSegment) -> &'a [u8] {
        file_bytes(self.bundle, segment).unwrap_or_default()
    }

    /// Bytes that the program takes in memory.
    pub fn memory_bytes(&self) -> u64 {
        self.segments().iter().map(|segment| u64::from(segment.pages) * PAGE).sum()
    }

    /// Compares the CRC-32 of all its bytes, segments and manifest, with the one in the table.
    ///
    /// # Errors
    /// [`Problem::Crc`].
    pub fn verify(&self) -> Result<(), BundleError> {
        let mut hasher = crc32fast::Hasher::new();
        for segment in self.segments() {
            hasher.update(self.bytes(segment));
        }
        hasher.update(self.manifest.bytes());
        hasher.update(self.manifest.grant_bytes());
        let computed = hasher.finalize();
        if computed == self.crc {
            return Ok(());
        }
        let mut name = [0; NAME_BYTES];
        name.iter_mut().zip(self.name.as_bytes()).for_each(|(to, from)| *to = *from);
        let problem = Problem::Crc { stated: self.crc, computed };
        Err(BundleError::Component { number: self.number, name: Name::new(name), field: "CRC", problem })
    }
}

/// A field and what is wrong with it.
pub type Fault = (&'static str, Problem);

fn field<T>(value: Option<T>, name: &'static str) -> Result<T, Fault> {
    value.ok_or((name, Problem::OutsideFile))
}

fn read_name(record: &[u8]) -> Option<&str> {
    let bytes = record.get(record::NAME..record::NAME + NAME_BYTES)?;
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
    let (name, padding) = bytes.split_at(end);
    let name = core::str::from_utf8(name).ok()?;
    (is_text(name) && padding.iter().all(|&byte| byte == 0)).then_some(name)
}

fn read_segment(record: &[u8], index: usize) -> Option<InitSegment> {
    let bytes = record.get(record::SEGMENT + index * record::SEGMENT_BYTES..)?;
    Some(InitSegment {
        address: u64_at(bytes, 0)?,
        offset: u64_at(bytes, 8)?,
        file_pages: u32_at(bytes, 16)?,
        pages: u32_at(bytes, 20)?,
        flags: u32_at(bytes, 24)?,
        reserved: u32_at(bytes, 28)?,
    })
}

/// What lies where these two fields of the record, an offset and a size, say.
fn part<'a>(bundle: &'a [u8], record: &[u8], at: [usize; 2], name: &'static str) -> Result<&'a [u8], Fault> {
    let offset = field(u32_at(record, at[0]), name)?;
    let count = field(u32_at(record, at[1]), name)?;
    field(slice(bundle, offset.into(), count.into()), name)
}

fn file_bytes<'a>(bundle: &'a [u8], segment: &InitSegment) -> Option<&'a [u8]> {
    slice(bundle, segment.offset, u64::from(segment.file_pages) * PAGE)
}

fn check_segments(bundle: &[u8], segments: &[InitSegment]) -> Result<(), Fault> {
    let mut free_from = MIN_ADDRESS;
    for (index, segment) in segments.iter().enumerate() {
        check_segment(bundle, segment)?;
        if segment.address < free_from {
            let problem = if index == 0 { Problem::Address } else { Problem::Overlap };
            return Err(("segment address", problem(segment.address)));
        }
        free_from = segment.address + u64::from(segment.pages) * PAGE;
    }
    Ok(())
}

/// One segment for itself. Afterwards its end is a valid address and its bytes are in the file.
fn check_segment(bundle: &[u8], segment: &InitSegment) -> Result<(), Fault> {
    if !segment.address.is_multiple_of(PAGE) {
        return Err(("segment address", Problem::Unaligned));
    }
    if !segment.offset.is_multiple_of(PAGE) {
        return Err(("segment offset", Problem::Unaligned));
    }
    if segment.pages == 0 || segment.file_pages > segment.pages {
        return Err(("segment pages", Problem::Value(segment.file_pages.into())));
    }
    let end = segment.address.checked_add(u64::from(segment.pages) * PAGE);
    if end.is_none_or(|end| end > MAX_ADDRESS) {
        return Err(("segment address", Problem::Address(segment.address)));
    }
    if file_bytes(bundle, segment).is_none() {
        return Err(("segment offset", Problem::OutsideFile));
    }
    if perms(segment).is_none() {
        return Err(("segment permissions", Problem::Permissions(segment.flags)));
    }
    if segment.reserved != 0 {
        return Err(("segment reserved", Problem::Value(segment.reserved.into())));
    }
    Ok(())
}

/// The permissions of a segment if it may be loaded with them.
fn perms(segment: &InitSegment) -> Option<Perms> {
    let perms = Perms::from_bits(u8::try_from(segment.flags).ok()?)?;
    let guards_nothing = perms.contains(Perms::GUARDED) && !perms.contains(Perms::EXECUTE);
    let loadable = perms.contains(Perms::READ) && !perms.contains(Perms::WRITE | Perms::EXECUTE) && !guards_nothing;
    loadable.then_some(perms)
}

fn check_entry(entry: u64, segments: &[InitSegment]) -> Result<(), Fault> {
    let holds = |segment: &InitSegment| {
        perms(segment).is_some_and(|perms| perms.contains(Perms::EXECUTE))
            && entry >= segment.address
            && entry - segment.address < u64::from(segment.pages) * PAGE
    };
    if entry.is_multiple_of(4) && segments.iter().any(holds) {
        Ok(())
    } else {
        Err(("entry", Problem::NotExecutable(entry)))
    }
}
