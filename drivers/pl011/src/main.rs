//! The process of a PL011: serves `serial`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

use ipc::CapWindow;
use ipc::serial::{self, Request, Status};
use kit::irq::Interrupt;
use kit::mmio::Mmio;
use kit::server::{Server, Waker, serve};
use pl011::{Line, Service};
use rt::{Badge, Env, Message, Notification};

rt::entry!(run);

/// Bit of the own Notification for the device's interrupt.
const INTERRUPT: u64 = 1;

fn run(env: &'static Env) {
    if let Err(error) = drive(env) {
        log::error!("{error}");
    }
}

fn drive(env: &'static Env) -> Result<(), kit::Error> {
    let endpoint = env.cap("provide:serial")?;
    let window = CapWindow::open(1)?;
    let line = Line::new(&Mmio::open(env, 0)?)?;
    let mut driver = Driver { service: Service::new(line), interrupt: Interrupt::open(env, 0, INTERRUPT)? };
    log::error!("provide:serial: {}", serve(endpoint, &window, &mut driver));
    Ok(())
}

struct Driver {
    service: Service,
    interrupt: Interrupt,
}

impl Server for Driver {
    fn call(&mut self, badge: Badge, message: &Message, window: &CapWindow) -> Message {
        match Request::decode(message) {
            Ok(Request::Attach { bits }) => {
                let notification = window.take::<Notification>(message, 0).map_err(|_| Status::BadCapability);
                let attached =
                    notification.and_then(|notification| self.service.attach(badge, Waker::new(notification, bits)));
                attached.map_or_else(Status::answer, |()| serial::attached())
            }
            Ok(request) => self.service.request(badge, &request),
            Err(status) => status.answer(),
        }
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
