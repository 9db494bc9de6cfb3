//! A disk made by the usual tools. Where they are missing the test says so and passes: the other tests make their own.

use std::path::Path;
use std::process::{Command, Stdio};

use ipc::file::Kind;

use super::image::pattern;
use super::volume::Mounted;

const LONG: &str = "Ein sehr langer Name mit Leerzeichen, Umlauten äöüÄÖÜß und noch viel mehr davon bis zum Ende.dat";

fn run(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    match command.output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => panic!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => false,
    }
}

/// The image, or `None` where a tool is missing.
fn make(folder: &Path, partition: bool, fat: &str) -> Option<Vec<u8>> {
    let image = folder.join("disk.img");
    let image = image.to_str()?;
    std::fs::write(folder.join("data"), pattern(3_000_000)).ok()?;
    std::fs::write(folder.join("none"), b"").ok()?;
    std::fs::File::create(image).ok()?.set_len(64 << 20).ok()?;
    let offset = if partition { "2048" } else { "0" };
    if partition && !run("sgdisk", &["-n", "1:2048:0", "-t", "1:0700", image]) {
        return None;
    }
    let blocks = if partition { "64000" } else { "65536" };
    if !run("mkfs.vfat", &["-F", fat, "-n", "TESTDISK", "--offset", offset, image, blocks]) {
        return None;
    }
    let target = format!("{image}@@{}", if partition { 2048 * 512 } else { 0 });
    let source = |name: &str| folder.join(name).to_str().unwrap_or_default().to_owned();
    let made = run("mmd", &["-i", &target, "::/Ordner", "::/Ordner/Noch Einer"])
        && run("mcopy", &["-i", &target, &source("data"), &format!("::/Ordner/Noch Einer/{LONG}")])
        && run("mcopy", &["-i", &target, &source("data"), "::/PLAIN.BIN"])
        && run("mcopy", &["-i", &target, &source("none"), "::/leer und klein"]);
    made.then(|| std::fs::read(image).ok()).flatten()
}

#[test]
fn a_disk_of_the_usual_tools_is_read() {
    for (partition, fat) in [(true, "32"), (false, "32"), (true, "16"), (false, "16")] {
        let folder = std::env::temp_dir().join(format!("tutti-file-{}-{partition}-{fat}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let image = make(&folder, partition, fat);
        std::fs::remove_dir_all(&folder).unwrap();
        let Some(image) = image else {
            eprintln!("skipped: sgdisk, mkfs.vfat or mtools is missing");
            return;
        };
        check(image);
    }
}

fn check(image: Vec<u8>) {
    let mut disk = Mounted::new(image).unwrap();
    assert_eq!(disk.volume.label().as_str(), "TESTDISK");
    let expected =
        [("Ordner", Kind::Directory, 0), ("PLAIN.BIN", Kind::File, 3_000_000), ("leer und klein", Kind::File, 0)];
    let expected = expected.map(|(name, kind, size)| (name.to_owned(), kind, size));
    assert_eq!(disk.list("/").unwrap(), expected);
    assert_eq!(disk.list("/ordner/NOCH EINER").unwrap(), [(LONG.to_owned(), Kind::File, 3_000_000)]);
    assert_eq!(disk.read("/plain.bin", 0, 4_000_000).unwrap(), pattern(3_000_000));
    assert_eq!(disk.read(&format!("/Ordner/Noch Einer/{LONG}"), 0, 4_000_000).unwrap(), pattern(3_000_000));
    assert_eq!(disk.read("/leer und klein", 0, 1).unwrap(), b"");
}
