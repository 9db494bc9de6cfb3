//! A failing sequence made short: pieces are left out, then single steps, then arguments become plain, as long as it
//! still fails.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use super::bed::Bed;
use super::model::Duel;
use super::step::{Call, Event, Step};

/// Longest time spent on it.
const PATIENCE: Duration = Duration::from_secs(120);

thread_local! {
    /// Panics of this thread are expected and not worth a line.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// What the last of them said.
    static PANIC: Cell<String> = const { Cell::new(String::new()) };
}

/// Runs sequences, each on a new machine.
pub struct Runner {
    bed: Option<Bed>,
}

/// Where and how a sequence failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Steps up to and with the one that failed.
    pub steps: usize,
    pub text: String,
}

impl Failure {
    /// What it says without numbers: a sequence that fails in another way is another sequence.
    fn what(&self) -> String {
        let end = self.text.find(": the kernel has").unwrap_or(self.text.len());
        let words = self.text[..end].split(|letter: char| !letter.is_alphanumeric());
        words.filter(|word| !word.contains(|letter: char| letter.is_ascii_digit())).take(12).collect()
    }
}

impl Runner {
    pub fn new() -> Self {
        Self { bed: None }
    }

    /// A machine with so many cores that was just booted, and its model.
    pub fn begin(&mut self, cores: usize) -> Duel {
        Duel::new(self.bed.take().unwrap_or_else(Bed::new).anew(cores))
    }

    /// Keeps the machine's memory for the next.
    pub fn end(&mut self, duel: Duel) {
        self.bed = Some(duel.bed);
    }

    /// Takes a step; a panic is a failure like any other.
    pub fn step(duel: &mut Duel, step: &Step) -> Result<(), String> {
        quietly(|| catch_unwind(AssertUnwindSafe(|| duel.step(step)))).unwrap_or_else(|_| Err(PANIC.take()))
    }

    /// Runs a sequence to its end or to the first step that fails.
    pub fn run(&mut self, steps: &[Step]) -> Option<Failure> {
        let cores = 1 + steps.iter().map(|step| step.core).max().unwrap_or(0);
        let mut duel = self.begin(cores);
        let failed = |(index, step)| Self::step(&mut duel, step).err().map(|text| Failure { steps: index + 1, text });
        let failure = steps.iter().enumerate().find_map(failed);
        self.end(duel);
        failure
    }

    /// The shortest sequence found that fails too, and how it fails.
    pub fn shrink(&mut self, mut steps: Vec<Step>) -> (Vec<Step>, Option<Failure>) {
        let end = Instant::now() + PATIENCE;
        let Some(mut failure) = self.run(&steps) else { return (steps, None) };
        steps.truncate(failure.steps);
        let mut try_out = |candidate: Vec<Step>, steps: &mut Vec<Step>| {
            let failed = if Instant::now() < end { self.run(&candidate) } else { None };
            let Some(failed) = failed.filter(|failed| failed.what() == failure.what()) else { return false };
            *steps = candidate;
            steps.truncate(failed.steps);
            failure = failed;
            true
        };
        loop {
            let before = steps.clone();
            let mut piece = steps.len().div_ceil(2);
            while piece > 0 {
                // From the end on: what comes late depends on what comes early.
                let mut at = steps.len();
                while at > 0 && Instant::now() < end {
                    let from = at.saturating_sub(piece);
                    let rest = steps[..from].iter().chain(&steps[at.min(steps.len())..]).cloned().collect();
                    try_out(rest, &mut steps);
                    at = from.min(steps.len());
                }
                piece /= 2;
            }
            for index in 0..steps.len() {
                while index < steps.len()
                    && simpler(&steps[index]).into_iter().any(|simple| {
                        let mut candidate = steps.clone();
                        candidate[index] = simple;
                        try_out(candidate, &mut steps)
                    })
                {}
            }
            if steps == before || Instant::now() >= end {
                return (steps, Some(failure));
            }
        }
    }
}

/// Ways to make a step plainer.
fn simpler(step: &Step) -> Vec<Step> {
    let event = |event| Step { event, ..step.clone() };
    let mut list = simpler_events(step, event);
    if step.core != 0 {
        list.push(Step { core: 0, ..step.clone() });
    }
    list
}

fn simpler_events(step: &Step, event: impl Fn(Event) -> Step) -> Vec<Step> {
    match &step.event {
        Event::Call(call) => simpler_calls(call).into_iter().map(|call| event(Event::Call(Box::new(call)))).collect(),
        Event::Pass(ticks) if *ticks > 1 => vec![event(Event::Pass(ticks / 2)), event(Event::Pass(ticks - 1))],
        Event::Late(ticks) if *ticks > 1 => vec![event(Event::Pass(*ticks)), event(Event::Late(ticks / 2))],
        Event::Preempt(every) if *every > 1 => vec![event(Event::Preempt(1))],
        _ => Vec::new(),
    }
}

fn simpler_calls(call: &Call) -> Vec<Call> {
    let mut list = Vec::new();
    let mut add = |change: &dyn Fn(&mut Call)| {
        let mut simple = call.clone();
        change(&mut simple);
        if simple != *call {
            list.push(simple);
        }
    };
    add(&|call| (call.words, call.caps, call.label, call.page) = (0, 0, 0, None));
    add(&|call| call.page = None);
    add(&|call| call.caps = 0);
    add(&|call| call.words = 0);
    add(&|call| call.label = 0);
    add(&|call| call.reply = 0);
    for register in 0..8 {
        add(&|call| call.regs[register] = 0);
        add(&|call| call.regs[register] = call.regs[register].min(1));
        add(&|call| call.regs[register] /= 2);
    }
    list
}

fn quietly<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if QUIET.get() {
                PANIC.set(panic.to_string());
            } else {
                loud(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = run();
    QUIET.set(false);
    result
}

/// Runs a sequence on a new machine: for sequences that failed once.
#[track_caller]
pub fn replay(steps: &[Step]) {
    if let Some(Failure { steps, text }) = Runner::new().run(steps) {
        panic!("step {steps}: {text}");
    }
}
