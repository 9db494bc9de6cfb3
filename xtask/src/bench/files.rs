//! What is measured without a boot: the sizes of what was built.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, SectionKind};

use super::Metric;
use crate::build::{Built, KERNEL};
use crate::pack::{self, Elf};

/// Bytes of the image and of the kernel in it.
pub fn measure(built: &Built) -> Result<Vec<Metric>> {
    let image = built.image.metadata().with_context(|| format!("{}", built.image.display()))?.len();
    let path = built.folder.join(format!("{KERNEL}.elf"));
    let bytes = pack::read(&path)?;
    let elf = Elf::parse(&path, &bytes)?;
    // Code and constants that are loaded: how to unwind (.eh_frame) stays in the file, for debuggers.
    let loaded = |kind| matches!(kind, SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString);
    let text: u64 = elf.file.sections().filter(|section| loaded(section.kind())).map(|section| section.size()).sum();
    Ok(vec![Metric::new("image.kernel", image as f64, "bytes"), Metric::new("mem.kernel_text", text as f64, "bytes")])
}
