//! A driver on the kit whose handler notes when it began.
#![cfg_attr(target_os = "none", no_std, no_main)]

use bench_programs::handler::{Handler, HandlerServer, MASK, Status};
use kit::mmio::*;
use kit::{Interrupt, Shared, on_interrupt, serve};
use rt::{Cap, Env, Frame, now_ticks};

rt::entry!(run);

struct Driver {
    frame: Cap<Frame>,
    mask: ReadWrite<u32>,
    last: (u64, u64),
}

impl Handler for Driver {
    fn registers(&mut self) -> Result<Cap<Frame>, Status> {
        Ok(self.frame)
    }

    fn last(&mut self) -> Result<(u64, u64), Status> {
        Ok(self.last)
    }
}

fn run(env: &'static Env) -> kit::Result {
    let mask = Mmio::open(env, 0)?.register(MASK)?;
    let driver = Shared::new(Driver { frame: env.cap("reg:0")?, mask, last: (0, 0) });
    let handler = driver.clone();
    on_interrupt(Interrupt::open(env, 0)?, move || {
        let now = now_ticks();
        let mut driver = handler.borrow_mut();
        driver.mask.set(0);
        driver.last = (now, driver.last.1 + 1);
    });
    Ok(serve(env, HandlerServer(driver))?)
}
