//! Statuses: the label of an answer. 0 is fine; each protocol numbers its own refusals from 1 on, and some are common.

/// A protocol's enum of refusals.
pub trait StatusLabel: Copy + core::fmt::Debug + core::fmt::Display + 'static {
    /// All of them.
    const ALL: &'static [Self];
    /// Their numbers and words, for the documents.
    const LIST: &'static [(u32, &'static str)];

    /// The number that travels as label.
    fn label(self) -> u32;

    /// The status with this number; `None` for 0 and for numbers that do not exist.
    fn from_label(label: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.label() == label)
    }
}

/// The refusals that every protocol has.
pub mod common {
    /// The protocol has no method with this number.
    pub const UNKNOWN_METHOD: u32 = 0x1_0000;
    /// The message is not what the method takes.
    pub const BAD_MESSAGE: u32 = 0x1_0001;
    /// The server speaks another version of the protocol.
    pub const WRONG_VERSION: u32 = 0x1_0002;
    /// A capability that the method takes did not come, or could not be used.
    pub const BAD_CAPABILITY: u32 = 0x1_0003;
}

/// Defines a protocol's `Status`, with the refusals that every protocol has:
///
/// ```
/// ipc::statuses! {
///     /// The battery is empty.
///     NoPower = 1, "no power: the clock's battery is empty";
/// }
/// assert_eq!(Status::NoPower.to_string(), "no power: the clock's battery is empty");
/// ```
#[macro_export]
macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why the server refused: the label of its answer.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Status {
            $($(#[$doc])* $name = $number,)*
            /// The protocol has no method with this number.
            UnknownMethod = $crate::common::UNKNOWN_METHOD,
            /// The message is not what the method takes.
            BadMessage = $crate::common::BAD_MESSAGE,
            /// The server speaks another version of the protocol.
            WrongVersion = $crate::common::WRONG_VERSION,
            /// A capability that the method takes did not come, or could not be used.
            BadCapability = $crate::common::BAD_CAPABILITY,
        }

        impl $crate::StatusLabel for Status {
            const ALL: &'static [Self] =
                &[$(Self::$name,)* Self::UnknownMethod, Self::BadMessage, Self::WrongVersion, Self::BadCapability];
            const LIST: &'static [(u32, &'static str)] = &[$(($number, $text)),*];

            fn label(self) -> u32 {
                self as u32
            }
        }

        impl core::fmt::Display for Status {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                    Self::UnknownMethod => "the server does not know this method",
                    Self::BadMessage => "the server could not read the message",
                    Self::WrongVersion => "the server speaks another version of the protocol",
                    Self::BadCapability => "the server could not use the capability that came with the message",
                })
            }
        }
    };
}
