//! The serde traits of a message, by way of a shadow type.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Data, DeriveInput, Generics, Ident, Lifetime, Path, parse_quote};

use super::bounded;

/// Returns `Serialize` and `Deserialize` for the type of `input`.
pub(super) fn serde(input: &DeriveInput, support: &TokenStream) -> TokenStream {
    let shadow = format_ident!("__HypermeshShadow");
    let declaration = declaration(input, &shadow, support);
    let ident = &input.ident;
    let (_, ty_generics, _) = input.generics.split_for_impl();
    let turbofish = ty_generics.as_turbofish();

    let ser_generics = bounded(&input.generics, &quote!(#support::serde::Serialize));
    let (ser_impl, _, ser_where) = ser_generics.split_for_impl();

    let de = Lifetime::new("'de", Span::call_site());
    let mut de_generics = bounded(&input.generics, &quote!(#support::serde::Deserialize<#de>));
    de_generics.params.insert(0, parse_quote!(#de));
    let (de_impl, _, de_where) = de_generics.split_for_impl();

    quote! {
        #declaration

        #[automatically_derived]
        impl #ser_impl #support::serde::Serialize for #ident #ty_generics #ser_where {
            fn serialize<__S: #support::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                #shadow #turbofish::serialize(self, serializer)
            }
        }

        #[automatically_derived]
        impl #de_impl #support::serde::Deserialize<#de> for #ident #ty_generics #de_where {
            fn deserialize<__D: #support::serde::Deserializer<#de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #shadow #turbofish::deserialize(deserializer)
            }
        }
    }
}

/// Returns the shadow: the type of `input` under another name, with no attributes but serde's.
fn declaration(input: &DeriveInput, shadow: &Ident, support: &TokenStream) -> TokenStream {
    let name = input.ident.to_string();
    let serde = quote!(#support::serde);
    let serde_path = serde.to_string().replace(' ', "");
    let (to, from) = (
        bounds(&input.generics, &format!("{serde_path}::Serialize")),
        bounds(&input.generics, &format!("{serde_path}::Deserialize<'de>")),
    );

    let mut copy = input.clone();
    SelfType::of(input).visit_derive_input_mut(&mut copy);
    copy.ident = shadow.clone();
    copy.vis = syn::Visibility::Inherited;
    keep_serde(&mut copy.attrs);
    for_each_field(&mut copy.data, keep_serde);
    quote! {
        #[derive(#serde::Serialize, #serde::Deserialize)]
        #[serde(crate = #serde_path, remote = #name, bound(serialize = #to, deserialize = #from))]
        #[allow(dead_code, clippy::all)]
        #copy
    }
}

/// Returns the predicates that put `bound` on every type parameter.
fn bounds(generics: &Generics, bound: &str) -> String {
    let predicates = generics
        .type_params()
        .map(|param| format!("{}: {bound}", param.ident));
    predicates.collect::<Vec<_>>().join(", ")
}

fn keep_serde(attrs: &mut Vec<Attribute>) {
    attrs.retain(|attr| attr.path().is_ident("serde"));
}

fn for_each_field(data: &mut Data, mut change: impl FnMut(&mut Vec<Attribute>)) {
    match data {
        Data::Struct(data) => data
            .fields
            .iter_mut()
            .for_each(|field| change(&mut field.attrs)),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                change(&mut variant.attrs);
                variant
                    .fields
                    .iter_mut()
                    .for_each(|field| change(&mut field.attrs));
            }
        }
        Data::Union(_) => {}
    }
}

/// Replaces `Self` by the original type, which the shadow's fields mean by it.
struct SelfType {
    original: Path,
}

impl SelfType {
    fn of(input: &DeriveInput) -> Self {
        let ident = &input.ident;
        let (_, ty_generics, _) = input.generics.split_for_impl();
        Self {
            original: parse_quote!(#ident #ty_generics),
        }
    }
}

impl VisitMut for SelfType {
    fn visit_path_mut(&mut self, path: &mut Path) {
        visit_mut::visit_path_mut(self, path);
        if path.is_ident("Self") {
            *path = self.original.clone();
        }
    }

    /// Attributes name no types of the original.
    fn visit_attribute_mut(&mut self, _: &mut Attribute) {}
}
