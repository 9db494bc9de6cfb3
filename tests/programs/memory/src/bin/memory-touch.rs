//! Uses reserved memory, its heap among it, as it is meant.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;

use abi::layout::PAGE;
use rt::{ErrorCode, HEAP, Reserved, SharedBuffer, SyscallError, VmError};

rt::entry!(run);

fn run(_: &'static rt::Env) {
    let checks: [Check; 5] = [
        ("touched memory is zero and keeps what is written", pattern),
        ("what is given back reads as zero", give_back),
        ("given back, it is there at other addresses", elsewhere),
        ("the heap gives large blocks back", heap),
        ("a buffer that cannot be had leaves no slot behind", leak),
    ];
    let mut fine = 0;
    for (what, check) in checks {
        match check() {
            Ok(()) => fine += 1,
            Err(wrong) => log::error!("memory broken: {what}: {wrong:?}"),
        }
    }
    log::info!("memory: {fine} of {} as defined", checks.len());
}

/// A sentence, and whether it is true.
type Check = (&'static str, fn() -> Done);
type Done = Result<(), Wrong>;

/// What went wrong.
#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
enum Wrong {
    Vm(VmError),
    Call(SyscallError),
    Word { offset: u64, found: Option<u64> },
    Free(u64),
    Heap(&'static str),
    Slots(u32, u32),
}

impl From<VmError> for Wrong {
    fn from(error: VmError) -> Self {
        Self::Vm(error)
    }
}

impl From<SyscallError> for Wrong {
    fn from(error: SyscallError) -> Self {
        Self::Call(error)
    }
}

fn expect(reserved: &Reserved, offset: u64, value: u64) -> Done {
    let found = reserved.read(offset);
    if found == Some(value) { Ok(()) } else { Err(Wrong::Word { offset, found }) }
}

fn expect_free(found: u64, pages: u64) -> Done {
    if found == pages { Ok(()) } else { Err(Wrong::Free(found)) }
}

/// Every word of every page, pages in no order.
fn pattern() -> Done {
    const PAGES: u64 = 16;
    let reserved = Reserved::new(PAGES, PAGES)?;
    for page in (0..PAGES).map(|page| page * 7 % PAGES) {
        for offset in (page * PAGE..(page + 1) * PAGE).step_by(8) {
            expect(&reserved, offset, 0)?;
            reserved.write(offset, !offset);
        }
    }
    expect_free(reserved.release(0, 0)?, 0)?;
    for offset in (0..PAGES * PAGE).step_by(8) {
        expect(&reserved, offset, !offset)?;
    }
    let outside = reserved.read(PAGES * PAGE).is_some() || reserved.write(4, 0).is_some();
    reserved.end();
    if outside { Err(Wrong::Free(PAGES)) } else { Ok(()) }
}

fn give_back() -> Done {
    let reserved = Reserved::new(8, 8)?;
    for page in 0..8 {
        reserved.write(page * PAGE + 8, page + 1);
    }
    expect_free(reserved.release(2, 3)?, 3)?;
    for page in 0..8 {
        let given_back = (2..5).contains(&page);
        expect(&reserved, page * PAGE + 8, if given_back { 0 } else { page + 1 })?;
    }
    expect_free(reserved.release(0, 8)?, 8)?;
    reserved.end();
    Ok(())
}

/// A thousand pages of addresses, of which four are there at a time.
fn elsewhere() -> Done {
    let reserved = Reserved::new(4, 1000)?;
    for first in (0..1000).step_by(4) {
        for page in first..first + 4 {
            expect(&reserved, page * PAGE + 16, 0)?;
            reserved.write(page * PAGE + 16, u64::MAX);
        }
        expect_free(reserved.release(first, 4)?, 4)?;
    }
    reserved.end();
    Ok(())
}

fn heap() -> Done {
    let free = || HEAP.release(abi::layout::USER_HEAP, 0);
    // The first allocation ties memory to it.
    drop(core::hint::black_box(Box::new(1)));
    let before = free()?;
    for round in 0..10u8 {
        let block = alloc::vec![round; 20 * PAGE as usize];
        let between = free()?;
        if between + 20 > before || block.iter().any(|&byte| byte != round) {
            return Err(Wrong::Heap("a block is not there"));
        }
        drop(core::hint::black_box(block));
        if free()? + 2 < before {
            return Err(Wrong::Heap("a block did not come back"));
        }
    }
    // More than there is memory for is refused when it is asked for.
    let mut block = Vec::<u8>::new();
    if block.try_reserve_exact(64 * PAGE as usize).is_ok_and(|()| core::hint::black_box(&block).capacity() > 0) {
        return Err(Wrong::Heap("more than there is"));
    }
    // Small blocks that stay keep the addresses of large ones apart, not their memory.
    let pieces: Vec<_> = (0..6u8).map(|round| (alloc::vec![round; 8 * PAGE as usize], Box::new(round))).collect();
    let small: Vec<_> = pieces.into_iter().map(|(_, small)| small).collect();
    let block = alloc::vec![7u8; 40 * PAGE as usize];
    let kept = block.iter().all(|&byte| byte == 7) && small.iter().zip(0..).all(|(small, round)| **small == round);
    if kept { Ok(()) } else { Err(Wrong::Heap("a block was not its owner's alone")) }
}

/// A buffer for which the page tables have no room.
fn leak() -> Done {
    for _ in 0..20 {
        // So that each buffer needs tables of its own.
        Reserved::new(1, 1 << 18)?;
        let before = next_slot()?;
        match SharedBuffer::new(1) {
            Ok(_) => {}
            Err(VmError::Kernel(SyscallError { code: ErrorCode::NoPool, .. })) => {
                let after = next_slot()?;
                return if before == after { Ok(()) } else { Err(Wrong::Slots(before, after)) };
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Wrong::Heap("tables without end"))
}

fn next_slot() -> Result<u32, VmError> {
    let slot = rt::alloc_slot()?;
    rt::free_slot(slot);
    Ok(slot)
}
