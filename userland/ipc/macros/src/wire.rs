//! `#[derive(Wire)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub fn derive(item: &DeriveInput) -> Result<TokenStream> {
    if let Some(generic) = item.generics.params.first() {
        return Err(Error::new(generic.span(), "a value of messages has one form: no generics"));
    }
    let body = match &item.data {
        Data::Enum(data) => numbers(item, data)?,
        Data::Struct(data) if is_layout(item)? => layout(item, &data.fields),
        Data::Struct(data) => fields(&data.fields)?,
        Data::Union(data) => return Err(Error::new(data.union_token.span, "a union says not what it is")),
    };
    let ident = &item.ident;
    let laid = is_layout(item)?.then(|| {
        quote! {
            impl ::ipc::Laid for #ident {
                const SHAPE: &'static ::ipc::Shape = <Self as ::ipc::Wire>::SHAPE;
            }
        }
    });
    Ok(quote! {
        #laid

        impl ::ipc::Wire for #ident {
            type Sent<'a> = Self;
            type Given = Self;

            #[inline(always)]
            fn give(given: Self, to: &mut impl ::ipc::Sink) -> ::core::result::Result<(), ::ipc::TooLong> {
                <Self as ::ipc::Wire>::put(given, to)
            }

            #body
        }
    })
}

fn is_layout(item: &DeriveInput) -> Result<bool> {
    let Some(attribute) = item.attrs.iter().find(|attribute| attribute.path().is_ident("wire")) else {
        return Ok(false);
    };
    let mut layout = false;
    attribute.parse_nested_meta(|meta| {
        layout = meta.path.is_ident("layout");
        if layout { Ok(()) } else { Err(meta.error("`layout` is all there is")) }
    })?;
    Ok(layout)
}

/// A number for each variant.
fn numbers(item: &DeriveInput, data: &syn::DataEnum) -> Result<TokenStream> {
    let mut names = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) || variant.discriminant.is_none() {
            return Err(Error::new(variant.span(), "each variant has a permanent number and nothing else: `Name = 1`"));
        }
        names.push(&variant.ident);
    }
    let ident = &item.ident;
    Ok(quote! {
        const SHAPE: &'static ::ipc::Shape = &::ipc::Shape::OneOf(&[#(#ident::#names as u64),*]);
        const SIZE: ::ipc::Size = ::ipc::Size::words(1);

        #[inline(always)]
        fn put(sent: Self, to: &mut impl ::ipc::Sink) -> ::core::result::Result<(), ::ipc::TooLong> {
            to.word(sent as u64)
        }

        #[inline(always)]
        fn take(from: &mut impl ::ipc::Source) -> ::core::option::Option<Self> {
            match from.word()? {
                #(word if word == #ident::#names as u64 => ::core::option::Option::Some(#ident::#names),)*
                _ => ::core::option::Option::None,
            }
        }
    })
}

/// The fields, one behind the other.
fn fields(fields: &Fields) -> Result<TokenStream> {
    let Fields::Named(fields) = fields else {
        return Err(Error::new(fields.span(), "the fields have names"));
    };
    let names: Vec<_> = fields.named.iter().map(|field| &field.ident).collect();
    let kinds: Vec<_> = fields.named.iter().map(|field| &field.ty).collect();
    let give = kinds
        .iter()
        .zip(&names)
        .map(|(kind, name)| quote_spanned!(kind.span() => <#kind as ::ipc::Wire>::give(sent.#name, to)?;));
    let take = kinds
        .iter()
        .zip(&names)
        .map(|(kind, name)| quote_spanned!(kind.span() => #name: <#kind as ::ipc::Wire>::take(from)?));
    Ok(quote! {
        const SHAPE: &'static ::ipc::Shape = &::ipc::Shape::List(&[#(<#kinds as ::ipc::Wire>::SHAPE),*]);
        const SIZE: ::ipc::Size = ::ipc::sum(&[#(<#kinds as ::ipc::Wire>::SIZE),*]);

        #[inline(always)]
        fn put(sent: Self, to: &mut impl ::ipc::Sink) -> ::core::result::Result<(), ::ipc::TooLong> {
            #(#give)*
            ::core::result::Result::Ok(())
        }

        #[inline(always)]
        fn take(from: &mut impl ::ipc::Source) -> ::core::option::Option<Self> {
            ::core::option::Option::Some(Self { #(#take),* })
        }
    })
}

/// The bytes of a structure whose layout is fixed.
fn layout(item: &DeriveInput, fields: &Fields) -> TokenStream {
    let kinds: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let ident = &item.ident;
    quote! {
        const SHAPE: &'static ::ipc::Shape =
            &::ipc::Shape::Layout(::core::mem::size_of::<#ident>(), &[#(<#kinds as ::ipc::Laid>::SHAPE),*]);
        const SIZE: ::ipc::Size = ::ipc::Size { words: ::core::mem::size_of::<#ident>().div_ceil(8), more: false, caps: 0 };

        fn put(sent: Self, to: &mut impl ::ipc::Sink) -> ::core::result::Result<(), ::ipc::TooLong> {
            ::ipc::put_layout(&sent, to)
        }

        fn take(from: &mut impl ::ipc::Source) -> ::core::option::Option<Self> {
            ::ipc::take_layout(from)
        }
    }
}
