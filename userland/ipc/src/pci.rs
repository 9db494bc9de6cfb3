//! pci: configuration space of a function, for its driver. Served by the driver of the host bridge.

use crate::Client;

/// Configuration space of the function that the caller drives, and of no other (PCI Express Base Specification 5.0, 7.5). The
/// first call of each instance of a driver finds the function quiet: it masters no bus and sends no messages.
#[crate::protocol(name = "pci", version = 1)]
pub trait Pci {
    /// 32 bits at `register`, a multiple of 4 below 4096.
    #[method(1)]
    fn read(&mut self, client: Client, register: u16) -> Result<u32, Status>;

    /// Writes 32 bits, of which those change that are the driver's: control, address, data and mask of message-signalled
    /// interrupts (MSI), enable and mask of MSI-X, and of the capability of PCI Express the reporting of errors, relaxed
    /// ordering, extended tags and the size of read requests.
    #[method(2)]
    fn write(&mut self, client: Client, register: u16, value: u32) -> Result<(), Status>;

    /// Lets the function read and write memory, or no longer.
    #[method(3)]
    fn set_master(&mut self, client: Client, on: bool) -> Result<(), Status>;

    /// Makes the function quiet: it masters no bus and sends no messages.
    #[method(4)]
    fn reset(&mut self, client: Client) -> Result<(), Status>;
}

crate::statuses! {
    /// The caller drives nothing that is behind this bridge.
    NoFunction = 1, "the caller drives no function of this bus";
    /// No multiple of 4 below 4096.
    NoRegister = 2, "there is no such register";
    /// None of its bits is the driver's.
    NotWritable = 3, "the register is not the driver's to write";
    /// The manifest does not say `dma = true`.
    NotMaster = 4, "it is no bus master: `dma` in the manifest";
    /// The function answers with all ones.
    Gone = 5, "the function does not answer any more";
}
