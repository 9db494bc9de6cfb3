//! The cases, a file an object.

mod common;
mod control;
mod dma;
mod endpoint;
mod fault;
mod message;
mod notification;
mod reserve;
mod sched;
mod space;
mod table;
mod thread;
mod time;
mod trace;
mod untyped;
mod vector;
mod wake;

use crate::case::Case;

/// All of them, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    let files = [
        endpoint::CASES,
        notification::CASES,
        untyped::CASES,
        table::CASES,
        thread::CASES,
        vector::CASES,
        fault::CASES,
        space::CASES,
        reserve::CASES,
        control::CASES,
        dma::CASES,
        message::CASES,
        trace::CASES,
        sched::CASES,
        time::CASES,
        wake::CASES,
    ];
    files.into_iter().flatten()
}
