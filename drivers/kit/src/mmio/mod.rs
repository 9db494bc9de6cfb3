//! Typed device registers.
//!
//! A register is an address, never a reference: the compiler may add reads through a reference, and some registers change
//! when they are read. Each load and store is one `ldr` or `str`, because a volatile access may become a form with
//! write-back that a hypervisor cannot emulate. The bit fields of `tock-registers` work on these types.

#[cfg(target_os = "none")]
mod bare;
#[cfg(not(target_os = "none"))]
mod fake;

use core::marker::PhantomData;

use abi::layout::PAGE;
use rt::{Env, Perms};
use tock_registers::{
    RegisterLongName, UIntLike,
    interfaces::{Readable, Writeable},
};

#[cfg(target_os = "none")]
use bare::Base;
#[cfg(not(target_os = "none"))]
pub use fake::Bank;
#[cfg(not(target_os = "none"))]
use fake::Base;

use crate::error::{Cause, Error};

const NAMES: [(&str, &str); 4] =
    [("reg:0", "reg-offset:0"), ("reg:1", "reg-offset:1"), ("reg:2", "reg-offset:2"), ("reg:3", "reg-offset:3")];

/// A block of device registers, mapped for the life of the process.
#[derive(Clone, Debug)]
pub struct Mmio {
    base: Base,
    bytes: usize,
}

impl Mmio {
    /// Maps `reg:INDEX` of the manifest. The block starts where `reg-offset:INDEX` says and ends with the device's own
    /// registers, although the Frame reaches to the end of its last page.
    ///
    /// # Errors
    /// The component was not given the registers, the block does not lie inside the Frame or begins at an odd place, or
    /// the kernel refused.
    pub fn open(env: &Env, index: usize) -> Result<Self, Error> {
        let &(name, place) = NAMES.get(index).ok_or(Error::new("reg", Cause::Limit))?;
        let frame = env.cap(name)?;
        // Only whole pages are mapped.
        let mapped = env.size(name)? / PAGE * PAGE;
        let (offset, bytes) = match env.start_info().find(place) {
            Some(entry) => (u64::from(entry.slot), u64::from(entry.size)),
            None => (0, mapped),
        };
        // The widest register is 8 bytes: with the block its registers are aligned.
        if !offset.is_multiple_of(8) || offset.checked_add(bytes).is_none_or(|end| end > mapped) {
            return Err(Error::new(name, Cause::Outside));
        }
        let mapping = rt::map(frame, mapped / PAGE, Perms::READ | Perms::WRITE)
            .map_err(|error| Error::new(name, error.into()))?;
        Ok(Self { base: Base::new(mapping.address() + offset), bytes: bytes as usize })
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

    /// The register at `offset`, a multiple of its size.
    ///
    /// # Errors
    /// It does not lie inside the block.
    pub fn register<T: Width, R: RegisterLongName, A>(&self, offset: usize) -> Result<Register<T, R, A>, Error> {
        let size = size_of::<T>();
        if !offset.is_multiple_of(size) || offset.checked_add(size).is_none_or(|end| end > self.bytes) {
            return Err(Error::new("reg", Cause::Outside));
        }
        Ok(Register { place: self.base.at(offset), kind: PhantomData })
    }

    /// Address of the block in this process.
    #[cfg(all(feature = "virtio", target_os = "none"))]
    pub(crate) fn address(&self) -> core::ptr::NonNull<u8> {
        self.base.pointer()
    }
}

/// A register as wide as `T` with the bit fields `R`, and what may be done with it (`A`).
pub struct Register<T, R, A> {
    place: Base,
    kind: PhantomData<(T, R, A)>,
}

impl<T, R, A> core::fmt::Debug for Register<T, R, A> {
    /// The place; reading the register could change it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.place.fmt(f)
    }
}

/// A register that may be read.
#[derive(Debug)]
pub enum Read {}
/// A register that may be written.
#[derive(Debug)]
pub enum Write {}
/// A register that may be read and written.
#[derive(Debug)]
pub enum Both {}

/// A register that may only be read.
pub type ReadOnly<T, R = ()> = Register<T, R, Read>;
/// A register that may only be written.
pub type WriteOnly<T, R = ()> = Register<T, R, Write>;
/// A register that may be read and written.
pub type ReadWrite<T, R = ()> = Register<T, R, Both>;

/// Marks registers that may be read.
pub trait CanRead {}
impl CanRead for Read {}
impl CanRead for Both {}
/// Marks registers that may be written.
pub trait CanWrite {}
impl CanWrite for Write {}
impl CanWrite for Both {}

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
    use alloc::rc::Rc;
    use core::cell::RefCell;
    use tock_registers::{interfaces::ReadWriteable, register_bitfields};

    register_bitfields![u32, CONTROL [ENABLE OFFSET(0) NUMBITS(1) [], MODE OFFSET(4) NUMBITS(3) []]];

    #[derive(Default)]
    struct Words(RefCell<[u64; 4]>, RefCell<Vec<(usize, usize, u64)>>);

    impl Bank for Words {
        fn load(&self, offset: usize, _: usize) -> u64 {
            self.0.borrow()[offset / 8]
        }
        fn store(&self, offset: usize, bytes: usize, value: u64) {
            self.0.borrow_mut()[offset / 8] = value;
            self.1.borrow_mut().push((offset, bytes, value));
        }
    }

    #[test]
    fn bit_fields_reach_the_device_in_single_accesses() {
        let bank = Rc::new(Words::default());
        let mmio = Mmio::fake(bank.clone(), 32);
        let control: ReadWrite<u32, CONTROL::Register> = mmio.register(8).unwrap();
        control.write(CONTROL::MODE.val(5));
        control.modify(CONTROL::ENABLE::SET);
        assert_eq!(control.read(CONTROL::MODE), 5);
        assert_eq!(*bank.1.borrow(), [(8, 4, 0x50), (8, 4, 0x51)]);
    }

    #[test]
    fn a_register_outside_the_block_is_refused() {
        let mmio = Mmio::fake(Rc::new(Words::default()), 30);
        assert!(mmio.register::<u16, (), Read>(28).is_ok());
        assert!(mmio.register::<u32, (), Read>(28).is_err());
        assert!(mmio.register::<u32, (), Read>(2).is_err());
        assert!(mmio.register::<u64, (), Write>(usize::MAX - 7).is_err());
    }
}
