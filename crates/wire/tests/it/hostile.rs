//! What limits and malformed bytes do: a typed error, little memory, little time, no panic.

use std::collections::HashMap;
use std::fmt::Debug;

use hypermesh_wire::{
    BytesMut, DecodeError, EncodeError, MAX_DEPTH, MAX_EMPTY, Message, Payload, decode,
    decode_front, encode, encode_inline,
};
use serde::{Serialize, Serializer, de::DeserializeOwned, ser};

use hypermesh_testkit::counted;

fn payload(body: &[u8]) -> Payload {
    Payload {
        body: body.to_vec().into(),
        ..Payload::default()
    }
}

#[track_caller]
fn check<M: DeserializeOwned + Debug>(body: &[u8], expected: DecodeError) {
    assert_eq!(decode::<M>(&payload(body)).unwrap_err(), expected);
}

#[test]
fn malformed_content_is_named_with_its_place() {
    check::<(u8, bool)>(
        &[9, 2],
        DecodeError::BadByte {
            offset: 1,
            found: 2,
            expected: "bool",
        },
    );
    check::<Option<u8>>(
        &[7, 0],
        DecodeError::BadByte {
            offset: 0,
            found: 7,
            expected: "option",
        },
    );
    check::<String>(
        &[2, 0xff, 0xfe],
        DecodeError::BadText {
            offset: 3,
            expected: "string",
        },
    );
    check::<char>(
        &[0],
        DecodeError::BadText {
            offset: 1,
            expected: "character",
        },
    );
    check::<char>(
        &[2, b'a', b'b'],
        DecodeError::BadText {
            offset: 3,
            expected: "character",
        },
    );
    check::<char>(
        &[1, 0x80],
        DecodeError::BadText {
            offset: 2,
            expected: "character",
        },
    );
    check::<u16>(
        &[0xff, 0xff, 0x7f],
        DecodeError::OverLong {
            offset: 0,
            bits: 16,
        },
    );
    check::<(u8, u32)>(
        &[0, 0x80, 0x00],
        DecodeError::OverLong {
            offset: 1,
            bits: 32,
        },
    );
    check::<u128>(
        &[0xff; 20],
        DecodeError::OverLong {
            offset: 0,
            bits: 128,
        },
    );
    check::<u64>(
        &[],
        DecodeError::UnexpectedEnd {
            offset: 0,
            needed: 1,
        },
    );
    check::<f64>(
        &[1, 2, 3],
        DecodeError::UnexpectedEnd {
            offset: 3,
            needed: 5,
        },
    );
    check::<String>(
        &[5, b'a'],
        DecodeError::UnexpectedEnd {
            offset: 2,
            needed: 4,
        },
    );
    check::<u8>(
        &[1, 2, 3],
        DecodeError::TrailingBytes { offset: 1, left: 2 },
    );
    check::<serde_json::Value>(&[0], DecodeError::NotSelfDescribing);
}

#[test]
fn an_unknown_variant_is_refused() {
    let error = decode::<Result<(), ()>>(&payload(&[9])).unwrap_err();
    assert!(
        matches!(&error, DecodeError::Refused { message } if message.contains('9')),
        "{error}"
    );
}

const TWO_TO_40: [u8; 6] = [0x80, 0x80, 0x80, 0x80, 0x80, 0x20];

#[track_caller]
fn check_memory<M: DeserializeOwned + Debug>(body: &[u8]) {
    let payload = payload(body);
    let (result, allocated) = counted(|| decode::<M>(&payload));
    let bytes = allocated.bytes;
    assert!(result.is_err());
    assert!(bytes <= 64 * 1024, "{bytes} bytes allocated");
}

#[test]
fn an_announced_length_allocates_no_more_than_was_received() {
    let body = [&TWO_TO_40[..], &[0; 10]].concat();
    check_memory::<Vec<u8>>(&body);
    check_memory::<Vec<[u64; 16]>>(&body);
    check_memory::<Vec<String>>(&body);
    check_memory::<HashMap<u64, u64>>(&body);
    check_memory::<String>(&body);
    check_memory::<hypermesh_wire::Bytes>(&body);
    check_memory::<hypermesh_wire::Blob>(&[&[0], &body[..]].concat());
}

/// Returns what is allocated to decode a body of `len` bytes in which each of as many levels as are allowed announces 2^40 elements.
fn allocated_by_levels(len: usize) -> usize {
    let levels = TWO_TO_40.repeat(MAX_DEPTH as usize);
    let payload = payload(&[&levels[..], &vec![0; len - levels.len()]].concat());
    let (result, allocated) = counted(|| decode::<Chain>(&payload));
    assert!(result.is_err());
    allocated.bytes
}

#[test]
fn inv2_announced_lengths_of_many_levels_reserve_no_more_than_one() {
    for len in [1 << 10, 4 << 10, 32 << 10, 256 << 10, 1 << 20] {
        let bytes = allocated_by_levels(len);
        // Room for one element for each byte, and for the few that each level takes when nothing is left for it.
        let limit = len * size_of::<Chain>() + MAX_DEPTH as usize * 4 * size_of::<Chain>();
        assert!(bytes <= limit + 1024, "{bytes} bytes for {len}");
    }
}

#[test]
fn inv2_room_is_made_for_all_that_a_body_holds() {
    // Each sequence is reserved once, with nothing to spare, however many there are and whatever they hold.
    let nested = vec![vec![Some(7_u8); 100]; 100];
    let payload = encode(&nested).unwrap();
    let (decoded, allocated) = counted(|| decode::<Vec<Vec<Option<u8>>>>(&payload));
    assert_eq!(decoded.unwrap(), nested);
    let exact = 100 * size_of::<Vec<Option<u8>>>() + 100 * 100 * size_of::<Option<u8>>();
    assert_eq!((allocated.calls, allocated.bytes), (101, exact));
    let bytes = encode(&vec![vec![7_u8; 100]; 100]).unwrap();
    let (_, allocated) = counted(|| decode::<Vec<Vec<u8>>>(&bytes).unwrap());
    assert_eq!(allocated.calls, 101);
}

#[test]
fn elements_of_size_zero_are_limited_on_both_sides() {
    check::<Vec<()>>(&TWO_TO_40, DecodeError::TooManyEmpty { max: MAX_EMPTY });
    let most = vec![(); MAX_EMPTY];
    assert_eq!(decode::<Vec<()>>(&encode(&most).unwrap()).unwrap(), most);
    let error = encode(&vec![(); MAX_EMPTY + 1]).unwrap_err();
    assert_eq!(error, EncodeError::TooManyEmpty { max: MAX_EMPTY });
}

#[derive(Message, Debug, PartialEq)]
struct Chain(Vec<Chain>);

fn chain(n_levels: u32) -> Chain {
    (1..n_levels).fold(Chain(Vec::new()), |inner, _| Chain(vec![inner]))
}

#[derive(Message, Debug)]
struct List {
    next: Option<Box<List>>,
}

#[test]
fn nesting_is_limited_on_both_sides() {
    let deepest = chain(MAX_DEPTH);
    let payload = encode(&deepest).unwrap();
    assert_eq!(decode::<Chain>(&payload).unwrap(), deepest);
    let error = encode(&chain(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error, EncodeError::TooDeep { max: MAX_DEPTH });
    // One level more than the deepest, as nobody encodes it.
    let mut body = payload.body.to_vec();
    body.insert(0, 1);
    check::<Chain>(&body, DecodeError::TooDeep { max: MAX_DEPTH });
    assert_eq!(MAX_DEPTH, 128);
}

#[test]
fn a_mebibyte_of_nesting_does_not_overflow_the_stack() {
    let body = vec![1; 1 << 20];
    check::<Chain>(&body, DecodeError::TooDeep { max: MAX_DEPTH });
    check::<List>(&body, DecodeError::TooDeep { max: MAX_DEPTH });
}

/// A value whose own encoding fails, one way or the other.
enum Broken {
    Refuses,
    Panics,
}

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Refuses => Err(ser::Error::custom("not today")),
            Self::Panics => {
                // Leaves a blob half way in, as a panic in the middle of a message does.
                let blob = hypermesh_wire::Blob::from(vec![1; 4096]);
                drop(blob.serialize(serializer));
                panic!("planted")
            }
        }
    }
}

#[test]
fn a_serialize_that_refuses_is_an_error_with_its_text() {
    let error = encode(&(1_u8, Broken::Refuses)).unwrap_err();
    assert_eq!(
        error,
        EncodeError::Refused {
            message: "not today".into()
        }
    );
}

#[test]
fn a_serialize_that_panics_leaves_the_thread_clean() {
    let result = std::panic::catch_unwind(|| encode(&("a".repeat(100), Broken::Panics)));
    assert!(result.is_err());
    let payload = encode(&(7_u8, hypermesh_wire::Blob::from(vec![2; 600]))).unwrap();
    assert_eq!(payload.body[..], [7, 1]);
    assert_eq!(payload.parts.len(), 1);
}

#[test]
fn a_message_without_known_lengths_is_refused() {
    struct Streamed;

    impl Serialize for Streamed {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..3).filter(|n| n % 2 == 0))
        }
    }

    assert_eq!(encode(&Streamed).unwrap_err(), EncodeError::UnknownLength);
}

#[test]
fn a_front_is_decoded_and_cut_off() {
    let mut buffer = BytesMut::from(&b"old"[..]);
    encode_inline(&mut buffer, &(5_u16, "header")).unwrap();
    assert!(encode_inline(&mut buffer, &Broken::Refuses).is_err());
    buffer.extend_from_slice(b"rest");
    let mut input = buffer.freeze().slice(3..);
    assert_eq!(
        decode_front::<(u16, String)>(&mut input).unwrap(),
        (5, "header".to_owned())
    );
    assert_eq!(input, "rest");
    assert!(decode_front::<bool>(&mut input).is_err());
    assert_eq!(input, "rest");
}
