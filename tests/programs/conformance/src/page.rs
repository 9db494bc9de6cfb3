//! `docs/conformance.md` is the list of the cases.
