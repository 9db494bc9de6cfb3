//! The file service's process: the block driver below, clients above.
#![cfg_attr(target_os = "none", no_std, no_main)]

use file::{BlockDevice, Failure, Service};
use ipc::block::BlockClient;
use ipc::file::FileServer;
use ipc::{Shared, serve, signal_only};
use rt::task::{Event, spawn};
use rt::{Env, NOTIFICATION, SyscallError};

rt::entry!(run);

fn run(env: &'static Env) -> Result<SyscallError, Failure> {
    let driver = BlockClient::from_env(env)?;
    let completed = Event::new()?;
    let device = BlockDevice::new(driver, signal_only(NOTIFICATION)?, completed.bits(), NOTIFICATION)?;
    let service = Shared::new(Service::new(device));
    spawn(watch(Event::server_ended()?, service.clone(), completed));
    Ok(serve(env, FileServer(service))?)
}

/// What waits for a driver that has ended would wait for ever.
async fn watch<D: file::BlockRead>(ended: Event, service: Shared<Service<D>>, _completed: Event) {
    loop {
        ended.wait().await;
        service.borrow_mut().device().driver_ended();
    }
}
