//! What the device of a driver that binds streams itself reaches, and what beside it must stay as it is.

use abi::layout::PAGE;
use abi::{Badge, Perms};
use kit::Node;
use kit::dma::{Coherence, Space};
use rt::{
    Cap, DmaSpace, Env, Frame, IommuControl, Kind, MEMORY, Retype, Rights, SharedBuffer, SyscallError, TABLE, Untyped,
};

/// Pages that the device may read and write.
pub const OPEN: u64 = 16;
/// Pages that it may read; as many are not attached.
const CLOSED: u64 = 2;
/// Pages of a DmaSpace: four tables for what is attached.
const SPACE: u64 = 10;
/// What is in memory that no device may write to.
const CANARY: [u8; 16] = *b"a canary of mine";

/// Memory, and the space in which it is attached.
pub struct Reach {
    control: Cap<IommuControl>,
    stream: (u64, u32),
    memory: Cap<Untyped>,
    space: Cap<DmaSpace>,
    /// What the device may read and write.
    pub open: SharedBuffer,
    /// What it may read.
    read_only: SharedBuffer,
    /// What it may not reach.
    canary: SharedBuffer,
    attached: [Cap<Frame>; 2],
}

fn no(what: &'static str) -> impl Fn(SyscallError) -> &'static str {
    move |error| {
        log::error!("corrupt: {what}: {error}");
        what
    }
}

impl Reach {
    /// Memory, attached in a space to which the stream of this driver's device is bound.
    ///
    /// # Errors
    /// In words.
    pub fn new(env: &Env) -> Result<Self, &'static str> {
        let control = env.cap::<IommuControl>("control:iommu-control").map_err(|_| "no IommuControl")?;
        let base = control.info(0).ok_or("no IOMMU")?.base;
        let at = Node::open(env).and_then(|node| node.cells("reg")).map_err(|_| "no node")?;
        // The requester ID is the stream: the machine's iommu-map begins with 0 on both sides.
        let stream = at.first().ok_or("the node says not where the function is")? >> 8 & 0xffff;
        let buffer = |pages| SharedBuffer::new(pages).map_err(|_| "no memory");
        let (open, read_only, canary) = (buffer(OPEN)?, buffer(CLOSED)?, buffer(CLOSED)?);
        let attached = [copy(open.frame())?, copy(read_only.frame())?];
        let (memory, space) = (slot()?, slot()?);
        let what = Retype { size: SPACE, ..Retype::default() };
        MEMORY.retype(Kind::Untyped, what, TABLE, memory).map_err(no("memory"))?;
        let (memory, space) = (Cap::from_slot(memory), Cap::from_slot(space));
        let reach = Self { control, stream: (base, stream), memory, space, open, read_only, canary, attached };
        for place in (0..(CLOSED * PAGE) as usize).step_by(CANARY.len()) {
            // Inside.
            let _ = (reach.read_only.write(place, &CANARY), reach.canary.write(place, &CANARY));
        }
        reach.make()?;
        Ok(reach)
    }

    fn make(&self) -> Result<(), &'static str> {
        let what = Retype { size: SPACE, ..Retype::default() };
        self.memory.retype(Kind::DmaSpace, what, TABLE, self.space.slot()).map_err(no("DmaSpace"))?;
        self.control.bind(self.space, Some(self.stream)).map_err(no("bind"))?;
        let [open, read_only] = self.attached;
        let attach = |frame, buffer: &SharedBuffer, perms| {
            self.space.attach(frame, buffer.as_ptr().addr() as u64, buffer.pages(), perms).map_err(no("attach"))
        };
        attach(open, &self.open, Perms::READ | Perms::WRITE)?;
        attach(read_only, &self.read_only, Perms::READ)?;
        Ok(())
    }

    /// The space, for who opens the device.
    pub const fn space(&self) -> Space {
        Space::new(self.space, Coherence::Coherent)
    }

    /// A new space in the place of that to which the stream is bound.
    ///
    /// # Errors
    /// In words.
    pub fn renew(&self) -> Result<(), &'static str> {
        TABLE.delete(self.space.slot()).map_err(no("the DmaSpace does not go"))?;
        self.make()
    }

    /// Where the device finds what it may read and write.
    pub fn bus(&self) -> u64 {
        self.open.as_ptr().addr() as u64
    }

    /// Addresses at which it may not write, or reach nothing at all.
    pub fn closed(&self) -> [u64; 4] {
        let (open, canary) = (self.bus() + OPEN * PAGE, self.canary.as_ptr().addr() as u64);
        // Across the ends of what it may reach.
        [open - 8, self.bus() - 8, self.read_only.as_ptr().addr() as u64, canary]
    }

    /// Whether what it may not write is as it was.
    pub fn is_intact(&self) -> bool {
        let whole = |buffer: &SharedBuffer| {
            let mut bytes = [0; CANARY.len()];
            (0..buffer.len())
                .step_by(CANARY.len())
                .all(|place| buffer.read(place, &mut bytes).is_ok() && bytes == CANARY)
        };
        whole(&self.read_only) && whole(&self.canary)
    }
}

fn slot() -> Result<u32, &'static str> {
    rt::alloc_slot().map_err(|_| "no slot")
}

/// A capability that is mapped cannot be attached.
fn copy(frame: Cap<Frame>) -> Result<Cap<Frame>, &'static str> {
    let (slot, rights) = (slot()?, Rights::READ | Rights::WRITE | Rights::DMA);
    TABLE.copy(slot, TABLE, frame.slot(), rights, Badge(0)).map_err(no("copy"))?;
    Ok(Cap::from_slot(slot))
}
