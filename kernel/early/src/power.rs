//! How a machine is switched off and reset that has no firmware to ask (no PSCI): a table, keyed by `compatible`.

use crate::Port;

/// What switches a machine off.
#[derive(Clone, Copy, Debug)]
pub struct Power {
    /// Its names in device trees.
    pub compatible: &'static [&'static str],
    /// Begins to switch the machine off.
    pub off: fn(&dyn Port),
    /// Begins to reset it.
    pub reset: fn(&dyn Port),
}

/// All that are known.
pub const POWERS: [Power; 1] = [BCM2835];

/// That of a node, by the most specific of its names that is known.
pub fn find_power<'a>(mut compatible: impl Iterator<Item = &'a str>) -> Option<Power> {
    compatible.find_map(|name| POWERS.into_iter().find(|power| power.compatible.contains(&name)))
}

/// The watchdog of the BCM2835 (Linux, drivers/watchdog/bcm2835_wdt.c: its registers are in no published manual). A reset is a watchdog
/// that ends at once; off is a reset whose partition tells the firmware to stay there.
const BCM2835: Power = Power {
    compatible: &["brcm,bcm2835-pm", "brcm,bcm2835-pm-wdt"],
    off: |port| {
        let status = port.read(STATUS) & !PARTITION;
        port.write(STATUS, PASSWORD | status | PARTITION);
        (BCM2835.reset)(port);
    },
    reset: |port| {
        port.write(WATCHDOG, PASSWORD | TICKS);
        let control = port.read(CONTROL) & !CONFIGURATION;
        port.write(CONTROL, PASSWORD | control & 0xff_ffff | FULL_RESET);
    },
};

/// Every write has it in its upper byte.
const PASSWORD: u32 = 0x5a00_0000;
const CONTROL: usize = 0x1c;
const CONFIGURATION: u32 = 0x30;
const FULL_RESET: u32 = 0x20;
const STATUS: usize = 0x20;
/// All bits of the partition: 63, which is none.
const PARTITION: u32 = 0x555;
const WATCHDOG: usize = 0x24;
/// Of 16 µs.
const TICKS: u32 = 10;

#[cfg(test)]
mod tests {
    use core::cell::RefCell;
    use std::vec::Vec;

    use super::*;

    /// A watchdog that had been set for partition 1, and keeps what is written with the password.
    struct Fake(RefCell<Vec<(usize, u32)>>);

    impl Port for Fake {
        fn read(&self, offset: usize) -> u32 {
            match offset {
                CONTROL => 0x112,
                STATUS => 0x1001,
                _ => panic!("a read of {offset:#x}"),
            }
        }

        fn write(&self, offset: usize, value: u32) {
            assert_eq!(value >> 24, 0x5a, "no password");
            self.0.borrow_mut().push((offset, value & 0xff_ffff));
        }

        fn read_byte(&self, _: usize) -> u8 {
            panic!("bytes are not read");
        }

        fn write_byte(&self, _: usize, _: u8) {
            panic!("bytes are not written");
        }
    }

    #[test]
    fn the_watchdog_of_the_bcm2835() {
        let power = find_power(["maker,other", "brcm,bcm2835-pm"].into_iter()).unwrap();
        let writes = |act: fn(&dyn Port)| {
            let fake = Fake(RefCell::default());
            act(&fake);
            fake.0.into_inner()
        };
        let reset = [(WATCHDOG, 10), (CONTROL, 0x122)];
        assert_eq!(writes(power.reset), reset);
        assert_eq!(writes(power.off), [[(STATUS, 0x1555)].as_slice(), &reset].concat());
        assert!(find_power(["maker,other"].into_iter()).is_none());
    }
}
