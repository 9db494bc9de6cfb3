//! Intel's 82574 network interface.

use anyhow::{Result, ensure};

use crate::console::Console;
use crate::lab::{Boot, Case, Lab, contains};
use crate::machine::Disk;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "e1000e.arp",
            "another host answers through it, by messages or its line, again after the driver was killed",
            |lab| {
                asks(lab, 3, false, true)?;
                asks(lab, 2, true, true)?;
                asks(lab, 3, false, false)
            },
        ),
        Case::new("e1000e.both", "beside a virtio interface it is a second one", both),
    ]
}

const MAC: &str = "52:54:00:aa:bb:01";

/// An interface on the network that QEMU makes up.
fn interface() -> [String; 4] {
    ["-netdev", "user,id=e0", "-device", &format!("e1000e,netdev=e0,mac={MAC},romfile=")].map(str::to_owned)
}

fn boot(lab: &mut Lab, boot: Boot) -> Result<Console> {
    let disks = vec![Disk::File(lab.disk()?.image)];
    lab.boot_to_prompt(Boot { disks, ..boot })
}

fn asks(lab: &mut Lab, gic: u8, el2: bool, messages: bool) -> Result<()> {
    let mut extra: Vec<String> = interface().into();
    if !messages {
        extra.extend(["-machine", "its=off"].map(str::to_owned));
    }
    let mut console = boot(lab, Boot { gic: Some(gic), el2, extra, ..Boot::default() })?;
    contains(&console.command("net")?, &format!("net.0  {MAC}  link up  MTU 1500"))?;
    let caps = console.command("caps e1000e")?;
    ensure!(caps.contains("message") == messages, "{caps}");
    contains(&console.command("net arp 10.0.2.2")?, "10.0.2.2 is at 52:55:0a:00:02:02")?;
    console.command("kill e1000e")?;
    contains(&console.command("net arp")?, "10.0.2.2 is at 52:55:0a:00:02:02")?;
    contains(&console.command("net arp 10.0.2.99")?, "10.0.2.99 does not answer")
}

fn both(lab: &mut Lab) -> Result<()> {
    let nets = vec![crate::machine::Net::user()];
    let mut console = boot(lab, Boot { nets, extra: interface().into(), ..Boot::default() })?;
    let text = console.command("net")?;
    contains(&text, MAC)?;
    ensure!(text.lines().filter(|line| line.contains("link up")).count() == 2, "{text}");
    let list = console.command("devices")?;
    let row = list.lines().find(|line| line.contains("pci8086,10d3@")).unwrap_or_default();
    ensure!(row.contains("e1000e") && row.contains("running"), "{list}");
    contains(&console.command("devices --trust")?, "e1000e")
}
