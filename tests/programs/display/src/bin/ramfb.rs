//! Sets QEMU's `ramfb` up, as firmware would: tells it through the device `fw_cfg` where the pixels are (QEMU, docs/specs/fw_cfg.rst
//! and hw/display/ramfb.c). Base, width, height and stride come from the kernel's command line: `ramfb.base=NUMBER`.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use kit::dma::{Memory, Space};
use kit::mmio::*;

rt::entry!(run);

kit::registers! {
    /// Big-endian; writing the low half starts the transfer.
    struct Registers {
        0x10 => dma_address_high: WriteOnly<u32>,
        0x14 => dma_address_low: WriteOnly<u32>,
    }
}

/// What a transfer is to do, and that it failed.
const ERROR: u32 = 1;
const READ: u32 = 1 << 1;
const SELECT: u32 = 1 << 3;
const WRITE: u32 = 1 << 4;
/// The list of files.
const DIRECTORY: u32 = 0x19;
/// Files that are looked at, and the bytes of an entry: size, selector, reserved, name.
const FILES: usize = 60;
const ENTRY: usize = 64;
/// Where in the page of the transfer its data lies.
const DATA: usize = 64;
/// How often the device is asked whether it is done.
const LOOKS: u32 = 1_000_000;
/// DRM's code of XRGB8888.
const XR24: u32 = u32::from_le_bytes(*b"XR24");

fn run(env: &'static rt::Env) -> Result<(), String> {
    let failed = |error: kit::Error| format!("{error}");
    let registers = Registers::new(&Mmio::open(env, 0).map_err(failed)?).map_err(failed)?;
    let space = Space::open(env).map_err(failed)?;
    let memory = Memory::consistent(space, 1).map_err(failed)?;
    let device = Device { registers, memory };
    let argument = |name| env.argument(name).ok_or_else(|| format!("{name} is not on the command line"));
    let (base, width) = (argument("arg:base")?, argument("arg:width")?);
    let (height, stride) = (argument("arg:height")?, argument("arg:stride")?);
    let file = device.find("etc/ramfb")?;
    let words = [0, base, XR24, 0, width, height, stride].map(u32::to_be_bytes);
    device.memory.buffer().write(DATA, words.as_flattened()).map_err(|_| "no room")?;
    device.transfer(file << 16 | SELECT | WRITE, words.as_flattened().len())?;
    log::info!("{width} × {height} at {base:#x}");
    Ok(())
}

struct Device {
    registers: Registers,
    /// Control, length and address of the transfer; behind them its data.
    memory: Memory,
}

impl Device {
    /// The selector of a file.
    fn find(&self, name: &str) -> Result<u32, String> {
        self.transfer(DIRECTORY << 16 | SELECT | READ, 4 + FILES * ENTRY)?;
        for index in 0..FILES {
            let mut entry = [0; ENTRY];
            self.memory.buffer().read(DATA + 4 + index * ENTRY, &mut entry).map_err(|_| "no room")?;
            if entry[8..].starts_with(name.as_bytes()) && entry[8 + name.len()] == 0 {
                return Ok(u16::from_be_bytes([entry[4], entry[5]]).into());
            }
        }
        Err(format!("{name}: QEMU has no such file: -device ramfb"))
    }

    fn transfer(&self, control: u32, bytes: usize) -> Result<(), String> {
        let buffer = self.memory.buffer();
        let [high, low] = [(self.memory.bus() >> 32) as u32, self.memory.bus() as u32];
        let access = [control, bytes as u32, high, low + DATA as u32].map(u32::to_be_bytes);
        buffer.write(0, access.as_flattened()).map_err(|_| "no room")?;
        kit::dma::publish();
        self.registers.dma_address_high.set(high.to_be());
        self.registers.dma_address_low.set(low.to_be());
        for _ in 0..LOOKS {
            match buffer.load_u32(0).map(u32::from_be) {
                Ok(0) => return Ok(()),
                Ok(control) if control & ERROR != 0 => break,
                _ => {}
            }
        }
        Err("fw_cfg does not do it".into())
    }
}
