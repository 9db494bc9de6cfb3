//! The server's dispatch: from a message to a method and back.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::{Method, Protocol, capabilities, registers};

pub fn dispatch(protocol: &Protocol) -> TokenStream {
    let Protocol { ident, vis, name, version, .. } = protocol;
    let server = protocol.called("Server");
    let (constant, provided) = (protocol.constant(), format!("provide:{name}"));
    let checks = protocol.methods.iter().map(capabilities);
    let short = protocol.methods.iter().map(|method| short(ident, method, *version));
    let long = protocol.methods.iter().map(|method| long(ident, method, *version));
    let about = format!("Puts messages of `{name}` before a server, which is a [`{ident}`].");
    let fuzz = fuzz(protocol);
    quote! {
        #(#checks)*
        #fuzz

        #[doc = #about]
        #[derive(Clone, Debug)]
        #vis struct #server<S>(pub S);

        impl<S: #ident> ::ipc::Dispatch for #server<S> {
            const PROTOCOL: &'static ::ipc::Protocol = &#constant;
            const PROVIDED: &'static str = #provided;

            #[inline(always)]
            fn words(&mut self, __client: ::ipc::Client, __words: ::rt::Words) -> ::core::result::Result<::rt::Words, ::rt::Words> {
                let _ = __client;
                match __words.label() {
                    #(#short)*
                    _ => ::core::result::Result::Err(__words),
                }
            }

            fn message(&mut self, __client: ::ipc::Client, __message: &::rt::Message) -> ::rt::Message {
                let _ = __client;
                let mut __from = ::ipc::Incoming::message(__message);
                let __answer = match __message.label {
                    #(#long)*
                    __label => ::ipc::unknown(Self::PROTOCOL, __label),
                };
                __from.end();
                __answer
            }
        }
    }
}

/// A method whose words fit into registers, both ways.
fn short(protocol: &syn::Ident, method: &Method, version: u16) -> TokenStream {
    let label = u32::from(version) << 16 | u32::from(method.number);
    let (name, result, in_registers) = (&method.name, &method.result, registers(method));
    let kinds: Vec<_> = method.arguments.iter().map(|argument| &argument.kind).collect();
    let taken = kinds.iter().map(|kind| quote_spanned!(kind.span() => <#kind as ::ipc::Wire>::take(&mut __from)));
    let names: Vec<_> = method.arguments.iter().map(|argument| &argument.name).collect();
    let client = method.wants_client.then(|| quote!(__client,));
    let bind = if names.is_empty() { quote!() } else { quote!(let mut __from = ::ipc::Incoming::registers(__words);) };
    quote! {
        #label if const { #in_registers } => {
            const WORDS: usize = ::ipc::words(&[#(<#kinds as ::ipc::Wire>::SIZE),*]);
            if __words.count() as usize != WORDS {
                return ::core::result::Result::Ok(::ipc::bad_words());
            }
            #bind
            #(let ::core::option::Option::Some(#names) = #taken else { return ::core::result::Result::Ok(::ipc::bad_words()) };)*
            ::core::result::Result::Ok(match <S as #protocol>::#name(&mut self.0, #client #(#names),*) {
                ::core::result::Result::Ok(__value) => {
                    let mut __to = ::ipc::Registers::<{ ::ipc::fitting(<#result as ::ipc::Wire>::SIZE.words) }>::new();
                    match <#result as ::ipc::Wire>::give(__value, &mut __to) {
                        ::core::result::Result::Ok(()) => ::rt::Words::new(0, __to.words()),
                        ::core::result::Result::Err(_) => ::ipc::bad_words(),
                    }
                }
                ::core::result::Result::Err(__status) => ::rt::Words::new(::ipc::StatusLabel::label(__status), []),
            })
        }
    }
}

/// Any method, through a message.
fn long(protocol: &syn::Ident, method: &Method, version: u16) -> TokenStream {
    let label = u32::from(version) << 16 | u32::from(method.number);
    let (name, result) = (&method.name, &method.result);
    let kinds: Vec<_> = method.arguments.iter().map(|argument| &argument.kind).collect();
    let names: Vec<_> = method.arguments.iter().map(|argument| &argument.name).collect();
    let taken = kinds.iter().map(|kind| quote_spanned!(kind.span() => <#kind as ::ipc::Wire>::take(&mut __from)));
    let client = method.wants_client.then(|| quote!(__client,));
    quote! {
        #label => 'answer: {
            #(let ::core::option::Option::Some(#names) = #taken else { break 'answer __from.refusal() };)*
            if !__from.is_whole() {
                break 'answer __from.refusal();
            }
            // Before the method is called, as it may receive capabilities itself.
            __from.end();
            match <S as #protocol>::#name(&mut self.0, #client #(#names),*) {
                ::core::result::Result::Ok(__value) => {
                    let mut __to = ::ipc::Outgoing::new(0);
                    match <#result as ::ipc::Wire>::give(__value, &mut __to) {
                        ::core::result::Result::Ok(()) => __to.message(),
                        ::core::result::Result::Err(_) => ::ipc::bad_message(),
                    }
                }
                ::core::result::Result::Err(__status) => ::rt::Message::new(::ipc::StatusLabel::label(__status), []),
            }
        }
    }
}

/// A test in the crate of the protocol: whatever words arrive, in a request or in an answer, are decoded or refused.
fn fuzz(protocol: &Protocol) -> TokenStream {
    let (ident, server) = (&protocol.ident, protocol.called("Server"));
    let test = quote::format_ident!("any_message_is_decoded_or_refused_{}", protocol.name.replace('-', "_"));
    let refusing = protocol.called("Refusing");
    let methods = protocol.methods.iter().map(|method| {
        let Method { name, arguments, result, status, wants_client, .. } = method;
        let client = wants_client.then(|| quote!(_: ::ipc::Client,));
        let kinds = arguments.iter().map(|argument| &argument.kind);
        quote! {
            fn #name(&mut self, #client #(_: #kinds),*) -> ::core::result::Result<<#result as ::ipc::Wire>::Given, #status> {
                ::core::result::Result::Err(<#status as ::ipc::StatusLabel>::ALL[0])
            }
        }
    });
    let results = protocol.methods.iter().map(|method| &method.result);
    quote! {
        #[cfg(test)]
        #[test]
        fn #test() {
            struct #refusing;
            impl #ident for #refusing {
                #(#methods)*
            }
            ::ipc::fuzz::requests(&mut #server(#refusing));
            #(::ipc::fuzz::answers::<#results>();)*
        }
    }
}
