//! Rings of trace records in the own memory, one a core.

use alloc::vec::Vec;

use abi::trace::{Found, Reader};
use abi::{ErrorCode, Kind, Perms, SyscallError, layout::PAGE, trace::RECORD};

use crate::cap::{Cap, Frame, MEMORY, Retype, TABLE, Trace, Untyped};
use crate::slots::alloc_slot;
use crate::vm::{self, VmError};

/// What a core writes its events into.
#[derive(Debug)]
struct Ring {
    cap: Cap<Trace>,
    records: Cap<Frame>,
    reader: Reader,
}

/// A ring for each core.
#[derive(Debug)]
pub struct Rings {
    control: Cap<Trace>,
    rings: Vec<Ring>,
    /// Pages of records in each.
    pages: u64,
}

impl Rings {
    /// Rings of `most` pages of records (a power of two), or of fewer if the own memory has no more. `control` is the right
    /// to tie them to cores.
    ///
    /// # Errors
    /// [`VmError`].
    pub fn new(control: Cap<Trace>, cores: u64, most: u64) -> Result<Self, VmError> {
        let slot = alloc_slot()?;
        let mut pages = most;
        while let Err(error) = make(MEMORY, Kind::Untyped, cores * (pages + 1), slot) {
            pages /= 2;
            if error.code != ErrorCode::OutOfMemory || pages == 0 {
                return Err(error.into());
            }
        }
        let rings = (0..cores).map(|_| Ring::new(Cap::from_slot(slot), pages)).collect::<Result<_, _>>()?;
        Ok(Self { control, rings, pages })
    }

    /// How many there are.
    pub const fn cores(&self) -> u64 {
        self.rings.len() as u64
    }

    /// Every core writes into its ring from now on. What is still in them is forgotten.
    ///
    /// # Errors
    /// `Busy`: somebody else records. No core writes then.
    pub fn start(&mut self) -> Result<(), VmError> {
        for core in 0..self.cores() {
            let _: Result<(), ()> = self.read(core, |_| Ok(()))?;
        }
        for (core, ring) in (0..).zip(&self.rings) {
            if let Err(error) = self.control.start(ring.cap, core) {
                self.stop();
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// No core writes any more.
    pub fn stop(&self) {
        for ring in &self.rings {
            // One that was not started need not be stopped.
            let _ = self.control.stop(ring.cap);
        }
    }

    /// Calls `with` for what is in a core's ring and was not read yet, until that fails.
    ///
    /// # Errors
    /// The records cannot be looked at; inside, what `with` says.
    pub fn read<E>(
        &mut self,
        core: u64,
        mut with: impl FnMut(Found) -> Result<(), E>,
    ) -> Result<Result<(), E>, VmError> {
        let pages = self.pages;
        let Some(ring) = self.rings.get_mut(core as usize) else { return Ok(Ok(())) };
        let mapping = vm::map(ring.records, pages, Perms::READ)?;
        let result = loop {
            match ring.reader.read(&mapping) {
                Found::Nothing => break Ok(()),
                found => {
                    if let Err(error) = with(found) {
                        break Err(error);
                    }
                }
            }
        };
        vm::unmap(mapping)?;
        Ok(result)
    }
}

impl Ring {
    fn new(memory: Cap<Untyped>, pages: u64) -> Result<Self, VmError> {
        let (ring, records) = (alloc_slot()?, alloc_slot()?);
        make(memory, Kind::Trace, pages + 1, ring)?;
        let cap = Cap::<Trace>::from_slot(ring);
        cap.records(records)?;
        let reader = Reader::new(pages * PAGE / RECORD).ok_or(SyscallError::from(ErrorCode::InvalidArgument))?;
        Ok(Self { cap, records: Cap::from_slot(records), reader })
    }
}

fn make(memory: Cap<Untyped>, kind: Kind, size: u64, slot: u32) -> Result<(), SyscallError> {
    memory.retype(kind, Retype { size, ..Retype::default() }, TABLE, slot)
}
