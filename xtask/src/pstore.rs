//! What Tutti keeps in `ramoops`, read by others: started by U-Boot, reset while its memory stays, and looked at by Debian's Linux, which the
//! same U-Boot starts.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use system_tests::{Boot, Bus, Case, Console, Disk, Lab, disk};

use crate::board_tree;
use crate::compare::initramfs::Archive;
use crate::debian::Debian;
use crate::setup::Setup;
use crate::workspace::{self, Workspace};

/// The cases: Linux checks what it reads, or not.
pub fn cases() -> Vec<Case> {
    let case = |name: &str, code: u32, says: &str| Case::new(format!("kept.{name}"), says, move |lab| read(lab, code));
    vec![
        case("linux", 0, "started by U-Boot and reset, Tutti's text is in the pstore of a Linux that U-Boot starts"),
        case("linux-codes", 16, "and so it is where Linux checks it with codes, of which all are right"),
    ]
}

/// Gets what the cases boot.
pub fn prepare(workspace: &Workspace, setup: &Setup) -> Result<()> {
    let debian = Debian::get(workspace, setup)?;
    let folder = files(workspace);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::copy(&debian.kernel, folder.join("linux"))?;
    fs::copy(debian.u_boot(), folder.with_extension("u-boot"))?;
    fs::write(folder.join("ramdisk"), ramdisk(&debian)?)?;
    Ok(())
}

fn files(workspace: &Workspace) -> PathBuf {
    workspace.tutti().join("pstore")
}

/// The end of what Linux shows.
const END: &str = "that was all of it";

/// A Linux that shows what `pstore` has, and ends.
fn ramdisk(debian: &Debian) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    ["bin", "dev", "sys"].into_iter().for_each(|name| archive.folder(name));
    archive.console("dev/console");
    archive.file("bin/busybox", 0o755, &debian.busybox()?);
    let mut script = String::from("#!/bin/busybox sh\n");
    for module in debian.ramoops() {
        let (name, bytes) = module?;
        archive.file(name, 0o644, &bytes);
        script += &format!("busybox insmod /{name}\n");
    }
    script += "busybox mount -t sysfs sysfs /sys\nbusybox mount -t pstore pstore /sys/fs/pstore\n\
               busybox cat /sys/fs/pstore/console-ramoops-0\n";
    script += &format!("busybox echo; busybox echo {END}\nbusybox poweroff -f\n");
    archive.file("init", 0o755, script.as_bytes());
    Ok(archive.finish())
}

fn read(lab: &mut Lab, code: u32) -> Result<()> {
    let workspace = Workspace::find()?;
    let files = files(&workspace);
    // With a boot loader QEMU has other devices, and another tree.
    let firmware = Some(files.with_extension("u-boot"));
    let boot = Boot { bus: Some(Bus::Mmio), firmware, ..Boot::default() };
    let tree = with_ramoops(lab, &boot, code)?;
    fs::copy(&lab.machine().kernel, files.join("tutti"))?;
    fs::write(files.join("bundle"), lab.bundle()?)?;
    let image = lab.scratch_file("boot.img")?;
    disk::make(&image, &files, 128)?;
    let disks = vec![Disk::File(image)];
    let mut console = lab.boot(Boot { tree: Some(tree), disks, ..boot })?;

    start(&mut console, "tutti", "bundle", "log=debug")?;
    console.prompt_within(PATIENCE)?;
    console.send_line("reboot")?;
    start(&mut console, "linux", "ramdisk", "console=ttyAMA0 quiet")?;
    let shown = console.expect_within(END, PATIENCE)?;
    for words in ["kernel: debug: entering init", "MiB of memory"] {
        ensure!(shown.contains(words), "{words:?} is missing in:\n{shown}");
    }
    // What Linux says behind the text, if it had codes to check (fs/pstore/ram_core.c).
    let verdict =
        shown.lines().rev().find(|line| line.contains("orrected bytes") || line.contains("No errors detected"));
    let sound = verdict.is_some_and(|line| line.contains("No errors detected"));
    ensure!(sound == (code > 0), "Linux says {verdict:?} of codes of {code} bytes:\n{shown}");
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Has U-Boot start a kernel.
fn start(console: &mut Console, kernel: &str, ramdisk: &str, arguments: &str) -> Result<()> {
    console.expect_within("Hit any key to stop autoboot", PATIENCE)?;
    console.send(b"\n")?;
    let mut say = |line: &str| -> Result<()> {
        console.expect_within("=> ", PATIENCE).with_context(|| format!("before {line:?}"))?;
        console.send(format!("{line}\n").as_bytes())
    };
    say(&format!("setenv bootargs '{arguments}'"))?;
    say("virtio scan")?;
    say(&format!("load virtio 0:1 ${{kernel_addr_r}} {kernel}"))?;
    say(&format!("load virtio 0:1 ${{ramdisk_addr_r}} {ramdisk}"))?;
    say("booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}")
}

/// QEMU's tree with a region for the text.
fn with_ramoops(lab: &Lab, boot: &Boot, code: u32) -> Result<PathBuf> {
    let tree = lab.device_tree_for(boot.clone())?;
    let folder = lab.scratch()?;
    let [base, source, overlay, merged] =
        ["base.dtb", "top.dts", "top.dtbo", "merged.dtb"].map(|name| folder.join(name));
    fs::write(&base, tree)?;
    fs::write(&source, overlay_source(code))?;
    workspace::output(
        Command::new("dtc").args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"]).arg(&overlay).arg(&source),
    )?;
    board_tree::merge(&base, &[overlay], &merged)?;
    Ok(merged)
}

fn overlay_source(code: u32) -> String {
    let codes = if code > 0 { format!("ecc-size = <{code}>;") } else { String::new() };
    format!(
        "/dts-v1/; /plugin/; / {{ fragment@0 {{ target-path = \"/\"; __overlay__ {{ reserved-memory {{\n\
         #address-cells = <2>; #size-cells = <2>; ranges;\n\
         ramoops@50000000 {{ compatible = \"ramoops\"; reg = <0 0x50000000 0 0x100000>;\n\
         record-size = <0x20000>; console-size = <0x40000>; {codes} }}; }}; }}; }}; }};\n"
    )
}
