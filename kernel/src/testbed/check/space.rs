//! What must always hold of address spaces: the tables say what the capabilities say, and nothing else is cached.

use abi::{Kind, Perms, layout::PAGE};

use super::*;

impl Checker {
    /// The list of mappings says the same as the page tables, and every page of it is accounted for once.
    pub(super) fn check_space(&mut self, k: &Kernel, space: Ref<AddressSpace>) -> Check {
        let s = &k.mem[space];
        if s.ttbr != 0 {
            must!(pte::asid(s.ttbr) != 0, "{space:?} has the empty address space's ASID");
            must!(k.asids.owner(pte::asid(s.ttbr)) == Some(space), "{space:?} has another's ASID");
        }
        let (mut mapped, mut reserves, mut pool) =
            (Vec::new(), Vec::new(), u64::from(s.pages) - if s.header.kind == Kind::DmaSpace { 3 } else { 2 });
        let (mut before, mut at) = (None, s.maps);
        while let Some(slot) = at {
            must!(self.is_slot(slot), "{space:?}: a mapping without capability");
            let Slot { cap, links } = &k.mem[slot];
            let right = cap.space == Some(space) && links.map_prev == before;
            must!(right, "{space:?}: the list of mappings is broken at {slot:?}");
            match cap.kind {
                Kind::Frame => mapped.push((cap.word, *cap)),
                Kind::Untyped => pool += cap.word / PAGE,
                Kind::Reserve => reserves.push(*cap),
                kind => return Err(format!("{space:?} has a {kind:?} in its list of mappings")),
            }
            (before, at) = (Some(slot), links.map_next);
        }
        for &slot in self.slots.iter().filter(|&&slot| k.mem[slot].cap.space == Some(space)) {
            let listed = before == Some(slot) || k.mem[slot].links.map_next.is_some();
            must!(listed, "{slot:?} is mapped and in no list");
        }
        // A dead one forgets its list and leaves its tables as they are.
        if s.lost || s.header.capabilities == 0 {
            must!(!s.lost || s.windows == 0, "{space:?} has no tables and answers touches");
            return Ok(());
        }
        self.check_windows(k, space, &reserves)?;
        if !self.deep {
            return Ok(());
        }
        let (mut leaves, tables) = leaves(k, s.root, 0, 0)?;
        self.check_flushed(k, s.ttbr, &leaves)?;
        self.check_told(k, s.reach.stream(), &leaves)?;
        self.check_reserved(k, space, &reserves, &mut leaves)?;
        // What a device reaches where something was taken away.
        if s.reach.stream().is_some() {
            leaves.retain(|&(_, value)| pte::address(value).0 != s.root.0 + PAGE);
        }
        // What boot mapped for init has no capabilities.
        if self.boot == Some(space) {
            return Ok(());
        }
        let tables = tables + u64::from(s.events != Phys(0));
        Self::check_doorbell(s, &mut leaves)?;
        must!(s.free_pages as u64 + tables == pool, "{space:?}: {} free, {tables} used of {pool} pages", s.free_pages);
        must!(
            leaves.len() == mapped.iter().map(|(_, cap)| cap.mapped() as usize).sum(),
            "{space:?}: leaves and list differ"
        );
        for (address, cap) in mapped {
            let first = leaves.partition_point(|&(at, _)| at < address);
            let run = leaves.get(first..first + cap.mapped() as usize).unwrap_or_default();
            must!(run.len() as u64 == cap.mapped(), "{space:?}: {address:#x} is not mapped");
            for (page, &(at, value)) in run.iter().enumerate() {
                let place = pte::address(value).0;
                must!(at == address + page as u64 * PAGE, "{space:?}: a hole at {at:#x}");
                let expected = cap.object + (u64::from(cap.holder) + page as u64) * PAGE;
                must!(place == expected && place < end_of(&cap), "{space:?}: {at:#x} is elsewhere");
                let ask = |perms| pte::attributes(perms, cap.memory_type()) == pte::attributes_of(value);
                let (read, write) = (Perms::READ, Perms::READ | Perms::WRITE);
                let fits = ask(read) || ask(write) || ask(read | Perms::EXECUTE);
                must!(fits, "{space:?}: {at:#x} has attributes {value:#x}");
                must!(!ask(write) || cap.rights.bits() & 2 != 0, "{space:?}: {at:#x} is writable");
                must!(!ask(read | Perms::EXECUTE) || cap.rights.bits() & 4 != 0, "{space:?}: {at:#x} is executable");
            }
        }
        Ok(())
    }

    /// What a translation cache may hold of an address space is what its tables say: what went from them was flushed.
    fn check_flushed(&mut self, k: &Kernel, ttbr: u64, now: &[(u64, u64)]) -> Check {
        if ttbr == 0 {
            return Ok(());
        }
        let (flushes, before) = self.cached.remove(&ttbr).unwrap_or_default();
        let since = k.machine.flushed.get(flushes..).unwrap_or_default();
        for &(address, value) in &before {
            let same = now.binary_search(&(address, value)).is_ok();
            must!(same || flushed(since, ttbr, address), "{address:#x} of TTBR {ttbr:#x} may still be cached");
        }
        self.cached.insert(ttbr, (k.machine.flushed.len(), now.to_vec()));
        Ok(())
    }

    /// No core is in an address space that is gone.
    pub(super) fn check_loaded(&self, k: &Kernel) -> Check {
        for core in 0..k.sched.count() {
            let ttbr = if core == k.sched.own() { k.machine.loaded } else { k.machine.others[core].0 };
            must!(
                pte::asid(ttbr) == 0 || is_held(k, ttbr),
                "core {core} is in the address space {ttbr:#x}, which is gone"
            );
        }
        Ok(())
    }

    /// An ASID that an address space lost, or that died, was flushed.
    pub(super) fn check_lost_asids(&mut self, k: &Kernel) -> Check {
        let held = |ttbr: u64| is_held(k, ttbr);
        let lost: Vec<_> = self.cached.keys().copied().filter(|&ttbr| !held(ttbr)).collect();
        for ttbr in lost {
            let (flushes, before) = self.cached.remove(&ttbr).unwrap_or_default();
            let since = k.machine.flushed.get(flushes..).unwrap_or_default();
            let all = before.iter().all(|&(address, _)| flushed(since, ttbr, address));
            must!(all, "TTBR {ttbr:#x} is gone and may still be cached");
        }
        Ok(())
    }
}

/// Whether an address space has this TTBR0.
fn is_held(k: &Kernel, ttbr: u64) -> bool {
    k.asids.owner(pte::asid(ttbr)).is_some_and(|space| k.mem[space].ttbr == ttbr)
}

/// Whether the translation of an address was flushed.
fn flushed(since: &[(u64, u64, u64)], ttbr: u64, address: u64) -> bool {
    since.iter().any(|&(of, start, pages)| {
        let covers = pages == 0 || (start..start + pages * PAGE).contains(&address);
        pte::asid(of) == pte::asid(ttbr) && covers
    })
}

/// The pages mapped below a table, blocks page by page, and how many tables there are below it.
#[allow(clippy::type_complexity)]
pub(super) fn leaves(k: &Kernel, table: Phys, level: u32, base: u64) -> Result<(Vec<(u64, u64)>, u64), String> {
    let (mut list, mut tables) = (Vec::new(), 0);
    let span = PAGE << (9 * (3 - level));
    for index in 0..512 {
        let value = k.mem.read_u64(Phys(table.0 + index * 8));
        if value == 0 {
            continue;
        }
        let address = base + index * span;
        if pte::is_leaf(value, level) {
            must!(level > 0, "a block at level 0");
            (0..span / PAGE).for_each(|page| list.push((address + page * PAGE, value + page * PAGE)));
        } else {
            must!(level < 3 && value & 3 == 3, "entry {value:#x} at level {level}");
            let (below, count) = leaves(k, pte::address(value), level + 1, address)?;
            let used = (0..512).filter(|entry| k.mem.read_u64(Phys(pte::address(value).0 + entry * 8)) != 0).count();
            must!(used > 0, "an empty table at level {} for {address:#x}", level + 1);
            must!(used as u64 == pte::used(value), "{used} entries at {address:#x}, counted are {}", pte::used(value));
            list.extend(below);
            tables += count + 1;
        }
    }
    Ok((list, tables))
}
