//! Answers typed calls.
#![cfg_attr(target_os = "none", no_std, no_main)]

use bench_programs::typed::{Server, TypedServer};
use rt::{Env, Missing, SyscallError};

rt::entry!(run);

fn run(env: &'static Env) -> Result<SyscallError, Missing> {
    ipc::serve(env, TypedServer(Server))
}
