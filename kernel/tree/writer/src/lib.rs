//! A writer of small device trees, for what a bus finds and for tests. It writes what it is told, also what is wrong.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

/// A tree in the making. Begins within the root node.
#[derive(Clone, Debug)]
pub struct Builder {
    structs: Vec<u8>,
    strings: Vec<u8>,
    reservations: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// A tree whose root is open and has neither properties nor children.
    pub fn new() -> Self {
        let mut builder = Self { structs: Vec::new(), strings: Vec::new(), reservations: Vec::new() };
        builder.begin("");
        builder
    }

    /// Begins a node within the open one.
    pub fn begin(&mut self, name: &str) -> &mut Self {
        self.token(1);
        self.structs.extend_from_slice(name.as_bytes());
        self.structs.push(0);
        self.pad()
    }

    /// Ends the open node; [`Builder::finish`] ends the root.
    pub fn end(&mut self) -> &mut Self {
        self.token(2)
    }

    /// Writes any token, such as 4 (NOP).
    pub fn token(&mut self, token: u32) -> &mut Self {
        self.structs.extend_from_slice(&token.to_be_bytes());
        self
    }

    /// A property of bytes.
    pub fn bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let at = self.string(name);
        self.token(3).token(value.len() as u32).token(at);
        self.structs.extend_from_slice(value);
        self.pad()
    }

    /// A property of cells.
    pub fn cells(&mut self, name: &str, cells: &[u32]) -> &mut Self {
        let value: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &value)
    }

    /// A property of texts.
    pub fn texts(&mut self, name: &str, texts: &[&str]) -> &mut Self {
        let value: Vec<u8> = texts.iter().flat_map(|text| text.bytes().chain([0])).collect();
        self.bytes(name, &value)
    }

    /// A property without a value.
    pub fn flag(&mut self, name: &str) -> &mut Self {
        self.bytes(name, &[])
    }

    /// A `/memreserve/` entry.
    pub fn reserve(&mut self, base: u64, size: u64) -> &mut Self {
        self.reservations.extend_from_slice(&base.to_be_bytes());
        self.reservations.extend_from_slice(&size.to_be_bytes());
        self
    }

    /// Ends the root and gives the whole tree.
    pub fn finish(&self) -> Vec<u8> {
        let mut body = self.clone();
        body.end().token(9).reserve(0, 0);
        let structs_at = 40 + body.reservations.len();
        let strings_at = structs_at + body.structs.len();
        let total = strings_at + body.strings.len();
        let header =
            [0xd00d_feed, total, structs_at, strings_at, 40, 17, 16, 0, body.strings.len(), body.structs.len()];
        let mut tree: Vec<u8> = header.iter().flat_map(|&word| (word as u32).to_be_bytes()).collect();
        tree.extend_from_slice(&body.reservations);
        tree.extend_from_slice(&body.structs);
        tree.extend_from_slice(&body.strings);
        tree
    }

    fn string(&mut self, name: &str) -> u32 {
        let ended: Vec<u8> = name.bytes().chain([0]).collect();
        let found = self.strings.windows(ended.len()).position(|window| window == ended);
        found.unwrap_or_else(|| {
            self.strings.extend_from_slice(&ended);
            self.strings.len() - ended.len()
        }) as u32
    }

    fn pad(&mut self) -> &mut Self {
        self.structs.resize(self.structs.len().next_multiple_of(4), 0);
        self
    }
}
