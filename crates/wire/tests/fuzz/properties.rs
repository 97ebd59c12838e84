//! What holds for any bytes that are given to the decoder: a value that encodes to the same, or an
//! error. The bodies of the fuzz targets `fuzz/wire/targets`, and of the test that replays their corpora.

use std::collections::BTreeMap;
use std::fmt::Debug;

use hypermesh_wire::{
    Blob, Bytes, Headers, Marked, Message, Payload, TypeKey, decode, decode_borrowed, encode,
    encode_with,
};

#[derive(Message, Debug, Clone, PartialEq)]
enum Tree {
    Leaf,
    Numbers(u16, i32, u64, i128),
    Text { text: String, letter: char },
    Nodes(Vec<Tree>),
    Maybe(Option<Box<Tree>>),
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Parts {
    first: Blob,
    list: Vec<Blob>,
    choice: Result<Blob, Marked>,
}

/// Returns whether the input is a value. The first byte says which type the others are a value of.
pub(crate) fn body(input: &[u8]) -> bool {
    let Some((choice, body)) = input.split_first() else {
        return false;
    };
    match choice % 8 {
        0 => check_body::<Tree>(body),
        1 => check_body::<(bool, u8, f32, [i64; 3])>(body),
        2 => check_body::<Vec<Option<String>>>(body),
        3 => check_body::<Headers>(body),
        4 => check_body::<(Bytes, TypeKey)>(body),
        5 => check_body::<Vec<()>>(body),
        // Keys may come twice or in any order, so only that there is an answer.
        6 => decode_borrowed::<BTreeMap<String, Vec<u8>>>(body, &[]).is_ok(),
        _ => decode_borrowed::<Payload>(body, &[]).is_ok(),
    }
}

/// A value has one encoding: whatever is accepted encodes to the same bytes, and no start of it is
/// accepted.
fn check_body<M: Message + PartialEq + Debug>(body: &[u8]) -> bool {
    let Ok(value) = decode_borrowed::<M>(body, &[]) else {
        return false;
    };
    encode_with(&value, |again| assert_eq!(again.body, body)).expect("it was within the limits");
    for len in 0..body.len().min(64) {
        let cut = decode_borrowed::<M>(&body[..len], &[]);
        assert!(cut.is_err(), "{len} of {} bytes", body.len());
    }
    true
}

/// Returns whether the input is a value. The first byte says how many parts there are, and the next ones how long each is, in units of 64
/// bytes; the rest is the body.
pub(crate) fn multipart(input: &[u8]) -> bool {
    let Some((n_parts, rest)) = input.split_first() else {
        return false;
    };
    let Some((lens, body)) = rest.split_at_checked(usize::from(n_parts % 8)) else {
        return false;
    };
    let part = |(idx, len): (usize, &u8)| Bytes::from(vec![idx as u8; 64 * usize::from(*len)]);
    let payload = Payload {
        body: Bytes::copy_from_slice(body),
        parts: lens.iter().enumerate().map(part).collect(),
    };
    let is_parts = check_parts::<Parts>(&payload, |parts| {
        let choice = match &parts.choice {
            Ok(blob) => &blob.0,
            Err(marked) => &marked.0,
        };
        let list = parts.list.iter().map(|blob| &blob.0);
        [&parts.first.0]
            .into_iter()
            .chain(list)
            .chain([choice])
            .cloned()
            .collect()
    });
    let is_payloads = check_parts::<Vec<Payload>>(&payload, |payloads| {
        let each = payloads
            .iter()
            .flat_map(|inner| [&inner.body].into_iter().chain(&inner.parts));
        each.cloned().collect()
    });
    is_parts || is_payloads
}

/// Each part is used once, in order and not copied, and the value survives a round trip.
fn check_parts<M: Message + PartialEq + Debug>(
    payload: &Payload,
    byte_strings: impl Fn(&M) -> Vec<Bytes>,
) -> bool {
    let Ok(value) = decode::<M>(payload) else {
        return false;
    };
    let mut found = byte_strings(&value).into_iter();
    for part in &payload.parts {
        let same = |bytes: &Bytes| bytes.as_ptr() == part.as_ptr() && bytes.len() == part.len();
        assert!(found.by_ref().any(|bytes| same(&bytes)), "{value:?}");
    }
    match encode(&value) {
        Ok(again) => assert_eq!(decode::<M>(&again).as_ref(), Ok(&value)),
        // The body of a message may hold more marks than its sender could have made parts of.
        Err(error) => assert!(matches!(
            error,
            hypermesh_wire::EncodeError::TooManyMarks { .. }
        )),
    }
    true
}
