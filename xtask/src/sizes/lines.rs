//! The lines of one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use proc_macro2::{LineColumn, Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, Attribute, Expr, Field, FieldValue, ImplItem, Item, Lit, Macro, Meta, Stmt, TraitItem, Variant};

use crate::rustfmt::{OWN_WIDTH, Style, format};

/// What rustfmt cannot break, in a macro or a text, counts as often as it would fill a line.
const WIDTH: usize = OWN_WIDTH;

/// A module that lies in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub name: String,
    /// The inline modules around it.
    pub inside: PathBuf,
    /// What `#[path]` says.
    pub path: Option<String>,
}

/// A file without what only tests are built with.
#[derive(Debug)]
pub struct Source {
    pub lines: usize,
    pub modules: Vec<Module>,
}

impl Source {
    /// Reads and counts a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&format(&text, Style::Own)?).with_context(|| format!("{}", path.display()))
    }

    fn parse(formatted: &str) -> Result<Self> {
        let file = syn::parse_file(formatted)?;
        if is_left_out(&file.attrs) {
            return Ok(Self { lines: 0, modules: Vec::new() });
        }
        let mut visitor = Visitor::default();
        visitor.visit_file(&file);
        ensure!(!visitor.includes, "`include!` hides what it brings: make it a module");
        let mut lines = BTreeMap::new();
        count(tokens(formatted)?, &visitor.left_out, &mut lines);
        Ok(Self { lines: lines.values().map(|width| width.div_ceil(WIDTH)).sum(), modules: visitor.modules })
    }
}

/// The lines on which `unsafe` stands; comments and texts do not count.
pub fn unsafes(text: &str) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    search(tokens(text)?, &mut found);
    Ok(found)
}

fn search(tokens: TokenStream, found: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "unsafe" => found.push(ident.span().start().line),
            TokenTree::Group(group) => search(group.stream(), found),
            _ => {}
        }
    }
}

fn tokens(text: &str) -> Result<TokenStream> {
    text.parse().map_err(|error| anyhow::anyhow!("that is no Rust: {error}"))
}

/// From one place in a file to another.
type Range = (LineColumn, LineColumn);

/// Notes the lines that hold something, and how far each reaches.
fn count(tokens: TokenStream, left_out: &[Range], lines: &mut BTreeMap<usize, usize>) {
    for token in tokens {
        if is_comment(token.span()) {
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                note(group.span_open(), left_out, lines);
                count(group.stream(), left_out, lines);
                note(group.span_close(), left_out, lines);
            }
            token => note(token.span(), left_out, lines),
        }
    }
}

fn note(span: Span, left_out: &[Range], lines: &mut BTreeMap<usize, usize>) {
    let (start, end) = (span.start(), span.end());
    if left_out.iter().any(|(first, last)| *first <= start && end <= *last) {
        return;
    }
    for line in start.line..=end.line {
        // A text over several lines fills each of them but the last.
        let width = if line == end.line { end.column } else { 1 };
        let widest = lines.entry(line).or_default();
        *widest = width.max(*widest).max(1);
    }
}

/// A comment that documents becomes an attribute, whose pieces all lie where the comment does.
fn is_comment(span: Span) -> bool {
    span.source_text().is_some_and(|text| text.starts_with("//") || text.starts_with("/*"))
}

/// Finds modules, and what is not built for the target.
#[derive(Default)]
struct Visitor {
    inside: PathBuf,
    modules: Vec<Module>,
    left_out: Vec<Range>,
    includes: bool,
}

impl Visitor {
    /// Whether this is left out; then its place is noted.
    fn leaves_out(&mut self, node: &(impl Spanned + quote::ToTokens)) -> bool {
        let attributes = |input: ParseStream| {
            let attributes = input.call(Attribute::parse_outer)?;
            input.parse::<TokenStream>()?;
            Ok(attributes)
        };
        let attributes = attributes.parse2(node.to_token_stream()).unwrap_or_default();
        let out = is_left_out(&attributes);
        if out {
            self.left_out.push((node.span().start(), node.span().end()));
        }
        out
    }
}

macro_rules! unless_left_out {
    ($($visit:ident: $node:ident),* $(,)?) => {
        $(fn $visit(&mut self, node: &'ast $node) {
            if !self.leaves_out(node) {
                visit::$visit(self, node);
            }
        })*
    };
}

impl<'ast> Visit<'ast> for Visitor {
    unless_left_out! {
        visit_impl_item: ImplItem,
        visit_trait_item: TraitItem,
        visit_stmt: Stmt,
        visit_field: Field,
        visit_field_value: FieldValue,
        visit_variant: Variant,
        visit_arm: Arm,
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if self.leaves_out(item) {
            return;
        }
        let Item::Mod(module) = item else { return visit::visit_item(self, item) };
        let name = module.ident.to_string();
        if module.content.is_some() {
            self.inside.push(&name);
            visit::visit_item(self, item);
            self.inside.pop();
        } else {
            let path = module.attrs.iter().find_map(path);
            self.modules.push(Module { name, inside: self.inside.clone(), path });
        }
    }

    fn visit_macro(&mut self, node: &'ast Macro) {
        self.includes |= node.path.is_ident("include");
    }
}

/// The value of `#[path = "…"]`.
fn path(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    if pair.path.is_ident("path") { text(&pair.value) } else { None }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// A test, or something under a condition that the target does not meet.
fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<Meta>().is_ok_and(|condition| holds(&condition) == Some(false))
    })
}

/// Whether a condition holds on the target; none where that is not known here.
fn holds(condition: &Meta) -> Option<bool> {
    match condition {
        Meta::Path(path) => path.is_ident("test").then_some(false),
        Meta::NameValue(pair) if pair.path.is_ident("target_os") => text(&pair.value).map(|value| value == "none"),
        Meta::NameValue(_) => None,
        Meta::List(list) => {
            let conditions = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
            let parts = list.parse_args_with(conditions).ok()?;
            let mut parts = parts.iter().map(holds);
            let decisive = match list.path.get_ident()?.to_string().as_str() {
                "not" => return parts.next()?.map(|part| !part),
                "all" => false,
                "any" => true,
                _ => return None,
            };
            let parts: Vec<Option<bool>> = parts.collect();
            match parts.contains(&Some(decisive)) {
                true => Some(decisive),
                false if parts.contains(&None) => None,
                false => Some(!decisive),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> usize {
        Source::parse(&format(text, Style::Own).expect("formatted")).expect("parsed").lines
    }

    #[test]
    fn comments_and_blank_lines_do_not_count() {
        assert_eq!(
            lines(
                "//! A file.\n\n/* a\nb */\n/// A function.\n// why\nfn f() {} // behind\n\n/** more\n*/\nfn g() {}\n"
            ),
            2
        );
        assert_eq!(lines("const TEXT: &str = \"// no comment\n\n/* neither */\";\n"), 3);
    }

    #[test]
    fn what_is_long_is_broken_first() {
        let short = "fn f() { let a = 1; let b = 2; }";
        assert_eq!(lines(short), 4);
        let call = format!("fn f() {{ {}(); }}", "long".repeat(60));
        assert_eq!(lines(&call), 5, "a name of 240 letters takes three lines");
        let list: Vec<String> = (0..60).map(|number| format!("name_{number}: u32")).collect();
        assert_eq!(lines(&format!("macro_rules! m {{ ($($any:tt)*) => {{}} }} m! {{ {} }}", list.join(", "))), 3 + 9);
    }

    #[test]
    fn tests_do_not_count() {
        let text = "
            use core::fmt;
            #[cfg(test)] use std::rc::Rc;
            struct S { a: u8, #[cfg(test)] log: Vec<u8>, b: u8 }
            impl S { #[cfg(test)] fn peek(&self) -> u8 { self.a } fn a(&self) {} }
            fn f() { #[cfg(test)] println!(\"x\"); g(); }
            #[cfg(test)] mod tests { #[test] fn t() { f(); } }
            #[test] fn alone() {}
        ";
        // The comma behind a field stays: use, struct 5, impl 3, f 3.
        assert_eq!(lines(text), 12);
        assert_eq!(lines("#![cfg(test)]\nfn f() {}\n"), 0);
    }

    #[test]
    fn conditions_are_judged_for_the_target() {
        let out = |condition: &str| lines(&format!("#[cfg({condition})] fn f() {{}}")) == 0;
        assert!(out("test") && out("not(target_os = \"none\")") && out("all(test, feature = \"x\")"));
        assert!(out("not(any(not(test), unix))") && out("any(test, target_os = \"linux\")"));
        assert!(!out("not(test)") && !out("feature = \"fakes\"") && !out("any(test, feature = \"fakes\")"));
        assert!(!out("target_os = \"none\"") && !out("all(unix, windows)") && !out("not(feature = \"x\")"));
    }

    #[test]
    fn modules_are_found_and_includes_refused() {
        let source = Source::parse("mod a;\nmod b {\n    #[path = \"d.rs\"]\n    mod c;\n}\n#[cfg(test)]\nmod e;\n");
        let module = |name: &str, inside: &str, path: Option<&str>| Module {
            name: name.into(),
            inside: inside.into(),
            path: path.map(Into::into),
        };
        assert_eq!(source.expect("parsed").modules, [module("a", "", None), module("c", "b", Some("d.rs"))]);
        assert!(Source::parse("include!(\"more.rs\");\n").is_err());
    }

    #[test]
    fn unsafe_is_found_where_it_is_code() {
        let text =
            "#![forbid(unsafe_code)]\n// unsafe\nconst T: &str = \"unsafe\";\nfn f() {\n    unsafe { g!(unsafe) }\n}\n";
        assert_eq!(unsafes(text).expect("parsed"), [5, 5]);
        assert!(unsafes("fn f() {").is_err());
    }
}
