//! The process: serves `{{protocol}}` with a `{{compatible}}`.
#![cfg_attr(target_os = "none", no_std, no_main)]

use {{crate}}::{{Type}};
use kit::mmio::Mmio;
use {{protocol_path}}::{{Trait}}Server;

rt::entry!(run);

fn run(env: &'static rt::Env) -> kit::Result {
    let device = {{Type}}::new(&Mmio::open(env, 0)?)?;
    log::info!("{{compatible}}: the first register holds {:#x}", device.first());
    Ok(kit::serve(env, {{Trait}}Server(device))?)
}
