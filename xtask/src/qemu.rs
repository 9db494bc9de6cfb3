//! The machine of a board, as its file and the command line say.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Deserialize;
use system_tests::{Bus, Machine, Tty};

use crate::board::Board;
use crate::build::Built;
use crate::tools;

/// Where virtio devices are, as the command line says it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum BusName {
    /// Functions of PCI
    Pci,
    /// Registers that the device tree names
    #[default]
    Mmio,
}

impl From<BusName> for Bus {
    fn from(name: BusName) -> Self {
        match name {
            BusName::Pci => Self::Pci,
            BusName::Mmio => Self::Mmio,
        }
    }
}

/// The board's own machine with what was built.
pub fn machine(board: &Board, built: &Built, set: Option<&str>) -> Result<Machine> {
    let qemu = tools::QEMU.find().context("qemu-system-aarch64 is not there")?;
    let table = board
        .machine
        .clone()
        .with_context(|| format!("board {} is not emulated: its board.toml has no [machine]", board.name))?;
    board.selection(set)?;
    ensure!(matches!(table.gic, None | Some(2 | 3)), "board/{}/board.toml: machine.gic is 2 or 3", board.name);
    Ok(Machine {
        qemu,
        model: table.model,
        cpu: table.cpu,
        smp: table.smp,
        memory: table.memory,
        gic: table.gic,
        tree: built.tree.clone(),
        serial: table.serial,
        el2: false,
        guarded: built.guarded,
        kernel: built.image.clone(),
        bundle: Some(built.bundle(set)),
        direct: None,
        firmware: None,
        bootargs: "log=info".into(),
        bus: table.bus.into(),
        iommu: matches!(table.bus, BusName::Pci),
        disks: Vec::new(),
        devices: Vec::new(),
        tty: Tty::Uart,
        nets: Vec::new(),
        virtio_slots: table.virtio_slots,
        sd_slots: table.sd_slots,
        qmp: None,
        gdb: false,
        extra: Vec::new(),
    })
}
