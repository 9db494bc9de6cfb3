//! What a component's entry function returns.

/// How a component ended.
pub trait Outcome {
    /// Says so in the log, if there is something to say.
    fn report(self);
}

impl Outcome for () {
    fn report(self) {}
}

impl<T: Outcome, E: core::fmt::Display> Outcome for Result<T, E> {
    fn report(self) {
        match self {
            Ok(value) => value.report(),
            Err(error) => log::error!("{error}"),
        }
    }
}

/// What a server's loop returns with: it has ended, which is never as it should be.
impl Outcome for crate::SyscallError {
    fn report(self) {
        log::error!("{self}");
    }
}
