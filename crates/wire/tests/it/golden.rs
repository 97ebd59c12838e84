//! Stored encodings of version 1 decode to the same values for ever, and are still what is written.
//!
//! `golden/v1.txt` has one line for each value: its name, its body, and its parts, in hexadecimal. A
//! line never changes; a new kind of value gets a new line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use hypermesh_wire::{
    Blob, Bytes, Headers, Marked, Message, Payload, TypeKey, decode, encode, encode_inline,
};
use serde::{Serialize, de::DeserializeOwned};

const STORED: &str = include_str!("golden/v1.txt");

#[derive(Message, Debug, Clone, PartialEq)]
enum Shape {
    Unit,
    Newtype(u64),
    Tuple(i8, i16, i32, i64, i128),
    Struct { text: String, letter: char },
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn line(name: &str, payload: &Payload) -> String {
    let parts = payload.parts.iter().map(|part| format!(" {}", hex(part)));
    format!(
        "{name}: {}{}",
        hex(&payload.body),
        parts.collect::<String>()
    )
}

/// Reads back what [`line`] writes.
fn stored(name: &str) -> Option<Payload> {
    let line = STORED
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
    let digits = |text: &str, at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    let bytes = |text: &str| -> Bytes {
        (0..text.len())
            .step_by(2)
            .map(|at| digits(text, at))
            .collect()
    };
    let mut fields = line.split(' ').map(bytes);
    Some(Payload {
        body: fields.next()?,
        parts: fields.collect(),
    })
}

#[track_caller]
fn check<M: Serialize + DeserializeOwned + Debug + PartialEq>(name: &str, value: &M) {
    let payload = encode(value).unwrap();
    let Some(stored) = stored(name) else {
        panic!("golden/v1.txt lacks a line:\n{}", line(name, &payload));
    };
    assert_eq!(decode::<M>(&stored).as_ref(), Ok(value), "{name}");
    assert_eq!(line(name, &stored), line(name, &payload));
}

fn headers() -> Headers {
    let mut headers = Headers::new();
    headers.set(TypeKey::of("a"), &b"1"[..]).unwrap();
    headers.set_as(&300_u64).unwrap();
    headers
}

#[test]
fn stored_encodings_are_what_is_written_and_decode_to_the_same_values() {
    let large = Blob::from((0..512).map(|n| n as u8).collect::<Vec<_>>());
    let mut prefix = hypermesh_wire::BytesMut::new();
    encode_inline(&mut prefix, &large).unwrap();
    check(
        "shapes",
        &[
            Shape::Unit,
            Shape::Newtype(1 << 63),
            Shape::Tuple(-1, -2, -300, i64::MIN, i128::MAX),
        ]
        .to_vec(),
    );
    check(
        "struct_variant",
        &Shape::Struct {
            text: "né".into(),
            letter: '\u{1f600}',
        },
    );
    check(
        "numbers",
        &(true, 255_u8, 65_535_u16, u32::MAX, u64::MAX, u128::MAX),
    );
    check("floats", &(1.5_f32, -0.0_f64, f64::INFINITY));
    check(
        "options",
        &(Some(Some(7_u8)), Some(None::<u8>), None::<Option<u8>>),
    );
    check(
        "map",
        &BTreeMap::from([("a".to_owned(), vec![1_u16, 300]), (String::new(), vec![])]),
    );
    check("small_blob", &(Blob::from(vec![7; 3]), Blob::default()));
    check(
        "large_blob",
        &(1_u8, large.clone(), Marked::from(&b"port"[..])),
    );
    check("inline_blob", &Bytes::from(prefix));
    check("headers", &headers());
    check("payload_in_payload", &encode(&(large, 5_u8)).unwrap());
    check("type_key", &TypeKey::of("counter::Add"));
}

#[test]
fn every_stored_line_is_of_another_value() {
    let names: Vec<_> = STORED.lines().map(|line| line.split(':').next()).collect();
    assert_eq!(names.len(), 12);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}
