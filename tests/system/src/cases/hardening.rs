//! What a core can do against attacks is found, used and said; what it cannot is done without.

use std::time::{Duration, Instant};

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
    cases.push(Case::new("hardening.mitigations.off", "mitigations can be switched off, and the log says so", off));
    for cpu in ["cortex-a53", "max"] {
        let id = format!("hardening.mitigations.force.{cpu}");
        let text = format!("on {cpu} everything works through the most expensive vectors");
        cases.push(Case::new(id, text, move |lab| force(lab, cpu)));
    }
    for (cpu, gic) in [("cortex-a53", 2), ("max", 3)] {
        let id = format!("hardening.unmapped.{cpu}");
        let text = format!("on {cpu} one page of the kernel is mapped while processes run, if that is asked for");
        cases.push(Case::new(id, text, move |lab| unmapped(lab, cpu, gic)));
    }
    cases.push(Case::new("hardening.unmapped.crash", "a fault of a kernel like that is reported", unmapped_crash));
    for (id, bootargs, translated) in
        [("off", "log=info mitigations=off", true), ("force", "log=info mitigations=force", false)]
    {
        let text = format!(
            "with mitigations={id} a process finds the kernel {}",
            if translated { "forbidden" } else { "nowhere" }
        );
        let run = move |lab: &mut Lab| process_finds(lab, bootargs, translated);
        cases.push(Case::new(format!("hardening.unmapped.{id}"), text, run));
    }
    for cpu in ["cortex-a53", "max"] {
        let kinds: [(&str, &str, Says); 4] = [
            ("branch", "the kernel branches to landing pads only", kernel_branch),
            ("return", "the kernel returns to where it was called from", kernel_return),
            ("branch.process", "a process branches to landing pads only", process_branch),
            ("return.process", "a process returns to where it was called from", process_return),
        ];
        for (kind, text, says) in kinds {
            let text = if cpu == "max" { format!("on {cpu} {text}") } else { format!("not on {cpu}: {text}") };
            let run = move |lab: &mut Lab| says(lab, cpu);
            cases.push(Case::new(format!("hardening.{kind}.{cpu}"), text, run));
        }
    }
    cases.push(Case::new("hardening.pan.cortex-a53", "a core without PAN boots and says so", no_pan));
    cases
}

/// Cores of the emulator and what they have that is used.
const IN_USE: [(&str, &str); 4] = [
    ("cortex-a53", "protections in use: none\n"),
    ("cortex-a76", "protections in use: PAN SSBS LOOP\n"),
    ("neoverse-n1", "protections in use: PAN SSBS LOOP\n"),
    ("max", "protections in use: PAN E0PD SSBS BTI AUTH EXPOSED\n"),
];

fn boot(cpu: &str, bootargs: &str) -> Boot {
    Boot { cpu: Some(cpu.into()), bootargs: Some(bootargs.into()), ..Boot::default() }
}

fn says(lab: &mut Lab, cpu: &str, words: &str) -> Result<()> {
    let mut console = lab.boot_to_prompt(boot(cpu, "log=debug"))?;
    contains(&console.text(), "kernel: debug: core 0: midr 0x")?;
    let words = if lab.machine().guarded { words.into() } else { words.replace(" BTI AUTH", "") };
    contains(&console.command("log")?, &words)
}

/// A case on a core.
type Says = fn(&mut Lab, &str) -> Result<()>;

/// Whether a core sees to landing pads and signatures, and the programs have them.
fn sees(lab: &Lab, cpu: &str) -> bool {
    cpu == "max" && lab.machine().guarded
}

fn kernel_fails(lab: &mut Lab, cpu: &str, kind: &str, words: &str) -> Result<()> {
    kernel_fails_at(lab, boot(cpu, &format!("selftest={kind}")), words)
}

fn kernel_fails_at(lab: &mut Lab, boot: Boot, words: &str) -> Result<()> {
    let mut console = lab.boot(boot)?;
    console.expect("kernel halted")?;
    contains(&console.text(), words)
}

fn kernel_branch(lab: &mut Lab, cpu: &str) -> Result<()> {
    kernel_fails(lab, cpu, "branch", kernel_branch_words(sees(lab, cpu)))
}

fn kernel_branch_words(seen: bool) -> &'static str {
    if seen { "kernel fault: branch to what is no landing pad" } else { "where no landing pad is" }
}

/// A core without FPAC says so when the address is used, which no address with a wrong signature is for.
fn kernel_return(lab: &mut Lab, cpu: &str) -> Result<()> {
    let words =
        if sees(lab, cpu) { "kernel fault: instruction abort" } else { "a return ended where nobody called from" };
    // A core signs from its first thread on, and others may not have had one when they are idle.
    kernel_fails_at(lab, Boot { smp: Some(1), ..boot(cpu, "selftest=return") }, words)
}

fn process_fails(lab: &mut Lab, cpu: &str, culprit: &str, words: &str) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot { set: Some("isolation"), ..boot(cpu, "log=info") })?;
    let log = console.command("log")?;
    let named = log.lines().any(|line| line.contains(culprit) && line.contains(words));
    ensure!(named, "no line names {culprit} and {words:?}:\n{log}");
    Ok(())
}

fn process_branch(lab: &mut Lab, cpu: &str) -> Result<()> {
    // The text of the fault; or that of the program, which the log has behind the program's name.
    let words =
        if sees(lab, cpu) { ": branch to what is no landing pad" } else { "branched to what is no landing pad" };
    process_fails(lab, cpu, "trespass-branch", words)
}

fn process_return(lab: &mut Lab, cpu: &str) -> Result<()> {
    let seen = sees(lab, cpu);
    let words =
        if seen { "execution of an address it may not execute" } else { "returned to where nobody called from" };
    process_fails(lab, cpu, "trespass-return", words)
}

/// init copies the kernel's log into its own when it has time.
const PATIENCE: Duration = Duration::from_secs(10);

fn maps(lab: &mut Lab, cpu: &str) -> Result<()> {
    let mut console = lab.boot_to_prompt(boot(cpu, "selftest=maps"))?;
    let start = Instant::now();
    loop {
        let log = console.command("log")?;
        // init, the console driver, the shell and whatever else of the board has started.
        let (spaces, leaves, kernel) = log.lines().filter_map(walked).max().unwrap_or_default();
        if spaces >= 3 && leaves > 50 && kernel > 50 {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "{spaces} spaces, {leaves} and {kernel} leaves:\n{log}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What a walk of all page tables found: address spaces, leaves of processes, leaves of the kernel.
fn walked(line: &str) -> Option<(u32, u32, u32)> {
    let rest = line.split_once("maps: in order: ")?.1;
    let (kernel, rest) = rest.split_once(" of the kernel, ")?;
    let (leaves, spaces) = rest.split_once(" of ")?;
    let number = |word: &str| word.split(' ').next()?.parse().ok();
    Some((number(spaces)?, number(leaves)?, number(kernel)?))
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

fn off(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot_to_prompt(boot("cortex-a76", "mitigations=off"))?;
    contains(&console.command("log")?, "protections in use: PAN SSBS OFF\n")
}

fn force(lab: &mut Lab, cpu: &str) -> Result<()> {
    let disk = lab.disk()?;
    let disks = vec![crate::machine::Disk::File(disk.image.clone())];
    let mut console = lab.boot_to_prompt(Boot { disks, ..four(cpu, "mitigations=force") })?;
    contains(&console.command("sha256 /README.TXT")?, &disk.sha256("README.TXT")?)?;
    let log = console.command("log")?;
    let line = log.lines().find(|line| line.contains("protections in use:")).unwrap_or_default();
    contains(line, " LOOP TRAMPOLINE")
}

/// The cores that do that are 4.
fn unmapped(lab: &mut Lab, cpu: &str, gic: u8) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot { gic: Some(gic), ..four(cpu, "mitigations=force selftest=maps") })?;
    let start = Instant::now();
    loop {
        let log = console.command("log")?;
        let says = |core| log.contains(&format!("maps: core {core} has one page of the kernel while a process runs"));
        if (0..4).all(says) && log.lines().any(|line| walked(line).is_some_and(|(spaces, ..)| spaces >= 3)) {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "{log}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn unmapped_crash(lab: &mut Lab) -> Result<()> {
    kernel_fails_at(lab, boot("max", "mitigations=force selftest=branch"), kernel_branch_words(sees(lab, "max")))
}

/// The core says in the syndrome whether an address is translated, or only forbidden.
fn process_finds(lab: &mut Lab, bootargs: &str, translated: bool) -> Result<()> {
    let mut console = lab.boot_to_prompt(Boot { set: Some("isolation"), ..boot("cortex-a53", bootargs) })?;
    let log = console.command("log")?;
    let crash = log.lines().find(|line| line.contains("trespass-kernel") && line.contains(", syndrome 0x"));
    let syndrome = crash.and_then(|line| line.split_once(", syndrome 0x")).and_then(|(_, word)| {
        u64::from_str_radix(word.split(|letter: char| !letter.is_ascii_hexdigit()).next()?, 16).ok()
    });
    let status = syndrome.map(|syndrome| syndrome & 0x3c);
    // Translation fault, permission fault.
    ensure!(status == Some(if translated { 0xc } else { 4 }), "{syndrome:#x?}:\n{log}");
    Ok(())
}
