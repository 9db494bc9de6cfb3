//! The kernel's image: the ELF file laid flat, init behind it, the size in its header made honest.

use abi::layout::PAGE;
use anyhow::{Context, Result, ensure};

use crate::pack::Elf;

/// Where the arm64 header holds `image_size`, `u64`.
const IMAGE_SIZE: usize = 16;
/// Where it holds its magic.
const MAGIC_AT: usize = 56;
const MAGIC: &[u8; 4] = b"ARM\x64";
/// The symbol at the end of what the kernel itself takes, zeroed memory included.
const END: &str = "__image_end";
/// A kernel larger than this is a broken linker script.
const MOST: u64 = 64 << 20;

/// Kernel and init as one file that a boot loader loads and enters at its first byte.
pub fn image(kernel: &Elf, init: &[u8]) -> Result<Vec<u8>> {
    let mut image = flat(kernel)?;
    image.extend_from_slice(init);
    ensure!(
        image.get(MAGIC_AT..MAGIC_AT + MAGIC.len()) == Some(MAGIC),
        "{} does not begin with an arm64 image header",
        kernel.path.display()
    );
    let size = image.len() as u64;
    image[IMAGE_SIZE..IMAGE_SIZE + 8].copy_from_slice(&size.to_le_bytes());
    Ok(image)
}

/// The kernel's segments where they lie in memory, zeros between and behind them, whole pages.
fn flat(kernel: &Elf) -> Result<Vec<u8>> {
    let path = kernel.path.display();
    let loads = kernel.loads()?;
    let base = loads.first().with_context(|| format!("{path} has no segments"))?.address;
    let end = kernel.symbol(END)?;
    let bytes = end.checked_sub(base).filter(|bytes| *bytes <= MOST);
    let bytes = bytes.with_context(|| format!("{path}: {END} at {end:#x} is not behind the start at {base:#x}"))?;
    let mut image = vec![0; bytes.next_multiple_of(PAGE) as usize];
    for load in &loads {
        let offset = (load.address - base) as usize;
        let room = offset.checked_add(load.memory.max(load.bytes.len() as u64) as usize);
        ensure!(room.is_some_and(|room| room <= image.len()), "{path}: segment {:#x} ends behind {END}", load.address);
        image[offset..offset + load.bytes.len()].copy_from_slice(load.bytes);
    }
    Ok(image)
}
