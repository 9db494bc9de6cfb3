//! PCI: functions behind the host bridge, and their drivers.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::input;
use crate::console::Console;
use crate::disk;
use crate::lab::{Boot, Case, Lab, contains};
use crate::machine::{Bus, Disk, Net};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let listed = |id: &str, gic: u8, el2: bool| {
        Case::new(
            format!("pci.list.{id}"),
            "devices lists the functions of a bus, each with its registers",
            move |lab| lists(lab, gic, el2),
        )
    };
    let virtio = |id: &str, gic: u8, el2: bool| {
        Case::new(
            format!("pci.virtio.{id}"),
            "disk, network, random bytes and keyboard are functions, each with a driver",
            move |lab| serves(lab, gic, el2),
        )
    };
    vec![
        listed("gicv3", 3, false),
        listed("gicv2-el2", 2, true),
        Case::new("pci.driver", "a driver of a function has its registers, also after it was killed", drives),
        Case::new("pci.bridge", "a bridge driver or devmgr that was killed finds things as they were", comes_back),
        virtio("gicv3", 3, false),
        virtio("gicv2-el2", 2, true),
        Case::new(
            "pci.virtio-restart",
            "a driver that was killed has its function again, and a bus driver disturbs none",
            restarts,
        ),
        Case::new("pci.dead", "a function whose driver is dead masters the bus no more", quiet_when_dead),
        Case::new("pci.behind", "functions behind bridges have drivers, which interrupt and reach memory", behind),
        Case::new("pci.behind-smmu", "behind a conventional bridge no bus master has a stream of its own", behind_smmu),
        Case::new(
            "pci.storm",
            "a function that is never served is cut off from the line that it shares, and named",
            |lab| storm(lab, false),
        ),
        Case::new("pci.silent", "a driver that does not acknowledge loses the line that it shares", |lab| {
            storm(lab, true)
        }),
        Case::new(
            "pci.hotplug",
            "a disk that is taken and put back twenty times is listed, served and paid for as before",
            |lab| hotplug(lab, false),
        ),
        Case::new("pci.hotplug-smmu", "the same behind an SMMU", |lab| hotplug(lab, true)),
        Case::new("pci.full", "a function that does not fit is named, and the others are there", full),
    ]
}

const TESTDEV: &str = "/pcie@10000000/pci1b36,5@2,0";
const NVME: &str = "/pcie@10000000/pci1b36,10@1,0";
const SAYS: &str = "pci-testdev: 0x1b36: mmio-no-eventfd";

fn boot(lab: &mut Lab, more: &[&str]) -> Result<Console> {
    let devices = ["-device", "nvme,serial=1,addr=1", "-device", "pci-testdev,addr=2"];
    let extra = devices.iter().chain(more).map(|&word| word.to_owned()).collect();
    lab.boot_to_prompt(Boot { set: Some("pci"), extra, ..Boot::default() })
}

fn lists(lab: &mut Lab, gic: u8, el2: bool) -> Result<()> {
    let extra = ["-device", "nvme,serial=1,addr=1"].map(str::to_owned).into();
    // The set has no driver for it.
    let mut console = lab.boot_to_prompt(Boot { set: Some("pci"), gic: Some(gic), el2, extra, ..Boot::default() })?;
    let list = console.command("devices")?;
    let row = |path: &str| list.lines().find(|line| line.starts_with(path)).unwrap_or_default().to_owned();
    contains(&row("/pcie@10000000 "), "pci-ecam")?;
    contains(&row("/pcie@10000000/pci1b36,8@0,0"), "no driver")?;
    contains(&row(NVME), "no driver")?;
    let lines = console.command(&format!("devices {NVME}"))?;
    for part in
        ["pci1b36,10,", "pciclass,010802", "registers 0x8000000000..0x8000004000 (bar0)", "interrupt 36, level (intx)"]
    {
        contains(&lines, part)?;
    }
    contains(&console.command("caps pci-ecam")?, "device registers 0x4010000000..0x4020000000")
}

fn drives(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, &[])?;
    console.logged(&[SAYS], "error pci", Duration::from_secs(10))?;
    let caps = console.command("caps pci-testdev")?;
    contains(&caps, "device registers 0x10000000..0x10001000")?;
    ensure!(caps.matches("device registers").count() == 1, "{caps}");
    console.command("kill pci-testdev")?;
    let log = console.logged(&["pci-testdev is started again"], "error pci", Duration::from_secs(10))?;
    ensure!(log.matches(SAYS).count() == 2, "{log}");
    contains(&console.command("devices")?, TESTDEV)
}

fn comes_back(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, &[])?;
    console.logged(&[SAYS], "error pci", Duration::from_secs(10))?;
    let before = console.command("devices")?;
    for name in ["pci-ecam", "devmgr"] {
        console.command(&format!("kill {name}"))?;
        console.logged(&[&format!("{name} is started again")], "error pci", Duration::from_secs(10))?;
        let after = console.command("devices")?;
        ensure!(after == before, "after {name}:\n{after}");
    }
    Ok(())
}

fn full(lab: &mut Lab) -> Result<()> {
    // Its memory is larger than the window of 512 GiB.
    let mut console = boot(lab, &["-device", "pci-testdev,addr=3,membar=1024G"])?;
    let log = console.logged(&[SAYS], "error pci-testdev", Duration::from_secs(10))?;
    contains(&log, "error pci-ecam: 00:03.0: BAR 2 of 0x10000000000 bytes fits in no window of the bridge")?;
    let list = console.command("devices")?;
    ensure!(list.contains(NVME) && list.contains(TESTDEV) && !list.contains("@3,0"), "{list}");
    Ok(())
}

/// A disk, a network interface, random bytes and a keyboard, all of them functions.
fn on_pci(lab: &mut Lab, gic: u8, el2: bool) -> Result<Console> {
    let disk = Disk::File(lab.disk()?.image);
    lab.boot_to_prompt(Boot {
        gic: Some(gic),
        el2,
        bus: Some(Bus::Pci),
        disks: vec![disk],
        nets: vec![Net::user()],
        devices: vec!["virtio-rng-device".into(), "virtio-keyboard-device".into()],
        ..Boot::default()
    })
}

/// The drivers that have a function, and how often each was started.
const DRIVERS: [&str; 4] = ["virtio-blk", "virtio-net", "virtio-rng", "virtio-input"];

fn starts(console: &mut Console, name: &str) -> Result<u32> {
    let list = console.command("ps")?;
    let words = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let Some(words) = words.into_iter().find(|words| words.get(1) == Some(&name)) else {
        bail!("no {name} in:\n{list}")
    };
    ensure!(words.get(2) == Some(&"running"), "{name}: {words:?}");
    Ok(words.get(3).unwrap_or(&"").parse()?)
}

fn answers(lab: &mut Lab, console: &mut Console) -> Result<()> {
    let random = console.command("random")?;
    ensure!(random.trim().len() == 64, "not 64 digits: {random:?}");
    answers_but_random(lab, console)
}

fn answers_but_random(lab: &mut Lab, console: &mut Console) -> Result<()> {
    let wanted = lab.disk()?.sha256("README.TXT")?;
    contains(&console.command("sha256 /README.TXT")?, &wanted)?;
    contains(&console.command("net arp 10.0.2.2")?, "10.0.2.2 is at 52:55:0a:00:02:02")?;
    input::watch(console, input::KEYBOARD)?;
    input::press(console, &["a"])?;
    console.expect("EV_KEY KEY_A 1\n")?;
    console.send(b"\x03")?;
    console.prompt_within(Duration::from_secs(10)).map(drop)
}

fn serves(lab: &mut Lab, gic: u8, el2: bool) -> Result<()> {
    let mut console = on_pci(lab, gic, el2)?;
    let list = console.command("devices")?;
    for (driver, path) in DRIVERS.iter().zip(["1042@8", "1041@9", "1044@a", "1052@b"]) {
        let path = format!("/pcie@10000000/pci1af4,{path},0");
        let row = list.lines().find(|line| line.starts_with(&path)).unwrap_or_default();
        ensure!(row.ends_with("running") && row.contains(driver), "{path}: {row:?} in\n{list}");
        ensure!(starts(&mut console, driver)? == 1, "{driver} was started twice");
    }
    answers(lab, &mut console)
}

/// A disk behind a root port, an interface behind a switch, random bytes and a keyboard behind conventional bridges.
fn with_bridges(lab: &mut Lab, iommu: bool) -> Result<Console> {
    let disk = lab.disk()?.image;
    let extra = [
        "-device",
        "pcie-root-port,id=root0,addr=2,chassis=1",
        "-drive",
        &format!("if=none,id=behind,format=raw,file={}", disk.display()),
        "-device",
        "virtio-blk-pci,disable-legacy=on,iommu_platform=on,romfile=,drive=behind,bus=root0",
        "-device",
        "pcie-root-port,id=root1,addr=3,chassis=2",
        "-device",
        "x3130-upstream,id=up,bus=root1",
        "-device",
        "xio3130-downstream,id=down0,bus=up,chassis=3,slot=0",
        "-device",
        "xio3130-downstream,id=down1,bus=up,chassis=4,slot=1,addr=1",
        "-netdev",
        "user,id=net",
        "-device",
        "virtio-net-pci,disable-legacy=on,iommu_platform=on,romfile=,netdev=net,bus=down1",
        "-device",
        "pci-bridge,id=old,addr=5,chassis_nr=9",
        "-device",
        "virtio-rng-pci,disable-legacy=on,romfile=,bus=old,addr=6",
        "-device",
        "virtio-keyboard-pci,disable-legacy=on,romfile=,bus=old,addr=7",
    ];
    let extra = extra.map(str::to_owned).into();
    lab.boot_to_prompt(Boot { bus: Some(Bus::Pci), iommu: Some(iommu), extra, ..Boot::default() })
}

fn behind_smmu(lab: &mut Lab) -> Result<()> {
    let mut console = with_bridges(lab, true)?;
    let list = console.command("devices")?;
    let row = |path: &str| list.lines().find(|line| line.contains(path)).unwrap_or_default().to_owned();
    for path in ["pci1b36,c@2,0/pci1af4,1042@0,0", "pci1af4,1041@0,0"] {
        ensure!(row(path).ends_with("running"), "{path} in\n{list}");
    }
    for path in ["pci1af4,1044@6,0", "pci1af4,1052@7,0"] {
        contains(&row(path), "refused: it is behind a bridge that makes the requester IDs")?;
    }
    let wanted = lab.disk()?.sha256("README.TXT")?;
    contains(&console.command("sha256 /README.TXT")?, &wanted)?;
    contains(&console.command("caps virtio-blk")?, "through SMMU stream 0x100")
}

fn behind(lab: &mut Lab) -> Result<()> {
    let mut console = with_bridges(lab, false)?;
    let list = console.command("devices")?;
    let paths = [
        ("pci1b36,c@2,0/pci1af4,1042@0,0", "virtio-blk"),
        ("pci1b36,c@3,0", "pci-ecam"),
        ("pci1b36,c@3,0/pci104c,8232@0,0/pci104c,8233@1,0/pci1af4,1041@0,0", "virtio-net"),
        ("pci1b36,1@5,0/pci1af4,1044@6,0", "virtio-rng"),
        ("pci1b36,1@5,0/pci1af4,1052@7,0", "virtio-input"),
    ];
    for (path, driver) in paths {
        let path = format!("/pcie@10000000/{path} ");
        let row = list.lines().find(|line| line.starts_with(&path)).unwrap_or_default();
        ensure!(row.ends_with("running") && row.contains(driver), "{path}: {row:?} in\n{list}");
    }
    answers(lab, &mut console)?;
    for service in ["pci-ecam", "devmgr", "virtio-blk", "virtio-net"] {
        console.command(&format!("kill {service}"))?;
        answers(lab, &mut console)?;
    }
    ensure!(console.command("devices")? == list, "the list is not as it was");
    Ok(())
}

/// The command register of device 10, as the bus has it: QEMU reads the configuration space.
fn command_of_the_rng(console: &mut Console) -> Result<u32> {
    let place = 0x40_1000_0000u64 + (10 << 15) + 4;
    let words = json!({ "command-line": format!("xp /1wx {place:#x}") });
    let answer = console.qmp()?.execute("human-monitor-command", words)?;
    let word = answer.as_str().and_then(|line| line.split_once(": 0x")).map(|(_, word)| word.trim());
    Ok(u32::from_str_radix(word.with_context(|| format!("QEMU says {answer}"))?, 16)? & 0xffff)
}

fn quiet_when_dead(lab: &mut Lab) -> Result<()> {
    const MASTER: u32 = 1 << 2;
    let mut console = on_pci(lab, 3, false)?;
    ensure!(command_of_the_rng(&mut console)? & MASTER != 0, "it does not master the bus");
    console.command("kill virtio-rng")?;
    console.command("random")?;
    ensure!(command_of_the_rng(&mut console)? & MASTER != 0, "nor does it again");
    // It is not started a third time.
    console.command("kill virtio-rng")?;
    contains(&console.command("ps")?, "given up")?;
    let command = command_of_the_rng(&mut console)?;
    ensure!(command & MASTER == 0, "it still masters the bus: {command:#x}");
    answers_but_random(lab, &mut console)
}

fn restarts(lab: &mut Lab) -> Result<()> {
    let mut console = on_pci(lab, 3, false)?;
    answers(lab, &mut console)?;
    for driver in DRIVERS {
        console.command(&format!("kill {driver}"))?;
        answers(lab, &mut console)?;
    }
    for service in ["pci-ecam", "devmgr", "pci-ecam"] {
        console.command(&format!("kill {service}"))?;
        answers(lab, &mut console)?;
    }
    for driver in DRIVERS {
        ensure!(starts(&mut console, driver)? == 2, "{driver} was started by what died beside it");
    }
    Ok(())
}

/// How often it is in the log that a function was cut off, or its driver ended.
const CUT_OFF: &str = "00:03.0: it raises INTx without end, and its driver (component ";
const ENDED: &str = "was stopped: it holds interrupt line 38, which others share";

/// A disk without messages, on the line of a function whose driver does not serve it.
fn storm(lab: &mut Lab, silent: bool) -> Result<()> {
    let (disk, wanted) = (lab.disk()?.image, lab.disk()?.sha256("README.TXT")?);
    let drive = format!("if=none,id=shares,format=raw,file={}", disk.display());
    let shares = "virtio-blk-pci,disable-legacy=on,iommu_platform=on,vectors=0,romfile=,drive=shares,addr=7";
    let extra = ["-drive", &drive, "-device", shares, "-device", "edu,addr=3"].map(str::to_owned).into();
    let bootargs = silent.then(|| "log=info edu-storm.silent=1".into());
    let mut console = lab.boot_to_prompt(Boot { set: Some("storm"), extra, bootargs, ..Boot::default() })?;
    for path in ["/pcie@10000000/pci1234,11e8@3,0", "/pcie@10000000/pci1af4,1042@7,0"] {
        contains(&console.command(&format!("devices {path}"))?, "interrupt 38, level (intx)")?;
    }
    let says = if silent { ENDED } else { CUT_OFF };
    console.logged(&[says], "error virtio-blk", Duration::from_secs(20))?;
    for _ in 0..3 {
        reads(&mut console, &wanted)?;
    }
    ensure!(starts(&mut console, "virtio-blk")? == 1, "the disk's driver was started again");
    if silent {
        // Its successor does the same, and has none.
        console.logged(&["edu-storm is not started again"], "error virtio-blk", Duration::from_secs(20))?;
    } else {
        console.command("kill edu-storm")?;
        let start = std::time::Instant::now();
        while console.command("log")?.matches(CUT_OFF).count() != 2 {
            ensure!(start.elapsed() < Duration::from_secs(20), "it is not cut off again");
        }
    }
    reads(&mut console, &wanted)
}

/// The disk's file is read within five seconds. A line of the log that comes meanwhile has the shell show its prompt once more.
fn reads(console: &mut Console, wanted: &str) -> Result<()> {
    console.send_line("sha256 /README.TXT")?;
    console.expect_within(wanted, Duration::from_secs(5))?;
    console.prompt_within(Duration::from_secs(5)).map(drop)
}

const PLUGGED: &str = "/pcie@10000000/pci1b36,c@2,0/pci1af4,1042@0,0";

/// Waits until the list of devices has a disk behind the port that is in this state, or none.
fn wait_for_disk(console: &mut Console, state: Option<&str>) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        let list = console.command("devices")?;
        let row = list.lines().find(|line| line.starts_with(PLUGGED));
        // Another answer, if a line of the log came between.
        let is_list = list.contains("/pcie@10000000/pci1b36,c@2,0");
        if is_list
            && row.is_some() == state.is_some()
            && state.is_none_or(|state| row.is_some_and(|row| row.ends_with(state)))
        {
            return Ok(());
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "not {state:?} in:\n{list}");
    }
}

/// Asks QEMU until it does as it is told: a device that was taken is there until the machine has let it go.
fn tell_qemu(console: &mut Console, command: &str, arguments: &serde_json::Value) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        match console.qmp()?.execute(command, arguments.clone()) {
            Ok(_) => return Ok(()),
            Err(error) => ensure!(start.elapsed() < Duration::from_secs(20), "{error:#}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn hotplug(lab: &mut Lab, iommu: bool) -> Result<()> {
    let (image, wanted) = (lab.disk()?.image, lab.disk()?.sha256("README.TXT")?);
    let node = format!("driver=raw,node-name=medium,read-only=on,file.driver=file,file.filename={}", image.display());
    let words = ["-device", "pcie-root-port,id=root0,addr=2,chassis=1", "-blockdev", &node];
    let random = ["-device", "virtio-rng-pci,disable-legacy=on,iommu_platform=on,romfile=,addr=6"];
    let extra = words.into_iter().chain(random).map(str::to_owned).collect();
    let mut console = lab.boot_to_prompt(Boot { bus: Some(Bus::Pci), iommu: Some(iommu), extra, ..Boot::default() })?;
    let add = json!({ "driver": "virtio-blk-pci", "id": "plugged", "bus": "root0", "drive": "medium",
        "disable-legacy": "on", "iommu_platform": "on", "romfile": "" });
    let mut used = Vec::new();
    for round in 0..20 {
        wait_for_disk(&mut console, None)?;
        tell_qemu(&mut console, "device_add", &add)?;
        wait_for_disk(&mut console, Some("running")).with_context(|| format!("round {round}"))?;
        reads(&mut console, &wanted).with_context(|| format!("round {round}"))?;
        ensure!(console.command("random")?.trim().len() == 64, "no random bytes in round {round}");
        used.push(services_use(&mut console)?);
        let is_read = round % 4 == 3;
        if is_read {
            console.send_line(&format!("sha256 /{}", disk::LARGE))?;
            std::thread::sleep(Duration::from_millis(100));
        }
        tell_qemu(&mut console, "device_del", &json!({ "id": "plugged" }))?;
        if is_read {
            // Who reads is told; it does not wait for ever.
            console.expect_within("sha256: /large.bin: ", Duration::from_secs(10))?;
            console.prompt_within(Duration::from_secs(10))?;
        }
    }
    wait_for_disk(&mut console, None)?;
    // What they took in the first rounds they took for good.
    let (last, some) = (used[19].clone(), used[9].clone());
    ensure!(last == some, "the services use {last:?} after twenty rounds, and {some:?} after ten");
    ensure!(starts(&mut console, "virtio-rng")? == 1, "another driver was started again");
    // With the same identifier: QEMU takes the next when this one has gone.
    let large = json!({ "driver": "pci-testdev", "id": "plugged", "bus": "root0", "membar": 64 << 20 });
    tell_qemu(&mut console, "device_add", &large)?;
    let says = "error pci-ecam: 01:00.0: BAR 2 of 0x4000000 bytes fits in no window of the bridge";
    console.logged(&[says], "crashed", Duration::from_secs(10))?;
    tell_qemu(&mut console, "device_del", &json!({ "id": "plugged" }))?;
    tell_qemu(&mut console, "device_add", &add)?;
    wait_for_disk(&mut console, Some("running"))?;
    // A bridge driver that comes back serves the slots as well.
    console.command("kill pci-ecam")?;
    reads(&mut console, &wanted)?;
    tell_qemu(&mut console, "device_del", &json!({ "id": "plugged" }))?;
    wait_for_disk(&mut console, None)?;
    tell_qemu(&mut console, "device_add", &add)?;
    wait_for_disk(&mut console, Some("running"))?;
    reads(&mut console, &wanted)
}

/// Name and memory in use of those who have to do with devices that come and go.
fn services_use(console: &mut Console) -> Result<Vec<(String, String)>> {
    let list = console.command("ps")?;
    let words = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let named = words.filter(|words| words.get(1).is_some_and(|name| ["pci-ecam", "devmgr", "file"].contains(name)));
    Ok(named.filter_map(|words| Some((words.get(1)?.to_string(), words.get(5)?.to_string()))).collect())
}
