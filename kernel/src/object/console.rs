//! KernelConsole: printing before there is a driver, and the kernel's log ring.

use abi::{Kind, Perms, Rights};

use super::Thread;
use crate::cap::{Cap, Flags};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::{Phys, Ref};
use crate::syscall::Args;

/// Prints bytes: x0 says how many, they follow from the second message word on.
///
/// # Rights
/// KernelConsole.
/// # Returns
/// Nothing.
/// # Errors
/// Those of the look-up. Bytes beyond the message's words are not printed.
pub fn write(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    k.get_cap(caller, args.target, Kind::KernelConsole, Rights::INVOKE, 0)?;
    let words = usize::from(args.input.words()).min(abi::MAX_WORDS);
    let page = k.mem[caller].page;
    let mut left = usize::try_from(args.words[0]).unwrap_or(usize::MAX);
    for index in 1..words {
        let word = match index {
            0..abi::REG_WORDS => args.words[index],
            _ if page == Phys(0) => break,
            _ => {
                let offset = core::mem::offset_of!(abi::MessagePage, words) + 8 * (index - abi::REG_WORDS);
                k.mem.read_u64(Phys(page.0 + offset as u64))
            }
        };
        let count = left.min(8);
        k.machine.print(&word.to_le_bytes()[..count]);
        left -= count;
    }
    Ok(Next::Done)
}

/// Puts a read-only Frame of the log ring into a slot of the caller's table.
///
/// # Rights
/// KernelConsole.
/// # Returns
/// x0: bytes of the ring.
/// # Errors
/// `SlotOccupied`, `SlotOutOfRange`.
pub fn ring(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let (slot, _) = k.get_cap(caller, args.target, Kind::KernelConsole, Rights::INVOKE, 0)?;
    let target = k.empty_slot(k.table_of(caller)?, args.words[0], 1)?;
    let (base, bytes) = k.machine.log_ring();
    let pages = (bytes / abi::layout::PAGE) as u32;
    let mut cap = Cap::memory(Kind::Frame, base, pages, Flags::KEEP);
    cap.rights = Rights::from_bits_truncate(Perms::READ.bits());
    k.insert(target, cap, Some(slot));
    Ok(k.answer_one(caller, bytes))
}
