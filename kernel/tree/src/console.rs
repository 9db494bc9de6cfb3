//! The console that the boot loader chose.

use crate::{Fault, Node, Range, Strings, Tree, TreeError, Walk, strings};

/// The device of `/chosen/stdout-path`.
#[derive(Clone, Copy, Debug)]
pub struct Console<'a> {
    /// Name of its node.
    pub name: &'a str,
    /// What it is, the most specific name first.
    pub compatible: Strings<'a>,
    /// Its first registers, as CPU physical addresses.
    pub registers: Range,
    /// log2 of the bytes from one register to the next (`reg-shift`), 0 where that is not said.
    pub shift: u8,
    /// Bytes of a register (`reg-io-width`), where that is said.
    pub width: Option<u8>,
    /// What stands behind the colon of the path, such as `115200n8`.
    pub options: Option<&'a str>,
}

impl<'a> Tree<'a> {
    /// The console that the boot loader chose, with an alias resolved. `None` where it chose none: most phones.
    ///
    /// Apart from [`Tree::machine`], so that what is wrong there can be printed.
    ///
    /// # Errors
    /// When `stdout-path` is no text or leads to no node with registers, or those or how they lie are malformed.
    pub fn console(&self) -> Result<Option<Console<'a>>, TreeError> {
        let mut walk = self.walk();
        let Some((at, value, property)) = stdout(&mut walk) else { return Ok(None) };
        let fault = |fault| self.error(at, property, fault);
        let path = strings::text(value).ok_or_else(|| fault(Fault::Text))?;
        let (path, options) = path.split_once(':').map_or((path, None), |(path, options)| (path, Some(options)));
        let path = match path.starts_with('/') {
            true => path,
            false => alias(&mut walk, path).ok_or_else(|| fault(Fault::NoNode))?,
        };
        let node = walk.find(path).ok_or_else(|| fault(Fault::NoNode))?;
        let registers = node.registers().next().ok_or_else(|| node.error("reg", Fault::Missing))??;
        let shift = small(&node, "reg-shift", &[0, 1, 2, 3])?.unwrap_or(0);
        let width = small(&node, "reg-io-width", &[1, 2, 4, 8])?;
        Ok(Some(Console { name: node.name(), compatible: node.compatible(), registers, shift, width, options }))
    }
}

/// A number that is one of these.
fn small(node: &Node<'_, '_>, name: &'static str, allowed: &[u8]) -> Result<Option<u8>, TreeError> {
    let Some(value) = node.number(name)? else { return Ok(None) };
    let found = allowed.iter().copied().find(|&allowed| u64::from(allowed) == value);
    found.map(Some).ok_or_else(|| node.error(name, Fault::Value(value)))
}

/// The value of `stdout-path` or what it was called before, with its node and name.
fn stdout<'a>(walk: &mut Walk<'a>) -> Option<(usize, &'a [u8], &'static str)> {
    let chosen = walk.find("/chosen")?;
    let named = |name| chosen.property(name).map(|value| (chosen.offset(), value, name));
    named("stdout-path").or_else(|| named("linux,stdout-path"))
}

fn alias<'a>(walk: &mut Walk<'a>, name: &str) -> Option<&'a str> {
    walk.find("/aliases")?.property(name).and_then(strings::text)
}
