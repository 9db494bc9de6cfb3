//! What an instruction is for.

use crate::program::{Frame, PURPOSE, Program};

/// Source files of the kernel and what their code is for; the first that fits. Others go by their own name.
const FILES: [(&str, &str); 14] = [
    ("kernel/src/cap/table", "look-up"),
    ("kernel/src/cap/slot", "look-up"),
    ("kernel/src/cap/tree", "derivation tree"),
    ("kernel/src/syscall", "dispatch"),
    ("kernel/src/arch/aarch64/trap", "dispatch"),
    ("kernel/src/ipc", "message"),
    ("kernel/src/context", "results and clearing"),
    ("kernel/src/object/reply", "reply and time"),
    ("kernel/src/object/sched_context", "reply and time"),
    ("kernel/src/deadline", "reply and time"),
    ("kernel/src/sched", "scheduling"),
    ("kernel/src/object/address_space", "page tables"),
    ("kernel/src/arch/pte", "page tables"),
    ("kernel/src/arch/aarch64/mmu", "page tables"),
];

/// Code of the kernel that works for whoever called it, as all code does that is not the kernel's.
const HELPERS: [&str; 2] = ["kernel/src/mm/raw", "kernel/src/kernel.rs"];

/// What an instruction of the kernel is for.
pub fn in_kernel(program: &Program, address: u64, frames: &[Frame]) -> String {
    if let Some(named) = labelled(program, address) {
        return named;
    }
    match frames.iter().find(|frame| !is_helper(frame)) {
        Some(frame) => by_file(&frame.file),
        None if !frames.is_empty() => "helpers".into(),
        // Assembly without purpose: its own label.
        None => program.symbol(address).map_or_else(|| "kernel".into(), |(_, symbol)| symbol.name.clone()),
    }
}

/// What an instruction of a program is for: the stub that calls the kernel, what is beside it, or the program itself.
pub fn in_user(name: &str, frames: &[Frame]) -> String {
    let stub = frames.iter().any(|frame| frame.file.starts_with("userland/rt/"));
    if stub { "user stub".into() } else { format!("program {name}") }
}

/// The purpose that a label before the address says, if no function begins between the two.
fn labelled(program: &Program, address: u64) -> Option<String> {
    let (_, symbol) = program.symbol_before(address, |symbol| symbol.size > 0 || symbol.name.starts_with(PURPOSE))?;
    let name = symbol.name.strip_prefix(PURPOSE)?;
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
    Some(name.replace('_', " "))
}

fn is_helper(frame: &Frame) -> bool {
    !frame.file.starts_with("kernel/src/") || HELPERS.iter().any(|helper| frame.file.starts_with(helper))
}

fn by_file(file: &str) -> String {
    let known = FILES.iter().find(|(start, _)| file.starts_with(start)).map(|(_, purpose)| (*purpose).to_owned());
    let own = || {
        let path = file.strip_prefix("kernel/src/").unwrap_or(file);
        path.strip_suffix(".rs").unwrap_or(path).rsplit('/').next().unwrap_or(path).replace('_', " ")
    };
    known.unwrap_or_else(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str) -> Frame {
        Frame { file: file.into(), ..Frame::default() }
    }

    #[test]
    fn labels_say_what_assembly_is_for() {
        let program = Program::of(&[
            (0x100, 0, "el0_sync"),
            (0x110, 0, "purpose.reply_and_time.3"),
            (0x118, 0, "call_nested"),
            (0x200, 0x40, "rust"),
        ]);
        assert_eq!(in_kernel(&program, 0x104, &[]), "el0_sync");
        assert_eq!(in_kernel(&program, 0x11c, &[]), "reply and time");
        assert_eq!(in_kernel(&program, 0x204, &[frame("kernel/src/object/frame.rs")]), "frame");
    }

    #[test]
    fn helpers_work_for_their_callers() {
        let program = Program::of(&[]);
        let frames = [frame("core/src/ptr.rs"), frame("kernel/src/mm/raw.rs"), frame("kernel/src/cap/table.rs")];
        assert_eq!(in_kernel(&program, 0, &frames), "look-up");
        assert_eq!(in_kernel(&program, 0, &frames[..2]), "helpers");
        assert_eq!(in_user("echo", &[frame("core/src/ptr.rs"), frame("userland/rt/src/svc.rs")]), "user stub");
        assert_eq!(in_user("echo", &[frame("tests/programs/echo.rs")]), "program echo");
    }
}
