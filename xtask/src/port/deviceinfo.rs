//! postmarketOS' `deviceinfo`: which tree a phone has, and what its boot loader takes (docs.postmarketos.org: Deviceinfo Reference).
//! It is a list of `deviceinfo_NAME="VALUE"`, which shells can read; nothing else is looked at here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::report::{Loader, TreePlace};

/// How the file is called.
pub const NAME: &str = "deviceinfo";
const PREFIX: &str = "deviceinfo_";
/// Larger than any.
const MOST: u64 = 1 << 20;

/// What it says.
#[derive(Debug, Default)]
pub struct DeviceInfo {
    values: BTreeMap<String, String>,
}

impl DeviceInfo {
    /// The file's, if it is one.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= MOST)?;
        let values: BTreeMap<_, _> = text.lines().filter_map(value).collect();
        (!values.is_empty()).then_some(Self { values })
    }

    /// That beside a file, if there is one.
    pub fn beside(file: &Path) -> Result<Option<Self>> {
        let beside = file.with_file_name(NAME);
        if beside == file || !beside.is_file() || fs::metadata(&beside)?.len() > MOST {
            return Ok(None);
        }
        let bytes = fs::read(&beside).with_context(|| format!("cannot read {}", beside.display()))?;
        Ok(Self::of(&bytes))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        self.text(name)
            .map(|text| number(text).with_context(|| format!("{PREFIX}{name} is {text:?}, no number")))
            .transpose()
    }

    /// The trees that it names, of which the phone has one: without `.dtb`, perhaps with the folder of the maker.
    pub fn trees(&self) -> Vec<&str> {
        // A variant of the phone is called by a suffix.
        let is = |name: &str| name == "dtb" || name.starts_with("dtb_");
        self.values.iter().filter(|(name, _)| is(name)).flat_map(|(_, value)| value.split_whitespace()).collect()
    }

    /// Refuses phones of another architecture.
    pub fn check(&self) -> Result<()> {
        let arch = self.text("arch").unwrap_or("aarch64");
        ensure!(arch == "aarch64", "its {PREFIX}arch is {arch:?}, and Tutti is for aarch64");
        Ok(())
    }

    /// What the boot loader takes.
    pub fn loader(&self) -> Result<Loader> {
        let is = |name: &str| self.text(name) == Some("true");
        let version = self.number("header_version")?;
        let base = self.number("flash_offset_base")?.unwrap_or(0);
        let at = |name: &str| Ok::<_, anyhow::Error>(self.number(name)?.map(|offset| base.wrapping_add(offset)));
        let tree = match version {
            _ if is("append_dtb") => TreePlace::Appended,
            _ if is("bootimg_qcdt") => TreePlace::Table,
            _ if is("bootimg_dtb_second") => TreePlace::Second,
            Some(2) => TreePlace::Section,
            Some(3 | 4) => TreePlace::VendorBoot,
            _ => TreePlace::Apart,
        };
        Ok(Loader {
            format: if is("generate_bootimg") || version.is_some() { "android" } else { "unknown" },
            header_version: if is("generate_bootimg") { version.or(Some(0)) } else { version },
            page: self.number("flash_pagesize")?,
            kernel: at("flash_offset_kernel")?,
            ramdisk: at("flash_offset_ramdisk")?,
            second: at("flash_offset_second")?,
            tags: at("flash_offset_tags")?,
            tree_address: at("flash_offset_dtb")?,
            tree: Some(tree),
            command_line: self.text("kernel_cmdline").map(str::to_owned),
            flash: self.text("flash_method").map(str::to_owned),
        })
    }

    /// The file of the tree that the phone has: beside the file, or below `trees`. `wanted` counts those it names from 1 on.
    pub fn tree(&self, file: &Path, wanted: Option<usize>, trees: &Path) -> Result<(PathBuf, usize, usize)> {
        let named = self.trees();
        ensure!(
            !named.is_empty(),
            "{} names no tree ({PREFIX}dtb): give the .dtb or the boot image itself",
            file.display()
        );
        let number = match wanted {
            Some(number) => number,
            None if named.len() == 1 => 1,
            None => {
                let list: Vec<_> = named
                    .iter()
                    .enumerate()
                    .map(|(index, name)| format!("    --tree {:<3} {name}", index + 1))
                    .collect();
                bail!("{} names {} trees: choose one with --tree N\n{}", file.display(), named.len(), list.join("\n"))
            }
        };
        let name = number.checked_sub(1).and_then(|index| named.get(index));
        let name =
            name.with_context(|| format!("{} names {} trees, and no number {number}", file.display(), named.len()))?;
        let relative = PathBuf::from(format!("{name}.dtb"));
        let own = relative.file_name().map(|last| file.with_file_name(last));
        let places = [Some(file.with_file_name(&relative)), own, Some(trees.join(&relative))];
        let found = places.into_iter().flatten().find(|place| place.is_file());
        let found = found.with_context(|| {
            let (beside, folder) = (file.with_file_name(&relative), trees.display());
            format!(
                "the tree {name} is neither beside the file ({}) nor in {folder} (Linux' own): put it there",
                beside.display()
            )
        })?;
        Ok((found, number, named.len()))
    }
}

/// The name and value of a line.
fn value(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim().strip_prefix(PREFIX)?.split_once('=')?;
    let quoted = |mark: char| value.strip_prefix(mark)?.split(mark).next();
    let value = quoted('"').or_else(|| quoted('\'')).or_else(|| value.split_whitespace().next()).unwrap_or_default();
    let is_name = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    (is_name && !name.is_empty()).then(|| (name.into(), value.into()))
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\ndeviceinfo_name=\"A Phone\"\ndeviceinfo_arch=\"aarch64\"\ndeviceinfo_generate_bootimg=\"true\"\n\
                        deviceinfo_dtb=\"maker/one maker/two\"\ndeviceinfo_flash_offset_base=\"0x40000000\"\n\
                        deviceinfo_flash_offset_kernel=\"0x00008000\"\ndeviceinfo_flash_pagesize='2048'\n\
                        deviceinfo_append_dtb=\"true\"\ndeviceinfo_flash_method=fastboot # a phone\nPATH=/bin\n";

    #[test]
    fn what_it_says_is_read() {
        let info = DeviceInfo::of(TEXT.as_bytes()).unwrap();
        info.check().unwrap();
        assert_eq!(info.trees(), ["maker/one", "maker/two"]);
        let loader = info.loader().unwrap();
        assert_eq!((loader.format, loader.header_version, loader.page), ("android", Some(0), Some(2048)));
        assert_eq!((loader.kernel, loader.ramdisk, loader.tree), (Some(0x4000_8000), None, Some(TreePlace::Appended)));
        assert_eq!(loader.flash.as_deref(), Some("fastboot"));
        assert!(DeviceInfo::of(b"key=value\n").is_none() && DeviceInfo::of(&[0xff; 8]).is_none());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let of = |text: &str| DeviceInfo::of(text.as_bytes()).unwrap();
        assert!(of("deviceinfo_arch=\"x86_64\"").check().unwrap_err().to_string().contains("x86_64"));
        let error = of("deviceinfo_flash_pagesize=\"much\"").loader().unwrap_err().to_string();
        assert!(error.contains("deviceinfo_flash_pagesize is \"much\""), "{error}");
        let tree = |text: &str, wanted| {
            of(text).tree(Path::new("/nowhere/deviceinfo"), wanted, Path::new("/trees")).unwrap_err().to_string()
        };
        assert!(tree(TEXT, None).contains("--tree 2   maker/two"));
        assert!(tree(TEXT, Some(3)).contains("no number 3"));
        assert!(tree(TEXT, Some(1)).contains("/nowhere/maker/one.dtb"));
        assert!(tree("deviceinfo_name=\"A\"", None).contains("names no tree"));
    }
}
