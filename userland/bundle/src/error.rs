//! What is wrong with a bundle, in words that name the component and the field.

use core::fmt;

use crate::format::NAME_BYTES;

/// A component's name as far as it could be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; NAME_BYTES],
}

impl Name {
    pub(crate) fn new(bytes: [u8; NAME_BYTES]) -> Self {
        Self { bytes }
    }

    /// The text; `?` when it is not UTF-8.
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
        core::str::from_utf8(&self.bytes[..end]).unwrap_or("?")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

/// Why a bundle, or one component of it, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// Fewer bytes than a header has.
    TooShort {
        /// Bytes there are.
        bytes: usize,
    },
    /// It does not begin with [`crate::MAGIC`].
    NotABundle,
    /// Another major version.
    Version {
        /// The file's major version.
        major: u16,
        /// The file's minor version.
        minor: u16,
    },
    /// The file says it is larger than what was handed over.
    Truncated {
        /// Bytes that the header states.
        stated: u64,
        /// Bytes there are.
        bytes: usize,
    },
    /// The table of components does not lie inside the file.
    Table,
    /// Header or table were changed.
    HeaderCrc {
        /// In the header.
        stated: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// One component is unusable; the others may be fine.
    Component {
        /// Its number, counted from 1.
        number: u32,
        /// Its name.
        name: Name,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It does not lie inside the file.
    OutsideFile,
    /// It is not a multiple of the page size.
    Unaligned,
    /// Empty, too long, or of other characters than visible ASCII.
    Text,
    /// Not in the range of a program's addresses.
    Address(u64),
    /// It lies over another segment.
    Overlap(u64),
    /// Writable and executable together, or an unknown permission.
    Permissions(u32),
    /// Out of range.
    Value(u64),
    /// A tag ends behind the manifest, or its value has another size.
    Malformed(u16),
    /// A tag that must be understood and is not.
    UnknownTag(u16),
    /// A tag that may stand once stands twice.
    Repeated(u16),
    /// No executable segment holds it.
    NotExecutable(u64),
    /// The bytes were changed.
    Crc {
        /// In the table.
        stated: u32,
        /// Of the bytes.
        computed: u32,
    },
}

impl fmt::Display for BundleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { bytes } => write!(formatter, "bundle: {bytes} bytes are too few for a header"),
            Self::NotABundle => write!(formatter, "bundle: no bundle (wrong magic)"),
            Self::Version { major, minor } => {
                write!(formatter, "bundle: format {major}.{minor} is not {}.x", crate::FORMAT_MAJOR)
            }
            Self::Truncated { stated, bytes } => {
                write!(formatter, "bundle: truncated, {bytes} of {stated} bytes")
            }
            Self::Table => write!(formatter, "bundle: the component table lies outside the file"),
            Self::HeaderCrc { stated, computed } => {
                write!(formatter, "bundle: header CRC is {computed:08x}, {stated:08x} is stated")
            }
            Self::Component { number, name, field, problem } => {
                write!(formatter, "bundle: component {number} ({}): {field}: {problem}", name.as_str())
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideFile => write!(formatter, "lies outside the file"),
            Self::Unaligned => write!(formatter, "is not a multiple of the page size"),
            Self::Text => write!(formatter, "is empty, too long or not visible ASCII"),
            Self::Address(address) => write!(formatter, "address {address:#x} is out of range"),
            Self::Overlap(address) => write!(formatter, "overlaps another segment at {address:#x}"),
            Self::Permissions(bits) => write!(formatter, "permissions {bits:#x} are not allowed"),
            Self::Value(value) => write!(formatter, "{value} is out of range"),
            Self::Malformed(tag) => write!(formatter, "tag {tag:#06x} is malformed"),
            Self::UnknownTag(tag) => write!(formatter, "tag {tag:#06x} is critical and unknown"),
            Self::Repeated(tag) => write!(formatter, "tag {tag:#06x} stands twice"),
            Self::NotExecutable(address) => write!(formatter, "{address:#x} is in no executable segment"),
            Self::Crc { stated, computed } => write!(formatter, "is {computed:08x}, {stated:08x} is stated"),
        }
    }
}

impl core::error::Error for BundleError {}
