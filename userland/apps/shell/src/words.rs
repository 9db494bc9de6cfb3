//! A line as words: `"…"` and `\ ` keep spaces inside a word.

use alloc::string::String;
use alloc::vec::Vec;

/// A quote or a backslash without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished(pub char);

impl core::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            '"' => f.write_str("a \" is not closed"),
            _ => f.write_str("a \\ at the end of the line"),
        }
    }
}

/// The words of a line. Inside quotes a backslash keeps a quote or a backslash.
///
/// # Errors
/// [`Unfinished`].
pub fn split(line: &str) -> Result<Vec<String>, Unfinished> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().push(characters.next().ok_or(Unfinished('\\'))?),
            ' ' | '\t' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    if quoted {
        return Err(Unfinished('"'));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes() {
        let check = |line, words: &[&str]| assert_eq!(split(line).unwrap(), words, "{line}");
        check("", &[]);
        check("  ls   /a\t/b ", &["ls", "/a", "/b"]);
        check(r#"cat "My File.txt" ä\ ö"#, &["cat", "My File.txt", "ä ö"]);
        check(r#"a"b c"d "" "\"" \\"#, &["ab cd", "", "\"", "\\"]);
        assert_eq!(split("cat \"x"), Err(Unfinished('"')));
        assert_eq!(split("cat x\\"), Err(Unfinished('\\')));
    }
}
