//! Operations on a CapTable.

use abi::{Badge, ErrorCode, Kind};

use super::{Call, Model, Name, Next, Out, Place, Stop, refuse};

const TAKE: u8 = 1;
const PUT: u8 = 2;
const REVOKE: u8 = 4;

fn ends(m: &Model, call: &Call) -> Result<(Name, Place), Stop> {
    let target = m.target(call, Kind::CapTable, PUT)?;
    let source = m.object(call, call.x[1], Kind::CapTable, TAKE, 2)?;
    let Some(from) = m.in_slot(m.slot(source, call.x[2], 3)?) else { return refuse(ErrorCode::EmptySlot, 3) };
    Ok((from, m.empty_slot(target, call.x[0], 1)?))
}

pub fn copy(m: &mut Model, call: &Call) -> Out {
    let (from, to) = ends(m, call)?;
    let cap = m.caps[&from].clone();
    if matches!(cap.kind, Kind::Untyped | Kind::Reserve | Kind::Reply) {
        return refuse(ErrorCode::InvalidArgument, 3);
    }
    let (rights, wanted) = (call.x[3], call.x[4]);
    if rights > 0xff || abi::Rights::from_bits(rights as u8).is_none() {
        return refuse(ErrorCode::InvalidArgument, 4);
    }
    let has_badge = matches!(cap.kind, Kind::Endpoint | Kind::Notification);
    let badge = match Badge(cap.badge).refine(Badge(wanted)) {
        Some(badge) if has_badge => badge.0,
        _ if wanted == 0 => 0,
        _ => return refuse(ErrorCode::BadgeSet, 5),
    };
    m.insert(to, cap.copied(rights as u8, badge), Some(from));
    Ok(Next::Done)
}

pub fn move_cap(m: &mut Model, call: &Call) -> Out {
    let (from, to) = ends(m, call)?;
    if m.caps[&from].slots_of.is_some() && matches!(to, Place::Grown(_)) {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    m.move_to(from, to);
    Ok(Next::Done)
}

pub fn delete(m: &mut Model, call: &Call) -> Out {
    let table = m.target(call, Kind::CapTable, TAKE)?;
    let slot = m.slot(table, call.x[0], 1)?;
    if let Some(name) = m.in_slot(slot) {
        m.delete(name)?;
    }
    // As much of the dead as the kernel found time for.
    m.buries = true;
    Ok(Next::Done)
}

pub fn revoke(m: &mut Model, call: &Call) -> Out {
    let table = m.target(call, Kind::CapTable, REVOKE)?;
    let slot = m.slot(table, call.x[0], 1)?;
    let Some(name) = m.in_slot(slot) else { return refuse(ErrorCode::EmptySlot, 1) };
    m.revoke(name)?;
    Ok(Next::Done)
}
