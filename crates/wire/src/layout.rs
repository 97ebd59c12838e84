//! Whether two programs mean the same encoding by one type.
//!
//! An encoding has neither names nor types of fields in it: a receiver whose type has other fields
//! would read garbage, or another valid value. So both ends compare the layout of a type once, before
//! the first value of it.
//!
//! # Invariants
//!
//! - **INV-1**: a type is described once per walk, so that a recursive type ends and the time is linear
//!   in the number of types.

use std::fmt;

use crate::{Named, TypeKey};

/// A number that stands for how the values of a type are encoded.
///
/// It is a hash of the names of fields and variants and of the layouts of their types, through all
/// types below that are [`Named`]; those that are not count by the text of their type. It is the same
/// on every build and platform. The names of types and their modules do not count.
///
/// Equal layouts do not promise equal encodings where a `Serialize` was written by hand, or where a
/// type that is not `Named` has changed.
///
/// # Examples
///
/// ```
/// use hypermesh_wire::{Layout, Message};
///
/// # mod new { use hypermesh_wire::Message;
/// #[derive(Message)]
/// pub struct Add { pub amount: u32 }
/// # }
/// # mod old { use hypermesh_wire::Message;
/// #[derive(Message)]
/// pub struct Add { pub amount: u64 }
/// # }
/// assert_ne!(Layout::of::<new::Add>(), Layout::of::<old::Add>());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout(u64);

impl Layout {
    /// Returns the layout of `T`, computed anew: in microseconds, to be kept by who asks often.
    pub fn of<T: Named + ?Sized>() -> Self {
        let mut walk = LayoutWalk {
            hash: TypeKey::of("layout 1"),
            seen: Vec::new(),
        };
        walk.visit::<T>();
        Self(walk.hash.value())
    }

    /// Returns the layout with exactly this value, as a peer has told it.
    pub const fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// Returns the layout as a number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layout({self})")
    }
}

/// A walk through the types of a message, in the order of their encoding.
#[derive(Debug)]
pub struct LayoutWalk {
    hash: TypeKey,
    seen: Vec<TypeKey>,
}

impl LayoutWalk {
    /// Describes `T`, or says which of those before it is the same type (INV-1).
    pub fn visit<T: Named + ?Sized>(&mut self) {
        if let Some(idx) = self.seen.iter().position(|key| *key == T::KEY) {
            self.text("again");
            self.number(idx as u64);
            return;
        }
        self.seen.push(T::KEY);
        T::describe(self);
    }

    /// Adds a text, such as the name of a field.
    pub fn text(&mut self, text: &str) {
        self.hash = self.hash.with(TypeKey::of(text));
    }

    /// Adds a number, such as how many fields follow.
    pub fn number(&mut self, number: u64) {
        self.hash = self.hash.with(TypeKey::from_value(number));
    }
}
