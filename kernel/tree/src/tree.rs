//! A tree that was checked, and the ways into it.

use fdt::Fdt;
use fdt::node::NodeProperty;

use crate::error::Label;
use crate::header::{self, Header};
use crate::token::{self, RawProperty, Token, Tokens};
use crate::{Devices, Fault, MAX_DEPTH, Range, Strings, TreeError, Walk, strings, validate};

/// A device tree whose structure is known to be sound.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    fdt: Fdt<'a>,
    structs: &'a [u8],
    strings: &'a str,
    /// Offset of the structure block in the tree.
    base: usize,
}

impl<'a> Tree<'a> {
    /// The length in bytes of the tree that begins with `header` (its first [`crate::HEADER_BYTES`] bytes).
    ///
    /// # Errors
    /// When these are too few bytes, no tree, or one larger than [`crate::MAX_TREE_BYTES`].
    pub fn total_size(header: &[u8]) -> Result<usize, TreeError> {
        header::total_size(header)
    }

    /// Checks the tree that begins with the first of `bytes`. Padding behind its blocks is not looked at.
    ///
    /// # Errors
    /// When the tree is truncated or not well-formed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TreeError> {
        let header = Header::parse(bytes)?;
        // Both are in bounds already; the crate's own checks are a second opinion.
        let fdt = Fdt::new(bytes).map_err(|_| TreeError::outside(0, Fault::Magic(0)))?;
        let structs = bytes.get(header.structs.clone()).unwrap_or(&[]);
        let block = bytes.get(header.strings.clone()).unwrap_or(&[]);
        let strings = validate::strings(block)
            .map_err(|(at, fault)| TreeError::outside(header.strings.start.saturating_add(at), fault))?;
        let tree = Self { fdt, structs, strings, base: header.structs.start };
        validate::structure(structs, strings).map_err(|(at, property, fault)| tree.error(at, property, fault))?;
        Ok(tree)
    }

    /// Length of the tree in bytes, padding included.
    pub fn size(&self) -> usize {
        self.fdt.total_size()
    }

    /// Every node, from the root on, parents before children.
    pub fn walk(&self) -> Walk<'a> {
        Walk::new(*self)
    }

    /// Every enabled node that says what it is compatible with.
    pub fn devices(&self) -> Devices<'a> {
        Devices::new(*self)
    }

    /// The board's name for people: `model` of the root.
    pub fn model(&self) -> Option<&'a str> {
        self.walk().next().and_then(|root| root.property("model")).and_then(strings::text)
    }

    /// The board's names for programs: `compatible` of the root, the most specific first.
    pub fn compatible(&self) -> Strings<'a> {
        self.walk().next().map_or(Strings::default(), |root| root.compatible())
    }

    /// The label of the node at this path, where the tree keeps labels (`/__symbols__`).
    pub fn label(&self, path: &str) -> Option<&'a str> {
        let mut walk = self.walk();
        let symbols = walk.find("/__symbols__")?;
        symbols.properties().find(|label| strings::text(label.value) == Some(path)).map(|label| label.name)
    }

    /// The `/memreserve/` entries that are not empty.
    pub(crate) fn reservations(&self) -> impl Iterator<Item = Result<Range, TreeError>> {
        let entries = self.fdt.memory_reservations().map(|entry| (entry.address() as u64, entry.size() as u64));
        entries.filter(|&(_, size)| size > 0).map(|(base, size)| {
            Range::new(base, size).ok_or_else(|| TreeError {
                property: Label::of("/memreserve/"),
                ..TreeError::outside(0, Fault::Overflow { base, size })
            })
        })
    }

    pub(crate) fn tokens(&self, at: usize) -> Tokens<'a> {
        Tokens::new(self.structs, at)
    }

    /// A property in the form that the crate `fdt` gives it: its `as_usize` takes one cell or two.
    pub(crate) fn named(&self, raw: RawProperty<'a>) -> NodeProperty<'a> {
        NodeProperty { name: token::name_text(self.strings, raw.name), value: raw.value }
    }

    /// The name of a property, for comparison.
    #[inline]
    pub(crate) fn name(&self, raw: RawProperty<'a>) -> &'a [u8] {
        token::name(self.strings, raw.name)
    }

    /// The error for a fault in the node around, or beginning at, offset `at` of the structure block.
    #[cold]
    pub(crate) fn error(&self, at: usize, property: &str, fault: Fault) -> TreeError {
        let offset = self.base.saturating_add(at) as u32;
        TreeError { node: self.path_at(at), property: Label::of(property), offset, fault }
    }

    /// Walks again up to `at`: only an error needs this, so nothing is kept for it.
    fn path_at<const N: usize>(&self, at: usize) -> Label<N> {
        let mut open: [&[u8]; MAX_DEPTH + 1] = [&[]; MAX_DEPTH + 1];
        let mut depth = 0usize;
        let mut tokens = self.tokens(0);
        while tokens.at() <= at {
            match tokens.next() {
                Ok(Token::Begin(name)) => {
                    if let Some(slot) = open.get_mut(depth) {
                        *slot = name;
                    }
                    depth += 1;
                }
                Ok(Token::End) => depth = depth.saturating_sub(1),
                Ok(Token::Property(_)) => {}
                Ok(Token::Finish) | Err(_) => break,
            }
        }
        let mut path = Label::EMPTY;
        if depth == 1 {
            path.push("/");
        }
        for name in open.iter().take(depth).skip(1) {
            path.push("/");
            name.utf8_chunks().for_each(|chunk| {
                path.push(chunk.valid());
                path.push(if chunk.invalid().is_empty() { "" } else { "?" });
            });
        }
        path
    }
}
