//! What helps to find out what the system does.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::{Boot, Case, Lab, contains};
use crate::machine::Disk;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("debug.explain", "a metric is explained instruction by instruction", explains),
        Case::new("debug.trace", "what all cores do becomes a timeline that holds together", traces),
        Case::new(
            "debug.backtrace",
            "frames of components that panic or fault get function, file and line",
            backtraces,
        ),
        Case::new("debug.gdb", "the debugger lists all threads and stops where a component enters a function", debugs),
        Case::new("debug.trace_lost", "records that were overwritten are counted", loses),
    ]
}

/// What a verb of xtask, which also runs these tests, prints.
fn xtask(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(env::current_exe().context("which program is this")?);
    let output = command.args(arguments).stdin(Stdio::null()).output().context("cannot start xtask")?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "xtask {arguments:?}: {}\n{text}\n{errors}", output.status);
    Ok(text.into_owned())
}

/// A poll is short: its way into the kernel and back is one exception return, and the sums are those of the lines.
fn explains(_: &mut Lab) -> Result<()> {
    let text = xtask(&["bench", "--explain", "syscall.null"])?;
    let (listing, sums) = text.split_once("syscall.null on ").with_context(|| format!("no sums in:\n{text}"))?;
    let lines: Vec<&str> = listing.lines().filter(|line| line.contains("  0x")).collect();
    ensure!((20..200).contains(&lines.len()), "{} instructions:\n{text}", lines.len());
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    ensure!(count(" eret") == 1 && count(" svc #0x0") == 1, "one call of the kernel is expected:\n{text}");
    ensure!(count(" bench ") > 0 && count(" tutti-kernel ") > 0, "both sides of the call are expected:\n{text}");
    contains(sums, "user: user stub")?;
    let all = sums.lines().find_map(|line| line.strip_prefix("all ")?.split_whitespace().next()?.parse().ok());
    ensure!(all == Some(lines.len()), "the sum is {all:?}, and there are {} lines:\n{text}", lines.len());
    Ok(())
}

/// The outermost frame is where the runtime calls the component; what a panic went through is between.
fn backtraces(lab: &mut Lab) -> Result<()> {
    let crashes = [
        ("restart", "crash-loop", "panic"),
        ("isolation", "trespass-memory", "tutti_component_main+"),
        ("isolation", "trespass-kernel", "tutti_component_main+"),
    ];
    for (set, component, function) in crashes {
        let mut console = lab.boot_to_prompt(Boot { set: Some(set), ..Boot::default() })?;
        let log = console.command("log")?;
        let report = format!(" {component} backtrace: #0 ");
        let line = log.lines().find(|line| line.contains(&report));
        let line = line.with_context(|| format!("no backtrace of {component}:\n{log}"))?;
        let names = (lab.symbolise())(line);
        for part in ["#0 ", function, " at userland/rt/src/start.rs:"] {
            contains(&names, part).context(line.to_owned())?;
        }
        ensure!(names.matches(" at ").count() >= 2, "less than two frames have a place:\n{line}{names}");
    }
    Ok(())
}

/// Reading a file goes through the file service, the disk's driver and the console's, on two cores.
fn traces(lab: &mut Lab) -> Result<()> {
    let file = lab.scratch()?.join("trace.json");
    let name = file.to_str().context("a path in UTF-8")?;
    let text = xtask(&["trace", "--smp", "2", "--command", "cat Welcome.txt", "-o", name])?;
    contains(&text, "0 lost")?;
    let timeline: Value = serde_json::from_str(&fs::read_to_string(&file)?).context("no JSON")?;
    let timeline = Timeline::read(&timeline)?;
    for name in ["core 0", "core 1", "shell", "file", "pl011"] {
        ensure!(timeline.names.values().any(|known| known == name), "no track {name}: {:?}", timeline.names);
    }
    timeline.holds_together()?;
    for (from, to) in [("shell", "file"), ("file", "shell"), ("shell", "pl011"), ("pl011", "shell")] {
        let goes = |(one, two): &(Track, Track)| timeline.names[one] == from && timeline.names[two] == to;
        ensure!(timeline.arrows.iter().any(goes), "no message from {from} to {to}");
    }
    let running = timeline.slices.iter().filter(|slice| timeline.names[&slice.track] == "core 0");
    let running: BTreeSet<&str> = running.map(|slice| slice.name.as_str()).collect();
    ensure!(["shell", "file", "pl011"].iter().all(|name| running.contains(name)), "core 0 runs only {running:?}");
    ensure!(timeline.marks.iter().any(|name| name.starts_with("interrupt ")), "no interrupt: {:?}", timeline.marks);
    Ok(())
}

/// The board's own bundle has little room for records, which cores share.
fn loses(lab: &mut Lab) -> Result<()> {
    let disks = vec![Disk::File(lab.disk()?.image)];
    let mut console = lab.boot_to_prompt(Boot { disks, smp: Some(1), ..Boot::default() })?;
    for _ in 0..2 {
        let text = console.command("trace ps")?;
        ensure!(text.lines().any(|line| line.ends_with(" events, 0 lost")), "a short command fits:\n{text}");
    }
    console.send_line("trace 30000")?;
    console.expect("trace 30000\n")?;
    console.send(b"\x03")?;
    console.expect_within("^C", Duration::from_secs(5)).context("Ctrl-C ends a recording")?;
    console.expect("/> ")?;
    let text = console.command_within("trace sha256 /large.bin", Duration::from_secs(120))?;
    let lost = text.lines().find_map(|line| line.strip_suffix(" lost")?.rsplit(' ').next()?.parse::<u64>().ok());
    ensure!(lost.is_some_and(|lost| lost > 0) && text.contains("\n@lost 0 "), "{lost:?} lost");
    Ok(())
}

/// Components that wait, one that computes for ever, and a function of one of them at whose address others have code too.
fn debugs(lab: &mut Lab) -> Result<()> {
    let socket = lab.scratch()?.join("gdb");
    let name = socket.to_str().context("a path in UTF-8")?;
    let extra = ["-gdb".to_owned(), format!("unix:{name},server=on,wait=off")];
    let boot = Boot { smp: Some(2), set: Some("budget"), extra: extra.into(), ..Boot::default() };
    let mut console = lab.boot_to_prompt(boot)?;
    let threads = ["info threads", "tutti threads"];
    let text = gdb(name, &threads)?;
    let list: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let row = |component: &str| list.iter().find(|row| row.len() >= 6 && row[1] == component);
    for (component, states, priority, function) in [
        ("init", &["receiving"][..], "255", "tutti_component_main"),
        ("pl011", &["receiving"], "150", "tutti_component_main"),
        ("shell", &["waiting"], "80", "shell::"),
        ("budget-spin", &["ready", "running"], "200", ""),
    ] {
        let row = row(component).with_context(|| format!("no thread of {component}:\n{text}"))?;
        let fits = states.contains(&row[2]) && row[4] == priority && row[5].starts_with("0x002");
        ensure!(fits && row.get(6).is_none_or(|found| found.contains(function)), "{row:?} in:\n{text}");
    }
    let number = row("shell").context("no shell")?[0];
    let text = gdb(name, &[&format!("tutti backtrace {number}")])?;
    contains(&text, "shell::Shell::run").or_else(|_| contains(&text, "tutti_component_main"))?;
    ensure!(text.lines().filter(|line| line.starts_with('#')).count() >= 2, "no frames:\n{text}");
    // Other components have code at the same address.
    let commands = ["tutti break shell shell::commands::run", "continue", "backtrace 1", "tutti threads"];
    let debugger = thread::spawn({
        let name = name.to_owned();
        move || gdb(&name, &commands)
    });
    // Until the breakpoint is there the command runs through.
    while !debugger.is_finished() {
        console.send_line("uptime")?;
        thread::sleep(Duration::from_millis(500));
    }
    let text = debugger.join().ok().context("the debugger")??;
    contains(&text, "#0  shell::commands::run")?;
    let stopped = |line: &str| line.contains(" shell ") && line.contains(" running ");
    ensure!(text.lines().any(stopped), "the shell does not run:\n{text}");
    console.expect(" since reset\n").map(drop)
}

/// What the debugger prints for these commands; afterwards the machine goes on.
fn gdb(target: &str, commands: &[&str]) -> Result<String> {
    let mut arguments = vec!["gdb", "--target", target, "--", "-batch"];
    arguments.extend(commands.iter().flat_map(|command| ["-ex", command]));
    arguments.extend(["-ex", "detach"]);
    xtask(&arguments)
}

/// A process and a thread of the timeline.
type Track = (u64, u64);

#[derive(Debug)]
struct Slice {
    track: Track,
    name: String,
    from: f64,
    to: f64,
}

/// A timeline in the trace event format, read without the help of what wrote it.
#[derive(Default)]
struct Timeline {
    names: BTreeMap<Track, String>,
    slices: Vec<Slice>,
    marks: Vec<String>,
    /// Number, where, when.
    starts: Vec<(u64, Track, f64)>,
    ends: Vec<(u64, Track, f64)>,
    arrows: Vec<(Track, Track)>,
}

impl Timeline {
    fn read(value: &Value) -> Result<Self> {
        let mut found = Self::default();
        for event in value["traceEvents"].as_array().context("no events")? {
            found.take(event).with_context(|| format!("this event is not well formed: {event}"))?;
        }
        ensure!(
            found.starts.len() == found.ends.len(),
            "{} arrows begin, {} end",
            found.starts.len(),
            found.ends.len()
        );
        for (number, from, at) in &found.starts {
            let ends: Vec<_> = found.ends.iter().filter(|(other, ..)| other == number).collect();
            ensure!(ends.len() == 1 && ends[0].2 >= *at, "arrow {number} has {} ends", ends.len());
            found.arrows.push((*from, ends[0].1));
        }
        Ok(found)
    }

    fn take(&mut self, event: &Value) -> Option<()> {
        let track = (event["pid"].as_u64()?, event["tid"].as_u64()?);
        let name = event["name"].as_str()?.to_owned();
        let at = || event["ts"].as_f64().filter(|at| *at >= 0.0);
        match event["ph"].as_str()? {
            "M" if name == "thread_name" => {
                self.names.insert(track, event["args"]["name"].as_str()?.to_owned());
            }
            "M" => {}
            "X" => {
                let to = at()? + event["dur"].as_f64().filter(|duration| *duration >= 0.0)?;
                self.slices.push(Slice { track, name, from: at()?, to });
            }
            "i" => self.marks.push(at().map(|_| name)?),
            "s" => self.starts.push((event["id"].as_u64()?, track, at()?)),
            "f" if event["bp"] == "e" => self.ends.push((event["id"].as_u64()?, track, at()?)),
            _ => return None,
        }
        Some(())
    }

    /// Slices of a track follow each other, every track has a name, every arrow leads from a slice to a slice.
    fn holds_together(&self) -> Result<()> {
        /// Less than a tick of the clock.
        const EPSILON: f64 = 0.001;
        let mut slices: Vec<&Slice> = self.slices.iter().collect();
        slices.sort_by(|one, two| (one.track, one.from).partial_cmp(&(two.track, two.from)).expect("numbers"));
        for pair in slices.windows(2) {
            let apart = pair[0].track != pair[1].track || pair[0].to <= pair[1].from + EPSILON;
            ensure!(apart, "two slices overlap: {:?} and {:?}", pair[0], pair[1]);
        }
        for slice in &slices {
            ensure!(self.names.contains_key(&slice.track), "a track without a name: {slice:?}");
        }
        for (number, track, at) in self.starts.iter().chain(&self.ends) {
            let within = |slice: &&&Slice| slice.from <= at + EPSILON && *at <= slice.to + EPSILON;
            let found = slices.iter().filter(within).any(|slice| slice.track == *track);
            ensure!(found, "arrow {number} touches no slice at {at}");
        }
        Ok(())
    }
}
