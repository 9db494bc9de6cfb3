//! The structure block as a stream of tokens, every read checked.

use crate::Fault;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// One token. NOPs are never seen: boot loaders leave them where they take something out.
#[derive(Clone, Copy)]
pub(crate) enum Token<'a> {
    /// A node begins: the bytes of its name.
    Begin(&'a [u8]),
    /// A node ends.
    End,
    /// A property of the node that began last.
    Property(RawProperty<'a>),
    /// The tree ends.
    Finish,
}

/// A property whose name is still an offset in the strings block.
#[derive(Clone, Copy)]
pub(crate) struct RawProperty<'a> {
    pub name: u32,
    pub value: &'a [u8],
}

/// A place in the structure block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens<'a> {
    /// Length of the whole block.
    length: usize,
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub fn new(structs: &'a [u8], at: usize) -> Self {
        Self { length: structs.len(), rest: structs.get(at..).unwrap_or(&[]) }
    }

    /// Offset of the next token in the structure block.
    pub fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Reads one token and goes behind it. On an error the place stays before it.
    #[inline]
    pub fn next(&mut self) -> Result<Token<'a>, Fault> {
        loop {
            let (tag, behind) = self.rest.split_first_chunk().ok_or(Fault::Truncated)?;
            let (token, rest) = match u32::from_be_bytes(*tag) {
                PROPERTY => property(behind)?,
                END_NODE => (Token::End, behind),
                BEGIN_NODE => begin(behind)?,
                END => (Token::Finish, behind),
                NOP => {
                    self.rest = behind;
                    continue;
                }
                other => return Err(Fault::Token(other)),
            };
            self.rest = rest;
            return Ok(token);
        }
    }

    /// The property that comes next, or nothing when the node has no more.
    #[inline]
    pub fn next_property(&mut self) -> Option<RawProperty<'a>> {
        let before = self.rest;
        match self.next() {
            Ok(Token::Property(property)) => Some(property),
            _ => {
                self.rest = before;
                None
            }
        }
    }

    /// Goes behind the end of a node whose beginning was just read.
    pub fn skip_node(&mut self) -> Result<(), Fault> {
        let mut open = 1usize;
        while open > 0 {
            match self.next()? {
                Token::Begin(_) => open += 1,
                Token::End => open -= 1,
                Token::Property(_) => {}
                Token::Finish => return Err(Fault::Truncated),
            }
        }
        Ok(())
    }
}

/// A token and what is behind it.
type Read<'a> = Result<(Token<'a>, &'a [u8]), Fault>;

#[inline]
fn begin(behind: &[u8]) -> Read<'_> {
    let length = behind.iter().position(|&byte| byte == 0).ok_or(Fault::Name)?;
    let (name, rest) = padded(behind, length, length + 1)?;
    Ok((Token::Begin(name), rest))
}

#[inline]
fn property(behind: &[u8]) -> Read<'_> {
    let (&[a, b, c, d, e, f, g, h], behind) = behind.split_first_chunk().ok_or(Fault::Truncated)?;
    let (length, name) = (u32::from_be_bytes([a, b, c, d]) as usize, u32::from_be_bytes([e, f, g, h]));
    let (value, rest) = padded(behind, length, length)?;
    Ok((Token::Property(RawProperty { name, value }), rest))
}

/// Splits `length` bytes off and passes over `taken` bytes, rounded up to whole words.
#[inline]
fn padded(bytes: &[u8], length: usize, taken: usize) -> Result<(&[u8], &[u8]), Fault> {
    let value = bytes.get(..length).ok_or(Fault::Truncated)?;
    let rest = bytes.get(taken.next_multiple_of(4)..).ok_or(Fault::Truncated)?;
    Ok((value, rest))
}

/// The name at `offset` of the strings block, which is known to end with a zero.
#[inline]
pub(crate) fn name(strings: &str, offset: u32) -> &[u8] {
    let rest = strings.as_bytes().get(offset as usize..).unwrap_or(&[]);
    let length = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
    rest.get(..length).unwrap_or(&[])
}

/// The same as text. The block is ASCII, so that any part of it is.
pub(crate) fn name_text(strings: &str, offset: u32) -> &str {
    let start = offset as usize;
    strings.get(start..start.saturating_add(name(strings, offset).len())).unwrap_or("")
}
