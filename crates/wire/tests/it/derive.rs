//! `#[derive(Message)]`: names, keys and the shapes it accepts.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use hypermesh_wire::{Message, Named, Payload, decode, encode, registry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Message, Debug, PartialEq)]
struct Unit;

#[derive(Message, Debug, PartialEq)]
struct Add(u64);

#[derive(Message, Debug, PartialEq)]
#[message(name = "derive.point")]
struct Point {
    x: i32,
    #[serde(rename = "why")]
    y: i32,
    #[serde(skip)]
    cached: Option<String>,
}

#[derive(Message, Debug, PartialEq)]
enum Tree {
    Leaf,
    One(Box<Self>),
    Pair(Box<Tree>, Box<Self>),
    Named { name: String, children: Vec<Tree> },
}

#[derive(Message, Debug, PartialEq)]
struct Wrap<T>(T);

#[derive(Message, Debug, PartialEq)]
struct Table<K, V, const N: usize = 2>
where
    K: Ord + Clone,
    Vec<V>: Debug,
{
    rows: BTreeMap<K, Vec<V>>,
    marker: PhantomData<[u8; N]>,
}

#[derive(Message, Debug, PartialEq)]
enum Either<A: Clone, B> {
    A(A),
    B { b: B },
}

#[derive(Message, Serialize, Deserialize, Debug, PartialEq)]
#[message(serde)]
struct Own {
    a: u8,
}

#[derive(Message, Debug, PartialEq)]
#[allow(non_camel_case_types, reason = "a keyword as a name is the point")]
struct r#type {
    r#fn: u8,
}

/// Generated code names everything by absolute paths.
#[allow(dead_code, non_camel_case_types)]
mod shadowed {
    #![forbid(unsafe_code)]

    struct Result;
    struct Option;
    struct Some;
    struct None;
    struct Ok;
    struct Err;
    struct Vec;
    struct Box;
    struct String;
    trait Send {}
    trait Clone {}

    #[derive(hypermesh_wire::Message)]
    pub(crate) struct Inner<T> {
        pub(crate) value: T,
    }

    #[derive(hypermesh_wire::Message)]
    pub(crate) enum Choice {
        A,
        B(u8),
    }
}

#[track_caller]
fn check<M>(name: &str, key: &str, messages: impl IntoIterator<Item = M>)
where
    M: Message + DeserializeOwned + Debug + PartialEq,
{
    assert_eq!(M::name(), name);
    assert_eq!(M::KEY.to_string(), key, "the key of {name}");
    for message in messages {
        let payload: Payload = encode(&message).unwrap();
        assert_eq!(decode::<M>(&payload).unwrap(), message);
    }
}

#[test]
fn names_and_keys_are_pinned_and_values_round_trip() {
    check("it::derive::Unit", "73022b4f380bb443", [Unit]);
    check(
        "it::derive::Add",
        "949e0cd9c95287fb",
        [Add(0), Add(u64::MAX)],
    );
    check(
        "derive.point",
        "25e1c2631b1dbefc",
        [Point {
            x: -1,
            y: 7,
            cached: None,
        }],
    );
    check("it::derive::Own", "63f30fa3c1414837", [Own { a: 3 }]);
    check("it::derive::type", "c449c5d23833a228", [r#type { r#fn: 9 }]);
    check(
        "it::derive::Tree",
        "2212c1758746646f",
        [Tree::Named {
            name: "root".into(),
            children: vec![
                Tree::Leaf,
                Tree::One(Box::new(Tree::Leaf)),
                Tree::Pair(
                    Box::new(Tree::Leaf),
                    Box::new(Tree::One(Box::new(Tree::Leaf))),
                ),
            ],
        }],
    );
    check("it::derive::Wrap<u32>", "ebc30b6bfd003757", [Wrap(5_u32)]);
    check("it::derive::Wrap<u64>", "dfad7eb702e84b7c", [Wrap(5_u64)]);
    check(
        "it::derive::Wrap<it::derive::Wrap<()>>",
        "683cd1e039b248ea",
        [Wrap(Wrap(()))],
    );
    check(
        "it::derive::Table<String, u8, 3>",
        "d150eb3103629704",
        [Table::<String, u8, 3> {
            rows: BTreeMap::from([("a".into(), vec![1, 2])]),
            marker: PhantomData,
        }],
    );
    check(
        "it::derive::Either<bool, Option<char>>",
        "48c29b491b88ef85",
        [Either::A(true), Either::B { b: Some('x') }],
    );
}

#[test]
fn code_is_generated_where_the_prelude_is_shadowed() {
    let inner = shadowed::Inner { value: 4_u8 };
    let back: shadowed::Inner<u8> = decode(&encode(&inner).unwrap()).unwrap();
    assert_eq!(back.value, 4);
    let back: shadowed::Choice = decode(&encode(&shadowed::Choice::B(7)).unwrap()).unwrap();
    assert!(matches!(back, shadowed::Choice::B(7)));
}

#[test]
fn types_without_parameters_are_registered() {
    assert_eq!(registry::check(), Ok(()));
    assert_eq!(
        registry::name_of(Add::KEY).as_deref(),
        Some("it::derive::Add")
    );
    assert_eq!(
        registry::name_of(Point::KEY).as_deref(),
        Some("derive.point")
    );
    assert_eq!(registry::name_of(<Wrap<u32>>::KEY), None);
}

#[test]
fn attributes_of_serde_reach_other_formats() {
    let point = Point {
        x: 1,
        y: 2,
        cached: Some("not sent".into()),
    };
    let json = serde_json::to_string(&point).unwrap();
    assert_eq!(json, r#"{"x":1,"why":2}"#);
    assert_eq!(serde_json::from_str::<Point>(&json).unwrap().cached, None);
}
