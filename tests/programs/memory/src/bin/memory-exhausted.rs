//! Touches more pages than its Reserve has memory.
#![cfg_attr(target_os = "none", no_std, no_main)]

use abi::layout::PAGE;

rt::entry!(run);

fn run(_: &'static rt::Env) {
    let Ok(reserved) = rt::Reserved::new(4, 64) else { return log::error!("memory broken: nothing reserved") };
    for page in 0..4 {
        reserved.write(page * PAGE, page);
    }
    log::info!("memory: four of four pages are there");
    reserved.write(9 * PAGE, 9);
    log::error!("memory broken: a fifth page of four");
}
