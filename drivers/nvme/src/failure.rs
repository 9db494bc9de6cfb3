//! Why a controller is not driven, or not any more.

use core::fmt;

/// Why a controller is not driven, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What the driver needs could not be had.
    Kit(kit::Error),
    /// Its registers read as ones.
    Gone,
    /// It does not know the NVM command set.
    CommandSet,
    /// Its pages are larger than 4 KiB: the value of CAP.MPSMIN.
    PageSize(u32),
    /// Its queues have fewer than two entries.
    Entries,
    /// It was switched off and did not come to rest.
    NotStopped,
    /// It was switched on and did not become ready.
    NotReady,
    /// It says that it cannot go on (CSTS.CFS).
    Fatal,
    /// It does not answer a command: which.
    Unanswered(&'static str),
    /// It refuses a command: which, and the status field.
    Refused(&'static str, u16),
    /// It has no namespace 1, or that is empty.
    NoNamespace,
    /// The namespace has bytes of metadata beside each block: how many.
    Metadata(u16),
    /// Blocks of another size than 512 to 4096 bytes: the value of LBADS.
    BlockSize(u8),
    /// It completes what it was not asked for.
    Lie,
    /// After a reset it is something else than before.
    Changed,
    /// It was reset again and again, and completed nothing in between.
    Silent,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kit(error) => error.fmt(f),
            Self::Gone => {
                f.write_str("the controller's registers read as ones: it was removed, or does not decode memory")
            }
            Self::CommandSet => f.write_str("the controller does not know the NVM command set (CAP.CSS)"),
            Self::PageSize(power) => {
                write!(f, "the controller wants pages of 4 KiB << {power} (CAP.MPSMIN), and has pages of 4 KiB here")
            }
            Self::Entries => f.write_str("the controller's queues have a single entry (CAP.MQES)"),
            Self::NotStopped => f.write_str("the controller does not come to rest (CSTS.RDY stays 1)"),
            Self::NotReady => f.write_str("the controller does not become ready (CSTS.RDY stays 0)"),
            Self::Fatal => f.write_str("the controller says that it cannot go on (CSTS.CFS)"),
            Self::Unanswered(command) => write!(f, "the controller does not answer {command}"),
            Self::Refused(command, status) => write!(f, "the controller refuses {command} with status {status:#x}"),
            Self::NoNamespace => f.write_str("the controller has no namespace 1, or it is empty"),
            Self::Metadata(bytes) => {
                write!(f, "namespace 1 has {bytes} bytes of metadata for each block: format it without (nvme format)")
            }
            Self::BlockSize(power) => {
                write!(f, "namespace 1 has blocks of 2^{power} bytes: format it with 512 to 4096 (nvme format)")
            }
            Self::Lie => f.write_str("the controller claims to have done what was never asked"),
            Self::Changed => f.write_str("the controller is something else since it was reset"),
            Self::Silent => f.write_str("the controller was reset again and again and completes nothing"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<kit::Error> for Failure {
    fn from(error: kit::Error) -> Self {
        Self::Kit(error)
    }
}
