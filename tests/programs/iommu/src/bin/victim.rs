//! Says where memory lies that no device has business in, and whether it is as it was.
#![cfg_attr(target_os = "none", no_std, no_main)]

use abi::Perms;
use abi::layout::PAGE;
use iommu_programs::victim::{SECRET, Status, Victim, VictimServer};
use rt::{Cap, Debug, Env, Frame, KernelConsole, Kind, MEMORY, Mapping, Retype, SharedBuffer, SyscallError, TABLE};

rt::entry!(run);

/// Bytes of each target that are looked at.
const LOOKED_AT: usize = 512;

struct State {
    debug: Cap<Debug>,
    /// The kernel's log, to be read only.
    kernel: (Cap<Frame>, Mapping),
    page: SharedBuffer,
    /// An address space that nobody uses.
    space: u32,
    /// The end of the kernel's log as it was.
    before: [u32; LOOKED_AT / 4],
}

fn run(env: &'static Env) -> Result<SyscallError, &'static str> {
    let debug = env.cap::<Debug>("control:debug").map_err(|_| "no Debug")?;
    let console = env.cap::<KernelConsole>("control:kernel-console").map_err(|_| "no KernelConsole")?;
    let mut state = State::new(debug, console).ok_or("no memory")?;
    state.before = state.kernel_end();
    ipc::serve(env, VictimServer(state)).map_err(|_| "victim cannot be served")
}

impl State {
    fn new(debug: Cap<Debug>, console: Cap<KernelConsole>) -> Option<Self> {
        let slot = rt::alloc_slot().ok()?;
        let bytes = console.ring(slot).ok()?;
        let frame = Cap::from_slot(slot);
        let kernel = (frame, rt::map(frame, bytes / PAGE, Perms::READ).ok()?);
        let page = SharedBuffer::new(1).ok()?;
        let space = rt::alloc_slot().ok()?;
        MEMORY.retype(Kind::AddressSpace, Retype { size: 2, ..Retype::default() }, TABLE, space).ok()?;
        let state = Self { debug, kernel, page, space, before: [0; LOOKED_AT / 4] };
        state.fill();
        Some(state)
    }

    fn fill(&self) {
        for place in (0..PAGE as usize).step_by(SECRET.len()) {
            // Inside.
            let _ = self.page.write(place, &SECRET);
        }
    }

    /// Where the Frame or object in a slot lies.
    fn place(&self, slot: u32) -> Result<u64, Status> {
        self.debug.inspect(TABLE, slot).map(|info| info.base).map_err(|_| Status::Lost)
    }

    /// The last bytes of the kernel's log, which it reaches when it has written that much.
    fn kernel_end(&self) -> [u32; LOOKED_AT / 4] {
        let (_, mapping) = &self.kernel;
        let first = mapping.bytes() - LOOKED_AT;
        core::array::from_fn(|index| mapping.read_register(first + 4 * index).unwrap_or(0))
    }

    fn has_secret(&self) -> bool {
        let mut bytes = [0; SECRET.len()];
        (0..PAGE as usize)
            .step_by(SECRET.len())
            .all(|place| self.page.read(place, &mut bytes).is_ok() && bytes == SECRET)
    }
}

impl Victim for State {
    fn target(&mut self, index: u32) -> Result<Option<u64>, Status> {
        let (frame, mapping) = &self.kernel;
        Ok(Some(match index {
            0 => self.place(frame.slot())? + (mapping.bytes() - LOOKED_AT) as u64,
            1 => self.place(self.page.frame().slot())?,
            // Its root.
            2 => self.place(self.space)? + PAGE,
            _ => return Ok(None),
        }))
    }

    fn is_intact(&mut self) -> Result<bool, Status> {
        // An address space with nothing in it still has no entry: a page of its own can be mapped where a block would be.
        let table = self.debug.read(Cap::from_slot(self.space), 0x1000_0000).is_err();
        let intact = self.kernel_end() == self.before && self.has_secret() && table;
        self.fill();
        self.before = self.kernel_end();
        Ok(intact)
    }
}
