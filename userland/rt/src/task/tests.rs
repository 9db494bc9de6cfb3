//! Tasks on the host.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::time::Duration;

use super::{Event, fake, run_ready, sleep, spawn};

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
    assert_eq!(all.len(), 61);
    assert_eq!(all.iter().fold(0, |sum, event| sum | event.bits()), u64::MAX >> 3);
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
