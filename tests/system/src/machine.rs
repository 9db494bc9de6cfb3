//! The emulated machine and the command line that starts it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// A machine of QEMU.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The emulator.
    pub qemu: PathBuf,
    /// The machine's name, `virt`.
    pub model: String,
    /// The core, where the machine leaves a choice.
    pub cpu: Option<String>,
    /// How many cores.
    pub smp: u32,
    /// How much memory, as QEMU takes it: `512M`.
    pub memory: String,
    /// Version of the interrupt controller, 2 or 3, where the machine leaves a choice.
    pub gic: Option<u8>,
    /// The device tree, where QEMU makes none.
    pub tree: Option<PathBuf>,
    /// Which of QEMU's serial lines is the board's console.
    pub serial: u8,
    /// Enter the kernel at EL2.
    pub el2: bool,
    /// The programs were built with landing pads and signed return addresses.
    pub guarded: bool,
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The bundle, handed over as the initial ramdisk.
    pub bundle: Option<PathBuf>,
    /// Start without QEMU's loader, with this tree.
    pub direct: Option<Direct>,
    /// A boot loader that is started in the place of kernel and bundle.
    pub firmware: Option<PathBuf>,
    /// The kernel's command line, unless the tree brings its own.
    pub bootargs: String,
    /// Where virtio devices are.
    pub bus: Bus,
    /// What is on PCI is behind an SMMU.
    pub iommu: bool,
    /// Disks, each an SD card, where the board has slots for such, and else a virtio device.
    pub disks: Vec<Disk>,
    /// Network interfaces, each a virtio device; they come behind the disks.
    pub nets: Vec<Net>,
    /// Other virtio devices in QEMU's words for virtio-mmio, without their bus: `virtio-rng-device`. They come behind the
    /// interfaces.
    pub devices: Vec<String>,
    /// Where the console of programs is.
    pub tty: Tty,
    /// Slots of virtio-mmio in the order of use, each in a page of registers of its own.
    pub virtio_slots: Vec<u32>,
    /// QEMU's numbers of the slots for SD cards, in the order of use. Where there are any, disks are cards.
    pub sd_slots: Vec<u32>,
    /// Where QEMU makes a socket for its monitor (QMP).
    pub qmp: Option<PathBuf>,
    /// Stop before the first instruction and wait for a debugger on port 1234.
    pub gdb: bool,
    /// What else QEMU is told.
    pub extra: Vec<String>,
}

/// Where the machine has its virtio devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// Registers that the device tree names (virtio-mmio).
    Mmio,
    /// Functions of the PCI bus, from device 8 on, which reach memory as the platform lets them.
    Pci,
}

/// The first device of PCI that is virtio's: those below are free for what a test adds.
const FIRST_FUNCTION: usize = 8;
/// How many there are.
const FUNCTIONS: usize = 24;

/// Where the console of programs is. If it is not the UART, that leads nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tty {
    /// The UART of the board.
    #[default]
    Uart,
    /// A virtio console, whose device comes last.
    Virtio,
    /// A UART on PCI, whose registers are I/O ports.
    Pci,
}

/// A disk of the machine.
#[derive(Clone, Debug)]
pub enum Disk {
    /// The raw image in this file.
    File(PathBuf),
    /// So many bytes that always read as zeros.
    Null(u64),
    /// The raw image in this file, with so many requests a second.
    Slow(PathBuf, u32),
    /// The files of this folder on a FAT volume that QEMU makes up: it reads them at once, where it leaves other reads to threads
    /// of its own.
    Folder(PathBuf),
}

/// A network interface of the machine.
#[derive(Clone, Debug)]
pub struct Net {
    /// What is behind it, as `-netdev` takes it: `user`, `hubport,hubid=0`.
    pub backend: String,
    /// Its address; else QEMU chooses.
    pub mac: Option<String>,
}

impl Net {
    /// An interface on the network that QEMU makes up for its user: 10.0.2.0/24, on which 10.0.2.2 answers.
    pub fn user() -> Self {
        Self { backend: "user".into(), mac: None }
    }
}

/// A start without QEMU's own loader, which would mend a device tree or refuse it: a few instructions hand the tree
/// over as it is.
#[derive(Clone, Debug)]
pub struct Direct {
    /// The device tree.
    pub tree: PathBuf,
    /// The file of the few instructions.
    pub stub: PathBuf,
}

/// Where a direct start puts things. The bundle lies where QEMU's loader puts it in 512 MiB, so that QEMU's own tree
/// says so.
const IMAGE_AT: u32 = 0x4020_0000;
const STUB_AT: u32 = 0x4700_0000;
const BUNDLE_AT: u32 = 0x4800_0000;
const TREE_AT: u32 = 0x4a00_0000;

/// `ldr x0, tree; ldr x1, image; br x1; nop`, and the two addresses.
pub const STUB: [u32; 8] = [0x5800_0080, 0x5800_00a1, 0xd61f_0020, 0xd503_201f, TREE_AT, 0, IMAGE_AT, 0];

/// Where the serial line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serial {
    /// A person's terminal, together with QEMU's own monitor and its escape key Ctrl-A.
    Terminal,
    /// Standard input and output as they are, for programs.
    Pipe,
}

impl Machine {
    /// The command that starts it.
    ///
    /// # Errors
    /// More devices than there are slots or functions.
    pub fn command(&self, serial: Serial) -> Result<Command> {
        let mut command = Command::new(&self.qemu);
        let gic = self.gic.map_or_else(String::new, |gic| format!(",gic-version={gic}"));
        let el2 = if self.el2 { ",virtualization=on" } else { "" };
        let iommu = if self.iommu { ",iommu=smmuv3" } else { "" };
        command.args(["-machine", &format!("{}{gic}{el2}{iommu}", self.model)]);
        self.cpu.iter().for_each(|cpu| _ = command.args(["-cpu", cpu]));
        command.args(["-smp", &self.smp.to_string(), "-m", &self.memory]);
        self.tree.iter().for_each(|tree| _ = command.arg("-dtb").arg(tree));
        (0..self.serial).for_each(|_| _ = command.args(["-serial", "null"]));
        match serial {
            Serial::Terminal => command.args(["-nographic", "-serial", "mon:stdio"]),
            Serial::Pipe => command.args(["-display", "none", "-monitor", "none", "-serial", self.uart()]),
        };
        // A board with a sound chip would look for the host's.
        command.env("QEMU_AUDIO_DRV", "none");
        // Without its own network card QEMU would look for a boot ROM and wait for it.
        command.args(["-net", "none", "-global", "virtio-mmio.force-legacy=false"]);
        match (&self.firmware, &self.direct) {
            (Some(firmware), _) => _ = command.arg("-bios").arg(firmware),
            (None, Some(direct)) => self.add_loaders(&mut command, direct),
            (None, None) => self.add_kernel(&mut command),
        }
        self.add_devices(&mut command)?;
        if let Some(socket) = &self.qmp {
            let mut monitor = OsString::from("unix:");
            monitor.push(escape(socket));
            monitor.push(",server=on,wait=off");
            command.arg("-qmp").arg(monitor);
        }
        if self.gdb {
            command.args(["-s", "-S"]);
        }
        command.args(&self.extra);
        Ok(command)
    }

    /// The driver of the console.
    pub fn console_driver(&self) -> &'static str {
        match self.model.as_str() {
            "xlnx-zcu102" => "cadence-uart",
            "raspi3b" => "ns16550",
            _ => "pl011",
        }
    }

    /// The driver of its disks.
    pub fn disk_driver(&self) -> &'static str {
        match self.has_cards() {
            true if self.model == "raspi3b" => "bcm2835-sdhost",
            true => "sdhci",
            false => "virtio-blk",
        }
    }

    /// Whether a disk can be attached.
    pub fn has_disks(&self) -> bool {
        self.has_cards() || self.bus == Bus::Pci || !self.virtio_slots.is_empty()
    }

    /// How many virtio devices have a place beside its disks.
    pub fn places(&self) -> usize {
        let all = if self.bus == Bus::Pci { FUNCTIONS } else { self.virtio_slots.len() };
        all.saturating_sub(if self.has_cards() { 0 } else { self.disks.len() })
    }

    const fn has_cards(&self) -> bool {
        !self.sd_slots.is_empty()
    }

    const fn uart(&self) -> &'static str {
        if matches!(self.tty, Tty::Uart) { "stdio" } else { "null" }
    }

    fn add_kernel(&self, command: &mut Command) {
        command.arg("-kernel").arg(&self.kernel).args(["-append", &self.bootargs]);
        if let Some(bundle) = &self.bundle {
            command.arg("-initrd").arg(bundle);
        }
    }

    fn add_loaders(&self, command: &mut Command, direct: &Direct) {
        let files = [(&self.kernel, IMAGE_AT, ""), (&direct.tree, TREE_AT, ""), (&direct.stub, STUB_AT, ",cpu-num=0")];
        let bundle = self.bundle.as_ref().map(|bundle| (bundle, BUNDLE_AT, ""));
        for (file, address, more) in files.into_iter().chain(bundle) {
            let mut device = OsString::from("loader,force-raw=on,file=");
            device.push(escape(file));
            device.push(format!(",addr={address:#x}{more}"));
            command.arg("-device").arg(device);
        }
    }

    fn add_devices(&self, command: &mut Command) -> Result<()> {
        let console = (self.tty == Tty::Virtio).then_some("virtio-serial-device");
        let others: Vec<_> = self.devices.iter().map(String::as_str).chain(console).collect();
        let disks = if self.has_cards() { 0 } else { self.disks.len() };
        self.check_count(disks + self.nets.len() + others.len())?;
        match self.has_cards() {
            true => self.add_cards(command)?,
            false => self.add_disks(command),
        }
        for (number, Net { backend, mac }) in self.nets.iter().enumerate() {
            let mac = mac.as_ref().map_or_else(String::new, |mac| format!(",mac={mac}"));
            command.arg("-netdev").arg(format!("{backend},id=n{number}"));
            let device = format!("virtio-net-device,netdev=n{number}{mac}");
            command.arg("-device").arg(self.device(disks + number, &device));
        }
        for (number, device) in (disks + self.nets.len()..).zip(&others) {
            command.arg("-device").arg(self.device(number, device));
        }
        match self.tty {
            Tty::Uart => {}
            Tty::Virtio => _ = command.args(["-chardev", "stdio,id=console", "-device", "virtconsole,chardev=console"]),
            Tty::Pci => _ = command.args(["-chardev", "stdio,id=console", "-device", "pci-serial,chardev=console"]),
        }
        Ok(())
    }

    fn add_disks(&self, command: &mut Command) {
        for (number, disk) in self.disks.iter().enumerate() {
            command.arg("-drive").arg(disk.drive(&format!("d{number}")));
            command.arg("-device").arg(self.device(number, &format!("virtio-blk-device,drive=d{number}")));
        }
    }

    fn add_cards(&self, command: &mut Command) -> Result<()> {
        let (disks, slots) = (self.disks.len(), self.sd_slots.len());
        ensure!(disks <= slots, "{disks} SD cards, but {} has {slots} slots for such", self.model);
        for (disk, slot) in self.disks.iter().zip(&self.sd_slots) {
            command.arg("-drive").arg(disk.words(&format!("if=sd,index={slot}")));
        }
        Ok(())
    }

    fn check_count(&self, devices: usize) -> Result<()> {
        match self.bus {
            Bus::Mmio => ensure!(
                devices <= self.virtio_slots.len(),
                "{devices} virtio devices, but {} has {} slots with a page of registers of their own",
                self.model,
                self.virtio_slots.len()
            ),
            Bus::Pci => ensure!(devices <= FUNCTIONS, "{devices} virtio devices, but there are {FUNCTIONS} on the bus"),
        }
        Ok(())
    }

    /// Virtio device number `number` in QEMU's words for the bus, from those for virtio-mmio.
    /// Nothing boots from it.
    fn device(&self, number: usize, words: &str) -> String {
        let Some(slot) = self.virtio_slots.get(number).filter(|_| self.bus == Bus::Mmio) else {
            let (name, more) = words.split_once(',').map_or((words, ""), |(name, _)| (name, &words[name.len()..]));
            let name = name.strip_suffix("-device").unwrap_or(name);
            let at = FIRST_FUNCTION + number;
            return format!("{name}-pci,disable-legacy=on,iommu_platform=on,romfile=,addr={at:#x}{more}");
        };
        format!("{words},bus=virtio-mmio-bus.{slot}")
    }
}

impl Disk {
    /// It as a drive with a name, in QEMU's words.
    pub(crate) fn drive(&self, name: &str) -> OsString {
        self.words(&format!("if=none,id={name}"))
    }

    fn words(&self, interface: &str) -> OsString {
        let mut drive = OsString::from(format!("{interface},format=raw,"));
        match self {
            Self::File(path) => {
                drive.push("file=");
                drive.push(escape(path));
            }
            Self::Slow(path, requests) => {
                drive.push(format!("throttling.iops-total={requests},file="));
                drive.push(escape(path));
            }
            Self::Null(bytes) => {
                drive.push(format!("file.driver=null-co,file.size={bytes},file.read-zeroes=on"));
            }
            Self::Folder(path) => {
                drive.push("readonly=on,file.driver=vvfat,file.dir=");
                drive.push(escape(path));
            }
        }
        drive
    }
}

/// In QEMU's options a comma in a file name is written twice.
fn escape(path: &Path) -> OsString {
    path.to_string_lossy().replace(',', ",,").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            qemu: "qemu-system-aarch64".into(),
            model: "virt".into(),
            cpu: Some("cortex-a53".into()),
            smp: 1,
            memory: "512M".into(),
            gic: Some(3),
            tree: None,
            serial: 0,
            el2: true,
            guarded: false,
            kernel: "Image".into(),
            bundle: Some("bundle.img".into()),
            direct: None,
            firmware: None,
            bootargs: "log=info".into(),
            bus: Bus::Mmio,
            iommu: false,
            disks: vec![Disk::File("a,b.img".into()), Disk::Null(4096)],
            nets: vec![Net { backend: "user".into(), mac: Some("52:54:00:01:02:03".into()) }],
            devices: vec!["virtio-rng-device".into()],
            tty: Tty::Uart,
            virtio_slots: vec![31, 23, 15, 7],
            sd_slots: Vec::new(),
            qmp: Some("q.sock".into()),
            gdb: false,
            extra: Vec::new(),
        }
    }

    #[test]
    fn each_device_has_a_slot_of_its_own() {
        let command = machine().command(Serial::Pipe).expect("command");
        let line = command.get_args().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        assert!(line.contains("-machine virt,gic-version=3,virtualization=on"), "{line}");
        assert!(line.contains("file=a,,b.img"), "{line}");
        assert!(line.contains("drive=d0,bus=virtio-mmio-bus.31"), "{line}");
        assert!(line.contains("drive=d1,bus=virtio-mmio-bus.23"), "{line}");
        let net = "-netdev user,id=n0 -device virtio-net-device,netdev=n0,mac=52:54:00:01:02:03,bus=virtio-mmio-bus.15";
        assert!(line.contains(net), "{line}");
        assert!(line.contains("-device virtio-rng-device,bus=virtio-mmio-bus.7"), "{line}");
        assert!(line.contains("-qmp unix:q.sock,server=on,wait=off"), "{line}");
    }

    #[test]
    fn each_device_can_be_a_function_of_pci() {
        let command = Machine { bus: Bus::Pci, ..machine() }.command(Serial::Pipe).expect("command");
        let line = command.get_args().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let platform = "disable-legacy=on,iommu_platform=on,romfile=";
        for device in [
            format!("-device virtio-blk-pci,{platform},addr=0x9,drive=d1"),
            format!("-device virtio-net-pci,{platform},addr=0xa,netdev=n0,mac=52:54:00:01:02:03"),
            format!("-device virtio-rng-pci,{platform},addr=0xb"),
        ] {
            assert!(line.contains(&device), "{device} is not in {line}");
        }
    }

    #[test]
    fn the_console_can_be_a_virtio_device() {
        let machine = Machine { disks: Vec::new(), tty: Tty::Virtio, ..machine() };
        let command = machine.command(Serial::Pipe).expect("command");
        let line = command.get_args().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        assert!(line.contains("-serial null"), "{line}");
        assert!(line.contains("virtio-serial-device,bus=virtio-mmio-bus.15"), "{line}");
        assert!(line.contains("-chardev stdio,id=console -device virtconsole,chardev=console"), "{line}");
    }

    #[test]
    fn disks_are_cards_where_there_are_slots() {
        let machine = Machine { sd_slots: vec![1, 0], virtio_slots: vec![31, 23], ..machine() };
        let command = machine.command(Serial::Pipe).expect("command");
        let line = command.get_args().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        assert!(line.contains("-drive if=sd,index=1,format=raw,file=a,,b.img"), "{line}");
        assert!(line.contains("-drive if=sd,index=0,format=raw,file.driver=null-co"), "{line}");
        assert!(line.contains("bus=virtio-mmio-bus.31") && !line.contains("virtio-blk"), "{line}");
        assert!(Machine { sd_slots: vec![1], ..machine }.command(Serial::Pipe).is_err());
    }

    #[test]
    fn more_devices_than_slots_are_refused() {
        let machine = Machine { virtio_slots: vec![31, 23], ..machine() };
        assert!(machine.command(Serial::Pipe).is_err());
        assert!(Machine { bus: Bus::Pci, ..machine }.command(Serial::Pipe).is_ok());
    }
}
