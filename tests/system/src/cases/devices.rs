//! Devices and their drivers: what devmgr matches, what the shell shows of it, and what becomes of it when devmgr or the
//! supervisor dies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::Console;
use crate::lab::{Boot, Case, Lab, Need, contains};
use crate::machine::Disk;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("devices.list", "devices lists the enabled nodes that fdtget finds in the same tree", lists_the_tree)
            .needs([]),
        Case::new("devices.node", "devices PATH shows what a node has", shows_a_node),
        Case::new("devices.each", "each device of a kind has a process and a service of its own", one_process_each),
        Case::new("devices.waiting", "a driver that needs a clock waits for it by name", waits_for_a_clock),
        Case::new("devices.refused", "registers that reach into those of a driver are named", names_a_conflict),
        Case::new("devices.devmgr", "devmgr dies, no driver does, and it finds them again", devmgr_comes_back)
            .needs([Need::Disk]),
        Case::new("devices.supervisor", "the supervisor dies and comes back, and so do others", supervisor_comes_back)
            .needs([Need::Disk]),
    ]
}

/// Rows of `devices` by path: the driver, and what it does.
fn rows(console: &mut Console) -> Result<BTreeMap<String, (String, String)>> {
    let text = console.command("devices")?;
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('/')) {
        let mut words = line.split_whitespace();
        let (path, driver) = (words.next().context("no path")?, words.next().context("no driver")?);
        let state = words.collect::<Vec<_>>().join(" ");
        let doubled = rows.insert(path.to_owned(), (driver.to_owned(), state)).is_some();
        ensure!(!doubled, "{path} is listed twice:\n{text}");
    }
    ensure!(!rows.is_empty(), "no rows:\n{text}");
    Ok(rows)
}

/// What `fdtget` says; none where it fails, as for a property that is not there.
fn fdtget(arguments: &[&str], tree: &Path, node: &str, property: Option<&str>) -> Result<Option<String>> {
    let mut command = Command::new("fdtget");
    command.args(arguments).arg(tree).arg(node).args(property);
    let output = command.output().context("cannot run fdtget (package device-tree-compiler)")?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned()))
}

/// The enabled nodes with a `compatible`, below this one, as `fdtget -l` and `-p` walk them.
fn enabled(tree: &Path, node: &str, found: &mut Vec<String>) -> Result<()> {
    let properties = fdtget(&["-p"], tree, node, None)?.with_context(|| format!("fdtget -p {node} fails"))?;
    let status = fdtget(&["-t", "s"], tree, node, Some("status"))?;
    if !matches!(status.as_deref(), None | Some("okay" | "ok")) {
        return Ok(());
    }
    if properties.lines().any(|property| property == "compatible") {
        found.push(node.to_owned());
    }
    let children = fdtget(&["-l"], tree, node, None)?.with_context(|| format!("fdtget -l {node} fails"))?;
    for child in children.lines() {
        enabled(tree, &format!("{}/{child}", node.trim_end_matches('/')), found)?;
    }
    Ok(())
}

fn dumped(lab: &Lab) -> Result<PathBuf> {
    let tree = lab.device_tree()?;
    let file = lab.scratch()?.join("walked.dtb");
    std::fs::write(&file, tree)?;
    // fdtget -l stops where QEMU took something out (FDT_NOP); what dtc writes has no such places.
    let walked = file.with_extension("without-nops.dtb");
    let mut dtc = Command::new("dtc");
    dtc.args(["-q", "-I", "dtb", "-O", "dtb", "-o"]).arg(&walked).arg(&file);
    let output = dtc.output().context("cannot run dtc (package device-tree-compiler)")?;
    ensure!(output.status.success(), "dtc: {}", String::from_utf8_lossy(&output.stderr));
    Ok(walked)
}

fn lists_the_tree(lab: &mut Lab) -> Result<()> {
    let mut wanted = Vec::new();
    enabled(&dumped(lab)?, "/", &mut wanted)?;
    wanted.sort();
    let mut console = lab.boot_to_prompt(Boot::default())?;
    let rows = rows(&mut console)?;
    // What a bus finds is not in the tree.
    let listed: Vec<String> = rows.keys().filter(|path| !path.contains("/pci1b36,")).cloned().collect();
    ensure!(listed == wanted, "devices lists\n{listed:#?}\nand fdtget finds\n{wanted:#?}");
    ensure!(wanted.len() > 10, "only {} nodes", wanted.len());
    if lab.machine().model != "virt" {
        return Ok(());
    }
    let state = |path: &str| rows.get(path).map(|(driver, state)| (driver.as_str(), state.as_str()));
    ensure!(state("/pl011@9000000") == Some(("pl011", "running")), "{rows:#?}");
    ensure!(state("/virtio_mmio@a000000") == Some(("-", "no driver (nothing there)")), "{rows:#?}");
    ensure!(state("/intc@8000000") == Some(("-", "kernel")), "{rows:#?}");
    Ok(())
}

fn shows_a_node(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot::default())?;
    let node = console.command("devices /pl011@9000000")?;
    for part in [
        "pl011",
        "running",
        "compatible arm,pl011, arm,primecell",
        "registers 0x9000000..0x9001000",
        "interrupt 33, level",
        "clocks /apb-pclk (uartclk)",
    ] {
        contains(&node, part)?;
    }
    contains(&console.command("devices /gpio-keys")?, "compatible gpio-keys")?;
    contains(&console.command("devices /nowhere")?, "/nowhere: no such node")
}

fn one_process_each(lab: &mut Lab) -> Result<()> {
    let disks = vec![Disk::File(lab.disk()?.image), Disk::Null(1 << 20)];
    let mut console = lab.boot_to_prompt(Boot { disks, ..Boot::default() })?;
    let rows = rows(&mut console)?;
    let mut drivers: Vec<&str> = rows
        .values()
        .filter(|(_, state)| state == "running")
        .map(|(driver, _)| driver.as_str())
        .filter(|driver| driver.starts_with("virtio-blk"))
        .collect();
    drivers.sort_unstable();
    ensure!(drivers == ["virtio-blk", "virtio-blk.1"], "{rows:#?}");
    let (first, second) = (console.command("caps virtio-blk")?, console.command("caps virtio-blk.1")?);
    let registers = |text: &str| text.lines().find(|line| line.contains("device registers")).map(str::to_owned);
    ensure!(registers(&first).is_some() && registers(&first) != registers(&second), "{first}\n{second}");
    contains(&second, "(provide:block)")?;
    // One dies, the other does not notice.
    console.command("kill virtio-blk.1")?;
    let list = console.command("ps")?;
    starts(&list, "virtio-blk.1", 2)?;
    starts(&list, "virtio-blk", 1)
}

/// Whether a component of this name runs, and was started so often.
fn starts(list: &str, name: &str, count: u32) -> Result<()> {
    let line = list.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
    let words: Vec<&str> = line.with_context(|| format!("no {name} in:\n{list}"))?.split_whitespace().collect();
    ensure!(words.get(2..4) == Some(&["running", &count.to_string()]), "{name}: {words:?}");
    Ok(())
}

/// The tree that QEMU makes for this boot, with these bytes in the place of those.
fn changed(lab: &Lab, boot: Boot, changes: &[(&[u8], &[u8])]) -> Result<Boot> {
    let mut tree = lab.device_tree_for(boot.clone())?;
    for (from, to) in changes {
        let Some(place) = tree.windows(from.len()).position(|window| window == *from) else {
            bail!("QEMU's tree does not hold {}", String::from_utf8_lossy(from));
        };
        tree[place..place + to.len()].copy_from_slice(to);
    }
    let file = lab.scratch()?.join("tree.dtb");
    std::fs::write(&file, &tree)?;
    Ok(Boot { tree: Some(file), ..boot })
}

/// The GPIO controller, whose clock is nobody's, is a device that cannot do without it.
fn waits_for_a_clock(lab: &mut Lab) -> Result<()> {
    let boot = Boot { set: Some("needy"), ..Boot::default() };
    let boot = changed(lab, boot, &[(b"arm,pl061\0", b"arm,needy\0")])?;
    let mut console = lab.boot_to_prompt(boot)?;
    let rows = rows(&mut console)?;
    let (driver, state) = rows.get("/pl061@9030000").context("no GPIO controller")?;
    ensure!(driver == "needy" && state == "waiting for /apb-pclk (fixed-clock: no driver)", "{driver} {state}");
    contains(&console.command("log")?, "needy: /pl061@9030000: waiting for /apb-pclk (fixed-clock: no driver)")
}

/// The flash says that it is a UART whose registers begin in the middle of the real one's.
fn names_a_conflict(lab: &mut Lab) -> Result<()> {
    let reg = |base: u64, size: u64| [base.to_be_bytes(), size.to_be_bytes()].concat();
    let second = reg(0x400_0000, 0x400_0000);
    let (from, to) = ([reg(0, 0x400_0000), second.clone()].concat(), [reg(0x900_0800, 0x1000), second].concat());
    let boot = changed(lab, Boot::default(), &[(b"cfi-flash\0", b"arm,pl011\0"), (&from, &to)])?;
    let mut console = lab.boot_to_prompt(boot)?;
    let why = "take the pages 0x9000000..0x9002000, and of them /pl011@9000000 has 0x9000000..0x9001000";
    contains(&console.command("log")?, why)?;
    let rows = rows(&mut console)?;
    let (driver, state) = rows.get("/flash@0").context("no flash")?;
    ensure!(driver == "pl011" && state.starts_with("refused: ") && state.contains("/pl011@9000000 has"), "{state}");
    Ok(())
}

fn devmgr_comes_back(lab: &mut Lab) -> Result<()> {
    let disk = lab.disk()?;
    let boot = Boot { disks: vec![Disk::File(disk.image.clone())], ..Boot::default() };
    let mut console = lab.boot_to_prompt(boot)?;
    let before = rows(&mut console)?;
    console.command("kill devmgr")?;
    let after = rows(&mut console)?;
    ensure!(before == after, "before\n{before:#?}\nand after\n{after:#?}");
    let list = console.command("ps")?;
    starts(&list, "devmgr", 2)?;
    let machine = lab.machine();
    starts(&list, machine.console_driver(), 1)?;
    starts(&list, machine.disk_driver(), 1)?;
    contains(&console.command("sha256 /README.TXT")?, &disk.sha256("README.TXT")?)?;
    // A driver that dies meanwhile or later needs no devmgr.
    console.command("kill devmgr")?;
    console.command(&format!("kill {}", machine.disk_driver()))?;
    contains(&console.command("sha256 /a/b/c/d/deep.txt")?, &disk.sha256("a/b/c/d/deep.txt")?)?;
    ensure!(rows(&mut console)? == before, "after its driver died");
    Ok(())
}

fn supervisor_comes_back(lab: &mut Lab) -> Result<()> {
    let disk = lab.disk()?;
    let boot = Boot { disks: vec![Disk::File(disk.image.clone())], ..Boot::default() };
    let mut console = lab.boot_to_prompt(boot)?;
    console.command("kill supervisor")?;
    console.command("kill file")?;
    contains(&console.command("sha256 /README.TXT")?, &disk.sha256("README.TXT")?)?;
    let list = console.command("ps")?;
    starts(&list, "supervisor", 2)?;
    starts(&list, "file", 2)?;
    // Whoever supervised the first restart is gone, and a second is still one too many.
    console.command("kill supervisor")?;
    console.command("kill file")?;
    let list = console.command("ps")?;
    ensure!(list.lines().any(|line| line.contains(" file ") && line.contains("given up")), "{list}");
    Ok(())
}
