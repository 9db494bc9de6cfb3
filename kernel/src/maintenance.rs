//! Cache maintenance of user space, done for it on machines with a core that gets cleaning wrong
//! ([`Quirks::CLEAN_INVALIDATES`](crate::errata::Quirks)): there it traps.

use abi::FaultKind;
use abi::layout::PAGE;

use crate::fault::{self, Fault};
use crate::kernel::Kernel;
use crate::mm::{Phys, Ref};
use crate::object::Thread;

/// Which maintenance a trapped system instruction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Maintenance {
    /// Of data, by address: `dc cvac`, `cvau`, `cvap`, `cvadp`, `civac`.
    Data,
    /// Of instructions, by address: `ic ivau`.
    Instructions,
}

/// Decodes ESR_EL1 of a trapped system instruction (ARM DDI 0487, D17.2.37): what it is, and the number of its register.
fn decode(syndrome: u64) -> Option<(Maintenance, usize)> {
    let bits = |shift: u32, count: u32| syndrome >> shift & ((1 << count) - 1);
    let (class, is_read) = (bits(26, 6), bits(0, 1) != 0);
    // op0, op1, CRn, op2
    if class != 0x18 || is_read || (bits(20, 2), bits(14, 3), bits(10, 4), bits(17, 3)) != (1, 3, 7, 1) {
        return None;
    }
    let what = match bits(1, 4) {
        10..=14 => Maintenance::Data,
        5 => Maintenance::Instructions,
        _ => return None,
    };
    Some((what, bits(5, 5) as usize))
}

/// Does what the current thread was about to do, if that is cache maintenance, or makes it a fault. `false`: it is something
/// else.
pub fn serve(k: &mut Kernel, thread: Ref<Thread>, syndrome: u64) -> bool {
    let Some((what, register)) = decode(syndrome) else { return false };
    let address = k.mem[thread].context.x.get(register).copied().unwrap_or(0);
    let Some(space) = k.mem[thread].space() else { return false };
    if !k.is_mapped_at(space, address) {
        fault::handle(k, thread, Fault { kind: FaultKind::Read, address, syndrome });
        return true;
    }
    // Device memory is in no cache.
    if let Some(place) = k.translate(space, address) {
        let page = Phys(place.0 & !(PAGE - 1));
        match what {
            // Invalidating more than the line changes nothing but time.
            Maintenance::Data => k.mem.clean_invalidate(page, 1),
            Maintenance::Instructions => k.mem.sync_instructions(page, 1),
        }
    }
    let context = &mut k.mem[thread].context;
    context.pc = context.pc.wrapping_add(4);
    true
}

#[cfg(test)]
mod tests {
    use abi::layout::USER_PROGRAM;

    use super::*;
    use crate::object::State;
    use crate::testbed::Bed;

    /// ESR_EL1 of the instruction with these fields: op0, op1, CRn, CRm, op2, Rt.
    const fn trapped(op0: u64, op1: u64, crn: u64, crm: u64, op2: u64, rt: u64) -> u64 {
        0x18 << 26 | 1 << 25 | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1
    }

    const CLEAN: u64 = trapped(1, 3, 7, 10, 1, 4);

    #[test]
    fn maintenance_is_told_from_other_instructions() {
        assert_eq!(decode(CLEAN), Some((Maintenance::Data, 4)));
        assert_eq!(decode(trapped(1, 3, 7, 11, 1, 31)), Some((Maintenance::Data, 31)));
        assert_eq!(decode(trapped(1, 3, 7, 14, 1, 0)), Some((Maintenance::Data, 0)));
        assert_eq!(decode(trapped(1, 3, 7, 5, 1, 0)), Some((Maintenance::Instructions, 0)));
        // DC ZVA, a read, a register, another exception.
        assert_eq!(decode(trapped(1, 3, 7, 4, 1, 0)), None);
        assert_eq!(decode(CLEAN | 1), None);
        assert_eq!(decode(trapped(3, 3, 0, 0, 1, 4)), None);
        assert_eq!(decode(CLEAN & !(0x3f << 26)), None);
    }

    #[test]
    fn it_is_done_and_the_thread_goes_on_behind_it() {
        let mut bed = Bed::new();
        let init = bed.init;
        let context = &mut bed.k.mem[init].context;
        (context.pc, context.x[4]) = (USER_PROGRAM, USER_PROGRAM + 8);
        assert!(serve(&mut bed.k, init, CLEAN));
        assert_eq!((bed.k.mem[init].context.pc, bed.k.mem[init].state), (USER_PROGRAM + 4, State::Ready));
        assert!(!serve(&mut bed.k, init, CLEAN | 1));
        assert_eq!(bed.k.mem[init].context.pc, USER_PROGRAM + 4);
    }

    #[test]
    fn where_nothing_is_mapped_it_is_a_fault() {
        let mut bed = Bed::new();
        let init = bed.init;
        for address in [0, 8, 0x7_0000_0000, 0xffff_8000_0000_0000, u64::MAX] {
            bed.k.mem[init].context.pc = USER_PROGRAM;
            bed.k.mem[init].context.x[4] = address;
            assert!(serve(&mut bed.k, init, CLEAN));
            let thread = &bed.k.mem[init];
            assert_eq!((thread.context.pc, thread.state), (USER_PROGRAM, State::Faulted), "{address:#x}");
        }
    }
}
