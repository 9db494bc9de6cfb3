//! Has a virtio block device reach for memory: what it reads goes to the disk, what is on the disk goes there.
#![cfg_attr(target_os = "none", no_std, no_main)]

use iommu_programs::ring::{OWN, Ring};
use iommu_programs::{Device, run};
use kit::dma::Space;
use kit::virtio::{self, AnyTransport, DeviceType, Failure, Transport};

rt::entry!(start);

/// Request types and a sector's bytes (virtio 1.2, 5.2.6).
const IN: u32 = 0;
const OUT: u32 = 1;
const SECTOR: u32 = 512;
/// Header, status and a sector in the page behind the queue.
const STATUS: usize = OWN + 16;
const DATA: usize = OWN + 512;
/// The sector in which a secret would be.
const PLACE: u64 = 8;

struct Disk {
    transport: AnyTransport,
    ring: Ring,
}

fn start(env: &'static rt::Env) -> Result<(), Failure> {
    let space = Space::open(env)?;
    let mut transport = virtio::open(env, space)?;
    virtio::begin(&mut transport, DeviceType::Block, 0)?;
    let ring = Ring::new(&mut transport, 0, space)?;
    transport.finish_init();
    Ok(run(env, space, &mut Disk { transport, ring })?)
}

impl Disk {
    fn ask(&mut self, kind: u32, sector: u64, address: u64) -> bool {
        let mut header = [0; 17];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..16].copy_from_slice(&sector.to_le_bytes());
        header[16] = 0xff;
        let _ = self.ring.memory().buffer().write(OWN, &header);
        let pieces = [(self.ring.bus(OWN), 16, false), (address, SECTOR, kind == IN), (self.ring.bus(STATUS), 1, true)];
        let ended = self.ring.ask(&mut self.transport, &pieces);
        let mut status = [0xff];
        let _ = self.ring.memory().buffer().read(STATUS, &mut status);
        ended && status == [0]
    }
}

impl Device for Disk {
    fn write_to(&mut self, address: u64) -> bool {
        self.ask(IN, 0, address)
    }

    fn read_from(&mut self, address: u64) -> Option<[u8; 16]> {
        if !self.ask(OUT, PLACE, address) || !self.ask(IN, PLACE, self.ring.bus(DATA)) {
            return None;
        }
        let mut bytes = [0; 16];
        self.ring.memory().buffer().read(DATA, &mut bytes).ok().map(|()| bytes)
    }
}
