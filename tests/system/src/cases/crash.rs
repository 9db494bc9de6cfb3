//! What breaks says so: the kernel in a readable report, a component through init, which starts it again.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::{Boot, Case, Lab, Need, contains};
use crate::machine::Disk;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let kernel = |id: &'static str, says: &str, words: &'static [&'static str]| {
        Case::new(format!("crash.kernel.{id}"), says, move |lab| kernel_report(lab, id, words)).needs([])
    };
    vec![
        kernel("panic", "a kernel panic says where and why", &["kernel panic", "asked for by selftest=panic"]),
        kernel("read", "a kernel read of nothing is a readable report", FAULT),
        kernel("write", "the kernel cannot write its own code", FAULT),
        kernel("execute", "the kernel cannot execute its own data", FAULT),
        kernel("stack", "a kernel stack overflow ends at the guard page", FAULT),
        kernel("boot", "code of boot is gone when boot is over", GONE),
        Case::new("crash.init.panic", "a panic of init is one line and the end", init_panics).needs([]),
        Case::new("crash.init.fault", "a fault of init is one line and the end", init_faults).needs([]),
        Case::new(
            "crash.restart.driver",
            "a killed driver is started again and its clients carry on",
            driver_comes_back,
        )
        .needs([Need::Disk]),
        Case::new("crash.restart.service", "a killed service is started again", service_comes_back).needs([Need::Disk]),
        Case::new("crash.restart.console", "a killed console driver comes back", console_comes_back)
            .needs([Need::Disk]),
        Case::new("crash.restart.shell", "a killed shell comes back with a prompt", shell_comes_back)
            .needs([Need::Disk]),
        Case::new("crash.restart.once", "a second time it stays away", stays_away),
        Case::new(
            "crash.mute",
            "without a console driver init prints, and no terminal obeys a component",
            prints_plainly,
        ),
        Case::new("crash.restart.always", "what crashes again and again is given up", given_up)
            .needs([Need::Set("restart")]),
    ]
}

/// Registers, the address, the syndrome in words, the frames.
const FAULT: &[&str] = &["kernel fault", "syndrome", "address", "pc 0x", "x30 0x", "backtrace", "#0 0x"];

/// A call to where nothing is.
const GONE: &[&str] =
    &["kernel fault: instruction abort", "nothing is mapped there", "pc 0xffffffff80000000", "backtrace"];

fn kernel_report(lab: &mut Lab, id: &str, words: &[&str]) -> Result<()> {
    let mut console = lab.boot(Boot { bootargs: Some(format!("selftest={id}")), ..Boot::default() })?;
    console.expect("kernel halted")?;
    let text = console.text();
    words.iter().try_for_each(|word| contains(&text, word))?;
    // The addresses mean something to xtask.
    let named = text.lines().any(|line| (lab.symbolise())(line).contains("kernel::"));
    ensure!(named, "no address of the report has a name:\n{text}");
    Ok(())
}

fn init_panics(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot(Boot { bootargs: Some("selftest=init".into()), ..Boot::default() })?;
    console.expect("init: panicked at userland/init/src/main.rs:")?;
    ends_with_one_line(&mut console, "asked for by selftest=init; the system ends")
}

/// The image's own init, whose first instruction is one that is none.
fn init_faults(lab: &mut Lab) -> Result<()> {
    let mut image = fs::read(&lab.machine().kernel)?;
    let init = image.windows(8).rposition(|bytes| bytes == b"TUTINIT1").context("no init behind the kernel")?;
    let word = |at: usize| -> Result<u64> {
        Ok(u64::from_le_bytes(image.get(init + at..init + at + 8).context("init is cut off")?.try_into()?))
    };
    let entry = word(16)?;
    // Each segment: address, offset, pages.
    let segments =
        (0..4).map(|index| Ok((word(32 + 32 * index)?, word(40 + 32 * index)?))).collect::<Result<Vec<_>>>()?;
    let holds = segments.into_iter().filter(|(address, _)| (1..=entry).contains(address)).max();
    let (address, offset) = holds.context("init's entry lies in no segment")?;
    let first = init + (offset + entry - address) as usize;
    image.get_mut(first..first + 4).context("init's entry lies outside")?.fill(0);
    let file = lab.scratch()?.join("Image");
    fs::write(&file, image)?;
    let mut console = lab.boot(Boot { kernel: Some(file), ..Boot::default() })?;
    console.expect("kernel: init died, the system ends: ")?;
    ends_with_one_line(&mut console, &format!("init backtrace: #0 {entry:#x}"))
}

fn ends_with_one_line(console: &mut crate::Console, words: &str) -> Result<()> {
    let status = console.wait_for_end(Duration::from_secs(10))?;
    ensure!(status.success(), "QEMU ended with {status}");
    let text = console.text();
    ensure!(text.lines().filter(|line| !line.is_empty()).count() == 1, "not one line:\n{text}");
    contains(&text, words)
}

fn with_disk(lab: &mut Lab) -> Result<crate::Console> {
    let disk = Disk::File(lab.disk()?.image);
    lab.boot_to_prompt(Boot { disks: vec![disk], ..Boot::default() })
}

fn still_reads(lab: &mut Lab, console: &mut crate::Console) -> Result<()> {
    let disk = lab.disk()?;
    contains(&console.command("sha256 /README.TXT")?, &disk.sha256("README.TXT")?)?;
    contains(&console.command("sha256 /a/b/c/d/deep.txt")?, &disk.sha256("a/b/c/d/deep.txt")?)
}

fn driver_comes_back(lab: &mut Lab) -> Result<()> {
    let mut console = with_disk(lab)?;
    still_reads(lab, &mut console)?;
    let driver = lab.machine().disk_driver();
    console.command(&format!("kill {driver}"))?;
    still_reads(lab, &mut console)?;
    let log = console.command("log")?;
    let is_killed =
        |line: &str| line.contains(&format!("{driver} (component ")) && line.ends_with("was killed by shell");
    ensure!(log.lines().any(is_killed), "{log}");
    Ok(())
}

fn service_comes_back(lab: &mut Lab) -> Result<()> {
    let mut console = with_disk(lab)?;
    console.command("kill file")?;
    still_reads(lab, &mut console)
}

fn console_comes_back(lab: &mut Lab) -> Result<()> {
    let mut console = with_disk(lab)?;
    console.send_line(&format!("kill {}", lab.machine().console_driver()))?;
    console.prompt_within(Duration::from_secs(10))?;
    still_reads(lab, &mut console)
}

fn shell_comes_back(lab: &mut Lab) -> Result<()> {
    let mut console = with_disk(lab)?;
    console.send_line("kill shell")?;
    console.expect("`help` lists the commands")?;
    console.prompt_within(Duration::from_secs(10))?;
    still_reads(lab, &mut console)
}

fn stays_away(lab: &mut Lab) -> Result<()> {
    let mut console = with_disk(lab)?;
    console.command("kill file")?;
    console.command("kill file")?;
    let list = console.command("ps")?;
    let given_up = list.lines().any(|line| line.contains("file") && line.contains("given up"));
    ensure!(given_up, "{list}");
    console.command("ls /")?;
    contains(&console.command("help")?, "poweroff")
}

/// Idle time passes at once: the restarts of a component that crashes at once take half a minute.
fn without_waiting() -> Vec<String> {
    ["-icount", "shift=0,sleep=off"].map(str::to_owned).into()
}

const LAST: &str = "crash-loop is not started again: 10 restarts in a row did not last 10 s";

fn given_up(lab: &mut Lab) -> Result<()> {
    let boot = Boot { set: Some("restart"), extra: without_waiting(), ..Boot::default() };
    let mut console = lab.boot_to_prompt(boot)?;
    if !console.text().contains(LAST) {
        console.expect(LAST)?;
        console.prompt_within(Duration::from_secs(10))?;
    }
    let log = console.command("log")?;
    contains(&log, LAST)?;
    let restarts = log.lines().filter(|line| line.ends_with("crash-loop is started again"));
    let times = restarts.map(seconds).collect::<Result<Vec<f64>>>()?;
    let waits: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let wanted = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0];
    let fits = |(wait, wanted): (&f64, f64)| (wanted..wanted + 0.05).contains(wait);
    ensure!(waits.len() == wanted.len() && waits.iter().zip(wanted).all(fits), "{waits:?} between restarts:\n{log}");
    let list = console.command("ps")?;
    ensure!(list.lines().any(|line| line.contains("crash-loop") && line.contains("given up")), "{list}");
    Ok(())
}

/// The time at which a line of the log begins.
fn seconds(line: &str) -> Result<f64> {
    let time = line.trim_start_matches('[').split(']').next().unwrap_or_default();
    time.trim().parse().with_context(|| format!("no time in {line:?}"))
}

fn prints_plainly(lab: &mut Lab) -> Result<()> {
    let mut console = lab.boot(Boot { set: Some("mute"), extra: without_waiting(), ..Boot::default() })?;
    console.expect("2 of 2 components started")?;
    console.expect(r"crash-loop: panicked at ")?;
    console.expect(r"\u{1b}[31mon purpose")?;
    console.expect(LAST).map(drop)
}
