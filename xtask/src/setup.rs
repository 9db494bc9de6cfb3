//! Finding tools, and installing what is missing through the system's package manager.

use std::env;
use std::io::{IsTerminal, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::tools::{Packages, Tool};
use crate::workspace;

/// What may be done about missing tools.
pub struct Setup {
    consent: Consent,
    no_install: bool,
}

/// Whether something may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consent {
    Given,
    Ask,
    Refused,
}

/// Something missing: what, why it is needed, and what brings it.
pub struct Missing {
    pub what: String,
    pub why: &'static str,
    pub packages: &'static Packages,
}

impl Missing {
    /// The command that installs it here, for a person to type.
    pub fn install_command(&self) -> Option<String> {
        Some(line(&Manager::find()?.commands(std::slice::from_ref(self))?))
    }
}

impl Setup {
    pub fn new(yes: bool, no_install: bool) -> Self {
        let ci = env::var("CI").is_ok_and(|value| value == "true");
        let terminal = stdin().is_terminal() && stdout().is_terminal();
        Self { consent: consent(no_install, yes || ci, is_root(), terminal), no_install }
    }

    /// Whether a user's own tools may download what belongs to them: that takes nobody's consent but is still
    /// installing.
    pub fn may_download(&self) -> bool {
        !self.no_install
    }

    /// Makes sure that these tools are there.
    pub fn require(&self, tools: &[&'static Tool]) -> Result<()> {
        let missing: Vec<Missing> =
            tools.iter().filter(|tool| tool.find().is_none()).map(|tool| tool.missing()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.install(&missing)?;
        match tools.iter().find(|tool| tool.find().is_none()) {
            None => Ok(()),
            Some(tool) => bail!("{} is still not found after its package was installed", tool.name),
        }
    }

    /// One line that says what is missing and why; then installs it, asks, or stops with the exact command.
    pub fn install(&self, missing: &[Missing]) -> Result<()> {
        let wanted: Vec<String> = missing.iter().map(|missing| format!("{} ({})", missing.what, missing.why)).collect();
        let wanted = format!("Tutti needs {}", wanted.join(", "));
        let Some(manager) = Manager::find() else {
            bail!(
                "{wanted}; no package manager that xtask knows (apt-get, dnf, pacman, brew) is here: install it by hand"
            );
        };
        let Some(commands) = manager.commands(missing) else {
            bail!("{wanted}; {} has no package for it that xtask knows: install it by hand", manager.program());
        };
        let line = line(&commands);
        if manager != Manager::Apt || self.consent == Consent::Refused {
            bail!("{wanted}. Install it with:\n\n    {line}\n");
        }
        println!("{wanted}: {line}");
        if self.consent == Consent::Ask && !agrees()? {
            bail!("nothing was installed; the command was:\n\n    {line}\n");
        }
        for words in commands {
            let (program, arguments) =
                words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
            workspace::run(Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
        }
        Ok(())
    }
}

/// Commands as one types them.
fn line(commands: &[Vec<String>]) -> String {
    commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join(" && ")
}

/// `--no-install` always stops; a terminal is asked; without one `--yes`, `CI=true` or root is consent.
fn consent(no_install: bool, yes: bool, root: bool, terminal: bool) -> Consent {
    match (no_install, yes, terminal) {
        (true, _, _) => Consent::Refused,
        (false, true, _) => Consent::Given,
        (false, false, true) => Consent::Ask,
        (false, false, false) if root => Consent::Given,
        (false, false, false) => Consent::Refused,
    }
}

fn agrees() -> Result<bool> {
    print!("Install now? [Y/n] ");
    stdout().flush()?;
    let mut answer = String::new();
    // End of input is no consent.
    let read = stdin().read_line(&mut answer)?;
    Ok(read > 0 && matches!(answer.trim(), "" | "y" | "Y" | "yes"))
}

fn is_root() -> bool {
    workspace::output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

/// The file of a program: on the path, or where the path of a user who is not root often does not lead.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/opt/homebrew/sbin"];
    env::split_paths(&path)
        .chain(beside.into_iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    Apt,
    Dnf,
    Pacman,
    Brew,
}

impl Manager {
    /// The one of this machine.
    pub fn find() -> Option<Self> {
        [Self::Apt, Self::Dnf, Self::Pacman, Self::Brew]
            .into_iter()
            .find(|manager| find_program(manager.program()).is_some())
    }

    /// Its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Pacman => "pacman",
            Self::Brew => "brew",
        }
    }

    /// The commands that install all of it; none when one thing has no package here.
    fn commands(self, missing: &[Missing]) -> Option<Vec<Vec<String>>> {
        let mut packages = Vec::new();
        for missing in missing {
            for package in missing.packages.of(self)? {
                if !packages.contains(package) {
                    packages.push(*package);
                }
            }
        }
        let install: &[&str] = match self {
            Self::Apt => &["apt-get", "install", "-y", "--no-install-recommends"],
            Self::Dnf => &["dnf", "install", "-y"],
            Self::Pacman => &["pacman", "-S", "--needed"],
            Self::Brew => &["brew", "install"],
        };
        let mut commands = vec![[install, &packages[..]].concat()];
        // Lists that are empty or old lead to nothing, or to versions that are too old.
        if self == Self::Apt {
            commands.insert(0, vec!["apt-get", "update"]);
        }
        let sudo = if self == Self::Brew || is_root() { None } else { Some("sudo") };
        let words = |command: Vec<&str>| sudo.into_iter().chain(command).map(str::to_owned).collect();
        Some(commands.into_iter().map(words).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_and_who_is_not() {
        for (yes, root, terminal) in [(false, false, false), (true, true, true), (true, false, false)] {
            assert_eq!(consent(true, yes, root, terminal), Consent::Refused);
        }
        assert_eq!(consent(false, false, false, true), Consent::Ask);
        assert_eq!(consent(false, false, true, true), Consent::Ask);
        assert_eq!(consent(false, true, false, true), Consent::Given);
        assert_eq!(consent(false, true, false, false), Consent::Given);
        assert_eq!(consent(false, false, true, false), Consent::Given);
        assert_eq!(consent(false, false, false, false), Consent::Refused);
    }

    #[test]
    fn a_package_is_installed_once() {
        let missing = [&crate::tools::QEMU, &crate::tools::SGDISK, &crate::tools::QEMU].map(Tool::missing);
        let commands = Manager::Pacman.commands(&missing).expect("commands");
        let line = commands.last().expect("install").join(" ");
        assert!(line.ends_with("pacman -S --needed qemu-system-aarch64 gptfdisk"), "{line}");
    }

    #[test]
    fn apt_looks_for_what_is_new_first() {
        let commands = Manager::Apt.commands(&[crate::tools::QEMU.missing()]).expect("commands");
        assert!(commands.first().is_some_and(|first| first.ends_with(&["apt-get".into(), "update".into()])));
    }
}
