//! `#[actor]`: turns an inherent impl with `#[handler]` and `#[hook]` methods into an actor.

mod expand;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::paths;

/// Expands the attribute with the arguments `args` on `item`.
///
/// What is right is expanded beside the errors about what is wrong, so that there are no errors but
/// those.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let parsed = match parse::parse(args, item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let item = &parsed.item;
    let errors = parsed.errors.map(syn::Error::into_compile_error);
    let generated = parsed.model.map(|model| match paths::actor_support() {
        Ok(support) => expand::expand(&model, &support),
        Err(error) => error.into_compile_error(),
    });
    quote!(#item #generated #errors)
}
