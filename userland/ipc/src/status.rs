//! Statuses: the label of an answer. 0 is fine; each protocol numbers its own refusals from 1 on, and two are common.

/// A protocol's enum of refusals.
pub trait StatusLabel: Copy + core::fmt::Debug + core::fmt::Display + 'static {
    /// All of them.
    const ALL: &'static [Self];

    /// The number that travels as label.
    fn label(self) -> u32;

    /// The status with this number; `None` for 0 and for numbers that do not exist.
    fn from_label(label: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.label() == label)
    }
}

/// Defines a protocol's `Status`, with the two refusals every protocol knows.
macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why the server refused: the label of its answer.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Status {
            $($(#[$doc])* $name = $number,)*
            /// The protocol has no method with this number.
            UnknownMethod = 0x1_0000,
            /// The message is not what the method takes.
            BadMessage = 0x1_0001,
        }

        impl $crate::StatusLabel for Status {
            const ALL: &'static [Self] = &[$(Self::$name,)* Self::UnknownMethod, Self::BadMessage];

            fn label(self) -> u32 {
                self as u32
            }
        }

        impl Status {
            /// The answer that carries this status and nothing else.
            pub fn answer(self) -> rt::Message {
                rt::Message::new(self as u32, [])
            }
        }

        impl core::fmt::Display for Status {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                    Self::UnknownMethod => "the server does not know this method",
                    Self::BadMessage => "the server could not read the message",
                })
            }
        }
    };
}
pub(crate) use statuses;
