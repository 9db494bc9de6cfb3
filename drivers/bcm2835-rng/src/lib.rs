//! The random number generator of the BCM2835 and its successors. Broadcom has not published its data sheet: registers as in the
//! device tree binding `brcm,bcm2835-rng` and in public drivers.
//!
//! Its interrupt stays masked: what clears it is documented nowhere. While a client waits, the device is asked ten times a second.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use core::time::Duration;

use ipc::noise::{Noise, Status};
use ipc::{Bytes, Client, Sessions, Signal};
use kit::mmio::*;
use kit::{Shared, sleep, spawn};

register_bitfields![u32,
    /// RNG_CTRL.
    CTRL [
        /// RBGEN: it makes numbers.
        ENABLE OFFSET(0) NUMBITS(1) [],
    ],
    /// RNG_STATUS.
    STATUS [
        /// Written: how many words it throws away after it was enabled.
        WARM_UP OFFSET(0) NUMBITS(20) [],
        /// Words in the FIFO.
        AVAILABLE OFFSET(24) NUMBITS(8) [],
    ],
    /// RNG_INT_MASK.
    INT_MASK [
        /// A 1 keeps the interrupt back.
        OFF OFFSET(0) NUMBITS(1) [],
    ],
];

kit::registers! {
    struct Registers {
        /// RNG_CTRL.
        0x00 => control: ReadWrite<u32, CTRL::Register>,
        /// RNG_STATUS.
        0x04 => status: ReadWrite<u32, STATUS::Register>,
        /// RNG_DATA. A read takes a word out of the FIFO.
        0x08 => data: ReadOnly<u32>,
        /// RNG_INT_MASK.
        0x10 => mask: ReadWrite<u32, INT_MASK::Register>,
    }
}

/// The first words are less random than those that follow; so many are thrown away by the device.
const WARM_UP: u32 = 0x4_0000;

/// Words that one answer has room for.
const WORDS: usize = 8;

/// As many equal words in a row are no accident: once in 2^64 words if the device works. It is the repetition count test of NIST
/// SP 800-90B, 4.4.1.
const STUCK: u32 = 3;

/// How often the device is asked while a client waits.
const PERIOD: Duration = Duration::from_millis(100);

/// So often in a row it may have nothing, ten seconds long: no document says how long the warm-up takes.
const PATIENCE: u32 = 100;

/// A generator, and who waits for it.
#[derive(Debug)]
pub struct Bcm2835Rng {
    registers: Registers,
    last: u32,
    /// How often `last` came in a row.
    repeated: u32,
    /// How often in a row the device had nothing while a client waited.
    empty: u32,
    failed: bool,
    waiting: Sessions<Option<Signal>, 8>,
}

impl Bcm2835Rng {
    /// Takes the device over, however it was left: it is stopped, and warms up anew.
    ///
    /// # Errors
    /// The register block is too short.
    pub fn new(mmio: &Mmio) -> Result<Self, kit::Error> {
        let registers = Registers::new(mmio)?;
        registers.mask.write(INT_MASK::OFF::SET);
        registers.control.write(CTRL::ENABLE::CLEAR);
        registers.status.write(STATUS::WARM_UP.val(WARM_UP));
        registers.control.write(CTRL::ENABLE::SET);
        Ok(Self { registers, last: 0, repeated: 0, empty: 0, failed: false, waiting: Sessions::default() })
    }

    /// Whether the device says that it has a word.
    fn has_word(&self) -> bool {
        self.registers.status.read(STATUS::AVAILABLE) > 0
    }

    /// The next word, if there is one and the device is not stuck. The number of words is asked for each: a device that says too
    /// much repeats itself, and is found out.
    fn word(&mut self) -> Option<u32> {
        if self.failed || !self.has_word() {
            return None;
        }
        let word = self.registers.data.get();
        self.repeated = if self.repeated > 0 && word == self.last { self.repeated + 1 } else { 1 };
        self.last = word;
        if self.repeated >= STUCK {
            self.fail("the same word again and again");
            return None;
        }
        self.empty = 0;
        Some(word)
    }

    fn fail(&mut self, why: &str) {
        self.failed = true;
        log::error!("the generator does not work: {why}");
    }

    /// Looks after who waits; called once a `PERIOD`.
    fn tick(&mut self) {
        if !self.waiting.iter_mut().any(|signal| signal.is_some()) {
            return;
        }
        if !self.failed && !self.has_word() {
            self.empty += 1;
            if self.empty < PATIENCE {
                return;
            }
            self.fail("it stays empty");
        }
        for signal in self.waiting.iter_mut().filter_map(Option::take) {
            signal.wake();
        }
    }
}

/// Begins to look after clients that wait.
pub fn start(device: &Shared<Bcm2835Rng>) {
    let device = device.clone();
    spawn(async move {
        loop {
            sleep(PERIOD).await;
            device.borrow_mut().tick();
        }
    });
}

impl Noise for Bcm2835Rng {
    fn read(&mut self) -> Result<Bytes<32>, Status> {
        let mut bytes = [0; WORDS * 4];
        let mut len = 0;
        for room in bytes.chunks_exact_mut(4) {
            let Some(word) = self.word() else { break };
            room.copy_from_slice(&word.to_le_bytes());
            len += room.len();
        }
        match bytes.get(..len) {
            _ if self.failed => Err(Status::DeviceFailed),
            None | Some([]) => Err(Status::NothingYet),
            Some(bytes) => Ok(Bytes::cut(bytes)),
        }
    }

    fn watch(&mut self, client: Client, signal: Signal) -> Result<(), Status> {
        self.waiting.close(client);
        self.waiting.open(client, |_| Ok::<_, Status>(Some(signal))).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::noise::{NoiseClient, NoiseServer};
    use ipc::{Error, Loopback, SignalOn};
    use kit::fake;
    use rt::Cap;

    type Rng = NoiseClient<Loopback<NoiseServer<Bcm2835Rng>>>;

    /// The device with a FIFO of 16 words. It has none unless it is enabled.
    fn device() -> fake::Registers {
        fake::Registers::new(0x1000)
            .read_write(0x00, 0)
            .on_read(0x04, |device| if device.get(0x00) & 1 == 0 { 0 } else { (device.unread(0x08) as u64) << 24 })
            .on_write(0x04, |device, value| assert!(value == 0x4_0000 && device.get(0x00) & 1 == 0))
            .fifo(0x08, 16)
            .read_write(0x10, 0)
    }

    fn open(device: &fake::Registers) -> Rng {
        NoiseClient(Loopback::new(NoiseServer(Bcm2835Rng::new(&device.mmio()).expect("registers"))))
    }

    fn watch(rng: &Rng) -> Cap<rt::Notification> {
        let notification = Cap::from_slot(20);
        assert_eq!(rng.watch(SignalOn { notification, bits: 1 }), Ok(()));
        notification
    }

    #[test]
    fn it_is_stopped_warmed_up_and_started_in_this_order() {
        let device = fake::Registers::new(0x1000);
        device.expect([fake::write(0x10, 1), fake::write(0x00, 0), fake::write(0x04, 0x4_0000), fake::write(0x00, 1)]);
        Bcm2835Rng::new(&device.mmio()).expect("registers");
        device.done();
    }

    #[test]
    fn words_are_given_out_once_and_at_most_eight_at_a_time() {
        let device = device();
        let rng = open(&device);
        device.feed(0x08, 1..=9_u32);
        let bytes = rng.read().expect("bytes");
        let expected: Vec<u8> = (1..=8_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(bytes.as_slice(), expected);
        assert_eq!(rng.read().expect("bytes").as_slice(), 9_u32.to_le_bytes());
        assert_eq!(rng.read().err(), Some(Error::Status(Status::NothingYet)));
    }

    #[test]
    fn who_waits_is_woken_once_when_there_are_bytes() {
        let device = device();
        let rng = open(&device);
        assert_eq!(rng.read().err(), Some(Error::Status(Status::NothingYet)));
        let notification = watch(&rng);
        rng.0.server().0.tick();
        assert_eq!(ipc::fake::signalled(notification), 0);
        device.feed(0x08, [7_u32]);
        rng.0.server().0.tick();
        assert_eq!(ipc::fake::signalled(notification), 1);
        assert!(rng.0.server().0.waiting.iter_mut().all(|signal| signal.is_none()));
    }

    #[test]
    fn a_device_that_stays_empty_has_failed_and_who_waits_is_told() {
        let device = device();
        let rng = open(&device);
        let notification = watch(&rng);
        for _ in 1..PATIENCE {
            rng.0.server().0.tick();
        }
        assert_eq!(ipc::fake::signalled(notification), 0);
        assert_eq!(rng.read().err(), Some(Error::Status(Status::NothingYet)));
        rng.0.server().0.tick();
        assert_eq!(ipc::fake::signalled(notification), 1);
        assert_eq!(rng.read().err(), Some(Error::Status(Status::DeviceFailed)));
    }

    #[test]
    fn a_device_that_says_it_has_more_than_it_has_is_found_out() {
        let device = fake::Registers::new(0x1000)
            .read_write(0x00, 0)
            .on_read(0x04, |_| 255 << 24)
            .on_write(0x04, |_, _| {})
            .read_only(0x08, 0x1234_5678)
            .read_write(0x10, 0);
        let rng = open(&device);
        assert_eq!(rng.read().err(), Some(Error::Status(Status::DeviceFailed)));
        assert_eq!(rng.read().err(), Some(Error::Status(Status::DeviceFailed)));
    }

    #[test]
    fn the_task_asks_by_the_clock() {
        let device = device();
        let shared = Shared::new(Bcm2835Rng::new(&device.mmio()).expect("registers"));
        start(&shared);
        rt::task::run_ready();
        let rng = NoiseClient(Loopback::new(NoiseServer(shared)));
        let notification = Cap::from_slot(20);
        assert_eq!(rng.watch(SignalOn { notification, bits: 1 }), Ok(()));
        device.feed(0x08, [7_u32]);
        rt::task::fake::advance(150_000_000);
        assert_eq!(ipc::fake::signalled(notification), 1);
    }

    #[test]
    fn a_block_that_is_too_short_is_refused() {
        let device = fake::Registers::new(0x1000);
        assert!(Bcm2835Rng::new(&device.mmio().part(0, 2).expect("a part")).is_err());
    }
}
