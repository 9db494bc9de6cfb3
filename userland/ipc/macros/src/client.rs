//! The client: a method for each method, on whatever carries calls.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::{Method, Protocol, registers};

pub fn client(protocol: &Protocol) -> TokenStream {
    let (vis, client, name, version) = (&protocol.vis, protocol.called("Client"), &protocol.name, protocol.version);
    let methods = protocol.methods.iter().map(|it| method(it, version));
    let about = format!("The client's side of `{name}`, version {version}.");
    let open = format!("The server that the manifest names in `uses = [\"{name}\"]`.");
    let slot = format!("use:{name}");
    quote! {
        #[doc = #about]
        #[derive(Clone, Copy, Debug)]
        #vis struct #client<C = ::rt::Cap<::rt::Endpoint>>(pub C);

        impl #client {
            #[doc = #open]
            ///
            /// # Errors
            /// The manifest does not name it.
            pub fn from_env(env: &::rt::Env) -> ::core::result::Result<Self, ::rt::Missing> {
                env.cap(#slot).map(Self)
            }
        }

        impl<C: ::ipc::Call> #client<C> {
            #(#methods)*
        }
    }
}

fn method(method: &Method, version: u16) -> TokenStream {
    let Method { name, docs, arguments, result, status, .. } = method;
    let label = u32::from(version) << 16 | u32::from(method.number);
    let names: Vec<_> = arguments.iter().map(|argument| &argument.name).collect();
    let kinds: Vec<_> = arguments.iter().map(|argument| &argument.kind).collect();
    let sent = kinds.iter().map(|kind| quote_spanned!(kind.span() => <#kind as ::ipc::Wire>::Sent<'_>));
    let put = kinds
        .iter()
        .zip(&names)
        .map(|(kind, name)| quote_spanned!(kind.span() => <#kind as ::ipc::Wire>::put(#name, &mut __to)?;));
    let in_registers = registers(method);
    let put: Vec<_> = put.collect();
    let to = if put.is_empty() { quote!(__to) } else { quote!(mut __to) };
    let taken = quote_spanned!(result.span() => <#result as ::ipc::Wire>);
    let inline = format_ident!("inline");
    quote! {
        #(#docs)*
        #[#inline]
        pub fn #name(&self, #(#names: #sent),*) -> ::core::result::Result<#result, ::ipc::Error<#status>> {
            const LABEL: u32 = #label;
            if const { #in_registers } {
                const WORDS: usize = ::ipc::words(&[#(<#kinds as ::ipc::Wire>::SIZE),*]);
                let #to = ::ipc::Registers::<{ ::ipc::fitting(WORDS) }>::new();
                #(#put)*
                let __answer = ::ipc::Call::words(&self.0, LABEL, __to.words()).map_err(::ipc::Error::Call)?;
                if __answer.label() == 0 && __answer.count() as usize == #taken::SIZE.words {
                    let mut __from = ::ipc::Incoming::registers(__answer);
                    return #taken::take(&mut __from).ok_or(::ipc::Error::Malformed);
                }
                return ::core::result::Result::Err(::ipc::refusal(__answer.label()));
            }
            let #to = ::ipc::Outgoing::new(LABEL);
            #(#put)*
            let __answer = ::ipc::Call::call(&self.0, &__to.message()).map_err(::ipc::Error::Call)?;
            let mut __from = ::ipc::Incoming::message(&__answer);
            if __answer.label != 0 {
                // What a refusal brings along would keep others from arriving.
                __from.end();
                return ::core::result::Result::Err(::ipc::refusal(__answer.label));
            }
            let __value = #taken::take(&mut __from);
            __from.end();
            __value.filter(|_| __from.is_whole()).ok_or(::ipc::Error::Malformed)
        }
    }
}
