//! A card for the tests of controllers' drivers, as the specification has it (SD Physical Layer Simplified Specification 6.00, 4).

use std::vec;
use std::vec::Vec;

/// The address that every card gives itself.
const ADDRESS: u32 = 0x4567;

/// What a card is.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its CID.
    pub cid: u128,
    /// It knows CMD8.
    pub second: bool,
    /// CCS.
    pub by_blocks: bool,
    /// It replaces the CSD.
    pub csd: Option<u128>,
    /// Sectors of 512 bytes.
    pub sectors: u64,
    /// ACMD41 says so often that the card is not ready.
    pub slow: u32,
    /// What comes back of CMD8.
    pub echo: u32,
    /// More bits of the status with which the card answers each R1.
    pub status: u32,
}

impl Default for Kind {
    fn default() -> Self {
        let cid = 0x1234_5678_9abc << 8;
        Self { cid, second: true, by_blocks: true, csd: None, sectors: 8192, slow: 3, echo: 0x1aa, status: 0 }
    }
}

impl Kind {
    fn csd(&self) -> u128 {
        if let Some(csd) = self.csd {
            return csd;
        }
        if self.by_blocks {
            return 1 << 126 | u128::from(self.sectors / 1024 - 1) << 48;
        }
        // READ_BL_LEN of 512, C_SIZE_MULT of 4.
        9 << 80 | u128::from(self.sectors / 4 - 1) << 62
    }

    /// The byte of the medium that the argument of a transfer names.
    pub const fn place(&self, argument: u32) -> usize {
        argument as usize * if self.by_blocks { 512 } else { 1 }
    }
}

/// What a card answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// R1, R6, R7.
    Short(u32),
    /// R3.
    Bare(u32),
    /// R1b.
    Busy(u32),
    /// R2, with whatever in the place of the checksum.
    Long(u128),
}

/// A card, and what is on it.
#[derive(Debug)]
pub struct Card {
    /// CURRENT_STATE. (4.10.1)
    pub at: u32,
    /// Both have four data lines.
    pub four_bits: bool,
    /// The bytes.
    pub medium: Vec<u8>,
    /// The next command is an application command.
    application: bool,
    asked: u32,
}

impl Card {
    /// A card of at least so many sectors, if that is not too much for a test. Sector n begins with n, in four bytes.
    pub fn new(sectors: u64) -> Self {
        let mut medium = vec![0; sectors.min(1 << 14) as usize * 512];
        for (number, sector) in medium.chunks_mut(512).enumerate() {
            sector[..4].copy_from_slice(&(number as u32).to_le_bytes());
        }
        Self { at: 0, four_bits: false, medium, application: false, asked: 0 }
    }

    /// A command that does not reach the card, or that it does not hear.
    pub const fn miss(&mut self) {
        self.application = false;
    }

    /// A transfer began: what it does until it is told to stop.
    pub const fn begin(&mut self, write: bool) {
        self.at = if write { 6 } else { 5 };
    }

    /// What it answers to a command; `None`: nothing.
    ///
    /// # Panics
    /// The command is not what the specification has.
    pub fn command(&mut self, kind: &Kind, index: u8, argument: u32) -> Option<Response> {
        let application = core::mem::take(&mut self.application);
        let r1 = kind.status | self.at << 9 | 1 << 8;
        let mine = argument >> 16 == ADDRESS;
        Some(match (index, application, self.at) {
            (0, ..) => {
                (self.at, self.asked, self.four_bits) = (0, 0, false);
                return None;
            }
            (8, _, 0) if kind.second => Response::Short(kind.echo),
            (55, _, at) if at == 0 && argument == 0 || at == 4 && mine => {
                self.application = true;
                Response::Short(r1 | 1 << 5)
            }
            (41, true, 0) => {
                assert!(argument & 0x00ff_8000 != 0, "ACMD41 names voltages");
                self.asked += 1;
                // A card of more than 2 GB stays busy for a host that does not know such. (4.2.3)
                let known = !kind.by_blocks || argument & 1 << 30 != 0;
                let ready = known && self.asked > kind.slow;
                self.at = ready.into();
                Response::Bare(0x00ff_8000 | if ready { 1 << 31 | u32::from(kind.by_blocks) << 30 } else { 0 })
            }
            (2, _, 1) => self.moves_to(2, Response::Long(kind.cid)),
            (3, _, 2) => self.moves_to(3, Response::Short(ADDRESS << 16 | 3 << 9)),
            (9, _, 3) if mine => Response::Long(kind.csd()),
            (7, _, 3) if mine => self.moves_to(4, Response::Busy(r1)),
            (16, _, 4) => {
                assert_eq!(argument, 512, "the length of a block");
                Response::Short(r1)
            }
            (6, true, 4) => {
                self.four_bits = argument == 2;
                Response::Short(r1)
            }
            (12, _, 5 | 6) => self.moves_to(4, Response::Busy(r1)),
            (13, _, 4..=7) if mine => Response::Short(r1),
            (18 | 25, _, 4) => Response::Short(r1),
            _ => return None,
        })
    }

    const fn moves_to(&mut self, state: u32, response: Response) -> Response {
        self.at = state;
        response
    }
}
