//! Which tasks there are, and which can go on.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, RawWaker, RawWakerVTable, Waker};

use abi::SyscallError;
use spin::Mutex;

use super::{AGAIN, CLOCK, clock, event};
use crate::cap::NOTIFICATION;

/// Most tasks of a process: a bit each.
const MOST: usize = 64;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A waker that is older than the task in its place does no harm: it costs a look in vain.
struct Tasks {
    /// By number; a task that runs is not here, but its place stays used.
    list: Vec<Option<Task>>,
    used: u64,
}

// SAFETY: tasks run on the thread that receives for the process and nowhere else: `run_ready` is called by it alone, as
// `notified` and `spawn` say; the lock only keeps the list whole.
unsafe impl Send for Tasks {}

/// What the executor has: one for the process; on the host one for each thread, as each is a test of its own.
pub(super) struct Executor {
    tasks: Mutex<Tasks>,
    /// A bit for each task that can go on.
    ready: AtomicU64,
    /// Tasks are being run: whoever wakes one need not signal.
    running: AtomicBool,
}

impl Executor {
    const fn new() -> Self {
        Self {
            tasks: Mutex::new(Tasks { list: Vec::new(), used: 0 }),
            ready: AtomicU64::new(0),
            running: AtomicBool::new(false),
        }
    }
}

#[cfg(target_os = "none")]
fn executor() -> &'static Executor {
    static EXECUTOR: Executor = Executor::new();
    &EXECUTOR
}

#[cfg(not(target_os = "none"))]
fn executor() -> &'static Executor {
    std::thread_local!(static EXECUTOR: &'static Executor = Box::leak(Box::new(Executor::new())));
    EXECUTOR.with(|executor| *executor)
}

/// A waker is the number of its task.
static WAKER: RawWakerVTable =
    RawWakerVTable::new(|data| RawWaker::new(data, &WAKER), |data| wake(data.addr()), |data| wake(data.addr()), |_| {});

fn waker(index: usize) -> Waker {
    // SAFETY: the functions of `WAKER` take any number and own nothing, so that a copy is as good as the first; they are
    // safe to call from any thread.
    unsafe { Waker::new(core::ptr::without_provenance(index), &WAKER) }
}

fn wake(index: usize) {
    if executor().wake(index) {
        let _ = NOTIFICATION.signal(AGAIN);
    }
}

/// Adds a task, which runs as soon as the process waits for its next message. Call it on the thread that serves.
///
/// # Panics
/// More than 64 tasks: a process has a fixed number of them, made at its start.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    let mut tasks = executor().tasks.lock();
    let free = tasks.used.trailing_ones() as usize;
    assert!(free < MOST, "more than {MOST} tasks");
    if free >= tasks.list.len() {
        tasks.list.push(None);
    }
    tasks.list[free] = Some(Box::pin(task));
    tasks.used |= 1 << free;
    drop(tasks);
    wake(free);
}

/// Bits of the own Notification have come: what waits for them goes on. Only the thread that receives for the process calls
/// it.
#[inline]
pub fn notified(bits: u64) {
    // Whom they wake runs right after: nobody is to be told.
    executor().running.store(true, Ordering::SeqCst);
    event::raise(bits & !(AGAIN | CLOCK));
    if bits & CLOCK != 0 {
        clock::reached();
    }
    run_ready();
}

/// Runs every task that can go on, until none can. Only the thread that receives for the process calls it, and no task does.
#[inline]
pub fn run_ready() {
    executor().run_ready();
    clock::arm();
}

/// Runs tasks until `done` says so, in a process that does not serve yet: what a device has to say first. Only the thread that
/// receives for the process calls it.
///
/// # Errors
/// The Notification was taken away.
pub fn run_until(mut done: impl FnMut() -> bool) -> Result<(), SyscallError> {
    run_ready();
    while !done() {
        notified(NOTIFICATION.wait()?);
    }
    Ok(())
}

impl Executor {
    /// A task can go on. Any thread of the process says so; `true`: the one that runs tasks does not now, and is to be signalled.
    /// If it serves a call it answers first.
    fn wake(&self, index: usize) -> bool {
        self.ready.fetch_or(1 << (index % MOST), Ordering::SeqCst);
        !self.running.load(Ordering::SeqCst)
    }

    /// Sequentially consistent: of who wakes and who runs one writes first, and the other sees it.
    #[inline]
    fn run_ready(&self) {
        loop {
            self.running.store(true, Ordering::SeqCst);
            while let Some(index) = self.next() {
                self.run(index);
            }
            self.running.store(false, Ordering::SeqCst);
            // Whoever woke a task behind the last look saw tasks run, and did not signal.
            if self.ready.load(Ordering::SeqCst) == 0 {
                break;
            }
        }
    }

    /// Takes the first task that can go on.
    #[inline]
    fn next(&self) -> Option<usize> {
        let ready = self.ready.load(Ordering::SeqCst);
        if ready == 0 {
            return None;
        }
        let index = ready.trailing_zeros() as usize;
        self.ready.fetch_and(!(1 << index), Ordering::SeqCst);
        Some(index)
    }

    /// Runs one task. It may spawn others meanwhile.
    #[inline]
    fn run(&self, index: usize) {
        let taken = self.tasks.lock().list.get_mut(index).and_then(Option::take);
        let Some(mut task) = taken else { return };
        let ended = task.as_mut().poll(&mut Context::from_waker(&waker(index))).is_ready();
        let mut tasks = self.tasks.lock();
        match ended {
            true => tasks.used &= !(1 << index),
            false => tasks.list[index] = Some(task),
        }
    }
}

#[cfg(not(target_os = "none"))]
pub(super) fn reset() {
    let executor = executor();
    *executor.tasks.lock() = Tasks { list: Vec::new(), used: 0 };
    executor.ready.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU32;
    use std::time::{Duration, Instant};

    use super::*;

    static EXECUTOR: Executor = Executor::new();
    /// In the place of the Notification.
    static SIGNALLED: AtomicBool = AtomicBool::new(false);
    static RUNS: AtomicU32 = AtomicU32::new(0);
    const ROUNDS: u32 = 300_000;

    /// Wakes task 0 as soon as it has run; says how often it did.
    fn wake_again_and_again() -> u32 {
        for round in 0..ROUNDS {
            if EXECUTOR.wake(0) {
                SIGNALLED.store(true, Ordering::SeqCst);
            }
            let begun = Instant::now();
            while RUNS.load(Ordering::SeqCst) == round {
                if begun.elapsed() > Duration::from_secs(5) {
                    return round;
                }
                core::hint::spin_loop();
            }
        }
        ROUNDS
    }

    #[test]
    fn what_another_thread_wakes_runs() {
        let task = core::future::poll_fn(|_| {
            RUNS.fetch_add(1, Ordering::SeqCst);
            core::task::Poll::Pending
        });
        EXECUTOR.tasks.lock().list.push(Some(Box::pin(task)));
        let other = std::thread::spawn(wake_again_and_again);
        while !other.is_finished() {
            if SIGNALLED.swap(false, Ordering::SeqCst) {
                EXECUTOR.run_ready();
            }
        }
        assert_eq!(other.join().expect("no panic"), ROUNDS, "the wake-up after so many was lost");
    }
}
