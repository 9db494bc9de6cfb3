//! Which framebuffer the kernel prints into.

use early::Picture;
use tree::{Machine, Tree, TreeError};

/// Why there is none although one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPicture {
    /// The command line is not understood.
    Words,
    /// The tree is malformed.
    Tree(TreeError),
    /// What the tree says is no picture.
    Sides([u32; 3]),
}

impl core::fmt::Display for NoPicture {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Words => {
                f.write_str("boot argument tutti.fb: say tutti.fb=ADDRESS,WIDTHxHEIGHT,STRIDE,FORMAT with a format of simple-framebuffer")
            }
            Self::Tree(error) => write!(f, "device tree: {error}"),
            Self::Sides([width, height, stride]) => write!(
                f,
                "simple-framebuffer: {width} x {height} pixels in rows of {stride} bytes do not fit its format or memory"
            ),
        }
    }
}

/// The framebuffer that the command line names, or else the tree.
///
/// # Errors
/// [`NoPicture`].
pub fn picture(tree: &Tree<'_>, machine: &Machine<'_>) -> Result<Option<Picture>, NoPicture> {
    if let Some(words) = machine.bootargs.and_then(Picture::of_words) {
        return words.map(Some).ok_or(NoPicture::Words);
    }
    let Some(node) = tree.framebuffer().map_err(NoPicture::Tree)? else { return Ok(None) };
    let picture = Picture::new(node.memory.base, node.sides, node.format);
    picture.filter(|it| it.bytes() <= node.memory.size).map(Some).ok_or(NoPicture::Sides(node.sides))
}
