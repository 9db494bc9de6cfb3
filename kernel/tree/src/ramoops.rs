//! Memory that survives a warm reset, in which Linux finds what was printed before
//! (Documentation/devicetree/bindings/reserved-memory/ramoops.yaml).

use crate::{Fault, Node, Range, Tree, TreeError};

/// The region of a node `ramoops`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramoops {
    /// All of it.
    pub region: Range,
    /// The part in which Linux looks for the console's text, laid out as in its fs/pstore/ram.c, if the node gives it one.
    pub console: Option<Range>,
    /// Bytes of the codes by which Linux checks each part of it (`ecc-size`); 0: it does not.
    pub code: u32,
}

impl<'a> Tree<'a> {
    /// The first enabled one.
    ///
    /// # Errors
    /// It has no region, or its parts do not fit into that.
    pub fn ramoops(&self) -> Result<Option<Ramoops>, TreeError> {
        let mut walk = self.walk();
        while let Some(node) = walk.next() {
            if node.enabled() && node.is_compatible(&["ramoops"]) {
                return Ramoops::of(&node).map(Some);
            }
        }
        Ok(None)
    }
}

impl Ramoops {
    fn of(node: &Node<'_, '_>) -> Result<Self, TreeError> {
        let region = node.registers().next().ok_or_else(|| node.error("reg", Fault::Missing))??;
        let number = |name| Ok(node.number(name)?.unwrap_or(0));
        // Linux rounds them down, and puts them one behind the other: records, console, traces, messages of programs.
        let size = |name| Ok::<_, TreeError>(floor(number(name)?));
        let (console, traces, messages) = (size("console-size")?, size("ftrace-size")?, size("pmsg-size")?);
        let record = size("record-size")?;
        let code = number("ecc-size")?;
        let code = u32::try_from(code).map_err(|_| node.error("ecc-size", Fault::Value(code)))?;
        let behind = [console, traces, messages].iter().try_fold(0u64, |sum, part| sum.checked_add(*part));
        let room = behind.and_then(|behind| region.size.checked_sub(behind));
        let room = room.ok_or_else(|| node.error("console-size", Fault::Value(console)))?;
        // As many records as there is room for, and what is over goes to each of them.
        let records = match room.checked_div(record) {
            None => 0,
            Some(0) => return Err(node.error("record-size", Fault::Value(record))),
            Some(count) => room / count * count,
        };
        let console = Range::new(region.base + records, console).filter(|range| range.size > 0);
        Ok(Self { region, console, code })
    }
}

/// The largest power of two that is not above; 0 of 0.
const fn floor(number: u64) -> u64 {
    match number.checked_ilog2() {
        Some(bits) => 1 << bits,
        None => 0,
    }
}
