//! What is measured without a boot: the sizes of what was built.

use anyhow::{Context, Result};
use object::{Object, ObjectSection};

use super::Metric;
use crate::build::{Built, KERNEL};
use crate::pack::{self, Elf};

/// The kernel's sections that hold code and constants.
const TEXT: [&str; 3] = [".text", ".rodata", ".eh_frame"];

/// Bytes of the image and of the kernel in it.
pub fn measure(built: &Built) -> Result<Vec<Metric>> {
    let image = built.image.metadata().with_context(|| format!("{}", built.image.display()))?.len();
    let path = built.folder.join(format!("{KERNEL}.elf"));
    let bytes = pack::read(&path)?;
    let elf = Elf::parse(&path, &bytes)?;
    let text: u64 = TEXT.iter().filter_map(|name| elf.file.section_by_name(name)).map(|section| section.size()).sum();
    Ok(vec![Metric::new("image.kernel", image as f64, "bytes"), Metric::new("mem.kernel_text", text as f64, "bytes")])
}
