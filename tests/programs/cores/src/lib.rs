//! Components that say which core they are on: the board puts each on another.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use rt::{Cap, Debug, Env};

/// Says it.
///
/// # Errors
/// It has no `debug`, or the kernel does not say.
pub fn say(env: &'static Env) -> Result<(), &'static str> {
    let debug: Cap<Debug> = env.cap("control:debug").map_err(|_| "no debug")?;
    let core = debug.core_of(rt::THREAD).map_err(|_| "the kernel does not say which core this is")?;
    log::info!("cores: this is core {core:#x}");
    Ok(())
}
