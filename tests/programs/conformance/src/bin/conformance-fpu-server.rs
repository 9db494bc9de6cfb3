//! Fills its vector registers before each answer, and finds them again with the next call.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
rt::entry!(run);

#[cfg(target_os = "none")]
fn run(env: &'static rt::Env) {
    use abi::{Op, OutWord, Slots};
    use conformance_programs::vectors::Vectors;
    use conformance_programs::wire::{CLIENT, SERVER, Wrong, input, method};

    let mut wrong = Wrong::default();
    // A thread begins without anything of another; this may be the second instance, in the memory of the first.
    let first = Vectors::now();
    first.are_not_of(CLIENT, &mut wrong);
    first.are_not_of(SERVER, &mut wrong);
    let Ok(endpoint) = env.cap::<rt::Endpoint>("provide:conformance-fpu") else {
        return log::error!("conformance broken: no endpoint to serve");
    };
    let slots = Slots::new(endpoint.slot(), abi::SLOT_REPLY).0;
    let mut words = [0, 0, 0, 0, 0, 0, 0, 0, input(Op::Receive, 0, 0, 0).0, slots];
    for call in 1.. {
        let mine = Vectors::of(SERVER, call);
        let after = mine.svc(&mut words);
        mine.survive(&after, &mut wrong);
        after.are_not_of(CLIENT, &mut wrong);
        let out = OutWord(words[8]);
        if out.label() & 0xff == method::DIE {
            log::info!("conformance: the server ends");
            panic!("on purpose");
        }
        words[0] = wrong.0;
        (words[8], words[9]) = (input(Op::ReplyReceive, out.words(), 0, 0).0, slots);
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
