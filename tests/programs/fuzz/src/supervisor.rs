//! Who writes the lists, wakes who waits for ever, destroys who runs, and looks whether anything is lost.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::{FaultKind, FaultMessage, Kind, MAX_NAMED, Op, SLOT_MEMORY, SLOT_TABLE};
use agent::code;
use rt::{Cap, Endpoint, Env, Frame, Message, NOTIFICATION, Received, Reply, Timer, invoke};

use crate::plan::Plan;
use crate::player::{MOST, Player};
use crate::random::Random;
use crate::system::{Broken, Check, broken, make, revoke, ticks};
use crate::witness::KEY;

/// What all players share.
pub struct Ground {
    /// The Frame of the instructions.
    pub code: u32,
    /// Where faults arrive.
    pub faults: u32,
    /// SchedControl, by core.
    pub controls: Vec<u32>,
    pub debug: u32,
    pub shared: u32,
    pub endpoints: [u32; 4],
    pub notifications: [u32; 4],
    pub frames: [u32; 2],
    /// How many there are.
    pub players: u32,
    /// What the shared objects are made of.
    memory: u32,
}

/// Slots of the shared objects.
const SHARED: u32 = 200;
/// Pages of the shared objects.
const PAGES: u64 = 16;
/// Microseconds between two looks at players that do not come to their end.
const LOOK: u64 = 400;
/// Looks without progress until a player is told to leave out a call, and until it is built anew.
const SKIP: u32 = 6;
const REBUILD: u32 = 40;
/// How often a player may be built anew in turn without making a call.
const BARREN: u32 = 40;
/// Seconds without any progress that are a hang.
const PATIENCE: u64 = 20;
/// Seconds between two lines that say how far it is.
const TELL: u64 = 5;
/// Calls, unless the command line says how many.
const CALLS: u64 = 100_000;

/// Makes its calls and says how it went.
pub fn run(env: &Env) {
    let calls = env.argument("arg:calls").map_or(CALLS, u64::from);
    let seed = env.argument("arg:seed").map_or(1, u64::from);
    log::info!("fuzz: {calls} calls, seed {seed}");
    match Fuzz::new(env, seed).and_then(|mut fuzz| fuzz.run(calls).map(|()| fuzz.summary())) {
        Ok(summary) => log::info!("fuzz: done: {summary}, seed {seed}"),
        Err(Broken(why)) => log::error!("fuzz broken: seed {seed}: {why}"),
    }
}

struct Fuzz {
    random: Random,
    ground: Ground,
    players: Vec<Player>,
    timer: Cap<Timer>,
    reply: Cap<Reply>,
    witness: Cap<Endpoint>,
    /// Calls that players made.
    calls: u64,
    /// When the last of them was noticed.
    last: u64,
    /// When it was last said how far it is.
    told: u64,
    rebuilt: u64,
    skipped: u64,
    rounds: u64,
    looks: u64,
}

fn slot() -> Check<u32> {
    rt::alloc_slot().map_err(|_| "no slot".into())
}

fn new(kind: Kind, size: u64) -> Check<u32> {
    let slot = slot()?;
    make(SLOT_MEMORY, kind, size, slot)?;
    Ok(slot)
}

/// The slots of what a board grants, by core.
fn controls(env: &Env) -> Vec<u32> {
    let info = env.start_info();
    let named = (0..MAX_NAMED).map_while(|core| match core {
        0 => info.find("control:sched-control"),
        core => info.find(&format!("control:sched-control{core}")),
    });
    named.map(|entry| entry.slot).collect()
}

impl Fuzz {
    fn new(env: &Env, seed: u64) -> Check<Self> {
        let code = new(Kind::Frame, 1)?;
        let buffer = rt::SharedBuffer::map(Cap::<Frame>::from_slot(code), 1).map_err(|_| Broken::from("map"))?;
        buffer.write(0, code::bytes()).map_err(|_| Broken::from("the instructions do not fit"))?;
        buffer.unmap().map_err(|_| Broken::from("unmap"))?;
        let controls = controls(env);
        let debug = env.start_info().find("control:debug").map_or(0, |entry| entry.slot);
        if controls.is_empty() || debug == 0 {
            return Err("no authority was granted".into());
        }
        let players = (3 * controls.len() as u32).clamp(4, 16);
        let names = |first: u32| core::array::from_fn(|index| SHARED + first + index as u32);
        let ground = Ground {
            code,
            faults: new(Kind::Endpoint, 0)?,
            controls,
            debug,
            shared: SHARED,
            endpoints: names(1),
            notifications: names(5),
            frames: core::array::from_fn(|index| SHARED + 9 + index as u32),
            players,
            memory: new(Kind::Untyped, PAGES)?,
        };
        Ok(Self {
            random: Random::new(seed),
            ground,
            players: (1..=players).map(Player::new).collect::<Check<_>>()?,
            timer: Cap::from_slot(new(Kind::Timer, 0)?),
            reply: Cap::from_slot(new(Kind::Reply, 0)?),
            witness: env.cap("use:fuzz-witness").map_err(|_| Broken::from("no witness"))?,
            calls: 0,
            last: rt::now_ticks(),
            told: rt::now_ticks(),
            rebuilt: 0,
            skipped: 0,
            rounds: 0,
            looks: 0,
        })
    }

    fn summary(&self) -> String {
        format!(
            "{} calls on {} cores in {} rounds, {} players built anew, {} calls left out, {} looks of the bystander",
            self.calls,
            self.ground.controls.len(),
            self.rounds,
            self.rebuilt,
            self.skipped,
            self.looks
        )
    }

    fn run(&mut self, calls: u64) -> Check {
        let before = self.used()?;
        let round = (calls / 4).clamp(1000, 50_000);
        while self.calls < calls {
            self.round((self.calls + round).min(calls))?;
            self.rounds += 1;
            let after = self.used()?;
            if after != before {
                return Err(Broken(format!("{after} bytes in use after a round, {before} before")));
            }
            self.ask_bystander()?;
        }
        Ok(())
    }

    /// Says from time to time how far it is.
    fn tell(&mut self) {
        if rt::now_ticks() - self.told > TELL * rt::ticks_per_second() {
            self.told = rt::now_ticks();
            log::info!("fuzz: so far {}", self.summary());
        }
    }

    /// Bytes in use of all memory that there is.
    fn used(&self) -> Check<u64> {
        let info = invoke(Op::DebugCap, self.ground.debug, [SLOT_TABLE.into(), SLOT_MEMORY.into()]);
        info.map(|info| info[5]).map_err(|error| broken("memory", error))
    }

    fn ask_bystander(&mut self) -> Check {
        let nonce = self.random.next();
        let answer =
            self.witness.call(&Message::new(1, [nonce])).map_err(|error| Broken(format!("bystander: {error:?}")))?;
        let [echo, looks, wrong, ..] = answer.regs;
        if echo != nonce ^ KEY || looks <= self.looks || wrong > 0 {
            return Err(Broken(format!("the bystander answers {echo:#x}, {looks} looks, {wrong} words wrong")));
        }
        self.looks = looks;
        Ok(())
    }

    /// Players come, play until there were so many calls, and go.
    fn round(&mut self, until: u64) -> Check {
        self.lay_ground()?;
        for index in 0..self.players.len() {
            self.players[index].build(&self.ground, &mut self.random)?;
        }
        self.last = rt::now_ticks();
        for index in 0..self.players.len() {
            self.play(index)?;
        }
        while self.calls < until {
            match self.take_fault()? {
                Some((number, ended)) => self.came_to_an_end(number as usize - 1, ended)?,
                None => self.look()?,
            }
            if self.random.once_in(8) {
                self.interfere()?;
            }
            self.tell();
        }
        self.players.iter_mut().try_for_each(|player| player.end(self.ground.debug))?;
        self.clear_ground()
    }

    fn lay_ground(&mut self) -> Check {
        let Ground { memory, shared, .. } = self.ground;
        make(memory, Kind::CapTable, 6, shared)?;
        self.ground.endpoints.iter().try_for_each(|&slot| make(memory, Kind::Endpoint, 0, slot))?;
        self.ground.notifications.iter().try_for_each(|&slot| make(memory, Kind::Notification, 0, slot))?;
        self.ground.frames.iter().try_for_each(|&slot| make(memory, Kind::Frame, 2, slot))
    }

    fn clear_ground(&mut self) -> Check {
        let memory = self.ground.memory;
        revoke(memory)?;
        let info = invoke(Op::DebugCap, self.ground.debug, [SLOT_TABLE.into(), memory.into()])
            .map_err(|error| broken("shared memory", error))?;
        if info[5] == 0 { Ok(()) } else { Err(Broken(format!("{} bytes of shared memory stay in use", info[5]))) }
    }

    /// A list for a player; one that cannot play is built anew.
    fn play(&mut self, index: usize) -> Check {
        let most = 1 + self.random.below(MOST as u64) as usize;
        let calls = Plan::write(&mut self.random, rt::now_ticks(), most);
        if !self.players[index].play(&calls, &mut self.random)? {
            self.rebuild(index)?;
        }
        Ok(())
    }

    /// Ends a player, whatever it does, and makes it anew.
    fn rebuild(&mut self, index: usize) -> Check {
        let player = &mut self.players[index];
        player.progress().map(|done| self.calls += done as u64)?;
        player.barren += 1;
        if player.barren > BARREN {
            let state = self.state(index);
            return Err(Broken(format!("player {} does not run: state {state}", index + 1)));
        }
        player.end(self.ground.debug)?;
        player.build(&self.ground, &mut self.random)?;
        self.rebuilt += 1;
        let calls = Plan::write(&mut self.random, rt::now_ticks(), 50);
        // One that was stopped at once by another is seen by the next look.
        self.players[index].play(&calls, &mut self.random).map(drop)
    }

    fn state(&self, index: usize) -> u64 {
        let thread = self.players[index].thread();
        invoke(Op::DebugThread, self.ground.debug, [thread.into()]).map_or(u64::MAX, |info| info[0])
    }

    /// A fault: whose, and whether it came to the end of its list. `None`: none comes for a while.
    fn take_fault(&mut self) -> Check<Option<(u32, bool)>> {
        let _ = NOTIFICATION.poll();
        let armed = self.timer.arm(rt::now_ticks() + ticks(LOOK), NOTIFICATION, 1);
        armed.map_err(|error| broken("timer", error))?;
        let faults = Cap::<Endpoint>::from_slot(self.ground.faults);
        match faults.receive(self.reply).map_err(|error| broken("faults", error))? {
            Received::Notified(_) => Ok(None),
            Received::Call { badge, message, .. } => {
                let kind = FaultKind::from_number(message.label);
                if kind == Some(FaultKind::Timeout) {
                    let _ = self.reply.reply(&Message::new(0, []));
                    return Ok(None);
                }
                // It may be dead by now.
                let _ = self.reply.reply(&Message::new(1, []));
                let syndrome = FaultMessage::from_words(&message.regs).syndrome;
                let end = kind == Some(FaultKind::Breakpoint) && syndrome as u16 == code::END;
                Ok(Some((badge.server(), end)))
            }
        }
    }

    fn came_to_an_end(&mut self, index: usize, ended: bool) -> Check {
        self.count(index)?;
        if ended && self.players[index].next() == self.players[index].length {
            self.players[index].check()?;
            self.play(index)
        } else if ended {
            // Its list was written anew before its old end was seen.
            Ok(())
        } else {
            self.rebuild(index)
        }
    }

    fn count(&mut self, index: usize) -> Check {
        let done = self.players[index].progress()?;
        self.calls += done as u64;
        if done > 0 {
            self.last = rt::now_ticks();
        } else if rt::now_ticks() - self.last > PATIENCE * rt::ticks_per_second() {
            let states: Vec<u64> = (0..self.players.len()).map(|index| self.state(index)).collect();
            return Err(Broken(format!("nobody makes a call any more: states {states:?}")));
        }
        Ok(())
    }

    /// Looks at everybody; who does not go on is helped.
    fn look(&mut self) -> Check {
        for index in 0..self.players.len() {
            self.count(index)?;
            let player = &mut self.players[index];
            let thread = player.thread();
            match player.stuck {
                0..=1 => {}
                stuck if stuck == REBUILD => self.rebuild(index)?,
                stuck if stuck % SKIP == 0 => {
                    let next = player.next();
                    let _ = invoke(Op::ThreadSuspend, thread, []);
                    self.skipped += 1;
                    if !player.go_from(next) {
                        self.rebuild(index)?;
                    }
                }
                _ => {
                    let op = self.random.pick(&[Op::ThreadCancel, Op::ThreadCancel, Op::ThreadResume]);
                    let _ = invoke(op, thread, []);
                }
            }
        }
        Ok(())
    }

    /// Does something to somebody who runs.
    fn interfere(&mut self) -> Check {
        let index = self.random.below(self.players.len() as u64) as usize;
        let player = &self.players[index];
        let (thread, time) = (player.thread(), player.time());
        let control = self.random.pick(&self.ground.controls);
        let fault = self.random.below(2);
        match self.random.below(12) {
            0 => self.rebuild(index)?,
            1 => {
                let _ = invoke(Op::ThreadSuspend, thread, []);
                let _ = invoke(Op::ThreadResume, thread, []);
            }
            2 | 3 => {
                // To another core.
                let _ = invoke(Op::SchedUnbind, time, []);
                let _ = invoke(Op::SchedConfigure, control, [time.into(), 1, 1, 0]);
                let _ = invoke(Op::SchedBind, time, [thread.into()]);
            }
            4 => {
                let budget = ticks(self.random.below(400));
                let _ = invoke(Op::SchedConfigure, control, [time.into(), budget, ticks(500), fault]);
            }
            5 if self.random.once_in(4) => {
                // Whatever was derived of it is gone.
                let slot = self.random.pick(&self.ground.endpoints);
                revoke(slot)?;
            }
            6 => revoke(self.random.pick(&[player.space(), player.table(), player.thread(), player.time()]))?,
            7 => {
                let slot = self.random.pick(&self.ground.notifications);
                let _ = invoke(Op::Signal, slot, [self.random.next()]);
            }
            8 => {
                let perms = self.random.pick(&[1, 3]);
                let _ = invoke(Op::Protect, player.space(), [player.page_copy().into(), perms]);
            }
            9 if self.random.once_in(4) => revoke(self.random.pick(&self.ground.frames))?,
            10 => {
                let slot = self.random.pick(&self.ground.endpoints);
                let _ = invoke(Op::EndpointClose, slot, [9]);
                let _ = invoke(Op::EndpointOpen, slot, []);
            }
            _ => {
                let _ = invoke(Op::ThreadCancel, thread, []);
            }
        }
        Ok(())
    }
}
