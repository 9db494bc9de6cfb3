//! The lock, the gates and parking under the model checker, which tries the interleavings and the orders of memory that the
//! language allows: `cargo xtask test models`.

#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;

use super::{Area, Event, Lock, Request, Stopped};

/// What cores share. `data` is the kernel's state, `thread` the registers of the thread that core 1 runs.
struct World {
    lock: Lock,
    areas: Vec<Area>,
    data: UnsafeCell<u32>,
    thread: UnsafeCell<u32>,
    interrupt: Vec<AtomicBool>,
    evicted: AtomicU32,
}

impl World {
    /// `cores` cores, and nobody has the lock.
    fn new(cores: usize) -> Arc<Self> {
        let world = Self {
            lock: Lock::held(),
            areas: (0..cores).map(|_| Area::new()).collect(),
            data: UnsafeCell::new(0),
            thread: UnsafeCell::new(0),
            interrupt: (0..cores).map(|_| AtomicBool::new(false)).collect(),
            evicted: AtomicU32::new(0),
        };
        (1..cores).for_each(|core| world.lock.add(core));
        world.lock.leave(&world.areas, 0);
        Arc::new(world)
    }

    fn enter(&self, core: usize, event: Event) {
        self.lock.enter(&self.areas, core, event, |area| {
            area.serve(
                || {
                    self.evicted.fetch_add(1, Ordering::Relaxed);
                },
                |_| (),
            );
            thread::yield_now();
        });
    }

    fn leave(&self, core: usize) {
        self.lock.leave(&self.areas, core);
    }

    /// Changes the kernel's state, as the holder of the lock may.
    fn change(&self) {
        // SAFETY: what the model is to show; the checker reports a second access.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: as above.
        self.data.with(|data| unsafe { *data })
    }

    /// Core 1's thread runs, or its registers are saved or changed.
    fn touch_thread(&self) {
        // SAFETY: as above.
        self.thread.with_mut(|thread| unsafe { *thread += 1 });
    }

    fn stop(&self, core: usize) -> Option<Stopped> {
        self.lock.stop(&self.areas[core], || self.interrupt[core].store(true, Ordering::Release))
    }
}

fn model(preemptions: usize, check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(check);
}

#[test]
fn slow_paths_exclude_each_other() {
    model(3, || {
        let world = World::new(2);
        let other = world.clone();
        let core = thread::spawn(move || {
            other.enter(1, Event::Call);
            other.change();
            other.leave(1);
        });
        world.enter(0, Event::Call);
        world.change();
        world.leave(0);
        core.join().unwrap();
        world.enter(0, Event::Other);
        assert_eq!(world.read(), 2);
    });
}

#[test]
fn a_fast_path_never_runs_beside_a_slow_path() {
    model(3, || {
        let world = World::new(2);
        let other = world.clone();
        let core = thread::spawn(move || {
            for _ in 0..2 {
                if other.areas[1].read() {
                    other.change();
                    other.areas[1].read_done();
                }
            }
        });
        world.enter(0, Event::Call);
        world.change();
        world.leave(0);
        core.join().unwrap();
    });
}

#[test]
fn fast_paths_that_are_switched_off_stay_off() {
    model(3, || {
        let world = World::new(2);
        world.enter(0, Event::Call);
        world.lock.switch_fast_paths(&world.areas, false);
        world.leave(0);
        let other = world.clone();
        let core = thread::spawn(move || assert!(!other.areas[1].read()));
        world.enter(0, Event::Call);
        world.change();
        world.leave(0);
        core.join().unwrap();
        assert!(!world.areas[0].read());
    });
}

/// Core 1 runs its thread, makes a system call, and comes again when an interrupt calls it; core 0 stops it and changes its
/// thread.
#[test]
fn a_stopped_core_does_not_run_its_thread() {
    model(3, || {
        let world = World::new(2);
        let other = world.clone();
        let core = thread::spawn(move || {
            let enter = |event| {
                other.areas[1].thread.store(7, Ordering::Relaxed);
                other.enter(1, event);
                let void = other.lock.was_stopped(&other.areas[1]);
                other.touch_thread();
                other.leave(1);
                void
            };
            other.touch_thread();
            let call = enter(Event::Call);
            other.touch_thread();
            // Unless it was in front of the lock already, the interrupt comes.
            if call {
                return (true, false);
            }
            while !other.interrupt[1].load(Ordering::Acquire) {
                thread::yield_now();
            }
            (false, enter(Event::Other))
        });
        world.enter(0, Event::Call);
        let stopped = world.stop(1).expect("nobody stopped it before");
        world.touch_thread();
        assert_eq!(world.stop(1), None);
        world.leave(0);
        let (call_void, other_void) = core.join().unwrap();
        assert!(call_void != other_void, "what it came for is void exactly once");
        assert_eq!(stopped, Stopped { thread: 7, call: call_void });
    });
}

/// Core 0 only wants to know what core 1 runs: what that came for is done nevertheless.
#[test]
fn a_parked_core_does_what_it_came_for() {
    model(3, || {
        let world = World::new(2);
        let other = world.clone();
        let core = thread::spawn(move || {
            other.areas[1].thread.store(7, Ordering::Relaxed);
            other.enter(1, Event::Call);
            assert!(!other.lock.was_stopped(&other.areas[1]));
            other.change();
            other.leave(1);
        });
        world.enter(0, Event::Call);
        if world.areas[1].is_parked() {
            assert_eq!(world.lock.park(&world.areas[1], || ()), Some(7));
            world.change();
        }
        world.leave(0);
        core.join().unwrap();
    });
}

#[test]
fn an_idle_core_is_stopped_without_an_interrupt() {
    model(3, || {
        let world = World::new(2);
        let other = world.clone();
        let core = thread::spawn(move || {
            other.enter(1, Event::Other);
            other.lock.was_stopped(&other.areas[1]);
            other.change();
            other.lock.leave_idle(&other.areas, 1);
            other.enter(1, Event::Idle);
            other.lock.was_stopped(&other.areas[1]);
            other.change();
            other.leave(1);
        });
        world.enter(0, Event::Call);
        if world.areas[1].is_parked() {
            world.stop(1);
            world.lock.ask(&world.areas[1], Request::LeaveSpace, || ());
            world.change();
        }
        world.leave(0);
        core.join().unwrap();
    });
}

#[test]
fn a_parked_core_leaves_its_address_space() {
    model(3, || {
        let world = World::new(2);
        let other = world.clone();
        let core = thread::spawn(move || {
            other.areas[1].thread.store(7, Ordering::Relaxed);
            other.enter(1, Event::Call);
            other.leave(1);
        });
        world.enter(0, Event::Call);
        if world.areas[1].is_parked() {
            world.stop(1);
            world.lock.ask(&world.areas[1], Request::LeaveSpace, || ());
            assert_eq!(world.evicted.load(Ordering::Relaxed), 1);
        }
        world.leave(0);
        core.join().unwrap();
    });
}

/// Both stop the other: only the holder of the lock stops, so one is through before the other begins.
#[test]
fn two_cores_that_stop_each_other_do_not_block() {
    model(3, || {
        let world = World::new(2);
        let run = |world: Arc<World>, me: usize| {
            world.enter(me, Event::Call);
            if !world.lock.was_stopped(&world.areas[me]) && world.areas[1 - me].is_parked() {
                world.stop(1 - me);
                world.change();
            }
            world.leave(me);
        };
        let other = world.clone();
        let core = thread::spawn(move || run(other, 1));
        run(world.clone(), 0);
        core.join().unwrap();
    });
}

#[test]
fn three_cores_all_get_the_lock() {
    model(2, || {
        let world = World::new(3);
        let cores: Vec<_> = (1..3)
            .map(|me| {
                let world = world.clone();
                thread::spawn(move || {
                    world.enter(me, Event::Call);
                    world.change();
                    world.leave(me);
                })
            })
            .collect();
        cores.into_iter().for_each(|core| core.join().unwrap());
        world.enter(0, Event::Other);
        assert_eq!(world.read(), 2);
    });
}
