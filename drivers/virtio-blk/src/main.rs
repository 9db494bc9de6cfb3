//! The process of a virtio block device: serves `block`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use core::error::Error;

use ipc::CapWindow;
use ipc::block::{self, Request, Status};
use kit::dma::{Coherence, Memory, Space};
use kit::irq::Interrupt;
use kit::mmio::Mmio;
use kit::server::{Server, Waker, serve};
use kit::virtio::{self, Transport};
use rt::{Badge, Env, Frame, Message, Notification};
use virtio_blk::{Direction, Disk, Service};

rt::entry!(run);

/// Bit of the own Notification for the device's interrupt.
const INTERRUPT: u64 = 1;

fn run(env: &'static Env) {
    if let Err(error) = drive(env) {
        log::error!("{error}");
    }
}

fn drive(env: &'static Env) -> Result<(), Box<dyn Error>> {
    let endpoint = env.cap("provide:block").map_err(kit::Error::from)?;
    let space = Space::open(env, Coherence::Coherent)?;
    let window = CapWindow::open(2).map_err(kit::Error::from)?;
    let transport = virtio::open(&Mmio::open(env, 0)?, space)?;
    let service = Service::new(Disk::new(transport, space)?);
    let info = service.info();
    log::info!("{} sectors{}", info.sectors, if info.read_only { ", read-only" } else { "" });
    let mut driver = Driver { service, space, interrupt: Interrupt::open(env, 0, INTERRUPT)? };
    log::error!("provide:block: {}", serve(endpoint, &window, &mut driver));
    Ok(())
}

struct Driver<T> {
    service: Service<T>,
    space: Space,
    interrupt: Interrupt,
}

impl<T: Transport> Server for Driver<T> {
    fn call(&mut self, badge: Badge, message: &Message, window: &CapWindow) -> Message {
        let done = match Request::decode(message) {
            Ok(Request::Info) => return self.service.info().encode(),
            Ok(Request::Attach { pages, bits }) => self.attach(badge, message, window, pages, bits),
            Ok(Request::Read(transfer)) => self.service.transfer(badge, Direction::Read, transfer),
            Ok(Request::Write(transfer)) => self.service.transfer(badge, Direction::Write, transfer),
            Err(status) => Err(status),
        };
        done.map_or_else(Status::answer, |()| block::accepted())
    }

    fn notified(&mut self, bits: u64) {
        if self.interrupt.fired(bits) {
            self.service.interrupt();
            if let Err(error) = self.interrupt.acknowledge() {
                log::error!("{error}");
            }
        }
    }
}

impl<T: Transport> Driver<T> {
    fn attach(
        &mut self,
        badge: Badge,
        message: &Message,
        window: &CapWindow,
        pages: u32,
        bits: u64,
    ) -> Result<(), Status> {
        let frame = window.take::<Frame>(message, 0).map_err(|_| Status::BadCapability)?;
        // From here on the capabilities go when what holds them goes.
        let memory = Memory::attach(self.space, frame, pages.into()).map_err(|error| {
            log::warn!("client {}: {error}", badge.component());
            Status::BadCapability
        })?;
        let notification = window.take::<Notification>(message, 1).map_err(|_| Status::BadCapability)?;
        self.service.attach(badge, memory, Waker::new(notification, bits))
    }
}
