//! Android's images: where in them the device trees lie. All numbers are little-endian but those of `dtbo.img`
//! (source.android.com: Boot image header, Vendor boot partitions, DTB and DTBO partitions).

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};

use super::report::{Loader, TreePlace};

/// A part of a file.
pub type Part = Range<usize>;

/// What an image is, and the parts in which trees may lie.
pub struct Image {
    /// In words.
    pub kind: String,
    /// In the order in which they are looked through.
    pub parts: Vec<Part>,
    /// What of the boot loader its header says.
    pub loader: Loader,
}

fn word(bytes: &[u8], at: usize) -> Result<usize> {
    let word = bytes.get(at..at + 4).context("the image is cut off in its header")?;
    Ok(u32::from_le_bytes(word.try_into()?) as usize)
}

fn big_word(bytes: &[u8], at: usize) -> Result<usize> {
    let word = bytes.get(at..at + 4).context("dtbo.img is cut off")?;
    Ok(u32::from_be_bytes(word.try_into()?) as usize)
}

fn address(bytes: &[u8], at: usize) -> Result<Option<u64>> {
    Ok(Some(word(bytes, at)? as u64))
}

/// Text up to its first zero; none where there is none.
fn text(bytes: &[u8], at: usize, most: usize) -> Result<Option<String>> {
    let text = bytes.get(at..at + most).context("the image is cut off in its header")?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty()))
}

fn android(version: usize) -> Loader {
    Loader { format: "android", header_version: Some(version as u64), ..Loader::default() }
}

/// Places one behind the other, each from a page on.
struct Pages<'a> {
    bytes: &'a [u8],
    page: usize,
    at: usize,
}

impl Pages<'_> {
    fn next(&mut self, what: &str, size: usize) -> Result<Part> {
        let end = self.at.checked_add(size).filter(|&end| end <= self.bytes.len());
        let end = end.with_context(|| format!("the image is cut off: its {what} has {size} bytes"))?;
        let part = self.at..end;
        self.at = end.next_multiple_of(self.page);
        Ok(part)
    }
}

/// `boot.img` or `vendor_boot.img`; none if it is neither.
///
/// # Errors
/// It is one, and makes no sense.
pub fn image(bytes: &[u8]) -> Result<Option<Image>> {
    match bytes.get(..8) {
        Some(b"ANDROID!") => boot(bytes).map(Some),
        Some(b"VNDRBOOT") => vendor_boot(bytes).map(Some),
        _ => Ok(None),
    }
}

fn pages(bytes: &[u8], page: usize, header: usize) -> Result<Pages<'_>> {
    ensure!(page.is_power_of_two() && (2048..=65536).contains(&page), "a page of {page} bytes makes no sense");
    Ok(Pages { bytes, page, at: header.next_multiple_of(page) })
}

fn boot(bytes: &[u8]) -> Result<Image> {
    let version = word(bytes, 40)?;
    let (kernel, ramdisk) = (word(bytes, 8)?, word(bytes, if matches!(version, 3 | 4) { 12 } else { 16 })?);
    let kind = format!("boot image, header v{version}");
    match version {
        3 | 4 => {
            let mut pages = pages(bytes, 4096, 1)?;
            let loader = Loader {
                page: Some(4096),
                tree: Some(TreePlace::VendorBoot),
                command_line: text(bytes, 44, 1536)?,
                ..android(version)
            };
            Ok(Image { kind, parts: vec![pages.next("kernel", kernel)?], loader })
        }
        // Before versions were counted, what is the version now was the size of Qualcomm's table of trees.
        _ => {
            let mut pages = pages(bytes, word(bytes, 36)?, 1)?;
            let kernel = pages.next("kernel", kernel)?;
            pages.next("ramdisk", ramdisk)?;
            pages.next("second stage", word(bytes, 24)?)?;
            let mut parts = Vec::new();
            let mut kind = kind;
            let mut loader = Loader {
                page: address(bytes, 36)?,
                kernel: address(bytes, 12)?,
                ramdisk: address(bytes, 20)?,
                second: address(bytes, 28)?,
                tags: address(bytes, 32)?,
                tree: Some(TreePlace::Appended),
                command_line: text(bytes, 64, 512)?,
                ..android(version)
            };
            match version {
                0 => {}
                1 | 2 => {
                    pages.next("recovery overlays", word(bytes, 1632)?)?;
                    if version == 2 {
                        parts.push(pages.next("device tree", word(bytes, 1648)?)?);
                        loader.tree = Some(TreePlace::Section);
                        loader.tree_address = address(bytes, 1652)?;
                    }
                }
                table => {
                    parts.push(pages.next("table of trees", table)?);
                    kind = "boot image with a table of trees".into();
                    loader.tree = Some(TreePlace::Table);
                    loader.header_version = Some(0);
                }
            }
            parts.push(kernel);
            Ok(Image { kind, parts, loader })
        }
    }
}

fn vendor_boot(bytes: &[u8]) -> Result<Image> {
    let version = word(bytes, 8)?;
    ensure!(matches!(version, 3 | 4), "a vendor boot image with a header of version {version} is not known");
    let header = word(bytes, 2096)?;
    let mut pages = pages(bytes, word(bytes, 12)?, header)?;
    pages.next("ramdisk", word(bytes, 24)?)?;
    let tree = pages.next("device tree", word(bytes, 2100)?)?;
    let loader = Loader {
        page: address(bytes, 12)?,
        kernel: address(bytes, 16)?,
        ramdisk: address(bytes, 20)?,
        tags: address(bytes, 2076)?,
        tree_address: address(bytes, 2104)?,
        tree: Some(TreePlace::VendorBoot),
        command_line: text(bytes, 28, 2048)?,
        ..android(version)
    };
    Ok(Image { kind: format!("vendor boot image, header v{version}"), parts: vec![tree], loader })
}

/// An overlay of `dtbo.img`.
pub struct Overlay {
    /// What the vendor numbers it.
    pub id: u32,
    /// Its revision.
    pub revision: u32,
    /// Where it lies.
    pub part: Part,
}

/// Its overlays; none if the file is no `dtbo.img`.
///
/// # Errors
/// It is one, and makes no sense.
pub fn overlays(bytes: &[u8]) -> Result<Option<Vec<Overlay>>> {
    if bytes.get(..4) != Some(&[0xd7, 0xb7, 0xab, 0x1e]) {
        return Ok(None);
    }
    let (entry, count, first) = (big_word(bytes, 12)?, big_word(bytes, 16)?, big_word(bytes, 20)?);
    if entry < 16 || count > 1024 {
        bail!("dtbo.img: {count} entries of {entry} bytes make no sense");
    }
    let overlay = |index: usize| {
        let at = first + index * entry;
        let (size, offset) = (big_word(bytes, at)?, big_word(bytes, at + 4)?);
        let end = offset.checked_add(size).filter(|&end| end <= bytes.len());
        let end = end.with_context(|| format!("dtbo.img: overlay {index} lies outside"))?;
        Ok(Overlay {
            id: big_word(bytes, at + 8)? as u32,
            revision: big_word(bytes, at + 12)? as u32,
            part: offset..end,
        })
    };
    (0..count).map(overlay).collect::<Result<_>>().map(Some)
}
