//! The system calls that are used, with the numbers of arm64 (`include/uapi/asm-generic/unistd.h`).
#![allow(unsafe_code)]

use core::arch::asm;
use core::ffi::CStr;
use core::fmt;

const IOCTL: u64 = 29;
const MOUNT: u64 = 40;
const OPENAT: u64 = 56;
const WRITE: u64 = 64;
const PREAD64: u64 = 67;
const PWRITE64: u64 = 68;
const NANOSLEEP: u64 = 101;
const REBOOT: u64 = 142;
const MMAP: u64 = 222;
const FINIT_MODULE: u64 = 273;
const IO_URING_SETUP: u64 = 425;
const IO_URING_ENTER: u64 = 426;
const IO_URING_REGISTER: u64 = 427;

const AT_FDCWD: i64 = -100;
const O_RDONLY: u64 = 0;
const O_RDWR: u64 = 2;
const O_DIRECT: u64 = 0x1_0000;
/// `BLKGETSIZE64`: bytes of a block device.
const BLKGETSIZE64: u64 = 0x8008_1272;

/// A call that the kernel refused.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    what: &'static str,
    code: i64,
}

impl Failed {
    /// Something other than a call went wrong.
    pub const fn new(what: &'static str) -> Self {
        Self { what, code: 0 }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self.code {
            0 => to.write_str(self.what),
            code => write!(to, "{}: error {}", self.what, -code),
        }
    }
}

/// An open file.
#[derive(Clone, Copy, Debug)]
pub struct File(u64);

/// # Safety
/// The arguments are what this call takes, and what it writes to belongs to the caller.
unsafe fn call(number: u64, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    let result;
    // SAFETY: the kernel keeps all registers but x0; what it does to memory is the caller's promise.
    unsafe {
        asm!(
            "svc #0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            in("x5") f, options(nostack)
        );
    }
    result
}

fn checked(what: &'static str, result: i64) -> Result<u64, Failed> {
    u64::try_from(result).map_err(|_| Failed { what, code: result })
}

fn text(text: &CStr) -> u64 {
    text.as_ptr() as u64
}

/// Mounts a file system of this kind.
pub fn mount(kind: &'static CStr, at: &'static CStr) -> Result<(), Failed> {
    // SAFETY: texts that end in a zero; no options.
    checked("mount", unsafe { call(MOUNT, [text(kind), text(at), text(kind), 0, 0, 0]) }).map(drop)
}

/// Loads a module of the kernel.
pub fn load_module(path: &'static CStr) -> Result<(), Failed> {
    let file = open(path, O_RDONLY)?;
    // SAFETY: an open file and no parameters.
    checked("loading a module", unsafe { call(FINIT_MODULE, [file.0, text(c""), 0, 0, 0, 0]) }).map(drop)
}

/// Opens a disk for direct I/O.
pub fn open_disk(path: &'static CStr) -> Result<File, Failed> {
    open(path, O_RDWR | O_DIRECT)
}

fn open(path: &'static CStr, flags: u64) -> Result<File, Failed> {
    // SAFETY: a text that ends in a zero.
    checked("open", unsafe { call(OPENAT, [AT_FDCWD as u64, text(path), flags, 0, 0, 0]) }).map(File)
}

/// Writes a setting.
pub fn set(path: &'static CStr, value: &[u8]) -> Result<(), Failed> {
    let file = open(path, 1)?;
    // SAFETY: bytes that are read.
    checked("a setting", unsafe { call(WRITE, [file.0, value.as_ptr() as u64, value.len() as u64, 0, 0, 0]) }).map(drop)
}

/// Bytes of a disk.
pub fn size(file: File) -> Result<u64, Failed> {
    let mut bytes = 0u64;
    // SAFETY: it writes eight bytes.
    checked("BLKGETSIZE64", unsafe { call(IOCTL, [file.0, BLKGETSIZE64, &raw mut bytes as u64, 0, 0, 0]) })?;
    Ok(bytes)
}

/// Moves bytes between a disk and memory, all of them.
pub fn transfer(file: File, write: bool, memory: &Memory, range: (usize, usize), offset: u64) -> Result<(), Failed> {
    let (start, bytes) = range;
    let (number, what) = if write { (PWRITE64, "pwrite") } else { (PREAD64, "pread") };
    // SAFETY: the range lies in this memory, which is nobody's but ours.
    let moved = unsafe { call(number, [file.0, memory.address(start, bytes), bytes as u64, offset, 0, 0]) };
    if checked(what, moved)? == bytes as u64 {
        Ok(())
    } else {
        Err(Failed::new("a transfer came to less than asked for"))
    }
}

/// Waits.
pub fn sleep(milliseconds: u64) {
    let time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    // SAFETY: seconds and nanoseconds, which are read. An early end does no harm.
    unsafe { call(NANOSLEEP, [time.as_ptr() as u64, 0, 0, 0, 0, 0]) };
}

/// Writes to the console.
pub fn print(bytes: &[u8]) {
    // SAFETY: bytes that are read. There is nowhere to say that it failed.
    unsafe { call(WRITE, [1, bytes.as_ptr() as u64, bytes.len() as u64, 0, 0, 0]) };
}

/// Ends the machine.
pub fn power_off() -> ! {
    loop {
        // SAFETY: the two magic numbers and `LINUX_REBOOT_CMD_POWER_OFF`; nothing is left that could be lost.
        unsafe { call(REBOOT, [0xfee1_dead, 672_274_793, 0x4321_fedc, 0, 0, 0]) };
    }
}

/// Makes an io_uring of this many entries; the kernel fills the parameters in.
pub fn io_uring_setup(entries: usize, parameters: &mut [u32; 30]) -> Result<File, Failed> {
    let parameters = parameters.as_mut_ptr() as u64;
    // SAFETY: `struct io_uring_params` has 120 bytes.
    checked("io_uring_setup", unsafe { call(IO_URING_SETUP, [entries as u64, parameters, 0, 0, 0, 0]) }).map(File)
}

/// Makes this file and this memory the first that entries of the ring name by number.
pub fn io_uring_register(ring: File, file: File, memory: &Memory) -> Result<(), Failed> {
    const BUFFERS: u64 = 0;
    const FILES: u64 = 2;
    let vector = [memory.address, memory.bytes as u64];
    let file = file.0 as i32;
    let buffers = [ring.0, BUFFERS, vector.as_ptr() as u64, 1, 0, 0];
    // SAFETY: one `struct iovec`, and memory that stays for good.
    checked("registering memory with io_uring", unsafe { call(IO_URING_REGISTER, buffers) })?;
    let files = [ring.0, FILES, &raw const file as u64, 1, 0, 0];
    // SAFETY: one number of an open file.
    checked("registering a file with io_uring", unsafe { call(IO_URING_REGISTER, files) }).map(drop)
}

/// Hands requests in and waits for a number of completions.
pub fn io_uring_enter(ring: File, hand_in: usize, wait_for: usize) -> Result<(), Failed> {
    const GETEVENTS: u64 = 1;
    // SAFETY: no signal mask. The memory that entries name outlives the ring, which is never closed.
    let result = unsafe { call(IO_URING_ENTER, [ring.0, hand_in as u64, wait_for as u64, GETEVENTS, 0, 0]) };
    match checked("io_uring_enter", result)? == hand_in as u64 {
        true => Ok(()),
        false => Err(Failed::new("io_uring did not take all requests")),
    }
}

/// Memory that stays for good, in words.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    address: u64,
    bytes: usize,
}

impl Memory {
    /// Memory of our own, present from the start.
    pub fn new(bytes: usize) -> Result<Self, Failed> {
        const PRIVATE_ANONYMOUS_POPULATE: u64 = 0x2 | 0x20 | 0x8000;
        Self::map(bytes, PRIVATE_ANONYMOUS_POPULATE, u64::MAX, 0)
    }

    /// A part of a file.
    pub fn of_file(file: File, offset: u64, bytes: usize) -> Result<Self, Failed> {
        const SHARED_POPULATE: u64 = 0x1 | 0x8000;
        Self::map(bytes, SHARED_POPULATE, file.0, offset)
    }

    fn map(bytes: usize, flags: u64, file: u64, offset: u64) -> Result<Self, Failed> {
        const READ_WRITE: u64 = 3;
        // SAFETY: the kernel chooses an address where nothing is.
        let address = unsafe { call(MMAP, [0, bytes as u64, READ_WRITE, flags, file, offset]) };
        Ok(Self { address: checked("mmap", address)?, bytes })
    }

    /// The address of a part, for the kernel.
    pub fn address(&self, start: usize, bytes: usize) -> u64 {
        assert!(start.checked_add(bytes).is_some_and(|end| end <= self.bytes), "outside of the memory");
        self.address + start as u64
    }

    /// Reads a word of 64 bits.
    pub fn load(&self, at: usize) -> u64 {
        // SAFETY: inside, and aligned; the kernel may write it, but not while it is ours.
        unsafe { (self.address(at, 8) as *const u64).read_volatile() }
    }

    /// Writes a word of 64 bits.
    pub fn store(&self, at: usize, word: u64) {
        // SAFETY: as above.
        unsafe { (self.address(at, 8) as *mut u64).write_volatile(word) }
    }

    /// A word of 32 bits that the kernel writes meanwhile.
    pub fn shared(&self, at: usize) -> &core::sync::atomic::AtomicU32 {
        assert!(at.is_multiple_of(4), "a word is aligned");
        // SAFETY: inside, aligned, there for good, and both sides access it atomically.
        unsafe { core::sync::atomic::AtomicU32::from_ptr(self.address(at, 4) as *mut u32) }
    }
}
