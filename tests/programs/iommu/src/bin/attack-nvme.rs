//! Has an NVM Express controller reach for memory, with commands of its admin queue (NVM Express Base Specification 1.4).
#![cfg_attr(target_os = "none", no_std, no_main)]

use iommu_programs::{Device, run};
use kit::dma::{Memory, Space};
use kit::mmio::{Mmio, ReadWrite, Readable, Writeable};
use kit::pci;

rt::entry!(start);

/// Registers (3.1).
const CC: usize = 0x14;
const CSTS: usize = 0x1c;
const AQA: usize = 0x24;
const ASQ: usize = 0x28;
const ACQ: usize = 0x30;
const DOORBELL: usize = 0x1000;
const LOOKS: u32 = 3_000_000;
/// Commands (5) and features (5.21.1).
const IDENTIFY: u8 = 6;
const SET_FEATURES: u8 = 9;
const GET_FEATURES: u8 = 10;
const TIMESTAMP: u32 = 0x0e;
/// Commands of the queues, and where their pages lie.
const SIZE: u32 = 4;
const COMPLETIONS: usize = 0x1000;
const DATA: usize = 0x2000;

struct Controller {
    mmio: Mmio,
    memory: Memory,
    asked: u32,
}

fn start(env: &'static rt::Env) -> Result<(), kit::Error> {
    let (space, function) = (Space::open(env)?, pci::Function::open(env)?);
    let (mmio, memory) = (Mmio::named(env, "bar0")?, Memory::consistent(space, 3)?);
    let mut controller = Controller { mmio, memory, asked: 0 };
    controller.begin(|| function.set_master(true))?;
    run(env, space, &mut controller)
}

impl Controller {
    fn set(&self, register: usize, value: u32) -> Result<(), kit::Error> {
        let place: ReadWrite<u32> = self.mmio.register(register)?;
        place.set(value);
        Ok(())
    }

    fn is_ready(&self, ready: bool) -> bool {
        let status: Result<ReadWrite<u32>, _> = self.mmio.register(CSTS);
        status.is_ok_and(|status| (0..LOOKS).any(|_| status.get() & 1 == u32::from(ready)))
    }

    fn begin(&mut self, master: impl FnOnce() -> Result<(), kit::Error>) -> Result<(), kit::Error> {
        self.set(CC, 0)?;
        self.is_ready(false);
        let bus = self.memory.bus();
        self.set(AQA, (SIZE - 1) << 16 | (SIZE - 1))?;
        for (register, value) in [(ASQ, bus), (ACQ, bus + COMPLETIONS as u64)] {
            self.set(register, value as u32)?;
            self.set(register + 4, (value >> 32) as u32)?;
        }
        master()?;
        // Entries of 64 and 16 bytes; on.
        self.set(CC, 4 << 20 | 6 << 16 | 1)?;
        self.is_ready(true);
        Ok(())
    }

    /// A command with data at a bus address; its result, if the controller says that it did it.
    fn ask(&mut self, opcode: u8, address: u64, words: [u32; 2], namespace: u32) -> Option<u32> {
        let mut command = [0; 64];
        command[0] = opcode;
        command[4..8].copy_from_slice(&namespace.to_le_bytes());
        command[24..32].copy_from_slice(&address.to_le_bytes());
        command[40..44].copy_from_slice(&words[0].to_le_bytes());
        command[44..48].copy_from_slice(&words[1].to_le_bytes());
        let (buffer, index) = (self.memory.buffer(), (self.asked % SIZE) as usize);
        buffer.write(64 * index, &command).ok()?;
        let phase = 1 - (self.asked / SIZE) % 2;
        self.asked += 1;
        kit::dma::publish();
        self.set(DOORBELL, self.asked % SIZE).ok()?;
        let mut completion = [0; 16];
        let answered = (0..LOOKS).any(|_| {
            let _ = buffer.read(COMPLETIONS + 16 * index, &mut completion);
            u32::from(completion[14]) & 1 == phase
        });
        self.set(DOORBELL + 4, self.asked % SIZE).ok()?;
        let status = u16::from_le_bytes([completion[14], completion[15]]) >> 1;
        let result = u32::from_le_bytes([completion[0], completion[1], completion[2], completion[3]]);
        (answered && status == 0).then_some(result)
    }
}

impl Device for Controller {
    fn write_to(&mut self, address: u64) -> bool {
        // What the controller is: a page.
        self.ask(IDENTIFY, address & !0xfff, [1, 0], 0).is_some()
    }

    fn read_from(&mut self, address: u64) -> Option<[u8; 16]> {
        // Six bytes of the time that it is told, which it tells again.
        self.ask(SET_FEATURES, address, [TIMESTAMP, 0], 0)?;
        self.ask(GET_FEATURES, self.memory.bus() + DATA as u64, [TIMESTAMP, 0], 0)?;
        let mut bytes = [0; 16];
        self.memory.buffer().read(DATA, &mut bytes).ok().map(|()| bytes)
    }
}
