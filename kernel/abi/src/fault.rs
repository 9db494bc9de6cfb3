//! Faults arrive at a thread's fault Endpoint as a call from the kernel.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// The label of a fault message.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u32)]
        pub enum FaultKind { $($(#[$doc])* $name = $number,)* }

        impl FaultKind {
            /// The fault with this number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
            /// Words for people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

faults! {
    /// A read from an address that is not mapped readable.
    Read = 1, "read of an address it may not read";
    /// A write to an address that is not mapped writable.
    Write = 2, "write to an address it may not write";
    /// Execution at an address that is not mapped executable.
    Execute = 3, "execution of an address it may not execute";
    /// A misaligned access, stack pointer or program counter.
    Alignment = 4, "misaligned access";
    /// An instruction that does not exist or is not allowed.
    Undefined = 5, "undefined instruction";
    /// `brk`: how the runtime ends after a panic.
    Breakpoint = 6, "breakpoint";
    /// `svc` with an immediate other than 0.
    BadSvc = 7, "svc with an immediate other than 0";
    /// A floating point or vector instruction in a component that did not ask for them.
    Fpu = 8, "use of floating point without asking for it";
    /// An external abort: the bus answered with an error.
    Bus = 9, "bus error";
    /// Anything else; the syndrome says what.
    Other = 10, "exception";
    /// Its time ran out, and its SchedContext says that this is a fault. An answer with label 0 lets it wait for more.
    Timeout = 11, "out of time";
    /// The first touch of a page of a Reserve, and the address space has no page left for a table.
    NoTables = 12, "touch of reserved memory without a page left for tables";
    /// The first touch of a page of a Reserve that has no page left.
    NoMemory = 13, "touch of reserved memory without a page left";
    /// An indirect branch to an instruction that is no landing pad, in code that says it has them.
    Branch = 14, "branch to what is no landing pad";
    /// An address whose signature is wrong, on machines that say so at once; on others it is `Execute`.
    Signature = 15, "address with a wrong signature";
}

/// The words of a fault message. An answer with label 0 resumes the thread where it faulted; any other label leaves it
/// suspended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultMessage {
    /// Address of the instruction.
    pub pc: u64,
    /// The faulting address (FAR_EL1), where the fault has one.
    pub address: u64,
    /// ESR_EL1.
    pub syndrome: u64,
    /// Stack pointer.
    pub sp: u64,
    /// x29, the frame pointer.
    pub fp: u64,
    /// x30, the return address.
    pub lr: u64,
}

impl FaultMessage {
    /// Words of a fault message.
    pub const WORDS: u8 = 6;

    /// As message words.
    pub const fn to_words(self) -> [u64; 8] {
        [self.pc, self.address, self.syndrome, self.sp, self.fp, self.lr, 0, 0]
    }

    /// From message words.
    pub const fn from_words(words: &[u64; 8]) -> Self {
        Self { pc: words[0], address: words[1], syndrome: words[2], sp: words[3], fp: words[4], lr: words[5] }
    }
}
