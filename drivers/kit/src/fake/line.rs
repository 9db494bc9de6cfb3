//! An interrupt line that follows a condition.

use alloc::rc::Rc;
use core::cell::Cell;

use super::Registers;

/// How often a handler is called before the test ends: a driver that leaves its line raised hangs its process.
const PATIENCE: usize = 1000;

/// The state of a line, brought up to date after each access and each change.
pub(super) struct Level {
    condition: Box<dyn Fn(&Registers) -> bool>,
    raised: Cell<bool>,
    edges: Cell<usize>,
}

impl Level {
    pub(super) fn new(condition: impl Fn(&Registers) -> bool + 'static) -> Self {
        Self { condition: Box::new(condition), raised: Cell::new(false), edges: Cell::new(0) }
    }

    pub(super) fn update(&self, device: &Registers) {
        let now = (self.condition)(device);
        if now && !self.raised.replace(now) {
            self.edges.set(self.edges.get() + 1);
        }
        self.raised.set(now);
    }
}

/// An interrupt line of a fake device: [`Registers::line`] makes it.
///
/// ```
/// # use tutti_kit as kit;
/// use kit::fake;
///
/// // Raised while a bit of the status (0x00) is set that the mask (0x04) lets through.
/// let device = fake::Registers::new(8).write_one_to_clear(0x00, 0).read_write(0x04, 1);
/// let line = device.line(|device| device.get(0x00) & device.get(0x04) != 0);
///
/// device.set(0x00, 2);
/// assert!(!line.is_raised());
/// device.set(0x00, 3);
/// assert!(line.is_raised());
/// # let mmio = device.mmio();
/// # let status: kit::mmio::ReadWrite<u32> = mmio.register(0).unwrap();
/// # use kit::mmio::Writeable;
/// # let interrupt = || status.set(1);
/// // The driver's handler, which acknowledges what it has served.
/// assert_eq!(line.serve(interrupt), 1);
/// assert!(!line.is_raised());
/// ```
#[derive(Clone)]
pub struct Line(pub(super) Rc<Level>);

impl Line {
    /// Whether the device wants attention: what a level-triggered line says.
    pub fn is_raised(&self) -> bool {
        self.0.raised.get()
    }

    /// How often the line was raised since this was last asked: what an edge-triggered line says.
    pub fn edges(&self) -> usize {
        self.0.edges.take()
    }

    /// Calls the driver's handler for as long as the line is raised, as the system would; returns how often.
    ///
    /// # Panics
    /// The handler was called a thousand times and the line is still raised.
    #[track_caller]
    pub fn serve(&self, mut handler: impl FnMut()) -> usize {
        let mut count = 0;
        while self.is_raised() {
            assert!(
                count < PATIENCE,
                "the driver has served its interrupt {PATIENCE} times and the line is still raised"
            );
            handler();
            count += 1;
        }
        count
    }
}

impl core::fmt::Debug for Line {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.is_raised() { "raised" } else { "at rest" })
    }
}
