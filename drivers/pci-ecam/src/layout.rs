//! Places for the registers of all functions: on each bus within what the bridge in front of it passes on, and the bridges' windows
//! as small as what is behind them allows.

use alloc::vec::Vec;

use crate::bridge::{Bridge, Bridges, GRAIN};
use crate::config::{Address, COMMAND, Ecam, MEMORY, set_command};
use crate::scan::{Bar, Sized};
use crate::windows::{Kind, PAGE, Place, Windows};

/// Bytes that each window of a slot has at least, for what may come.
const RESERVE: u64 = 2 * GRAIN;

/// What a window of a bridge has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Need {
    size: u64,
    align: u64,
}

/// The functions and bridges that are to have places.
pub struct Layout<'a> {
    /// Their registers.
    pub ecam: &'a Ecam,
    /// The functions, with what they need.
    pub functions: &'a [Sized],
    /// The bridges among them.
    pub bridges: &'a Bridges,
    /// Nobody gave places before but firmware, whose windows may be larger than they need to be.
    pub is_first: bool,
    /// Functions that fit in no window together with the others.
    left_out: Vec<Address>,
    /// The places, and whether the register holds it already.
    places: Vec<Placed>,
}

/// The place of a register.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    at: Address,
    index: u8,
    /// Where.
    pub place: Place,
    /// The register holds it already.
    pub is_kept: bool,
}

impl<'a> Layout<'a> {
    /// Gives places from these windows of the host bridge, and has the bridges pass them on.
    pub fn new(
        ecam: &'a Ecam,
        functions: &'a [Sized],
        bridges: &'a Bridges,
        is_first: bool,
        windows: &Windows,
    ) -> Self {
        let (left_out, places) = (Vec::new(), Vec::new());
        let mut layout = Self { ecam, functions, bridges, is_first, left_out, places };
        layout.bus(ecam.first(), None, &mut windows.clone());
        layout
    }

    /// Gives places to what came behind a port, in the windows that the port passes on.
    pub fn behind(
        ecam: &'a Ecam,
        functions: &'a [Sized],
        none: &'a Bridges,
        port: &Bridge,
        wide: bool,
        windows: [Block; 2],
    ) -> Self {
        let (left_out, places) = (Vec::new(), Vec::new());
        let mut layout = Self { ecam, functions, bridges: none, is_first: false, left_out, places };
        layout.bus(port.secondary, Some(wide), &mut Windows::behind(windows));
        layout
    }

    /// The place of a register.
    pub fn place(&self, at: Address, bar: &Bar) -> Option<&Placed> {
        self.places.iter().find(|it| it.at == at && it.index == bar.index)
    }

    /// The registers on a bus, and the windows of the bridges there.
    fn bus(&mut self, bus: u8, wide: Option<bool>, windows: &mut Windows) {
        let bridges: Vec<Bridge> = self.bridges.0.iter().filter(|it| it.at.bus() == bus).copied().collect();
        // What has a place keeps it, before any other is given one.
        self.keep(bus, windows);
        let mut blocks: Vec<[Block; 2]> = bridges.iter().map(|it| self.keep_windows(it, wide, windows)).collect();
        for (_, item) in self.wanted(bus, wide, &bridges, &blocks) {
            match item {
                Item::Bar(at, bar) => self.give(at, bar, wide, windows),
                Item::Window(index, prefetchable) => {
                    let Some((bridge, block)) = bridges.get(index).zip(blocks.get_mut(index)) else { continue };
                    block[usize::from(prefetchable)] =
                        self.window(bridge, prefetchable, is_wide(bridge, wide), windows);
                }
            }
        }
        for (bridge, block) in bridges.iter().zip(blocks) {
            self.pass_on(bridge, block);
            self.bus(bridge.secondary, Some(is_wide(bridge, wide)), &mut Windows::behind(block));
        }
    }

    /// What on a bus has no place, the largest first, so that nothing is wasted between.
    fn wanted(&self, bus: u8, wide: Option<bool>, bridges: &[Bridge], blocks: &[[Block; 2]]) -> Vec<(u64, Item)> {
        let mut wanted = Vec::new();
        for function in self.functions.iter().filter(|it| it.at.bus() == bus && !self.left_out.contains(&it.at)) {
            let without = |bar: &&Bar| self.place(function.at, bar).is_none();
            wanted.extend(
                function.bars.iter().filter(without).map(|&bar| (bar.size.max(PAGE), Item::Bar(function.at, bar))),
            );
        }
        for (index, (bridge, block)) in bridges.iter().zip(blocks).enumerate() {
            for prefetchable in [false, true].into_iter().filter(|&it| block[usize::from(it)].is_none()) {
                // What is too much for all addresses is seen to when its turn comes.
                let align = self.need(bridge, prefetchable, is_wide(bridge, wide)).map_or(GRAIN, |need| need.align);
                wanted.push((align, Item::Window(index, prefetchable)));
            }
        }
        wanted.sort_by_key(|(align, _)| core::cmp::Reverse(*align));
        wanted
    }

    fn pass_on(&self, bridge: &Bridge, block: [Block; 2]) {
        let wanted = [false, true].map(|it| (it, block[usize::from(it)].map(|(place, size)| (place.bus, size))));
        if wanted.iter().any(|&(prefetchable, window)| bridge.window(self.ecam, prefetchable) != window) {
            set_command(self.ecam, bridge.at, MEMORY, 0);
        }
        for (prefetchable, window) in wanted {
            bridge.set_window(self.ecam, prefetchable, window);
        }
    }

    /// The places that registers on a bus have, where functions are switched on.
    fn keep(&mut self, bus: u8, windows: &mut Windows) {
        for function in self.functions.iter().filter(|it| it.at.bus() == bus) {
            let command = self.ecam.read(function.at, COMMAND);
            for bar in function.bars.iter().filter(|bar| command & bar.decoded_by() != 0) {
                if let Some(place) = windows.keep(bar.bus, bar.size, bar.size, bar.kind) {
                    self.places.push(Placed { at: function.at, index: bar.index, place, is_kept: true });
                }
            }
        }
    }

    /// The windows that a bridge has, if they hold what is behind it.
    fn keep_windows(&self, bridge: &Bridge, wide: Option<bool>, windows: &mut Windows) -> [Block; 2] {
        [false, true].map(|prefetchable| {
            let need = self.need(bridge, prefetchable, is_wide(bridge, wide))?;
            let (base, size) = bridge.window(self.ecam, prefetchable)?;
            let is_on = self.ecam.read(bridge.at, COMMAND) & MEMORY != 0;
            let fits = if self.is_first { size == need.size } else { size >= need.size };
            let place = if is_on && fits { windows.keep(base, size, need.align, kind(prefetchable)) } else { None };
            place.map(|place| (place, size))
        })
    }

    /// A place for a register.
    fn give(&mut self, at: Address, bar: Bar, wide: Option<bool>, windows: &mut Windows) {
        // On the root bus any register of 64 bits may be above; behind bridges those that may be prefetched.
        let kind = if wide.is_none() || bar.kind == Kind::Io {
            bar.kind
        } else {
            kind(bar.is_prefetchable(wide == Some(true)))
        };
        if let Some(place) = windows.place(bar.size, bar.size, kind) {
            self.places.push(Placed { at, index: bar.index, place, is_kept: false });
        }
    }

    /// A window for what is behind a bridge. What is too large for that is left out, the largest first.
    fn window(&mut self, bridge: &Bridge, prefetchable: bool, wide: bool, windows: &mut Windows) -> Block {
        loop {
            let need = self.need(bridge, prefetchable, wide);
            if let Some(Need { size, align }) = need
                && let Some(place) = windows.place(size, align, kind(prefetchable))
            {
                return Some((place, size));
            }
            self.left_out.push(self.largest(bridge, prefetchable, wide)?);
        }
    }

    /// The function behind a bridge with the largest register for a window.
    fn largest(&self, bridge: &Bridge, prefetchable: bool, wide: bool) -> Option<Address> {
        let behind = self.functions.iter().filter(|it| bridge.leads_to(it.at.bus()) && !self.left_out.contains(&it.at));
        let bars = behind.flat_map(|it| it.bars.iter().map(move |bar| (bar, it.at)));
        let of_window = bars.filter(|(bar, _)| bar.kind != Kind::Io && bar.is_prefetchable(wide) == prefetchable);
        of_window.max_by_key(|(bar, _)| bar.size).map(|(_, at)| at)
    }

    /// What is behind a bridge and belongs in one of its windows; none if nothing does, or more than there are addresses.
    fn need(&self, bridge: &Bridge, prefetchable: bool, wide: bool) -> Option<Need> {
        let here = |at: Address| at.bus() == bridge.secondary && !self.left_out.contains(&at);
        let bars = self.functions.iter().filter(|it| here(it.at)).flat_map(|it| &it.bars);
        let bars = bars.filter(|bar| bar.kind != Kind::Io && bar.is_prefetchable(wide) == prefetchable);
        let mut needs: Vec<Need> =
            bars.map(|bar| Need { size: bar.size.max(PAGE), align: bar.size.max(PAGE) }).collect();
        let bridges = self.bridges.0.iter().filter(|it| it.at.bus() == bridge.secondary);
        needs.extend(bridges.filter_map(|it| self.need(it, prefetchable, wide && it.wide)));
        needs.sort_by_key(|need| core::cmp::Reverse(need.align));
        // For what may come.
        let reserve = if bridge.slot.is_some() { RESERVE } else { 0 };
        if needs.is_empty() && reserve == 0 {
            return None;
        }
        let align = needs.first().map_or(GRAIN, |need| need.align.max(GRAIN));
        let end =
            needs.iter().try_fold(0u64, |at, need| at.checked_next_multiple_of(need.align)?.checked_add(need.size));
        Some(Need { size: end?.checked_next_multiple_of(GRAIN)?.max(reserve), align })
    }
}

/// A window of a bridge: where, and bytes.
pub type Block = Option<(Place, u64)>;

/// What has no place yet: a register, or a window of the bridge with this index.
enum Item {
    Bar(Address, Bar),
    Window(usize, bool),
}

/// What a window is for.
const fn kind(prefetchable: bool) -> Kind {
    if prefetchable { Kind::Wide } else { Kind::Narrow }
}

/// Whether what is behind a bridge may lie above 4 GiB. `wide`: the same of what is in front of it; none on the root bus.
pub fn is_wide(bridge: &Bridge, wide: Option<bool>) -> bool {
    bridge.wide && wide.unwrap_or(true)
}
