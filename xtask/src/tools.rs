//! The tools that the verbs call, and the packages that bring them.

use std::path::PathBuf;

use crate::setup::{Manager, Missing, find_program};

/// The packages that bring something, per package manager; none where it is not known.
pub struct Packages {
    pub apt: Option<&'static [&'static str]>,
    pub dnf: Option<&'static [&'static str]>,
    pub pacman: Option<&'static [&'static str]>,
    pub brew: Option<&'static [&'static str]>,
}

impl Packages {
    pub fn of(&self, manager: Manager) -> Option<&'static [&'static str]> {
        match manager {
            Manager::Apt => self.apt,
            Manager::Dnf => self.dnf,
            Manager::Pacman => self.pacman,
            Manager::Brew => self.brew,
        }
    }
}

/// A program.
pub struct Tool {
    /// What one calls it.
    pub name: &'static str,
    /// Names under which it is installed.
    programs: &'static [&'static str],
    /// What it is for.
    pub why: &'static str,
    packages: Packages,
}

impl Tool {
    /// Its file.
    pub fn find(&self) -> Option<PathBuf> {
        self.programs.iter().find_map(|program| find_program(program))
    }

    /// The tool as something to install.
    pub fn missing(&'static self) -> Missing {
        Missing { what: self.name.into(), why: self.why, packages: &self.packages }
    }
}

/// The emulator.
pub static QEMU: Tool = Tool {
    name: "qemu-system-aarch64",
    programs: &["qemu-system-aarch64"],
    why: "boots the image",
    packages: Packages {
        apt: Some(&["qemu-system-arm"]),
        dnf: Some(&["qemu-system-aarch64"]),
        pacman: Some(&["qemu-system-aarch64"]),
        brew: Some(&["qemu"]),
    },
};

/// Other people's repositories.
pub static GIT: Tool = Tool {
    name: "git",
    programs: &["git"],
    why: "fetches a crate of a board",
    packages: Packages { apt: Some(&["git"]), dnf: Some(&["git"]), pacman: Some(&["git"]), brew: Some(&["git"]) },
};

/// Partitions.
pub static SGDISK: Tool = Tool {
    name: "sgdisk",
    programs: &["sgdisk"],
    why: "partitions a disk",
    packages: Packages {
        apt: Some(&["gdisk"]),
        dnf: Some(&["gdisk"]),
        pacman: Some(&["gptfdisk"]),
        brew: Some(&["gptfdisk"]),
    },
};

/// File systems.
pub static MKFS: Tool = Tool {
    name: "mkfs.vfat",
    programs: &["mkfs.vfat"],
    why: "makes a file system",
    packages: Packages {
        apt: Some(&["dosfstools"]),
        dnf: Some(&["dosfstools"]),
        pacman: Some(&["dosfstools"]),
        brew: Some(&["dosfstools"]),
    },
};

/// Files on it.
pub static MCOPY: Tool = Tool {
    name: "mcopy",
    programs: &["mcopy"],
    why: "copies files onto it",
    packages: Packages {
        apt: Some(&["mtools"]),
        dnf: Some(&["mtools"]),
        pacman: Some(&["mtools"]),
        brew: Some(&["mtools"]),
    },
};

/// Another reader of device trees, which the tests hold ours against.
pub static FDTGET: Tool = Tool {
    name: "fdtget",
    programs: &["fdtget"],
    why: "reads device trees in the tests",
    packages: Packages {
        apt: Some(&["device-tree-compiler"]),
        dnf: Some(&["dtc"]),
        pacman: Some(&["dtc"]),
        brew: Some(&["dtc"]),
    },
};

/// The debugger.
pub static GDB: Tool = Tool {
    name: "gdb",
    programs: &["gdb-multiarch", "aarch64-elf-gdb", "aarch64-none-elf-gdb", "aarch64-linux-gnu-gdb"],
    why: "debugs the kernel",
    packages: Packages {
        apt: Some(&["gdb-multiarch"]),
        dnf: Some(&["gdb"]),
        pacman: Some(&["aarch64-linux-gnu-gdb"]),
        brew: Some(&["aarch64-elf-gdb"]),
    },
};

/// Another reader of device trees, which `port` is held against.
pub static DTC: Tool = Tool {
    name: "dtc",
    programs: &["dtc"],
    why: "reads device trees in the tests",
    packages: Packages {
        apt: Some(&["device-tree-compiler"]),
        dnf: Some(&["dtc"]),
        pacman: Some(&["dtc"]),
        brew: Some(&["dtc"]),
    },
};

/// What puts an overlay on a tree.
pub static FDTOVERLAY: Tool = Tool {
    name: "fdtoverlay",
    programs: &["fdtoverlay"],
    why: "puts overlays on device trees",
    packages: Packages {
        apt: Some(&["device-tree-compiler"]),
        dnf: Some(&["dtc"]),
        pacman: Some(&["dtc"]),
        brew: Some(&["dtc"]),
    },
};

/// Debian's packages.
pub static APT: Tool = Tool {
    name: "apt-get",
    programs: &["apt-get"],
    why: "fetches Debian's kernel",
    packages: Packages { apt: Some(&["apt"]), dnf: Some(&["apt"]), pacman: None, brew: None },
};

/// What is in them.
pub static DPKG: Tool = Tool {
    name: "dpkg-deb",
    programs: &["dpkg-deb"],
    why: "unpacks it",
    packages: Packages { apt: Some(&["dpkg"]), dnf: Some(&["dpkg"]), pacman: Some(&["dpkg"]), brew: Some(&["dpkg"]) },
};

/// What every verb but `compare` needs, for the overview.
pub static ALL: [&Tool; 6] = [&QEMU, &SGDISK, &MKFS, &MCOPY, &FDTGET, &GDB];

/// What makes a disk.
pub static DISK: [&Tool; 3] = [&SGDISK, &MKFS, &MCOPY];

/// A compiler with the source of its standard library, and its lints.
pub static RUST_SOURCE: Packages = Packages {
    apt: Some(&["rustc-web", "rust-web-src", "rust-web-clippy"]),
    dnf: Some(&["rust-std-static-aarch64-unknown-none-softfloat"]),
    pacman: Some(&["rust-aarch64-none", "rust-src"]),
    brew: None,
};

/// A linker for the target.
pub static LINKER: Packages =
    Packages { apt: Some(&["lld"]), dnf: Some(&["lld"]), pacman: Some(&["lld"]), brew: Some(&["lld"]) };
