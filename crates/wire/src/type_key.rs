//! The 64-bit number that a type goes by on the wire.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The number that a type goes by on the wire: a hash of its name.
///
/// The same on every build and platform, and part of the wire format: the hash never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeKey(u64);

impl TypeKey {
    /// Returns the key of the type named `name`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hypermesh_wire::TypeKey;
    ///
    /// const ADD: TypeKey = TypeKey::of("counter::Add");
    /// assert_eq!(ADD.to_string(), "c08dc20c492eb8a3");
    /// ```
    pub const fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut idx = 0;
        while idx < bytes.len() {
            hash = (hash ^ bytes[idx] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            idx += 1;
        }
        Self(mix(hash))
    }

    /// Returns the key with exactly this value.
    pub const fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// Returns the key of the generic type `self` applied to the type argument `arg`.
    ///
    /// The order of several arguments counts.
    #[must_use]
    pub const fn with(self, arg: TypeKey) -> Self {
        Self(mix(
            self.0.rotate_left(23) ^ arg.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ))
    }

    /// Returns the key as a number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// Spreads every bit of `hash` over all bits: similar names get unrelated keys.
const fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl fmt::Display for TypeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TypeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeKey({self})")
    }
}

/// Error of parsing a [`TypeKey`] from text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("type key {text:?} is not 16 lower-case hexadecimal digits")]
pub struct ParseTypeKeyError {
    /// The start of the text that was refused.
    pub text: String,
}

impl FromStr for TypeKey {
    type Err = ParseTypeKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u64::from_str_radix(text, 16) {
            Ok(value) if canonical => Ok(Self(value)),
            _ => Err(ParseTypeKeyError {
                text: text.chars().take(64).collect(),
            }),
        }
    }
}

impl Serialize for TypeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for TypeKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pinned_for_ever() {
        for (name, key) in [
            ("", "efd01f60ba992926"),
            ("u32", "6d6382f889b70140"),
            ("counter::Add", "c08dc20c492eb8a3"),
        ] {
            assert_eq!(TypeKey::of(name).to_string(), key, "{name:?}");
        }
        assert_eq!(
            TypeKey::of("Wrap").with(TypeKey::of("u32")).to_string(),
            "11936d954179069e"
        );
    }

    #[test]
    fn the_order_of_arguments_counts() {
        let (a, b) = (TypeKey::of("a"), TypeKey::of("b"));
        let pair = TypeKey::of("pair");
        assert_ne!(pair.with(a).with(b), pair.with(b).with(a));
        assert_ne!(pair.with(a), a.with(pair));
    }

    #[test]
    fn text_round_trips_and_nothing_else_parses() {
        let key = TypeKey::of("x");
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in [
            "",
            "1",
            "+123456789abcdef",
            "0123456789ABCDEF",
            "00123456789abcdef",
            "é",
        ] {
            let error = text.parse::<TypeKey>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
