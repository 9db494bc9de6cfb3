//! Disks that ordinary tools make: `sgdisk`, `mkfs.vfat` and `mcopy`.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Where the one partition starts: 1 MiB, as every partitioning tool does.
const START: u64 = 1 << 20;
/// What GPT keeps at the end of a disk, rounded up.
const TAIL: u64 = 1 << 20;

/// Programs that [`make`] calls.
pub const TOOLS: [&str; 3] = ["sgdisk", "mkfs.vfat", "mcopy"];

/// Makes a GPT disk at `image` with one FAT32 partition of `mebibytes`, and copies what is in `folder` into it.
///
/// # Errors
/// A tool is missing or fails; its own words are in the error.
pub fn make(image: &Path, folder: &Path, mebibytes: u64) -> Result<()> {
    let bytes = mebibytes << 20;
    let volume = image.with_extension("fat");
    File::create(&volume)
        .and_then(|file| file.set_len(bytes))
        .with_context(|| format!("cannot create {}", volume.display()))?;
    run(tool("mkfs.vfat").args(["-F", "32", "-n", "TUTTI"]).arg(&volume))?;
    let mut copy = tool("mcopy");
    copy.args(["-s", "-i"]).arg(&volume);
    for entry in sorted(folder)? {
        copy.arg(entry);
    }
    run(copy.arg("::/"))?;
    File::create(image)
        // A size that an SD card can have.
        .and_then(|file| file.set_len((START + bytes + TAIL).next_power_of_two()))
        .with_context(|| format!("cannot create {}", image.display()))?;
    let end = (START + bytes) / 512 - 1;
    run(tool("sgdisk")
        .args(["--clear", &format!("--new=1:{}:{end}", START / 512)])
        .args(["--typecode=1:0700", "--change-name=1:Tutti"])
        .arg(image))?;
    append(&volume, image).with_context(|| format!("cannot copy {} into {}", volume.display(), image.display()))?;
    fs::remove_file(&volume)?;
    Ok(())
}

/// Whether an earlier run made it, with a size that an SD card can have.
fn is_made(image: &Path) -> bool {
    image.metadata().is_ok_and(|made| made.len().is_power_of_two())
}

/// A small disk with something to look at. It is made once.
///
/// # Errors
/// See [`make`].
pub fn sample(image: &Path) -> Result<()> {
    if is_made(image) {
        return Ok(());
    }
    let folder = image.with_extension("files");
    write(&folder, "Welcome.txt", b"This disk was made by sgdisk, mkfs.vfat and mcopy. `help` lists the commands.\n")?;
    write(&folder, "Music/Alla breve.txt", b"Tutti: all together.\n")?;
    write(&folder, "Notes/A long name with spaces and Ümlauts.txt", b"Long names are in UTF-16 on the disk.\n")?;
    write(&folder, "Notes/empty", b"")?;
    let unfinished = image.with_extension("new");
    make(&unfinished, &folder, 40)?;
    fs::rename(&unfinished, image)?;
    Ok(())
}

/// The disk of the tests and what lies on it.
#[derive(Clone, Debug)]
pub struct TestDisk {
    /// The disk.
    pub image: PathBuf,
    /// The same files on the host.
    pub folder: PathBuf,
}

/// Nested folders, long names with spaces and umlauts, an empty file.
const FILES: [(&str, &[u8]); 6] = [
    ("README.TXT", b"short name\n"),
    ("empty file", b""),
    ("Ordner mit Leerzeichen/Grüße aus Köln.txt", "Grüße\n".as_bytes()),
    ("a/b/c/d/deep.txt", b"four folders down\n"),
    ("a/A rather long file name, longer than two entries of thirteen letters would hold.data", &[0xa5; 5000]),
    ("a/b/exactly one cluster", &[0x5a; 4096]),
];

/// The large file.
pub const LARGE: &str = "large.bin";
const LARGE_BYTES: usize = 64 << 20;

impl TestDisk {
    /// Makes the disk in `folder`, or takes the one that an earlier run made there.
    ///
    /// # Errors
    /// See [`make`].
    pub fn make(folder: &Path) -> Result<Self> {
        let disk = Self { image: folder.join("disk.img"), folder: folder.join("files") };
        if is_made(&disk.image) {
            return Ok(disk);
        }
        for (name, bytes) in FILES {
            write(&disk.folder, name, bytes)?;
        }
        write(&disk.folder, LARGE, &noise(LARGE_BYTES))?;
        // Enough names that the folder takes more than one cluster.
        for number in 0..150 {
            write(&disk.folder, format!("many/file number {number}.txt"), format!("{number}\n").as_bytes())?;
        }
        let unfinished = folder.join("disk.new");
        make(&unfinished, &disk.folder, 128)?;
        fs::rename(&unfinished, &disk.image)?;
        Ok(disk)
    }

    /// Paths of the files that are compared, relative to the root of the disk.
    pub fn files(&self) -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name).chain([LARGE, "many/file number 149.txt"])
    }

    /// What `sha256sum` on the host says about a file.
    ///
    /// # Errors
    /// The tool fails.
    pub fn sha256(&self, file: &str) -> Result<String> {
        let output = run(tool("sha256sum").arg(self.folder.join(file)))?;
        let sum = output.trim_start_matches('\\').split_whitespace().next().unwrap_or_default();
        ensure!(sum.len() == 64, "sha256sum said {output:?}");
        Ok(sum.into())
    }
}

/// Bytes that look random and are the same in every run.
fn noise(count: usize) -> Vec<u8> {
    let mut random = Random::new(0x7475_7474_6931_3233);
    std::iter::repeat_with(|| random.next().to_le_bytes()).take(count / 8).flatten().collect()
}

/// xorshift: random numbers that are the same in every run.
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a limit that is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit.max(1)
    }
}

fn write(folder: &Path, name: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let parent = path.parent().context("a file without folder")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&path, bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn append(volume: &Path, image: &Path) -> Result<()> {
    let mut from = File::open(volume)?;
    let mut to = File::options().write(true).open(image)?;
    to.seek(SeekFrom::Start(START))?;
    std::io::copy(&mut from, &mut to)?;
    to.flush()?;
    Ok(())
}

/// A tool, also where only root has it on the path; file names in UTF-8 whatever the user's locale.
fn tool(name: &str) -> Command {
    let outside = ["/usr/sbin", "/sbin", "/opt/homebrew/sbin"].map(|folder| Path::new(folder).join(name));
    let program = outside.into_iter().find(|path| path.exists()).unwrap_or_else(|| name.into());
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8");
    command
}

fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
