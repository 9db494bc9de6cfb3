//! The one pass over everything before anything is believed.

use crate::token::{self, RawProperty, Token, Tokens};
use crate::{Fault, MAX_DEPTH};

/// The strings block as text: every byte ends a name or may stand in one. What follows the last end is left out.
pub(crate) fn strings(block: &[u8]) -> Result<&str, (usize, Fault)> {
    let bad = block.iter().position(|&byte| byte != 0 && !byte.is_ascii_graphic());
    if let Some(at) = bad {
        return Err((at, Fault::NameByte(block.get(at).copied().unwrap_or(0))));
    }
    let length = block.iter().rposition(|&byte| byte == 0).map_or(0, |last| last + 1);
    block.get(..length).and_then(|names| core::str::from_utf8(names).ok()).ok_or((0, Fault::Name))
}

/// Checks the structure block: one root, nodes properly nested, properties before children, names and lengths in bounds.
/// An error carries the offset in the block and the property, where there is one.
pub(crate) fn structure<'a>(structs: &'a [u8], strings: &'a str) -> Result<(), (usize, &'a str, Fault)> {
    let mut tokens = Tokens::new(structs, 0);
    let mut depth = 0;
    let mut body = false; // whether properties may follow
    loop {
        let at = tokens.at();
        let token = tokens.next().map_err(|fault| (at, "", fault))?;
        match token {
            Token::Begin(name) => {
                begin(name, depth).map_err(|fault| (at, "", fault))?;
                depth += 1;
                body = true;
            }
            Token::Property(raw) => {
                if !body {
                    return Err((at, "", Fault::Token(3)));
                }
                property(raw, strings).map_err(|fault| (at, token::name_text(strings, raw.name), fault))?;
            }
            Token::End if depth > 1 => {
                depth -= 1;
                body = false;
            }
            Token::End if depth == 1 => return finish(tokens).map_err(|fault| (at, "", fault)),
            Token::End => return Err((at, "", Fault::Token(2))),
            Token::Finish => return Err((at, "", Fault::Token(9))),
        }
    }
}

fn begin(name: &[u8], depth: usize) -> Result<(), Fault> {
    if depth >= MAX_DEPTH {
        return Err(Fault::Depth);
    }
    let fine = match depth {
        0 => name.is_empty() || name == b"/",
        _ => !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'/'),
    };
    if fine { Ok(()) } else { Err(Fault::Name) }
}

/// Numbers that a walk needs on its way must be one cell, so that it need not stop for them.
fn property(raw: RawProperty<'_>, strings: &str) -> Result<(), Fault> {
    let first = strings.as_bytes().get(raw.name as usize).ok_or(Fault::NameOffset(raw.name))?;
    // The first letter sorts out most names before they are read.
    match first {
        0 => return Err(Fault::Name),
        b'#' | b'i' | b'l' | b'p' if raw.value.len() != 4 => {}
        _ => return Ok(()),
    }
    match token::name(strings, raw.name) {
        b"#address-cells" | b"#size-cells" | b"#interrupt-cells" | b"phandle" | b"linux,phandle"
        | b"interrupt-parent" => Err(Fault::Length { have: raw.value.len(), need: 4 }),
        _ => Ok(()),
    }
}

fn finish(mut tokens: Tokens<'_>) -> Result<(), Fault> {
    match tokens.next()? {
        Token::Finish => Ok(()),
        Token::Begin(_) => Err(Fault::Token(1)),
        Token::End => Err(Fault::Token(2)),
        Token::Property(_) => Err(Fault::Token(3)),
    }
}
