//! `#[derive(Message)]`: a name and the serde traits for a struct or enum.
//!
//! A derive macro cannot ask for further derives on its input. So the serde traits are derived on a
//! *shadow*: a private copy of the type with the attribute `#[serde(remote = "…")]`, which reads and
//! writes values of the original.

mod layout;
mod options;
mod rules;
mod shadow;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{DeriveInput, GenericParam, Generics, parse_quote};

use crate::paths;
use options::Options;

/// Expands the derive on `input`.
pub(crate) fn derive(input: TokenStream) -> syn::Result<TokenStream> {
    let input: DeriveInput = syn::parse2(input)?;
    let options = Options::of(&input)?;
    rules::check(&input, &options)?;
    Ok(expand(&input, &options, &paths::wire_support()?))
}

fn expand(input: &DeriveInput, options: &Options, support: &TokenStream) -> TokenStream {
    let named = named(input, options, support);
    let serde = if options.own_serde {
        TokenStream::new()
    } else {
        shadow::serde(input, support)
    };
    let registered = registered(input, support);
    quote! {
        const _: () = {
            #named
            #registered
            #serde
        };
    }
}

fn named(input: &DeriveInput, options: &Options, support: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let generics = bounded(&input.generics, &quote!(#support::Named));
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let name = match &options.name {
        Some(name) => quote!(#name),
        None => {
            let ident = ident.to_string();
            let ident = ident.trim_start_matches("r#");
            quote!(::core::concat!(::core::module_path!(), "::", #ident))
        }
    };
    let mut key = quote!(#support::TypeKey::of(__HYPERMESH_NAME));
    let mut args = Vec::new();
    for param in &input.generics.params {
        match param {
            GenericParam::Type(param) => {
                let param = &param.ident;
                key = quote!(#key.with(<#param as #support::Named>::KEY));
                args.push(quote!(<#param as #support::Named>::name()));
            }
            GenericParam::Const(param) => {
                let param = &param.ident;
                key = quote!(#key.with(#support::TypeKey::from_value(#param as u64)));
                args.push(quote!(#param));
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    let full_name = if args.is_empty() {
        quote!(#support::Cow::Borrowed(__HYPERMESH_NAME))
    } else {
        let format = format!("{{}}<{}>", vec!["{}"; args.len()].join(", "));
        quote!(#support::Cow::Owned(#support::format!(#format, __HYPERMESH_NAME, #(#args),*)))
    };
    let describe = layout::describe(input, support);
    quote! {
        const __HYPERMESH_NAME: &str = #name;

        #[automatically_derived]
        impl #impl_generics #support::Named for #ident #ty_generics #where_clause {
            const KEY: #support::TypeKey = #key;

            fn name() -> #support::Cow<'static, str> {
                #full_name
            }

            #describe
        }
    }
}

/// Enters a type without parameters into the registry, and proves that it is a message.
fn registered(input: &DeriveInput, support: &TokenStream) -> TokenStream {
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let ident = &input.ident;
    let is_message = format_ident!("is_message", span = ident.span());
    let proof = quote_spanned!(ident.span()=> #is_message::<#ident>());
    quote! {
        #support::inventory::submit! {
            #support::Registration {
                key: <#ident as #support::Named>::KEY,
                name: __HYPERMESH_NAME,
                module: ::core::module_path!(),
                line: ::core::line!(),
            }
        }

        const _: fn() = || {
            fn #is_message<M: #support::Message>() {}
            #proof
        };
    }
}

/// Returns `generics` with `bound` on every type parameter.
fn bounded(generics: &Generics, bound: &TokenStream) -> Generics {
    let mut generics = generics.clone();
    let params: Vec<_> = generics
        .type_params()
        .map(|param| param.ident.clone())
        .collect();
    let where_clause = generics.make_where_clause();
    for param in params {
        where_clause.predicates.push(parse_quote!(#param: #bound));
    }
    generics
}
