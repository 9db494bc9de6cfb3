//! Tasks on the host.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::{Event, clock, fake, run_ready, sleep, sleep_until, spawn};

#[test]
fn a_task_runs_when_its_event_came() {
    fake::reset();
    let seen = Rc::new(RefCell::new(0));
    let event = Event::new().expect("a bit");
    let (bits, count) = (event.bits(), seen.clone());
    spawn(async move {
        loop {
            event.wait().await;
            *count.borrow_mut() += 1;
        }
    });
    fake::raise(bits << 1);
    assert_eq!(*seen.borrow(), 0);
    fake::raise(bits);
    fake::raise(bits);
    assert_eq!(*seen.borrow(), 2);
}

#[test]
fn an_event_that_came_before_is_not_lost() {
    fake::reset();
    let event = Event::new().expect("a bit");
    fake::raise(event.bits());
    let seen = Rc::new(RefCell::new(false));
    let flag = seen.clone();
    spawn(async move {
        event.wait().await;
        *flag.borrow_mut() = true;
    });
    run_ready();
    assert!(*seen.borrow());
}

#[test]
fn bits_are_given_once_and_come_back() {
    fake::reset();
    let all: Vec<Event> = core::iter::from_fn(|| Event::new().ok()).collect();
    assert_eq!(all.len(), 60);
    assert_eq!(all.iter().fold(0, |sum, event| sum | event.bits()), u64::MAX >> 4);
    drop(all);
    assert_eq!(Event::new().expect("a bit").bits(), 1);
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    fake::reset();
    let order = Rc::new(RefCell::new(Vec::new()));
    for milliseconds in [30u64, 10, 20] {
        let order = order.clone();
        spawn(async move {
            sleep(Duration::from_millis(milliseconds)).await;
            order.borrow_mut().push(milliseconds);
            sleep(Duration::from_millis(100)).await;
            order.borrow_mut().push(100 + milliseconds);
        });
    }
    run_ready();
    fake::advance(9_000_000);
    assert!(order.borrow().is_empty());
    fake::advance(12_000_000);
    assert_eq!(*order.borrow(), [10, 20]);
    fake::advance(1_000_000_000);
    assert_eq!(*order.borrow(), [10, 20, 30, 110, 120, 130]);
}

#[test]
fn who_is_dropped_early_sleeps_no_longer() {
    fake::reset();
    let event = Event::new().expect("a bit");
    let (bits, seen) = (event.bits(), Rc::new(RefCell::new(0)));
    let count = seen.clone();
    spawn(async move {
        loop {
            let (mut came, mut late) = (pin!(event.wait()), pin!(sleep(Duration::from_secs(3600))));
            poll_fn(|context| match came.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => late.as_mut().poll(context),
            })
            .await;
            *count.borrow_mut() += 1;
        }
    });
    run_ready();
    for _ in 0..1000 {
        fake::raise(bits);
        fake::advance(1_000);
    }
    assert_eq!((*seen.borrow(), clock::fake::sleepers()), (1000, 1));
    fake::advance(3_600_000_000_001);
    assert_eq!(*seen.borrow(), 1001, "the last one still wakes");
    fake::reset();
    assert_eq!(clock::fake::sleepers(), 0);
}

#[test]
fn two_with_one_deadline_are_two() {
    fake::reset();
    let woken = Rc::new(RefCell::new(false));
    let flag = woken.clone();
    spawn(async move {
        let at = crate::time::now_ticks() + 100;
        let mut first = Box::pin(sleep_until(at));
        let mut second = pin!(sleep_until(at));
        poll_fn(|context| {
            assert!(first.as_mut().poll(context).is_pending() && second.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(first);
        second.await;
        *flag.borrow_mut() = true;
    });
    run_ready();
    assert_eq!(clock::fake::sleepers(), 1);
    fake::advance(100);
    assert!(*woken.borrow());
}

#[test]
fn the_last_who_asked_is_woken() {
    fake::reset();
    let mut slept = pin!(sleep(Duration::from_secs(1)));
    assert!(slept.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let (woken, waker) = counted();
    assert!(slept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(clock::fake::sleepers(), 1);
    fake::advance(1_000_000_001);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
}

/// How often it was woken.
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken(0.into()));
    (woken.clone(), woken.into())
}

#[test]
fn a_task_that_has_ended_makes_room() {
    fake::reset();
    for round in 0..1000 {
        let ran = Rc::new(RefCell::new(0));
        for _ in 0..10 {
            let ran = ran.clone();
            spawn(async move { *ran.borrow_mut() += 1 });
        }
        run_ready();
        assert_eq!(*ran.borrow(), 10, "round {round}");
    }
}

#[test]
fn a_task_may_spawn_others() {
    fake::reset();
    let ran = Rc::new(RefCell::new(Vec::new()));
    let list = ran.clone();
    spawn(async move {
        for number in 0..20 {
            let inner = list.clone();
            spawn(async move { inner.borrow_mut().push(number) });
        }
        list.borrow_mut().push(99);
    });
    run_ready();
    let mut ran = ran.take();
    ran.sort_unstable();
    assert_eq!(ran, (0..20).chain([99]).collect::<Vec<_>>());
}
