//! A bank of registers with behaviour.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::ops::Range;

use super::access::{Access, read, write};
use super::line::{Level, Line};
use crate::mmio::{Bank, Mmio};

/// The registers of a fake device, 32 bits wide unless [`Self::width`] says otherwise.
///
/// Clones are the same device: the test keeps one, and a behaviour that is a function is given one. A read or write that
/// no behaviour provides for, of the wrong width, or out of script ends the test.
///
/// ```
/// # use tutti_kit as kit;
/// use kit::fake;
///
/// let uart = fake::Registers::new(0x1000)
///     .fifo(0x00, 16)
///     .on_read(0x18, |uart| u64::from(uart.unread(0x00) == 0) << 4)
///     .read_write(0x38, 0)
///     .read_only(0x3c, 0)
///     .on_write(0x44, |uart, ones| uart.set(0x3c, uart.get(0x3c) & !ones));
/// uart.feed(0x00, *b"ls");
///
/// # use kit::mmio::*;
/// # let mmio = uart.mmio();
/// # let (data, flags): (ReadWrite<u32>, ReadOnly<u32>) = (mmio.register(0).unwrap(), mmio.register(0x18).unwrap());
/// // What the driver does:
/// let mut typed = Vec::new();
/// while flags.get() & 0x10 == 0 {
///     typed.push(data.get() as u8);
/// }
/// data.set(b'$'.into());
///
/// assert_eq!(typed, b"ls");
/// assert_eq!(uart.sent(0x00), [u64::from(b'$')]);
/// ```
#[derive(Clone)]
pub struct Registers(Rc<Inner>);

struct Inner {
    bytes: usize,
    width: Cell<usize>,
    places: RefCell<BTreeMap<usize, Place>>,
    log: RefCell<Vec<Access>>,
    script: RefCell<VecDeque<Access>>,
    lines: RefCell<Vec<Rc<Level>>>,
}

/// A register.
#[derive(Default)]
struct Place {
    value: u64,
    width: Option<usize>,
    on_read: Load,
    on_write: Store,
    /// Of a FIFO: what the driver has not read.
    input: VecDeque<u64>,
    /// What the driver wrote and the device has not taken.
    output: VecDeque<u64>,
}

/// What a read does.
#[derive(Clone, Default)]
enum Load {
    #[default]
    Refused,
    Value,
    Clears,
    Takes,
    Calls(Rc<dyn Fn(&Registers) -> u64>),
}

/// A behaviour that is a function: the device, and what was written.
type Written = dyn Fn(&Registers, u64);

/// What a write does.
#[derive(Clone, Default)]
enum Store {
    #[default]
    Refused,
    Value,
    Clears,
    Queues {
        depth: usize,
    },
    Calls(Rc<Written>),
}

impl Registers {
    /// A device whose register block has so many bytes, and no register yet.
    pub fn new(bytes: usize) -> Self {
        Self(Rc::new(Inner {
            bytes,
            width: Cell::new(4),
            places: RefCell::default(),
            log: RefCell::default(),
            script: RefCell::default(),
            lines: RefCell::default(),
        }))
    }

    /// The registers are so many bytes wide: 1, 2, 4 or 8.
    #[must_use]
    pub fn width(self, bytes: usize) -> Self {
        self.0.width.set(bytes);
        self
    }

    /// The register at `offset` is so many bytes wide, whatever the others are.
    #[must_use]
    pub fn width_of(self, offset: usize, bytes: usize) -> Self {
        self.place(offset, |place| place.width = Some(bytes))
    }

    /// A register that keeps what is written to it.
    #[must_use]
    pub fn read_write(self, offset: usize, reset: u64) -> Self {
        self.define(offset, reset, Load::Value, Store::Value)
    }

    /// A register that the driver must not write; the test does, with [`Self::set`].
    #[must_use]
    pub fn read_only(self, offset: usize, reset: u64) -> Self {
        self.define(offset, reset, Load::Value, Store::Refused)
    }

    /// A register that the driver must not read; the test does, with [`Self::get`].
    #[must_use]
    pub fn write_only(self, offset: usize) -> Self {
        self.define(offset, 0, Load::Refused, Store::Value)
    }

    /// A register whose bits are cleared by writing ones to them.
    #[must_use]
    pub fn write_one_to_clear(self, offset: usize, reset: u64) -> Self {
        self.define(offset, reset, Load::Value, Store::Clears)
    }

    /// A register that is 0 after it was read, and must not be written.
    #[must_use]
    pub fn read_to_clear(self, offset: usize, reset: u64) -> Self {
        self.define(offset, reset, Load::Clears, Store::Refused)
    }

    /// The door of a FIFO: a read takes what [`Self::feed`] put in, a write queues what [`Self::sent`] takes out, at most
    /// `depth` values. Reading it while it is empty and writing it while it is full ends the test.
    #[must_use]
    pub fn fifo(self, offset: usize, depth: usize) -> Self {
        self.define(offset, 0, Load::Takes, Store::Queues { depth })
    }

    /// Registers that all keep what is written to them: memory of the device. `offsets` are bytes.
    #[must_use]
    pub fn memory(self, offsets: Range<usize>) -> Self {
        let width = self.0.width.get();
        offsets.step_by(width).fold(self, |device, offset| device.read_write(offset, 0))
    }

    /// A read of the register gives what `value` returns. Writing it stays as it was, refused if nothing was said.
    #[must_use]
    pub fn on_read(self, offset: usize, value: impl Fn(&Registers) -> u64 + 'static) -> Self {
        self.place(offset, |place| place.on_read = Load::Calls(Rc::new(value)))
    }

    /// A write to the register does this, and nothing else. Reading it stays as it was, refused if nothing was said.
    #[must_use]
    pub fn on_write(self, offset: usize, with: impl Fn(&Registers, u64) + 'static) -> Self {
        self.place(offset, |place| place.on_write = Store::Calls(Rc::new(with)))
    }

    /// An interrupt line that is raised while the condition holds.
    pub fn line(&self, condition: impl Fn(&Registers) -> bool + 'static) -> Line {
        let level = Rc::new(Level::new(condition));
        self.0.lines.borrow_mut().push(level.clone());
        level.update(self);
        Line(level)
    }

    /// The registers as a driver gets them.
    pub fn mmio(&self) -> Mmio {
        Mmio::fake(Rc::new(self.clone()), self.0.bytes)
    }

    /// From now on the driver's accesses must be these, in this order, and each read gives the value that stands here. No
    /// other register is touched meanwhile. When the script is over, the registers behave again as defined.
    pub fn expect(&self, script: impl IntoIterator<Item = Access>) {
        self.0.script.borrow_mut().extend(script.into_iter().filter(|access| access.count != 0));
    }

    /// Ends the test unless all of the script has happened. The end of the device does it, too.
    ///
    /// # Panics
    /// The driver has not done all it was expected to.
    #[track_caller]
    pub fn done(&self) {
        self.0.done();
    }

    /// What the driver did since this was last asked.
    pub fn log(&self) -> Vec<Access> {
        self.0.log.take()
    }

    /// The value of a register, without the driver's doing.
    ///
    /// # Panics
    /// There is no such register.
    #[track_caller]
    pub fn get(&self, offset: usize) -> u64 {
        self.known(offset, |place| place.value)
    }

    /// Changes a register, without the driver's doing.
    ///
    /// # Panics
    /// There is no such register.
    #[track_caller]
    pub fn set(&self, offset: usize, value: u64) {
        self.known(offset, |place| place.value = value);
        self.update();
    }

    /// Puts values into a FIFO, for the driver to read. There is always room: a test says itself when data is lost.
    ///
    /// # Panics
    /// There is no such register.
    #[track_caller]
    pub fn feed<T: Into<u64>>(&self, offset: usize, values: impl IntoIterator<Item = T>) {
        self.known(offset, |place| place.input.extend(values.into_iter().map(Into::into)));
        self.update();
    }

    /// How many values of a FIFO the driver has not read.
    ///
    /// # Panics
    /// There is no such register.
    #[track_caller]
    pub fn unread(&self, offset: usize) -> usize {
        self.known(offset, |place| place.input.len())
    }

    /// How many values of a FIFO the device has not taken.
    ///
    /// # Panics
    /// There is no such register.
    #[track_caller]
    pub fn unsent(&self, offset: usize) -> usize {
        self.known(offset, |place| place.output.len())
    }

    /// Takes what the driver wrote to a FIFO: all of it.
    ///
    /// # Panics
    /// There is no such register.
    #[track_caller]
    pub fn sent(&self, offset: usize) -> Vec<u64> {
        self.send(offset, usize::MAX)
    }

    /// Takes what the driver wrote to a FIFO: at most `count` values.
    ///
    /// # Panics
    /// There is no such register.
    #[track_caller]
    pub fn send(&self, offset: usize, count: usize) -> Vec<u64> {
        let taken = self.known(offset, |place| place.output.drain(..count.min(place.output.len())).collect());
        self.update();
        taken
    }

    fn define(self, offset: usize, reset: u64, on_read: Load, on_write: Store) -> Self {
        self.place(offset, |place| {
            place.value = reset;
            place.on_read = on_read;
            place.on_write = on_write;
        })
    }

    fn place(self, offset: usize, change: impl FnOnce(&mut Place)) -> Self {
        assert!(offset < self.0.bytes, "a register at {offset:#x} of a device of {:#x} bytes", self.0.bytes);
        change(self.0.places.borrow_mut().entry(offset).or_default());
        self
    }

    #[track_caller]
    fn known<T>(&self, offset: usize, with: impl FnOnce(&mut Place) -> T) -> T {
        let mut places = self.0.places.borrow_mut();
        let Some(place) = places.get_mut(&offset) else { panic!("the fake device has no register at {offset:#x}") };
        with(place)
    }

    fn update(&self) {
        // A condition may look at the registers, not make further lines.
        let lines = self.0.lines.borrow().clone();
        lines.iter().for_each(|line| line.update(self));
    }

    fn check_width(&self, what: &str, offset: usize, bytes: usize) {
        let own = self.0.places.borrow().get(&offset).and_then(|place| place.width);
        let width = own.unwrap_or(self.0.width.get());
        assert!(bytes == width, "a {what} of {bytes} bytes at {offset:#x}, where the register has {width}");
    }

    /// The value of a read, or `None` for a write, that stands next in the script; `None` when there is no script.
    fn scripted(&self, seen: Access) -> Option<Access> {
        let mut script = self.0.script.borrow_mut();
        let next = script.front_mut()?;
        let fits = next.write == seen.write && next.offset == seen.offset && (!seen.write || next.value == seen.value);
        let expected = next.times(1);
        if !fits {
            // One complaint is enough.
            script.clear();
            match seen.write {
                true => panic!("the driver does {seen:?} where {expected:?} was expected"),
                false => panic!("the driver reads {:#x} where {expected:?} was expected", seen.offset),
            }
        }
        next.count -= 1;
        if next.count == 0 {
            script.pop_front();
        }
        Some(expected)
    }

    fn perform_load(&self, offset: usize) -> u64 {
        let behaviour = self.0.places.borrow().get(&offset).map(|place| place.on_read.clone()).unwrap_or_default();
        match behaviour {
            Load::Refused => panic!("a read at {offset:#x}, where the fake device has nothing to read"),
            Load::Value => self.get(offset),
            Load::Clears => self.known(offset, |place| core::mem::take(&mut place.value)),
            Load::Takes => {
                let value = self.known(offset, |place| place.input.pop_front());
                value.unwrap_or_else(|| panic!("a read of the FIFO at {offset:#x}, which is empty"))
            }
            Load::Calls(value) => value(self),
        }
    }

    fn perform_store(&self, offset: usize, value: u64) {
        let behaviour = self.0.places.borrow().get(&offset).map(|place| place.on_write.clone()).unwrap_or_default();
        match behaviour {
            Store::Refused => panic!("a write of {value:#x} at {offset:#x}, where the fake device takes none"),
            Store::Value => self.known(offset, |place| place.value = value),
            Store::Clears => self.known(offset, |place| place.value &= !value),
            Store::Queues { depth } => {
                assert!(self.unsent(offset) < depth, "a write to the FIFO at {offset:#x}, which is full ({depth})");
                self.known(offset, |place| place.output.push_back(value));
            }
            Store::Calls(with) => with(self, value),
        }
    }
}

impl Bank for Registers {
    fn load(&self, offset: usize, bytes: usize) -> u64 {
        self.check_width("read", offset, bytes);
        let value = match self.scripted(read(offset, 0)) {
            Some(expected) => expected.value,
            None => self.perform_load(offset),
        };
        self.0.log.borrow_mut().push(read(offset, value));
        self.update();
        value
    }

    fn store(&self, offset: usize, bytes: usize, value: u64) {
        self.check_width("write", offset, bytes);
        let seen = write(offset, value);
        if self.scripted(seen).is_none() {
            self.perform_store(offset, value);
        }
        self.0.log.borrow_mut().push(seen);
        self.update();
    }
}

impl Inner {
    #[track_caller]
    fn done(&self) {
        let script = self.script.take();
        assert!(script.is_empty(), "the driver was expected to go on with {script:?}");
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.done();
        }
    }
}

impl core::fmt::Debug for Registers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let places = self.0.places.borrow();
        f.debug_map().entries(places.iter().map(|(offset, place)| (offset, place.value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmio::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn register(device: &Registers, offset: usize) -> ReadWrite<u32> {
        device.mmio().register(offset).unwrap()
    }

    /// What the test is told when the driver does this.
    fn complaint<T>(driver: impl FnOnce() -> T) -> String {
        let panic = catch_unwind(AssertUnwindSafe(driver)).err().expect("it went unnoticed");
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.into()))
            .unwrap()
    }

    #[test]
    fn registers_behave_as_defined() {
        let device = Registers::new(0x40)
            .read_write(0x00, 5)
            .write_one_to_clear(0x04, 0b111)
            .read_to_clear(0x08, 9)
            .memory(0x20..0x30)
            .on_write(0x0c, |device, value| device.set(0x08, value * 2));
        let at = |offset| register(&device, offset);
        at(0x00).set(at(0x00).get() + 1);
        at(0x04).set(0b101);
        assert_eq!((device.get(0x00), device.get(0x04)), (6, 0b010));
        assert_eq!((at(0x08).get(), at(0x08).get()), (9, 0));
        at(0x0c).set(21);
        assert_eq!(at(0x08).get(), 42);
        at(0x2c).set(3);
        assert_eq!(at(0x2c).get(), 3);
    }

    #[test]
    fn what_the_device_does_not_provide_for_is_noticed() {
        let device = Registers::new(0x40).read_only(0x00, 0).write_only(0x04).fifo(0x08, 2).width_of(0x10, 2);
        let at = |offset| register(&device, offset);
        assert_eq!(complaint(|| at(0x00).set(1)), "a write of 0x1 at 0x0, where the fake device takes none");
        assert_eq!(complaint(|| at(0x04).get()), "a read at 0x4, where the fake device has nothing to read");
        assert_eq!(complaint(|| at(0x20).get()), "a read at 0x20, where the fake device has nothing to read");
        assert_eq!(complaint(|| at(0x08).get()), "a read of the FIFO at 0x8, which is empty");
        at(0x08).set(1);
        at(0x08).set(2);
        assert_eq!(complaint(|| at(0x08).set(3)), "a write to the FIFO at 0x8, which is full (2)");
        assert_eq!(device.send(0x08, 1), [1]);
        at(0x08).set(3);
        assert_eq!(device.sent(0x08), [2, 3]);
        assert_eq!(complaint(|| at(0x10).set(1)), "a write of 4 bytes at 0x10, where the register has 2");
        let narrow: ReadOnly<u8> = device.mmio().register(0x00).unwrap();
        assert_eq!(complaint(|| narrow.get()), "a read of 1 bytes at 0x0, where the register has 4");
    }

    #[test]
    fn a_script_is_followed_or_complained_about() {
        let script = [write(0x30, 0x301), read(0x18, 8).times(2), read(0x18, 0)];
        let device = Registers::new(0x40).read_only(0x18, 7);
        let at = |offset| register(&device, offset);
        device.expect(script);
        at(0x30).set(0x301);
        assert_eq!([(); 3].map(|()| at(0x18).get()), [8, 8, 0]);
        device.done();
        assert_eq!(at(0x18).get(), 7, "the script is over");
        assert_eq!(device.log(), [write(0x30, 0x301), read(0x18, 8), read(0x18, 8), read(0x18, 0), read(0x18, 7)]);

        let follow = |driver: &dyn Fn(&Registers)| {
            let device = Registers::new(0x40);
            device.expect(script);
            complaint(|| driver(&device))
        };
        assert_eq!(
            follow(&|device| register(device, 0x30).set(1)),
            "the driver does write(0x30, 0x1) where write(0x30, 0x301) was expected"
        );
        assert_eq!(
            follow(&|device| _ = register(device, 0x30).get()),
            "the driver reads 0x30 where write(0x30, 0x301) was expected"
        );
        assert_eq!(
            follow(&|device| device.done()),
            "the driver was expected to go on with [write(0x30, 0x301), read(0x18, 0x8).times(2), read(0x18, 0x0)]"
        );
    }

    #[test]
    fn a_script_that_did_not_happen_ends_the_test() {
        let unfinished = || Registers::new(8).expect([write(0, 1)]);
        assert!(complaint(unfinished).starts_with("the driver was expected to go on"));
    }

    #[test]
    fn a_line_follows_its_condition() {
        let device = Registers::new(8).write_one_to_clear(0, 0).read_write(4, 0b10);
        let line = device.line(|device| device.get(0) & device.get(4) != 0);
        device.set(0, 0b01);
        assert!(!line.is_raised());
        device.set(0, 0b11);
        device.set(0, 0b11);
        assert!(line.is_raised());
        assert_eq!((line.edges(), line.edges()), (1, 0));
        assert_eq!(line.serve(|| register(&device, 0).set(0b10)), 1);
        assert_eq!((line.is_raised(), line.serve(|| unreachable!())), (false, 0));
        register(&device, 4).set(1);
        assert_eq!(line.edges(), 1);
        assert!(complaint(|| line.serve(|| {})).ends_with("1000 times and the line is still raised"));
    }
}
