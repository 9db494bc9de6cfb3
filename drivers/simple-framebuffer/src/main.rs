//! The process of a framebuffer that the firmware has set up: serves `display`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use kit::{Node, class::display, region};
use simple_framebuffer::{Failure, SimpleFramebuffer};

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result<rt::SyscallError, Failure> {
    let node = Node::open(env)?;
    // The binding lets it be either.
    let memory = if node.has("memory-region") { region::reserved(env, 0) } else { region::registers(env, 0) };
    Ok(display::serve(env, SimpleFramebuffer::new(&node, memory?)?, None)?)
}
