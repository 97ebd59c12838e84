//! The reducers that this program can fold with by their key alone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use hypermesh_wire::{DecodeError, TypeKey, decode_front};

use crate::fold::{Fold, Folder};
use crate::{Reducer, ReducerSpec};

/// One reducer that is registered. Made by [`register_reducer!`](crate::register_reducer).
#[doc(hidden)]
pub struct ReducerRegistration {
    key: TypeKey,
    name: fn() -> Cow<'static, str>,
    make: fn(&ReducerSpec) -> Result<Box<dyn Folder>, DecodeError>,
}

inventory::collect!(ReducerRegistration);

impl ReducerRegistration {
    #[doc(hidden)]
    pub const fn of<R: Reducer>() -> Self {
        Self {
            key: R::KEY,
            name: R::name,
            make: |spec| {
                let reducer: R = decode_front(&mut spec.params.clone())?;
                Ok(Box::new(Fold::new(reducer)))
            },
        }
    }
}

/// Registers reducers, so that relays of this program fold their updates on the way to the port.
///
/// # Examples
///
/// ```
/// use hypermesh_mailbox::reducers::{Append, Max};
///
/// hypermesh_mailbox::register_reducer!(Append<(u32, String)>, Max<(u64, u64)>);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! register_reducer {
    ($($reducer:ty),* $(,)?) => { $(
        $crate::macro_support::inventory::submit! {
            $crate::macro_support::ReducerRegistration::of::<$reducer>()
        }
    )* };
}

/// Error of making a reducer from its travelling form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownReducer {
    /// This program has no such reducer.
    #[error("reducer {key} is not registered in this program")]
    Unregistered {
        /// The key of the reducer.
        key: TypeKey,
    },
    /// The parameters do not decode.
    #[error("the parameters of reducer {name} do not decode")]
    Params {
        /// The name of the reducer.
        name: Cow<'static, str>,
        /// What is wrong with them.
        source: DecodeError,
    },
}

/// Error of [`check_reducers`]: two reducers have one key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reducers {first:?} and {second:?} have the same key {key}")]
pub struct ReducerClash {
    /// The key.
    pub key: TypeKey,
    /// The name of one reducer.
    pub first: Cow<'static, str>,
    /// The name of the other.
    pub second: Cow<'static, str>,
}

/// Checks that every registered reducer has a key of its own. One may be registered more than once.
///
/// # Errors
///
/// [`ReducerClash`] names two that have not.
pub fn check_reducers() -> Result<(), ReducerClash> {
    check_keys(
        inventory::iter::<ReducerRegistration>
            .into_iter()
            .map(|r| (r.key, (r.name)())),
    )
}

fn check_keys(
    reducers: impl Iterator<Item = (TypeKey, Cow<'static, str>)>,
) -> Result<(), ReducerClash> {
    let mut names = HashMap::new();
    for (key, second) in reducers {
        match names.get(&key) {
            None => _ = names.insert(key, second),
            Some(first) if *first == second => {}
            Some(first) => {
                return Err(ReducerClash {
                    key,
                    first: first.clone(),
                    second,
                });
            }
        }
    }
    Ok(())
}

/// Returns a fold that starts from nothing, for the reducer that `spec` describes.
pub(crate) fn folder(spec: &ReducerSpec) -> Result<Box<dyn Folder>, UnknownReducer> {
    static BY_KEY: OnceLock<HashMap<TypeKey, &'static ReducerRegistration>> = OnceLock::new();
    let by_key = BY_KEY.get_or_init(|| {
        inventory::iter::<ReducerRegistration>
            .into_iter()
            .map(|r| (r.key, r))
            .collect()
    });
    let Some(registration) = by_key.get(&spec.key) else {
        return Err(UnknownReducer::Unregistered { key: spec.key });
    };
    (registration.make)(spec).map_err(|source| UnknownReducer::Params {
        name: (registration.name)(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_reducers_with_one_key_are_both_named() {
        let [a, b] = [TypeKey::of("a"), TypeKey::of("b")];
        let pair = |key, name: &'static str| (key, Cow::Borrowed(name));
        let same = [pair(a, "A"), pair(b, "B"), pair(a, "A")];
        assert_eq!(check_keys(same.into_iter()), Ok(()));
        let clash = check_keys([pair(a, "A"), pair(a, "C")].into_iter()).unwrap_err();
        assert_eq!((&*clash.first, &*clash.second), ("A", "C"));
    }

    #[test]
    fn the_reducers_of_this_crate_do_not_clash() {
        assert_eq!(check_reducers(), Ok(()));
    }

    #[test]
    fn an_unknown_reducer_is_named_by_its_key() {
        let spec = ReducerSpec {
            key: TypeKey::of("nobody's"),
            params: bytes::Bytes::new(),
        };
        let Err(error) = folder(&spec) else {
            panic!("nobody registered it")
        };
        assert_eq!(error, UnknownReducer::Unregistered { key: spec.key });
    }
}
