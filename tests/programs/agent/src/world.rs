//! What a test works in: memory that is whole again afterwards, slots, system calls that are watched, a clock.

use alloc::format;
use alloc::vec::Vec;

use abi::{ErrorCode, Kind, MAX_NAMED, Op, Rights, SyscallError};
use rt::{Cap, Endpoint, Env, MEMORY, NOTIFICATION, Notification, Reply, Retype, TABLE, Timer, now_ticks};

use crate::agents::Agent;
use crate::code;
use crate::fail::{Check, Fail, equal, holds};
use crate::registers::{Out, Request, pattern};
use crate::svc::svc;

/// The slots of what init grants to tests; 0: not granted.
#[derive(Clone, Debug, Default)]
pub struct Authority {
    /// SchedControl, by core.
    pub sched: Vec<u32>,
    /// IrqControl.
    pub irq: u32,
    /// Debug.
    pub debug: u32,
    /// KernelConsole.
    pub console: u32,
    /// Smc.
    pub smc: u32,
    /// An Smc for PSCI_VERSION.
    pub version: u32,
    /// SmcControl.
    pub smc_control: u32,
    /// IommuControl.
    pub iommu: u32,
    /// Trace without a ring.
    pub trace: u32,
    /// The Irq of the device.
    pub line: u32,
    /// Untyped of the device's registers.
    pub registers: u32,
}

impl Authority {
    /// What the start page names.
    pub fn of(env: &Env) -> Self {
        let info = env.start_info();
        let slot = |name: &str| info.find(name).map_or(0, |entry| entry.slot);
        let cores = (0..MAX_NAMED).map_while(|core| match core {
            0 => info.find("control:sched-control"),
            core => info.find(&format!("control:sched-control{core}")),
        });
        Self {
            sched: cores.map(|entry| entry.slot).collect(),
            irq: slot("control:irq-control"),
            debug: slot("control:debug"),
            console: slot("control:kernel-console"),
            smc: slot("control:smc"),
            version: slot("control:smc:84000000"),
            smc_control: slot("control:smc-control"),
            iommu: slot("control:iommu-control"),
            trace: slot("control:trace"),
            line: slot("irq:0"),
            registers: slot("reg-memory:0"),
        }
    }
}

/// First slot that tests use; below are those of the start and of the runtime.
pub const FIRST: u32 = 96;

/// What a test works in.
pub struct World {
    /// What init granted.
    pub authority: Authority,
    /// Slots of the own table.
    pub slots: u32,
    /// The Untyped that everything of a test is made of.
    pub arena: u32,
    /// Agents run on other cores than this program.
    pub spread: bool,
    /// Faults of agents arrive here.
    pub(crate) faults: Cap<Endpoint>,
    pub(crate) fault_reply: Cap<Reply>,
    /// The Frame of the instructions.
    pub(crate) code: u32,
    pub(crate) agents: Vec<Agent>,
    /// The numbers of those that are always ready.
    pub(crate) background: Vec<u32>,
    pub(crate) ended: Vec<crate::agents::Ended>,
    bell: Cap<Notification>,
    timer: Cap<Timer>,
    next: u32,
    /// Pages that are mapped for this test.
    pub(crate) mapped: u64,
    /// What was refused since the test began, and with what.
    refusals: Vec<(Op, ErrorCode)>,
}

impl World {
    /// With an arena of so many pages.
    ///
    /// # Errors
    /// The program was given too little.
    pub fn new(env: &Env, pages: u64) -> Check<Self> {
        let make = |kind: Kind, size: u64| -> Check<u32> {
            let slot = rt::alloc_slot()?;
            MEMORY.retype(kind, Retype { size, ..Retype::default() }, TABLE, slot)?;
            Ok(slot)
        };
        let code = make(Kind::Frame, 1)?;
        let buffer = rt::SharedBuffer::map(Cap::from_slot(code), 1)?;
        buffer.write(0, code::bytes()).map_err(|_| Fail::from("the instructions do not fit"))?;
        buffer.unmap()?;
        Ok(Self {
            authority: Authority::of(env),
            slots: env.start_info().table_slots,
            arena: make(Kind::Untyped, pages)?,
            spread: false,
            faults: Cap::from_slot(make(Kind::Endpoint, 0)?),
            fault_reply: Cap::from_slot(make(Kind::Reply, 0)?),
            code,
            agents: Vec::new(),
            background: Vec::new(),
            ended: Vec::new(),
            bell: Cap::from_slot(make(Kind::Notification, 0)?),
            timer: Cap::from_slot(make(Kind::Timer, 0)?),
            next: FIRST,
            mapped: 0,
            refusals: Vec::new(),
        })
    }

    /// How many cores there are to run on.
    pub fn cores(&self) -> usize {
        self.authority.sched.len()
    }

    /// The slot of the Endpoint that faults of agents arrive at.
    pub fn faults(&self) -> u32 {
        self.faults.slot()
    }

    /// A slot that is empty, until the test ends.
    ///
    /// # Errors
    /// There is none left.
    pub fn slot(&mut self) -> Check<u32> {
        holds(self.next < self.slots, "no slot left")?;
        self.next += 1;
        Ok(self.next - 1)
    }

    /// A new object out of the arena; its slot.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn make(&mut self, kind: Kind, size: u64) -> Check<u32> {
        self.make_of(self.arena, kind, size)
    }

    /// A new object out of other memory.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn make_of(&mut self, memory: u32, kind: Kind, size: u64) -> Check<u32> {
        let slot = self.slot()?;
        self.ok(Op::Retype, memory, &[kind as u64, size, 0, TABLE.slot().into(), slot.into(), 0, 0])?;
        Ok(slot)
    }

    /// A copy of a capability of the own table; its slot.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn copy(&mut self, from: u32, rights: Rights, badge: u64) -> Check<u32> {
        let slot = self.slot()?;
        let args = [slot.into(), TABLE.slot().into(), from.into(), rights.bits().into(), badge];
        self.ok(Op::Copy, TABLE.slot(), &args)?;
        Ok(slot)
    }

    /// Makes a system call and looks at what it leaves.
    ///
    /// # Errors
    /// A register did not survive, or came across.
    pub fn send(&mut self, request: &Request) -> Check<Out> {
        let before = request.registers(0);
        let out = Out { x: svc(&before) };
        self.note(request.op(), &out);
        out.check(&before, None)?;
        Ok(out)
    }

    /// Makes a system call that must succeed; x0–x7.
    ///
    /// # Errors
    /// It is refused.
    #[track_caller]
    pub fn ok(&mut self, op: Op, target: u32, args: &[u64]) -> Check<[u64; 8]> {
        let line = core::panic::Location::caller().line();
        let out = self.send(&Request::new(op, target).words(args))?;
        match out.status() {
            Ok(()) => Ok(out.words()),
            Err(error) => Err(Fail(format!("{op:?}: {error} (line {line})"))),
        }
    }

    /// Makes a system call that must be refused like this.
    ///
    /// # Errors
    /// It is not, or otherwise.
    #[track_caller]
    pub fn refused(&mut self, op: Op, target: u32, args: &[u64], code: ErrorCode, detail: u8) -> Check {
        let request = Request::new(op, target).words(args);
        let out = self.send(&request)?;
        equal(out.status(), Err(SyscallError::new(code, detail)), &format!("{op:?}"))
    }

    /// Remembers a refusal.
    pub fn note(&mut self, op: Option<Op>, out: &Out) {
        if let (Some(op), Err(error)) = (op, out.status())
            && !self.refusals.contains(&(op, error.code))
        {
            self.refusals.push((op, error.code));
        }
    }

    /// Whether an operation was refused with this since the test began.
    pub fn saw(&self, op: Op, code: ErrorCode) -> bool {
        self.refusals.contains(&(op, code))
    }

    /// Waits so many microseconds, so that others run.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn sleep(&mut self, microseconds: u64) -> Check {
        self.timer.arm(now_ticks() + ticks(microseconds), self.bell, 1)?;
        self.bell.wait()?;
        Ok(())
    }

    /// Receives on an endpoint for at most so many microseconds; `None`: nothing came.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn receive(&mut self, endpoint: u32, reply: u32, microseconds: u64) -> Check<Option<rt::Received>> {
        /// A bit that nobody else sets.
        const OVER: u64 = 1 << 62;
        let _ = NOTIFICATION.poll()?;
        self.timer.arm(now_ticks() + ticks(microseconds), NOTIFICATION, OVER)?;
        let received = Cap::<Endpoint>::from_slot(endpoint).receive(Cap::from_slot(reply));
        self.timer.cancel()?;
        match received? {
            rt::Received::Notified(OVER) => Ok(None),
            other => Ok(Some(other)),
        }
    }

    /// What lies in a slot of a table, as `DebugCap` says.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn inspect(&mut self, table: u32, index: u32) -> Check<[u64; 8]> {
        self.ok(Op::DebugCap, self.authority.debug, &[table.into(), index.into()])
    }

    /// Whether a slot of the own table is empty.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn is_empty(&mut self, slot: u32) -> Check<bool> {
        Ok(self.inspect(TABLE.slot(), slot)?[0] == Kind::Null as u64)
    }

    /// Ends a test: everything that it made goes, and the arena must be whole again.
    ///
    /// # Errors
    /// It is not, or something is left.
    pub fn reset(&mut self) -> Check {
        let used = FIRST..self.next;
        self.next = FIRST;
        self.mapped = 0;
        self.agents.clear();
        self.background.clear();
        self.ended.clear();
        self.refusals.clear();
        rt::set_window(0, 0);
        self.timer.cancel()?;
        TABLE.revoke(self.arena)?;
        for slot in used {
            TABLE.delete(slot)?;
        }
        let _ = NOTIFICATION.poll()?;
        let _ = self.bell.poll()?;
        equal(self.inspect(TABLE.slot(), self.arena)?[5], 0, "bytes of the arena in use after its revoke")
    }

    /// A value that registers of this program hold.
    pub fn own_pattern(&self, register: usize) -> u64 {
        pattern(0, register)
    }
}

/// Counter ticks of so many microseconds.
pub fn ticks(microseconds: u64) -> u64 {
    rt::ticks_per_second() * microseconds / 1_000_000
}
