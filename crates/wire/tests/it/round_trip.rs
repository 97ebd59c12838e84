//! Every value comes back as it was, in the postcard format.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hypermesh_wire::{Message, Payload, decode, encode};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

#[derive(Message, Debug, Clone, PartialEq)]
struct Empty {}

#[derive(Message, Debug, Clone, PartialEq)]
struct Numbers {
    small: (i8, u8, i16, u16),
    large: (i32, u32, i64, u64),
    wide: (i128, u128),
    size: usize,
    flag: bool,
    letter: char,
}

#[derive(Message, Debug, Clone, PartialEq)]
enum Node {
    Unit,
    Empty(Empty),
    Text(String),
    Pair(Option<Box<Node>>, Vec<Node>),
    Map {
        entries: BTreeMap<String, Node>,
        nothing: (),
    },
}

/// Encodes, decodes and compares; the body is what the postcard library writes.
#[track_caller]
fn check<M: Serialize + DeserializeOwned + Debug + PartialEq>(value: &M) {
    let payload = encode(value).unwrap();
    assert_eq!(payload.body, postcard::to_stdvec(value).unwrap());
    assert_eq!(&decode::<M>(&payload).unwrap(), value);
}

fn numbers() -> impl Strategy<Value = Numbers> {
    (
        any::<(i8, u8, i16, u16)>(),
        any::<(i32, u32, i64, u64)>(),
        any::<(i128, u128)>(),
    )
        .prop_flat_map(|(small, large, wide)| {
            (any::<usize>(), any::<bool>(), any::<char>()).prop_map(move |(size, flag, letter)| {
                Numbers {
                    small,
                    large,
                    wide,
                    size,
                    flag,
                    letter,
                }
            })
        })
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        Just(Node::Unit),
        Just(Node::Empty(Empty {})),
        ".{0,40}".prop_map(Node::Text),
    ];
    leaf.prop_recursive(6, 48, 4, |inner| {
        let pair = (
            prop::option::of(inner.clone()),
            prop::collection::vec(inner.clone(), 0..4),
        );
        let map = prop::collection::btree_map(".{0,8}", inner, 0..4);
        prop_oneof![
            pair.prop_map(|(first, rest)| Node::Pair(first.map(Box::new), rest)),
            map.prop_map(|entries| Node::Map {
                entries,
                nothing: ()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn numbers_round_trip(value in numbers()) {
        check(&value);
    }

    #[test]
    fn recursive_enums_round_trip(value in node()) {
        check(&value);
    }

    #[test]
    fn maps_and_bytes_round_trip(
        value in any::<(HashMap<u16, String>, Vec<u8>, Option<Option<bool>>, [u32; 3])>()
    ) {
        check(&value);
    }

    #[test]
    fn addresses_and_times_round_trip(ip: IpAddr, port: u16, time: Duration) {
        // Without flow label and scope, which serde does not carry.
        check(&SocketAddr::new(ip, port));
        check(&time);
    }

    #[test]
    fn float_bits_round_trip(bits: u64) {
        let value = (f64::from_bits(bits), f32::from_bits(bits as u32));
        let back: (f64, f32) = decode(&encode(&value).unwrap()).unwrap();
        prop_assert_eq!((back.0.to_bits(), back.1.to_bits()), (bits, bits as u32));
    }

    /// Whatever bytes arrive, the answer is a value that encodes to the same bytes, or an error.
    #[test]
    fn arbitrary_bytes_give_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let payload = Payload { body: bytes.into(), ..Payload::default() };
        if let Ok(value) = decode::<Numbers>(&payload) {
            prop_assert_eq!(encode(&value).unwrap(), payload.clone());
        }
        if let Ok(value) = decode::<(Vec<Option<char>>, Result<bool, i64>)>(&payload) {
            prop_assert_eq!(encode(&value).unwrap(), payload.clone());
        }
        // Map keys may come twice or out of order, so only the absence of a panic is asserted.
        drop(decode::<Node>(&payload));
    }

    #[test]
    fn every_truncation_and_a_trailing_byte_are_errors(value in node()) {
        let payload = encode(&value).unwrap();
        let whole = payload.body.len();
        for len in 0..whole {
            let cut = Payload { body: payload.body.slice(..len), ..Payload::default() };
            prop_assert!(decode::<Node>(&cut).is_err(), "{len} of {whole} bytes");
        }
        let mut longer = payload.body.to_vec();
        longer.push(0);
        let longer = Payload { body: longer.into(), ..Payload::default() };
        prop_assert!(decode::<Node>(&longer).is_err());
    }
}

#[test]
fn extremes_round_trip() {
    check(&(u128::MAX, i128::MIN, i128::MAX, u64::MAX, i64::MIN));
    check(&(i8::MIN, i16::MIN, i32::MIN, usize::MAX, char::MAX, '\0'));
    check(&((), Empty {}, String::new(), Vec::<u8>::new()));
    check(&vec![(); 1000]);
}

#[test]
fn nan_keeps_its_bits() {
    for bits in [
        f64::NAN.to_bits(),
        0x7ff0_0000_0000_0001,
        0xfff8_dead_beef_0001,
        (-0.0_f64).to_bits(),
    ] {
        let back: f64 = decode(&encode(&f64::from_bits(bits)).unwrap()).unwrap();
        assert_eq!(back.to_bits(), bits);
    }
}
