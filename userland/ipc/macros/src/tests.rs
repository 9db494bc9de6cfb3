//! What is wrong with a trait is said at the line of the trait.

use crate::model::{Arguments, Protocol};
use crate::wire;

/// Line and text of the error; empty where there is none.
fn refused(arguments: &str, item: &str) -> (usize, String) {
    let protocol = syn::parse_str::<Arguments>(arguments).and_then(|arguments| {
        let item = syn::parse_str::<syn::ItemTrait>(item)?;
        Protocol::new(arguments, item)
    });
    protocol.err().map(told).unwrap_or_default()
}

fn told(error: syn::Error) -> (usize, String) {
    (error.span().start().line, error.to_string())
}

const GOOD: &str = "name = \"clock\", version = 1";

#[test]
fn a_trait_as_it_should_be_is_taken() {
    let item = "/// The time.
        pub trait Clock {
            /// Now.
            #[method(1)]
            fn now(&mut self) -> Result<u64, Status>;
        }";
    assert_eq!(refused(GOOD, item), Default::default());
}

#[test]
fn errors_of_methods_point_at_their_lines() {
    for (method, says) in [
        ("fn now(&mut self) -> Result<u64, Status>;", "document the method"),
        ("/// Now.\n fn now(&mut self) -> Result<u64, Status>;", "#[method(1)]"),
        ("/// Now.\n #[method(0)] fn now(&mut self) -> Result<u64, Status>;", "#[method(1)]"),
        ("/// Now.\n #[method(70000)] fn now(&mut self) -> Result<u64, Status>;", "number too large"),
        ("/// Now.\n #[method(1)] fn now(&self) -> Result<u64, Status>;", "`&mut self`"),
        ("/// Now.\n #[method(1)] fn now() -> Result<u64, Status>;", "`&mut self`"),
        ("/// Now.\n #[method(1)] fn now(&mut self) -> u64;", "Result<T, S>"),
        ("/// Now.\n #[method(1)] fn now(&mut self);", "Result<T, S>"),
        ("/// Now.\n #[method(1)] async fn now(&mut self) -> Result<u64, Status>;", "neither async nor generic"),
        ("/// Now.\n #[method(1)] fn now<T>(&mut self, t: T) -> Result<u64, Status>;", "neither async nor generic"),
        ("/// Now.\n #[method(1)] fn now(&mut self) -> Result<u64, Status> { Ok(1) }", "no body"),
        ("/// Now.\n #[method(1)] fn now(&mut self, (a, b): (u8, u8)) -> Result<u64, Status>;", "has a name"),
        ("const A: u8;", "methods and nothing else"),
    ] {
        let item = format!("/// The time.\npub trait Clock {{\n{method}\n}}");
        let (line, text) = refused(GOOD, &item);
        let expected = 2 + method.lines().count();
        assert!(text.contains(says) && line == expected, "{method}: line {line}: {text}");
    }
}

#[test]
fn a_number_is_used_once() {
    let item = "/// The time.
        pub trait Clock {
            /// Now.
            #[method(1)]
            fn now(&mut self) -> Result<u64, Status>;
            /// Then.
            #[method(1)]
            fn then(&mut self) -> Result<u64, Status>;
        }";
    let (line, text) = refused(GOOD, item);
    assert!(line == 8 && text.contains("`now` has the number 1 already"), "{line}: {text}");
}

#[test]
fn errors_of_the_protocol() {
    let item = "/// The time.\npub trait Clock {}";
    for (arguments, says) in [
        ("", "the name is missing"),
        ("name = \"clock\"", "the version is missing"),
        ("name = \"clock\", version = 0", "versions count from 1"),
        ("name = \"a-name-that-is-too-long\", version = 1", "1 to 16 letters"),
        ("name = \"Clock\", version = 1", "1 to 16 letters"),
        ("colour = \"red\"", "a `name` and a `version`"),
    ] {
        let (_, text) = refused(arguments, item);
        assert!(text.contains(says), "{arguments}: {text}");
    }
    assert!(refused(GOOD, "pub trait Clock {}").1.contains("document the protocol"));
    assert!(refused(GOOD, "/// The time.\npub trait Clock<T> {}").1.contains("no generics"));
}

#[test]
fn values_that_have_no_form_are_refused() {
    for (item, says) in [
        ("enum Colour {\nRed,\nBlue = 2 }", "permanent number"),
        ("enum Colour {\nRed(u8) = 1 }", "permanent number"),
        ("struct Pair(\nu8, u8);", "have names"),
        ("struct Of<T> { a: T }", "no generics"),
        ("union Both { a: u8, b: u16 }", "union"),
        ("#[wire(packed)] struct A { a: u8 }", "`layout`"),
    ] {
        let item: syn::DeriveInput = syn::parse_str(item).expect("an item");
        let text = wire::derive(&item).map_err(told).expect_err("refused").1;
        assert!(text.contains(says), "{text}");
    }
}
