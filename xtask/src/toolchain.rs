//! The two ways to a compiler with `core` and `alloc` for the target, chosen without asking.
//!
//! The first is a toolchain that has the target's libraries, the second a toolchain that has their source: it builds
//! them with the project, which takes an unstable flag of cargo (`-Zbuild-std`, `RUSTC_BOOTSTRAP=1`) but no nightly
//! compiler. Debian's packages bring such a toolchain.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::setup::{Missing, Setup, find_program};
use crate::tools::{LINKER, RUST_SOURCE};
use crate::workspace::{self, Workspace};

/// What a program is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Without floating point and vector registers: the kernel, and components that do not ask for them.
    Soft,
    /// With both: components whose manifest says `fpu = true`.
    Hard,
}

impl Target {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Soft, Self::Hard];

    /// As rustc calls it.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::Soft => "aarch64-unknown-none-softfloat",
            Self::Hard => "aarch64-unknown-none",
        }
    }
}

/// Their names, with something between them.
pub fn triples(between: &str) -> String {
    Target::ALL.map(Target::triple).join(between)
}

/// A download that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The system's own compiler.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// A compiler.
#[derive(Clone, Debug)]
pub struct Rustc {
    /// Its file.
    pub path: PathBuf,
    /// The folder that its libraries lie under.
    pub sysroot: PathBuf,
    /// Major and minor version.
    pub version: (u64, u64),
}

/// A way to build for the target.
#[derive(Clone, Debug)]
pub struct Toolchain {
    rustc: Rustc,
    /// Build the standard library too.
    build_std: bool,
    linker: PathBuf,
}

impl Rustc {
    fn at(path: &Path) -> Result<Self> {
        let version = workspace::output(Command::new(path).arg("--version"))?;
        let sysroot = workspace::output(Command::new(path).args(["--print", "sysroot"]))?;
        let version = parse_version(&version).with_context(|| format!("{} says {version:?}", path.display()))?;
        Ok(Self { path: path.into(), sysroot: sysroot.into(), version })
    }

    /// The compiler that cargo would call.
    pub fn active() -> Result<Self> {
        let name = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        Self::at(Path::new(&name))
    }

    fn has_targets(&self) -> bool {
        Target::ALL.into_iter().all(|target| {
            let folder = self.sysroot.join("lib/rustlib").join(target.triple()).join("lib");
            let files = folder.read_dir().into_iter().flatten().flatten();
            files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
        })
    }

    fn has_source(&self) -> bool {
        self.sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file()
    }

    fn own_linker(&self) -> Option<PathBuf> {
        let hosts = self.sysroot.join("lib/rustlib").read_dir().ok()?.flatten();
        hosts.map(|host| host.path().join("bin/rust-lld")).find(|path| path.is_file())
    }
}

impl Toolchain {
    /// Finds a way, and where there is none, makes one.
    pub fn find(workspace: &Workspace, setup: &Setup) -> Result<Self> {
        let active = Rustc::active().context("cargo is here but no rustc")?;
        let (rustc, build_std) = match prebuilt(workspace, &active) {
            Some(rustc) => (rustc, false),
            None if add_targets(workspace, setup) && active.has_targets() => (active.clone(), false),
            None => (from_source(workspace, setup, &active)?, true),
        };
        let linker = linker(setup, &rustc, &active)?;
        Ok(Self { rustc, build_std, linker })
    }

    /// What is there already; nothing is tried and nothing installed.
    pub fn present(workspace: &Workspace) -> Option<Self> {
        let active = Rustc::active().ok()?;
        let (rustc, build_std) = match prebuilt(workspace, &active) {
            Some(rustc) => (rustc, false),
            None => (source(workspace, &active)?, true),
        };
        let linker = find_linker(&rustc, &active)?;
        Some(Self { rustc, build_std, linker })
    }

    /// `cargo VERB` for a target, in release.
    pub fn cargo(&self, workspace: &Workspace, verb: &str, target: Target) -> Command {
        let mut command = workspace.cargo();
        command.arg(verb);
        self.configure(workspace, &mut command, target);
        command
    }

    /// `cargo clippy` for a target: Debian's compiler comes with lints of its own version.
    pub fn clippy(&self, workspace: &Workspace, target: Target) -> Command {
        if !self.is_system() {
            return self.cargo(workspace, "clippy", target);
        }
        let mut command = Command::new(self.rustc.path.with_file_name("cargo-clippy"));
        command.current_dir(&workspace.root).env("CARGO", workspace.cargo_path()).arg("clippy");
        self.configure(workspace, &mut command, target);
        command
    }

    fn configure(&self, workspace: &Workspace, command: &mut Command, target: Target) {
        command.args(["--release", "--target", target.triple()]);
        command.env("CARGO_TARGET_DIR", workspace.bare());
        command.env("CARGO_ENCODED_RUSTFLAGS", self.flags().join("\x1f")).env_remove("RUSTFLAGS");
        if self.is_system() {
            command.env("RUSTC", &self.rustc.path);
        }
        if self.build_std {
            command.env("RUSTC_BOOTSTRAP", "1");
            command.args(["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"]);
        }
    }

    /// Each crate's build script puts its own `link.ld` on the linker's search path, so that one call of cargo builds
    /// kernel and components.
    fn flags(&self) -> Vec<String> {
        let mut flags = vec![
            format!("-Clinker={}", self.linker.display()),
            "-Clinker-flavor=ld.lld".into(),
            "-Clink-arg=-Tlink.ld".into(),
            "-Crelocation-model=static".into(),
            // Kernel and programs are far smaller than the megabyte that one instruction reaches.
            "-Ccode-model=tiny".into(),
            // Frame pointers lead through the stack; nothing unwinds it.
            "-Cforce-frame-pointers=yes".into(),
            "-Cforce-unwind-tables=no".into(),
            // Only the linker can avoid it: kernel/src/errata.rs.
            "-Clink-arg=--fix-cortex-a53-843419".into(),
        ];
        if self.is_guarded() {
            flags.push("-Zbranch-protection=bti,pac-ret".into());
        }
        flags
    }

    /// The linker, for what is linked in two steps. The relocations stay in the file, to be checked.
    pub fn link(&self) -> Command {
        let mut command = Command::new(&self.linker);
        if self.linker.file_name().is_some_and(|name| name == "rust-lld") {
            command.args(["-flavor", "gnu"]);
        }
        command.args(["-static", "-O1", "-z", "noexecstack", "--emit-relocs", "--fix-cortex-a53-843419"]);
        command
    }

    /// Whether code gets landing pads and signed return addresses: only where `core` is built the same way.
    pub const fn is_guarded(&self) -> bool {
        self.build_std
    }

    fn is_system(&self) -> bool {
        self.rustc.path == Path::new(SYSTEM_RUSTC)
    }

    /// In words, for the overview.
    pub fn describe(&self) -> String {
        let (major, minor) = self.rustc.version;
        let core = if self.build_std {
            "core and alloc from source, -Zbuild-std, with BTI and pointer authentication"
        } else {
            "core and alloc prebuilt, so without BTI and pointer authentication"
        };
        format!("rustc {major}.{minor} in {} ({core}), linker {}", self.rustc.sysroot.display(), self.linker.display())
    }
}

/// A compiler that has the targets' libraries.
fn prebuilt(workspace: &Workspace, active: &Rustc) -> Option<Rustc> {
    candidates(workspace, active).find(Rustc::has_targets)
}

/// A compiler that has the source of its standard library.
fn source(workspace: &Workspace, active: &Rustc) -> Option<Rustc> {
    candidates(workspace, active).find(Rustc::has_source)
}

fn candidates(workspace: &Workspace, active: &Rustc) -> impl Iterator<Item = Rustc> {
    let system = Rustc::at(Path::new(SYSTEM_RUSTC)).ok();
    let wanted = workspace.rust_version();
    [Some(active.clone()), system].into_iter().flatten().filter(move |rustc| rustc.version >= wanted)
}

fn from_source(workspace: &Workspace, setup: &Setup, active: &Rustc) -> Result<Rustc> {
    if let Some(rustc) = source(workspace, active) {
        return Ok(rustc);
    }
    setup.install(&[Missing {
        what: format!("`core` and `alloc` for {}", triples(" and ")),
        why: "everything stands on them",
        packages: &RUST_SOURCE,
    }])?;
    let (major, minor) = workspace.rust_version();
    source(workspace, active).with_context(|| {
        format!(
            "{SYSTEM_RUSTC} is not version {major}.{minor} or newer, or its source is missing; with a network \
             `rustup target add {}` is the other way",
            triples(" ")
        )
    })
}

/// Asks rustup for the target's libraries, if it may download. A failure is remembered for a day.
fn add_targets(workspace: &Workspace, setup: &Setup) -> bool {
    let forbidden = env::var("RUSTUP_AUTO_INSTALL").is_ok_and(|value| value == "0");
    let failed = workspace.tutti().join("rustup-failed");
    if forbidden || !setup.may_download() || find_program("rustup").is_none() || is_recent(&failed) {
        return false;
    }
    println!("rustup gets `core` and `alloc` for {}", triples(" and "));
    let mut command = Command::new("rustup");
    command.args(["target", "add"]).args(Target::ALL.map(Target::triple)).stdin(Stdio::null());
    let added = finishes(&mut command, PATIENCE).unwrap_or(false);
    if !added {
        println!("rustup did not get them within {} seconds; the other way is tried", PATIENCE.as_secs());
        // Without the mark the next run tries again, which only costs time.
        let _ = std::fs::create_dir_all(workspace.tutti()).and_then(|()| std::fs::write(&failed, ""));
    }
    added
}

fn is_recent(file: &Path) -> bool {
    let age = file.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age < Duration::from_secs(24 * 60 * 60))
}

/// Whether a command succeeds in time. It is ended when it does not.
fn finishes(command: &mut Command, patience: Duration) -> Result<bool> {
    let mut child = command.spawn()?;
    let start = Instant::now();
    while start.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        thread::sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

fn linker(setup: &Setup, rustc: &Rustc, active: &Rustc) -> Result<PathBuf> {
    if let Some(linker) = find_linker(rustc, active) {
        return Ok(linker);
    }
    setup.install(&[Missing {
        what: "ld.lld".into(),
        why: "links the kernel and the components",
        packages: &LINKER,
    }])?;
    find_linker(rustc, active).context("ld.lld is still not found after its package was installed")
}

fn find_linker(rustc: &Rustc, active: &Rustc) -> Option<PathBuf> {
    let own = rustc.own_linker().or_else(|| active.own_linker());
    own.or_else(|| ["rust-lld", "ld.lld"].iter().find_map(|name| find_program(name)))
}

/// Major and minor of `rustc 1.95.0 (…)`.
fn parse_version(line: &str) -> Option<(u64, u64)> {
    let mut numbers = line.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("rustc 1.96.0 (ac68faa20 2026-05-25)"), Some((1, 96)));
        assert_eq!(parse_version("rustc 1.97.0-nightly"), Some((1, 97)));
        assert_eq!(parse_version("nonsense"), None);
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let patience = Duration::from_millis(200);
        assert!(!finishes(Command::new("sleep").arg("30"), patience).expect("sleep"));
        assert!(finishes(&mut Command::new("true"), patience).expect("true"));
        assert!(!finishes(&mut Command::new("false"), patience).expect("false"));
    }
}
