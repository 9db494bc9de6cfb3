//! Runs the cases: a line each, then their number.
#![cfg_attr(target_os = "none", no_std, no_main)]

use agent::{Check, Fail, World};
use conformance_programs::{Case, all, run};
use rt::{Cap, IommuControl};

rt::entry!(start);

/// Pages that a case works in.
const PAGES: u64 = 1280;

fn start(env: &'static rt::Env) {
    // Where instructions are counted, time is exact.
    let timed = env.argument("arg:timed") == Some(1);
    if let Err(Fail(why)) = cases(env, timed) {
        log::error!("conformance: broken off: {why}");
    }
}

fn cases(env: &rt::Env, timed: bool) -> Check {
    let mut world = World::new(env, PAGES)?;
    let (mut passed, mut failed) = (0, 0);
    let several = world.cores() > 1;
    let iommu = Cap::<IommuControl>::from_slot(world.authority.iommu).info(0).is_some();
    let runs = |case: &&Case| (timed || !case.timed) && (several || !case.several_cores) && (iommu || !case.iommu);
    for case in all().filter(runs) {
        match try_case(&mut world, case) {
            Ok(()) => {
                passed += 1;
                log::info!("ok {} {}", case.id, case.says);
            }
            Err(Fail(why)) => {
                failed += 1;
                log::error!("FAIL {} {}: {why}", case.id, case.says);
            }
        }
    }
    log::info!("conformance: {passed} passed, {failed} failed, {} cores", world.cores());
    Ok(())
}

/// Once with everything on this core, and where there are more once with the agents on others.
fn try_case(world: &mut World, case: &Case) -> Check {
    world.spread = false;
    run(world, case)?;
    if world.cores() > 1 && !case.one_core {
        world.spread = true;
        run(world, case).map_err(|Fail(why)| Fail(alloc::format!("on several cores: {why}")))?;
    }
    Ok(())
}

extern crate alloc;
