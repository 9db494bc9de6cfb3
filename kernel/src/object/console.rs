//! KernelConsole: printing before there is a driver, and the kernel's log ring.

use abi::{Kind, Perms, Rights};

use super::Thread;
use crate::cap::{Cap, Flags};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::{Phys, Ref};
use crate::syscall::Args;

/// Prints bytes: the low half of x0 says how many, they follow from the second message word on; the high half how many of
/// them are left out in front. The kernel counts that up when the call is interrupted and made again.
///
/// # Rights
/// KernelConsole.
/// # Returns
/// Nothing.
/// # Errors
/// Those of the look-up. Bytes beyond the message's words are not printed.
pub fn write(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    k.get_cap(caller, args.target(), Kind::KernelConsole, Rights::INVOKE, 0)?;
    let page = k.mem[caller].page;
    let words = usize::from(args.input.words()).min(if page == Phys(0) { abi::REG_WORDS } else { abi::MAX_WORDS });
    let (count, mut done) = (args.words[0] & u64::from(u32::MAX), args.words[0] >> 32);
    let end = count.min(8 * words.saturating_sub(1) as u64);
    while done < end {
        let index = 1 + (done / 8) as usize;
        let word = match args.words.get(index) {
            Some(&word) => word,
            None => {
                let offset = core::mem::offset_of!(abi::MessagePage, words) + 8 * (index - abi::REG_WORDS);
                k.mem.read_u64(Phys(page.0 + offset as u64))
            }
        };
        k.machine.print(&[word.to_le_bytes()[(done % 8) as usize]]);
        done += 1;
        // A byte may take as long as the line needs to send one.
        if done < end && k.preemption_point().is_err() {
            k.mem[caller].context.x[0] = done << 32 | count;
            return Ok(Next::Restart);
        }
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
    let (slot, _) = k.get_cap(caller, args.target(), Kind::KernelConsole, Rights::INVOKE, 0)?;
    let target = k.empty_slot(k.table_of(caller)?, args.words[0], 1)?;
    let (base, bytes) = k.machine.log_ring();
    let pages = (bytes / abi::layout::PAGE) as u32;
    let mut cap = Cap::memory(Kind::Frame, base, pages, Flags::KEEP);
    cap.rights = Rights::from_bits_truncate(Perms::READ.bits());
    k.insert(target, cap, Some(slot));
    Ok(k.answer_one(caller, bytes))
}
