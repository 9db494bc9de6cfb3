//! Typed device registers.
//!
//! A register is an address, never a reference: the compiler may add reads through a reference, and some registers change
//! when they are read. Each load and store is one `ldr` or `str`, because a volatile access may become a form with
//! write-back that a hypervisor cannot emulate. The bit fields of `tock-registers` work on these types.
//!
//! `use kit::mmio::*` brings all that a driver's registers need: the block ([`Mmio`]), the registers
//! ([`registers!`](crate::registers)), their bit fields (`register_bitfields!`) and the traits with `read`, `write`,
//! `modify`, `get` and `set`.
//!
//! ```
//! # use tutti_kit as kit;
//! use kit::fake;
//! use kit::mmio::*;
//!
//! register_bitfields![u32, CR [ENABLE OFFSET(0) NUMBITS(1) [], MODE OFFSET(4) NUMBITS(2) [Fast = 2]]];
//!
//! kit::registers! {
//!     struct Registers {
//!         0x00 => control: ReadWrite<u32, CR::Register>,
//!         0x04 => status: ReadOnly<u32>,
//!         0x10 => channels: [WriteOnly<u32>; 4],
//!     }
//! }
//!
//! # fn main() -> Result<(), kit::Error> {
//! // In a driver: `Registers::new(&Mmio::open(env, 0)?)?`.
//! let device = fake::Registers::new(0x20).read_write(0x00, 1).read_only(0x04, 7).write_only(0x1c);
//! let registers = Registers::new(&device.mmio())?;
//! registers.control.modify(CR::MODE::Fast);
//! registers.channels[3].set(registers.status.get());
//! assert_eq!((device.get(0x00), device.get(0x1c)), (0x21, 7));
//! # Ok(())
//! # }
//! ```

#[cfg(target_os = "none")]
mod bare;
#[cfg(not(target_os = "none"))]
mod fake;
mod registers;

use core::marker::PhantomData;

use abi::layout::PAGE;
use abi::{NamedSlot, StartInfo};
use rt::{Cap, Env, Frame, Perms};
use tock_registers::{RegisterLongName, UIntLike};

#[cfg(target_os = "none")]
use bare::Base;
#[cfg(not(target_os = "none"))]
pub use fake::Bank;
#[cfg(not(target_os = "none"))]
use fake::Base;
pub use registers::Place;
pub use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
pub use tock_registers::register_bitfields;

use crate::error::{Cause, Error};
use crate::name;

/// A block of device registers, mapped for the life of the process.
#[derive(Clone, Debug)]
pub struct Mmio {
    base: Base,
    bytes: usize,
}

impl Mmio {
    /// Maps the node's register block number `index`, from 0: `reg:INDEX` of the manifest.
    ///
    /// # Errors
    /// The component was not given the registers, the block does not lie inside the Frame or begins at an odd place, or
    /// the kernel refused.
    pub fn open(env: &Env, index: usize) -> Result<Self, Error> {
        let &name = name::INDICES.get(index).ok_or(Error::new("reg:8 and above", Cause::Limit))?;
        Self::map(env, name)
    }

    /// Maps the register block that the node's `reg-names` calls `name`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn named(env: &Env, name: &'static str) -> Result<Self, Error> {
        Self::map(env, name)
    }

    fn map(env: &Env, name: &'static str) -> Result<Self, Error> {
        let failed = |cause| Error::of_node("reg:", name, cause);
        let block = Block::find(env.start_info(), name).map_err(failed)?;
        let mapping = rt::map(Cap::<Frame>::from_slot(block.frame), block.pages, Perms::READ | Perms::WRITE);
        let base = mapping.map_err(|error| failed(error.into()))?.address() + block.offset;
        Ok(Self { base: Base::new(base), bytes: block.bytes as usize })
    }

    /// A block of `bytes` bytes in front of a fake device.
    #[cfg(not(target_os = "none"))]
    pub fn fake(bank: alloc::rc::Rc<dyn Bank>, bytes: usize) -> Self {
        Self { base: Base::fake(bank), bytes }
    }

    /// Bytes of the block.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// A part of the block: one of several channels, whose registers repeat.
    ///
    /// # Errors
    /// It does not lie inside the block, or begins at an odd place.
    pub fn part(&self, offset: usize, bytes: usize) -> Result<Self, Error> {
        if !offset.is_multiple_of(8) || offset.checked_add(bytes).is_none_or(|end| end > self.bytes) {
            return Err(Error::new("part of the registers", Cause::Outside));
        }
        Ok(Self { base: self.base.at(offset), bytes })
    }

    /// The register at `offset`, a multiple of its size, or an array of registers from there on.
    ///
    /// # Errors
    /// It does not lie inside the block.
    pub fn register<P: Place>(&self, offset: usize) -> Result<P, Error> {
        self.field("register", offset)
    }

    /// As [`Self::register`], for a register with a name: what [`registers!`](crate::registers) calls.
    #[doc(hidden)]
    pub fn field<P: Place>(&self, name: &'static str, offset: usize) -> Result<P, Error> {
        if !offset.is_multiple_of(P::ALIGN) || offset.checked_add(P::BYTES).is_none_or(|end| end > self.bytes) {
            return Err(Error::new(name, Cause::Outside));
        }
        Ok(P::place(&self.base.at(offset)))
    }

    /// Address of the block in this process.
    #[cfg(all(feature = "virtio", target_os = "none"))]
    pub(crate) fn address(&self) -> core::ptr::NonNull<u8> {
        self.base.pointer()
    }
}

/// Where a block of registers lies: the Frame reaches to the end of its last page, the block begins where
/// `reg-offset:NAME` says and ends with the device's own registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    frame: u32,
    pages: u64,
    offset: u64,
    bytes: u64,
}

impl Block {
    fn find(info: &StartInfo, name: &str) -> Result<Self, Cause> {
        let named = |kind| name::find(info, kind, name);
        let NamedSlot { slot, size, .. } = named("reg").ok_or(Cause::Missing)?;
        // Only whole pages are mapped.
        let pages = u64::from(size) / PAGE;
        let mapped = pages * PAGE;
        let (offset, bytes) = match named("reg-offset") {
            Some(place) => (u64::from(place.slot), u64::from(place.size)),
            None => (0, mapped),
        };
        // The widest register is 8 bytes: with the block its registers are aligned.
        if !offset.is_multiple_of(8) || offset + bytes > mapped {
            return Err(Cause::Outside);
        }
        Ok(Self { frame: slot, pages, offset, bytes })
    }
}

/// A register as wide as `T` with the bit fields `R`, and what may be done with it (`A`).
pub struct Register<T, R, A> {
    place: Base,
    kind: PhantomData<(T, R, A)>,
}

impl<T, R, A> Register<T, R, A> {
    const fn new(place: Base) -> Self {
        Self { place, kind: PhantomData }
    }
}

impl<T, R, A> core::fmt::Debug for Register<T, R, A> {
    /// The place; reading the register could change it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.place.fmt(f)
    }
}

/// What may be done with a register.
pub mod access {
    /// It may be read.
    #[derive(Debug)]
    pub enum Read {}
    /// It may be written.
    #[derive(Debug)]
    pub enum Write {}
    /// It may be read and written.
    #[derive(Debug)]
    pub enum Both {}

    /// Registers that may be read.
    pub trait CanRead {}
    impl CanRead for Read {}
    impl CanRead for Both {}
    /// Registers that may be written.
    pub trait CanWrite {}
    impl CanWrite for Write {}
    impl CanWrite for Both {}
}

use access::{Both, CanRead, CanWrite, Read, Write};

/// A register that may only be read.
pub type ReadOnly<T, R = ()> = Register<T, R, Read>;
/// A register that may only be written.
pub type WriteOnly<T, R = ()> = Register<T, R, Write>;
/// A register that may be read and written.
pub type ReadWrite<T, R = ()> = Register<T, R, Both>;

/// The sizes a register can have.
pub trait Width: UIntLike + sealed::Access {}
impl<T: UIntLike + sealed::Access> Width for T {}

mod sealed {
    /// One access of this width.
    pub trait Access {
        #[doc(hidden)]
        fn load(place: &super::Base) -> Self;
        #[doc(hidden)]
        fn store(place: &super::Base, value: Self);
    }
}

impl<T: Width, R: RegisterLongName, A: CanRead> Readable for Register<T, R, A> {
    type T = T;
    type R = R;

    #[inline(always)]
    fn get(&self) -> T {
        T::load(&self.place)
    }
}

impl<T: Width, R: RegisterLongName, A: CanWrite> Writeable for Register<T, R, A> {
    type T = T;
    type R = R;

    #[inline(always)]
    fn set(&self, value: T) {
        T::store(&self.place, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;
    use crate::name::tests::info;

    register_bitfields![u32, CONTROL [ENABLE OFFSET(0) NUMBITS(1) [], MODE OFFSET(4) NUMBITS(3) []]];

    #[test]
    fn bit_fields_reach_the_device_in_single_accesses() {
        let device = fake::Registers::new(32).read_write(8, 0);
        let control: ReadWrite<u32, CONTROL::Register> = device.mmio().register(8).unwrap();
        control.write(CONTROL::MODE.val(5));
        control.modify(CONTROL::ENABLE::SET);
        assert_eq!(control.read(CONTROL::MODE), 5);
        assert_eq!(
            device.log(),
            [fake::write(8, 0x50), fake::read(8, 0x50), fake::write(8, 0x51), fake::read(8, 0x51)]
        );
    }

    #[test]
    fn a_register_outside_the_block_is_refused() {
        let mmio = fake::Registers::new(30).mmio();
        assert!(mmio.register::<ReadOnly<u16>>(28).is_ok());
        assert!(mmio.register::<ReadOnly<u32>>(28).is_err());
        assert!(mmio.register::<ReadOnly<u32>>(2).is_err());
        assert!(mmio.register::<WriteOnly<u64>>(usize::MAX - 7).is_err());
    }

    #[test]
    fn parts_are_blocks_of_their_own() {
        let device = fake::Registers::new(0x40).read_write(0x24, 9);
        let mmio = device.mmio();
        let part = mmio.part(0x20, 0x10).unwrap();
        assert_eq!(part.register::<ReadOnly<u32>>(4).unwrap().get(), 9);
        assert!(part.register::<ReadOnly<u32>>(0x10).is_err());
        assert!(mmio.part(0x20, 0x21).is_err() && mmio.part(4, 4).is_err() && mmio.part(8, usize::MAX).is_err());
    }

    #[test]
    fn blocks_are_found_by_index_and_by_name() {
        let info = info(&[("reg:0", 20, 0x2000), ("reg-offset:0", 0xe00, 0x200), ("reg:ctrl", 21, 0x1000)]);
        let block = |frame, pages, offset, bytes| Block { frame, pages, offset, bytes };
        assert_eq!(Block::find(&info, "0"), Ok(block(20, 2, 0xe00, 0x200)));
        assert_eq!(Block::find(&info, "ctrl"), Ok(block(21, 1, 0, 0x1000)));
        assert_eq!(Block::find(&info, "ctr"), Err(Cause::Missing));
    }

    #[test]
    fn a_block_that_leaves_its_frame_is_refused() {
        for place in [("reg-offset:0", 0xff8, 16), ("reg-offset:0", 4, 4), ("reg-offset:0", u32::MAX - 7, u32::MAX)] {
            assert_eq!(Block::find(&info(&[("reg:0", 20, 0x1000), place]), "0"), Err(Cause::Outside), "{place:?}");
        }
    }
}
