//! A server that ends in the middle of a call.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(run);

fn run(env: &'static rt::Env) {
    match env.cap("provide:conformance-m") {
        Ok(endpoint) => conformance_programs::server::serve(endpoint, None),
        Err(missing) => log::error!("{missing}"),
    }
}
