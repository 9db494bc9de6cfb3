//! Holds calls to the interface as far as vector registers go: what survives, and that nothing comes across.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
rt::entry!(run);

#[cfg(target_os = "none")]
fn run(env: &'static rt::Env) {
    use abi::{ErrorCode, Op, OutWord, Slots};
    use conformance_programs::vectors::Vectors;
    use conformance_programs::wire::{CLIENT, SERVER, Wrong, input, method};

    let mut wrong = Wrong::default();
    Vectors::now().are_not_of(SERVER, &mut wrong);
    let Ok(server) = env.cap::<rt::Endpoint>("use:conformance-fpu") else {
        return log::error!("conformance broken: no endpoint to call");
    };
    const CALLS: u32 = 400;
    for call in 1..=CALLS {
        let mine = Vectors::of(CLIENT, call);
        let what = if call == CALLS / 2 { method::DIE } else { method::ECHO };
        // All lengths, also through the page, which is no fast path.
        let length = (call % 11) as u8;
        let label = input(Op::Call, length, 0, what).0;
        let mut words = [0, 1, 2, 3, 4, 5, 6, 7, label, Slots::new(server.slot(), 0).0];
        let after = mine.svc(&mut words);
        mine.survive(&after, &mut wrong);
        after.are_not_of(SERVER, &mut wrong);
        let status = OutWord(words[8]).status().err().map(|error| error.code);
        let expected = if what == method::DIE { Some(ErrorCode::PeerGone) } else { None };
        wrong.unless(status == expected, "another result", [words[8], call.into(), 0]);
        wrong.unless(length == 0 || status.is_some() || words[0] == 0, "the server saw wrong things", [words[0], 0, 0]);
        // A system call of one alone.
        let poll = input(Op::Poll, 0, 0, 0).0;
        let mut words = [0, 0, 0, 0, 0, 0, 0, 0, poll, Slots::new(abi::SLOT_NOTIFICATION, 0).0];
        let after = mine.svc(&mut words);
        mine.survive(&after, &mut wrong);
    }
    log::info!("conformance: {CALLS} calls with vector registers, {} wrong", wrong.0);
}

#[cfg(not(target_os = "none"))]
fn main() {}
