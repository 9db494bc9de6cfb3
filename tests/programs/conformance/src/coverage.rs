//! Every error that an operation's documentation lists is one that a case sees.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use abi::{ErrorCode, Op};

/// Errors that no case can see, and the host test that sees them.
const ON_THE_HOST: &[(Op, ErrorCode, &str)] = &[
    // Only while another thread is in the middle of taking the memory away.
    (Op::AddPool, ErrorCode::Busy, "reserves.rs"),
    // Only while another thread is in the middle of mapping it, or of taking it or page tables away.
    (Op::Map, ErrorCode::Busy, "spaces.rs"),
    (Op::DmaAttach, ErrorCode::Busy, "devices.rs"),
    (Op::Protect, ErrorCode::Busy, "spaces.rs"),
    (Op::ReserveRelease, ErrorCode::InvalidState, "reserves.rs"),
    // Only with streams far apart, more than there are tables for.
    (Op::DmaBind, ErrorCode::OutOfMemory, "devices.rs"),
    // Only with an ITS, or behind an IOMMU.
    (Op::IrqMessage, ErrorCode::NoPool, "message_interrupts.rs"),
    (Op::IrqMessage, ErrorCode::Unsupported, "message_interrupts.rs"),
    // Only while a core is in the firmware.
    (Op::SmcCall, ErrorCode::Cancelled, "devices.rs"),
    (Op::SmcCall, ErrorCode::Revoked, "devices.rs"),
    // Every machine of the tests has PSCI.
    (Op::SmcCall, ErrorCode::Unsupported, "devices.rs"),
];
/// Operations whose target is of a kind that is never copied: it cannot lack a right.
const NEVER_COPIED: &[Op] = &[Op::Retype, Op::Reply, Op::ReserveRelease];
/// Refusals of every operation: its target is looked up.
const TARGET: [ErrorCode; 4] =
    [ErrorCode::SlotOutOfRange, ErrorCode::EmptySlot, ErrorCode::WrongKind, ErrorCode::MissingRight];
/// Errors of what a message claims: "those of the message".
const MESSAGE: [ErrorCode; 5] = [
    ErrorCode::TooManyWords,
    ErrorCode::TooManyCaps,
    ErrorCode::NoMessagePage,
    ErrorCode::SlotOutOfRange,
    ErrorCode::EmptySlot,
];

fn kernel() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../kernel/src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Module and function of each operation, as `syscall` dispatches it and `object` names it.
fn functions() -> BTreeMap<u8, (PathBuf, String)> {
    let exported = exported();
    let dispatch = read(&kernel().join("syscall.rs"));
    let mut found = BTreeMap::new();
    for line in dispatch.lines() {
        let Some((op, function)) = line.trim().strip_prefix("Op::").and_then(|rest| rest.split_once(" => ")) else {
            continue;
        };
        let Some(op) = Op::ALL.iter().find(|known| format!("{known:?}") == op) else { continue };
        let (module, name) = function.trim_end_matches(',').split_once("::").expect("a path");
        let place = match module {
            "ops" => exported.get(name).unwrap_or_else(|| panic!("`ops::{name}` comes from nowhere")).clone(),
            module => (kernel().join(format!("{module}.rs")), name.to_owned()),
        };
        found.insert(*op as u8, place);
    }
    found
}

/// What `object::ops` takes from where: `pub use super::FILE::{a, b as c};`.
fn exported() -> BTreeMap<String, (PathBuf, String)> {
    let objects = read(&kernel().join("object/mod.rs"));
    let mut found = BTreeMap::new();
    for item in objects.split(';').filter_map(|item| item.split_once("pub use super::")) {
        let Some((file, names)) = item.1.split_once("::") else { continue };
        for name in names.trim_matches(['{', '}', '\n', ' ']).split(',').map(str::trim).filter(|name| !name.is_empty())
        {
            let (own, public) = name.split_once(" as ").unwrap_or((name, name));
            found.insert(public.to_owned(), (kernel().join(format!("object/{file}.rs")), own.to_owned()));
        }
    }
    found
}

/// The text below `# Errors` of a function's documentation.
fn errors_of(place: &(PathBuf, String)) -> String {
    let (file, function) = place;
    let text = read(file);
    let lines: Vec<&str> = text.lines().collect();
    let starts = [format!("pub fn {function}("), format!("pub(crate) fn {function}(")];
    let at = lines.iter().position(|line| starts.iter().any(|start| line.starts_with(start)));
    let at = at.unwrap_or_else(|| panic!("{} has no operation {function}", file.display()));
    let mut documentation: Vec<&str> = lines[..at]
        .iter()
        .rev()
        .skip_while(|line| line.starts_with("#["))
        .map_while(|line| line.strip_prefix("///"))
        .collect();
    documentation.reverse();
    let documentation = documentation.join("\n");
    for heading in ["# Rights", "# Returns", "# Errors"] {
        assert!(documentation.contains(heading), "{function} has no {heading}");
    }
    documentation.split_once("# Errors").expect("a heading").1.to_owned()
}

/// The errors that an operation's documentation lists; "As [`other`]" takes the other's along.
fn listed(place: &(PathBuf, String)) -> BTreeSet<u8> {
    let text = errors_of(place);
    let mut found = BTreeSet::new();
    for word in text.split('`').skip(1).step_by(2) {
        if let Some(code) = ErrorCode::ALL.iter().find(|code| format!("{code:?}") == word) {
            found.insert(*code as u8);
        }
    }
    for sentence in text.split("As [`").skip(1) {
        let other = sentence.split('`').next().expect("a name");
        found.extend(listed(&(place.0.clone(), other.to_owned())));
    }
    if text.contains("those of the message") {
        found.extend(MESSAGE.map(|code| code as u8));
    }
    found
}

fn required() -> BTreeSet<(u8, u8)> {
    let mut all = BTreeSet::new();
    let functions = functions();
    for &op in Op::ALL {
        let place = functions.get(&(op as u8)).unwrap_or_else(|| panic!("syscall.rs does not dispatch {op:?}"));
        let target = TARGET.iter().filter(|&&code| code != ErrorCode::MissingRight || !NEVER_COPIED.contains(&op));
        all.extend(target.map(|&code| (op as u8, code as u8)));
        all.extend(listed(place).into_iter().map(|code| (op as u8, code)));
    }
    all
}

fn name((op, code): (u8, u8)) -> String {
    format!("{:?} {:?}", Op::from_number(op).expect("an operation"), ErrorCode::from_number(code).expect("an error"))
}

fn seen() -> BTreeSet<(u8, u8)> {
    let pairs = |case: &'static crate::Case| {
        case.sees.iter().flat_map(|(op, codes)| codes.iter().map(move |code| (*op as u8, *code as u8)))
    };
    crate::all().flat_map(pairs).collect()
}

#[test]
fn every_error_that_is_listed_has_a_case() {
    let (seen, mut missing) = (seen(), Vec::new());
    for pair in required() {
        let elsewhere = ON_THE_HOST.iter().any(|(op, code, _)| (*op as u8, *code as u8) == pair);
        if !seen.contains(&pair) && !elsewhere {
            missing.push(name(pair));
        }
    }
    assert!(missing.is_empty(), "no case sees: {}", missing.join(", "));
}

/// What a case sees is documented.
#[test]
fn every_error_that_is_seen_is_listed() {
    let (required, look_up) = (required(), TARGET.map(|code| code as u8));
    let listed = |pair: &(u8, u8)| required.contains(pair) || look_up.contains(&pair.1);
    let unlisted: Vec<String> = seen().into_iter().filter(|pair| !listed(pair)).map(name).collect();
    assert!(unlisted.is_empty(), "the documentation of the operation does not list: {}", unlisted.join(", "));
}

#[test]
fn what_no_case_can_see_a_host_test_sees() {
    for (op, code, file) in ON_THE_HOST {
        let text = read(&kernel().join("testbed/tests").join(file));
        let (op, code) = (format!("Op::{op:?},"), format!("ErrorCode::{code:?},"));
        let sees = text.lines().any(|line| line.contains(&op) && line.contains(&code));
        assert!(sees, "{file} has no line with {op} and {code}");
    }
}

#[test]
fn documentation_is_read_as_it_is_written() {
    let functions = functions();
    let errors = |op: Op| listed(&functions[&(op as u8)]);
    assert!(errors(Op::Call).contains(&(ErrorCode::PeerGone as u8)));
    assert!(errors(Op::ReplyReceive).contains(&(ErrorCode::Busy as u8)), "through `As`");
    assert!(errors(Op::Reply).contains(&(ErrorCode::TooManyCaps as u8)), "through the message");
    assert!(errors(Op::Signal).is_empty());
}
