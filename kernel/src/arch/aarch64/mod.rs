//! AArch64.
#![allow(unsafe_code)]

mod boot;
mod cache;
mod console;
mod cores;
mod crash;
mod debugger;
mod events;
mod fast;
mod fpu;
mod guard;
mod identity;
mod intc;
mod layout;
mod machine;
mod messages;
mod mmio;
mod mmu;
mod psci;
mod registers;
mod selftest;
mod start;
mod trap;
mod unmapped;
mod vectors;

/// How the fast paths name the object with a number: by its address.
#[inline(always)]
pub fn word_of_number(number: u32) -> u64 {
    layout::place(number) as u64
}

/// The number of the object that the fast paths name like this.
#[inline(always)]
pub const fn number_of_word(word: u64) -> u32 {
    (word >> 6) as u32
}

/// Where the object with a number is mapped; `Mem` was made with this base.
#[inline(always)]
pub fn place_of_number(_base: usize, number: u32) -> usize {
    layout::place(number)
}

/// The number of the object that is mapped at an address.
#[inline(always)]
pub const fn number_of_place(_base: usize, place: usize) -> u32 {
    number_of_word(place as u64)
}

pub use cache::{clean_invalidate, sync_instructions, zero};
pub use console::{early_print, keep, set_early, set_kept, set_screen};
pub use cores::{idle_word, pause};
pub use machine::Machine;
pub use mmio::{Registers, publish_to_devices};
pub use mmu::empty_space;
pub use registers::{clear_scratch, copy_object, copy_words};
