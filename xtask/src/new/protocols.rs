//! The protocols that there are, read from their traits: what a server of one must have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, FnArg, Item, ItemTrait, ItemUse, Lit, Meta, Pat, ReturnType, TraitItem, Type, TypePath, UseTree,
};

use super::names;

/// Where they are.
const FOLDER: &str = "userland/ipc/src";
/// Longest name of a protocol: `provide:NAME` fits into 24 bytes.
const LONGEST: usize = 16;
/// What every file knows without importing it.
const PRELUDE: [&str; 19] = [
    "Option", "Result", "Self", "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "str", "u128", "u16",
    "u32", "u64", "u8", "usize",
];

/// A protocol.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Its name in manifests.
    pub name: String,
    /// The file of its trait, without `.rs`.
    pub module: String,
    /// The name of its trait.
    pub service: String,
    /// The methods of a server that refuses all of them.
    pub methods: String,
    /// Paths of what these methods name, without the protocol's own types.
    foreign: BTreeSet<String>,
    /// The protocol's own types that they name.
    own: BTreeSet<String>,
    origin: Origin,
}

/// Where a protocol is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// In the crate `ipc`.
    Ipc,
    /// In the crate that serves it: the text of its module.
    Own(String),
}

impl Protocol {
    /// A fresh one, from the template.
    pub fn own(name: &str) -> Result<Self> {
        names::check(name, LONGEST)?;
        let text = include_str!("../../templates/protocol/module.rs")
            .replace("{{protocol}}", name)
            .replace("{{Trait}}", &names::camel(name));
        let found = read(&text, &names::snake(name))?.context("the template has no protocol")?;
        Ok(Self { origin: Origin::Own(text), ..found })
    }

    /// The same in the crate `ipc`.
    pub fn in_ipc(self) -> Self {
        Self { origin: Origin::Ipc, ..self }
    }

    /// The text of a module that the server's crate has itself.
    pub fn text(&self) -> Option<&str> {
        match &self.origin {
            Origin::Own(text) => Some(text),
            Origin::Ipc => None,
        }
    }

    /// The path of its items, seen from a crate with this name: `crate` from within.
    pub fn path(&self, of: &str) -> String {
        match self.origin {
            Origin::Own(_) => format!("{of}::protocol"),
            Origin::Ipc => format!("ipc::{}", self.module),
        }
    }

    /// The name of the constant that describes it: `POWER_BUTTON` for `PowerButton`.
    pub fn constant(&self) -> String {
        let mut name = String::new();
        for letter in self.service.chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    /// The lines of `use` for the methods of a server.
    pub fn imports(&self) -> String {
        let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        groups.entry(self.path("crate")).or_default().extend(self.own.iter().map(String::as_str));
        for path in &self.foreign {
            if let Some((parent, name)) = path.rsplit_once("::") {
                groups.entry(parent.into()).or_default().insert(name);
            }
        }
        let line = |(parent, names): (String, BTreeSet<&str>)| {
            let names: Vec<&str> = names.into_iter().collect();
            match names[..] {
                [name] => format!("use {parent}::{name};\n"),
                _ => format!("use {parent}::{{{}}};\n", names.join(", ")),
            }
        };
        groups.into_iter().map(line).collect()
    }
}

/// The protocol with this name, if there is one.
pub fn find(workspace: &crate::workspace::Workspace, name: &str) -> Result<Option<Protocol>> {
    Ok(all(&workspace.root)?.into_iter().find(|protocol| protocol.name == name))
}

/// The names of all.
pub fn names(workspace: &crate::workspace::Workspace) -> Result<Vec<String>> {
    Ok(all(&workspace.root)?.into_iter().map(|protocol| protocol.name).collect())
}

fn all(root: &Path) -> Result<Vec<Protocol>> {
    let folder = root.join(FOLDER);
    let mut found = Vec::new();
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if is_rust && !["lib", "tests"].contains(&module.as_str()) {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            found.extend(read(&text, &module).with_context(|| format!("{}", path.display()))?);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The protocol of a file, if it has one.
fn read(text: &str, module: &str) -> Result<Option<Protocol>> {
    let file = syn::parse_file(text)?;
    let traits = file.items.iter().filter_map(|item| if let Item::Trait(item) = item { Some(item) } else { None });
    let mut named = traits.filter_map(|item| Some((item.attrs.iter().find_map(name)?, item)));
    let Some((name, item)) = named.next() else { return Ok(None) };
    let mut imported = BTreeMap::new();
    let uses = file.items.iter().filter_map(|item| if let Item::Use(item) = item { Some(item) } else { None });
    uses.for_each(|item| import(item, &mut imported));
    let mut idents = Idents::default();
    idents.visit_item_trait(item);
    let service = item.ident.to_string();
    let mut own = BTreeSet::from([service.clone(), "Status".to_owned()]);
    let mut foreign = BTreeSet::new();
    for ident in idents.0 {
        match imported.get(&ident) {
            Some(path) => drop(foreign.insert(path.clone())),
            None => drop(own.insert(ident)),
        }
    }
    let methods = methods(item);
    Ok(Some(Protocol { name, module: module.into(), service, methods, foreign, own, origin: Origin::Ipc }))
}

/// The name in `#[ipc::protocol(name = "…", version = 1)]`.
fn name(attribute: &Attribute) -> Option<String> {
    let is_protocol = attribute.path().segments.last().is_some_and(|last| last.ident == "protocol");
    let Meta::List(list) = &attribute.meta else { return None };
    let parts = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
    let parts = is_protocol.then(|| list.parse_args_with(parts).ok()).flatten()?;
    parts.into_iter().find_map(|part| match part {
        Meta::NameValue(pair) if pair.path.is_ident("name") => match pair.value {
            Expr::Lit(value) => {
                if let Lit::Str(text) = value.lit {
                    Some(text.value())
                } else {
                    None
                }
            }
            _ => None,
        },
        _ => None,
    })
}

/// The types that signatures name.
#[derive(Default)]
struct Idents(BTreeSet<String>);

impl<'ast> Visit<'ast> for Idents {
    fn visit_type_path(&mut self, path: &'ast TypePath) {
        if let Some(first) = path.path.segments.first() {
            let name = first.ident.to_string();
            if !PRELUDE.contains(&name.as_str()) {
                self.0.insert(name);
            }
        }
        visit::visit_type_path(self, path);
    }
}

/// What a file imports: names and their paths, as another crate writes them.
fn import(item: &ItemUse, into: &mut BTreeMap<String, String>) {
    fn walk(tree: &UseTree, parent: &str, into: &mut BTreeMap<String, String>) {
        let below = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}::{name}") };
        match tree {
            UseTree::Path(path) => {
                let name = path.ident.to_string();
                let name = if parent.is_empty() && name == "crate" { "ipc".into() } else { name };
                walk(&path.tree, &below(&name), into);
            }
            UseTree::Name(name) => drop(into.insert(name.ident.to_string(), below(&name.ident.to_string()))),
            UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, parent, into)),
            UseTree::Rename(_) | UseTree::Glob(_) => {}
        }
    }
    walk(&item.tree, "", into);
}

/// The methods of a server that refuses all of them.
fn methods(item: &ItemTrait) -> String {
    let methods = item.items.iter().filter_map(|item| if let TraitItem::Fn(item) = item { Some(item) } else { None });
    methods.map(|method| format!("{} {{ Err(Status::UnknownMethod) }}\n\n", signature(&method.sig))).collect()
}

/// The signature, its arguments not used. A capability that is given is another type than one that was received.
fn signature(signature: &syn::Signature) -> String {
    let mut signature = signature.clone();
    for input in &mut signature.inputs {
        if let FnArg::Typed(input) = input
            && let Pat::Ident(pattern) = &mut *input.pat
        {
            pattern.ident = syn::Ident::new(&format!("_{}", pattern.ident), pattern.ident.span());
        }
    }
    if let ReturnType::Type(_, result) = &mut signature.output
        && ["Owned", "Buffer"].iter().any(|capability| result.to_token_stream().to_string().contains(capability))
        && let Type::Path(path) = &mut **result
        && let Some(last) = path.path.segments.last_mut()
        && let syn::PathArguments::AngleBracketed(list) = &mut last.arguments
        && let Some(syn::GenericArgument::Type(given)) = list.args.first_mut()
    {
        *given = syn::parse_quote!(<#given as ipc::Wire>::Given);
    }
    signature.to_token_stream().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rustfmt::{Style, format};

    const TEXT: &str = r#"
        use crate::{Bytes, Client, Owned, Signal};
        use rt::Frame;

        /// A line.
        #[crate::protocol(name = "serial", version = 1)]
        pub trait Serial {
            /// Attaches.
            #[method(1)]
            fn attach(&mut self, client: Client, signal: Signal) -> Result<(), Status>;
            /// Reads.
            #[method(2)]
            fn read(&mut self, most: u32) -> Result<Data, Status>;
            /// A frame.
            #[method(3)]
            fn frame(&mut self) -> Result<Owned<Frame>, Status>;
        }

        pub type Data = Bytes<504>;
    "#;

    #[test]
    fn a_trait_gives_a_server_that_refuses() {
        let protocol = read(TEXT, "serial").expect("parsed").expect("a protocol");
        assert_eq!((protocol.name.as_str(), protocol.service.as_str()), ("serial", "Serial"));
        let imports = "use ipc::{Client, Owned, Signal};\nuse ipc::serial::{Data, Serial, Status};\nuse rt::Frame;\n";
        assert_eq!(protocol.imports(), imports);
        let text = format(&format!("impl Serial for X {{ {} }}", protocol.methods), Style::Project).expect("formatted");
        for line in [
            "    fn attach(&mut self, _client: Client, _signal: Signal) -> Result<(), Status> {\n",
            "    fn read(&mut self, _most: u32) -> Result<Data, Status> {\n        Err(Status::UnknownMethod)\n",
            "    fn frame(&mut self) -> Result<<Owned<Frame> as ipc::Wire>::Given, Status> {\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert!(read("fn f() {}", "f").expect("parsed").is_none());
    }

    #[test]
    fn a_fresh_one_is_the_crates_own() {
        let protocol = Protocol::own("power-button").expect("a protocol");
        assert_eq!((protocol.service.as_str(), protocol.constant().as_str()), ("PowerButton", "POWER_BUTTON"));
        assert_eq!(protocol.imports(), "use crate::protocol::{PowerButton, Status};\n");
        assert_eq!(protocol.path("button"), "button::protocol");
        assert_eq!(protocol.in_ipc().imports(), "use ipc::power_button::{PowerButton, Status};\n");
        assert!(Protocol::own("seventeen-letters").is_err());
    }
}
