//! Memory that comes when it is touched.

use alloc::format;

use bench_programs::{each, mark};
use rt::{Reserved, now_ticks, ticks_per_second};

use crate::{Line, metric};

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Pages touched in a row, and how often all of them are given back and touched again.
const PAGES: u64 = 32;
const TIMES: u64 = 16;

/// The first touch of a page, which the kernel zeroes and maps. The tables are there: the page before them stays.
pub fn first_touch() -> Line {
    let reserved = Reserved::new(PAGES + 1, PAGES + 1).map_err(|error| format!("reserve: {error:?}"))?;
    reserved.write(0, 1);
    let mut ticks = 0;
    for round in 0..=TIMES {
        if round == TIMES {
            mark("fault.anonymous");
        }
        let start = now_ticks();
        for page in 1..=PAGES {
            reserved.write(page * PAGE, page);
        }
        ticks += if round > 0 { now_ticks() - start } else { 0 };
        if round == TIMES {
            mark("fault.anonymous");
        }
        let free = reserved.release(1, PAGES).map_err(|error| format!("release: {error}"))?;
        if free != PAGES {
            return Err(format!("fault.anonymous: {free} of {PAGES} pages were touched"));
        }
    }
    reserved.end();
    metric("fault.anonymous", each(ticks, ticks_per_second(), PAGES * TIMES))
}
