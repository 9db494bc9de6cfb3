//! The network interface, seen through the shell.

use anyhow::{Result, ensure};

use crate::lab::{Boot, Case, Lab, contains};
use crate::machine::{Disk, Net};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("net.shown", "net shows the address that QEMU was told, and what went through", shows_the_interface),
        Case::new("net.arp", "another host answers, again after the driver was killed", asks_who_has),
        Case::new("net.each", "two interfaces have a driver each", two_interfaces),
        Case::new("net.none", "without an interface net says so in one line", none),
    ]
}

const MAC: &str = "52:54:00:aa:bb:cc";

fn boot(lab: &mut Lab, nets: Vec<Net>) -> Result<crate::Console> {
    let disk = Disk::File(lab.disk()?.image);
    lab.boot_to_prompt(Boot { disks: vec![disk], nets, ..Boot::default() })
}

fn user() -> Net {
    Net { mac: Some(MAC.into()), ..Net::user() }
}

/// Frames that a line of `net` counts.
fn count(text: &str, what: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(what))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn shows_the_interface(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, vec![user()])?;
    contains(&console.command("net")?, &format!("net.0  {MAC}  link up  MTU 1500"))?;
    console.command("net arp")?;
    let after = console.command("net")?;
    let counts = ["sent", "received", "errors"].map(|what| count(&after, what));
    let [sent, received, errors] = counts;
    ensure!(sent >= Some(1) && received >= Some(1) && errors == Some(0), "{after}");
    Ok(())
}

fn asks_who_has(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, vec![user()])?;
    contains(&console.command("net arp 10.0.2.2")?, "10.0.2.2 is at 52:55:0a:00:02:02")?;
    console.command("kill virtio-net")?;
    contains(&console.command("net arp")?, "10.0.2.2 is at 52:55:0a:00:02:02")?;
    contains(&console.command("net arp 10.0.2.99")?, "10.0.2.99 does not answer")
}

fn two_interfaces(lab: &mut Lab) -> Result<()> {
    let hub = |mac: &str| Net { backend: "hubport,hubid=0".into(), mac: Some(mac.into()) };
    let macs = ["52:54:00:aa:bb:01", "52:54:00:aa:bb:02"];
    let mut console = boot(lab, macs.map(hub).into())?;
    let text = console.command("net")?;
    for mac in macs {
        contains(&text, mac)?;
    }
    contains(&console.command("net arp")?, "does not answer")?;
    let text = console.command("net")?;
    // The four questions, out of the first.
    let sent: Vec<_> =
        text.lines().filter(|line| line.starts_with("sent")).filter_map(|line| count(line, "")).collect();
    ensure!(sent == [4, 0], "{text}");
    Ok(())
}

fn none(lab: &mut Lab) -> Result<()> {
    let mut console = boot(lab, Vec::new())?;
    for command in ["net", "net arp"] {
        let text = console.command(command)?;
        contains(&text, "there is no network interface")?;
        ensure!(text.trim().lines().count() == 1, "{text}");
    }
    Ok(())
}
