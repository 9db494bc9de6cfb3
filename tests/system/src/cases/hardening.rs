//! What a core can do against attacks is found, used and said; what it cannot is done without.

use anyhow::{Result, ensure};

use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "hardening.late-core",
            "a late core that lacks what is in use is refused and named",
            refuses_late_core,
        ),
        Case::new("hardening.late-core.old", "a late core may lack what is not in use", admits_late_core),
        Case::new("hardening.errata", "it runs with everything that errata of any core ask for", obeys_errata),
    ];
    for (cpu, in_use) in IN_USE {
        let id = format!("hardening.in-use.{cpu}");
        cases.push(Case::new(id, format!("on {cpu} what the core has is in use"), move |lab| says(lab, cpu, in_use)));
        let id = format!("hardening.maps.{cpu}");
        let text = format!("on {cpu} nothing is writable and executable, in the kernel or a process");
        cases.push(Case::new(id, text, move |lab| maps(lab, cpu)));
    }
    for (cpu, el2) in [("cortex-a76", false), ("neoverse-n1", true), ("max", false)] {
        let id = format!("hardening.pan.{cpu}");
        let text = format!("on {cpu} the kernel cannot read what is mapped for user space");
        cases.push(Case::new(id, text, move |lab| pan(lab, cpu, el2)));
    }
    cases.push(Case::new("hardening.pan.cortex-a53", "a core without PAN boots and says so", no_pan));
    cases
}

/// Cores of the emulator and what they have that is used.
const IN_USE: [(&str, &str); 4] = [
    ("cortex-a53", "protections in use: none\n"),
    ("cortex-a76", "protections in use: PAN SSBS\n"),
    ("neoverse-n1", "protections in use: PAN SSBS\n"),
    ("max", "protections in use: PAN E0PD SSBS\n"),
];

fn boot(cpu: &str, bootargs: &str) -> Boot {
    Boot { cpu: Some(cpu.into()), bootargs: Some(bootargs.into()), ..Boot::default() }
}

fn says(lab: &mut Lab, cpu: &str, words: &str) -> Result<()> {
    let mut console = lab.boot_to_prompt(boot(cpu, "log=debug"))?;
    contains(&console.text(), "kernel: debug: core 0: midr 0x")?;
    contains(&console.command("log")?, words)
}

fn maps(lab: &mut Lab, cpu: &str) -> Result<()> {
    let mut console = lab.boot_to_prompt(boot(cpu, "selftest=maps"))?;
    let log = console.command("log")?;
    // init, the console driver, the shell and whatever else of the board has started.
    let most = log.lines().filter_map(|line| {
        let rest = line.split_once("maps: in order: ")?.1;
        let (kernel, rest) = rest.split_once(" of the kernel, ")?;
        let (leaves, spaces) = rest.split_once(" of ")?;
        let number = |word: &str| word.split(' ').next()?.parse::<u32>().ok();
        Some((number(spaces)?, number(leaves)?, number(kernel)?))
    });
    let Some((spaces, leaves, kernel)) = most.max() else { anyhow::bail!("no walk of the page tables:\n{log}") };
    ensure!(spaces >= 3 && leaves > 50 && kernel > 50, "{spaces} spaces, {leaves} and {kernel} leaves:\n{log}");
    Ok(())
}

fn pan(lab: &mut Lab, cpu: &str, el2: bool) -> Result<()> {
    let mut console = lab.boot(Boot { el2, ..boot(cpu, "selftest=user") })?;
    console.expect("kernel halted")?;
    let text = console.text();
    contains(&text, "kernel fault: data abort")?;
    contains(&text, "permission denied")
}

fn no_pan(lab: &mut Lab) -> Result<()> {
    let console = lab.boot_to_prompt(boot("cortex-a53", "selftest=user"))?;
    contains(&console.text(), "the kernel read what user space has mapped: no PAN")
}

fn four(cpu: &str, bootargs: &str) -> Boot {
    Boot { smp: Some(4), ..boot(cpu, bootargs) }
}

fn refuses_late_core(lab: &mut Lab) -> Result<()> {
    let console = lab.boot_to_prompt(four("max", "log=debug selftest=late-core"))?;
    let text = console.text();
    contains(&text, "core 0x1 is refused: it lacks what is in use: PAN E0PD SSBS")?;
    // Those behind it come in all the same.
    contains(&text, "kernel: debug: 3 cores")
}

fn admits_late_core(lab: &mut Lab) -> Result<()> {
    let console = lab.boot_to_prompt(four("cortex-a53", "log=debug selftest=late-core"))?;
    let text = console.text();
    ensure!(!text.contains("refused"), "{text}");
    contains(&text, "kernel: debug: 4 cores")
}

fn obeys_errata(lab: &mut Lab) -> Result<()> {
    let disk = lab.disk()?;
    let disks = vec![crate::machine::Disk::File(disk.image.clone())];
    let mut console = lab.boot_to_prompt(Boot { disks, ..four("cortex-a53", "selftest=errata") })?;
    contains(&console.command("sha256 /README.TXT")?, &disk.sha256("README.TXT")?)?;
    contains(&console.command("log")?, "has an erratum for which nothing is done")
}
