//! The description of a message from which its layout is computed.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Data, DeriveInput, Fields, GenericParam};

use super::rules;

/// Returns the method `describe` of `Named`.
pub(super) fn describe(input: &DeriveInput, support: &TokenStream) -> TokenStream {
    let attrs = serde_text(&input.attrs);
    let consts = input
        .generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Type(_) | GenericParam::Lifetime(_) => None,
        });
    let shape = match &input.data {
        Data::Struct(data) => {
            let fields = fields(&data.fields, support);
            quote!(walk.text("struct"); #fields)
        }
        Data::Enum(data) => {
            let n_variants = data.variants.len() as u64;
            let variants = data.variants.iter().map(|variant| {
                let (name, attrs) = (text(&variant.ident), serde_text(&variant.attrs));
                let fields = fields(&variant.fields, support);
                quote!(walk.text(#name); walk.text(#attrs); #fields)
            });
            quote!(walk.text("enum"); walk.number(#n_variants); #(#variants)*)
        }
        Data::Union(_) => TokenStream::new(),
    };
    quote! {
        fn describe(walk: &mut #support::LayoutWalk) {
            #[allow(unused_imports)]
            use #support::{ByName as _, ByText as _};
            walk.text(#attrs);
            #(walk.number(#consts as u64);)*
            #shape
        }
    }
}

/// Describes the fields that are encoded.
fn fields(fields: &Fields, support: &TokenStream) -> TokenStream {
    let encoded: Vec<_> = fields
        .iter()
        .filter(|field| !rules::is_skipped(&field.attrs))
        .collect();
    let n_fields = encoded.len() as u64;
    let each = encoded.into_iter().map(|field| {
        let (name, ty) = (text(&field.ident), &field.ty);
        let (ty_text, attrs) = (text(ty), serde_text(&field.attrs));
        quote! {
            walk.text(#name);
            walk.text(#attrs);
            (&&#support::FieldType::<#ty>::new()).walk(walk, #ty_text);
        }
    });
    quote!(walk.number(#n_fields); #(#each)*)
}

/// Returns what stands in `#[serde(…)]`: it may change the encoding.
fn serde_text(attrs: &[Attribute]) -> String {
    let serde = attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    serde.map(text).collect()
}

/// Returns the tokens of `code` with one space behind each. The compiler's own text of a token stream
/// is not the same in every version.
fn text(code: &impl ToTokens) -> String {
    let mut text = String::new();
    push_text(code.to_token_stream(), &mut text);
    text
}

fn push_text(code: TokenStream, text: &mut String) {
    for token in code {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("( ", ") "),
                    Delimiter::Brace => ("{ ", "} "),
                    Delimiter::Bracket => ("[ ", "] "),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                push_text(group.stream(), text);
                text.push_str(close);
            }
            token => {
                text.push_str(&token.to_string());
                text.push(' ');
            }
        }
    }
}
