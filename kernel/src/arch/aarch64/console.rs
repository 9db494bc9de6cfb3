//! Where the kernel prints by itself: polled output to the UART that `/chosen/stdout-path` names, a framebuffer, and memory that
//! survives a warm reset.

use core::sync::atomic::{AtomicBool, Ordering};

use early::{Layout, Picture, Port, Ramoops, Screen, Uart};
use spin::Mutex;

use super::mmio::Registers;
use crate::mm::regions::Range;

/// A UART.
struct Early {
    registers: Registers,
    layout: Layout,
    uart: &'static Uart,
}

static EARLY: Mutex<Option<Early>> = Mutex::new(None);
/// A picture is written into, or would be if it were not its driver's.
static SHOWS: AtomicBool = AtomicBool::new(false);
static SCREEN: Mutex<Option<(Screen<Registers>, Range)>> = Mutex::new(None);
/// Something is kept: a look that costs less than the lock.
static KEEPS: AtomicBool = AtomicBool::new(false);
static KEPT: Mutex<Option<(Kept, Ramoops)>> = Mutex::new(None);

/// Memory that survives: the text, and codes from some place on.
#[derive(Clone, Copy)]
pub struct Kept {
    /// The front.
    pub text: Registers,
    /// Where the codes begin, and they.
    pub codes: Option<(usize, Registers)>,
}

impl Kept {
    /// Where a place is.
    fn find(&self, offset: usize) -> (&Registers, usize) {
        match &self.codes {
            Some((at, codes)) if offset >= *at => (codes, offset - at),
            _ => (&self.text, offset),
        }
    }
}

impl Port for Kept {
    fn read(&self, offset: usize) -> u32 {
        let (memory, offset) = self.find(offset);
        Port::read(memory, offset)
    }

    fn write(&self, offset: usize, value: u32) {
        let (memory, offset) = self.find(offset);
        Port::write(memory, offset, value);
    }

    fn read_byte(&self, offset: usize) -> u8 {
        let (memory, offset) = self.find(offset);
        Port::read_byte(memory, offset)
    }

    fn write_byte(&self, offset: usize, value: u8) {
        let (memory, offset) = self.find(offset);
        Port::write_byte(memory, offset, value);
    }
}

impl Registers {
    fn has(self, offset: usize, bytes: usize) -> bool {
        offset.is_multiple_of(bytes) && offset.checked_add(bytes).is_some_and(|end| end <= self.bytes())
    }
}

impl Port for Registers {
    fn read(&self, offset: usize) -> u32 {
        if self.has(offset, 4) { Registers::read(*self, offset) } else { 0 }
    }

    fn write(&self, offset: usize, value: u32) {
        if self.has(offset, 4) {
            Registers::write(*self, offset, value);
        }
    }

    fn read_byte(&self, offset: usize) -> u8 {
        if self.has(offset, 1) { Registers::read_byte(*self, offset) } else { 0 }
    }

    fn write_byte(&self, offset: usize, value: u8) {
        if self.has(offset, 1) {
            Registers::write_byte(*self, offset, value);
        }
    }
}

/// Chooses the UART, whose registers are mapped.
pub fn set_early(uart: &'static Uart, layout: Layout, registers: Registers) {
    uart.start(&registers);
    *EARLY.lock() = Some(Early { registers, layout, uart });
}

/// Chooses the memory that survives, which is mapped like registers: what is written arrives at once. It has so many bytes in all, and
/// codes of `code`.
pub fn set_kept(memory: Kept, bytes: u64, code: u32) {
    KEEPS.store(true, Ordering::Relaxed);
    *KEPT.lock() = Ramoops::start(&memory, bytes, code).map(|ramoops| (memory, ramoops));
}

/// Chooses the framebuffer, which is mapped.
pub fn set_screen(picture: Picture, memory: Registers) {
    let place = Range { start: picture.base, end: picture.base + picture.bytes() };
    *SCREEN.lock() = Some((Screen::start(picture, memory), place));
    SHOWS.store(true, Ordering::Relaxed);
}

/// Memory of devices is given away: a framebuffer in it is somebody else's from here on.
pub fn give_away(range: Range) {
    let guard = SCREEN.try_lock();
    if guard.as_ref().and_then(|screen| screen.as_ref()).is_some_and(|(_, place)| place.overlaps(range)) {
        SHOWS.store(false, Ordering::Relaxed);
    }
}

/// The kernel dies: it shows its last words, whoever has the framebuffer.
pub fn take_back() {
    SHOWS.store(true, Ordering::Relaxed);
}

#[cold]
fn show(bytes: &[u8]) {
    let mut guard = SCREEN.try_lock();
    let Some((screen, _)) = guard.as_mut().and_then(|screen| screen.as_mut()) else { return };
    bytes.iter().for_each(|&byte| screen.put(byte));
}

/// Prints bytes; a line feed becomes carriage return and line feed on a UART.
pub fn early_print(bytes: &[u8]) {
    keep(bytes);
    if SHOWS.load(Ordering::Relaxed) {
        show(bytes);
    }
    // A crash while printing must still be able to print.
    let guard = EARLY.try_lock();
    let Some(Early { registers, layout, uart }) = guard.as_ref().and_then(|early| early.as_ref()) else { return };
    for &byte in bytes {
        if byte == b'\n' {
            uart.send(registers, *layout, b'\r');
        }
        uart.send(registers, *layout, byte);
    }
}

/// Puts bytes where they survive a warm reset, and nowhere else.
pub fn keep(bytes: &[u8]) {
    if KEEPS.load(Ordering::Relaxed) {
        put(bytes);
    }
}

#[cold]
fn put(bytes: &[u8]) {
    let mut guard = KEPT.try_lock();
    let Some((memory, ramoops)) = guard.as_mut().and_then(|kept| kept.as_mut()) else { return };
    ramoops.put(memory, bytes);
}
