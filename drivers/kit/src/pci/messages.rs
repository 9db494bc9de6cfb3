//! Interrupts as messages that a function sends: MSI-X, whose entries lie in its registers, and MSI, in its configuration space (PCI
//! Local Bus Specification 3.0, 6.8).

use ipc::Call;
use rt::{Cap, Endpoint, Env};

use super::Function;
use crate::error::{Cause, Error};
use crate::irq::{Interrupt, Message};
use crate::mmio::{Mmio, ReadWrite, Writeable};

const MSI: u8 = 0x05;
const MSI_X: u8 = 0x11;

/// Bits of the first register of MSI: enable; how many messages may be sent; the address has 64 bits.
const MSI_ENABLE: u32 = 1 << 16;
const MSI_COUNT: u32 = 7 << 20;
const MSI_WIDE: u32 = 1 << 23;
/// Bits of the first register of MSI-X: enable; all are masked; how many entries there are, less one.
const MSI_X_ENABLE: u32 = 1 << 31;
const MSI_X_MASK: u32 = 1 << 30;
const MSI_X_LAST: u32 = 0x7ff << 16;
/// The register of MSI-X that says where the entries lie: the number of the BAR in the lowest bits.
const MSI_X_TABLE: u16 = 4;
/// Bytes of an entry: address, data, and whether it is masked.
const ENTRY: usize = 16;

/// The names of a function's registers.
const BARS: [&str; 6] = ["bar0", "bar1", "bar2", "bar3", "bar4", "bar5"];

impl Function<Cap<Endpoint>> {
    /// The interrupt of a function that has one: its first message, which it sends from now on, or its line where it sends none.
    ///
    /// # Errors
    /// The component was given neither; the function is gone, or lies about its messages.
    pub fn interrupt(&self, env: &Env) -> Result<Interrupt, Error> {
        match Interrupt::message(env, 0) {
            Ok((interrupt, message)) => {
                self.send(&[message], |bar| Mmio::named(env, bar))?;
                Ok(interrupt)
            }
            Err(Error { cause: Cause::Missing, .. }) => Interrupt::named(env, "intx"),
            Err(error) => Err(error),
        }
    }
}

impl<C: Call> Function<C> {
    /// Has the function send these messages from now on: entry 0 the first, and so on. `bar` opens registers by their name. It sends
    /// none before it may read and write memory ([`Self::set_master`]). A function without MSI-X sends the first of them only.
    ///
    /// # Errors
    /// It sends no messages, or not as many; its entries lie outside of its registers; it is gone.
    pub fn send(
        &self,
        messages: &[Message],
        bar: impl FnOnce(&'static str) -> Result<Mmio, Error>,
    ) -> Result<(), Error> {
        let list = self.capabilities()?;
        let place = |id| list.iter().find(|it| it.id == id).map(|it| it.at);
        match (place(MSI_X), place(MSI), messages) {
            (Some(at), ..) => self.send_extended(at, messages, bar),
            (None, Some(at), &[message]) => self.send_one(at, message),
            (None, Some(_), _) => Err(Error::new("MSI", Cause::Limit)),
            (None, None, _) => Err(Error::new("MSI-X", Cause::Missing)),
        }
    }

    /// Entries are written while all are masked, so that none is sent half.
    fn send_extended(
        &self,
        at: u16,
        messages: &[Message],
        bar: impl FnOnce(&'static str) -> Result<Mmio, Error>,
    ) -> Result<(), Error> {
        let control = self.read(at)? & MSI_X_LAST;
        if messages.len() > (control >> 16) as usize + 1 {
            return Err(Error::new("MSI-X", Cause::Limit));
        }
        let table = self.read(at + MSI_X_TABLE)?;
        let name = BARS.get((table & 7) as usize).ok_or(Error::new("MSI-X", Cause::Outside))?;
        let (bar, first) = (bar(name)?, (table & !7) as usize);
        self.write(at, control | MSI_X_ENABLE | MSI_X_MASK)?;
        for (index, message) in messages.iter().enumerate() {
            let entry = first + index * ENTRY;
            let words = [message.address as u32, (message.address >> 32) as u32, message.data, 0];
            for (word, value) in words.into_iter().enumerate() {
                bar.register::<ReadWrite<u32>>(entry + word * 4)?.set(value);
            }
        }
        self.write(at, control | MSI_X_ENABLE)
    }

    fn send_one(&self, at: u16, message: Message) -> Result<(), Error> {
        let control = self.read(at)? & !(MSI_ENABLE | MSI_COUNT);
        let (low, high) = (message.address as u32, (message.address >> 32) as u32);
        let wide = control & MSI_WIDE != 0;
        if !wide && high != 0 {
            return Err(Error::new("MSI", Cause::Limit));
        }
        self.write(at, control)?;
        self.write(at + 4, low)?;
        if wide {
            self.write(at + 8, high)?;
        }
        self.write(at + if wide { 12 } else { 8 }, message.data)?;
        self.write(at, control | MSI_ENABLE)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::rc::Rc;

    use ipc::pci::{Pci, PciClient, PciServer, Status};
    use ipc::{Client, Loopback};

    use super::*;
    use crate::mmio::Bank;

    /// Configuration space, and what was written there and to the registers, in order.
    #[derive(Clone, Default)]
    struct Chip(Rc<RefCell<(HashMap<u16, u32>, Written)>>);

    impl Pci for Chip {
        fn read(&mut self, _: Client, register: u16) -> Result<u32, Status> {
            Ok(self.0.borrow().0.get(&register).copied().unwrap_or_default())
        }
        fn write(&mut self, _: Client, register: u16, value: u32) -> Result<(), Status> {
            let (space, written) = &mut *self.0.borrow_mut();
            space.insert(register, value);
            written.push(("pci", register.into(), value.into()));
            Ok(())
        }
        fn set_master(&mut self, _: Client, _: bool) -> Result<(), Status> {
            Ok(())
        }
        fn reset(&mut self, _: Client) -> Result<(), Status> {
            Ok(())
        }
    }

    impl Bank for Chip {
        fn load(&self, offset: usize, _: usize) -> u64 {
            panic!("a read of {offset:#x}")
        }
        fn store(&self, offset: usize, bytes: usize, value: u64) {
            assert_eq!(bytes, 4);
            self.0.borrow_mut().1.push(("bar", offset, value));
        }
    }

    /// With a capability at 0x40, whose registers are these.
    fn chip(id: u8, registers: &[u32]) -> Chip {
        let mut space = HashMap::from([(0x04, 0x10_0000), (0x34, 0x40)]);
        for (at, &value) in (0x40..).step_by(4).zip(registers) {
            space.insert(at, value);
        }
        *space.get_mut(&0x40).unwrap() |= u32::from(id);
        Chip(Rc::new(RefCell::new((space, Vec::new()))))
    }

    type Written = Vec<(&'static str, usize, u64)>;

    fn send(chip: &Chip, messages: &[Message]) -> Result<(&'static str, Written), Error> {
        let function = Function::new(PciClient(Loopback::new(PciServer(chip.clone()))));
        let mut opened = "";
        function.send(messages, |bar| {
            opened = bar;
            Ok(Mmio::fake(Rc::new(chip.clone()), 0x1000))
        })?;
        Ok((opened, chip.0.borrow().1.clone()))
    }

    const ONE: Message = Message { address: 0x1_0809_0040, data: 3 };
    const OTHER: Message = Message { address: 0x802_0040, data: 80 };

    #[test]
    fn entries_are_written_while_they_are_masked() {
        let (opened, written) = send(&chip(MSI_X, &[0x0003_0000, 0x802]), &[ONE, OTHER]).unwrap();
        assert_eq!(opened, "bar2");
        let entries = [(0x800, 0x809_0040), (0x804, 1), (0x808, 3), (0x80c, 0)];
        let others = [(0x810, 0x802_0040), (0x814, 0), (0x818, 80), (0x81c, 0)];
        let mut expected = vec![("pci", 0x40, 0xc003_0000)];
        expected.extend(entries.iter().chain(&others).map(|&(offset, value)| ("bar", offset, value)));
        expected.push(("pci", 0x40, 0x8003_0000));
        assert_eq!(written, expected);
    }

    #[test]
    fn what_a_function_cannot_send_is_said() {
        let refused = |chip: Chip, messages: &[Message]| send(&chip, messages).unwrap_err();
        let limit = Error::new("MSI-X", Cause::Limit);
        assert_eq!(refused(chip(MSI_X, &[0, 0]), &[ONE, OTHER]), limit);
        assert_eq!(refused(chip(MSI_X, &[0, 6]), &[ONE]), Error::new("MSI-X", Cause::Outside));
        assert_eq!(refused(chip(MSI_X, &[0, 0x1000]), &[ONE]).cause, Cause::Outside);
        assert_eq!(refused(chip(9, &[0]), &[ONE]), Error::new("MSI-X", Cause::Missing));
        assert_eq!(refused(chip(MSI, &[MSI_WIDE]), &[ONE, OTHER]), Error::new("MSI", Cause::Limit));
        assert_eq!(refused(chip(MSI, &[0]), &[ONE]), Error::new("MSI", Cause::Limit));
    }

    #[test]
    fn one_message_lies_in_configuration_space() {
        let (_, written) = send(&chip(MSI, &[MSI_WIDE | 2 << 17 | 5 << 20]), &[ONE]).unwrap();
        let wide = u64::from(MSI_WIDE | 2 << 17 | 0x05);
        let on = wide | u64::from(MSI_ENABLE);
        let expected = [(0x40, wide), (0x44, 0x809_0040), (0x48, 1), (0x4c, 3), (0x40, on)];
        assert_eq!(written, expected.map(|(register, value)| ("pci", register, value)));
        let (_, written) = send(&chip(MSI, &[0]), &[OTHER]).unwrap();
        let expected = [(0x40, 5), (0x44, 0x802_0040), (0x48, 80), (0x40, 0x1_0005)];
        assert_eq!(written, expected.map(|(register, value)| ("pci", register, value)));
    }
}
