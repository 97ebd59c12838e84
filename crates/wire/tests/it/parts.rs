//! Byte strings beside the body: which, in what order, and without copies.

use std::collections::BTreeMap;

use hypermesh_wire::{
    Blob, Bytes, BytesMut, DecodeError, EncodeError, MAX_MARKS, MAX_PARTS, Marked, Message,
    PART_THRESHOLD, Payload, decode, encode, encode_after, encode_marked,
};
use serde::{Serialize, Serializer};

#[derive(Message, Debug, Clone, PartialEq)]
struct Nested {
    first: Blob,
    list: Vec<Blob>,
    maybe: Option<Blob>,
    map: BTreeMap<u8, Blob>,
    choice: Choice,
}

#[derive(Message, Debug, Clone, PartialEq)]
enum Choice {
    Tuple(u8, Blob),
    Named {
        blob: Blob,
        inner: Option<Box<Nested>>,
    },
}

fn blob(tag: u8, len: usize) -> Blob {
    Blob::from(vec![tag; len])
}

fn nested(inner: Option<Nested>) -> Nested {
    let base = inner.as_ref().map_or(0, |_| 10);
    Nested {
        first: blob(base + 1, 600),
        list: vec![blob(base + 2, 512), blob(base + 3, 511), blob(base + 4, 0)],
        maybe: Some(blob(base + 5, 1000)),
        map: BTreeMap::from([(1, blob(base + 6, 700)), (2, blob(base + 7, 5))]),
        choice: match inner {
            None => Choice::Tuple(1, blob(8, 900)),
            Some(inner) => Choice::Named {
                blob: blob(base + 8, 900),
                inner: Some(Box::new(inner)),
            },
        },
    }
}

#[test]
fn a_blob_becomes_a_part_at_the_threshold() {
    for (len, n_parts) in [(0, 0), (1, 0), (PART_THRESHOLD - 1, 0), (PART_THRESHOLD, 1)] {
        let value = blob(7, len);
        let payload = encode(&value).unwrap();
        assert_eq!(payload.parts.len(), n_parts, "{len} bytes");
        assert_eq!(decode::<Blob>(&payload).unwrap(), value);
    }
}

#[test]
fn order_is_kept_through_containers_enums_and_nested_messages() {
    let value = nested(Some(nested(None)));
    let payload = encode(&value).unwrap();
    let tags: Vec<u8> = payload.parts.iter().map(|part| part[0]).collect();
    assert_eq!(tags, [11, 12, 15, 16, 18, 1, 2, 5, 6, 8]);
    assert_eq!(decode::<Nested>(&payload).unwrap(), value);
}

#[test]
fn a_part_is_the_callers_buffer_and_the_receivers_too() {
    let value = blob(1, 64 * 1024);
    let payload = encode(&value).unwrap();
    assert_eq!(payload.parts[0].as_ptr(), value.as_ptr());
    let received = decode::<Blob>(&payload).unwrap();
    assert_eq!(received.as_ptr(), value.as_ptr());
}

#[test]
fn a_payload_in_a_payload_adds_its_parts_without_a_copy() {
    let inner = encode(&(vec![3_u64; 600], blob(1, 4096), Marked::from(&b"m"[..]))).unwrap();
    let outer = encode(&("to", &inner)).unwrap();
    assert_eq!(
        outer.parts.len(),
        2,
        "the body and the large part, the small one is inline"
    );
    assert_eq!(outer.parts[0].as_ptr(), inner.body.as_ptr());
    assert_eq!(outer.parts[1].as_ptr(), inner.parts[0].as_ptr());
    let (to, received) = decode::<(String, Payload)>(&outer).unwrap();
    assert_eq!((to.as_str(), &received), ("to", &inner));
    assert_eq!(received.parts[0].as_ptr(), inner.parts[0].as_ptr());
}

#[test]
fn a_prefix_stands_before_the_body() {
    let value = (9_u8, blob(1, 600));
    let mut payload = encode_after(BytesMut::from(&b"head"[..]), &value).unwrap();
    assert_eq!(payload.body[..], *b"head\x09\x01");
    payload.body = payload.body.slice(4..);
    assert_eq!(decode::<(u8, Blob)>(&payload).unwrap(), value);
}

#[test]
fn marked_values_are_parts_of_any_size_and_are_told() {
    let value = (
        blob(1, 600),
        Marked::from(&b"p"[..]),
        blob(2, 5),
        Marked::default(),
    );
    let (mut payload, marks) = encode_marked(&value).unwrap();
    assert_eq!(marks[..], [1, 2]);
    assert_eq!(payload.parts[1], "p");
    payload.parts[1] = Bytes::from_static(b"another port");
    let relayed: (Blob, Marked, Blob, Marked) = decode(&payload).unwrap();
    assert_eq!(relayed.1, Marked::from(&b"another port"[..]));
    assert_eq!(
        (relayed.0, relayed.2, relayed.3),
        (value.0, value.2, value.3)
    );
}

#[test]
fn marks_have_room_beside_any_number_of_blobs_but_a_limit_of_their_own() {
    let mut value = (
        vec![blob(1, 512); MAX_PARTS],
        vec![Marked::default(); MAX_MARKS],
    );
    let (payload, marks) = encode_marked(&value).unwrap();
    assert_eq!((payload.parts.len(), marks.len()), (MAX_PARTS, MAX_MARKS));
    assert_eq!(decode::<(Vec<Blob>, Vec<Marked>)>(&payload).unwrap(), value);
    value.1.push(Marked::default());
    assert_eq!(
        encode(&value).unwrap_err(),
        EncodeError::TooManyMarks { max: MAX_MARKS }
    );
}

#[test]
fn a_hundred_thousand_blobs_round_trip() {
    let value = vec![blob(1, 512); 100_000];
    let payload = encode(&value).unwrap();
    assert!(payload.parts.len() <= MAX_PARTS);
    assert_eq!(decode::<Vec<Blob>>(&payload).unwrap(), value);
}

#[track_caller]
fn check_parts(body: &[u8], n_parts: usize, expected: DecodeError) {
    let parts = (0..n_parts).map(|_| Bytes::from_static(b"part")).collect();
    let payload = Payload {
        body: body.to_vec().into(),
        parts,
    };
    assert_eq!(decode::<(Blob, Blob)>(&payload).unwrap_err(), expected);
}

#[test]
fn every_part_is_used_exactly_once_and_in_order() {
    check_parts(
        &[1, 1],
        2,
        DecodeError::BadPart {
            found: 0,
            expected: 1,
            parts: 2,
        },
    );
    check_parts(
        &[2, 1],
        2,
        DecodeError::BadPart {
            found: 1,
            expected: 0,
            parts: 2,
        },
    );
    check_parts(
        &[1, 9],
        2,
        DecodeError::BadPart {
            found: 8,
            expected: 1,
            parts: 2,
        },
    );
    check_parts(
        &[1, 2],
        1,
        DecodeError::BadPart {
            found: 1,
            expected: 1,
            parts: 1,
        },
    );
    check_parts(&[1, 2], 3, DecodeError::UnusedParts { used: 2, parts: 3 });
    check_parts(
        &[0, 0, 0, 0],
        1,
        DecodeError::UnusedParts { used: 0, parts: 1 },
    );
}

#[test]
fn other_formats_see_plain_bytes() {
    let value = (blob(1, 600), Marked::from(&b"m"[..]));
    let json = serde_json::to_string(&value).unwrap();
    assert!(json.ends_with(",[109]]"), "{json}");
    assert_eq!(
        serde_json::from_str::<(Blob, Marked)>(&json).unwrap(),
        value
    );
    let bytes = postcard::to_stdvec(&value).unwrap();
    assert_eq!(
        bytes,
        postcard::to_stdvec(&(value.0.0.clone(), value.1.0.clone())).unwrap()
    );
    assert_eq!(
        postcard::from_bytes::<(Blob, Marked)>(&bytes).unwrap(),
        value
    );
}

/// A value that encodes others while it is being encoded.
struct Envelope(Blob);

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = encode(&self.0).unwrap();
        let json = serde_json::to_string(&self.0).unwrap();
        (&self.0, inner.parts.len(), json.len(), &self.0).serialize(serializer)
    }
}

#[test]
fn an_encoding_inside_another_does_not_mix_parts() {
    let payload = encode(&(blob(1, 600), Envelope(blob(2, 700)), blob(3, 800))).unwrap();
    let tags: Vec<u8> = payload.parts.iter().map(|part| part[0]).collect();
    assert_eq!(tags, [1, 2, 2, 3]);
    type Back = (Blob, (Blob, usize, usize, Blob), Blob);
    let (_, (_, n_inner_parts, json_len, _), _) = decode::<Back>(&payload).unwrap();
    assert_eq!((n_inner_parts, json_len), (1, 1401));
}

#[test]
fn shown_forms_are_short_and_without_content() {
    let payload = encode(&vec![blob(b'x', 600); 200]).unwrap();
    let shown = format!("{payload:?} {payload} {:?}", blob(b'x', 600));
    assert_eq!(
        shown,
        "Payload(275 B + 120000 B in 200 parts) 275 B + 120000 B in 200 parts Blob(600 B)"
    );
}
