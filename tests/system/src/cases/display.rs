//! Displays: what QEMU shows, compared pixel by pixel with what was drawn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::Console;
use crate::lab::{Boot, Case, Lab, contains};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("display.gpu", "a pattern is shown through virtio-gpu as it was drawn, in two modes", gpu),
        Case::new("display.restart", "a display whose driver was killed is opened again", restarts),
        Case::new("display.simple", "a pattern is shown in a framebuffer that was there before", simple),
        Case::new(
            "display.lent",
            "a framebuffer in registers is taken from its client with the driver that lent it",
            lent,
        ),
        Case::new("display.both", "two displays are two services", both),
        Case::new("display.early", "the kernel's last words are in a framebuffer, letter by letter", early),
        Case::new(
            "display.argument",
            "a framebuffer that the command line names is used, or refused in words",
            argument,
        ),
        Case::new("display.none", "without a device fb-test says so in one line", none),
    ]
}

const GPU: &str = "virtio-gpu-device,id=gpu";

/// A picture: width, height, and three bytes a pixel.
type Picture = (u32, u32, Vec<u8>);

/// What QEMU shows.
fn shown(console: &mut Console, device: &str, file: &Path) -> Result<Picture> {
    let arguments = json!({ "filename": file, "format": "ppm", "device": device, "head": 0 });
    console.qmp()?.execute("screendump", arguments)?;
    let bytes = fs::read(file).context("no screendump")?;
    picture(&bytes).with_context(|| format!("{} is no picture", file.display()))
}

/// What a file in the format PPM says, three bytes a pixel: `P6`, width, height, 255, and the pixels.
fn picture(bytes: &[u8]) -> Option<Picture> {
    let mut parts = bytes.splitn(4, |byte| byte.is_ascii_whitespace());
    let mut word = || str::from_utf8(parts.next()?).ok();
    let (kind, width, height) = (word()?, word()?.parse().ok()?, word()?.parse().ok()?);
    let pixels = parts.next()?.strip_prefix(b"255\n")?;
    (kind == "P6").then(|| (width, height, pixels.to_vec()))
}

/// What `fb-test` is to draw, said a second time: bars, gradients, a grid, corners.
fn pattern(column: u32, row: u32, width: u32, height: u32) -> [u8; 3] {
    let grid = height - height / 4;
    match (column, row) {
        (0, 0) => [255, 0, 0],
        (0, row) if row == height - 1 => [0, 0, 255],
        (column, 0) if column == width - 1 => [0, 255, 0],
        (column, row) if (column, row) == (width - 1, height - 1) => [255, 0, 255],
        (column, row) if row < height / 2 => {
            let bars: [u32; 8] = [0xff_ffff, 0xff_ff00, 0x00_ffff, 0x00_ff00, 0xff_00ff, 0xff_0000, 0x00_00ff, 0];
            let bar = (0..8).rev().find(|bar| bar * width / 8 <= column).unwrap_or(0);
            let [_, red, green, blue] = bars[bar as usize].to_be_bytes();
            [red, green, blue]
        }
        (column, row) if row < grid => {
            let red = (column * 255 / width) as u8;
            [red, 255 - red, row as u8]
        }
        (column, row) => [if column.is_multiple_of(16) || (row - grid).is_multiple_of(16) { 255 } else { 0 }; 3],
    }
}

fn is_black(picture: &Picture) -> bool {
    picture.2.iter().all(|&byte| byte == 0)
}

/// Has the pattern drawn, and holds what QEMU shows against it; then the picture is black.
fn draws(console: &mut Console, command: &str, device: &str, size: (u32, u32), file: &Path) -> Result<()> {
    let (width, height) = size;
    console.send_line(command)?;
    console.expect(&format!("{width} × {height}, Xrgb8888: a key ends it"))?;
    let (wide, high, pixels) = shown(console, device, file)?;
    ensure!((wide, high) == size, "QEMU shows {wide} × {high} pixels in the place of {width} × {height}");
    for (place, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
        let (column, row) = (place as u32 % width, place as u32 / width);
        let wanted = pattern(column, row, width, height);
        if *pixel != wanted {
            bail!("the pixel at {column}, {row} is {pixel:?}, not {wanted:?}; {}", file.display());
        }
    }
    console.send(b"x")?;
    console.expect("/> ")?;
    let start = Instant::now();
    while !is_black(&shown(console, device, file)?) {
        ensure!(start.elapsed() < Duration::from_secs(10), "the picture stays when nobody shows it any more");
    }
    Ok(())
}

fn gpu(lab: &mut Lab) -> Result<()> {
    let file = lab.scratch()?.join("screen.ppm");
    let mut console = lab.boot_to_prompt(Boot { devices: vec![GPU.into()], ..Boot::default() })?;
    draws(&mut console, "fb-test", "gpu", (1280, 800), &file)?;
    draws(&mut console, "fb-test 0 3", "gpu", (640, 480), &file)?;
    draws(&mut console, "fb-test 0 0", "gpu", (1280, 800), &file)?;
    contains(&console.command("fb-test 0 9")?, "fb-test: the display has no such mode")?;
    contains(&console.command("fb-test 1")?, "fb-test: there is no device for it")?;
    contains(&console.command("caps virtio-gpu")?, "display")
}

fn restarts(lab: &mut Lab) -> Result<()> {
    let file = lab.scratch()?.join("screen.ppm");
    let mut console = lab.boot_to_prompt(Boot { devices: vec![GPU.into()], ..Boot::default() })?;
    draws(&mut console, "fb-test", "gpu", (1280, 800), &file)?;
    console.send_line("kill virtio-gpu")?;
    console.expect("virtio-gpu is started again")?;
    console.expect("/> ")?;
    draws(&mut console, "fb-test", "gpu", (1280, 800), &file)
}

/// The framebuffer of the tests: where it is, its size, and bytes of a row, which are more than its pixels take.
const BASE: u32 = 0x5c00_0000;
const SIZE: (u32, u32) = (640, 480);
const STRIDE: u32 = 640 * 4 + 64;

/// QEMU's tree with a framebuffer in it, which says with these words where its memory is.
fn tree(lab: &Lab, set: &'static str, memory: &[&str]) -> Result<PathBuf> {
    let (width, height) = SIZE;
    let words = format!("log=info ramfb.base={BASE} ramfb.width={width} ramfb.height={height} ramfb.stride={STRIDE}");
    let tree = lab.device_tree_for(Boot { set: Some(set), bootargs: Some(words), ..Boot::default() })?;
    let file = lab.scratch()?.join("display.dtb");
    fs::write(&file, tree)?;
    let [base, width, height, stride] = [BASE, width, height, STRIDE].map(|number| format!("{number:#x}"));
    let reserved = "/reserved-memory/framebuffer@5c000000";
    for words in [
        &["/reserved-memory", "#address-cells", "-tx", "2"][..],
        &["/reserved-memory", "#size-cells", "-tx", "2"],
        &["/reserved-memory", "ranges"],
        &[reserved, "phandle", "-tx", "7f0001"],
        &[reserved, "reg", "-tx", "0", &base, "0", "400000"],
        &["/framebuffer", "compatible", "-ts", "simple-framebuffer"],
        memory,
        &["/framebuffer", "format", "-ts", "x8r8g8b8"],
        &["/framebuffer", "width", "-tx", &width],
        &["/framebuffer", "height", "-tx", &height],
        &["/framebuffer", "stride", "-tx", &stride],
    ] {
        let [node, property, rest @ ..] = words else { bail!("no property") };
        let (kind, values) = rest.split_at(rest.len().min(1));
        let mut command = Command::new("fdtput");
        command.arg("-p").args(kind).arg(&file).args([node, property]).args(values);
        let output = command.output().context("cannot run fdtput (package device-tree-compiler)")?;
        ensure!(output.status.success(), "fdtput {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(file)
}

/// Boots with a framebuffer that a component has set up.
fn boot_simple(lab: &mut Lab, devices: Vec<String>) -> Result<Console> {
    let tree = tree(lab, "display", &["/framebuffer", "memory-region", "-tx", "7f0001"])?;
    let extra = ["-device", "ramfb,id=ramfb"].map(str::to_owned).into();
    let mut console =
        lab.boot_to_prompt(Boot { set: Some("display"), tree: Some(tree), devices, extra, ..Boot::default() })?;
    let start = Instant::now();
    while !console.command("log")?.contains("640 × 480 at 0x5c000000") {
        ensure!(start.elapsed() < Duration::from_secs(20), "ramfb was not set up:\n{}", console.command("log")?);
    }
    Ok(console)
}

fn simple(lab: &mut Lab) -> Result<()> {
    let mut console = boot_simple(lab, Vec::new())?;
    let file = lab.scratch()?.join("screen.ppm");
    draws(&mut console, "fb-test", "ramfb", SIZE, &file)?;
    draws(&mut console, "fb-test 0 0", "ramfb", SIZE, &file)?;
    contains(&console.command("devices")?, "simple-framebuffer")?;
    contains(&console.command("caps simple-framebuffer")?, "0x5c000000")
}

fn lent(lab: &mut Lab) -> Result<()> {
    let place = format!("{BASE:#x}");
    let tree = tree(lab, "display-keeper", &["/framebuffer", "reg", "-tx", "0", &place, "0", "400000"])?;
    let mut console = lab.boot_to_prompt(Boot { set: Some("display-keeper"), tree: Some(tree), ..Boot::default() })?;
    let start = Instant::now();
    let log = loop {
        let log = console.command("log")?;
        if log.contains("simple-framebuffer is started again") && log.contains("display-keeper ended") {
            break log;
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "the driver was not ended and started again:\n{log}");
    };
    contains(&log, "the framebuffer went with its driver")
}

fn both(lab: &mut Lab) -> Result<()> {
    let mut console = boot_simple(lab, vec![GPU.into()])?;
    let file = lab.scratch()?.join("screen.ppm");
    let list = console.command("devices")?;
    // Which is which the tree's order says.
    let place = |name: &str| list.find(name).with_context(|| format!("no {name}:\n{list}"));
    let first_is_gpu = place("virtio-gpu")? < place("simple-framebuffer")?;
    let (gpu, simple) = if first_is_gpu { ("fb-test 0", "fb-test 1") } else { ("fb-test 1", "fb-test 0") };
    draws(&mut console, gpu, "gpu", (1280, 800), &file)?;
    draws(&mut console, simple, "ramfb", SIZE, &file)
}

/// The text in a picture of the guest's memory, from its glyphs; what is none is a `\u{fffd}`.
fn text_of(memory: &[u8]) -> Vec<String> {
    let is_ink = |x: usize, y: usize| memory[y * STRIDE as usize + x * 4..][..3] == [0xff; 3];
    let letter = |column: usize, row: usize| {
        let glyph: [u8; 8] =
            std::array::from_fn(|y| (0..8).map(|x| u8::from(is_ink(column * 8 + x, row * 8 + y)) << x).sum());
        let found = (b' '..0x7f).find(|it| font8x8::legacy::BASIC_LEGACY[usize::from(*it)] == glyph);
        found.map_or('\u{fffd}', char::from)
    };
    let (columns, rows) = (SIZE.0 as usize / 8, SIZE.1 as usize / 8);
    (0..rows).map(|row| (0..columns).map(|column| letter(column, row)).collect()).collect()
}

/// Waits until there are lines in the framebuffer that begin so, one behind the other. What is there else is kept as a picture.
fn shows(console: &mut Console, folder: &Path, lines: &[&str]) -> Result<()> {
    let (file, start) = (folder.join("memory"), Instant::now());
    loop {
        let arguments = json!({ "val": BASE, "size": STRIDE * SIZE.1, "filename": file });
        console.qmp()?.execute("pmemsave", arguments)?;
        let memory = fs::read(&file)?;
        let text = text_of(&memory);
        let mut rows = text.iter();
        if lines.iter().all(|line| rows.any(|row| row.starts_with(line))) {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(20) {
            let rows = memory.chunks(STRIDE as usize).flat_map(|row| row[..SIZE.0 as usize * 4].as_chunks::<4>().0);
            let pixels = rows.flat_map(|[blue, green, red, _]| [*red, *green, *blue]);
            let head = format!("P6 {} {} 255\n", SIZE.0, SIZE.1).into_bytes();
            let picture = folder.join("screen.ppm");
            fs::write(&picture, head.into_iter().chain(pixels).collect::<Vec<_>>())?;
            bail!("{lines:?} are not in {}:\n{}", picture.display(), text.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The words that set up a test of the kernel's own picture.
fn with_words(lab: &mut Lab, words: &str, memory: &[&str]) -> Result<(Console, PathBuf)> {
    let file = tree(lab, "mute", memory)?;
    let output = Command::new("fdtput").args(["-ts"]).arg(&file).args(["/chosen", "bootargs", words]).output()?;
    ensure!(output.status.success(), "fdtput: {}", String::from_utf8_lossy(&output.stderr));
    let folder = file.parent().context("no folder")?.to_owned();
    // What halts stays until it is looked at.
    let extra = vec!["-no-shutdown".into()];
    Ok((lab.boot(Boot { set: Some("mute"), tree: Some(file), extra, ..Boot::default() })?, folder))
}

fn early(lab: &mut Lab) -> Result<()> {
    let memory = ["/framebuffer", "memory-region", "-tx", "7f0001"];
    let (mut console, folder) = with_words(lab, "selftest=panic", &memory)?;
    console.expect("kernel halted")?;
    shows(&mut console, &folder, &["kernel panic: ", "  core 0 ", "  backtrace:", "    #1 0xffff", "kernel halted "])
}

fn argument(lab: &mut Lab) -> Result<()> {
    let (width, height) = SIZE;
    let off = ["/framebuffer", "status", "-ts", "disabled"];
    let words = |base: u32| format!("log=debug tutti.fb={base:#x},{width}x{height},{STRIDE},a8r8g8b8");
    let (mut console, folder) = with_words(lab, &words(BASE), &off)?;
    // Without a driver for the console init prints through the kernel.
    shows(&mut console, &folder, &["kernel: debug: entering init ", "Tutti: "])?;
    drop(console);
    for (words, says) in [
        (words(0x4020_0000), "0x40200000..0x40333800 is memory or registers in use, or RAM that is not reserved"),
        (words(0x5000_0000), "0x50000000..0x50133800 is memory or registers in use, or RAM that is not reserved"),
        (words(0x0900_0000), "0x9000000..0x9133800 is memory or registers in use, or RAM that is not reserved"),
        ("tutti.fb=0x5c000000,640x480".into(), "boot argument tutti.fb: say tutti.fb=ADDRESS"),
    ] {
        let (mut console, _) = with_words(lab, &words, &off)?;
        console.expect("kernel: warning: nothing is printed on a display: ")?;
        console.expect(says)?;
    }
    Ok(())
}

fn none(lab: &mut Lab) -> Result<()> {
    let text = lab.boot_to_prompt(Boot::default())?.command("fb-test")?;
    ensure!(text.trim() == "fb-test: there is no device for it", "{text:?}");
    Ok(())
}
