//! Tells a virtio device nonsense, `corrupt.count=` times, from `corrupt.seed=` on.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(env: &'static rt::Env) {
    match iommu_programs::corrupt::run(env) {
        Ok(summary) => log::info!("corrupt: done: {summary}"),
        Err(error) => log::error!("corrupt broken: {error}"),
    }
}
