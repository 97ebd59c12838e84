//! What the code that the macros generate refers to. Not part of the public API.

pub use crate::layout::LayoutWalk;
pub use crate::registry::Registration;
pub use crate::{Message, Named, TypeKey};
pub use inventory;
pub use serde;
pub use std::borrow::Cow;
pub use std::format;

use std::marker::PhantomData;

/// The type of a field, which need not be [`Named`].
///
/// On `&&FieldType<T>` the method `walk` is that of [`ByName`] if `T` is named, otherwise, one reference
/// less, that of [`ByText`].
pub struct FieldType<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> FieldType<T> {
    #[expect(clippy::new_without_default, reason = "only generated code calls it")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// Describes a field by its type.
pub trait ByName {
    fn walk(&self, walk: &mut LayoutWalk, text: &str);
}

impl<T: Named + ?Sized> ByName for &FieldType<T> {
    fn walk(&self, walk: &mut LayoutWalk, _: &str) {
        walk.visit::<T>();
    }
}

/// Describes a field by the text of its type.
pub trait ByText {
    fn walk(&self, walk: &mut LayoutWalk, text: &str);
}

impl<T: ?Sized> ByText for FieldType<T> {
    fn walk(&self, walk: &mut LayoutWalk, text: &str) {
        walk.text(text);
    }
}
