//! A player: a thread with a table, an address space and memory of its own that makes the calls of a list.

use alloc::format;

use abi::{ErrorCode, Kind, Op, Perms, Rights, SLOT_TABLE, layout::USER_MESSAGE_PAGE};
use agent::code;
use rt::{Cap, Frame, Retype, SharedBuffer, TABLE, invoke};

use crate::plan::{Call, slots};
use crate::random::Random;
use crate::supervisor::Ground;
use crate::system::{Broken, Check, broken, copy, delete, make, revoke, ticks};

/// The first of a player's slots, and how many it has.
const FIRST: u32 = 256;
const SLOTS: u32 = 24;
// Which is which.
const QUOTA: u32 = 0;
const SPACE: u32 = 1;
const TABLE_OF: u32 = 2;
const THREAD: u32 = 3;
const TIME: u32 = 4;
const LIST_COPY: u32 = 5;
const PAGE_COPY: u32 = 6;
const CODE_COPY: u32 = 7;
const FAULT: u32 = 8;

/// Pages of all that a player is made of.
const QUOTA_PAGES: u64 = 56;
/// Pages of its address space.
const SPACE_PAGES: u64 = 10;
/// Pages of memory of its own.
const MEMORY_PAGES: u64 = 28;
/// Where its list is mapped, and how many pages that has.
const LIST_AT: u64 = 0x14_0000;
const LIST_PAGES: u64 = 4;
/// Bytes of a call.
const CALL: usize = size_of::<Call>();
/// Calls of a full list. In the place of the first is written down how far it is.
pub const MOST: usize = LIST_PAGES as usize * 4096 / CALL - 1;

/// A player.
pub struct Player {
    /// From 1 on.
    pub number: u32,
    base: u32,
    list: SharedBuffer,
    page: SharedBuffer,
    /// Calls of its list; 0: it has none.
    pub length: usize,
    /// How many of them were begun when it was looked at.
    seen: usize,
    /// Looks since then without progress.
    pub stuck: u32,
    /// How often it was built anew without having made a single call.
    pub barren: u32,
    /// Somebody interfered: what its list holds need not be results.
    disturbed: bool,
}

fn outside<T>(result: Result<T, rt::OutOfBuffer>) -> Check<T> {
    result.map_err(|_| "outside of a list".into())
}

impl Player {
    /// What lasts: its quota and the Frames that the supervisor writes.
    pub fn new(number: u32) -> Check<Self> {
        let base = FIRST + number * SLOTS;
        make(abi::SLOT_MEMORY, Kind::Untyped, QUOTA_PAGES, base + QUOTA)?;
        Ok(Self {
            number,
            base,
            list: buffer(LIST_PAGES)?,
            page: buffer(1)?,
            length: 0,
            seen: 0,
            stuck: 0,
            barren: 0,
            disturbed: false,
        })
    }

    /// The supervisor's slot of its thread.
    pub const fn thread(&self) -> u32 {
        self.base + THREAD
    }

    /// Of its SchedContext.
    pub const fn time(&self) -> u32 {
        self.base + TIME
    }

    /// Of its address space.
    pub const fn space(&self) -> u32 {
        self.base + SPACE
    }

    /// Of its table.
    pub const fn table(&self) -> u32 {
        self.base + TABLE_OF
    }

    /// Of the capability of its message page.
    pub const fn page_copy(&self) -> u32 {
        self.base + PAGE_COPY
    }

    /// Everything that it is made of goes, whatever it is doing; all of its memory must come back.
    pub fn end(&mut self, debug: u32) -> Check {
        revoke(self.base + QUOTA)?;
        for slot in LIST_COPY..SLOTS {
            delete(self.base + slot);
        }
        self.length = 0;
        let quota = invoke(Op::DebugCap, debug, [SLOT_TABLE.into(), (self.base + QUOTA).into()])
            .map_err(|error| broken("a quota", error))?;
        match quota[5] {
            0 => Ok(()),
            used => Err(Broken(format!("{used} bytes of player {} are in use after its end", self.number))),
        }
    }

    /// Makes it anew.
    pub fn build(&mut self, ground: &Ground, random: &mut Random) -> Check {
        let base = self.base;
        make(base + QUOTA, Kind::AddressSpace, SPACE_PAGES, base + SPACE)?;
        make(base + QUOTA, Kind::CapTable, 6, base + TABLE_OF)?;
        make(base + QUOTA, Kind::Thread, 0, base + THREAD)?;
        make(base + QUOTA, Kind::SchedContext, 0, base + TIME)?;
        self.map(self.list.frame().slot(), LIST_COPY, LIST_AT, LIST_PAGES, Perms::READ | Perms::WRITE)?;
        self.map(self.page.frame().slot(), PAGE_COPY, USER_MESSAGE_PAGE, 1, Perms::READ | Perms::WRITE)?;
        self.map(ground.code, CODE_COPY, code::AT, 1, Perms::READ | Perms::EXECUTE)?;
        copy(SLOT_TABLE, base + FAULT, ground.faults, Rights::SEND, self.number.into())
            .map_err(|error| broken("the way of faults", error))?;
        let priority = 90 + random.below(11);
        let fpu = if random.once_in(2) { abi::THREAD_FPU } else { 0 };
        let [table, space, page, fault] = [TABLE_OF, SPACE, PAGE_COPY, FAULT].map(|slot| u64::from(base + slot));
        invoke(
            Op::ThreadConfigure,
            base + THREAD,
            [table, space, page, USER_MESSAGE_PAGE, fault, (priority * 0x101) | fpu],
        )
        .map_err(|error| broken("configure", error))?;
        let core = self.number as usize % ground.controls.len();
        let [budget, period] = random.pick(&[[1, 1], [1, 1], [ticks(2000), ticks(4000)], [ticks(100), ticks(300)]]);
        invoke(Op::SchedConfigure, ground.controls[core], [(base + TIME).into(), budget, period, random.below(2)])
            .map_err(|error| broken("time", error))?;
        invoke(Op::SchedBind, base + TIME, [(base + THREAD).into()]).map_err(|error| broken("bind", error))?;
        self.equip(ground, random)?;
        (self.length, self.seen, self.stuck) = (0, 0, 0);
        Ok(())
    }

    fn map(&self, frame: u32, slot: u32, address: u64, pages: u64, perms: Perms) -> Check {
        let slot = self.base + slot;
        copy(SLOT_TABLE, slot, frame, Rights::READ | Rights::WRITE | Rights::EXECUTE, 0)
            .map_err(|error| broken("a Frame", error))?;
        invoke(Op::Map, self.space(), [slot.into(), address, 0, pages, perms.bits().into()])
            .map(drop)
            .map_err(|error| broken("map", error))
    }

    /// Fills its table.
    fn equip(&self, ground: &Ground, random: &mut Random) -> Check {
        let table = self.table();
        let give = |index: u32, from: u32, rights: Rights, badge: u64| {
            copy(table, index, from, rights, badge).map_err(|error| broken("equip", error))
        };
        let all = Rights::all();
        // Nobody but the supervisor writes its registers, so that what its list holds are results.
        for (index, slot, rights) in [
            (slots::TABLE, TABLE_OF, all),
            (slots::THREAD, THREAD, Rights::CONTROL | Rights::BIND),
            (slots::SPACE, SPACE, all),
            (slots::TIME, TIME, all),
        ] {
            give(index, self.base + slot, rights, 0)?;
        }
        let quota = self.base + QUOTA;
        let own = |kind: Kind, size: u64, index: u32| {
            invoke(Op::Retype, quota, [kind as u64, size, 0, table.into(), index.into(), 0, 0])
                .map(drop)
                .map_err(|error| broken("own", error))
        };
        own(Kind::Untyped, MEMORY_PAGES, slots::MEMORY)?;
        own(Kind::Frame, 1, slots::FRAMES[0])?;
        own(Kind::Frame, 3, slots::FRAMES[1])?;
        slots::REPLIES.iter().try_for_each(|&index| own(Kind::Reply, 0, index))?;
        slots::TIMERS.iter().try_for_each(|&index| own(Kind::Timer, 0, index))?;
        give(slots::SHARED, ground.shared, all, 0)?;
        give(slots::DEBUG, ground.debug, all, 0)?;
        for &index in &slots::CONTROL {
            give(index, random.pick(&ground.controls), all, 0)?;
        }
        for (index, &from) in slots::ENDPOINTS.iter().zip(&ground.endpoints) {
            let rights = random.pick(&[all, all, Rights::SEND | Rights::GRANT, Rights::RECEIVE]);
            give(*index, from, rights, random.below(1 << 24))?;
        }
        for (index, &from) in slots::NOTIFICATIONS.iter().zip(&ground.notifications) {
            give(*index, from, random.pick(&[all, all, Rights::SIGNAL]), 1 << random.below(40))?;
        }
        for (index, &from) in slots::FRAMES[2..].iter().zip(&ground.frames) {
            give(*index, from, all, 0)?;
        }
        self.meet(random, ground.players);
        Ok(())
    }

    /// Capabilities of other players, as far as these are there.
    fn meet(&self, random: &mut Random, players: u32) {
        let mut other = || FIRST + (1 + random.below(players.into()) as u32) * SLOTS;
        let control = Rights::CONTROL | Rights::BIND;
        for index in slots::THREADS {
            let _ = copy(self.table(), index, other() + THREAD, control, 0);
        }
        let _ = copy(self.table(), slots::OTHER_SPACE, other() + SPACE, Rights::all(), 0);
        let _ = copy(self.table(), slots::OTHER_TIME, other() + TIME, Rights::all(), 0);
        let _ = copy(self.table(), slots::OTHER_TABLE, other() + TABLE_OF, Rights::all(), 0);
    }

    /// Lets it play a list from its beginning. `false`: something of it is gone.
    pub fn play(&mut self, calls: &[Call], random: &mut Random) -> Check<bool> {
        for (index, call) in calls.iter().enumerate() {
            for (word, value) in call.iter().enumerate() {
                outside(self.list.write((index + 1) * CALL + 8 * word, &value.to_le_bytes()))?;
            }
        }
        outside(self.list.write(0, &LIST_AT.to_le_bytes()))?;
        for word in 0..8 {
            let value = random.pick(&[0, 1, 4, 18, 19, 32, 40, 63]);
            outside(self.page.store_u32(4 * word, value))?;
        }
        (self.length, self.seen, self.stuck, self.disturbed) = (calls.len(), 0, 0, false);
        Ok(self.go_from(0))
    }

    /// Lets it go on with a call of its list. `false`: something of it is gone.
    pub fn go_from(&mut self, index: usize) -> bool {
        let thread = self.thread();
        let write = || -> Result<(), abi::SyscallError> {
            let places = [entry(index), entry(self.length), LIST_AT];
            invoke(Op::ThreadWriteRegisters, thread, [19, 3, places[0], places[1], places[2]])?;
            invoke(Op::ThreadWriteRegisters, thread, [32, 1, code::LIST])?;
            Ok(())
        };
        let mut written = write();
        if written.is_err_and(|error| error.code == ErrorCode::InvalidState) {
            // Another player let it go on.
            let _ = invoke(Op::ThreadSuspend, thread, []);
            written = write();
        }
        self.disturbed |= index > 0;
        written.is_ok() && invoke(Op::ThreadResume, thread, []).is_ok()
    }

    /// How many calls it began since this was asked last.
    pub fn progress(&mut self) -> Check<usize> {
        let mut bytes = [0; 8];
        outside(self.list.read(0, &mut bytes))?;
        let at = u64::from_le_bytes(bytes).wrapping_sub(LIST_AT) / CALL as u64;
        let at = usize::try_from(at).unwrap_or(0);
        if at > self.length {
            return Err(Broken(format!("player {} is at {at} of {}", self.number, self.length)));
        }
        let done = at.saturating_sub(self.seen);
        self.seen = self.seen.max(at);
        if done > 0 {
            (self.stuck, self.barren) = (0, 0);
        } else {
            self.stuck += 1;
        }
        Ok(done)
    }

    /// The call after that which it began last.
    pub fn next(&self) -> usize {
        self.seen.min(self.length)
    }

    /// Looks at what its calls came back with: codes that exist, and nothing beside a refusal.
    pub fn check(&self) -> Check {
        if self.disturbed {
            return Ok(());
        }
        for index in 0..self.length {
            let mut x: Call = [0; 10];
            for (word, value) in x.iter_mut().enumerate() {
                let mut bytes = [0; 8];
                outside(self.list.read((index + 1) * CALL + 8 * word, &mut bytes))?;
                *value = u64::from_le_bytes(bytes);
            }
            let status = x[8] as u8;
            let known = status == 0 || ErrorCode::from_number(status).is_some();
            let clear = status == 0 || (x[..8] == [0; 8] && x[9] == 0);
            if !known || !clear {
                return Err(Broken(format!("player {}, call {index}: it came back with {x:x?}", self.number)));
            }
        }
        Ok(())
    }
}

/// Where a call of the list lies.
const fn entry(index: usize) -> u64 {
    LIST_AT + ((index + 1) * CALL) as u64
}

/// A Frame that the supervisor writes.
fn buffer(pages: u64) -> Check<SharedBuffer> {
    let slot = rt::alloc_slot().map_err(|_| Broken::from("no slot"))?;
    let frame = Cap::<Frame>::from_slot(slot);
    rt::MEMORY
        .retype(Kind::Frame, Retype { size: pages, ..Retype::default() }, TABLE, slot)
        .map_err(|error| broken("a buffer", error))?;
    SharedBuffer::map(frame, pages).map_err(|error| Broken(format!("a buffer: {error:?}")))
}
