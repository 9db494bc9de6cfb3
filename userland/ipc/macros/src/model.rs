//! What a trait says, checked: methods with numbers, arguments, results.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ItemTrait, LitInt, LitStr, Pat, Result, ReturnType, Token, TraitItem, Type};

/// Most capabilities of a message.
const MAX_CAPS: usize = 4;
/// Longest name: slots are called `provide:NAME`, in 24 bytes.
const LONGEST: usize = 16;

/// What stands in `#[protocol(…)]`.
pub struct Arguments {
    name: LitStr,
    version: LitInt,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut name, mut version) = (None, None);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "name" => name = Some(input.parse()?),
                "version" => version = Some(input.parse()?),
                _ => return Err(Error::new(key.span(), "a protocol has a `name` and a `version`")),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let missing = |what| {
            Error::new(
                Span::call_site(),
                format!("write #[protocol(name = \"clock\", version = 1)]: {what} is missing"),
            )
        };
        Ok(Self {
            name: name.ok_or_else(|| missing("the name"))?,
            version: version.ok_or_else(|| missing("the version"))?,
        })
    }
}

/// An argument of a method.
pub struct Argument {
    pub name: Ident,
    pub kind: Type,
}

/// A method.
pub struct Method {
    pub name: Ident,
    pub number: u16,
    pub docs: Vec<syn::Attribute>,
    /// The server is told who calls.
    pub wants_client: bool,
    pub arguments: Vec<Argument>,
    /// What comes back when all is well.
    pub result: Type,
    /// The protocol's statuses.
    pub status: Type,
}

/// A protocol.
pub struct Protocol {
    pub name: String,
    pub version: u16,
    pub ident: Ident,
    pub vis: syn::Visibility,
    pub docs: Vec<syn::Attribute>,
    pub methods: Vec<Method>,
    /// The trait as the server implements it.
    pub server: TokenStream,
}

impl Protocol {
    pub fn new(arguments: Arguments, item: ItemTrait) -> Result<Self> {
        let name = arguments.name.value();
        if name.is_empty()
            || name.len() > LONGEST
            || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            return Err(Error::new(
                arguments.name.span(),
                format!("a protocol's name has 1 to {LONGEST} letters (a to z), digits or -"),
            ));
        }
        let version: u16 = arguments.version.base10_parse()?;
        if version == 0 {
            return Err(Error::new(arguments.version.span(), "versions count from 1"));
        }
        if let Some(generic) = item.generics.params.first() {
            return Err(Error::new(generic.span(), "a protocol has one form on the wire: no generics"));
        }
        let methods = item.items.iter().map(Method::new).collect::<Result<Vec<_>>>()?;
        let mut numbers = BTreeMap::new();
        for method in &methods {
            if let Some(other) = numbers.insert(method.number, &method.name) {
                return Err(Error::new(
                    method.name.span(),
                    format!("`{other}` has the number {} already; numbers are permanent", method.number),
                ));
            }
        }
        let server = server(&item, &methods, &name);
        let docs = docs(&item.attrs);
        if docs.is_empty() {
            return Err(Error::new(item.ident.span(), "document the protocol: its page is made of it"));
        }
        Ok(Self { name, version, ident: item.ident, vis: item.vis, docs, methods, server })
    }

    /// The name of the constant that describes it: `POWER_BUTTON` for `PowerButton`.
    pub fn constant(&self) -> Ident {
        format_ident!("{}", screaming(&self.ident.to_string()))
    }

    /// The trait's name with something behind it.
    pub fn called(&self, suffix: &str) -> Ident {
        format_ident!("{}{suffix}", self.ident)
    }
}

impl Method {
    fn new(item: &TraitItem) -> Result<Self> {
        let TraitItem::Fn(item) = item else {
            return Err(Error::new(item.span(), "a protocol has methods and nothing else"));
        };
        let name = item.sig.ident.clone();
        let refuse = |span: Span, why: &str| Err(Error::new(span, why));
        if let Some(body) = &item.default {
            return refuse(body.span(), "the server answers: no body here");
        }
        if item.sig.asyncness.is_some() || !item.sig.generics.params.is_empty() {
            return refuse(
                item.sig.span(),
                "a method is neither async nor generic: what takes long is split, and signalled when it is done",
            );
        }
        let docs = docs(&item.attrs);
        if docs.is_empty() {
            return refuse(name.span(), "document the method: the protocol's page is made of it");
        }
        let number = number(item)?;
        let mut inputs = item.sig.inputs.iter();
        match inputs.next() {
            Some(FnArg::Receiver(it)) if matches!(it.kind, syn::ReceiverKind::Reference(_, _, Some(_))) => {}
            _ => return refuse(item.sig.span(), "a method takes `&mut self`"),
        }
        let (mut wants_client, mut arguments) = (false, Vec::new());
        for (place, input) in inputs.enumerate() {
            let FnArg::Typed(input) = input else { return refuse(input.span(), "self comes first") };
            let Pat::Ident(pattern) = &*input.pat else { return refuse(input.pat.span(), "an argument has a name") };
            if place == 0 && is_client(&input.ty) {
                wants_client = true;
                continue;
            }
            arguments.push(Argument { name: pattern.ident.clone(), kind: (*input.ty).clone() });
        }
        let (result, status) = outcome(item)?;
        Ok(Self { name, number, docs, wants_client, arguments, result, status })
    }
}

fn is_client(kind: &Type) -> bool {
    matches!(kind, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Client"))
}

fn docs(attributes: &[syn::Attribute]) -> Vec<syn::Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect()
}

fn number(item: &syn::TraitItemFn) -> Result<u16> {
    let attribute = item.attrs.iter().find(|attribute| attribute.path().is_ident("method"));
    let wanted = "give the method its permanent number, from 1 on: #[method(1)]";
    let attribute = attribute.ok_or_else(|| Error::new(item.sig.ident.span(), wanted))?;
    let literal: LitInt = attribute.parse_args().map_err(|_| Error::new(attribute.span(), wanted))?;
    match literal.base10_parse()? {
        0 => Err(Error::new(literal.span(), wanted)),
        number => Ok(number),
    }
}

/// The two types of `Result<T, S>`.
fn outcome(item: &syn::TraitItemFn) -> Result<(Type, Type)> {
    let wrong = || {
        Error::new(
            item.sig.ident.span(),
            "a method returns `Result<T, S>`: T is sent back, S is the protocol's enum of statuses",
        )
    };
    let ReturnType::Type(_, kind) = &item.sig.output else { return Err(wrong()) };
    let Type::Path(path) = &**kind else { return Err(wrong()) };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Result").ok_or_else(wrong)?;
    let syn::PathArguments::AngleBracketed(list) = &last.arguments else { return Err(wrong()) };
    let kinds: Vec<&Type> = list
        .args
        .iter()
        .filter_map(|argument| if let syn::GenericArgument::Type(kind) = argument { Some(kind) } else { None })
        .collect();
    match kinds[..] {
        [result, status] => Ok((result.clone(), status.clone())),
        _ => Err(wrong()),
    }
}

/// The trait without what is ours in it. Results are what a server gives, which for a capability is its own.
fn server(item: &ItemTrait, methods: &[Method], name: &str) -> TokenStream {
    let ItemTrait { attrs, vis, ident, supertraits, colon_token, .. } = item;
    let functions = item.items.iter().zip(methods).map(|(item, method)| {
        let TraitItem::Fn(item) = item else { return TokenStream::new() };
        let attributes = item.attrs.iter().filter(|attribute| !attribute.path().is_ident("method"));
        let (name, inputs) = (&item.sig.ident, &item.sig.inputs);
        let (result, status) = (&method.result, &method.status);
        let given = quote_spanned!(result.span() => <#result as ::ipc::Wire>::Given);
        quote! {
            #(#attributes)*
            fn #name(#inputs) -> ::core::result::Result<#given, #status>;
        }
    });
    let passed = shared(methods, &quote!((**self)));
    let shared = shared(methods, &quote!(self.borrow_mut()));
    let about = format!("\n\nThe server's side of `{name}`. A server that shares itself with its tasks is one too.");
    quote! {
        #(#attrs)*
        #[doc = #about]
        #vis trait #ident #colon_token #supertraits {
            #(#functions)*
        }

        impl<S: #ident> #ident for ::ipc::Shared<S> {
            #(#shared)*
        }

        impl<S: #ident> #ident for &mut S {
            #(#passed)*
        }
    }
}

/// Methods that pass everything on to a server that is reached so.
fn shared(methods: &[Method], server: &TokenStream) -> Vec<TokenStream> {
    let pass = |method: &Method| {
        let Method { name, wants_client, arguments, result, status, .. } = method;
        let (names, kinds): (Vec<_>, Vec<_>) =
            arguments.iter().map(|argument| (&argument.name, &argument.kind)).unzip();
        let client = wants_client.then(|| quote!(__client: ::ipc::Client,));
        let told = wants_client.then(|| quote!(__client,));
        quote! {
            fn #name(&mut self, #client #(#names: #kinds),*) -> ::core::result::Result<<#result as ::ipc::Wire>::Given, #status> {
                #server.#name(#told #(#names),*)
            }
        }
    };
    methods.iter().map(pass).collect()
}

/// The constant that the documents and the frozen layouts are made of.
pub fn description(protocol: &Protocol) -> TokenStream {
    let Protocol { name, version, vis, docs, .. } = protocol;
    let about = text(docs);
    let methods = protocol.methods.iter().map(|method| {
        let (number, called, about) = (method.number, method.name.to_string(), text(&method.docs));
        let arguments = method.arguments.iter().map(|argument| {
            let (name, kind) = (argument.name.to_string(), &argument.kind);
            let written = written(kind);
            quote!(::ipc::Field { name: #name, written: #written, shape: <#kind as ::ipc::Wire>::SHAPE })
        });
        let (result, status) = (&method.result, &method.status);
        let (returned, kinds) = (written(result), method.arguments.iter().map(|argument| &argument.kind));
        let told = method.wants_client;
        let in_registers = registers(method);
        quote! {
            ::ipc::Method {
                number: #number, name: #called, about: #about, arguments: &[#(#arguments),*],
                result: ::ipc::Field { name: "", written: #returned, shape: <#result as ::ipc::Wire>::SHAPE },
                statuses: <#status as ::ipc::StatusLabel>::LIST,
                hash: ::ipc::hash(&[#(<#kinds as ::ipc::Wire>::SHAPE),*], <#result as ::ipc::Wire>::SHAPE),
                knows_client: #told, in_registers: #in_registers,
            }
        }
    });
    let constant = protocol.constant();
    let doc = format!("The protocol `{name}` as data.");
    quote! {
        #[doc = #doc]
        #vis const #constant: ::ipc::Protocol =
            ::ipc::Protocol { name: #name, version: #version, about: #about, methods: &[#(#methods),*] };
    }
}

/// Whether request and answer of a method fit into registers, as an expression.
pub fn registers(method: &Method) -> TokenStream {
    let kinds = method.arguments.iter().map(|argument| &argument.kind);
    let result = &method.result;
    quote!(::ipc::in_registers(&[#(<#kinds as ::ipc::Wire>::SIZE),*]) && ::ipc::in_registers(&[<#result as ::ipc::Wire>::SIZE]))
}

/// Documentation as one text.
fn text(docs: &[syn::Attribute]) -> String {
    let lines: Vec<String> = docs
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(syn::MetaNameValue {
                value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }),
                ..
            }) => Some(text.value()),
            _ => None,
        })
        .collect();
    lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// A type as a person writes it.
fn written(kind: &Type) -> String {
    quote!(#kind).to_string().replace(" < ", "<").replace(" >", ">").replace(" :: ", "::").replace(" ,", ",")
}

/// `PowerButton` as `POWER_BUTTON`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for (place, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && place > 0 {
            out.push('_');
        }
        out.extend(letter.to_uppercase());
    }
    out
}

/// More than a message carries is refused where it is written.
pub fn capabilities(method: &Method) -> TokenStream {
    let kinds = method.arguments.iter().map(|argument| &argument.kind);
    quote_spanned!(method.name.span() => const _: () = assert!(::ipc::caps(&[#(<#kinds as ::ipc::Wire>::SIZE),*]) <= #MAX_CAPS, "more than four capabilities");)
}
