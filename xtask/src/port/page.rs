//! The page that a person reads.

use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};

use super::report::*;

/// Most nodes of a kind that are listed one by one.
const EACH: usize = 8;

/// Writes it, in colours on a terminal.
pub fn of(report: &Report, all: bool) -> String {
    let mut page = Page { text: String::new(), colours: stdout().is_terminal(), all };
    page.head(report);
    page.uses(report);
    page.blockers(report);
    page.drivers(report);
    page.missing(report);
    page.suppliers(report);
    page.text
}

struct Page {
    text: String,
    colours: bool,
    all: bool,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        let (on, off) = if self.colours { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let _ = writeln!(self.text, "\n{on}{text}{off}");
    }

    fn item(&mut self, name: &str, text: &str) {
        self.line(&format!("  {name:<14} {text}"));
    }

    fn head(&mut self, report: &Report) {
        let model = report.model.as_deref().unwrap_or("A machine without a name");
        self.heading(model);
        let Source { file, kind, tree, trees, overlays } = &report.source;
        self.line(&format!("  {}", report.compatible.join(", ")));
        let which = if *trees > 1 { format!(", tree {tree} of {trees}") } else { String::new() };
        let over = if overlays.is_empty() { String::new() } else { format!(", with {}", overlays.join(", ")) };
        self.line(&format!("  from {file} ({kind}{which}{over})"));
        self.line(&format!("  {}", tier(report)));
        if let Some(loader) = &report.loader {
            self.line(&format!("  the boot loader takes {}", loads(loader)));
        }
    }

    fn uses(&mut self, report: &Report) {
        self.heading("What the kernel uses");
        self.item("cores", &cores(&report.cores, report.psci.method));
        let controller = report.interrupt_controller.as_ref().map_or_else(
            || "none that it knows".into(),
            |it| {
                let at = it.registers.first().map_or(0, |span| span.base);
                let name = match it.kind {
                    "gicv2" => "GICv2",
                    "gicv3" => "GICv3",
                    _ => "the BCM2836's",
                };
                format!("{name} at {at:#x}")
            },
        );
        self.item("interrupts", &controller);
        let timer = report.timer.as_ref().map_or_else(
            || "none".into(),
            |it| {
                let line = it.interrupt.map_or("without a line".into(), |line| format!("interrupt {line}"));
                it.frequency.map_or(line.clone(), |hertz| format!("{line}, {hertz} Hz"))
            },
        );
        self.item("timer", &timer);
        self.item("memory", &memory(&report.memory));
        self.item("console", &console(&report.console));
        for it in &report.console.framebuffers {
            let shown = report.console.picture.map_or_else(
                || "which the kernel does not use".into(),
                |picture| format!("in which the kernel prints if it is the first: from {:#x} on", picture.base),
            );
            self.item("framebuffer", &format!("{}, {shown}", it.node));
        }
        for it in &report.console.ramoops {
            let kept = report.console.kept.map_or(
                "which the kernel does not use: it has no part for the console, or is not reserved".into(),
                |kept| format!("which keeps what the kernel prints from {:#x} on", kept.base),
            );
            self.item("ramoops", &format!("{}, {kept}", it.node));
        }
    }

    fn blockers(&mut self, report: &Report) {
        if report.blockers.is_empty() {
            self.heading("Nothing stands in the way of a first boot");
            return;
        }
        self.heading("Before a first boot");
        for (number, blocker) in (1..).zip(&report.blockers) {
            let mark = match (blocker.stops, self.colours) {
                (true, true) => "\x1b[31mstops it\x1b[0m: ",
                (true, false) => "stops it: ",
                (false, _) => "",
            };
            self.line(&format!("  {number}. {mark}{}", blocker.what));
            self.line(&format!("     {}", blocker.todo));
        }
    }

    fn drivers(&mut self, report: &Report) {
        let Drivers { bound, waiting, asked, kernel, .. } = &report.drivers;
        self.heading(&format!(
            "Devices with a driver here: {}, and {} that the kernel drives",
            bound.len(),
            kernel.len()
        ));
        for it in bound {
            self.line(&format!("  {:<16} {}  {}", it.driver, it.node, given(it)));
        }
        if !asked.is_empty() {
            self.line(&format!(
                "  {} more say what they are when they are asked, which takes the machine",
                asked.len()
            ));
        }
        if !waiting.is_empty() {
            self.heading(&format!("Devices whose driver would wait: {}", waiting.len()));
            for it in waiting {
                self.line(&format!("  {:<16} {}  {}", it.driver, it.node, it.why));
            }
        }
    }

    fn missing(&mut self, report: &Report) {
        let missing = &report.drivers.missing;
        if missing.is_empty() {
            return;
        }
        self.heading(&format!(
            "Devices without a driver here: {}, in the order in which a phone needs them",
            missing.len()
        ));
        let mut rest = missing.as_slice();
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|it| it.kind == first.kind).count();
            let (of_kind, behind) = rest.split_at(count);
            rest = behind;
            self.line(&format!("  {} ({count})", first.kind));
            let most = if self.all { count } else { EACH };
            for it in of_kind.iter().take(most) {
                let hint = it.nearest.as_ref().map_or(String::new(), |name| format!("  (looks like {name})"));
                let name = it.compatible.first().map_or("", String::as_str);
                self.line(&format!("    {name:<34} {}{hint}", it.node));
            }
            if count > most {
                self.line(&format!("    and {} more (--all)", count - most));
            }
        }
    }

    fn suppliers(&mut self, report: &Report) {
        if !report.suppliers.is_empty() {
            self.heading("Who is asked for something by other devices");
            let most = if self.all { report.suppliers.len() } else { EACH };
            for it in report.suppliers.iter().take(most) {
                let name = it.compatible.first().map_or("", String::as_str);
                self.line(&format!("  {:<14} {:>4} ask {}  {name}", it.what, it.askers, it.node));
            }
            if report.suppliers.len() > most {
                self.line(&format!("  and {} more (--all)", report.suppliers.len() - most));
            }
        }
        if !report.firmware.is_empty() {
            self.heading("Firmware files that it names");
            report.firmware.iter().for_each(|name| self.line(&format!("  {name}")));
        }
    }
}

fn tier(report: &Report) -> String {
    let words = match report.tier {
        0 => "its tree was read, and nothing more",
        1 => "what it prints with was tested on fakes, and never on a device",
        2 => "it is tested in an emulator, and was never seen on a device",
        _ => "it was seen on a device",
    };
    let board = report.board.as_ref().map_or(String::new(), |name| format!(" (board/{name})"));
    format!("tier {}: {words}{board}", report.tier)
}

/// What a boot loader takes, in words.
pub fn loads(loader: &Loader) -> String {
    let version = loader.header_version.map_or(String::new(), |version| format!(" with header v{version}"));
    let format = if loader.format == "android" {
        format!("Android's boot image{version}")
    } else {
        "no format that is known".into()
    };
    let page = loader.page.map(|page| format!("pages of {page} bytes"));
    let kernel = loader.kernel.map(|at| format!("the kernel at {at:#x}"));
    let ramdisk = loader.ramdisk.map(|at| format!("the ramdisk at {at:#x}"));
    let tree = loader.tree.map(|tree| tree.words().to_owned());
    let flash = loader.flash.as_ref().map(|how| format!("flashed by {how}"));
    [Some(format), page, kernel, ramdisk, tree, flash].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn cores(cores: &[Core], method: Option<&str>) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for core in cores {
        let name = core.compatible.as_deref().unwrap_or("unknown");
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((name, 1)),
        }
    }
    let kinds: Vec<String> = kinds.into_iter().map(|(name, count)| format!("{count} × {name}")).collect();
    let spin = cores.iter().any(|core| core.start == "spin-table");
    let method = match method {
        Some(method) => format!("PSCI by {method}"),
        None if spin => "a spin table".into(),
        None => "no PSCI".into(),
    };
    format!("{}: {}; {method}", cores.len(), kinds.join(", "))
}

fn bytes(count: u64) -> String {
    match count {
        0..0x10_0000 => format!("{} KiB", count >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", count >> 20),
        _ => format!("{:.1} GiB", count as f64 / f64::from(1 << 30)),
    }
}

fn memory(memory: &Memory) -> String {
    let there = match memory.from_boot_loader {
        true => "filled in by the boot loader".into(),
        false => {
            let ranges: Vec<_> =
                memory.ranges.iter().map(|span| format!("{} at {:#x}", bytes(span.bytes), span.base)).collect();
            ranges.join(", ")
        }
    };
    let reserved: u64 = memory.reserved.iter().map(|it| it.span.bytes).sum();
    match memory.reserved.len() {
        0 => there,
        count => format!("{there}; {count} regions reserved, {}", bytes(reserved)),
    }
}

fn console(console: &Console) -> String {
    let Some(uart) = &console.uart else { return "none is named".into() };
    let kind = uart.kernel.map_or_else(|| format!("{}, unknown", uart.compatible.join(", ")), str::to_owned);
    format!("{kind} at {:#x} ({})", uart.registers.base, uart.node)
}

fn given(bound: &Bound) -> String {
    let mut words: Vec<String> =
        bound.registers.iter().map(|span| format!("{:#x}..{:#x}", span.base, span.base + span.bytes)).collect();
    words.extend(bound.interrupts.iter().filter(|line| **line != 0).map(|line| format!("interrupt {line}")));
    words.extend(bound.memory.iter().map(|span| format!("{} of memory", bytes(span.bytes))));
    words.extend(bound.dma.map(|stream| match stream {
        Some((_, id)) => format!("DMA through stream {id:#x}"),
        None => "DMA, all memory".into(),
    }));
    words.join(", ")
}
