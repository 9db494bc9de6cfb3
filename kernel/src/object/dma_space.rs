//! DmaSpace: what a bus master can reach. Without an IOMMU this is the identity: attaching names the bus address of a
//! Frame, and nothing keeps the device from the rest of memory. `docs/threat-model.md` says what that means.

use abi::{ErrorCode, Kind, Rights, SyscallError};

use super::Thread;
use crate::cap::{Cap, Flags};
use crate::kernel::{Kernel, Next, Res};
use crate::mm::Ref;
use crate::syscall::Args;

fn decode(k: &Kernel, caller: Ref<Thread>, args: &Args) -> Res<Cap> {
    k.get_cap(caller, args.target(), Kind::DmaSpace, Rights::INVOKE, 0)?;
    let (_, cap) = k.get_cap(caller, args.words[0], Kind::Frame, Rights::DMA, 1)?;
    if cap.flags.contains(Flags::DEVICE) {
        return Err(SyscallError::new(ErrorCode::InvalidArgument, 1));
    }
    Ok(cap)
}

/// Lets the bus master reach a Frame.
///
/// # Rights
/// DmaSpace. Frame: dma.
/// # Returns
/// x0: the bus address of the Frame's first byte.
/// # Errors
/// `InvalidArgument`: device memory.
pub fn attach(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    let cap = decode(k, caller, args)?;
    Ok(k.answer_one(caller, cap.object))
}

/// Takes a Frame away again; with the identity that changes nothing.
///
/// # Rights
/// DmaSpace. Frame: dma.
/// # Returns
/// Nothing.
/// # Errors
/// `InvalidArgument`: device memory.
pub fn detach(k: &mut Kernel, caller: Ref<Thread>, args: &Args) -> Res<Next> {
    decode(k, caller, args).map(|_| Next::Done)
}
