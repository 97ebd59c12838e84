//! Which types cannot be messages, and what their author can do about it.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Data, DeriveInput, Field, Meta, Path, Token, Type, TypeBareFn, TypeReference,
};

use super::options::Options;

/// Refuses what an encoding without field names, or a receiver in another process, cannot have.
pub(super) fn check(input: &DeriveInput, options: &Options) -> syn::Result<()> {
    let mut errors = Errors::default();
    for lifetime in input.generics.lifetimes() {
        errors.add(lifetime.span(), BORROWED);
    }
    check_attributes(&input.attrs, options, &mut errors);
    match &input.data {
        Data::Struct(data) => check_fields(&data.fields, options, &mut errors),
        Data::Enum(data) => {
            for variant in &data.variants {
                check_attributes(&variant.attrs, options, &mut errors);
                if is_skipped(&variant.attrs) {
                    errors.add(
                        variant.ident.span(),
                        "a message cannot have `#[serde(skip)]` on a variant: the two sides would \
                         number those after it differently",
                    );
                }
                check_fields(&variant.fields, options, &mut errors);
            }
        }
        Data::Union(data) => {
            errors.add(
                data.union_token.span,
                "a union cannot be a message: use an enum",
            );
        }
    }
    errors.into_result()
}

const BORROWED: &str = "a message owns its data: use `String`, `Vec`, `Blob` or `Cow<'static, str>` \
                        instead of a borrow";

/// serde attributes that cannot be honoured, and what to do instead.
const REFUSED: [(&str, &str); 7] = [
    (
        "flatten",
        "the encoding has no field names: name the fields here, or nest the struct",
    ),
    (
        "untagged",
        "the encoding does not describe itself: use a plain enum",
    ),
    (
        "tag",
        "the encoding does not describe itself: use a plain enum",
    ),
    (
        "content",
        "the encoding does not describe itself: use a plain enum",
    ),
    (
        "skip_serializing_if",
        "the encoding has no field names, so none can be left out: use `Option`",
    ),
    (
        "other",
        "the encoding numbers the variants: an unknown one has no length to skip",
    ),
    ("borrow", BORROWED),
];

/// serde attributes that the derive has to set itself.
const RESERVED: [&str; 4] = ["bound", "crate", "remote", "getter"];

fn check_attributes(attrs: &[Attribute], options: &Options, errors: &mut Errors) {
    let metas = match serde_metas(attrs) {
        Ok(metas) => metas,
        Err(error) => return errors.push(error),
    };
    for meta in &metas {
        let path = meta.path();
        for (_, advice) in REFUSED.iter().filter(|(name, _)| path.is_ident(name)) {
            errors.add_serde(path, advice);
        }
        if !options.own_serde && RESERVED.iter().any(|name| path.is_ident(name)) {
            errors.add_serde(
                path,
                "derive serde's traits yourself and add `#[message(serde)]`",
            );
        }
    }
    let find = |name| {
        metas
            .iter()
            .map(Meta::path)
            .find(|path| path.is_ident(name))
    };
    if let (Some(path), None) | (None, Some(path)) =
        (find("skip_serializing"), find("skip_deserializing"))
    {
        errors.add_serde(path, "both sides must skip the same fields: use `skip`");
    }
}

fn check_fields<'a>(
    fields: impl IntoIterator<Item = &'a Field>,
    options: &Options,
    errors: &mut Errors,
) {
    for field in fields {
        check_attributes(&field.attrs, options, errors);
        if !is_skipped(&field.attrs) {
            Borrows(errors).visit_type_mut(&mut field.ty.clone());
        }
    }
}

/// Returns whether neither side encodes what has these attributes.
pub(super) fn is_skipped(attrs: &[Attribute]) -> bool {
    let skips = ["skip", "skip_serializing", "skip_deserializing"];
    serde_metas(attrs).is_ok_and(|metas| {
        metas
            .iter()
            .any(|meta| skips.iter().any(|skip| meta.path().is_ident(skip)))
    })
}

/// Returns what stands in all `#[serde(…)]` of `attrs`.
fn serde_metas(attrs: &[Attribute]) -> syn::Result<Vec<Meta>> {
    let mut metas = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        metas.extend(attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?);
    }
    Ok(metas)
}

/// Finds borrowed data in the type of a field. Types that hold no data are passed over.
struct Borrows<'a>(&'a mut Errors);

impl VisitMut for Borrows<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        let phantom = matches!(ty, Type::Path(ty)
            if ty.path.segments.last().is_some_and(|segment| segment.ident == "PhantomData"));
        if !phantom {
            visit_mut::visit_type_mut(self, ty);
        }
    }

    fn visit_type_bare_fn_mut(&mut self, _: &mut TypeBareFn) {}

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.0.add(reference.span(), BORROWED);
    }
}

/// All errors of one type, reported together.
#[derive(Default)]
struct Errors(Option<syn::Error>);

impl Errors {
    fn add(&mut self, span: Span, text: &str) {
        self.push(syn::Error::new(span, text));
    }

    fn add_serde(&mut self, path: &Path, advice: &str) {
        let name = path
            .get_ident()
            .map(ToString::to_string)
            .unwrap_or_default();
        self.push(syn::Error::new_spanned(
            path,
            format!("a message cannot have `#[serde({name})]`: {advice}"),
        ));
    }

    fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
