//! Serves the protocol as it was.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::{Env, Missing, SyscallError};
use versions_programs::before::{Server, TallyServer};

rt::entry!(run);

fn run(env: &'static Env) -> Result<SyscallError, Missing> {
    ipc::serve(env, TallyServer(Server::default()))
}
