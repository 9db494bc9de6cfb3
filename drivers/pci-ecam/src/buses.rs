//! Numbers for the buses behind bridges, and which functions are there.

use alloc::vec::Vec;

use crate::bridge::{Bridge, Bridges, is_bridge};
use crate::config::{Address, Ecam, HEADER, ID};
use crate::scan::Fault;

/// Most bridges behind each other.
const DEEPEST: usize = 16;
/// Most functions behind a host bridge.
const MOST: usize = 256;

/// What is behind a host bridge.
#[derive(Debug, Default)]
pub struct Tree {
    /// All functions, what is behind a bridge right after it; and which bridges lead nowhere, and why.
    pub functions: Vec<Result<Address, Fault>>,
    /// The bridges among them that lead somewhere.
    pub bridges: Bridges,
}

/// Goes through all buses, depth first, and gives each behind a bridge a number: those that bridges have already stay, if they are
/// consistent.
pub fn buses(ecam: &Ecam) -> Tree {
    let mut tree = Tree::default();
    tree.walk(ecam, ecam.first(), false, ecam.last(), 0);
    tree
}

impl Tree {
    /// The functions of a bus and behind it, whose numbers end at `last`. The last number in use.
    fn walk(&mut self, ecam: &Ecam, bus: u8, is_link: bool, last: u8, depth: usize) -> u8 {
        let here: Vec<Address> = functions(ecam, bus, is_link).collect();
        let kept = kept(ecam, &here, last);
        let mut used = kept.iter().map(|bridge| bridge.subordinate).max().unwrap_or(bus);
        for at in here {
            if self.functions.len() >= MOST {
                let why = alloc::format!("there are more than {MOST} functions: it and those behind are left alone");
                self.functions.push(Err(Fault { at, why }));
                break;
            }
            self.functions.push(Ok(at));
            if !is_bridge(ecam, at) {
                continue;
            }
            let has = kept.iter().find(|bridge| bridge.at == at);
            match has.map_or_else(|| numbered(ecam, at, used, last), |bridge| Ok(*bridge)) {
                Ok(_) if depth >= DEEPEST => {
                    Bridge::forget_buses(ecam, at);
                    self.leads_nowhere(at, "it is behind too many other bridges");
                }
                Ok(bridge) => {
                    let end = self.behind(ecam, bridge, has.is_some(), depth + 1);
                    used = used.max(end);
                }
                Err(why) => self.leads_nowhere(at, why),
            }
        }
        used
    }

    /// What is behind a bridge, whose last number is as few as there are if it was not kept.
    fn behind(&mut self, ecam: &Ecam, bridge: Bridge, is_kept: bool, depth: usize) -> u8 {
        let index = self.bridges.0.len();
        self.bridges.0.push(bridge);
        let end = self.walk(ecam, bridge.secondary, bridge.is_link(), bridge.subordinate, depth);
        if is_kept {
            return bridge.subordinate;
        }
        let bridge = Bridge { subordinate: end, ..bridge };
        bridge.set_buses(ecam);
        if let Some(place) = self.bridges.0.get_mut(index) {
            *place = bridge;
        }
        end
    }

    /// The bridge that was just listed has nothing behind it that could be reached.
    fn leads_nowhere(&mut self, at: Address, why: &str) {
        self.functions.pop();
        self.functions.push(Err(Fault { at, why: why.into() }));
    }
}

/// The bridges that have numbers which make sense, and no two the same. The others lead nowhere for now.
fn kept(ecam: &Ecam, here: &[Address], last: u8) -> Vec<Bridge> {
    let mut kept: Vec<Bridge> = Vec::new();
    for &at in here.iter().filter(|&&at| is_bridge(ecam, at)) {
        let bridge = Bridge::of(ecam, at);
        let apart = |other: &Bridge| bridge.subordinate < other.secondary || other.subordinate < bridge.secondary;
        if bridge.is_consistent(ecam, last) && kept.iter().all(apart) {
            kept.push(bridge);
        } else {
            Bridge::forget_buses(ecam, at);
        }
    }
    kept
}

/// A bridge that got the number behind `used`, and all up to `last` for what it turns out to have behind it.
fn numbered(ecam: &Ecam, at: Address, used: u8, last: u8) -> Result<Bridge, &'static str> {
    if used >= last {
        return Err("no bus number is left for what is behind it");
    }
    let bridge = Bridge { secondary: used + 1, subordinate: last, ..Bridge::of(ecam, at) };
    bridge.set_buses(ecam).then_some(bridge).ok_or("it takes no bus number")
}

/// The functions of a bus. One that is not there says so with all ones; of a device without function 0 there are none.
pub fn functions(ecam: &Ecam, bus: u8, is_link: bool) -> impl Iterator<Item = Address> + '_ {
    (0..if is_link { 1 } else { 32u8 }).flat_map(move |device| {
        let first = Address::new(bus, device, 0);
        let several = |first| if ecam.read(first, HEADER) & 0x80_0000 != 0 { 8 } else { 1 };
        let count = if is_there(ecam, first) { several(first) } else { 0 };
        (0..count).map(move |function| Address::new(bus, device, function)).filter(|&at| is_there(ecam, at))
    })
}

fn is_there(ecam: &Ecam, at: Address) -> bool {
    !matches!(ecam.read(at, ID) & 0xffff, 0 | 0xffff)
}
