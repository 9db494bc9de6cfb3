//! What a linker says of a program's code: the note `.note.gnu.property` (System V ABI for AArch64, "Program property").

use crate::Protections;

/// The type of the note, and of the property in it that all code fulfils.
const NOTE: u32 = 5;
const AARCH64_ALL: u32 = 0xc000_0000;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// [`Protections::BTI`]: all code has landing pads. [`Protections::AUTH`]: all of it signs return addresses. Nothing, where the
/// note is missing or makes no sense.
pub fn properties(note: &[u8]) -> Protections {
    let all = read(note).unwrap_or(0);
    let mut has = Protections::empty();
    has.set(Protections::BTI, all & 1 != 0);
    has.set(Protections::AUTH, all & 2 != 0);
    has
}

fn read(note: &[u8]) -> Option<u32> {
    let (name, kind) = (word(note, 0)?, word(note, 8)?);
    if (name, kind) != (4, NOTE) || note.get(12..16)? != b"GNU\0" {
        return None;
    }
    let end = 16 + word(note, 4)? as usize;
    let mut at = 16;
    while at < end {
        let bytes = word(note, at + 4)? as usize;
        if word(note, at)? == AARCH64_ALL && bytes == 4 {
            return word(note, at + 8);
        }
        at = at.checked_add(8)?.checked_add(bytes.checked_next_multiple_of(8)?)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    const GNU: u32 = 0x55_4e47;

    #[test]
    fn a_linkers_note_is_read() {
        let both = note(&[4, 16, 5, GNU, AARCH64_ALL, 4, 3, 0]);
        assert_eq!(properties(&both), Protections::BTI | Protections::AUTH);
        let behind_another = note(&[4, 32, 5, GNU, 0xc000_0001, 4, 3, 0, AARCH64_ALL, 4, 1, 0]);
        assert_eq!(properties(&behind_another), Protections::BTI);
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        let whole = note(&[4, 16, 5, GNU, AARCH64_ALL, 4, 3, 0]);
        for end in 0..28 {
            assert_eq!(properties(&whole[..end]), Protections::empty());
        }
        assert_eq!(properties(&note(&[4, 16, 3, GNU, AARCH64_ALL, 4, 3, 0])), Protections::empty());
        assert_eq!(properties(&note(&[4, u32::MAX, 5, GNU, 0, u32::MAX, 3, 0])), Protections::empty());
        assert_eq!(properties(&note(&[4, 64, 5, GNU, 0, 0, 0, 0])), Protections::empty());
    }
}
