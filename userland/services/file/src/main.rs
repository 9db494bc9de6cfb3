//! The file service's process: the block driver below, clients above.
#![cfg_attr(target_os = "none", no_std, no_main)]

use file::{BlockDevice, Failure, Service};
use ipc::file::{MAX_PAGES, Request, Status};
use ipc::{CapWindow, discard, signal_only};
use rt::{Cap, Endpoint, Env, Frame, NOTIFICATION, REPLY, Received, SharedBuffer};

rt::entry!(run);

/// Where clients' buffers are mapped, each in a range of its own.
const BUFFERS: u64 = 0x3000_0000;

fn run(env: &'static Env) {
    if let Err(error) = serve(env) {
        log::error!("cannot serve files: {error}");
    }
}

fn serve(env: &'static Env) -> Result<(), Failure> {
    let clients = env.cap::<Endpoint>("provide:file")?;
    let driver = env.cap::<Endpoint>("use:block")?;
    let mut service = Service::new(BlockDevice::new(driver, signal_only(NOTIFICATION)?, NOTIFICATION)?);
    let window = CapWindow::open(1)?;
    let mut received = clients.receive(REPLY)?;
    loop {
        received = match received {
            Received::Notified(bits) => {
                service.device().notified(bits);
                clients.receive(REPLY)?
            }
            Received::Call { badge, message, dropped } => {
                let request = Request::decode(&message);
                let attaches = matches!(request, Ok(Request::Attach { .. }));
                let mut frame = attaches.then(|| window.take(&message, 0).ok()).flatten();
                window.clear(&message, dropped);
                let answer = service.answer(badge, request, |place, pages| map(&mut frame, place, pages));
                if let Some(frame) = frame {
                    discard(frame);
                }
                clients.reply_receive(REPLY, &answer).or_else(|_| clients.receive(REPLY))?
            }
        };
    }
}

/// Maps a client's Frame; it is taken only if that works.
fn map(frame: &mut Option<Cap<Frame>>, place: usize, pages: u32) -> Result<SharedBuffer, Status> {
    let address = BUFFERS + place as u64 * u64::from(MAX_PAGES) * 4096;
    let given = frame.ok_or(Status::BadCapability)?;
    let buffer = SharedBuffer::map_at(given, address, pages.into()).map_err(|_| Status::BadCapability)?;
    *frame = None;
    Ok(buffer)
}
