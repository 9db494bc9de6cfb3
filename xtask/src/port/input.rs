//! The device tree in what one has of a phone.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tree::Tree;

use super::android;
use super::deviceinfo::{DeviceInfo, NAME};
use super::report::{Loader, Source};
use crate::board_tree;

/// A tree, with where it comes from.
pub struct Input {
    pub bytes: Vec<u8>,
    pub source: Source,
    /// What is known of the boot loader.
    pub loader: Option<Loader>,
}

const MAGIC: [u8; 4] = 0xd00d_feedu32.to_be_bytes();

/// Finds the trees in a file and takes the one that is wanted, counted from 1. A `deviceinfo` names its tree, which lies beside it or
/// in the folder that `trees` finds.
pub fn read(file: &Path, wanted: Option<usize>, trees: &dyn Fn() -> Result<PathBuf>) -> Result<Input> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    if let Some(info) = DeviceInfo::of(&bytes) {
        return read_named(file, &info, wanted, trees);
    }
    let mut input = found(file, &bytes, wanted)?;
    if let Some(info) = DeviceInfo::beside(file)? {
        let loader = info.loader().with_context(|| format!("the {NAME} beside {}", file.display()))?;
        input.loader = Some(match input.loader.take() {
            Some(own) => Loader { flash: loader.flash, ..own },
            None => loader,
        });
    }
    Ok(input)
}

fn read_named(
    file: &Path,
    info: &DeviceInfo,
    wanted: Option<usize>,
    trees: &dyn Fn() -> Result<PathBuf>,
) -> Result<Input> {
    let named = || format!("{}", file.display());
    info.check().with_context(named)?;
    let loader = info.loader().with_context(named)?;
    // Only where nothing lies beside it is Linux asked.
    let tree = info.tree(file, wanted, Path::new("")).or_else(|_| info.tree(file, wanted, &trees()?))?;
    let (path, number, count) = tree;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut input = found(&path, &bytes, None)?;
    input.source = Source {
        kind: format!("device tree, named by {}", file.display()),
        tree: number,
        trees: count,
        ..input.source
    };
    input.loader = Some(loader);
    Ok(input)
}

fn found(file: &Path, bytes: &[u8], wanted: Option<usize>) -> Result<Input> {
    let name = file.display();
    if android::overlays(bytes)?.is_some() {
        bail!(
            "{name} holds overlays, which change a tree: give the boot image or vendor boot image, and this with --overlay"
        );
    }
    let (kind, parts, loader) = match android::image(bytes).with_context(|| format!("{name}"))? {
        Some(image) => (image.kind, image.parts, Some(image.loader)),
        None => {
            let kind = if bytes.starts_with(&MAGIC) { "device tree" } else { "file" };
            (kind.into(), std::iter::once(0..bytes.len()).collect(), None)
        }
    };
    let trees: Vec<Range<usize>> = parts.into_iter().flat_map(|part| trees(bytes, part)).collect();
    ensure!(
        !trees.is_empty(),
        "{name}: no device tree is in this {kind}. With header v3 and v4 the tree is in vendor_boot.img; on a running phone it is \
         /sys/firmware/fdt"
    );
    let number = match wanted {
        Some(number) => number,
        None if trees.len() == 1 => 1,
        None => bail!("{name} holds {} trees: choose one with --tree N\n{}", trees.len(), list(bytes, &trees)),
    };
    let chosen = number.checked_sub(1).and_then(|index| trees.get(index).cloned());
    let chosen = chosen.with_context(|| format!("{name} holds {} trees, and no number {number}", trees.len()))?;
    let source = Source { file: name.to_string(), kind, tree: number, trees: trees.len(), overlays: Vec::new() };
    Ok(Input { bytes: bytes[chosen].to_vec(), source, loader })
}

/// Every sound tree in a part of a file, wherever it begins.
fn trees(bytes: &[u8], part: Range<usize>) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), part.start);
    let all = &bytes[..part.end];
    while let Some(next) = all[at..].windows(4).position(|window| window == MAGIC) {
        let start = at + next;
        at = start + 4;
        let size = Tree::total_size(&all[start..]).ok().filter(|&size| size <= all.len() - start);
        // A whole file is what somebody calls a tree: what is wrong with it is said later.
        let whole = start == 0 && part == (0..bytes.len());
        if let Some(size) = size
            && (whole || Tree::parse(&all[start..start + size]).is_ok())
        {
            found.push(start..start + size);
            at = start + size;
        } else if whole {
            found.push(start..all.len());
            break;
        }
    }
    found
}

fn list(bytes: &[u8], trees: &[Range<usize>]) -> String {
    let line = |(index, range): (usize, &Range<usize>)| {
        let tree = Tree::parse(&bytes[range.clone()]).ok();
        let model = tree.as_ref().and_then(Tree::model).unwrap_or("without a model").to_owned();
        let compatible: Vec<_> = tree.iter().flat_map(|tree| tree.compatible().take(2)).collect();
        format!("    --tree {:<3} {model} ({})", index + 1, compatible.join(", "))
    };
    trees.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// Applies overlays: files of one each, or `dtbo.img`, of which `number` says which.
pub fn overlay(input: &mut Input, file: &Path, number: Option<usize>, scratch: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let chosen = match android::overlays(&bytes)? {
        None => bytes,
        Some(all) => {
            let number = match number {
                Some(number) => number,
                None if all.len() == 1 => 1,
                None => bail!(
                    "{} holds {} overlays: choose one with --overlay-number N\n{}",
                    file.display(),
                    all.len(),
                    ids(&bytes, &all)
                ),
            };
            let overlay = number.checked_sub(1).and_then(|index| all.get(index));
            let overlay = overlay.with_context(|| format!("{} holds {} overlays", file.display(), all.len()))?;
            bytes[overlay.part.clone()].to_vec()
        }
    };
    let (base, top, out) = (scratch.join("base.dtb"), scratch.join("overlay.dtbo"), scratch.join("merged.dtb"));
    fs::create_dir_all(scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    fs::write(&base, &input.bytes)?;
    fs::write(&top, &chosen)?;
    board_tree::merge(&base, &[top], &out).with_context(|| format!("{}", file.display()))?;
    input.bytes = fs::read(&out)?;
    input.source.overlays.push(file.display().to_string());
    Ok(())
}

fn ids(bytes: &[u8], all: &[android::Overlay]) -> String {
    let line = |(index, overlay): (usize, &android::Overlay)| {
        let tree = Tree::parse(&bytes[overlay.part.clone()]).ok();
        let model = tree.as_ref().and_then(Tree::model).unwrap_or("without a model").to_owned();
        format!("    --overlay-number {:<3} {model}, id {:#x}, revision {:#x}", index + 1, overlay.id, overlay.revision)
    };
    all.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}
