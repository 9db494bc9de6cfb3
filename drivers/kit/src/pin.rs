//! Single lines that are high or low: what a GPIO driver offers and a driver of a chip behind it uses.
//!
//! The traits are Tutti's side: [`Line`], a line of a server of the protocol `gpio`, implements them, or a GPIO driver for its
//! own use. `Hal`, with the feature `embedded-hal`, makes of such a pin one of `embedded-hal` and `embedded-hal-async`, so that
//! drivers written for these run unchanged.

mod line;
mod state;

use core::error::Error;
use core::future::Future;

pub use ipc::gpio::{Level, Trigger};
pub use line::{Line, LineError, watch_server};
pub use state::{StateError, settled};

/// A line, and what can go wrong with it.
pub trait Pin {
    /// Why it could not be read, driven or waited for.
    type Error: Error;
}

/// A line that can be read.
pub trait Input: Pin {
    /// What it is at.
    ///
    /// # Errors
    /// The line is gone, or was taken away.
    fn level(&mut self) -> Result<Level, Self::Error>;
}

/// A line that can be driven.
pub trait Output: Pin {
    /// Drives it.
    ///
    /// # Errors
    /// The line is gone, or was taken away.
    fn drive(&mut self, level: Level) -> Result<(), Self::Error>;

    /// What it is driven to, whatever it is at.
    ///
    /// # Errors
    /// The line is gone, or was taken away.
    fn driven(&mut self) -> Result<Level, Self::Error>;
}

/// A line whose changes can be waited for.
pub trait Watch: Pin {
    /// Waits for a level or a change. Changes count from the first look at the future on.
    ///
    /// # Errors
    /// The line is gone, or was taken away.
    fn wait(&mut self, trigger: Trigger) -> impl Future<Output = Result<(), Self::Error>>;
}

/// A pin for `embedded-hal` and `embedded-hal-async` 1.0: `InputPin` of an [`Input`], `OutputPin` and `StatefulOutputPin`
/// of an [`Output`], `Wait` of a [`Watch`].
///
/// ```
/// # use tutti_kit as kit;
/// use embedded_hal::digital::{InputPin, OutputPin};
/// use kit::{fake, pin::Hal};
///
/// let line = fake::Pin::new();
/// let mut led = Hal(line.clone());
/// led.set_high().unwrap();
/// assert!(Hal(line).is_high().unwrap());
/// ```
#[cfg(feature = "embedded-hal")]
#[derive(Clone, Debug)]
pub struct Hal<P>(
    /// The pin.
    pub P,
);

#[cfg(feature = "embedded-hal")]
mod hal {
    use core::error::Error;

    use embedded_hal::digital::{ErrorKind, ErrorType, InputPin, OutputPin, StatefulOutputPin};
    use embedded_hal_async::digital::Wait;

    use super::{Hal, Input, Level, Output, Pin, Trigger, Watch};
    use crate::Failed;

    impl<E: Error> embedded_hal::digital::Error for Failed<E> {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    impl<P: Pin> ErrorType for Hal<P> {
        type Error = Failed<P::Error>;
    }

    impl<P: Input> InputPin for Hal<P> {
        fn is_high(&mut self) -> Result<bool, Self::Error> {
            Ok(self.0.level()? == Level::High)
        }

        fn is_low(&mut self) -> Result<bool, Self::Error> {
            Ok(self.0.level()? == Level::Low)
        }
    }

    impl<P: Output> OutputPin for Hal<P> {
        fn set_low(&mut self) -> Result<(), Self::Error> {
            Ok(self.0.drive(Level::Low)?)
        }

        fn set_high(&mut self) -> Result<(), Self::Error> {
            Ok(self.0.drive(Level::High)?)
        }
    }

    impl<P: Output> StatefulOutputPin for Hal<P> {
        fn is_set_high(&mut self) -> Result<bool, Self::Error> {
            Ok(self.0.driven()? == Level::High)
        }

        fn is_set_low(&mut self) -> Result<bool, Self::Error> {
            Ok(self.0.driven()? == Level::Low)
        }
    }

    impl<P: Watch> Wait for Hal<P> {
        async fn wait_for_high(&mut self) -> Result<(), Self::Error> {
            Ok(self.0.wait(Trigger::High).await?)
        }

        async fn wait_for_low(&mut self) -> Result<(), Self::Error> {
            Ok(self.0.wait(Trigger::Low).await?)
        }

        async fn wait_for_rising_edge(&mut self) -> Result<(), Self::Error> {
            Ok(self.0.wait(Trigger::Rising).await?)
        }

        async fn wait_for_falling_edge(&mut self) -> Result<(), Self::Error> {
            Ok(self.0.wait(Trigger::Falling).await?)
        }

        async fn wait_for_any_edge(&mut self) -> Result<(), Self::Error> {
            Ok(self.0.wait(Trigger::Both).await?)
        }
    }
}

#[cfg(all(test, feature = "embedded-hal"))]
mod tests {
    use super::*;
    use crate::{fake, time};
    use alloc::rc::Rc;
    use core::cell::RefCell;
    use core::time::Duration;
    use embedded_hal::digital::{InputPin, OutputPin, StatefulOutputPin};
    use embedded_hal_async::digital::Wait;
    use futures::executor::block_on;
    use futures::future::join;
    use rotary_encoder_hal::{Direction, Rotary};
    use tm1637_embedded_hal::{Brightness, TM1637Builder};

    #[test]
    fn a_rotary_encoder_is_read() {
        let (a, b) = (fake::Pin::new(), fake::Pin::new());
        let mut knob = Rotary::new(Hal(a.clone()), Hal(b.clone()));
        knob.update().unwrap();
        let mut turned = |steps: [(&fake::Pin, Level); 4]| {
            steps.map(|(pin, level)| {
                pin.set(level);
                knob.update().unwrap()
            })
        };
        let one = turned([(&a, Level::High), (&b, Level::High), (&a, Level::Low), (&b, Level::Low)]);
        let other = turned([(&b, Level::High), (&a, Level::High), (&b, Level::Low), (&a, Level::Low)]);
        assert_eq!((one, other), ([Direction::CounterClockwise; 4], [Direction::Clockwise; 4]));
    }

    /// What a TM1637 hears: the levels of its data line when its clock rises, from each start on (data falls while the
    /// clock is high).
    fn listen(clock: &fake::Pin, data: &fake::Pin) -> Rc<RefCell<Vec<Vec<bool>>>> {
        let heard: Rc<RefCell<Vec<Vec<bool>>>> = Rc::default();
        let (note, line) = (heard.clone(), data.clone());
        clock.on_change(move |level| {
            if let (Level::High, Some(bits)) = (level, note.borrow_mut().last_mut()) {
                bits.push(line.is_high());
            }
        });
        let (note, line) = (heard.clone(), clock.clone());
        data.on_change(move |level| {
            if level == Level::Low && line.is_high() {
                note.borrow_mut().push(Vec::new());
            }
        });
        heard
    }

    /// The bytes of each transfer: eight bits, the lowest first, and one that acknowledges.
    fn transfers(heard: &RefCell<Vec<Vec<bool>>>) -> Vec<Vec<u8>> {
        let byte = |bits: &[bool]| bits[..8].iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        heard.borrow().iter().map(|bits| bits.chunks_exact(9).map(byte).collect()).collect()
    }

    #[test]
    fn a_display_is_driven() {
        let (clock, data, watch) = (fake::Pin::new(), fake::Pin::new(), fake::Clock::new());
        let heard = listen(&clock, &data);
        let builder = TM1637Builder::new(Hal(clock), Hal(data), time::Delay(watch.clone()));
        let mut display = builder.brightness(Brightness::L3).delay_us(5).build_blocking::<4>();
        display.display_slice(0, &[0x06, 0x5b]).unwrap();
        // Data command, then address command and data.
        assert_eq!(transfers(&heard)[..2], [vec![0x40], vec![0xc0, 0x06, 0x5b]]);
        assert!(watch.elapsed() >= Duration::from_micros(5 * 4 * 9), "{:?}", watch.elapsed());
    }

    #[test]
    fn a_display_is_driven_without_blocking() {
        let (clock, data, watch) = (fake::Pin::new(), fake::Pin::new(), fake::Clock::new());
        let heard = listen(&clock, &data);
        let builder = TM1637Builder::new(Hal(clock), Hal(data), time::Delay(watch.clone()));
        let mut display = builder.delay_us(5).build_async::<4>();
        block_on(display.display_slice(0, &[0x3f])).unwrap();
        assert_eq!(transfers(&heard)[..2], [vec![0x40], vec![0xc0, 0x3f]]);
        assert!(watch.elapsed() >= Duration::from_micros(5 * 3 * 9), "{:?}", watch.elapsed());
    }

    #[test]
    fn a_bouncing_key_is_waited_for() {
        let line = fake::Pin::new();
        let mut key = async_debounce::Debouncer::new(Hal(line.clone()), embassy_time::Duration::from_millis(2));
        let presses = async {
            line.set(Level::High);
            line.set(Level::Low);
            embassy_time::Timer::after_millis(10).await;
            assert!(!line.is_high());
            line.set(Level::High);
        };
        block_on(join(key.wait_for_rising_edge(), presses)).0.unwrap();
        assert!(key.is_high().unwrap());
    }

    #[test]
    fn each_change_is_told_from_the_others() {
        let line = fake::Pin::new();
        let happens = |trigger, levels: &[Level]| {
            let mut pin = line.clone();
            let mut waits = core::pin::pin!(pin.wait(trigger));
            let mut context = core::task::Context::from_waker(core::task::Waker::noop());
            let mut count = 0;
            while waits.as_mut().poll(&mut context).is_pending() {
                let &level = levels.get(count)?;
                line.set(level);
                count += 1;
            }
            Some(count)
        };
        use Level::{High, Low};
        assert_eq!(happens(Trigger::Low, &[]), Some(0));
        assert_eq!(happens(Trigger::High, &[Low, High]), Some(2));
        assert_eq!((happens(Trigger::High, &[]), happens(Trigger::Rising, &[High])), (Some(0), None));
        assert_eq!(happens(Trigger::Rising, &[Low, High]), Some(2));
        assert_eq!(happens(Trigger::Falling, &[High, Low]), Some(2));
        assert_eq!((happens(Trigger::Both, &[Low, High]), happens(Trigger::Both, &[Low])), (Some(2), Some(1)));
    }

    #[test]
    fn outputs_remember() {
        let mut pin = Hal(fake::Pin::new());
        pin.set_high().unwrap();
        assert!(pin.is_set_high().unwrap() && pin.is_high().unwrap());
        pin.0.set(Level::Low);
        assert!(pin.is_set_high().unwrap() && pin.is_low().unwrap(), "held down from outside");
        pin.toggle().unwrap();
        assert!(pin.is_set_low().unwrap());
    }
}
