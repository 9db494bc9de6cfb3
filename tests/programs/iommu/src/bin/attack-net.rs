//! Has a virtio network device reach for memory: what it reads goes out as a frame, what comes in goes there.
#![cfg_attr(target_os = "none", no_std, no_main)]

use iommu_programs::arp::QUESTION;
use iommu_programs::ring::{OWN, Ring};
use iommu_programs::{Device, run};
use kit::dma::Space;
use kit::virtio::{self, AnyTransport, DeviceType, Failure, Transport};

rt::entry!(start);

/// What stands before a frame (virtio 1.2, 5.1.6), all zeros.
const HEADER: u32 = 12;
struct Card {
    transport: AnyTransport,
    receive: Ring,
    send: Ring,
}

fn start(env: &'static rt::Env) -> Result<(), Failure> {
    let space = Space::open(env)?;
    let mut transport = virtio::open(env, space)?;
    virtio::begin(&mut transport, DeviceType::Network, 0)?;
    let receive = Ring::new(&mut transport, 0, space)?;
    let send = Ring::new(&mut transport, 1, space)?;
    transport.finish_init();
    Ok(run(env, space, &mut Card { transport, receive, send })?)
}

impl Device for Card {
    fn write_to(&mut self, address: u64) -> bool {
        self.receive.offer(&mut self.transport, &[(address, 2048, true)]);
        let _ = self.send.memory().buffer().write(OWN + HEADER as usize, &QUESTION);
        let frame = (self.send.bus(OWN), HEADER + QUESTION.len() as u32, false);
        self.send.ask(&mut self.transport, &[frame]) && self.receive.is_through()
    }

    fn read_from(&mut self, address: u64) -> Option<[u8; 16]> {
        let pieces = [(self.send.bus(OWN), HEADER, false), (address, 64, false)];
        // Who it went to has it now; it does not come back.
        self.send.ask(&mut self.transport, &pieces).then_some([0; 16])
    }
}
