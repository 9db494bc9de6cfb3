//! `docs/conformance.md` is the list of the cases.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const HEAD: &str = "\
# What the kernel is held to

Each line is a case of `tests/programs/conformance`: a component that makes system calls, looks at every register that comes
back, and says `ok` or `FAIL` with the identifier. `cargo xtask test conformance` boots it on one, four and eight cores,
with both interrupt controllers, at EL1 and EL2, with the fast paths and without, and once where time is exact. Where
there are several cores each case runs twice: with its threads on one core, and on several. After each case everything it
made is revoked, and its memory must be whole.

A case *sees* the refusals that stand behind it: it fails when one does not happen. A host test compares them with the
`# Errors` of the operations' documentation: each error that is listed there is seen by a case.

This page is written by `TUTTI_WRITE=1 cargo test -p conformance-programs page`; the test fails when it is stale.
";

/// Headings, by the beginning of the identifiers.
const OBJECTS: [(&str, &str); 20] = [
    ("EP", "Endpoint"),
    ("RP", "Reply"),
    ("NT", "Notification"),
    ("UT", "Untyped"),
    ("TB", "CapTable"),
    ("TH", "Thread"),
    ("RG", "Registers"),
    ("FT", "Faults"),
    ("AS", "AddressSpace and Frame"),
    ("RV", "Reserve"),
    ("IR", "Irq"),
    ("DM", "DmaSpace and IommuControl"),
    ("SM", "Smc, SmcControl"),
    ("KC", "KernelConsole"),
    ("DB", "Debug"),
    ("TR", "Trace"),
    ("SC", "SchedContext"),
    ("DO", "Donation of time"),
    ("TM", "Timer"),
    ("PR", "Priorities"),
];

fn page() -> String {
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "\n{} cases.", crate::all().count());
    for (prefix, heading) in OBJECTS.into_iter().chain([("TI", "Time, where it is exact")]) {
        let _ = writeln!(text, "\n## {heading}\n\n| case | what holds | sees |\n| --- | --- | --- |");
        for case in crate::all().filter(|case| case.id.split('-').next() == Some(prefix)) {
            let sees = |(op, codes): &(abi::Op, &[abi::ErrorCode])| {
                let codes: Vec<String> = codes.iter().map(|code| format!("{code:?}")).collect();
                format!("{op:?}: {}", codes.join(", "))
            };
            let sees: Vec<String> = case.sees.iter().map(sees).collect();
            let _ = writeln!(text, "| {} | {} | {} |", case.id, case.says, sees.join("; "));
        }
    }
    text
}

#[test]
fn the_page_is_the_list() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/conformance.md");
    if std::env::var_os("TUTTI_WRITE").is_some() {
        fs::write(&file, page()).expect("docs/conformance.md is written");
    }
    let have = fs::read_to_string(&file).unwrap_or_default();
    assert!(have == page(), "docs/conformance.md is stale: TUTTI_WRITE=1 cargo test -p conformance-programs page");
}

#[test]
fn identifiers_are_unique_and_well_formed() {
    let mut seen = BTreeSet::new();
    for case in crate::all() {
        assert!(seen.insert(case.id), "{} is there twice", case.id);
        let parts: Vec<&str> = case.id.split('-').collect();
        let [object, subject, number] = parts[..] else { panic!("{} has no three parts", case.id) };
        let known = object == "TI" || OBJECTS.iter().any(|(prefix, _)| *prefix == object);
        assert!(known && !subject.is_empty() && number.len() == 3, "{}", case.id);
        assert!(!case.says.is_empty() && !case.says.ends_with('.') && !case.says.contains('|'), "{}", case.id);
    }
    assert!(seen.len() >= 150);
}
