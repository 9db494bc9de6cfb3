//! The test cases, a file an area.

mod bad_input;
mod boot;
mod budget;
mod clock;
mod conformance;
mod console;
pub mod corrupt;
mod crash;
mod debugging;
mod devices;
mod disk;
mod display;
mod entropy;
mod fpu;
pub mod fuzz;
mod hardening;
mod hostile;
mod input;
mod iommu;
mod isolation;
mod kept;
mod keys;
mod kit;
mod memory;
mod messages;
mod net;
mod nvme;
mod pci;
pub mod revoke;
mod shell;
mod template;
mod versions;

use crate::lab::Case;

/// All cases, in the order in which they run.
pub fn all() -> Vec<Case> {
    let areas = [
        boot::cases(),
        disk::cases(),
        shell::cases(),
        console::cases(),
        clock::cases(),
        entropy::cases(),
        input::cases(),
        keys::cases(),
        net::cases(),
        pci::cases(),
        iommu::cases(),
        nvme::cases(),
        corrupt::cases(),
        isolation::cases(),
        memory::cases(),
        messages::cases(),
        kept::cases(),
        kit::cases(),
        conformance::cases(),
        fuzz::cases(),
        fpu::cases(),
        devices::cases(),
        display::cases(),
        crash::cases(),
        hardening::cases(),
        budget::cases(),
        hostile::cases(),
        revoke::cases(),
        versions::cases(),
        debugging::cases(),
        template::cases(),
        bad_input::cases(),
    ];
    areas.into_iter().flatten().collect()
}
