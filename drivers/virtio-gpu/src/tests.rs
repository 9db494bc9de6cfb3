//! The driver and its class on a fake device.

use ipc::display::{DisplayClient, DisplayServer, Status};
use ipc::surface::{Screen, Surface};
use ipc::{Error, Loopback, Shared, SignalOn, fake::signalled};
use kit::class::display::Service;
use kit::dma::fake::{device_read, space};
use kit::virtio::fake::{Device, FakeTransport};
use rt::{Cap, Notification};

use super::*;

const VERSION_1: u64 = 1 << 32;
const BELL: Cap<Notification> = Cap::from_slot(70);
const PART: Area = Area { left: 10, top: 20, width: 30, height: 40 };

type Server = Shared<Service<VirtioGpu<FakeTransport>>>;

/// A device that does what it is asked, and remembers: it has a picture for each resource.
#[derive(Default)]
struct Gpu {
    outputs: Vec<(u32, u32, bool)>,
    resources: Vec<Resource>,
    /// Resource and size of what is shown.
    scanout: Option<(u32, u32, u32)>,
    log: Vec<u32>,
}

#[derive(Clone)]
struct Resource {
    number: u32,
    width: u32,
    height: u32,
    memory: (u64, u32),
    pixels: Vec<u32>,
}

impl Gpu {
    fn with(width: u32, height: u32) -> Self {
        Self { outputs: vec![(width, height, true)], ..Self::default() }
    }

    fn resource(&mut self, number: u32) -> &mut Resource {
        self.resources.iter_mut().find(|resource| resource.number == number).expect("a resource")
    }

    /// Carries a command out as QEMU does, and is stricter about what it is told.
    fn serve(&mut self, input: &[u8], output: &mut [u8]) -> u32 {
        let words: Vec<u32> = input.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("words"))).collect();
        let ([kind, flags, low, high, context, ring], body) = words.split_first_chunk().expect("a header");
        assert_eq!((*flags, *context, *ring), (1, 0, 0));
        self.log.push(*kind);
        let mut answer = vec![0x1100, 1, *low, *high, 0, 0];
        match (*kind, body) {
            (0x100, []) => {
                answer[0] = 0x1101;
                for place in 0..16 {
                    let (width, height, enabled) = self.outputs.get(place).copied().unwrap_or_default();
                    answer.extend([0, 0, width, height, enabled.into(), 0]);
                }
            }
            (0x101, &[number, 2, width, height]) => {
                assert!(number != 0 && self.resources.iter().all(|resource| resource.number != number));
                let pixels = vec![0xdead_beef; (width * height) as usize];
                self.resources.push(Resource { number, width, height, memory: (0, 0), pixels });
            }
            (0x102, &[number, 0]) => {
                assert!(self.scanout.is_some_and(|(shown, ..)| shown != number), "it is shown");
                self.resources.retain(|resource| resource.number != number);
            }
            (0x103, &[0, 0, width, height, scanout, number]) => {
                assert!(self.outputs.get(scanout as usize).is_none_or(|output| output.2));
                let resource = self.resource(number);
                assert!(width <= resource.width && height <= resource.height);
                self.scanout = Some((number, width, height));
            }
            (0x104, &[left, top, width, height, number, 0]) => {
                let resource = self.resource(number);
                assert!(left + width <= resource.width && top + height <= resource.height);
            }
            (0x105, &[left, top, width, height, offset, 0, number, 0]) => {
                let resource = self.resource(number);
                assert!(left + width <= resource.width && top + height <= resource.height);
                for row in 0..height {
                    let from = offset + row * resource.width * 4;
                    assert!(from + 4 * width <= resource.memory.1);
                    let mut bytes = vec![0; 4 * width as usize];
                    device_read(resource.memory.0 + u64::from(from), &mut bytes);
                    let to = ((top + row) * resource.width + left) as usize;
                    for (pixel, bytes) in resource.pixels[to..].iter_mut().zip(bytes.chunks(4)) {
                        *pixel = u32::from_le_bytes(bytes.try_into().expect("four"));
                    }
                }
            }
            (0x106, &[number, 1, low, high, bytes, 0]) => {
                self.resource(number).memory = (u64::from(high) << 32 | u64::from(low), bytes);
            }
            other => panic!("{other:x?}"),
        }
        let bytes: Vec<u8> = answer.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(bytes.len(), output.len());
        output.copy_from_slice(&bytes);
        bytes.len() as u32
    }

    /// What is shown.
    fn shown(&mut self) -> (u32, u32, Vec<u32>) {
        let (number, width, height) = self.scanout.expect("something is shown");
        (width, height, self.resource(number).pixels.clone())
    }
}

/// Does everything that the driver wants until it wants nothing more.
fn work(device: &Device, server: &Server, gpu: &mut Gpu) {
    while let Some(head) = device.take() {
        device.serve_one(head, |input, output| gpu.serve(input, output));
        server.borrow_mut().interrupt();
    }
}

fn set_up() -> (Device, Server) {
    let (device, transport) = Device::new(16, VERSION_1, &[0; 16]);
    let gpu = VirtioGpu::new(transport, space()).expect("a device");
    (device, Shared::new(Service::new(gpu).expect("a slot")))
}

fn client(server: &Server) -> DisplayClient<Loopback<DisplayServer<Server>>> {
    DisplayClient(Loopback::new(DisplayServer(server.clone())))
}

fn bell() -> SignalOn {
    SignalOn { notification: BELL, bits: 4 }
}

fn sizes(gpu: &mut Gpu) -> Vec<(u32, u32)> {
    let (device, server) = set_up();
    work(&device, &server, gpu);
    let client = client(&server);
    let modes = (0..).map_while(|index| client.mode(index).expect("a device"));
    modes.map(|mode| (mode.width, mode.height)).collect()
}

#[test]
fn modes_are_what_the_output_prefers_and_what_is_smaller() {
    let all = [(1280, 800), (1024, 768), (800, 600), (640, 480)];
    assert_eq!(sizes(&mut Gpu::with(1280, 800)), all);
    assert_eq!(sizes(&mut Gpu::with(1000, 700)), [(1000, 700), (800, 600), (640, 480)]);
    assert_eq!(sizes(&mut Gpu::with(1920, 1080)), all, "there is no memory for more");
    assert_eq!(sizes(&mut Gpu::with(u32::MAX, u32::MAX)), all);
    assert_eq!(sizes(&mut Gpu::with(100, 100)), [(100, 100)]);
    assert_eq!(sizes(&mut Gpu::default()), all, "no output is in use");
    assert_eq!(sizes(&mut Gpu::with(0, 480)), all, "it does not say what it prefers");
    let mut second = Gpu { outputs: vec![(800, 600, false), (640, 480, true)], ..Gpu::default() };
    assert_eq!(sizes(&mut second), [(640, 480)]);
}

#[test]
fn an_output_that_no_picture_fits_is_refused() {
    let (device, server) = set_up();
    work(&device, &server, &mut Gpu::with(1, u32::MAX));
    assert_eq!(client(&server).mode(0), Err(Error::Status(Status::DeviceError)));
    assert!(device.is_reset());
}

#[test]
fn pixels_reach_the_device() {
    let (device, server) = set_up();
    let mut gpu = Gpu::with(640, 480);
    work(&device, &server, &mut gpu);
    let mut screen = Screen::open(client(&server), 0, bell()).expect("free");
    work(&device, &server, &mut gpu);
    let (width, height, pixels) = gpu.shown();
    assert_eq!((width, height), (640, 480));
    assert!(pixels.iter().all(|&pixel| pixel == 0), "black");
    gpu.log.clear();
    for row in 0..480 {
        for column in 0..640 {
            let value: u32 = row << 16 | column;
            screen.write((row as usize * 640 + column as usize) * 4, &value.to_le_bytes()).expect("inside");
        }
    }
    screen.show(PART).expect("its own");
    assert_eq!((screen.is_done(), signalled(BELL)), (Ok(false), 0));
    work(&device, &server, &mut gpu);
    assert_eq!((screen.is_done(), signalled(BELL)), (Ok(true), 4));
    assert_eq!(gpu.log, [0x105, 0x104]);
    let (_, _, pixels) = gpu.shown();
    for (place, &pixel) in pixels.iter().enumerate() {
        let (row, column) = (place as u32 / 640, place as u32 % 640);
        let inside = (20..60).contains(&row) && (10..40).contains(&column);
        assert_eq!(pixel, if inside { row << 16 | column } else { 0 }, "{column}, {row}");
    }
}

#[test]
fn modes_are_switched_without_a_gap() {
    let (device, server) = set_up();
    let mut gpu = Gpu::with(1280, 800);
    work(&device, &server, &mut gpu);
    for index in [0, 3, 3, 2, 0] {
        let screen = Screen::open(client(&server), index, bell()).expect("free");
        work(&device, &server, &mut gpu);
        let mode = screen.mode();
        assert_eq!(gpu.scanout.map(|(_, width, height)| (width, height)), Some((mode.width, mode.height)));
        assert_eq!(gpu.resources.len(), 1);
        assert_eq!(gpu.resources[0].memory.1 as usize, mode.bytes().expect("pixels"));
    }
}

#[test]
fn devices_that_cannot_be_driven_are_refused() {
    let refused = |kind, offered| VirtioGpu::new(Device::new(kind, offered, &[0; 16]).1, space()).expect_err("refused");
    assert!(matches!(refused(2, VERSION_1), Failure::Kind(_)));
    assert!(matches!(refused(16, 0), Failure::Features));
}

/// What becomes of a frame when the device answers a command with what `lie` makes of the right answer.
fn lied_to(lie: impl Fn(&mut [u8], u32) -> u32) -> Result<u64, Error<Status>> {
    let (device, server) = set_up();
    let mut gpu = Gpu::with(640, 480);
    work(&device, &server, &mut gpu);
    let client = client(&server);
    client.open(0, bell()).expect("free");
    work(&device, &server, &mut gpu);
    assert_eq!(client.damage(PART), Ok(1));
    let head = device.take().expect("a command");
    device.serve_one(head, |input, output| {
        let written = gpu.serve(input, output);
        lie(output, written)
    });
    server.borrow_mut().interrupt();
    assert!(device.is_reset() || device.take().is_some());
    client.done()
}

#[test]
fn a_lying_device_is_reset() {
    let failed = Err(Error::Status(Status::DeviceError));
    assert_eq!(lied_to(|_, written| written), Ok(0), "no lie");
    assert_eq!(
        lied_to(|answer, written| {
            answer[1] = 0x12;
            written
        }),
        failed,
        "an error"
    );
    assert_eq!(
        lied_to(|answer, written| {
            answer[0] = 1;
            written
        }),
        failed,
        "an answer to something else"
    );
    assert_eq!(
        lied_to(|answer, written| {
            answer[4] = 0;
            written
        }),
        failed,
        "no fence"
    );
    assert_eq!(
        lied_to(|answer, written| {
            answer[8] ^= 1;
            written
        }),
        failed,
        "another's fence"
    );
    assert_eq!(lied_to(|_, written| written - 1), failed, "too short");
    assert_eq!(lied_to(|_, _| 0), failed, "nothing");
    assert_eq!(lied_to(|_, _| u32::MAX), Ok(0), "more than there is room for is all of it");
}

#[test]
fn answers_to_what_was_not_asked_end_it() {
    let (device, server) = set_up();
    work(&device, &server, &mut Gpu::with(640, 480));
    device.complete(7, 24);
    server.borrow_mut().interrupt();
    assert!(device.is_reset());
    assert_eq!(client(&server).mode(0), Err(Error::Status(Status::DeviceError)));
    assert!(client(&server).open(0, bell()).is_err());
    server.borrow_mut().interrupt();
}

#[test]
fn random_clients_and_a_random_device_do_no_harm() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for _ in 0..40 {
        let (device, server) = set_up();
        let mut gpu = Gpu::with(640 + 160 * random(4) as u32, 480 + 100 * random(4) as u32);
        let client = client(&server);
        for _ in 0..150 {
            let number = |random: &mut dyn FnMut(u64) -> u64| random(700) as u32;
            let area = Area {
                left: number(&mut random),
                top: number(&mut random),
                width: number(&mut random),
                height: number(&mut random),
            };
            match random(40) {
                0 => device.complete(random(20) as u32, random(500) as u32),
                1 => {
                    if let Some(head) = device.take() {
                        device.serve_one(head, |_, output| {
                            output.iter_mut().for_each(|byte| *byte = random(256) as u8);
                            random(500) as u32
                        });
                    }
                }
                2 => drop(client.open(random(6) as u32, bell())),
                3 => drop(client.close()),
                4..20 => drop(client.damage(area)),
                20..35 => {
                    if let Some(head) = device.take() {
                        device.serve_one(head, |input, output| gpu.serve(input, output));
                    }
                }
                _ => server.borrow_mut().interrupt(),
            }
        }
    }
}
