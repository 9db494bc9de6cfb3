//! The process: serves `{{protocol}}`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use {{crate}}::{{Type}};
use {{protocol_path}}::{{Trait}}Server;

rt::entry!(run);

fn run(env: &'static rt::Env) -> Result<rt::SyscallError, rt::Missing> {
    log::info!("serves {{protocol}}");
    ipc::serve(env, {{Trait}}Server({{Type}}::new()))
}
