//! What `#[message(…)]` on a type says.

use syn::{DeriveInput, LitStr};

/// The longest name of a type.
const MAX_NAME: usize = 200;

/// What `#[message(…)]` on a type says.
#[derive(Default)]
pub(super) struct Options {
    /// The name, if it is not to be the type's path.
    pub(super) name: Option<LitStr>,
    /// Whether the user takes care of the serde traits.
    pub(super) own_serde: bool,
}

impl Options {
    pub(super) fn of(input: &DeriveInput) -> syn::Result<Self> {
        let mut options = Self::default();
        for attr in input
            .attrs
            .iter()
            .filter(|attr| attr.path().is_ident("message"))
        {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("serde") {
                    options.own_serde = true;
                    return Ok(());
                }
                if !meta.path.is_ident("name") {
                    return Err(meta.error("expected `name = \"…\"` or `serde`"));
                }
                let name: LitStr = meta.value()?.parse()?;
                let text = name.value();
                if text.is_empty() || text.len() > MAX_NAME || text.contains(char::is_whitespace) {
                    let rule = format!("a name has 1 to {MAX_NAME} bytes and no white space");
                    return Err(syn::Error::new(name.span(), rule));
                }
                options.name = Some(name);
                Ok(())
            })?;
        }
        Ok(options)
    }
}
