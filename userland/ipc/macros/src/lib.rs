//! A protocol is written once, as a documented trait under `#[ipc::protocol]`; what a client, a server, a test and the
//! documents need of it is made here. The crate `ipc` says how it is used.

mod client;
mod dispatch;
mod model;
mod wire;

use proc_macro::TokenStream;
use quote::quote;
use syn::parse_macro_input;

use model::{Arguments, Protocol};

/// Makes a protocol of a trait: see the documentation of the crate `ipc`.
#[proc_macro_attribute]
pub fn protocol(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let item = parse_macro_input!(item as syn::ItemTrait);
    let protocol = match Protocol::new(arguments, item) {
        Ok(protocol) => protocol,
        Err(error) => return error.into_compile_error().into(),
    };
    let (server, client, dispatch) = (&protocol.server, client::client(&protocol), dispatch::dispatch(&protocol));
    let description = model::description(&protocol);
    quote!(#server #description #client #dispatch).into()
}

/// Makes a value of messages of a struct (its fields, one behind the other; under `#[wire(layout)]` its bytes, for which it
/// must be `zerocopy`) or of an enum without fields (its number).
#[proc_macro_derive(Wire, attributes(wire))]
pub fn wire(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::DeriveInput);
    wire::derive(&item).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[cfg(test)]
mod tests;
