//! Interrupt lines, bus addresses, the console.

use abi::{
    ErrorCode, Kind, MAX_WORDS, REG_WORDS,
    layout::{PAGE, USER_END},
};

use super::space::{drained_leaf, map_frame};
use super::{At, Call, Cap, Irq, Mapping, Model, Name, Next, Out, Place, Stop, Work, refuse};
use crate::testbed::bed::{RAM, SMMU, SMMU_LINE};

const INVOKE: u8 = 1;
const IRQ_BIND: u8 = 1;
const IRQ_ACK: u8 = 2;
const SIGNAL: u8 = 1;
const DMA: u8 = 8;
const READ: u8 = 1;
/// Lines of the fake machine.
const LINES: core::ops::Range<u64> = 32..288;
const SHARERS: usize = 8;

pub fn irq_set(m: &mut Model, call: &Call) -> Out {
    let [irq, line, trigger, ..] = call.x;
    m.get(call, call.target, Kind::IrqControl, INVOKE, 0)?;
    let irq = m.object(call, irq, Kind::Irq, IRQ_BIND, 1)?;
    if m.irqs[&irq].line.is_some() {
        return refuse(ErrorCode::InvalidState, 1);
    }
    if !LINES.contains(&line) {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    let (line, edge) = (line as u32, trigger == 1);
    let sharers = m.lines.get(&line).cloned().unwrap_or_default();
    if trigger > 1 || sharers.iter().any(|other| m.irqs[other].edge != edge) {
        return refuse(ErrorCode::InvalidArgument, 3);
    }
    if sharers.len() == SHARERS {
        return refuse(ErrorCode::Busy, 2);
    }
    let object = m.irq(irq);
    (object.line, object.edge) = (Some(line), edge);
    m.lines.entry(line).or_default().insert(0, irq);
    Ok(Next::Done)
}

pub fn irq_bind(m: &mut Model, call: &Call) -> Out {
    let irq = m.target(call, Kind::Irq, IRQ_BIND)?;
    let source = m.get(call, call.x[0], Kind::Notification, SIGNAL, 1)?;
    let Some(line) = m.irqs[&irq].line else { return refuse(ErrorCode::InvalidState, 0) };
    m.hold(Place::Irq(irq), Some(source));
    let held = m.irqs[&irq].held.expect("it was just put there");
    m.cap(held).rights &= SIGNAL;
    let badge = m.caps[&source].badge;
    let object = m.irq(irq);
    (object.bits, object.pending) = (call.x[1] | badge, false);
    m.routes.insert(line, m.here);
    m.reopen(line);
    Ok(Next::Done)
}

pub fn irq_ack(m: &mut Model, call: &Call) -> Out {
    let irq = m.target(call, Kind::Irq, IRQ_ACK)?;
    let Some(line) = m.irqs[&irq].line else { return refuse(ErrorCode::InvalidState, 0) };
    m.irq(irq).pending = false;
    m.reopen(line);
    Ok(Next::Done)
}

fn dma_frame(m: &Model, call: &Call) -> Result<(At, Name), Stop> {
    let space = m.target(call, Kind::DmaSpace, INVOKE)?;
    let frame = m.get(call, call.x[0], Kind::Frame, DMA, 1)?;
    if m.caps[&frame].device {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    Ok((space, frame))
}

pub fn dma_attach(m: &mut Model, call: &Call) -> Out {
    let [_, address, perms, pages, ..] = call.x;
    let (space, frame) = dma_frame(m, call)?;
    let cap = m.caps[&frame].clone();
    if !matches!(perms, 1 | 3) {
        return refuse(ErrorCode::InvalidArgument, 3);
    }
    if u64::from(cap.rights) & perms != perms {
        return refuse(ErrorCode::MissingRight, 3);
    }
    if !address.is_multiple_of(PAGE) {
        return refuse(ErrorCode::Misaligned, 2);
    }
    if pages == 0 || pages > cap.pages {
        return refuse(ErrorCode::InvalidArgument, 4);
    }
    if !m.spaces[&space].bound {
        return refuse(ErrorCode::InvalidState, 0);
    }
    if m.spaces[&space].stream.is_none() {
        if cap.mapping.is_some() {
            return refuse(ErrorCode::AlreadyMapped, 1);
        }
        m.cap(frame).mapping = Some(Mapping { space, address: cap.object, pages: 0, first: 0, work: Work::None });
        m.space(space).mapped.insert(0, frame);
        return Ok(m.answer_one(call.caller, cap.object));
    }
    if !(0x1_0000..USER_END).contains(&address) || pages * PAGE > USER_END - address {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    map_frame(m, frame, space, address, 0, pages, perms)?;
    Ok(m.answer_one(call.caller, address))
}

pub fn dma_detach(m: &mut Model, call: &Call) -> Out {
    let (space, frame) = dma_frame(m, call)?;
    if m.caps[&frame].mapping.is_none_or(|mapping| mapping.space != space) {
        return refuse(ErrorCode::NotMapped, 1);
    }
    m.unmap_cap(frame)?;
    Ok(Next::Done)
}

pub fn dma_clear(m: &mut Model, call: &Call) -> Out {
    let [address, pages, ..] = call.x;
    let space = m.target(call, Kind::DmaSpace, INVOKE)?;
    if !address.is_multiple_of(PAGE) {
        return refuse(ErrorCode::Misaligned, 1);
    }
    if address >= USER_END {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    if pages == 0 || pages > (USER_END - address) / PAGE {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    let mut at = address;
    for _ in 0..pages.min(32) {
        if at >= address + pages * PAGE {
            break;
        }
        at = after(m, space, at);
    }
    Ok(m.answer_one(call.caller, ((at - address) / PAGE).min(pages)))
}

/// Clears the entry of a space for an address if it is drained; the address that is looked at next.
fn after(m: &mut Model, space: At, at: u64) -> u64 {
    if let Some(&leaf) = m.spaces[&space].leaves.get(&at) {
        if leaf == drained_leaf(space) {
            m.space(space).leaves.remove(&at);
        }
        return at + PAGE;
    }
    // Up to the end of the part that has no table.
    let tables = m.spaces[&space].tables();
    let span = |level: u32| PAGE << (9 * (3 - level));
    let level = (1..=3).take_while(|&level| tables.contains(&(level, at & !(span(level - 1) - 1)))).count() as u32;
    (at | (span(level) - 1)) + 1
}

pub fn dma_bind(m: &mut Model, call: &Call) -> Out {
    let [space, base, stream, ..] = call.x;
    m.get(call, call.target, Kind::IommuControl, INVOKE, 0)?;
    let space = m.object(call, space, Kind::DmaSpace, INVOKE, 1)?;
    if m.spaces[&space].bound {
        return refuse(ErrorCode::InvalidState, 1);
    }
    if base == 0 {
        m.space(space).bound = true;
        return Ok(Next::Done);
    }
    if base != SMMU {
        return refuse(ErrorCode::InvalidArgument, 2);
    }
    let Ok(stream) = u16::try_from(stream) else { return refuse(ErrorCode::InvalidArgument, 3) };
    if m.streams.contains_key(&stream) {
        return refuse(ErrorCode::Busy, 3);
    }
    m.streams.insert(stream, space);
    let space = m.space(space);
    (space.stream, space.bound) = (Some(stream), true);
    Ok(Next::Done)
}

/// No device of the fake machine does anything.
pub fn dma_fault(m: &mut Model, call: &Call) -> Out {
    m.get(call, call.target, Kind::IommuControl, INVOKE, 0)?;
    Ok(m.answer(call.caller, [0; 8]))
}

pub fn iommu_info(m: &mut Model, call: &Call) -> Out {
    m.get(call, call.target, Kind::IommuControl, INVOKE, 0)?;
    if call.x[0] != 0 {
        return refuse(ErrorCode::InvalidArgument, 1);
    }
    Ok(m.answer(call.caller, [SMMU, SMMU_LINE, 1, 1, 0, 0, 0, 0]))
}

pub fn console_write(m: &mut Model, call: &Call) -> Out {
    m.get(call, call.target, Kind::KernelConsole, INVOKE, 0)?;
    let words = usize::from(call.input.words()).min(MAX_WORDS);
    let page = m.page_of(call.caller);
    let mut bytes = Vec::new();
    for index in 1..words {
        let word = match (index < REG_WORDS, page) {
            (true, _) => call.x[index],
            (false, Some(page)) => m.read_word(page + 64 + 8 * (index - REG_WORDS) as u64),
            (false, None) => break,
        };
        bytes.extend(word.to_le_bytes());
    }
    let (count, skipped) = (call.x[0] as u32, (call.x[0] >> 32) as usize);
    bytes.truncate(count as usize);
    let done = (m.oracle >> 32) as usize;
    if m.fuel.is_some() && m.oracle as u32 == count && (skipped + 1..bytes.len()).contains(&done) {
        // It made way, and its register says how far it came.
        m.printed.extend(&bytes[skipped..done]);
        m.thread(call.caller).x[0] = m.oracle;
        return Ok(Next::Again);
    }
    m.printed.extend(bytes.iter().skip(skipped));
    Ok(Next::Done)
}

pub fn console_ring(m: &mut Model, call: &Call) -> Out {
    let name = m.get(call, call.target, Kind::KernelConsole, INVOKE, 0)?;
    let place = m.empty_slot(m.table_of(call.caller)?, call.x[0], 1)?;
    let ring = Cap { rights: READ, keep: true, pages: 1, ..Cap::of(Kind::Frame, RAM) };
    m.insert(place, ring, Some(name));
    Ok(m.answer_one(call.caller, PAGE))
}

impl Model {
    pub fn irq(&mut self, at: At) -> &mut Irq {
        self.irqs.get_mut(&at).expect("an Irq that exists")
    }

    fn sharers(&self, line: u32) -> Vec<At> {
        self.lines.get(&line).cloned().unwrap_or_default()
    }

    /// An open line is served: it is shut, and everybody who listens is told.
    pub fn line_fires(&mut self, line: u32) {
        self.open.remove(&line);
        for irq in self.sharers(line) {
            let Irq { held, bits, .. } = self.irqs[&irq];
            if let Some(held) = held {
                self.irq(irq).pending = true;
                let notification = self.caps[&held].object;
                self.notify(notification, bits);
            }
        }
    }

    /// A line is open when somebody listens and nobody has to acknowledge; with nobody listening it is shut.
    pub fn reopen(&mut self, line: u32) {
        let sharers = self.sharers(line);
        if !sharers.iter().any(|irq| self.irqs[irq].held.is_some()) {
            self.open.remove(&line);
        } else if !sharers.iter().any(|irq| self.irqs[irq].pending) {
            self.open.insert(line);
        }
    }

    /// Its Notification is gone.
    pub fn irq_lost(&mut self, irq: At) {
        self.irq(irq).pending = false;
        if let Some(line) = self.irqs[&irq].line {
            self.reopen(line);
        }
    }

    /// The last capability is gone.
    pub fn irq_dropped(&mut self, irq: At) {
        self.clear_held(Place::Irq(irq));
        self.forget_message(irq);
        if let Some(line) = self.irq(irq).line.take() {
            self.lines.get_mut(&line).expect("it has sharers").retain(|&other| other != irq);
            self.reopen(line);
        }
    }
}
