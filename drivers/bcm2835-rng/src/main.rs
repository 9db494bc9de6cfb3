//! The process: serves `noise` with a `brcm,bcm2835-rng`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use bcm2835_rng::Bcm2835Rng;
use ipc::noise::NoiseServer;
use kit::Shared;
use kit::mmio::Mmio;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    let device = Shared::new(Bcm2835Rng::new(&Mmio::open(env, 0)?)?);
    bcm2835_rng::start(&device);
    log::info!("a random number generator, which warms up");
    Ok(kit::serve(env, NoiseServer(device))?)
}
