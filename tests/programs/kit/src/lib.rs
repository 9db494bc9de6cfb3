//! Components that use what the drivers' kit has of the machine itself; each says in the log how it went.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

/// A sentence, and whether it is true; `None`: there was no memory to find out.
pub type Check<'a> = (&'static str, &'a dyn Fn() -> Option<bool>);

/// Says how many checks hold, and which do not.
pub fn report(what: &str, checks: &[Check<'_>]) {
    let mut fine = 0;
    for (sentence, check) in checks {
        match check() {
            Some(true) => fine += 1,
            Some(false) => log::error!("{what} broken: {sentence}"),
            None => log::error!("{what} broken: {sentence}: no memory"),
        }
    }
    log::info!("{what}: {fine} of {} as it should be", checks.len());
}
