//! The names of all message types that are linked into this program.
//!
//! `#[derive(Message)]` registers every type without type parameters. The registry is filled before
//! `main` and never changes: it is the one piece of state that all meshes of a process share.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use crate::TypeKey;

/// One type that is registered, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// The key of the type.
    pub key: TypeKey,
    /// The name of the type.
    pub name: &'static str,
    /// The module that registers it.
    pub module: &'static str,
    /// The line of its declaration.
    pub line: u32,
}

inventory::collect!(Registration);

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} (in {}, line {})",
            self.name, self.module, self.line
        )
    }
}

/// Error of [`check`]: two types cannot be told apart on the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two names have one key.
    #[error("types {first} and {second} have the same key {}, rename one of them", first.key)]
    OneKey {
        /// One of the types.
        first: Registration,
        /// The other.
        second: Registration,
    },
    /// One name is given twice.
    #[error("types {first} and {second} have the same name, rename one of them")]
    OneName {
        /// One of the types.
        first: Registration,
        /// The other.
        second: Registration,
    },
}

/// Returns the name behind `key`, if a type of this program has it.
///
/// Generic types are not registered: their names are known only where they are used.
pub fn name_of(key: TypeKey) -> Option<Cow<'static, str>> {
    static NAMES: OnceLock<HashMap<TypeKey, &'static str>> = OnceLock::new();
    let names = NAMES.get_or_init(|| registrations().map(|r| (r.key, r.name)).collect());
    names.get(&key).map(|name| Cow::Borrowed(*name))
}

/// Checks that every registered type has a name and a key of its own.
///
/// Whatever serves or opens a mesh calls this first.
///
/// # Errors
///
/// [`RegistryError`] names the first two types that collide.
pub fn check() -> Result<(), RegistryError> {
    check_all(registrations().copied())
}

fn registrations() -> impl Iterator<Item = &'static Registration> {
    inventory::iter::<Registration>.into_iter()
}

/// The rule behind [`check`]. The answer does not depend on the order of registration.
fn check_all(registrations: impl Iterator<Item = Registration>) -> Result<(), RegistryError> {
    let mut sorted: Vec<Registration> = registrations.collect();
    sorted.sort_by_key(|r| (r.key, r.name, r.module, r.line));
    for pair in sorted.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        if first.name == second.name {
            return Err(RegistryError::OneName { first, second });
        }
        if first.key == second.key {
            return Err(RegistryError::OneKey { first, second });
        }
    }
    // One name with two keys cannot come from the derive, but a hand-written `Named` can do it.
    sorted.sort_by_key(|r| (r.name, r.module, r.line));
    match sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(RegistryError::OneName {
            first: pair[0],
            second: pair[1],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(key: u64, name: &'static str, line: u32) -> Registration {
        Registration {
            key: TypeKey::from_value(key),
            name,
            module: "app",
            line,
        }
    }

    #[track_caller]
    fn check_planted(types: &[Registration], expected: Result<(), &str>) {
        let mut reversed = types.to_vec();
        reversed.reverse();
        for types in [types.to_vec(), reversed] {
            let found = check_all(types.into_iter()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn two_types_that_collide_are_both_named() {
        check_planted(&[], Ok(()));
        check_planted(&[planted(1, "a", 1), planted(2, "b", 2)], Ok(()));
        check_planted(
            &[planted(7, "a", 1), planted(3, "c", 3), planted(7, "b", 2)],
            Err(
                "types \"a\" (in app, line 1) and \"b\" (in app, line 2) have the same key \
                 0000000000000007, rename one of them",
            ),
        );
        check_planted(
            &[planted(7, "a", 1), planted(7, "a", 9)],
            Err(
                "types \"a\" (in app, line 1) and \"a\" (in app, line 9) have the same name, \
                 rename one of them",
            ),
        );
        check_planted(
            &[planted(7, "a", 1), planted(4, "b", 5), planted(9, "a", 9)],
            Err(
                "types \"a\" (in app, line 1) and \"a\" (in app, line 9) have the same name, \
                 rename one of them",
            ),
        );
    }

    #[test]
    fn the_types_of_this_crate_do_not_collide() {
        assert_eq!(check(), Ok(()));
    }

    #[test]
    fn registered_types_are_found_by_key() {
        assert_eq!(name_of(TypeKey::of("u32")).as_deref(), Some("u32"));
        assert_eq!(name_of(TypeKey::of("nobody")), None);
    }
}
