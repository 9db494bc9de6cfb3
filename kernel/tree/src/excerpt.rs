//! A node as a tree of its own: what a driver is given of its device's.

use crate::token::Token;
use crate::{HEADER_BYTES, Node};

/// Behind the header and an empty list of reservations.
const STRUCTS: usize = HEADER_BYTES + 16;

/// What an excerpt consists of.
enum Part<'a> {
    Begin(&'a [u8]),
    Property(&'a [u8], &'a [u8]),
    End,
}

impl<'a> Node<'_, 'a> {
    /// Writes a tree of which this node is the root, with the nodes in it. It says `dma-coherent` as well where a node around it
    /// says so for it, and the property `more`, if there is one. `None`: there is no room for it.
    pub fn excerpt<'o>(&self, more: Option<(&str, &[u8])>, room: &'o mut [u8]) -> Option<&'o [u8]> {
        let mut structs = 4usize;
        self.parts(more, |part| {
            structs += match part {
                Part::Begin(name) => 4 + (name.len() + 1).next_multiple_of(4),
                Part::Property(_, value) => 12 + value.len().next_multiple_of(4),
                Part::End => 4,
            };
            Some(())
        })?;
        let strings = STRUCTS + structs;
        let mut writer = Writer { room, at: STRUCTS, strings, end: strings };
        self.parts(more, |part| writer.part(&part))?;
        writer.words(&[9])?;
        let end = writer.end;
        writer.room.get_mut(HEADER_BYTES..STRUCTS)?.fill(0);
        writer.at = 0;
        writer.words(&[0xd00d_feed, end, STRUCTS, strings, HEADER_BYTES, 17, 16, 0, end - strings, structs])?;
        writer.room.get(..end)
    }

    /// Passes over what is in it; `None` as soon as `with` says so.
    fn parts(&self, more: Option<(&str, &[u8])>, mut with: impl FnMut(Part<'_>) -> Option<()>) -> Option<()> {
        let mut tokens = self.tree.tokens(self.offset());
        // A node was walked to: its beginning is there.
        tokens.next().ok()?;
        with(Part::Begin(&[]))?;
        if self.is_dma_coherent() && self.property("dma-coherent").is_none() {
            with(Part::Property(b"dma-coherent", &[]))?;
        }
        if let Some((name, value)) = more {
            with(Part::Property(name.as_bytes(), value))?;
        }
        let mut open = 1usize;
        while open > 0 {
            match tokens.next().ok()? {
                Token::Property(raw) => with(Part::Property(self.tree.name(raw), raw.value))?,
                Token::Begin(name) => {
                    open += 1;
                    with(Part::Begin(name))?;
                }
                Token::End => {
                    open -= 1;
                    with(Part::End)?;
                }
                Token::Finish => return None,
            }
        }
        Some(())
    }
}

/// Two blocks that grow: the structure, and the names of properties behind the place where it will end.
struct Writer<'o> {
    room: &'o mut [u8],
    at: usize,
    strings: usize,
    end: usize,
}

impl Writer<'_> {
    fn part(&mut self, part: &Part<'_>) -> Option<()> {
        match part {
            Part::Begin(name) => {
                self.words(&[1])?;
                self.bytes(name, name.len() + 1)
            }
            Part::Property(name, value) => {
                let name = self.name(name)?;
                self.words(&[3, value.len(), name])?;
                self.bytes(value, value.len())
            }
            Part::End => self.words(&[2]),
        }
    }

    fn words(&mut self, words: &[usize]) -> Option<()> {
        words.iter().try_for_each(|&word| self.bytes(&(word as u32).to_be_bytes(), 4))
    }

    /// Bytes, and zeros up to `length` and the next word.
    fn bytes(&mut self, bytes: &[u8], length: usize) -> Option<()> {
        let place = self.room.get_mut(self.at..self.at + length.next_multiple_of(4))?;
        let (own, zeros) = place.split_at_mut_checked(bytes.len())?;
        own.copy_from_slice(bytes);
        zeros.fill(0);
        self.at += place.len();
        Some(())
    }

    /// Where a name is among the names.
    fn name(&mut self, name: &[u8]) -> Option<usize> {
        let names = self.room.get(self.strings..self.end)?;
        let is_here = |at: &usize| names[*at..].strip_prefix(name).is_some_and(|behind| behind.first() == Some(&0));
        if let Some(at) = (0..names.len()).find(is_here) {
            return Some(at);
        }
        let at = self.end;
        let place = self.room.get_mut(at..at + name.len() + 1)?;
        place.split_at_mut_checked(name.len())?.0.copy_from_slice(name);
        place[name.len()] = 0;
        self.end = at + name.len() + 1;
        Some(at - self.strings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tree;
    use std::string::ToString;
    use std::vec::Vec;
    use tree_writer::Builder;

    fn excerpt(node: &Node<'_, '_>) -> Vec<u8> {
        let mut room = [0xff; 2000];
        let bytes = node.excerpt(None, &mut room).expect("it fits").to_vec();
        assert_eq!(node.excerpt(None, &mut room[..bytes.len()]), Some(&bytes[..]));
        for length in 0..bytes.len() {
            assert_eq!(node.excerpt(None, &mut room[..length]), None, "{length} of {} bytes", bytes.len());
        }
        bytes
    }

    #[test]
    fn a_node_is_given_with_what_is_in_it() {
        let mut builder = Builder::new();
        builder.cells("#address-cells", &[2]).begin("soc").texts("compatible", &["simple-bus"]);
        builder.begin("keys").texts("compatible", &["gpio-keys"]).flag("autorepeat");
        builder.begin("power").cells("gpios", &[7, 3, 1]).begin("in").token(4).flag("deep").end().end();
        builder.begin("chip@1").cells("reg", &[1]).texts("compatible", &["maker,chip"]).begin("x").end().end();
        builder.begin("home").cells("linux,code", &[102]).end();
        let whole = builder.end().end().finish();
        let tree = Tree::parse(&whole).expect("sound");
        let mut walk = tree.walk();
        let keys = core::iter::from_fn(|| walk.next().map(|node| node.is_named("keys").then(|| excerpt(&node))));
        let bytes = keys.flatten().next().expect("there");

        let tree = Tree::parse(&bytes).expect("sound");
        let mut walk = tree.walk();
        let mut seen = Vec::new();
        while let Some(node) = walk.next() {
            let properties = node.properties().map(|it| it.name).collect::<Vec<_>>().join(" ");
            seen.push((node.path().to_string(), properties));
        }
        let expected = [
            ("/", "compatible autorepeat"),
            ("/power", "gpios"),
            ("/power/in", "deep"),
            ("/chip@1", "reg compatible"),
            ("/chip@1/x", ""),
            ("/home", "linux,code"),
        ];
        assert_eq!(seen, expected.map(|(path, properties)| (path.to_string(), properties.to_string())));
        let mut walk = tree.walk();
        let gpios = walk.find("/power").and_then(|power| power.property("gpios"));
        assert_eq!(gpios, Some(&[0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 1][..]));
    }

    #[test]
    fn what_is_around_a_node_says_whether_it_sees_the_caches() {
        let mut builder = Builder::new();
        builder
            .flag("dma-coherent")
            .begin("a")
            .begin("b")
            .flag("dma-noncoherent")
            .begin("c")
            .flag("dma-coherent")
            .end();
        let bytes = builder.begin("d").end().end().end().finish();
        let tree = Tree::parse(&bytes).expect("sound");
        for (path, coherent) in [("/", true), ("/a", true), ("/a/b", false), ("/a/b/c", true), ("/a/b/d", false)] {
            let mut walk = tree.walk();
            let node = walk.find(path).expect("there");
            assert_eq!(node.is_dma_coherent(), coherent, "{path}");
            let alone = excerpt(&node);
            let alone = Tree::parse(&alone).expect("sound");
            let mut walk = alone.walk();
            let root = walk.next().expect("there");
            assert_eq!(root.is_dma_coherent(), coherent, "{path}");
            assert!(root.properties().filter(|it| it.name == "dma-coherent").count() <= 1, "{path}");
        }
    }

    #[test]
    fn a_property_may_be_added() {
        let bytes = Builder::new().begin("leaf").cells("reg", &[1]).begin("in").end().end().finish();
        let tree = Tree::parse(&bytes).expect("sound");
        let mut walk = tree.walk();
        walk.next();
        let leaf = walk.next().expect("the leaf");
        let mut room = [0; 200];
        let excerpt = leaf.excerpt(Some(("added", &[1, 2, 3, 4])), &mut room).expect("it fits");
        let tree = Tree::parse(excerpt).expect("sound");
        let mut walk = tree.walk();
        let root = walk.next().expect("there");
        assert_eq!((root.property("added"), root.number("reg")), (Some(&[1, 2, 3, 4][..]), Ok(Some(1))));
        assert!(walk.next().is_some_and(|node| node.is_named("in") && node.property("added").is_none()));
    }

    #[test]
    fn an_excerpt_of_a_leaf_is_a_tree() {
        let bytes = Builder::new().begin("leaf").end().finish();
        let tree = Tree::parse(&bytes).expect("sound");
        let mut walk = tree.walk();
        walk.next();
        let excerpt = excerpt(&walk.next().expect("the leaf"));
        assert_eq!(Tree::parse(&excerpt).map(|tree| tree.walk().next().is_some()), Ok(true));
    }
}
