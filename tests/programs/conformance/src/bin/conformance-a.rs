//! The first server: the least urgent.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(env: &'static rt::Env) {
    match env.cap("provide:conformance-a") {
        Ok(endpoint) => conformance_programs::server::serve(endpoint, env.cap("use:conformance-b").ok()),
        Err(missing) => log::error!("{missing}"),
    }
}
