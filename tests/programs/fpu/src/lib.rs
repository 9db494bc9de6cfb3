//! Computing whose result is known to the last bit: one register of another thread, or one that is lost, and it is another.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use rt::{Cap, Endpoint, Env, Message};

/// Numbers on their way through a chaotic map (r x (1 - x)): more than fit into the vector registers that a call keeps.
#[derive(Clone, Copy, Debug)]
pub struct Orbits([f64; 24]);

impl Orbits {
    /// Where they begin.
    pub fn new(seed: u32) -> Self {
        Self(core::array::from_fn(|index| 0.1 + 0.03 * index as f64 + 0.0001 * f64::from(seed)))
    }

    /// One step for each.
    #[inline(always)]
    pub fn step(&mut self) {
        for x in &mut self.0 {
            *x = 3.9 * *x * (1.0 - *x);
        }
    }

    /// All bits of all of them, mixed.
    pub fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, x| sum.rotate_left(7) ^ x.to_bits())
    }
}

/// The sum after some steps.
pub fn computed(seed: u32, steps: u32) -> u64 {
    let mut orbits = Orbits::new(seed);
    for _ in 0..steps {
        orbits.step();
    }
    orbits.sum()
}

/// Steps of a round.
pub const STEPS: u32 = 20_000;
/// The seeds of those who compute alone, and the sums after [`STEPS`], as every machine with IEEE 754 has them.
pub const ALONE: [(u32, u64); 3] = [(1, 0xc15e_403c_1334_580c), (2, 0xf0f7_8611_472c_288d), (3, 0xc30b_6e19_3d94_2f35)];
/// Rounds of each.
const ROUNDS: u32 = 30;

/// Computes the same again and again, long enough for many slices.
pub fn alone(which: usize) {
    let (seed, expected) = ALONE[which % ALONE.len()];
    let mut wrong = 0;
    for round in 0..ROUNDS {
        let found = computed(core::hint::black_box(seed), STEPS);
        if found != expected {
            wrong += 1;
            log::error!("fpu broken: seed {seed}, round {round}: {found:#x} and not {expected:#x}");
        }
    }
    log::info!("fpu: seed {seed}: {ROUNDS} rounds, {wrong} wrong");
}

/// Calls of a client.
const CALLS: u32 = 1000;

/// Computes, calls the server, and goes on computing; compares its own numbers and the server's.
pub fn client(env: &Env, seed: u32) {
    let server: Cap<Endpoint> = match env.cap("use:fpu-server") {
        Ok(server) => server,
        Err(missing) => return log::error!("fpu broken: {missing}"),
    };
    let (mut own, mut of_server, mut steps, mut wrong) = (Orbits::new(seed), Orbits::new(SERVER), 0, 0);
    for _ in 0..CALLS {
        own.step();
        let Ok(answer) = server.call(&Message::new(1, [u64::from(seed)])) else {
            return log::error!("fpu broken: the server does not answer");
        };
        // Others call it, too.
        while steps < answer.word(0) {
            of_server.step();
            steps += 1;
        }
        if answer.word(1) != of_server.sum() || answer.word(2) != u64::from(seed) {
            wrong += 1;
        }
    }
    if own.sum() != computed(seed, CALLS) {
        wrong += 1;
    }
    if wrong > 0 {
        log::error!("fpu broken: client {seed}: {wrong} wrong");
    }
    log::info!("fpu: client {seed}: {CALLS} calls, {wrong} wrong");
}

/// The server's seed.
pub const SERVER: u32 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_computes_the_same() {
        for (seed, expected) in ALONE {
            assert_eq!(computed(seed, STEPS), expected, "seed {seed}: {:#x}", computed(seed, STEPS));
        }
    }

    #[test]
    fn one_lost_bit_is_noticed() {
        let mut orbits = Orbits::new(1);
        (0..100).for_each(|_| orbits.step());
        let mut other = orbits;
        other.0[5] = f64::from_bits(other.0[5].to_bits() ^ 1);
        assert_ne!(orbits.sum(), other.sum());
    }
}
