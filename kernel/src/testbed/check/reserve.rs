//! What must always hold of Reserves: an address space knows of each, each page of their memory is mapped once, can be
//! mapped again, or was never used.

use std::collections::BTreeSet;

use abi::{Perms, layout::PAGE};

use super::{Check, Checker, end_of};
use crate::arch::pte;
use crate::cap::Cap;
use crate::kernel::Kernel;
use crate::mm::{Phys, Ref};
use crate::object::{AddressSpace, Window};

impl Checker {
    /// Windows are in order, do not overlap, and belong to the Reserves that are tied to the address space.
    pub(super) fn check_windows(&self, k: &Kernel, space: Ref<AddressSpace>, reserves: &[Cap]) -> Check {
        let windows: Vec<_> = k.windows(space).collect();
        must!(windows.len() == reserves.len(), "{space:?}: {} windows of {} Reserves", windows.len(), reserves.len());
        let apart = windows.windows(2).all(|pair| pair[0].end <= pair[1].start);
        must!(apart, "{space:?}: windows overlap, or are not in order: {windows:x?}");
        for cap in reserves {
            let found = k.window_of(cap).ok_or_else(|| format!("{space:?}: no window of {cap:x?}"))?;
            let right = found.start == cap.word && found.memory.0 == cap.object && found.pages == cap.pages;
            must!(right, "{space:?}: {found:x?} is not that of {cap:x?}");
            check_pages(k, found)?;
        }
        Ok(())
    }

    /// The pages of the Reserves among what is mapped, which are taken out: the others belong to Frames.
    pub(super) fn check_reserved(
        &self,
        k: &Kernel,
        space: Ref<AddressSpace>,
        reserves: &[Cap],
        leaves: &mut Vec<(u64, u64)>,
    ) -> Check {
        let attributes = pte::attributes(Perms::READ | Perms::WRITE, 0);
        for cap in reserves {
            let window = k.window_of(cap).ok_or("no window")?;
            let mut pages = returned(k, window)?;
            let mut count = 0;
            let mut wrong = Ok(());
            leaves.retain(|&(address, value)| {
                let place = pte::address(value).0;
                if !(cap.object..end_of(cap)).contains(&place) {
                    return true;
                }
                count += 1;
                let page = (place - cap.object) / PAGE;
                let inside = (window.start..window.end).contains(&address) && page < window.fresh.into();
                if !inside || pte::attributes_of(value) != attributes || !pages.insert(page as u32) {
                    wrong = Err(format!("{space:?}: page {page} of {window:x?} is mapped at {address:#x}: {value:#x}"));
                }
                false
            });
            wrong?;
            must!(count == window.mapped, "{space:?}: {count} pages of {window:x?} are mapped");
        }
        Ok(())
    }
}

/// The pages that were given back.
fn returned(k: &Kernel, window: &Window) -> Result<BTreeSet<u32>, String> {
    let (mut pages, mut next) = (BTreeSet::new(), window.returned);
    while next != 0 {
        let page = next - 1;
        must!(page < window.fresh && pages.insert(page), "the list of pages given back is broken: {window:x?}");
        next = k.mem.read_u64(Phys(window.memory.0 + u64::from(page) * PAGE)) as u32;
    }
    Ok(pages)
}

fn check_pages(k: &Kernel, window: &Window) -> Check {
    let returned = returned(k, window)?.len() as u32;
    must!(window.fresh <= window.pages, "more pages were used than there are: {window:x?}");
    must!(window.mapped + returned == window.fresh, "{returned} pages given back do not add up: {window:x?}");
    Ok(())
}
