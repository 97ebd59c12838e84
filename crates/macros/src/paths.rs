//! Where generated code finds the types it names: in the `macro_support` module of the highest crate
//! of the stack that the user's package depends on, under whatever name it has there.

use proc_macro_crate::{Error, FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

/// The crates that have a `macro_support` module, from the top. Each re-exports that of the next.
const STACK: [&str; 8] = [
    "hypermesh",
    "hypermesh-host-mesh",
    "hypermesh-proc-mesh",
    "hypermesh-alloc",
    "hypermesh-actor",
    "hypermesh-mailbox",
    "hypermesh-channel",
    "hypermesh-wire",
];

/// Returns the path of the module that has what messages need.
pub(crate) fn wire_support() -> syn::Result<TokenStream> {
    support(&STACK)
}

/// Returns the path of the module that has what actors need.
pub(crate) fn actor_support() -> syn::Result<TokenStream> {
    support(&STACK[..5])
}

fn support(stack: &[&str]) -> syn::Result<TokenStream> {
    let name = first(stack, |package| match crate_name(package) {
        Ok(found) => Ok(Some(found)),
        Err(Error::CrateNotFound { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    });
    let name = name.map_err(|text| syn::Error::new(Span::call_site(), text))?;
    let name = Ident::new(&name, Span::call_site());
    Ok(quote!(::#name::macro_support))
}

/// Returns the name under which generated code reaches the first package of `stack` that `find` knows.
fn first(
    stack: &[&str],
    find: impl Fn(&str) -> Result<Option<FoundCrate>, String>,
) -> Result<String, String> {
    for package in stack {
        match find(package)? {
            // Tests, examples and, by `extern crate self as …`, the library itself use this name.
            Some(FoundCrate::Itself) => return Ok(package.replace('-', "_")),
            Some(FoundCrate::Name(name)) => return Ok(name),
            None => {}
        }
    }
    Err(format!(
        "this macro needs a dependency on `hypermesh` (or one of {})",
        stack.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(manifest: &[(&str, &str)], expected: Result<&str, &str>) {
        let find = |package: &str| match manifest.iter().find(|entry| entry.0 == package) {
            None => Ok(None),
            Some((_, "itself")) => Ok(Some(FoundCrate::Itself)),
            Some((_, "unreadable")) => Err("unreadable".to_owned()),
            Some((_, name)) => Ok(Some(FoundCrate::Name((*name).to_owned()))),
        };
        let found = first(&["hypermesh", "hypermesh-actor", "hypermesh-wire"], find);
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn the_highest_crate_wins() {
        check(
            &[("hypermesh-wire", "hypermesh_wire")],
            Ok("hypermesh_wire"),
        );
        check(
            &[
                ("hypermesh-wire", "hypermesh_wire"),
                ("hypermesh-actor", "hypermesh_actor"),
            ],
            Ok("hypermesh_actor"),
        );
    }

    #[test]
    fn a_renamed_dependency_goes_by_its_new_name() {
        check(&[("hypermesh", "mesh")], Ok("mesh"));
    }

    #[test]
    fn a_package_of_the_stack_finds_itself() {
        check(
            &[
                ("hypermesh-actor", "itself"),
                ("hypermesh-wire", "hypermesh_wire"),
            ],
            Ok("hypermesh_actor"),
        );
    }

    #[test]
    fn a_package_without_the_dependency_is_told_which_one_it_needs() {
        check(
            &[],
            Err(
                "this macro needs a dependency on `hypermesh` (or one of hypermesh, \
                 hypermesh-actor, hypermesh-wire)",
            ),
        );
        check(&[("hypermesh", "unreadable")], Err("unreadable"));
    }
}
