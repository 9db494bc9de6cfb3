//! A thread that reads registers in init's place: where a device tree says that there are some and there are none, reading is a bus
//! error, which init would not survive.

use rt::{
    Cap, Endpoint, FaultKind, FaultMessage, Kind, Received, Reply, SchedContext, SyscallError, TABLE, Thread,
    ThreadConfig,
};

use crate::authority::{DEBUG, SPACE, sched_control};
use crate::memory::Memory;

/// As urgent as init, which waits for it.
const PRIORITY: u8 = 255;
/// Registers of a thread by number: sp, and pc behind it.
const SP: u64 = 31;

/// The thread, and where its faults arrive.
pub struct Scout {
    thread: Cap<Thread>,
    faults: Cap<Endpoint>,
    reply: Cap<Reply>,
    /// What init's Notification said meanwhile.
    notified: bool,
}

/// Nothing answered.
pub struct NoAnswer;

impl Scout {
    /// Makes it, suspended.
    pub fn new(memory: &mut Memory, cores: u32) -> Result<Self, SyscallError> {
        let (thread, time) =
            (memory.object::<Thread>(Kind::Thread)?, memory.object::<SchedContext>(Kind::SchedContext)?);
        let (faults, reply) = (memory.object(Kind::Endpoint)?, memory.object(Kind::Reply)?);
        let (table, space, fault) = (TABLE, SPACE, Some(faults));
        let (priority, ceiling) = (PRIORITY, PRIORITY);
        thread.configure(&ThreadConfig { table, space, message_page: None, fault, priority, ceiling, fpu: false })?;
        sched_control(0, cores).configure(time, 1, 1, false)?;
        time.bind(thread)?;
        Ok(Self { thread, faults, reply, notified: false })
    }

    /// Reads the 32 bits at an address of init's.
    pub fn read(&mut self, address: u64) -> Result<u32, NoAnswer> {
        self.go(address).ok().flatten().ok_or(NoAnswer)
    }

    fn go(&mut self, address: u64) -> Result<Option<u32>, SyscallError> {
        // It still waits for an answer to what it ended with.
        self.thread.suspend()?;
        self.thread.write_registers(0, [address])?;
        self.thread.write_registers(SP, [0, rt::scout::entry()])?;
        self.thread.resume()?;
        loop {
            match self.faults.receive(self.reply)? {
                Received::Notified(_) => self.notified = true,
                Received::Call { message, .. } => {
                    let fault = FaultMessage::from_words(&message.regs);
                    let seen = FaultKind::from_number(message.label) == Some(FaultKind::Breakpoint)
                        && fault.syndrome as u16 == rt::scout::BRK_SEEN;
                    let value = DEBUG.registers(self.thread, 0)?[0] as u32;
                    return Ok(seen.then_some(value));
                }
            }
        }
    }

    /// Whether init was notified while it waited, which it has to see to itself.
    pub fn take_notified(&mut self) -> bool {
        core::mem::take(&mut self.notified)
    }
}
