//! Goes on using a Reserve that was revoked.
#![cfg_attr(target_os = "none", no_std, no_main)]

use abi::layout::PAGE;
use rt::{Kind, MEMORY, Retype, TABLE};

rt::entry!(run);

fn run(_: &'static rt::Env) {
    let Ok(reserved) = rt::Reserved::new(4, 4) else { return log::error!("memory broken: nothing reserved") };
    for page in 0..4 {
        reserved.write(page * PAGE, !page);
    }
    let slot = reserved.cap().slot();
    if let Err(error) = TABLE.revoke(slot) {
        return log::error!("memory broken: revoke: {error}");
    }
    // It is an Untyped again, and whole.
    let again = rt::Cap::<rt::Untyped>::from_slot(slot);
    let Ok(other) = rt::alloc_slot() else { return log::error!("memory broken: no slot") };
    if let Err(error) = again.retype(Kind::Frame, Retype { size: 4, ..Retype::default() }, TABLE, other) {
        return log::error!("memory broken: retype: {error}");
    }
    let frame = rt::Cap::<rt::Frame>::from_slot(other);
    match rt::SharedBuffer::map(frame, 4).map(|buffer| (0..4).all(|page| buffer.load_u32(page * 4096) == Ok(0))) {
        Ok(true) => log::info!("memory: {MEMORY:?} got all of it back, zeroed"),
        other => return log::error!("memory broken: {other:?}"),
    }
    reserved.write(2 * PAGE, 1);
    log::error!("memory broken: a page of a Reserve that is none");
}
