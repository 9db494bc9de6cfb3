//! Smc: which functions of the firmware somebody may call.

use abi::{ErrorCode, Kind};

use super::{Call, Cap, Model, Next, Out, Place, Stop, refuse};

const INVOKE: u8 = 1;
/// What of the Standard Secure Services can be granted: first and last.
const STANDARD: [(u64, u64); 5] = [
    (0x8400_0000, 0x8400_0000),
    (0x8400_0008, 0x8400_0009),
    (0x8400_000a, 0x8400_000a),
    (0x8400_0050, 0x8400_0053),
    (0xc400_0053, 0xc400_0053),
];

pub fn call(m: &mut Model, call: &Call) -> Out {
    let name = m.get(call, call.target, Kind::Smc, INVOKE, 0)?;
    let cap = &m.caps[&name];
    if !(cap.object..cap.object + cap.pages).contains(&call.x[0]) {
        return refuse(ErrorCode::MissingRight, 1);
    }
    m.firmware.push(call.x[0]);
    // The core is away, and comes back at once: the caller stands behind its equals.
    m.answer(call.caller, call.x.map(|word| word.wrapping_add(1)));
    m.core().current = None;
    m.make_ready(call.caller);
    Ok(Next::Complete)
}

pub fn make(m: &mut Model, call: &Call) -> Out {
    let name = m.get(call, call.target, Kind::SmcControl, INVOKE, 0)?;
    let (place, first, count) = asked_for(m, call)?;
    m.insert(place, functions(first, count), Some(name));
    Ok(Next::Done)
}

pub fn narrow(m: &mut Model, call: &Call) -> Out {
    let name = m.get(call, call.target, Kind::Smc, INVOKE, 0)?;
    let (place, first, count) = asked_for(m, call)?;
    let cap = &m.caps[&name];
    if first < cap.object || first + count > cap.object + cap.pages {
        return refuse(ErrorCode::MissingRight, 2);
    }
    m.insert(place, functions(first, count), Some(name));
    Ok(Next::Done)
}

fn functions(first: u64, count: u64) -> Cap {
    Cap { pages: count, ..Cap::of(Kind::Smc, first) }
}

fn asked_for(m: &Model, call: &Call) -> Result<(Place, u64, u64), Stop> {
    let [slot, first, count, ..] = call.x;
    let place = m.empty_slot(m.table_of(call.caller)?, slot, 1)?;
    if first > u32::MAX.into() || count == 0 || count > 0x1_0000 || !may_be_granted(first, first + count - 1) {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    Ok((place, first, count))
}

/// Decision 0017.
fn may_be_granted(first: u64, last: u64) -> bool {
    let one_service = first >> 16 == last >> 16;
    let (fast, owner) = (first >> 31 == 1, first >> 24 & 0x3f);
    let reserved_bits = first >> 16 & 0xff;
    one_service
        && (!fast
            || reserved_bits == 0
                && match owner {
                    0 => !(first..=last).contains(&0x8000_7fff),
                    4 => STANDARD.iter().any(|&(from, to)| from <= first && last <= to),
                    _ => true,
                })
}
