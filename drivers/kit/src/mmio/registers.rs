//! What the registers of a device are declared with.

use tock_registers::RegisterLongName;

use super::{Base, Register, Width};

/// What can stand at a place in a block of registers: a register, or an array of them, one behind the other.
pub trait Place {
    /// Bytes from the first to the last register.
    #[doc(hidden)]
    const BYTES: usize;
    /// What its offset is a multiple of.
    #[doc(hidden)]
    const ALIGN: usize;

    /// The caller has checked that `base` is aligned, and that all bytes lie inside the block.
    #[doc(hidden)]
    fn place(base: &Base) -> Self;
}

impl<T: Width, R: RegisterLongName, A> Place for Register<T, R, A> {
    const BYTES: usize = size_of::<T>();
    const ALIGN: usize = size_of::<T>();

    fn place(base: &Base) -> Self {
        Self::new(base.clone())
    }
}

impl<P: Place, const N: usize> Place for [P; N] {
    const BYTES: usize = P::BYTES * N;
    const ALIGN: usize = P::ALIGN;

    fn place(base: &Base) -> Self {
        core::array::from_fn(|index| P::place(&base.at(index * P::BYTES)))
    }
}

/// Declares the registers of a device: a struct with a field for each, and its
/// `new(&Mmio) -> Result<Self, kit::Error>`, which fails, and names the register, if one does not lie inside the block.
///
/// A line is `OFFSET => NAME: TYPE`. The offset is in bytes and a multiple of the register's size. The type is
/// [`ReadOnly`](crate::mmio::ReadOnly), [`WriteOnly`](crate::mmio::WriteOnly) or
/// [`ReadWrite`](crate::mmio::ReadWrite) with the register's width and its bit fields, if it has any; or an array of
/// such, one behind the other. Fields are as visible as the struct. For an example see [`mmio`](crate::mmio).
#[macro_export]
macro_rules! registers {
    (
        $(#[$attribute:meta])*
        $vis:vis struct $name:ident {
            $($(#[$note:meta])* $offset:literal => $register:ident: $kind:ty),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug)]
        $vis struct $name {
            $(
                $(#[$note])*
                #[doc = concat!("At `", stringify!($offset), "`.")]
                $vis $register: $kind,
            )*
        }

        impl $name {
            /// The registers in this block.
            ///
            /// # Errors
            /// One does not lie inside the block: `kit::Error` names it.
            $vis fn new(mmio: &$crate::mmio::Mmio) -> ::core::result::Result<Self, $crate::Error> {
                Ok(Self { $($register: mmio.field(stringify!($register), $offset)?,)* })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::mmio::*;
    use crate::{Cause, fake};

    crate::registers! {
        /// Of a device that does not exist.
        struct Registers {
            0x00 => first: ReadWrite<u32>,
            /// Four of them.
            0x10 => many: [ReadOnly<u16>; 4],
            0x18 => last: WriteOnly<u64>,
        }
    }

    #[test]
    fn each_register_is_at_its_place() {
        let device = fake::Registers::new(0x20)
            .read_write(0, 5)
            .read_only(0x16, 6)
            .width_of(0x16, 2)
            .write_only(0x18)
            .width_of(0x18, 8);
        let registers = Registers::new(&device.mmio()).unwrap();
        registers.last.set(u64::from(registers.first.get()) << 40 | u64::from(registers.many[3].get()));
        registers.first.set(7);
        assert_eq!((device.get(0), device.get(0x18)), (7, 5 << 40 | 6));
    }

    #[test]
    fn the_register_that_is_missing_is_named() {
        let new = |bytes| Registers::new(&fake::Registers::new(bytes).mmio()).map(drop);
        for (bytes, name) in [(0x1f, "last"), (0x17, "many"), (0, "first")] {
            let error = new(bytes).unwrap_err();
            assert_eq!((error.what, error.cause), (name, Cause::Outside));
        }
        assert_eq!(new(0x20), Ok(()));
    }
}
