//! Trace: which core writes into which ring. What it writes there is the business of other tests.

use abi::{ErrorCode, Kind, layout::PAGE};

use super::{At, Call, Cap, Model, Next, Out, Stop, refuse};

const CONTROL: u8 = 1;
const MAP: u8 = 2;
const READ: u8 = 1;

/// A ring that an argument names; the right to tie rings is no ring.
fn ring(m: &Model, call: &Call, index: u64, argument: u8) -> Result<At, Stop> {
    m.object(call, index, Kind::Trace, MAP, argument)
}

pub fn start(m: &mut Model, call: &Call) -> Out {
    m.get(call, call.target, Kind::Trace, CONTROL, 0)?;
    let (ring, core) = (ring(m, call, call.x[0], 1)?, call.x[1]);
    if core >= m.cores.len() as u64 {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    let core = core as usize;
    if m.rings[&ring].core.is_some() {
        return refuse(ErrorCode::Busy, 1);
    }
    if m.rings.values().any(|other| other.core == Some(core)) {
        return refuse(ErrorCode::Busy, 2);
    }
    m.rings.get_mut(&ring).expect("a ring that exists").core = Some(core);
    Ok(Next::Done)
}

pub fn stop(m: &mut Model, call: &Call) -> Out {
    m.get(call, call.target, Kind::Trace, CONTROL, 0)?;
    let ring = ring(m, call, call.x[0], 1)?;
    if m.rings.get_mut(&ring).expect("a ring that exists").core.take().is_none() {
        return refuse(ErrorCode::InvalidState, 1);
    }
    Ok(Next::Done)
}

pub fn map(m: &mut Model, call: &Call) -> Out {
    let name = m.get(call, call.target, Kind::Trace, MAP, 0)?;
    let ring = m.caps[&name].object;
    let place = m.empty_slot(m.table_of(call.caller)?, call.x[0], 1)?;
    let pages = m.rings[&ring].pages;
    let frame = Cap { rights: READ, pages, ..Cap::of(Kind::Frame, ring + PAGE) };
    m.insert(place, frame, Some(name));
    Ok(m.answer_one(call.caller, pages * PAGE))
}

impl Model {
    /// Whether the kernel records there, or did.
    pub fn is_record(&self, place: u64) -> bool {
        self.records.iter().any(|(&from, &to)| (from..to).contains(&place))
    }
}
