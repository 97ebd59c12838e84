//! What makes a type a message: a name, an encoding, and no borrowed data.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::layout::LayoutWalk;
use crate::{Blob, Headers, Marked, Payload, TypeKey};

/// A type with a name that is the same in every process of a mesh.
///
/// Derive it together with the encoding by `#[derive(Message)]`.
pub trait Named: 'static {
    /// The number that the type goes by on the wire.
    const KEY: TypeKey;

    /// Returns the name that [`KEY`](Self::KEY) stands for, with the names of type arguments.
    fn name() -> Cow<'static, str>;

    /// Describes the encoding of the type, for its [`Layout`](crate::Layout).
    ///
    /// The derive describes all fields. By default the type counts by its [`KEY`](Self::KEY).
    fn describe(walk: &mut LayoutWalk) {
        walk.number(Self::KEY.value());
    }
}

/// A type whose values can be sent to other processes.
///
/// Every type that has a name, an encoding and no borrowed data is a message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a message",
    note = "put `#[derive(Message)]` on `{Self}`, or use types that are messages"
)]
pub trait Message: Named + Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<M: Named + Serialize + DeserializeOwned + Send + 'static> Message for M {}

macro_rules! named {
    ($($type:ty => $name:literal),* $(,)?) => { $(
        impl Named for $type {
            const KEY: TypeKey = TypeKey::of($name);

            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }

        inventory::submit! {
            crate::registry::Registration {
                key: <$type as Named>::KEY,
                name: $name,
                module: module_path!(),
                line: line!(),
            }
        }
    )* };
}

macro_rules! named_generic {
    ($($type:ident<$($arg:ident),*>),* $(,)?) => { $(
        impl<$($arg: Named),*> Named for $type<$($arg),*> {
            const KEY: TypeKey = TypeKey::of(stringify!($type))$(.with($arg::KEY))*;

            fn name() -> Cow<'static, str> {
                Cow::Owned(applied(stringify!($type), '<', &[$($arg::name()),*], '>'))
            }

            fn describe(walk: &mut LayoutWalk) {
                walk.text(stringify!($type));
                $(walk.visit::<$arg>();)*
            }
        }
    )* };
}

macro_rules! named_tuple {
    ($(($($arg:ident),*)),* $(,)?) => { $(
        impl<$($arg: Named),*> Named for ($($arg,)*) {
            const KEY: TypeKey = TypeKey::of("tuple")$(.with($arg::KEY))*;

            fn name() -> Cow<'static, str> {
                Cow::Owned(applied("", '(', &[$($arg::name()),*], ')'))
            }

            fn describe(walk: &mut LayoutWalk) {
                walk.text(stringify!(($($arg),*)));
                $(walk.visit::<$arg>();)*
            }
        }
    )* };
}

fn applied(base: &str, open: char, args: &[Cow<'static, str>], close: char) -> String {
    format!("{base}{open}{}{close}", args.join(", "))
}

named! {
    () => "()",
    bool => "bool",
    char => "char",
    u8 => "u8",
    u16 => "u16",
    u32 => "u32",
    u64 => "u64",
    u128 => "u128",
    usize => "usize",
    i8 => "i8",
    i16 => "i16",
    i32 => "i32",
    i64 => "i64",
    i128 => "i128",
    isize => "isize",
    f32 => "f32",
    f64 => "f64",
    str => "str",
    String => "String",
    PathBuf => "PathBuf",
    Duration => "Duration",
    SystemTime => "SystemTime",
    IpAddr => "IpAddr",
    Ipv4Addr => "Ipv4Addr",
    Ipv6Addr => "Ipv6Addr",
    SocketAddr => "SocketAddr",
    SocketAddrV4 => "SocketAddrV4",
    SocketAddrV6 => "SocketAddrV6",
    Bytes => "Bytes",
    Blob => "Blob",
    Marked => "Marked",
    Payload => "Payload",
    Headers => "Headers",
    TypeKey => "TypeKey",
}

named_generic! {
    Option<T>,
    Result<T, E>,
    Box<T>,
    Vec<T>,
    VecDeque<T>,
    HashMap<K, V>,
    HashSet<T>,
    BTreeMap<K, V>,
    BTreeSet<T>,
}

named_tuple! {
    (A),
    (A, B),
    (A, B, C),
    (A, B, C, D),
}

impl<T: Named + ?Sized> Named for Arc<T> {
    const KEY: TypeKey = TypeKey::of("Arc").with(T::KEY);

    fn name() -> Cow<'static, str> {
        Cow::Owned(applied("Arc", '<', &[T::name()], '>'))
    }

    fn describe(walk: &mut LayoutWalk) {
        walk.text("Arc");
        walk.visit::<T>();
    }
}

impl<T: Named, const N: usize> Named for [T; N] {
    const KEY: TypeKey = TypeKey::of("array")
        .with(T::KEY)
        .with(TypeKey::from_value(N as u64));

    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("[{}; {N}]", T::name()))
    }

    fn describe(walk: &mut LayoutWalk) {
        walk.text("array");
        walk.number(N as u64);
        walk.visit::<T>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Named>(name: &str) {
        assert_eq!(T::name(), name);
    }

    #[test]
    fn names_show_their_arguments() {
        check::<Vec<u32>>("Vec<u32>");
        check::<Result<Option<String>, ()>>("Result<Option<String>, ()>");
        check::<HashMap<String, Vec<u8>>>("HashMap<String, Vec<u8>>");
        check::<(u8, (bool,))>("(u8, (bool))");
        check::<Arc<str>>("Arc<str>");
        check::<[u8; 4]>("[u8; 4]");
    }

    #[test]
    fn different_arguments_give_different_keys() {
        let keys = [
            <Vec<u32>>::KEY,
            <Vec<u64>>::KEY,
            <Option<u32>>::KEY,
            <Vec<Vec<u32>>>::KEY,
            <HashMap<u32, u64>>::KEY,
            <HashMap<u64, u32>>::KEY,
            <(u32, u64)>::KEY,
            <(u64, u32)>::KEY,
            <(u32, u64, u32)>::KEY,
            <[u32; 2]>::KEY,
            <[u32; 3]>::KEY,
        ];
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }
}
