//! Kernel errors: one flat list, never renumbered, each with a detail.

/// Detail bit of [`ErrorCode::PeerGone`], [`ErrorCode::Closed`], [`ErrorCode::Cancelled`] and [`ErrorCode::Revoked`]:
/// the call had been taken, so the server may have acted on it.
pub const MAY_HAVE_ACTED: u8 = 1;

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why the kernel refused. The number travels in the status field of x8.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum ErrorCode { $($(#[$doc])* $name = $number,)* }

        impl ErrorCode {
            /// The error with this number; `None` for 0 (no error) and for numbers that do not exist.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
            /// A sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
            /// All of them, in order of their numbers.
            pub const ALL: &'static [ErrorCode] = &[$(Self::$name),*];
        }
    };
}

errors! {
    /// The operation number does not exist. Detail: the number.
    InvalidOperation = 1, "no such operation";
    /// A slot number lies outside the table. Detail: which argument.
    SlotOutOfRange = 2, "slot number outside the table";
    /// The slot holds nothing. Detail: which argument.
    EmptySlot = 3, "empty slot";
    /// The slot holds another kind of capability. Detail: which argument.
    WrongKind = 4, "capability of the wrong kind";
    /// The capability lacks the right. Detail: which argument.
    MissingRight = 5, "capability lacks the right";
    /// An argument has no meaning. Detail: which argument.
    InvalidArgument = 6, "invalid argument";
    /// The destination slot is not empty. Detail: which argument.
    SlotOccupied = 7, "destination slot is occupied";
    /// The Untyped has too little memory left.
    OutOfMemory = 8, "too little untyped memory left";
    /// An address or offset is not a multiple of what it must be. Detail: which argument.
    Misaligned = 9, "misaligned";
    /// The range is in use already.
    Overlap = 10, "range is already in use";
    /// The Frame is not mapped.
    NotMapped = 11, "not mapped";
    /// The Frame capability has its one mapping already.
    AlreadyMapped = 12, "this capability is already mapped";
    /// A mapping may be writable or executable, not both.
    WriteExecute = 13, "a mapping may not be writable and executable";
    /// The message claims more words than it may have.
    TooManyWords = 14, "too many message words";
    /// The message claims more capabilities than it may have.
    TooManyCaps = 15, "too many capabilities in the message";
    /// The message needs a message page and the thread has none.
    NoMessagePage = 16, "no message page";
    /// The address space has no page left for its tables.
    NoPool = 17, "the address space has no page left for tables";
    /// The object is in use and cannot serve this now.
    Busy = 18, "busy";
    /// The object must have no children for this.
    HasChildren = 19, "the capability has children";
    /// The object is not in the state this needs. Detail: which argument.
    InvalidState = 20, "not possible in this state";
    /// The server died or dropped the reply.
    PeerGone = 21, "the peer is gone";
    /// The endpoint is closed. The label carries the reason given to close.
    Closed = 22, "the endpoint is closed";
    /// The operation was cancelled by who may.
    Cancelled = 23, "cancelled";
    /// The capability waited on was revoked.
    Revoked = 24, "the capability was revoked";
    /// The badge field is already set.
    BadgeSet = 25, "the badge is already set";
    /// The kernel offers this on no such machine. Detail: which argument.
    Unsupported = 26, "not supported by this machine";
}

/// A refused operation. A refused call changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct SyscallError {
    /// What went wrong.
    pub code: ErrorCode,
    /// Which argument (0 = target in x9, 1 = x0, 2 = x1 …), or what the code's documentation says.
    pub detail: u8,
}

impl SyscallError {
    /// An error about one argument.
    pub const fn new(code: ErrorCode, detail: u8) -> Self {
        Self { code, detail }
    }

    /// For the errors that end a call: whether the server may have acted on it.
    pub const fn may_have_acted(self) -> bool {
        matches!(self.code, ErrorCode::PeerGone | ErrorCode::Closed | ErrorCode::Cancelled | ErrorCode::Revoked)
            && self.detail & MAY_HAVE_ACTED != 0
    }
}

impl From<ErrorCode> for SyscallError {
    fn from(code: ErrorCode) -> Self {
        Self { code, detail: 0 }
    }
}

impl core::fmt::Display for SyscallError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (detail {})", self.code.text(), self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_round_trip() {
        for (index, &code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(code as usize, index + 1);
            assert_eq!(ErrorCode::from_number(code as u8), Some(code));
        }
        assert_eq!(ErrorCode::from_number(0), None);
        assert_eq!(ErrorCode::from_number(ErrorCode::ALL.len() as u8 + 1), None);
    }
}
