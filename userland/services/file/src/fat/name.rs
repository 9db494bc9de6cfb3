//! Names: long ones, in pieces before the record they belong to, and short ones of 8 + 3 characters.

use ipc::file::Name;

/// Bytes of a directory record.
pub(super) const RECORD: usize = 32;

/// Characters in a piece of a long name.
const PIECE: usize = 13;
/// Most pieces.
const PIECES: usize = 20;
/// The bit in the number of the piece that comes first: it is the name's last.
const LAST: u8 = 0x40;

/// What the upper half of a short name's code page (437) stands for.
const CODE_PAGE: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Collects the pieces of a long name.
#[derive(Debug)]
pub(super) struct LongName {
    units: [u16; PIECE * PIECES],
    /// Characters of the pieces that were announced; 0: no name.
    len: usize,
    /// The number the next piece must have; 0: complete.
    next: u8,
    checksum: u8,
}

impl LongName {
    pub const fn new() -> Self {
        Self { units: [0; PIECE * PIECES], len: 0, next: 0, checksum: 0 }
    }

    /// Forgets what was collected.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds a piece; one that does not fit to those before ends the name.
    pub fn add(&mut self, record: &[u8; RECORD]) {
        let number = record[0] & !LAST;
        if record[0] & LAST != 0 && (1..=PIECES as u8).contains(&number) {
            (self.len, self.next, self.checksum) = (usize::from(number) * PIECE, number, record[13]);
        }
        if self.len == 0 || number == 0 || number != self.next || record[13] != self.checksum {
            return self.clear();
        }
        let start = usize::from(number - 1) * PIECE;
        let characters = record[1..11].chunks_exact(2).chain(record[14..26].chunks_exact(2));
        for (unit, bytes) in self.units[start..].iter_mut().zip(characters.chain(record[28..32].chunks_exact(2))) {
            *unit = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        self.next -= 1;
    }

    /// The name of the record with this short name: all pieces are there, belong to it, and the name is one that can
    /// stand in a path.
    pub fn finish(&self, short: &[u8; 11]) -> Option<Name> {
        if self.len == 0 || self.next != 0 || self.checksum != checksum(short) {
            return None;
        }
        let units = &self.units[..self.len];
        let end = units.iter().position(|&unit| unit == 0).unwrap_or(self.len);
        let mut text = Collect::new();
        for character in char::decode_utf16(units[..end].iter().copied()) {
            text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER))?;
        }
        text.name()
    }
}

/// The short name as people write it; `None` when it cannot stand in a path.
pub(super) fn short_name(record: &[u8; RECORD]) -> Option<Name> {
    let (base, extension) = record[..11].split_at(8);
    // Set by systems that store a lower-case name without a long one.
    let lower = record[12];
    let mut text = Collect::new();
    for (index, &byte) in trimmed(base).iter().enumerate() {
        // 0xe5 would mark the record as deleted.
        let byte = if index == 0 && byte == 5 { 0xe5 } else { byte };
        text.push(character(byte, lower & 8 != 0))?;
    }
    if !trimmed(extension).is_empty() {
        text.push('.')?;
    }
    for &byte in trimmed(extension) {
        text.push(character(byte, lower & 16 != 0))?;
    }
    text.name()
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    &bytes[..end]
}

fn character(byte: u8, lower: bool) -> char {
    let plain = match byte {
        0..128 => char::from(byte),
        _ => CODE_PAGE.chars().nth(usize::from(byte - 128)).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    if lower { plain.to_ascii_lowercase() } else { plain }
}

fn checksum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte))
}

/// Whether two names are the same, upper and lower case being equal.
pub(super) fn same(one: &str, other: &str) -> bool {
    let folded = |text| str::chars(text).flat_map(char::to_lowercase);
    one == other || folded(one).eq(folded(other))
}

/// Builds a name within its limits: at most 480 bytes, no control characters, no `/`.
struct Collect {
    bytes: [u8; ipc::file::MAX_NAME],
    len: usize,
}

impl Collect {
    const fn new() -> Self {
        Self { bytes: [0; ipc::file::MAX_NAME], len: 0 }
    }

    fn push(&mut self, character: char) -> Option<()> {
        if character.is_control() || character == '/' {
            return None;
        }
        let place = self.bytes.get_mut(self.len..self.len + character.len_utf8())?;
        self.len += character.encode_utf8(place).len();
        Some(())
    }

    fn name(&self) -> Option<Name> {
        let text = core::str::from_utf8(self.bytes.get(..self.len)?).ok()?;
        if text.is_empty() { None } else { Name::exact(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(short: &[u8; 11], lower: u8) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        record[..11].copy_from_slice(short);
        record[12] = lower;
        record
    }

    #[test]
    fn short_names() {
        let name = |short, lower| short_name(&record(short, lower)).map(|name| name.as_str().to_owned());
        assert_eq!(name(b"README  TXT", 0).as_deref(), Some("README.TXT"));
        assert_eq!(name(b"README  TXT", 24).as_deref(), Some("readme.txt"));
        assert_eq!(name(b"A B        ", 0).as_deref(), Some("A B"));
        assert_eq!(name(b"\x9aBUNG      ", 0).as_deref(), Some("ÜBUNG"));
        assert_eq!(name(b"A/B        ", 0), None);
        assert_eq!(name(b"           ", 0), None);
    }

    #[test]
    fn case_is_folded() {
        assert!(same("Übung.TXT", "übung.txt"));
        assert!(!same("a", "ab"));
        assert_eq!(CODE_PAGE.chars().count(), 128);
    }
}
