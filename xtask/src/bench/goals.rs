//! What is measured, how good it has to be, and how good it has been.

/// How a metric is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// It may be at most this.
    AtMost(f64),
    /// It must be at least this.
    AtLeast(f64),
    /// It is measured and not judged.
    Measured,
}

/// A metric of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it is to be.
    pub goal: Goal,
    /// What has been reached and may not be lost again: this is what the continuous integration fails on. Without it
    /// the metric is not measured yet. Whoever makes a metric better writes its new value here.
    pub held: Option<f64>,
}

/// Which of a row's two figures counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// What it is to be.
    Goal,
    /// What has been reached.
    Held,
}

/// What is wrong with a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Beyond the limit.
    Beyond,
    /// It was not measured.
    Missing,
}

impl Row {
    /// What is wrong with a value, if anything.
    pub fn fault(&self, value: Option<f64>, judge: Judge) -> Option<Fault> {
        let limit = match judge {
            Judge::Goal => self.limit(),
            Judge::Held => Some(self.held?),
        };
        let Some(value) = value else { return Some(Fault::Missing) };
        let beyond = limit.is_some_and(|limit| if self.is_better_high() { value < limit } else { value > limit });
        beyond.then_some(Fault::Beyond)
    }

    /// The number of its goal.
    pub fn limit(&self) -> Option<f64> {
        match self.goal {
            Goal::AtMost(limit) | Goal::AtLeast(limit) => Some(limit),
            Goal::Measured => None,
        }
    }

    /// Whether more of it is better.
    pub fn is_better_high(&self) -> bool {
        matches!(self.goal, Goal::AtLeast(_))
    }
}

const fn at_most(name: &'static str, limit: u32, held: Option<u32>) -> Row {
    let held = match held {
        Some(held) => Some(held as f64),
        None => None,
    };
    Row { name, goal: Goal::AtMost(limit as f64), held }
}

/// All metrics in the order in which they are shown.
pub const ROWS: &[Row] = &[
    at_most("ipc.call_reply_0w", 180, Some(180)),
    at_most("ipc.call_reply_3w", 180, Some(180)),
    at_most("ipc.call_reply_4w", 180, Some(180)),
    at_most("ipc.call_reply_8w", 180, Some(180)),
    at_most("ipc.call_reply_8w.waits", 6, Some(6)),
    at_most("ipc.call_reply_8w.registers", 22, Some(22)),
    at_most("ipc.call_reply_8w_live", 200, Some(200)),
    at_most("ipc.call_reply_8w_fpu", 400, Some(400)),
    at_most("ipc.call_reply_64w", 450, Some(450)),
    at_most("ipc.call_reply_64w.waits", 6, Some(6)),
    at_most("ipc.call_reply_64w.registers", 22, Some(22)),
    at_most("ipc.call_reply_1cap", 700, Some(700)),
    at_most("ipc.typed_call", 220, Some(220)),
    at_most("ipc.call_reply_cross_core", 2_500, None),
    Row { name: "ipc.scaling_2", goal: Goal::AtLeast(1.8), held: None },
    at_most("syscall.null", 70, Some(70)),
    at_most("syscall.null.waits", 3, Some(3)),
    at_most("syscall.null.registers", 2, Some(2)),
    at_most("notify.signal", 90, Some(90)),
    at_most("notify.signal.waits", 3, Some(3)),
    at_most("notify.signal.registers", 2, Some(2)),
    at_most("notify.ping_pong", 600, Some(600)),
    at_most("irq.to_driver", 240, Some(240)),
    at_most("irq.to_handler", 500, Some(500)),
    at_most("fault.round_trip", 350, Some(350)),
    at_most("fault.map_round_trip", 850, Some(850)),
    at_most("fault.anonymous", 600, Some(600)),
    at_most("frame.map", 350, Some(350)),
    at_most("frame.unmap", 350, Some(350)),
    at_most("frame.map_2m", 400, Some(400)),
    at_most("frame.map_64k", 800, Some(800)),
    at_most("cap.copy", 300, Some(300)),
    at_most("cap.delete", 300, Some(300)),
    at_most("untyped.retype", 450, Some(450)),
    at_most("thread.create", 5_000, Some(5_000)),
    at_most("process.spawn", 60_000, Some(60_000)),
    at_most("boot.first_user", 1_000_000, Some(1_000_000)),
    at_most("boot.prompt", 30_000_000, Some(30_000_000)),
    at_most("blk.read_4k", 6_000, Some(8_000)),
    at_most("blk.write_4k", 6_000, Some(8_000)),
    at_most("blk.read_4k_d32", 2_500, Some(3_000)),
    at_most("blk.write_4k_d32", 2_500, Some(3_000)),
    at_most("blk.read_1m", 60_000, Some(60_000)),
    at_most("blk.read_4k_smmu", 6_600, Some(8_800)),
    at_most("blk.read_4k_d32_smmu", 1_950, Some(2_500)),
    at_most("dma.attach_64k", 3_000, Some(3_000)),
    at_most("dma.detach_64k", 3_000, Some(3_000)),
    at_most("nvme.read_4k", 6_000, Some(8_000)),
    at_most("nvme.read_4k_d32", 2_500, Some(2_500)),
    at_most("net.frame_tx", 3_000, Some(3_000)),
    at_most("net.frame_rx", 3_000, Some(3_000)),
    at_most("mem.kernel_text", 98_304, Some(128_000)),
    Row { name: "mem.kernel_boot", goal: Goal::Measured, held: None },
    at_most("mem.kernel_resident", 524_288, None),
    at_most("mem.after_boot", 8_388_608, Some(8_388_608)),
    at_most("image.kernel", 1_048_576, Some(1_048_576)),
    at_most("latency.kernel_max", 2_000, Some(2_000)),
];

/// The place of a metric in the table; what is not in it comes last.
pub fn place(name: &str) -> usize {
    ROWS.iter().position(|row| row.name == name).unwrap_or(ROWS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = at_most("a", 10, Some(20));
    const RATIO: Row = Row { name: "b", goal: Goal::AtLeast(1.8), held: None };

    #[test]
    fn goals_are_judged_strictly() {
        assert_eq!(ROW.fault(Some(10.0), Judge::Goal), None);
        assert_eq!(ROW.fault(Some(11.0), Judge::Goal), Some(Fault::Beyond));
        assert_eq!(ROW.fault(None, Judge::Goal), Some(Fault::Missing));
        assert_eq!(RATIO.fault(Some(1.7), Judge::Goal), Some(Fault::Beyond));
        assert_eq!(RATIO.fault(Some(1.8), Judge::Goal), None);
    }

    #[test]
    fn what_was_reached_may_not_be_lost() {
        assert_eq!(ROW.fault(Some(20.0), Judge::Held), None);
        assert_eq!(ROW.fault(Some(21.0), Judge::Held), Some(Fault::Beyond));
        assert_eq!(ROW.fault(None, Judge::Held), Some(Fault::Missing));
        assert_eq!(RATIO.fault(None, Judge::Held), None);
        assert_eq!(RATIO.fault(Some(1.0), Judge::Held), None);
    }

    #[test]
    fn names_are_unique_and_none_is_held_that_is_better_than_its_goal() {
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(place(row.name), index);
            if let (Goal::AtMost(limit), Some(held)) = (row.goal, row.held) {
                assert!(held >= limit, "{}: a metric that is better than its goal may use that up", row.name);
            }
        }
    }
}
