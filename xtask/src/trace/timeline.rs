//! Records as a timeline in the trace event format, which Perfetto's viewer opens: a track a core with the threads that
//! run on it, a track a thread with its system calls and faults, arrows for messages and wake-ups.

use std::collections::{BTreeMap, BTreeSet};

use abi::{ErrorCode, FaultKind, Op};
use ipc::trace::{Event, Record};
use serde_json::{Value, json};

use super::recording::Recording;

/// The process that stands for the cores.
const CORES: u64 = 1;
/// The first of the processes that stand for components.
const COMPONENTS: u64 = 100;

/// The timeline of a recording.
pub fn of(recording: &Recording) -> Value {
    let mut timeline = Timeline::new(recording);
    recording.records.iter().for_each(|record| timeline.take(record));
    timeline.close();
    let lost = recording.lost();
    json!({
        "displayTimeUnit": "ns",
        "otherData": { "cores": recording.cores, "events": recording.records.len(), "lost": lost },
        "traceEvents": timeline.events,
    })
}

/// What a core is doing.
#[derive(Clone, Copy, Debug, Default)]
struct Core {
    /// The thread that runs, since when, and its priority.
    runs: Option<(u64, u64, u64)>,
    /// Ticks of the last record.
    last: u64,
}

/// A system call or fault of a thread that is under way.
#[derive(Clone, Debug)]
struct Open {
    name: String,
    since: u64,
    arguments: Value,
    /// Whether its thread may have to wait.
    may_wait: bool,
    /// When the kernel was done with it or put it to sleep.
    returned: Option<u64>,
    /// Another thread ran after that: it lasts until its thread runs again.
    waits: bool,
}

struct Timeline<'r> {
    recording: &'r Recording,
    cores: Vec<Core>,
    open: BTreeMap<u64, Open>,
    threads: BTreeSet<u64>,
    events: Vec<Value>,
    arrows: u64,
    end: u64,
}

impl<'r> Timeline<'r> {
    fn new(recording: &'r Recording) -> Self {
        Self {
            recording,
            cores: vec![Core::default(); 256],
            open: BTreeMap::new(),
            threads: BTreeSet::new(),
            events: Vec::new(),
            arrows: 0,
            end: 0,
        }
    }

    fn take(&mut self, record: &Record) {
        let Record { core, ticks, a, b, .. } = *record;
        self.note_loss(record);
        self.end = self.end.max(ticks);
        let (low, high) = (a & u64::from(u32::MAX), a >> 32);
        match Event::from_number(record.event) {
            Some(Event::Start) => self.switch(core, ticks, a, None),
            Some(Event::Switch) => self.switch(core, ticks, a, Some(b)),
            Some(Event::Call) => self.call(a, ticks, b),
            Some(Event::Return) => self.returned(a, ticks, b),
            Some(Event::Deliver) => self.arrow("message", ticks, low, high, json!({ "badge": format!("{b:#x}") })),
            Some(Event::Answer) => self.arrow("answer", ticks, low, high, json!({ "label": b })),
            Some(Event::Fault) => self.fault(low, high, ticks, b),
            Some(Event::Interrupt) => self.core_mark(core, ticks, &format!("interrupt {a}")),
            Some(Event::Timer) => self.core_mark(core, ticks, if b == 1 { "timer" } else { "budget" }),
            Some(Event::Signal) => self.signal(core, ticks, low, high, b),
            Some(Event::Create) => self.thread_mark(a, ticks, "created"),
            Some(Event::End) => self.ended(a, ticks),
            None => self.core_mark(core, ticks, &format!("event {}", record.event)),
        }
        self.cores[usize::from(core)].last = ticks;
    }

    /// Where records are missing nothing is known of what went on before.
    fn note_loss(&mut self, record: &Record) {
        let core = u64::from(record.core);
        let recording = self.recording;
        let before = |gap: &&super::recording::Gap| gap.core == core && gap.before == Some(record.sequence);
        let Some(gap) = recording.gaps.iter().find(before) else { return };
        let since = match self.cores[usize::from(record.core)].last {
            0 => recording.records.first().map_or(record.ticks, |first| first.ticks),
            last => last,
        };
        self.stop_running(record.core, since);
        let name = format!("{} events lost", gap.count);
        self.slice(core_track(core), &name, since, record.ticks, json!({ "lost": gap.count }));
        // Their ends may be among what is missing.
        self.open.clear();
    }

    fn switch(&mut self, core: u8, ticks: u64, thread: u64, priority: Option<u64>) {
        self.stop_running(core, ticks);
        if thread != 0 {
            self.threads.insert(thread);
            self.cores[usize::from(core)].runs = Some((thread, ticks, priority.unwrap_or(0)));
            self.go_on(thread, ticks);
        }
    }

    /// The thread of a core stops running there.
    fn stop_running(&mut self, core: u8, ticks: u64) {
        let Some(thread) = self.show_running(core, ticks) else { return };
        if let Some(open) = self.open.get_mut(&thread) {
            open.waits = true;
        }
    }

    /// What ran on a core until now.
    fn show_running(&mut self, core: u8, ticks: u64) -> Option<u64> {
        let (thread, since, priority) = self.cores[usize::from(core)].runs.take()?;
        let name = self.name(thread);
        let arguments = if priority == 0 { json!({}) } else { json!({ "priority": priority }) };
        self.slice(core_track(core.into()), &name, since, ticks, arguments);
        Some(thread)
    }

    /// A thread runs again: what it waited for has come.
    fn go_on(&mut self, thread: u64, ticks: u64) {
        if self.open.get(&thread).is_some_and(|open| open.waits && open.returned.is_some()) {
            self.finish(thread, ticks);
        }
    }

    fn call(&mut self, thread: u64, ticks: u64, word: u64) {
        let op = u8::try_from(word & 0xff).ok().and_then(Op::from_number);
        let name = op.map_or_else(|| format!("operation {}", word & 0xff), |op| format!("{op:?}"));
        let may_wait = matches!(op, Some(Op::Call | Op::Receive | Op::ReplyReceive | Op::Wait));
        self.begin(thread, ticks, name, json!({ "slot": word >> 32 }), may_wait);
    }

    fn begin(&mut self, thread: u64, ticks: u64, name: String, arguments: Value, may_wait: bool) {
        self.finish(thread, ticks);
        self.threads.insert(thread);
        self.open.insert(thread, Open { name, since: ticks, arguments, may_wait, returned: None, waits: false });
    }

    fn returned(&mut self, thread: u64, ticks: u64, error: u64) {
        let Some(open) = self.open.get_mut(&thread) else { return };
        open.returned = Some(ticks);
        if error != 0 {
            let code = u8::try_from(error).ok().and_then(ErrorCode::from_number);
            open.arguments["error"] = code.map_or_else(|| json!(error), |code| json!(format!("{code:?}")));
        }
        if error != 0 || !open.may_wait {
            self.finish(thread, ticks);
        }
    }

    /// The end of what a thread has under way: when it goes on, or, if it never stopped, when the kernel was done.
    fn finish(&mut self, thread: u64, ticks: u64) {
        let Some(open) = self.open.remove(&thread) else { return };
        let end = if open.waits { ticks } else { open.returned.unwrap_or(ticks) };
        let track = self.track(thread);
        self.slice(track, &open.name, open.since, end, open.arguments);
    }

    fn fault(&mut self, thread: u64, kind: u64, ticks: u64, pc: u64) {
        let kind = u32::try_from(kind).ok().and_then(FaultKind::from_number);
        let what = kind.map_or("unknown", FaultKind::text);
        self.begin(thread, ticks, format!("fault: {what}"), json!({ "pc": format!("{pc:#x}") }), true);
        // Until it is answered its thread does not run.
        if let Some(open) = self.open.get_mut(&thread) {
            (open.returned, open.waits) = (Some(ticks), true);
        }
    }

    fn ended(&mut self, thread: u64, ticks: u64) {
        self.finish(thread, ticks);
        self.thread_mark(thread, ticks, "ended");
    }

    fn signal(&mut self, core: u8, ticks: u64, notification: u64, woken: u64, bits: u64) {
        let arguments = json!({ "notification": notification, "bits": format!("{bits:#x}") });
        let by = self.cores[usize::from(core)].runs.map(|(thread, ..)| thread);
        match by.filter(|thread| self.open.contains_key(thread)) {
            Some(by) if woken != 0 && woken != by => self.arrow("signal", ticks, by, woken, arguments),
            Some(by) => {
                let track = self.track(by);
                self.mark(track, ticks, "signal", arguments);
            }
            // An interrupt or a deadline.
            None => {
                self.mark(core_track(core.into()), ticks, "signal", arguments);
            }
        }
    }

    /// What comes to a thread that did nothing yet ends a wait that began before the recording.
    fn asleep(&mut self, thread: u64) {
        if self.threads.insert(thread) {
            let since = self.recording.records.first().map_or(0, |first| first.ticks);
            self.begin(thread, since, "wait".into(), json!({}), true);
            if let Some(open) = self.open.get_mut(&thread) {
                (open.returned, open.waits) = (Some(since), true);
            }
        }
    }

    /// Something goes from one thread to another. An arrow binds to what both are doing then.
    fn arrow(&mut self, what: &str, ticks: u64, from: u64, to: u64, arguments: Value) {
        self.asleep(to);
        let at = self.recording.time(ticks);
        let (from_track, to_track) = (self.track(from), self.track(to));
        self.mark(from_track, ticks, &format!("{what} to {}", self.name(to)), arguments);
        if !(self.open.contains_key(&from) && self.open.contains_key(&to)) {
            return;
        }
        self.arrows += 1;
        for (phase, (pid, tid)) in [("s", from_track), ("f", to_track)] {
            let mut event =
                json!({ "ph": phase, "cat": "ipc", "name": what, "id": self.arrows, "ts": at, "pid": pid, "tid": tid });
            if phase == "f" {
                event["bp"] = json!("e");
            }
            self.events.push(event);
        }
    }

    fn core_mark(&mut self, core: u8, ticks: u64, name: &str) {
        self.mark(core_track(core.into()), ticks, name, json!({}));
    }

    fn thread_mark(&mut self, thread: u64, ticks: u64, name: &str) {
        let track = self.track(thread);
        self.mark(track, ticks, name, json!({}));
    }

    fn mark(&mut self, (pid, tid): (u64, u64), ticks: u64, name: &str, arguments: Value) {
        let at = self.recording.time(ticks);
        self.events
            .push(json!({ "ph": "i", "s": "t", "name": name, "ts": at, "pid": pid, "tid": tid, "args": arguments }));
    }

    fn slice(&mut self, (pid, tid): (u64, u64), name: &str, since: u64, end: u64, arguments: Value) {
        let (from, to) = (self.recording.time(since), self.recording.time(end));
        // Exact to the nanosecond: neighbours must not overlap.
        let length = ((to - from) * 1000.0).round().max(0.0) / 1000.0;
        self.events.push(json!({
            "ph": "X", "name": name, "ts": from, "dur": length, "pid": pid, "tid": tid, "args": arguments,
        }));
    }

    fn name(&self, thread: u64) -> String {
        self.recording.names.get(&thread).cloned().unwrap_or_else(|| format!("thread {thread}"))
    }

    fn track(&mut self, thread: u64) -> (u64, u64) {
        self.threads.insert(thread);
        (self.process(thread), thread)
    }

    /// A component is a process; a thread that nobody named is one by itself.
    fn process(&self, thread: u64) -> u64 {
        let named = self.recording.names.keys().position(|&known| known == thread);
        named.map_or(COMPONENTS + thread, |at| COMPONENTS + at as u64)
    }

    /// The end of the recording is that of everything under way; then the names of the tracks.
    fn close(&mut self) {
        let end = self.end;
        for core in 0..=u8::MAX {
            self.show_running(core, end);
        }
        let open: Vec<u64> = self.open.keys().copied().collect();
        open.into_iter().for_each(|thread| self.finish(thread, end));
        self.label("process_name", (CORES, 0), "cores");
        self.events.push(
            json!({ "ph": "M", "name": "process_sort_index", "pid": CORES, "tid": 0, "args": { "sort_index": -1 } }),
        );
        for core in 0..self.recording.cores {
            self.label("thread_name", core_track(core), &format!("core {core}"));
        }
        for thread in std::mem::take(&mut self.threads) {
            let (track, name) = ((self.process(thread), thread), self.name(thread));
            self.label("process_name", track, &name);
            self.label("thread_name", track, &name);
        }
    }

    fn label(&mut self, what: &str, (pid, tid): (u64, u64), name: &str) {
        self.events.push(json!({ "ph": "M", "name": what, "pid": pid, "tid": tid, "args": { "name": name } }));
    }
}

/// Cores are threads of a process of their own. Numbers of threads are larger.
fn core_track(core: u64) -> (u64, u64) {
    (CORES, core + 1)
}

#[cfg(test)]
mod tests {
    use super::super::recording::Gap;
    use super::*;

    const A: u64 = 1000;
    const B: u64 = 2000;

    fn recording(records: &[(u8, u64, Event, u64, u64)]) -> Recording {
        let mut next = [1; 4];
        let records = records.iter().map(|&(core, ticks, event, a, b)| {
            let sequence = next[usize::from(core)];
            next[usize::from(core)] += 1;
            Record { sequence, core, event: event as u8, ticks, a, b }
        });
        Recording {
            cores: 2,
            ticks_per_second: 1_000_000,
            names: [(A, "client".into()), (B, "server".into())].into(),
            records: records.collect(),
            ..Recording::default()
        }
    }

    /// A call from `A` to `B`, which waited, and its answer.
    fn call() -> Recording {
        recording(&[
            (0, 10, Event::Start, B, 1),
            (0, 11, Event::Call, B, Op::Receive as u64 | 9 << 32),
            (0, 12, Event::Return, B, 0),
            (0, 13, Event::Switch, A, 7),
            (0, 20, Event::Call, A, Op::Call as u64 | 5 << 32),
            (0, 21, Event::Deliver, A | B << 32, 0x77),
            (0, 22, Event::Return, A, 0),
            (0, 23, Event::Switch, B, 9),
            (0, 30, Event::Call, B, Op::ReplyReceive as u64),
            (0, 31, Event::Answer, B | A << 32, 3),
            (0, 32, Event::Return, B, 0),
            (0, 33, Event::Switch, A, 7),
            (0, 40, Event::Call, A, Op::Poll as u64),
            (0, 41, Event::Return, A, ErrorCode::EmptySlot as u64),
            (0, 50, Event::Interrupt, 33, 0),
        ])
    }

    fn slices(timeline: &Value) -> Vec<(u64, String, f64, f64)> {
        let events = timeline["traceEvents"].as_array().expect("events");
        let slice = |event: &Value| {
            let name = event["name"].as_str()?.to_owned();
            Some((event["tid"].as_u64()?, name, event["ts"].as_f64()?, event["dur"].as_f64()?))
        };
        let mut slices: Vec<_> =
            events.iter().filter(|event| event["ph"] == "X").map(|event| slice(event).expect("a slice")).collect();
        slices.sort_by(|one, two| (one.0, one.2).partial_cmp(&(two.0, two.2)).expect("numbers"));
        slices
    }

    fn named<'t>(timeline: &'t Value, phase: &str, name: &str) -> Vec<&'t Value> {
        let events = timeline["traceEvents"].as_array().expect("events");
        events.iter().filter(|event| event["ph"] == phase && event["name"] == name).collect()
    }

    #[test]
    fn a_call_is_two_slices_and_two_arrows() {
        let timeline = of(&call());
        let slice = |tid, name: &str, ts, dur| (tid, name.to_owned(), ts, dur);
        assert_eq!(
            slices(&timeline),
            [
                slice(1, "server", 10.0, 3.0),
                slice(1, "client", 13.0, 10.0),
                slice(1, "server", 23.0, 10.0),
                slice(1, "client", 33.0, 17.0),
                slice(A, "Call", 20.0, 13.0),
                slice(A, "Poll", 40.0, 1.0),
                slice(B, "Receive", 11.0, 12.0),
                slice(B, "ReplyReceive", 30.0, 20.0),
            ]
        );
        for (name, at, from, to) in [("message", 21.0, A, B), ("answer", 31.0, B, A)] {
            let ends = [named(&timeline, "s", name), named(&timeline, "f", name)].map(|found| {
                assert_eq!(found.len(), 1);
                (found[0]["tid"].as_u64(), found[0]["ts"].as_f64(), found[0]["id"].as_u64())
            });
            assert_eq!((ends[0].0, ends[1].0), (Some(from), Some(to)));
            assert_eq!((ends[0].1, ends[0].2), (Some(at), ends[1].2));
        }
        assert_eq!(named(&timeline, "i", "interrupt 33").len(), 1);
        assert_eq!(named(&timeline, "X", "Poll")[0]["args"]["error"], "EmptySlot");
        let threads: Vec<_> =
            named(&timeline, "M", "thread_name").iter().map(|event| event["args"]["name"].clone()).collect();
        assert_eq!(threads, ["core 0", "core 1", "client", "server"]);
    }

    #[test]
    fn a_fault_lasts_until_its_thread_runs_again() {
        let timeline = of(&recording(&[
            (1, 10, Event::Start, A, 1),
            (1, 12, Event::Fault, A | (FaultKind::Write as u64) << 32, 0x20_0000),
            (1, 13, Event::Switch, 0, 0),
            (1, 20, Event::Switch, A, 7),
            (1, 25, Event::End, A, 0),
        ]));
        let fault = &named(&timeline, "X", "fault: write to an address it may not write")[0];
        assert_eq!((fault["ts"].as_f64(), fault["dur"].as_f64()), (Some(12.0), Some(8.0)));
        assert_eq!(fault["args"]["pc"], "0x200000");
        let core: Vec<_> = slices(&timeline).into_iter().filter(|slice| slice.0 == 2).collect();
        assert_eq!(core.iter().map(|slice| (slice.2, slice.3)).collect::<Vec<_>>(), [(10.0, 3.0), (20.0, 5.0)]);
    }

    /// The server waited before the recording began.
    #[test]
    fn an_arrow_ends_at_a_wait_that_nobody_saw_begin() {
        let mut late = call();
        late.records.drain(..3);
        late.records[0].b = 0;
        let timeline = of(&late);
        assert_eq!(named(&timeline, "f", "message").len(), 1);
        let wait = &named(&timeline, "X", "wait")[0];
        assert_eq!(
            (wait["tid"].as_u64(), wait["ts"].as_f64(), wait["dur"].as_f64()),
            (Some(B), Some(13.0), Some(10.0))
        );
    }

    #[test]
    fn what_was_lost_is_shown() {
        let mut lossy = call();
        lossy.records.drain(5..9);
        lossy.gaps = vec![Gap { core: 0, count: 4, before: Some(10) }];
        let timeline = of(&lossy);
        assert_eq!(timeline["otherData"]["lost"], 4);
        let lost = &named(&timeline, "X", "4 events lost")[0];
        assert_eq!((lost["ts"].as_f64(), lost["dur"].as_f64()), (Some(20.0), Some(11.0)));
        // What began before may have ended meanwhile.
        assert!(named(&timeline, "X", "Call").is_empty() && named(&timeline, "f", "answer").is_empty());
    }

    /// Slices of a track follow each other, whatever the order of the events.
    #[test]
    fn slices_do_not_overlap() {
        let mut state = 0x1234_5678_u64;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        for _ in 0..200 {
            let mut ticks = 0;
            let records: Vec<_> = (0..60)
                .map(|_| {
                    ticks += random(3);
                    let event = Event::ALL[random(Event::ALL.len() as u64) as usize];
                    let (one, two) = ([A, B][random(2) as usize], [0, A, B][random(3) as usize]);
                    (random(2) as u8, ticks, event, one | two << 32, random(12))
                })
                .collect();
            let timeline = of(&recording(&records));
            for pair in slices(&timeline).windows(2) {
                let (one, two) = (&pair[0], &pair[1]);
                assert!(one.0 != two.0 || one.2 + one.3 <= two.2 + 1e-6, "{one:?} {two:?}");
            }
        }
    }
}
