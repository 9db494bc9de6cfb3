//! Random sequences of all operations, on the kernel and on its model.
//!
//! `TUTTI_STEPS` and `TUTTI_SEED` say how many and which. A sequence that fails is made short and printed; its number
//! (`TUTTI_SEQUENCE`) runs it alone.

mod arguments;
mod numbers;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use abi::{FaultKind, Op};

use self::arguments::Draw;
pub(super) use self::numbers::Random;
use super::model::Duel;
use super::shrink::Runner;
use super::step::{Event, Step};
use crate::kernel::Kernel;
use crate::mm::Ref;
use crate::object::{State, Thread};

/// Draws the steps of one sequence.
struct Sequence {
    random: Random,
    cores: usize,
    plan: world::Plan,
    /// Steps after which init takes everything back.
    length: u64,
    phase: Phase,
    /// Init takes everything back for good.
    last: bool,
    taken: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Init works off its plan.
    Init,
    /// Init sleeps, the others do as they like.
    Wild,
    /// Everything was taken back.
    Over,
}

impl Sequence {
    fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed, number);
        (0..8).for_each(|_| {
            random.next();
        });
        let length = if random.one_in(20) { 20_000 } else { 300 + random.below(3000) };
        let cores = random.pick(&[1, 2, 2, 3]);
        let mut plan = world::Plan::new();
        world::begin(&mut plan);
        world::build(&mut plan, cores as u32);
        Self { random, cores, plan, length, phase: Phase::Init, last: false, taken: 0 }
    }

    /// The next step; `None` at the end.
    fn next(&mut self, duel: &Duel) -> Option<Step> {
        self.taken += 1;
        let k = &*duel.bed.k;
        let mut core = k.sched.own();
        if self.taken >= self.length {
            core = 0;
        } else if self.random.one_in(3) {
            core = self.random.below(self.cores as u64) as usize;
        }
        let busy = |core: usize| k.sched.of(core).current().is_some();
        if self.taken < self.length && !busy(core) && !self.random.one_in(8) {
            core = (0..self.cores).find(|&core| busy(core)).unwrap_or(core);
        }
        let told = k.machine.kicked.contains(&core) || k.machine.stopped.contains(&core);
        if told && (self.taken >= self.length || !self.random.one_in(4)) {
            return Some(Step::from(Event::Look).on(core));
        }
        Some(self.step(duel, core)?.on(core))
    }

    /// What happens on a core.
    fn step(&mut self, duel: &Duel, core: usize) -> Option<Step> {
        let k = &*duel.bed.k;
        let current = k.sched.of(core).current();
        if let Some(current) = current.filter(|&current| duel.bed.restarts(current)) {
            // Somebody else may come in between.
            let _: Ref<Thread> = current;
            return Some(if self.random.one_in(4) { self.incident(k) } else { Event::Again.into() });
        }
        if current == Some(duel.bed.init) {
            return self.init();
        }
        if self.taken >= self.length {
            // A line that is shut would wake nobody any more.
            return k.machine.open.contains(&world::WAKE).then(|| Event::Interrupt(world::WAKE).into());
        }
        let Some(thread) = current else { return Some(self.idle(k, core)) };
        let reserves = k.mem[thread].space().is_some_and(|space| k.mem[space].windows > 0);
        Some(match self.random.below(100) {
            0..3 => self.incident(k),
            3..18 => Event::Pass(self.random.below(60)).into(),
            18..20 => Event::Late(self.random.below(400)).into(),
            20..22 => Event::Preempt(self.random.pick(&[0, 0, 0, 1, 3, 10, 20])).into(),
            22 => {
                let kind = self.random.pick(&[FaultKind::Read, FaultKind::Write, FaultKind::Undefined]);
                Event::Fault(kind, self.random.below(1 << 20), 0x9200_0004).into()
            }
            23..29 if self.random.one_in(12) || reserves => {
                Event::Touch(Draw { random: &mut self.random, k, thread }.touched()).into()
            }
            29..32 => Event::Compute(self.random.next()).into(),
            _ => Event::Call(Box::new(Draw { random: &mut self.random, k, thread }.call())).into(),
        })
    }

    /// Init runs: it was woken, or is not done yet.
    fn init(&mut self) -> Option<Step> {
        if self.phase == Phase::Over {
            return None;
        }
        if self.phase == Phase::Wild {
            self.phase = Phase::Init;
            world::awake(&mut self.plan);
            self.last = self.taken >= self.length;
            if self.last {
                world::tear_down(&mut self.plan, self.cores as u32);
            } else if self.random.one_in(20) {
                world::tear_down(&mut self.plan, self.cores as u32);
                world::build(&mut self.plan, self.cores as u32);
            } else {
                world::rescue(&mut self.plan, &mut self.random, self.cores as u32);
            }
        }
        let step = self.plan.pop_front();
        if step.is_none() {
            self.phase = if self.last { Phase::Over } else { Phase::Wild };
        }
        Some(step.unwrap_or_else(world::sleep))
    }

    /// Something from outside.
    fn incident(&mut self, k: &Kernel) -> Step {
        if self.random.one_in(2) {
            let open: Vec<u32> = k.machine.open.iter().copied().filter(|&line| line != world::WAKE).collect();
            if !open.is_empty() {
                return Event::Interrupt(self.random.pick(&open)).into();
            }
        }
        Event::Tick.into()
    }

    /// Nobody runs.
    fn idle(&mut self, k: &Kernel, core: usize) -> Step {
        match k.sched.of(core).deadlines.first(&k.mem) {
            _ if self.random.one_in(4) => self.incident(k),
            Some(next) if !self.random.one_in(8) => {
                Event::Pass(next.saturating_sub(k.machine.clock).clamp(1, 1 << 20)).into()
            }
            _ if k.machine.open.contains(&world::WAKE) => Event::Interrupt(world::WAKE).into(),
            _ => self.incident(k),
        }
    }

    /// Whether a system call did what it was asked: for the count of what comes about.
    fn succeeded(step: &Step, duel: &Duel, caller: Option<Ref<Thread>>) -> Option<Op> {
        let (Event::Call(call), Some(caller)) = (&step.event, caller) else { return None };
        let op = Op::from_number(call.op)?;
        let thread = &duel.bed.k.mem[caller];
        let fine = thread.context.x[8] & 0xff == 0 && thread.state == State::Ready && !duel.bed.restarts(caller);
        let taken = op == Op::Call && matches!(thread.state, State::AwaitingReply(_));
        (fine || taken).then_some(op)
    }
}

/// What all sequences of a run have in common.
struct Run {
    seed: u64,
    steps: u64,
    next: AtomicU64,
    taken: AtomicU64,
    done: [AtomicU64; 256],
    failed: Mutex<Option<(u64, Vec<Step>, String)>>,
}

impl Run {
    /// Runs a sequence; the steps up to the one that failed, and how.
    fn sequence(&self, runner: &mut Runner, number: u64) -> Option<(Vec<Step>, String)> {
        let mut sequence = Sequence::new(self.seed, number);
        let mut duel = runner.begin(sequence.cores);
        let (census, free) = (duel.model.census(), duel.model.books.free);
        let (mut steps, mut failed) = (Vec::new(), None);
        while let Some(step) = sequence.next(&duel) {
            let caller = duel.bed.k.sched.of(step.core).current();
            let result = Runner::step(&mut duel, &step);
            steps.push(step);
            if let Err(text) = result {
                failed = Some(text);
                break;
            }
            if let Some(op) = Sequence::succeeded(&steps[steps.len() - 1], &duel, caller) {
                self.done[op as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
        if failed.is_none() && sequence.phase == Phase::Over {
            failed = left_over(&mut duel, census, free);
        }
        self.taken.fetch_add(steps.len() as u64, Ordering::Relaxed);
        runner.end(duel);
        failed.map(|text| (steps, text))
    }

    fn worker(&self) {
        let mut runner = Runner::new();
        while self.taken.load(Ordering::Relaxed) < self.steps && self.failed.lock().is_ok_and(|failed| failed.is_none())
        {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if let Some((steps, text)) = self.sequence(&mut runner, number)
                && let Ok(mut failed) = self.failed.lock()
            {
                failed.get_or_insert((number, steps, text));
            }
        }
    }
}

/// After everything was revoked nothing is left of it but the Irq that wakes init and two Untypeds.
fn left_over(duel: &mut Duel, census: Vec<(abi::Kind, usize)>, free: u64) -> Option<String> {
    let expected: Vec<_> = census
        .into_iter()
        .map(|(kind, count)| match kind {
            abi::Kind::Irq => (kind, count + 1),
            abi::Kind::Untyped => (kind, count + 2),
            _ => (kind, count),
        })
        .collect();
    let (now, books) = (duel.model.census(), duel.model.books);
    let open = duel.model.open.iter().copied().collect::<Vec<_>>();
    if now != expected || open != [world::WAKE] && !open.is_empty() {
        return Some(format!("left over: {now:?}, not {expected:?}; open lines {open:?}"));
    }
    // The Irq, and what was skipped to begin the Untyped at a page.
    (books.free + abi::layout::PAGE < free).then(|| format!("{books:?}, and there were {free} bytes"))
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn report(seed: u64, number: u64, steps: Vec<Step>, text: &str) -> ! {
    println!("TUTTI_SEED={seed} TUTTI_SEQUENCE={number}: step {}: {text}", steps.len());
    let (steps, failure) = Runner::new().shrink(steps);
    let Some(failure) = failure else { panic!("no step of it fails: {text}") };
    println!("use abi::{{FaultKind, Op}};\nuse crate::testbed::step::{{Event::*, Step, call, raw}};\n");
    println!("crate::testbed::shrink::replay(&[");
    steps.iter().for_each(|step| println!("    {step},"));
    println!("]);");
    panic!("{} steps are left: {}", steps.len(), failure.text);
}

#[test]
fn random_sequences_agree_with_the_model() {
    let (seed, only) = (variable("TUTTI_SEED").unwrap_or(1), variable("TUTTI_SEQUENCE"));
    let steps = variable("TUTTI_STEPS").unwrap_or(300_000);
    let run = Run {
        seed,
        steps: if only.is_some() { 1 } else { steps },
        next: AtomicU64::new(only.unwrap_or(0)),
        taken: AtomicU64::new(0),
        done: [const { AtomicU64::new(0) }; 256],
        failed: Mutex::new(None),
    };
    let threads = if only.is_some() { 1 } else { std::thread::available_parallelism().map_or(1, usize::from).min(8) };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(|| run.worker()))));
    if let Ok(Some((number, steps, text))) = run.failed.into_inner() {
        report(seed, number, steps, &text);
    }
    let counts: Vec<_> = Op::ALL.iter().map(|&op| (op, run.done[op as usize].load(Ordering::Relaxed))).collect();
    println!("seed {seed}: {} steps in {} sequences", run.taken.into_inner(), run.next.into_inner());
    println!("operations that succeeded: {counts:?}");
    // Enough of everything came about to mean something.
    let rare = |&&(_, count): &&(Op, u64)| count < steps / 40_000;
    assert!(only.is_some() || counts.iter().find(rare).is_none(), "an operation hardly ever succeeds: {counts:?}");
}
