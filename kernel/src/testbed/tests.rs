//! Tests of the operations, by object.

use abi::{Kind, Op, Rights};

use super::Bed;

#[test]
fn init_starts_and_a_process_is_made() {
    let mut bed = Bed::new();
    let thread = bed.process(abi::SLOT_INIT_MEMORY, 40, 100, 0);
    bed.make(Kind::Notification, 0, 50);
    bed.give(40, 9, 50, Rights::all_of(Kind::Notification), 0);
    assert_eq!(bed.call(thread, Op::Poll, 9, &[]), Ok([0; 8]));
}
