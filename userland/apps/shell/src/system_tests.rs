//! The whole shell against servers that live in the test.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use ipc::devices::Device;
use ipc::display::{Area, DisplayClient, Format, Mode};
use ipc::log::{Level, Line};
use ipc::supervisor::{Component, Milestone, State};
use ipc::trace::{Found, Record};
use ipc::{
    Buffer, Client, Loopback, SERVER_ENDED, Signal, Text, clock, devices, display, entropy, file, input, log, net,
    serial, supervisor,
};
use rt::{CallError, Cap, ErrorCode, Frame, Message, Notification, SharedBuffer, SyscallError};

use crate::{
    ALARM_BIT, Carrier, DISPLAY_BIT, ENTROPY_BIT, INPUT_BIT, LOG_BIT, Machine, NET_BIT, Rings, SERIAL_BIT, Services,
    Shell, Unprinted,
};

const NOTIFICATION: Cap<Notification> = Cap::from_slot(9);

const MODE: Mode = Mode { width: 100, height: 80, stride: 416, format: Format::Xrgb8888 };

/// Everything outside the shell.
struct World {
    screen: RefCell<Vec<u8>>,
    typed: RefCell<VecDeque<u8>>,
    /// Bytes the driver takes before it is full; `None`: as many as come.
    room: Cell<Option<usize>>,
    /// The driver's session is gone.
    restarted: Cell<bool>,
    attached: Cell<u32>,
    bits: Cell<u64>,
    files: BTreeMap<String, Option<Vec<u8>>>,
    open: RefCell<Vec<Option<String>>>,
    file_attached: Cell<bool>,
    file_attaches: Cell<u32>,
    lines: RefCell<Vec<Line>>,
    killed: RefCell<Vec<u32>>,
    milestones: Cell<u32>,
    slept: Cell<u64>,
    time: Cell<u64>,
    /// The clock never rings.
    silent: Cell<bool>,
    cancelled: Cell<u32>,
    /// Random bytes that the source has at the moment; the next it brings is this.
    random: Cell<(usize, u8)>,
    /// What somebody will have done at each look; nothing: Ctrl-C.
    done: RefCell<VecDeque<Vec<input::Event>>>,
    reports: RefCell<Vec<(SharedBuffer, input::Reports)>>,
    recording: Cell<bool>,
    /// The framebuffer; what was damaged; whether frames are done at once; whether the display is open.
    pixels: SharedBuffer,
    damage: RefCell<Vec<Area>>,
    slow: Cell<bool>,
    shown: Cell<bool>,
    frames: RefCell<Option<(SharedBuffer, net::ServerRings)>>,
    buffer: Rc<SharedBuffer>,
}

fn world() -> Rc<World> {
    let long = (0..200_000u32).map(|at| (at * 7 + at / 251) as u8).collect();
    let files = [
        ("/", None),
        ("/Bücher", None),
        ("/Bücher/Über mich.txt", Some("Grüße\nzwei\n".into())),
        ("/leer", Some(Vec::new())),
        ("/long", Some(long)),
        ("/lines", Some("0123456789\n".repeat(2000).into_bytes())),
        ("/no end", Some(b"abc\x1b[2J".to_vec())),
    ];
    Rc::new(World {
        screen: RefCell::default(),
        typed: RefCell::default(),
        room: Cell::new(None),
        restarted: Cell::new(false),
        attached: Cell::new(0),
        bits: Cell::new(0),
        files: files.into_iter().map(|(path, data)| (path.to_owned(), data)).collect(),
        open: RefCell::default(),
        file_attached: Cell::new(false),
        file_attaches: Cell::new(0),
        lines: RefCell::default(),
        killed: RefCell::default(),
        milestones: Cell::new(0),
        slept: Cell::new(0),
        time: Cell::new(1_774_746_123),
        silent: Cell::new(false),
        cancelled: Cell::new(0),
        random: Cell::new((0, 0)),
        done: RefCell::default(),
        reports: RefCell::default(),
        recording: Cell::new(false),
        pixels: SharedBuffer::fake(MODE.pages().unwrap() as usize * 4096),
        damage: RefCell::default(),
        slow: Cell::new(false),
        shown: Cell::new(false),
        frames: RefCell::default(),
        buffer: Rc::new(SharedBuffer::fake(65536)),
    })
}

impl World {
    fn say(&self, level: Level, component: u32, text: &str) {
        let mut lines = self.lines.borrow_mut();
        let sequence = lines.len() as u64;
        lines.push(Line { sequence, level, component, nanoseconds: 1_500_000_000, text: Text::cut(text) });
        if level <= Level::Warn {
            self.bits.set(self.bits.get() | LOG_BIT);
        }
    }

    fn type_in(&self, text: &str) {
        self.typed.borrow_mut().extend(text.bytes());
        self.bits.set(self.bits.get() | SERIAL_BIT);
    }

    fn screen(&self) -> String {
        let screen = String::from_utf8(self.screen.take()).unwrap();
        let mut before = ' ';
        for character in screen.chars() {
            assert!(character != '\n' || before == '\r', "every line ends with CR LF: {screen:?}");
            before = character;
        }
        screen.replace("\r\n", "\n")
    }
}

/// All servers: the world, seen from the other side.
#[derive(Clone)]
struct Servers(Rc<World>);

impl std::ops::Deref for Servers {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl Servers {
    fn line(&self) -> Result<(), serial::Status> {
        if self.restarted.get() { Err(serial::Status::NotAttached) } else { Ok(()) }
    }

    fn session(&self) -> Result<(), file::Status> {
        if self.file_attached.get() { Ok(()) } else { Err(file::Status::NotAttached) }
    }

    fn path(&self, handle: u32) -> String {
        self.open.borrow()[handle as usize].clone().unwrap()
    }
}

impl serial::Serial for Servers {
    fn attach(&mut self, _: Client, signal: Signal) -> Result<(), serial::Status> {
        signal.wake();
        assert_eq!(ipc::fake::signalled(NOTIFICATION), SERIAL_BIT);
        self.restarted.set(false);
        self.attached.set(self.attached.get() + 1);
        Ok(())
    }

    fn write(&mut self, _: Client, data: serial::Data) -> Result<u32, serial::Status> {
        self.line()?;
        let taken = self.room.get().map_or(data.len(), |room| room.min(data.len()));
        self.room.set(self.room.get().map(|room| room - taken));
        self.screen.borrow_mut().extend(&data[..taken]);
        Ok(taken as u32)
    }

    fn read(&mut self, _: Client, _: u32) -> Result<serial::Data, serial::Status> {
        self.line()?;
        let mut typed = self.typed.borrow_mut();
        let count = typed.len().min(100);
        let data: Vec<u8> = typed.drain(..count).collect();
        Ok(serial::Data::cut(&data))
    }
}

impl file::File for Servers {
    fn attach(&mut self, _: Client, buffer: Buffer) -> Result<(), file::Status> {
        assert_eq!(buffer.pages, 16);
        self.file_attached.set(true);
        self.file_attaches.set(self.file_attaches.get() + 1);
        self.open.borrow_mut().clear();
        Ok(())
    }

    fn open(&mut self, _: Client, path: file::Path) -> Result<file::Opened, file::Status> {
        self.session()?;
        let data = self.files.get(path.as_str()).ok_or(file::Status::NotFound)?;
        let mut open = self.open.borrow_mut();
        open.push(Some(path.as_str().to_owned()));
        let kind = if data.is_some() { file::Kind::File } else { file::Kind::Directory };
        let size = data.as_ref().map_or(0, |data| data.len() as u64);
        Ok(file::Opened { handle: open.len() as u32 - 1, size, kind })
    }

    fn read(&mut self, _: Client, handle: u32, position: u64, bytes: u32, offset: u32) -> Result<u32, file::Status> {
        self.session()?;
        let data = self.files[&self.path(handle)].as_ref().unwrap();
        let rest = data.get(position as usize..).unwrap_or_default();
        // As much as the server likes, not as much as was asked for.
        let count = rest.len().min(bytes as usize).min(40_001);
        self.buffer.write(offset as usize, &rest[..count]).unwrap();
        Ok(count as u32)
    }

    fn entry(&mut self, _: Client, handle: u32, cursor: u64) -> Result<Option<file::Entry>, file::Status> {
        self.session()?;
        let inside = format!("{}/", self.path(handle).trim_end_matches('/'));
        let mut names = self.files.iter().filter_map(|(full, data)| {
            let name = full.strip_prefix(&inside).filter(|name| !name.is_empty() && !name.contains('/'))?;
            Some((name, data))
        });
        Ok(names.nth(cursor as usize).map(|(name, data)| file::Entry {
            next: cursor + 1,
            size: data.as_ref().map_or(0, |data| data.len() as u64),
            kind: if data.is_some() { file::Kind::File } else { file::Kind::Directory },
            name: Text::cut(name),
        }))
    }

    fn close(&mut self, _: Client, handle: u32) -> Result<(), file::Status> {
        self.session()?;
        self.open.borrow_mut()[handle as usize] = None;
        Ok(())
    }

    fn volume(&mut self) -> Result<file::Volume, file::Status> {
        Err(file::Status::NoVolume)
    }
}

impl clock::Clock for Servers {
    fn now(&mut self) -> Result<u64, clock::Status> {
        Ok(self.time.get())
    }

    fn set(&mut self, time: u64) -> Result<(), clock::Status> {
        let fits = u32::try_from(time).is_ok();
        fits.then(|| self.time.set(time)).ok_or(clock::Status::OutOfRange)
    }

    fn alarm(&mut self, _: Client, at: u64, signal: Signal) -> Result<(), clock::Status> {
        signal.wake();
        assert_eq!(ipc::fake::signalled(NOTIFICATION), ALARM_BIT);
        if !self.silent.get() {
            self.time.set(at);
            self.bits.set(self.bits.get() | ALARM_BIT);
        }
        Ok(())
    }

    fn cancel(&mut self, _: Client) -> Result<(), clock::Status> {
        self.cancelled.set(self.cancelled.get() + 1);
        Ok(())
    }
}

impl entropy::Entropy for Servers {
    fn attach(&mut self, _: Client, signal: Signal) -> Result<(), entropy::Status> {
        signal.wake();
        assert_eq!(ipc::fake::signalled(NOTIFICATION), ENTROPY_BIT);
        Ok(())
    }

    /// It brings a hundred at a time.
    fn read(&mut self, _: Client, most: u32) -> Result<entropy::Data, entropy::Status> {
        let (there, next) = self.random.get();
        let count = there.min(most as usize);
        let bytes: Vec<u8> = (0..count).map(|index| next.wrapping_add(index as u8)).collect();
        self.random.set((there - count, next.wrapping_add(count as u8)));
        if count == 0 {
            self.random.set((100, next));
            self.bits.set(self.bits.get() | ENTROPY_BIT);
        }
        Ok(entropy::Data::cut(&bytes))
    }
}

impl input::Input for Servers {
    fn info(&mut self) -> Result<input::Info, input::Status> {
        Ok(input::Info { name: Text::cut("a \x1bpad"), kinds: 3 })
    }

    fn codes(&mut self, _: u16) -> Result<input::Codes, input::Status> {
        Ok(input::Codes::new())
    }

    fn axis(&mut self, _: u16) -> Result<input::Axis, input::Status> {
        Err(input::Status::NoAxis)
    }

    fn pressed(&mut self) -> Result<input::Codes, input::Status> {
        Ok(input::Codes::new())
    }

    fn attach(&mut self, _: Client, buffer: Buffer, signal: Signal) -> Result<(), input::Status> {
        signal.wake();
        assert_eq!(ipc::fake::signalled(NOTIFICATION), INPUT_BIT);
        let buffer = SharedBuffer::map(buffer.frame.keep(), 1).expect("a page");
        self.reports.borrow_mut().push((buffer, input::Reports::new()));
        self.act();
        Ok(())
    }

    fn light(&mut self, _: u16, _: bool) -> Result<(), input::Status> {
        Err(input::Status::NoLight)
    }
}

impl World {
    /// What is next to be done to the input device is done.
    fn act(&self) {
        if let Some((buffer, reports)) = self.reports.borrow_mut().last_mut()
            && let Some(report) = self.done.borrow_mut().pop_front()
        {
            if report.is_empty() {
                return self.type_in("\x03");
            }
            assert_eq!(reports.put(buffer, &report), Ok(true));
            self.bits.set(self.bits.get() | INPUT_BIT);
        }
    }
}

/// A network on which 10.0.2.2 alone is somebody.
impl net::Net for Servers {
    fn info(&mut self) -> Result<net::Info, net::Status> {
        Ok(net::Info { mac: net::Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]), mtu: 1500, link: true })
    }

    fn counters(&mut self) -> Result<net::Counters, net::Status> {
        Ok(net::Counters { sent: 1, sent_bytes: 42, received: 3, received_bytes: 192, dropped: 2, errors: 0 })
    }

    fn attach(&mut self, _: Client, buffer: Buffer, signal: Signal) -> Result<(), net::Status> {
        signal.wake();
        assert_eq!(ipc::fake::signalled(NOTIFICATION), NET_BIT);
        self.bits.set(self.bits.get() | NET_BIT);
        let buffer = SharedBuffer::map(buffer.frame.keep(), buffer.pages.into()).unwrap();
        *self.frames.borrow_mut() = Some((buffer, net::ServerRings::new()));
        Ok(())
    }

    fn submit(&mut self, _: Client) -> Result<(), net::Status> {
        let mut frames = self.frames.borrow_mut();
        let (buffer, rings) = frames.as_mut().ok_or(net::Status::NotAttached)?;
        while let Some(place) = rings.transmit.next(buffer, 0).unwrap() {
            let mut frame = vec![0; place.bytes as usize];
            buffer.read(place.offset as usize, &mut frame).unwrap();
            rings.transmit.complete(buffer, &net::Completion { tag: place.tag, result: place.bytes }).unwrap();
            assert_eq!(frame[..14], *b"\xff\xff\xff\xff\xff\xff\x52\x54\x00\x12\x34\x56\x08\x06");
            assert_eq!(frame[14..22], [0, 1, 8, 0, 6, 4, 0, 1]);
            if frame[38..] != [10, 0, 2, 2] {
                continue;
            }
            let (asked, who) = (frame[38..].to_vec(), frame[22..32].to_vec());
            // Noise, then the answer.
            let noise = [[0xff; 60].to_vec(), [0; 14].to_vec(), frame.clone()];
            frame[21] = 2;
            frame[22..28].copy_from_slice(&[0x52, 0x55, 10, 0, 2, 2]);
            frame[28..32].copy_from_slice(&asked);
            frame[32..].copy_from_slice(&who);
            for frame in noise.into_iter().chain([frame]) {
                let Some(place) = rings.receive.next(buffer, 0).unwrap() else { break };
                buffer.write(place.offset as usize, &frame).unwrap();
                let result = frame.len() as u32;
                rings.receive.complete(buffer, &net::Completion { tag: place.tag, result }).unwrap();
            }
        }
        Ok(())
    }

    fn detach(&mut self, _: Client) -> Result<(), net::Status> {
        self.frames.take().map(drop).ok_or(net::Status::NotAttached)
    }
}

impl log::Log for Servers {
    fn write(&mut self, _: Client, _: Level, _: Text<{ log::MAX_WRITE }>) -> Result<(), log::Status> {
        panic!("the shell writes through the runtime")
    }

    fn read(&mut self, from: u64) -> Result<(u64, Option<Line>), log::Status> {
        let lines = self.lines.borrow();
        let line = lines.get(from as usize).copied();
        Ok((line.map_or(lines.len() as u64, |line| line.sequence + 1), line))
    }

    fn subscribe(&mut self, _: Client, level: Level, signal: Signal) -> Result<(), log::Status> {
        signal.wake();
        assert_eq!((level, ipc::fake::signalled(NOTIFICATION)), (Level::Warn, LOG_BIT));
        Ok(())
    }
}

impl devices::Devices for Servers {
    fn line(&mut self, _: Client, _: u16, _: u8) -> Result<Option<u32>, devices::Status> {
        Err(devices::Status::NoBus)
    }

    fn stuck(&mut self, _: Client, _: u32) -> Result<u32, devices::Status> {
        Err(devices::Status::NoBus)
    }

    fn gone(&mut self, _: Client, _: u16) -> Result<(), devices::Status> {
        Err(devices::Status::NoBus)
    }

    fn found_behind(
        &mut self,
        _: Client,
        _: devices::Function,
        _: devices::Route,
    ) -> Result<Option<u32>, devices::Status> {
        Err(devices::Status::NoBus)
    }

    fn found(&mut self, _: Client, _: devices::Function) -> Result<Option<u32>, devices::Status> {
        Err(devices::Status::NoBus)
    }

    fn list(&mut self, index: u32) -> Result<Option<Device>, devices::Status> {
        let row = |path, driver, state, reason| Device {
            path: Text::cut(path),
            driver: Text::cut(driver),
            state,
            reason: Text::cut(reason),
        };
        let rows = [
            row("/uart@1000", "pl011", devices::State::Running, ""),
            row("/uart@2000", "uart", devices::State::Waiting, "&gcc (qcom,gcc: no driver)"),
            row("/gpu@3000", "", devices::State::NoDriver, ""),
        ];
        Ok(rows.get(index as usize).copied())
    }

    fn resource(&mut self, index: u32, line: u32) -> Result<Option<Text<{ devices::MAX_LINE }>>, devices::Status> {
        let lines = ["compatible arm,pl011", "registers 0x1000..0x2000"];
        Ok(lines.get(line as usize).filter(|_| index == 0).map(|line| Text::cut(line)))
    }
    fn scanned(&mut self, _: Client) -> Result<(), devices::Status> {
        Err(devices::Status::NoBus)
    }
    fn may_master(&mut self, _: Client, _: u32) -> Result<bool, devices::Status> {
        Err(devices::Status::NoBus)
    }
    fn is_running(&mut self, _: Client, _: u32) -> Result<bool, devices::Status> {
        Err(devices::Status::NoBus)
    }
}

impl supervisor::Supervisor for Servers {
    fn list(&mut self, _: Client, index: u32) -> Result<Option<Component>, supervisor::Status> {
        let names = ["init", "pl011", "shell"];
        Ok(names.get(index as usize).map(|name| Component {
            component: index,
            state: State::Running,
            memory: 65536,
            used: 5000,
            epoch: 1,
            ticks: 1_234_567,
            name: Text::cut(name),
        }))
    }

    fn caps(
        &mut self,
        _: Client,
        component: u32,
        line: u32,
    ) -> Result<Option<Text<{ supervisor::MAX_LINE }>>, supervisor::Status> {
        Ok(((component, line) == (1, 0)).then(|| Text::cut("irq:0  Irq, line 33")))
    }

    fn kill(&mut self, _: Client, component: u32) -> Result<(), supervisor::Status> {
        self.killed.borrow_mut().push(component);
        Ok(())
    }

    fn power_off(&mut self, _: Client) -> Result<(), supervisor::Status> {
        Err(supervisor::Status::NotPermitted)
    }

    fn reboot(&mut self, _: Client) -> Result<(), supervisor::Status> {
        Err(supervisor::Status::NotPermitted)
    }

    fn milestone(&mut self, _: Client, _: Milestone) -> Result<(), supervisor::Status> {
        assert!(self.screen.borrow().ends_with(b"/> "), "the prompt is on the screen");
        self.milestones.set(self.milestones.get() + 1);
        Ok(())
    }

    fn thread(&mut self, _: Client, component: u32) -> Result<u64, supervisor::Status> {
        Ok(100 + u64::from(component))
    }
}

/// An endpoint without a device behind it.
struct Closed;

impl ipc::Call for Closed {
    fn call(&self, _: &Message) -> Result<Message, CallError> {
        Err(CallError { error: SyscallError::from(ErrorCode::Closed), reason: 1 })
    }
}

/// A display with one mode. Frames that are slow are done when they are asked for twice.
impl display::Display for Servers {
    fn mode(&mut self, index: u32) -> Result<Option<Mode>, display::Status> {
        Ok((index == 0).then_some(MODE))
    }

    fn open(&mut self, _: Client, index: u32, _: Signal) -> Result<Cap<Frame>, display::Status> {
        assert_eq!((index, self.shown.replace(true)), (0, false));
        Ok(self.pixels.frame())
    }

    fn damage(&mut self, _: Client, area: Area) -> Result<u64, display::Status> {
        assert!(area.is_in(&MODE));
        self.damage.borrow_mut().push(area);
        Ok(1)
    }

    fn done(&mut self, _: Client) -> Result<u64, display::Status> {
        if self.slow.replace(false) {
            self.bits.set(self.bits.get() | DISPLAY_BIT);
            return Ok(0);
        }
        Ok(1)
    }

    fn close(&mut self, _: Client) -> Result<(), display::Status> {
        assert!(self.shown.replace(false));
        Ok(())
    }
}

struct Fake(Rc<World>);

impl Machine for Fake {
    fn wait(&self) -> Option<u64> {
        self.0.act();
        if self.0.room.get() == Some(0) {
            self.0.room.set(Some(3000));
            self.0.bits.set(self.0.bits.get() | SERIAL_BIT);
        }
        // Nothing will happen any more: the test is over.
        Some(self.0.bits.take()).filter(|&bits| bits != 0)
    }
    fn poll(&self) -> u64 {
        self.0.bits.take()
    }
    fn uptime(&self) -> u64 {
        (3 * 3600 + 4 * 60 + 5) * 1_000_000_000 + 6_000_000
    }
    fn nanoseconds(&self, ticks: u64) -> u64 {
        ticks * 16
    }
    fn sleep(&self, milliseconds: u64) {
        self.0.act();
        self.0.slept.set(self.0.slept.get() + milliseconds);
    }
}

/// Two cores; on the second one record was overwritten.
struct FakeRings(Rc<World>);

impl Rings for FakeRings {
    fn cores(&self) -> u64 {
        2
    }
    fn clock(&self) -> (u64, u64) {
        (1000, 5)
    }
    fn start(&mut self) -> Result<(), String> {
        self.0.recording.set(true);
        Ok(())
    }
    fn stop(&mut self) {
        self.0.recording.set(false);
    }
    fn read(&mut self, core: u64, with: &mut dyn FnMut(Found) -> core::fmt::Result) -> Result<(), Unprinted> {
        assert!(!self.0.recording.get(), "it prints what is over");
        let record = Record { sequence: 1 + core, core: core as u8, event: 12, ticks: 7, a: 101, b: 2 };
        if core == 1 {
            with(Found::Lost(1))?;
        }
        Ok(with(Found::Record(record))?)
    }
}

fn shell(world: &Rc<World>) -> Shell {
    let servers = Servers(world.clone());
    let services = Services {
        serial: serial::SerialClient(Carrier::new(Loopback::new(serial::SerialServer(servers.clone())))),
        files: file::FileClient(Carrier::new(Loopback::new(file::FileServer(servers.clone())))),
        clock: clock::ClockClient(Carrier::new(Loopback::new(clock::ClockServer(servers.clone())))),
        entropy: entropy::EntropyClient(Carrier::new(Loopback::new(entropy::EntropyServer(servers.clone())))),
        inputs: vec![input::InputClient(Carrier::new(Loopback::new(input::InputServer(servers.clone()))))],
        nets: vec![net::NetClient(Carrier::new(Loopback::new(net::NetServer(servers.clone()))))],
        log: log::LogClient(Carrier::new(Loopback::new(log::LogServer(servers.clone())))),
        supervisor: supervisor::SupervisorClient(Carrier::new(Loopback::new(supervisor::SupervisorServer(
            servers.clone(),
        )))),
        devices: devices::DevicesClient(Carrier::new(Loopback::new(devices::DevicesServer(servers.clone())))),
        displays: vec![
            DisplayClient(Carrier::new(Loopback::new(display::DisplayServer(servers)))),
            DisplayClient(Carrier::new(Closed)),
        ],
        notification: NOTIFICATION,
        buffer: world.buffer.clone(),
        rings: Some(Box::new(FakeRings(world.clone()))),
    };
    Shell::new(services, Box::new(Fake(world.clone())))
}

/// What a line typed at the prompt prints, without the line itself and the prompts.
fn run(line: &str) -> String {
    let world = world();
    run_in(&world, line)
}

fn run_in(world: &Rc<World>, line: &str) -> String {
    let mut shell = shell(world);
    shell.start().unwrap();
    world.screen();
    world.type_in(&format!("{line}\r"));
    shell.run_until_quiet();
    let screen = world.screen();
    assert!(world.open.borrow().iter().all(Option::is_none), "everything is closed");
    let after = screen.strip_prefix(&format!("{line}\n")).unwrap_or_else(|| panic!("{screen:?}"));
    after.strip_suffix("/> ").unwrap_or(after).to_owned()
}

impl Shell {
    fn run_until_quiet(&mut self) {
        while self.console.wait().is_ok() {
            self.step().unwrap();
        }
    }
}

#[test]
fn it_starts_with_a_prompt_and_says_so_once() {
    let world = world();
    shell(&world).run();
    assert_eq!(world.screen(), "Tutti 0.1.0. `help` lists the commands.\n/> ");
    assert_eq!((world.milestones.get(), world.file_attaches.get()), (1, 1));
}

#[test]
fn without_a_volume_it_says_so_in_one_line() {
    let mut world = world();
    Rc::get_mut(&mut world).unwrap().files.clear();
    shell(&world).run();
    assert_eq!(world.screen(), "Tutti 0.1.0. `help` lists the commands.\n/: no such file or directory\n/> ");
}

#[test]
fn directories_are_listed_and_walked() {
    let root =
        "              Bücher/\n           0  leer\n       22000  lines\n      200000  long\n           7  no end\n";
    assert_eq!(run("ls"), root);
    assert_eq!(run("ls /"), root);
    assert_eq!(run("ls leer"), "           0  leer\n");
    let world = world();
    let mut shell = shell(&world);
    shell.start().unwrap();
    world.screen();
    world.type_in("cd Bücher\rls\rcd ..\r");
    shell.run_until_quiet();
    let screen = world.screen();
    assert_eq!(screen, "cd Bücher\n/Bücher> ls\n          13  Über mich.txt\n/Bücher> cd ..\n/> ");
}

#[test]
fn files_are_shown() {
    assert_eq!(run("cat \"Bücher/Über mich.txt\""), "Grüße\nzwei\n");
    assert_eq!(run("cat Bücher/Über\\ mich.txt leer"), "Grüße\nzwei\n");
    assert_eq!(run("cat leer"), "");
    assert_eq!(run("cat \"no end\""), "abc\u{fffd}[2J\n");
    let dump = "00000000  61 62 63 1b 5b 32 4a                              |abc.[2J|\n00000007\n";
    assert_eq!(run("hexdump \"no end\""), dump);
    assert_eq!(run("hexdump leer"), "00000000\n");
    assert_eq!(run("hexdump long").lines().count(), 12_501);
}

#[test]
fn fingerprints_are_those_of_sha256sum() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(run("sha256 leer"), format!("{empty}  leer\n"));
    let long = world().files["/long"].clone().unwrap();
    let want: String = {
        use sha2::Digest;
        sha2::Sha256::digest(&long).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(run("sha256 /long"), format!("{want}  /long\n"));
}

#[test]
fn errors_take_one_line() {
    assert_eq!(run("frob x"), "frob: unknown command; `help` lists them\n");
    assert_eq!(run("cat /x"), "cat: /x: no such file or directory\n");
    assert_eq!(run("cat /"), "cat: /: is a directory\n");
    assert_eq!(run("sha256 Bücher"), "sha256: Bücher: is a directory\n");
    assert_eq!(run("cd leer"), "cd: leer: is not a directory\n");
    assert_eq!(run("cat"), "cat: give it FILE…\n");
    assert_eq!(run("pwd x"), "pwd: takes no arguments\n");
    assert_eq!(run("cat \"x"), "a \" is not closed\n");
    assert_eq!(run("trace frob x").lines().last(), Some("trace: frob: unknown command; `help` lists them"));
    assert_eq!(run("kill nobody"), "kill: nobody: no such component; `ps` lists them\n");
    let denied = "not permitted: the board does not grant it to this component\n";
    assert_eq!(run("poweroff"), format!("poweroff: {denied}"));
    assert_eq!(run("reboot"), format!("reboot: {denied}"));
    assert_eq!(run(""), "");
}

#[test]
fn the_system_is_shown() {
    assert_eq!(run("uptime"), "03:04:05.006 since reset\n");
    let ps = run("ps");
    assert_eq!(ps.lines().nth(2), Some("  1  pl011              running        1      64K       5K      19.753"));
    assert_eq!(run("caps pl011"), "irq:0  Irq, line 33\n");
    assert_eq!(run("caps 1"), "irq:0  Irq, line 33\n");
    let world = world();
    world.say(Level::Info, 1, "hello\x1b[1m");
    assert_eq!(run_in(&world, "log"), "[    1.500000] info  pl011: hello\u{fffd}[1m\n");
    assert_eq!(run_in(&world, "kill pl011"), "");
    assert_eq!(*world.killed.borrow(), [1]);
    assert!(run("help").contains("\nhexdump FILE         shows a file as numbers\n"));
}

#[test]
fn the_time_of_day_is_told_and_set() {
    assert_eq!(run("date"), "2026-03-29T01:02:03Z Sunday\n");
    let world = world();
    assert_eq!(run_in(&world, "date 2038-01-19T03:14:08Z"), "2038-01-19T03:14:08Z Tuesday\n");
    assert_eq!(world.time.get(), 1 << 31);
    assert_eq!(run("date 2106-02-07T06:28:16Z"), "date: the clock cannot count so far\n");
    assert_eq!(run("date yesterday"), "date: yesterday: no time; one is 2026-03-29T01:02:03Z\n");
    assert_eq!(run("date 1969-07-20T20:17:40Z"), "date: 1969-07-20T20:17:40Z: the clock begins with 1970\n");
}

#[test]
fn an_alarm_is_waited_for() {
    assert_eq!(run("alarm 60"), "2026-03-29T01:03:03Z Sunday\n");
    assert_eq!(run("alarm soon"), "alarm: soon: give it a number of seconds\n");
    let world = world();
    world.silent.set(true);
    let mut shell = shell(&world);
    shell.start().unwrap();
    world.screen();
    world.type_in("alarm 60\r");
    shell.console.wait().unwrap();
    world.type_in("\x03");
    shell.step().unwrap();
    assert_eq!((world.screen().as_str(), world.cancelled.get()), ("alarm 60\n^C\n/> ", 1));
}

#[test]
fn random_bytes_are_printed_as_they_come() {
    let digits = |range: std::ops::Range<u8>| range.map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(run("random"), digits(0..32) + "\n");
    assert_eq!(run("random 33"), format!("{}\n20\n", digits(0..32)));
    assert_eq!(run("random 250").lines().last(), Some(digits(224..250).as_str()));
    for wrong in ["0", "-1", "many", "1048577"] {
        assert_eq!(run(&format!("random {wrong}")), "random: give it a number of bytes, at most 1048576\n");
    }
}

#[test]
fn events_are_shown_as_they_come() {
    let at = |time, kind, code, value| input::Event { time, ..input::Event::new(kind, code, value) };
    let press = vec![at(1_500_000_000, 1, 30, 1), at(1_500_000_000, 0, 0, 0)];
    let touch = vec![at(2_000_001_000, 3, 0, 32767), at(2_000_001_000, 1, 0x110, 1), at(2_000_001_000, 0, 0, 0)];
    let lines = "a \u{fffd}pad\n[    1.500000] a \u{fffd}pad: EV_KEY KEY_A 1\n[    2.000001] a \u{fffd}pad: EV_ABS ABS_X 32767\n\
                 [    2.000001] a \u{fffd}pad: EV_KEY BTN_LEFT 1\n";
    let world = world();
    world.done.borrow_mut().extend([press.clone(), touch.clone()]);
    assert_eq!((run_in(&world, "input 2").as_str(), world.slept.get()), (lines, 2000));
    // Without a time it goes on until Ctrl-C, and afterwards nobody looks at what still comes.
    let world = self::world();
    world.done.borrow_mut().extend([press.clone(), touch, Vec::new()]);
    assert_eq!(run_in(&world, "input"), format!("{lines}^C\n"));
    let mut shell = shell(&world);
    shell.start().unwrap();
    world.screen();
    world.done.borrow_mut().push_back(press);
    shell.run_until_quiet();
    assert_eq!((world.screen().as_str(), world.done.borrow().len()), ("", 0));
    assert_eq!(run("input long"), "input: long: give it a number of seconds, at most 65535\n");
}

#[test]
fn the_network_is_shown() {
    let shown = "net.0  52:54:00:12:34:56  link up  MTU 1500\n\
                 sent                 1 frames             42 bytes\n\
                 received             3 frames            192 bytes\n\
                 dropped              2 frames\n\
                 errors               0 frames\n";
    assert_eq!(run("net"), shown);
    let world = world();
    let (mut shell, found) = (shell(&world), "10.0.2.2 is at 52:55:0a:00:02:02\n");
    shell.start().unwrap();
    world.screen();
    for line in ["net arp", "net arp 10.0.2.2", "net arp 10.0.2.2 10.0.2.77"] {
        world.type_in(&format!("{line}\r"));
        shell.run_until_quiet();
        assert_eq!(world.screen(), format!("{line}\n{found}/> "));
        assert!(world.frames.borrow().is_none(), "the session is over");
    }
    assert_eq!(run_in(&world, "net arp 10.0.2.3"), "net: 10.0.2.3 does not answer\n");
    assert_eq!(world.slept.get(), 1000);
    assert_eq!(run("net arp 10.0.2.2x"), "net: 10.0.2.2x: not an address like 10.0.2.2\n");
    let wanted = "net: `net` shows the interface, `net arp [ADDRESS [OWN]]` asks who has an address\n";
    assert_eq!(run("net frob"), wanted);
}

#[test]
fn a_recording_is_printed_behind_what_was_recorded() {
    let text = run("trace pwd");
    let head = "/\n@trace 1 2 1000 5\n@thread 100 init\n@thread 101 pl011\n@thread 102 shell\n@records 0 ";
    assert!(text.starts_with(head), "{text}");
    assert!(text.contains("\n@lost 1 1\n@records 1 ") && text.ends_with("\n2 events, 1 lost\n"), "{text}");
    let mut sum = ipc::trace::Sum::default();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with('@')).collect();
    lines[..lines.len() - 1].iter().for_each(|line| sum.add(line));
    assert_eq!(lines[lines.len() - 1], format!("@end 2 1 {:016x}", sum.0));

    let world = world();
    assert!(run_in(&world, "trace 250").contains("@end 2 1"));
    assert_eq!(world.slept.get(), 250);
    // A command that fails was recorded all the same, and no recording has another in it.
    assert!(run("trace cat /x").ends_with("2 events, 1 lost\ntrace: cat: /x: no such file or directory\n"));
    assert!(run("trace trace ls").ends_with("trace: trace: the board does not grant it, or it records already\n"));
}

#[test]
fn warnings_appear_above_the_prompt() {
    let world = world();
    world.say(Level::Warn, 1, "before the shell");
    let mut shell = shell(&world);
    shell.start().unwrap();
    assert!(world.screen().ends_with("[    1.500000] warn  pl011: before the shell\n/> "));
    world.type_in("ls");
    shell.run_until_quiet();
    world.screen();
    world.say(Level::Info, 1, "not this");
    world.say(Level::Error, 7, "but this");
    shell.run_until_quiet();
    assert_eq!(world.screen(), "\r\x1b[K[    1.500000] error component 7: but this\n\r/> ls\x1b[K");
}

#[test]
fn lines_are_edited_and_remembered() {
    let world = world();
    let mut shell = shell(&world);
    shell.start().unwrap();
    world.screen();
    world.type_in("wd\x01p\r");
    shell.run_until_quiet();
    let screen = world.screen();
    assert!(screen.ends_with("pwd\x1b[K\n/\n/> "), "{screen:?}");
    world.type_in("\x1b[A\r");
    shell.run_until_quiet();
    assert_eq!(world.screen(), "\r/> pwd\x1b[K\n/\n/> ");
    world.type_in("abc\x03");
    shell.run_until_quiet();
    // What was typed before Ctrl-C in one go is dropped unseen.
    assert_eq!(world.screen(), "^C\n/> ");
    world.type_in("\x0c");
    shell.run_until_quiet();
    assert_eq!(world.screen(), "\x1b[H\x1b[2J\r/> \x1b[K");
}

#[test]
fn output_waits_for_room() {
    let world = world();
    world.room.set(Some(100));
    let text = run_in(&world, "cat lines");
    assert_eq!(text, "0123456789\n".repeat(2000));
}

#[test]
fn control_c_stops_a_command() {
    let world = world();
    let mut shell = shell(&world);
    shell.start().unwrap();
    world.screen();
    world.room.set(Some(5000));
    world.type_in("hexdump long\rpwd\r");
    // The first wait delivers the line; Ctrl-C comes while the command waits for room.
    shell.console.wait().unwrap();
    world.type_in("\x03ls leer\r");
    shell.step().unwrap();
    world.room.set(None);
    shell.run_until_quiet();
    let screen = world.screen();
    assert!(screen.len() < 9000, "{}", screen.len());
    assert!(screen.ends_with("^C\n/> ls leer\n           0  leer\n/> "), "{:?}", &screen[screen.len() - 200..]);
    assert!(world.open.borrow().iter().all(Option::is_none));
}

#[test]
fn a_restarted_driver_is_attached_again() {
    let world = world();
    let mut shell = shell(&world);
    shell.start().unwrap();
    world.screen();
    world.restarted.set(true);
    world.type_in("pwd\r");
    shell.run_until_quiet();
    assert_eq!(world.screen(), "pwd\n/\n/> ");
    assert_eq!(world.attached.get(), 2);
    world.bits.set(SERVER_ENDED);
    shell.run_until_quiet();
    assert_eq!(world.screen(), "\r/> \x1b[K");
    assert_eq!(world.attached.get(), 3);
}

#[test]
fn a_restarted_file_service_is_attached_again() {
    let world = world();
    let mut shell = shell(&world);
    shell.start().unwrap();
    world.screen();
    world.file_attached.set(false);
    world.type_in("ls leer\r");
    shell.run_until_quiet();
    assert_eq!(world.screen(), "ls leer\n           0  leer\n/> ");
}

#[test]
fn a_console_that_is_gone_ends_the_shell() {
    let world = world();
    let mut services = shell(&world);
    services.run();
    let gone = |_: &Message| -> Result<Message, CallError> {
        Err(CallError { error: SyscallError::new(ErrorCode::PeerGone, 0), reason: 0 })
    };
    struct Dead<F>(F);
    impl<F: Fn(&Message) -> Result<Message, CallError>> ipc::Call for Dead<F> {
        fn call(&self, message: &Message) -> Result<Message, CallError> {
            (self.0)(message)
        }
    }
    let mut console = crate::console::Console::new(
        serial::SerialClient(Carrier::new(Dead(gone))),
        Cap::from_slot(9),
        Box::new(Fake(world)),
    );
    assert_eq!(console.attach(), Err(crate::console::Stop::Gone));
    assert_eq!(console.print(format_args!("x")).and_then(|()| console.flush()), Err(crate::console::Stop::Gone));
}

#[test]
fn random_keys_do_no_harm() {
    let world = world();
    let mut shell = shell(&world);
    shell.start().unwrap();
    let mut seed = 7u32;
    for _ in 0..3000 {
        let mut bytes = Vec::new();
        for _ in 0..20 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let any = (seed >> 24) as u8;
            bytes.push(match (seed >> 20) & 7 {
                0..3 => b" lscatd/.\"\\"[any as usize % 11],
                3 => b"\x1b[ABCDHF\r"[any as usize % 9],
                _ => any,
            });
        }
        world.typed.borrow_mut().extend(bytes);
        world.bits.set(SERIAL_BIT);
        shell.run_until_quiet();
        world.screen.take();
    }
}

#[test]
fn devices_and_what_they_have() {
    let all = [
        "NODE                                 DRIVER             STATE",
        "/uart@1000                           pl011              running",
        "/uart@2000                           uart               waiting for &gcc (qcom,gcc: no driver)",
        "/gpu@3000                            -                  no driver",
    ];
    assert_eq!(run("devices"), all.map(|line| format!("{line}\n")).concat());
    let one = format!("{}\n    compatible arm,pl011\n    registers 0x1000..0x2000\n", all[1]);
    assert_eq!(run("devices /uart@1000"), one);
    assert_eq!(run("devices /gpu"), "devices: /gpu: no such node; `devices` lists them\n");
}

/// The colour of a pixel of the screen.
fn pixel(world: &World, column: usize, row: usize) -> u32 {
    world.pixels.load_u32(row * MODE.stride as usize + 4 * column).unwrap() & 0xff_ffff
}

#[test]
fn a_pattern_is_shown_until_a_key_is_typed() {
    let world = world();
    world.slow.set(true);
    let mut shell = shell(&world);
    shell.start().unwrap();
    world.screen();
    world.type_in("fb-test\rx");
    shell.run_until_quiet();
    assert_eq!(world.screen(), "fb-test\n100 × 80, Xrgb8888: a key ends it\n/> ");
    assert!(!world.shown.get() && !world.slow.get());
    assert_eq!(*world.damage.borrow(), [MODE.area()]);
    let bars = [0xff_ffff, 0xff_ff00, 0x00_ffff, 0x00_ff00, 0xff_00ff, 0xff_0000, 0x00_00ff, 0];
    assert_eq!([1, 13, 26, 40, 55, 70, 80, 98].map(|column| pixel(&world, column, 39)), bars);
    assert_eq!(
        [(0, 0), (99, 0), (0, 79), (99, 79)].map(|(x, y)| pixel(&world, x, y)),
        [0xff_0000, 0xff00, 0xff, 0xff_00ff]
    );
    assert_eq!((pixel(&world, 0, 41), pixel(&world, 99, 59)), (0x00_ff29, 0xfc_033b));
    assert_eq!((pixel(&world, 16, 70), pixel(&world, 17, 70), pixel(&world, 17, 76)), (0xff_ffff, 0, 0xff_ffff));
    assert_eq!(world.pixels.load_u32(400), Ok(0), "between the rows");
}

#[test]
fn what_cannot_be_shown_is_one_line() {
    for (line, says) in [
        ("fb-test 1", "fb-test: there is no device for it\n"),
        ("fb-test 2", "fb-test: there is no display 2\n"),
        ("fb-test 0 1", "fb-test: the display has no such mode\n"),
        ("fb-test x", "fb-test: the display is a number, from 0 on\n"),
    ] {
        assert_eq!(run(line), says);
    }
}
