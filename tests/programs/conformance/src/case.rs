//! A case and how it is run.

use abi::{ErrorCode, Op};
use agent::{Check, Fail, World};
use alloc::format;

/// A case.
#[derive(Clone, Copy)]
pub struct Case {
    /// `EP-CALL-001`: object, operation or subject, number. It is never used for another.
    pub id: &'static str,
    /// What holds when it passes.
    pub says: &'static str,
    /// Refusals that are seen on the way: a case that does not see one fails.
    pub sees: &'static [(Op, &'static [ErrorCode])],
    /// It is about what happens on one core: agents stay on that of the program.
    pub one_core: bool,
    /// It needs more cores than one.
    pub several_cores: bool,
    /// It needs an IOMMU.
    pub iommu: bool,
    /// It measures time, which is only exact where the machine counts instructions.
    pub timed: bool,
    run: fn(&mut World) -> Check,
}

/// Refusals that a case sees.
pub type Sees = &'static [(Op, &'static [ErrorCode])];

/// A case in which nothing must be refused.
pub const fn case(id: &'static str, says: &'static str, run: fn(&mut World) -> Check) -> Case {
    Case { id, says, sees: &[], one_core: false, several_cores: false, iommu: false, timed: false, run }
}

/// A case that sees these refusals.
pub const fn refusals(id: &'static str, says: &'static str, sees: Sees, run: fn(&mut World) -> Check) -> Case {
    Case { id, says, sees, one_core: false, several_cores: false, iommu: false, timed: false, run }
}

impl Case {
    /// The same on one core only.
    pub const fn on_one_core(mut self) -> Self {
        self.one_core = true;
        self
    }

    /// The same where there are several cores only.
    pub const fn on_several_cores(mut self) -> Self {
        self.several_cores = true;
        self
    }

    /// The same where there is an IOMMU only.
    pub const fn with_iommu(mut self) -> Self {
        self.iommu = true;
        self
    }

    /// The same where time is exact only.
    pub const fn timed(mut self) -> Self {
        (self.one_core, self.timed) = (true, true);
        self
    }
}

/// Runs a case; what it made is gone afterwards.
///
/// # Errors
/// It fails.
pub fn run(world: &mut World, case: &Case) -> Check {
    let result = (case.run)(world).and_then(|()| seen(world, case));
    result.and(world.reset())
}

fn seen(world: &World, case: &Case) -> Check {
    for (op, codes) in case.sees {
        if let Some(code) = codes.iter().find(|&&code| !world.saw(*op, code)) {
            return Err(Fail(format!("{op:?} was never refused with {code:?}")));
        }
    }
    Ok(())
}
