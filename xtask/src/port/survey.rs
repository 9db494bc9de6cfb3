//! What a tree means to us: asked of the code that will read it on the machine.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use bundle::Bundle;
use devmgr::{Driver, Identification, Identify, Outcome, Trouble};
use kernel::boot::{self, Obstacle};
use kernel::mm::regions::Range as Region;
use tree::{Conduit, EnableMethod, Intc, Machine, Node, Phandle, Phandles, Range, Status, Tree};

use super::kind;
use super::report::*;

/// Bytes of the kernel with init that are assumed where it is not built yet.
const IMAGE: u64 = 1 << 20;
/// What the kernel maps of memory (`kernel/src/arch/aarch64/layout.rs`).
const REACH: u64 = 1 << 38;
/// How alike names must be for one to be a hint.
const ALIKE: f64 = 0.86;

/// Reads the tree. What is wrong with it is a blocker; an error is that it is no tree.
///
/// # Errors
/// It is no tree.
pub fn survey(bytes: &[u8], source: Source, drivers: &Bundle<'_>) -> Result<Report> {
    let tree = Tree::parse(bytes).map_err(|error| anyhow::anyhow!("{error}")).context("device tree")?;
    let mut report = Report {
        model: tree.model().map(plain),
        compatible: tree.compatible().map(plain).collect(),
        source,
        ..Report::default()
    };
    let look = look(&tree);
    report.firmware = look.firmware;
    report.watchdogs = look.watchdogs;
    report.suppliers = look.suppliers;
    report.console.framebuffers = look.framebuffers;
    report.console.ramoops = look.ramoops;
    console(&tree, &mut report);
    match tree.machine() {
        Ok(machine) => fill(&tree, &machine, &look.controllers, &mut report),
        Err(error) => report.stop(
            format!("the kernel cannot read the tree: {error}"),
            "mend that property in an overlay, or in a copy of the tree given with the image",
        ),
    }
    unseen(&tree, &mut report);
    match_drivers(&tree, &devmgr::drivers(drivers, |_| true), &mut report);
    for watchdog in &report.watchdogs {
        report.blockers.push(Blocker {
            what: format!("{} may be armed by the boot loader, and then resets the board after some seconds", watchdog.node),
            todo: "look whether the board resets by itself; if so its watchdog needs a driver first, or the boot loader is told to leave \
                   it off"
                .into(),
            stops: false,
        });
    }
    report.blockers.sort_by_key(|blocker| !blocker.stops);
    Ok(report)
}

impl Report {
    fn stop(&mut self, what: String, todo: &str) {
        self.blockers.push(Blocker { what, todo: todo.into(), stops: true });
    }

    fn warn(&mut self, what: String, todo: &str) {
        self.blockers.push(Blocker { what, todo: todo.into(), stops: false });
    }
}

/// What a file says, without what a terminal would take for a command.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// What stands in nodes that nobody here drives, but a porter wants to know.
#[derive(Default)]
struct Look {
    framebuffers: Vec<Named>,
    ramoops: Vec<Named>,
    watchdogs: Vec<Named>,
    firmware: Vec<String>,
    suppliers: Vec<Supplier>,
    controllers: Vec<Named>,
}

fn named(node: &Node<'_, '_>) -> Named {
    Named { node: node.path().to_string(), compatible: node.compatible().map(plain).collect() }
}

fn look(tree: &Tree<'_>) -> Look {
    let mut room = vec![Phandle::default(); Phandles::count(tree)];
    let phandles = Phandles::of(tree, &mut room).ok();
    let mut look = Look::default();
    let mut firmware = BTreeSet::new();
    let mut asked = BTreeMap::<(&'static str, usize), usize>::new();
    let mut walk = tree.walk();
    while let Some(node) = walk.next() {
        if !node.enabled() {
            continue;
        }
        let is = |name: &str| node.is_compatible(&[name]);
        if is("simple-framebuffer") {
            look.framebuffers.push(named(&node));
        }
        if is("ramoops") {
            look.ramoops.push(named(&node));
        }
        if node.property("interrupt-controller").is_some() {
            look.controllers.push(named(&node));
        }
        let watches = |name: &str| name.contains("wdt") || name.contains("watchdog");
        if node.is_named("watchdog") || node.compatible().any(watches) {
            look.watchdogs.push(named(&node));
        }
        let names = node.property("firmware-name").into_iter().flat_map(|value| value.split(|byte| *byte == 0));
        firmware.extend(names.filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).into_owned()));
        let whom: BTreeSet<_> = phandles
            .iter()
            .flat_map(|phandles| node.references(phandles).flatten().map(|it| (it.dependency.word(), it.provider)))
            .collect();
        whom.into_iter().for_each(|key| *asked.entry(key).or_default() += 1);
    }
    look.firmware = firmware.into_iter().collect();
    for ((what, at), askers) in asked {
        if let Some(node) = tree.walk().seek(at) {
            let Named { node, compatible } = named(&node);
            look.suppliers.push(Supplier { what, node, compatible, askers });
        }
    }
    look.suppliers.sort_by_key(|it| std::cmp::Reverse(it.askers));
    look
}

fn console(tree: &Tree<'_>, report: &mut Report) {
    match tree.console() {
        Ok(None) => {}
        Ok(Some(console)) => {
            let compatible: Vec<String> = console.compatible.map(plain).collect();
            report.console.uart = Some(Uart {
                node: console.name.into(),
                kernel: { console.compatible }.find_map(early::find).map(|uart| uart.name),
                compatible,
                registers: console.registers.into(),
                options: console.options.map(plain),
            });
        }
        Err(error) => report.warn(
            format!("the console that the tree chooses cannot be used: {error}"),
            "set /chosen/stdout-path in an overlay to the node of a UART that is on",
        ),
    }
}

fn fill(tree: &Tree<'_>, machine: &Machine<'_>, controllers: &[Named], report: &mut Report) {
    report.cores = machine.cpus.iter().map(core).collect();
    report.psci.method = machine.psci.map(|conduit| match conduit {
        Conduit::Hvc => "hvc",
        Conduit::Smc => "smc",
    });
    report.interrupt_controller = machine.intc.as_ref().map(|gic| match gic {
        Intc::V2 { distributor, cpu } => {
            InterruptController { kind: "gicv2", registers: vec![(*distributor).into(), (*cpu).into()] }
        }
        Intc::V3 { distributor, redistributors, .. } => {
            let registers = std::iter::once(distributor).chain(redistributors).map(|range| (*range).into()).collect();
            InterruptController { kind: "gicv3", registers }
        }
        Intc::Bcm2836 { cores, devices } => {
            let registers = std::iter::once(*cores).chain(*devices).map(Into::into).collect();
            InterruptController { kind: "bcm2836", registers }
        }
    });
    report.timer = machine
        .timer
        .as_ref()
        .map(|timer| Timer { interrupt: timer.virt.map(|line| line.intid), frequency: timer.frequency });
    memory(tree, machine, report);
    // The kernel and the tree lie elsewhere if the boot loader heeds what is reserved.
    let elsewhere = Region { start: 0, end: 0 };
    // The command line that the tree brings is the maker's; one may say otherwise.
    let picture = boot::picture(tree, machine).ok().flatten();
    let place = picture.map(|it| Region { start: it.base, end: it.base + it.bytes() });
    let place = place.filter(|&place| boot::is_picture(machine, place, [elsewhere; 3]));
    report.console.picture = place.map(|region| Span { base: region.start, bytes: region.bytes() });
    let ramoops = tree.ramoops().ok().flatten();
    let kept = ramoops.and_then(|ramoops| boot::kept_text(machine, &ramoops, [elsewhere, elsewhere]));
    report.console.kept = kept.map(|region| Span { base: region.start, bytes: region.bytes() });
    for obstacle in boot::obstacles(machine) {
        report.stop(obstacle.to_string(), &way_around(obstacle, controllers));
    }
    let others = report.cores.iter().filter(|core| core.start == "unknown").count();
    let spin = report.cores.iter().filter(|core| core.start == "spin-table").count();
    if machine.cpus.len() > 1 && (others > 0 || machine.psci.is_none() && spin == 0) {
        report.warn(
            format!(
                "{} of {} cores cannot be started: the tree does not say how",
                machine.cpus.len() - 1,
                machine.cpus.len()
            ),
            "the board runs on one; look for `enable-method` and the node of PSCI in the tree of the running phone",
        );
    }
    if machine.cpus_left_out > 0 {
        report.warn(format!("{} cores are more than the kernel knows", machine.cpus_left_out), "they stay off");
    }
}

fn core(cpu: &tree::Cpu<'_>) -> Core {
    Core {
        mpidr: cpu.mpidr,
        compatible: { cpu.compatible }.next().map(plain),
        start: match cpu.method {
            EnableMethod::Psci => "psci",
            EnableMethod::SpinTable(_) => "spin-table",
            EnableMethod::Unknown => "unknown",
        },
        usable: cpu.status != Status::Fail,
    }
}

fn memory(tree: &Tree<'_>, machine: &Machine<'_>, report: &mut Report) {
    report.memory.ranges = machine.memory.iter().map(|&range| range.into()).collect();
    report.memory.from_boot_loader = machine.memory.is_empty();
    report.memory.reserved = machine
        .reserved
        .iter()
        .map(|it| Reserved { name: it.name.into(), span: it.range.into(), no_map: it.no_map })
        .collect();
    let Some(first) = machine.memory.iter().min_by_key(|range| range.base) else { return };
    let image = Region { start: first.base, end: first.base.saturating_add(IMAGE) };
    let tree = Region { start: image.end, end: image.end.saturating_add(tree.size() as u64) };
    if let Err(error) = boot::plan(machine, image, tree, REACH) {
        report
            .stop(error.to_string(), "mend the nodes of memory and reserved-memory, or have the boot loader fill them");
    }
}

fn way_around(obstacle: Obstacle, controllers: &[Named]) -> String {
    match obstacle {
        Obstacle::NoInterruptController => {
            let list: Vec<_> =
                controllers.iter().take(4).flat_map(|it| it.compatible.first()).map(String::as_str).collect();
            format!(
                "the tree's controllers are {}: one of them needs a driver in the kernel (kernel/src/arch/aarch64/intc)",
                if list.is_empty() { "none".into() } else { list.join(", ") }
            )
        }
        Obstacle::InterruptRegisters => "mend `reg` of the interrupt controller".into(),
        Obstacle::NoTimer => "the kernel needs Arm's timer with its interrupts: mend the node `arm,armv8-timer`".into(),
    }
}

/// Whether anything of a first boot can be seen.
fn unseen(tree: &Tree<'_>, report: &mut Report) {
    let uart = report.console.uart.as_ref();
    if uart.is_some_and(|uart| uart.kernel.is_some()) {
        return;
    }
    if report.console.picture.is_some() {
        return;
    }
    let why = match uart {
        Some(uart) => format!("the kernel cannot print on {} ({})", uart.node, uart.compatible.join(", ")),
        None => "the tree names no console".into(),
    };
    let has_uart = uart.is_some();
    if let Some(kept) = report.console.kept {
        return report.warn(
            format!("a first boot is seen only afterwards: {why}"),
            &format!(
                "the kernel writes into ramoops at {:#x}: reset without switching off, boot the phone's own Linux, and look into /sys/fs/pstore",
                kept.base
            ),
        );
    }
    if let Err(error) = tree.ramoops() {
        report.warn(format!("nothing is written into ramoops: {error}"), "mend the sizes of its parts");
    }
    let todo = match has_uart {
        true => "a line in kernel/early for that UART, with what its manual says",
        false => {
            "set /chosen/stdout-path in an overlay to a UART that the boot loader leaves on; most phones have its pins on test points \
             or in the headphone jack"
        }
    };
    report.warn(format!("nothing of a first boot is seen: {why}"), todo);
}

/// What devices say of themselves takes the machine.
struct Nobody;

impl Identify for Nobody {
    fn identify(&mut self, _: Range, _: Identification) -> Result<Option<u32>, String> {
        Ok(None)
    }
}

fn match_drivers(tree: &Tree<'_>, drivers: &[Driver<'_>], report: &mut Report) {
    let rows = match devmgr::plan(tree, drivers, |_| false, &mut Nobody) {
        Ok(rows) => rows,
        Err(why) => return report.stop(why, "mend the tree's references"),
    };
    let name =
        |number: u32| drivers.iter().find(|it| it.number == number).map_or_else(String::new, |it| it.name.into());
    let known: Vec<&str> = drivers.iter().flat_map(|it| it.manifest.drives().map(|drive| drive.compatible)).collect();
    let mut walk = tree.walk();
    for row in rows {
        let compatible: Vec<String> =
            walk.seek(row.offset).map(|node| node.compatible().map(plain).collect()).unwrap_or_default();
        let node = row.path;
        match row.outcome {
            Outcome::Driven => {}
            Outcome::Kernel => report.drivers.kernel.push(Named { node, compatible }),
            Outcome::Start { driver, description } => report.drivers.bound.push(Bound {
                node,
                driver: name(driver),
                registers: description.registers.iter().map(|block| block.range.into()).collect(),
                interrupts: description.lines.iter().map(|line| line.intid).collect(),
                memory: description.memory.iter().map(|block| block.range.into()).collect(),
                dma: description.dma.then_some(description.stream),
            }),
            Outcome::Not { driver, trouble } => {
                let why = plain(&match trouble {
                    Trouble::Waiting(why) => format!("waiting for {why}"),
                    Trouble::Refused(why) => why,
                });
                report.drivers.waiting.push(Waiting { node, driver: name(driver), why });
            }
            Outcome::NoDriver(_) if compatible.iter().any(|name| Identification::of(name).is_some()) => {
                report.drivers.asked.push(Named { node, compatible });
            }
            // The machine as a whole, and what only groups others.
            Outcome::NoDriver(_) if node == "/" || is_group(&compatible) => {}
            Outcome::NoDriver(_) => {
                let kind = kind::of(&node, &compatible);
                let nearest = nearest(&compatible, &known);
                report.drivers.missing.push(Missing { kind, node, compatible, nearest });
            }
        }
    }
    report.drivers.missing.sort_by_key(|missing| kind::rank(missing.kind));
}

fn is_group(compatible: &[String]) -> bool {
    compatible
        .iter()
        .any(|name| matches!(name.as_str(), "simple-bus" | "simple-mfd" | "operating-points-v2" | "shared-dma-pool"))
}

/// A name that a driver here knows and that looks alike, of whatever vendor.
fn nearest(compatible: &[String], known: &[&str]) -> Option<String> {
    let part = |name: &str| name.split_once(',').map_or(name, |(_, part)| part).to_owned();
    let alike = |one: &str, other: &str| strsim::jaro_winkler(&part(one), &part(other));
    let pairs = compatible.iter().flat_map(|one| known.iter().map(move |other| (alike(one, other), *other)));
    let best = pairs.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= ALIKE).then(|| best.1.to_owned())
}
