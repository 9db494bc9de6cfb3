//! What is measured without a boot: the sizes of what was built.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, SectionKind};

use super::Metric;
use crate::build::{Built, KERNEL};
use crate::link;
use crate::pack::{self, Elf};

/// Bytes of the image and of the kernel in it.
pub fn measure(built: &Built) -> Result<Vec<Metric>> {
    let image = built.image.metadata().with_context(|| format!("{}", built.image.display()))?.len();
    let path = built.folder.join(format!("{KERNEL}.elf"));
    let bytes = pack::read(&path)?;
    let elf = Elf::parse(&path, &bytes)?;
    // Code and constants that are loaded: how to unwind (.eh_frame) stays in the file, for debuggers.
    let loaded = |kind| matches!(kind, SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString);
    // What goes after boot is counted by itself.
    let goes = |section: &_| ObjectSection::name(section).is_ok_and(|name| name.starts_with(link::BOOT));
    let (boot, text): (Vec<_>, Vec<_>) = elf.file.sections().filter(|section| loaded(section.kind())).partition(goes);
    let bytes = |sections: Vec<object::read::elf::ElfSection64<'_, '_, object::LittleEndian>>| {
        sections.iter().map(ObjectSection::size).sum::<u64>() as f64
    };
    Ok(vec![
        Metric::new("image.kernel", image as f64, "bytes"),
        Metric::new("mem.kernel_text", bytes(text), "bytes"),
        Metric::new("mem.kernel_boot", bytes(boot), "bytes"),
    ])
}
