//! Puts an instruction into a writable page and calls it.
#![cfg_attr(target_os = "none", no_std, no_main)]

use rt::SharedBuffer;

rt::entry!(run);

/// `ret`.
const RETURN: u32 = 0xd65f_03c0;

fn run(_: &'static rt::Env) {
    match SharedBuffer::new(1) {
        Ok(page) => {
            if page.store_u32(0, RETURN).is_ok() {
                trespass::execute("a writable page", page.as_ptr() as usize);
            }
        }
        Err(error) => log::error!("trespass: no page: {error:?}"),
    }
}
