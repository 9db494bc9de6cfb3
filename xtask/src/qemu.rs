//! The machine of a board, as its file and the command line say.

use anyhow::{Context, Result, ensure};
use system_tests::Machine;

use crate::board::Board;
use crate::build::Built;
use crate::tools;

/// The board's own machine with what was built.
pub fn machine(board: &Board, built: &Built, set: Option<&str>) -> Result<Machine> {
    let qemu = tools::QEMU.find().context("qemu-system-aarch64 is not there")?;
    let table = board.machine.clone();
    board.selection(set)?;
    ensure!(matches!(table.gic, 2 | 3), "board/{}/board.toml: machine.gic is 2 or 3", board.name);
    Ok(Machine {
        qemu,
        model: table.model,
        cpu: table.cpu,
        smp: table.smp,
        memory: table.memory,
        gic: table.gic,
        el2: false,
        guarded: built.guarded,
        kernel: built.image.clone(),
        bundle: Some(built.bundle(set)),
        direct: None,
        bootargs: "log=info".into(),
        disks: Vec::new(),
        devices: Vec::new(),
        virtio_console: false,
        nets: Vec::new(),
        virtio_slots: table.virtio_slots,
        qmp: None,
        gdb: false,
        extra: Vec::new(),
    })
}
