//! Debian's kernel for arm64 with the device trees that come with it, and what is booted beside it, unchanged, by apt with lists and a
//! cache of its own: nothing is installed, and the system's architectures stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::{Setup, find_program};
use crate::tools;
use crate::workspace::{self, Workspace};

/// Depends on the newest kernel.
const PACKAGE: &str = "linux-image-arm64";
/// What the disk needs, in the order in which they are loaded.
const DISK: [&str; 2] = ["virtio_mmio.ko", "virtio_blk.ko"];
/// What `ramoops` needs.
const RAMOOPS: [&str; 2] = ["reed_solomon.ko", "ramoops.ko"];
/// Files of other packages: one program for everything, and a boot loader.
const OTHERS: [(&str, &str); 2] =
    [("busybox-static", "bin/busybox"), ("u-boot-qemu", "usr/lib/u-boot/qemu_arm64/u-boot.bin")];

/// A kernel.
pub struct Debian {
    /// Package and version.
    pub version: String,
    /// Its image.
    pub kernel: PathBuf,
    /// Where its modules lie.
    folder: PathBuf,
}

impl Debian {
    /// The kernel that an earlier run left, or a fresh one. To get a newer one, remove the folder.
    pub fn get(workspace: &Workspace, setup: &Setup) -> Result<Self> {
        let kept = workspace.tutti().join("linux");
        if !is_whole(&kept) {
            setup.require(&[&tools::APT, &tools::DPKG])?;
            if !setup.may_download() {
                bail!("Debian's {PACKAGE} is not in {}, and nothing may be downloaded", kept.display());
            }
            let unfinished = workspace.tutti().join("linux.new");
            let _ = fs::remove_dir_all(&unfinished);
            fetch(&unfinished).with_context(|| format!("Debian's {PACKAGE} cannot be had"))?;
            let _ = fs::remove_dir_all(&kept);
            fs::rename(&unfinished, &kept).with_context(|| format!("cannot make {}", kept.display()))?;
        }
        let version = fs::read_to_string(kept.join("version"))?.trim().into();
        Ok(Self { version, kernel: kept.join("vmlinuz"), folder: kept })
    }

    /// A module that the disk needs, in the order in which they are loaded: its name and bytes.
    pub fn modules(&self) -> impl Iterator<Item = Result<(&'static str, Vec<u8>)>> {
        DISK.into_iter().map(|module| Ok((module, self.read(module)?)))
    }

    /// The same for `ramoops`.
    pub fn ramoops(&self) -> impl Iterator<Item = Result<(&'static str, Vec<u8>)>> {
        RAMOOPS.into_iter().map(|module| Ok((module, self.read(module)?)))
    }

    /// A program that is a shell and the ordinary tools, and needs no library.
    pub fn busybox(&self) -> Result<Vec<u8>> {
        self.read("busybox")
    }

    /// U-Boot for QEMU's `virt`.
    pub fn u_boot(&self) -> PathBuf {
        self.folder.join("u-boot.bin")
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.folder.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The folder of its device trees.
    pub fn trees(&self) -> PathBuf {
        self.folder.join("trees")
    }

    /// The device tree of that name, wherever it lies among them.
    pub fn tree(&self, name: &str) -> Result<PathBuf> {
        find(&self.trees(), |file| file == name).with_context(|| format!("{} has no device tree {name}", self.version))
    }
}

/// Whether everything is there: an earlier run may have fetched less.
fn is_whole(folder: &Path) -> bool {
    let others = OTHERS.iter().filter_map(|(_, file)| Path::new(file).file_name()?.to_str());
    let names = ["version", "vmlinuz"].into_iter().chain(DISK).chain(RAMOOPS).chain(others);
    names.into_iter().all(|name| folder.join(name).is_file())
}

fn fetch(folder: &Path) -> Result<()> {
    for name in ["lists/partial", "cache/archives/partial", "root"] {
        fs::create_dir_all(folder.join(name)).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let apt = Apt { folder };
    println!("Debian's {PACKAGE} is fetched");
    // A source that has nothing for arm64 is no reason to stop: what counts is whether the package comes.
    let _ = workspace::output(&mut apt.command("apt-get", &["update"])?);
    let depends = workspace::output(&mut apt.command("apt-cache", &["depends", PACKAGE])?)?;
    let name = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let name = name.with_context(|| format!("apt knows no {PACKAGE}: has /etc/apt a Debian among its sources?"))?;
    workspace::output(&mut apt.command("apt-get", &["download", name])?)?;
    let package = find(folder, |name| name.ends_with(".deb"))?;
    let dpkg = tools::DPKG.find().context("dpkg-deb is not there")?;
    workspace::output(Command::new(&dpkg).arg("-x").arg(&package).arg(folder.join("root")))?;
    let version = workspace::output(Command::new(&dpkg).arg("-f").arg(&package).arg("Version"))?;
    let kernel = find(&folder.join("root/boot"), |name| name.starts_with("vmlinuz"))?;
    fs::rename(kernel, folder.join("vmlinuz"))?;
    for module in DISK.into_iter().chain(RAMOOPS) {
        fs::rename(find(&folder.join("root/lib/modules"), |name| name == module)?, folder.join(module))?;
    }
    let trees = find_folder(&folder.join("root/usr/lib"), "linux-image")?;
    fs::rename(trees, folder.join("trees"))?;
    fs::remove_file(package)?;
    for (name, file) in OTHERS {
        workspace::output(&mut apt.command("apt-get", &["download", name])?)?;
        let package = find(folder, |name| name.ends_with(".deb"))?;
        workspace::output(Command::new(&dpkg).arg("-x").arg(&package).arg(folder.join("root")))?;
        let last = Path::new(file).file_name().context("no name")?;
        fs::rename(folder.join("root").join(file), folder.join(last))
            .with_context(|| format!("{name} has no {file}"))?;
        fs::remove_file(package)?;
    }
    for rest in ["root", "cache", "lists"] {
        fs::remove_dir_all(folder.join(rest))?;
    }
    let file = folder.join("version");
    fs::write(&file, format!("{name} {version}\n")).with_context(|| format!("cannot write {}", file.display()))
}

struct Apt<'a> {
    folder: &'a Path,
}

impl Apt<'_> {
    fn command(&self, program: &str, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(find_program(program).with_context(|| format!("{program} is not there"))?);
        command.current_dir(self.folder);
        let folder = self.folder.display();
        for option in [
            "APT::Architecture=arm64".to_owned(),
            "APT::Architectures=arm64".to_owned(),
            "Dir::State::status=/dev/null".to_owned(),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache={folder}/cache"),
        ] {
            command.args(["-o", &option]);
        }
        command.args(words);
        Ok(command)
    }
}

/// The folder in a folder whose name begins so.
fn find_folder(folder: &Path, start: &str) -> Result<PathBuf> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let found = entries.flatten().find(|entry| entry.file_name().to_string_lossy().starts_with(start));
    Ok(found.with_context(|| format!("no {start} is in {}", folder.display()))?.path())
}

/// The first file below a folder whose name is wanted.
fn find(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = next.read_dir().with_context(|| format!("cannot read {}", next.display()))?;
        for entry in entries.flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                folders.push(entry.path());
            } else if wanted(&entry.file_name().to_string_lossy()) {
                return Ok(entry.path());
            }
        }
    }
    bail!("what was expected is not in {}", folder.display())
}
