//! virtio GPU devices (virtio 1.2, 5.7), as displays: two dimensions, one output.
//!
//! Commands go to the device one after the other, as the specification does not promise their order. A picture is a resource whose
//! memory is the framebuffer; of what was changed the device is told to fetch it and then to show it.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod command;

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;

use command::{ANSWER, Command};
use ipc::display::{Area, Format, Mode};
use kit::class::display::{Panel, Shown};
use kit::dma::{Memory, Piece, Space};
use kit::virtio::{self, DeviceType, Queue, Transport};
use rt::SharedBuffer;

pub use kit::virtio::Failure;

/// Pages of the framebuffer: 4 MiB, for 1280 × 800 pixels and whatever takes no more.
const PAGES: u64 = 1024;
/// Sizes that every display can show that has so many pixels.
const SIZES: [(u32, u32); 4] = [(1280, 800), (1024, 768), (800, 600), (640, 480)];

/// Descriptors of the control queue; a command takes two.
const DESCRIPTORS: usize = 16;
/// Where the device writes its answers, in the page that begins with the command.
const PLACE: usize = 2048;

/// A GPU device behind a virtio transport.
#[derive(Debug)]
pub struct VirtioGpu<T> {
    transport: T,
    queue: Queue<DESCRIPTORS>,
    control: Rc<Memory>,
    framebuffer: Memory,
    modes: Vec<Mode>,
    /// The output that shows the picture.
    scanout: u32,
    /// The mode to be shown, and that of the resource that the device has.
    wanted: usize,
    shown: Option<usize>,
    /// The resource's number: 1 or 2, in turn.
    resource: u32,
    /// The first is under way.
    commands: VecDeque<Command>,
    fence: u64,
    failed: bool,
}

impl<T: Transport> VirtioGpu<T> {
    /// Resets the device, sets it up and asks it what it can show.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(mut transport: T, space: Space) -> Result<Self, Failure> {
        virtio::begin(&mut transport, DeviceType::GPU, 0)?;
        let queue = Queue::new(&mut transport, 0)?;
        let control = Rc::new(Memory::consistent(space, 1)?);
        let framebuffer = Memory::consistent(space, PAGES)?;
        transport.finish_init();
        let mut gpu = Self {
            transport,
            queue,
            control,
            framebuffer,
            modes: Vec::new(),
            scanout: 0,
            wanted: 0,
            shown: None,
            resource: 2,
            commands: VecDeque::new(),
            fence: 0,
            failed: false,
        };
        gpu.command(Command::get_display_info());
        gpu.send();
        Ok(gpu)
    }

    fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// Hands the first command to the device.
    fn send(&mut self) {
        let Some(command) = self.commands.front() else { return };
        self.fence += 1;
        let bytes = command.bytes(self.fence);
        let request = Piece::new(&self.control, 0, bytes.len());
        let answer = Piece::new(&self.control, PLACE, command.answer_bytes());
        let written = self.control.buffer().write(0, &bytes).is_ok();
        if !written || self.queue.submit([request, None], [answer, None], 0).is_err() {
            return self.fail("takes no command");
        }
        self.queue.notify(&mut self.transport);
    }

    /// The device has answered the first command; whether it was the last of those that wait.
    fn answered(&mut self, written: usize) -> bool {
        let mut answer = [0; ANSWER];
        let answer = &mut answer[..written.min(ANSWER)];
        let readable = self.control.buffer().read(PLACE, answer).is_ok();
        let command = self.commands.pop_front().filter(|command| readable && command.is_answered(answer, self.fence));
        if command.is_none() {
            self.fail("did not do what it was asked, or says so of what it was not");
            return false;
        }
        if self.modes.is_empty() {
            self.learn(answer);
        }
        self.send();
        self.commands.is_empty()
    }

    /// What the device's first enabled output prefers, if there is memory for it, and the sizes below.
    fn learn(&mut self, answer: &[u8]) {
        let (scanout, width, height) = command::enabled(answer).unwrap_or_default();
        self.scanout = scanout;
        // An output that does not say what it prefers is believed to show anything.
        let any = width == 0 || height == 0;
        let below = |size: &(u32, u32)| any || size.0 <= width && size.1 <= height && *size != (width, height);
        let sizes = core::iter::once((width, height)).chain(SIZES.into_iter().filter(below));
        let modes = sizes.map(|(width, height)| Mode::packed(width, height, Format::Xrgb8888));
        self.modes = modes.filter(|mode| mode.pages().is_some_and(|pages| pages <= PAGES)).collect();
        if self.modes.is_empty() {
            self.fail("has no output that it can show a picture on");
        }
    }

    /// Makes the picture of a mode and shows it in the place of the one before.
    fn switch(&mut self, index: usize, mode: Mode) {
        let old = self.resource;
        self.resource = 3 - old;
        // As long as a mode: it fits into the framebuffer.
        let bytes = mode.bytes().unwrap_or_default() as u32;
        self.command(Command::create(self.resource, mode.width, mode.height));
        self.command(Command::attach(self.resource, self.framebuffer.bus(), bytes));
        self.command(Command::set_scanout(self.scanout, self.resource, mode.area()));
        if self.shown.replace(index).is_some() {
            self.command(Command::unref(old));
        }
    }

    fn fail(&mut self, how: &str) {
        if !self.failed {
            log::error!("the device {how}; it was reset and is not used any more");
            self.failed = true;
            self.commands.clear();
            self.queue.abandon(&mut self.transport).for_each(drop);
        }
    }
}

impl<T: Transport> Panel for VirtioGpu<T> {
    fn modes(&self) -> &[Mode] {
        &self.modes
    }

    fn memory(&self) -> &SharedBuffer {
        self.framebuffer.buffer()
    }

    fn set(&mut self, index: usize) {
        self.wanted = index;
    }

    fn show(&mut self, area: Area) -> Shown {
        let Some(&mode) = self.modes.get(self.wanted).filter(|_| !self.failed) else { return Shown::Failed };
        if self.shown != Some(self.wanted) {
            self.switch(self.wanted, mode);
        }
        let pixel = u64::from(area.top) * u64::from(mode.stride) + 4 * u64::from(area.left);
        self.command(Command::transfer(self.resource, area, pixel));
        self.command(Command::flush(self.resource, area));
        self.send();
        if self.failed { Shown::Failed } else { Shown::UnderWay }
    }

    fn acknowledge(&mut self) {
        self.transport.ack_interrupt();
    }

    fn finished(&mut self) -> bool {
        let mut finished = false;
        while !self.failed {
            match self.queue.pop() {
                Ok(None) => break,
                Ok(Some(done)) => finished = self.answered(done.written),
                Err(virtio::Lie) => self.fail("claims to have done what was never asked"),
            }
        }
        finished
    }

    fn has_failed(&self) -> bool {
        self.failed
    }

    fn give_up(&mut self) {
        self.fail("does not answer");
    }
}

#[cfg(test)]
mod tests;
