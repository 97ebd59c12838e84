//! Encodings into the buffer of the thread, and decodings of a body that is only borrowed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hypermesh_testkit::counted;
use hypermesh_wire::{Blob, Message, decode, decode_borrowed, encode, encode_with};
use serde::{Serialize, Serializer};

#[derive(Message, Debug, Clone, PartialEq)]
struct Order {
    id: u64,
    price: i64,
    fill: [u64; 4],
    urgent: bool,
}

fn order() -> Order {
    Order {
        id: 1 << 60,
        price: -7,
        fill: [1, 300, 1 << 40, u64::MAX],
        urgent: true,
    }
}

/// Returns body and number of parts as the buffer of the thread has them.
fn encoded<M: Serialize>(message: &M) -> (Vec<u8>, usize) {
    encode_with(message, |encoded| {
        (encoded.body.to_vec(), encoded.parts.len())
    })
    .unwrap()
}

#[test]
fn a_small_message_is_encoded_and_decoded_without_an_allocation() {
    encode_with(&order(), |_| ()).unwrap();
    let (back, allocated) = counted(|| {
        encode_with(&order(), |encoded| {
            decode_borrowed::<Order>(encoded.body, encoded.parts)
        })
    });
    assert_eq!(back.unwrap().unwrap(), order());
    assert_eq!(allocated.bytes, 0);
}

#[test]
fn the_buffer_of_the_thread_holds_what_encode_makes() {
    let value = (order(), Blob::from(vec![1; 600]), Blob::from(vec![2; 5]));
    let payload = encode(&value).unwrap();
    let part = encode_with(&value, |encoded| {
        assert_eq!(payload.body, encoded.body);
        std::mem::take(encoded.parts)
    });
    let part = part.unwrap();
    assert_eq!(payload.parts, part);
    assert_eq!(part[0].as_ptr(), value.1.as_ptr(), "not copied");
}

#[test]
fn a_buffer_that_has_grown_large_is_not_kept() {
    let usual = vec![1_u8; 1000];
    encode_with(&usual, |_| ()).unwrap();
    let ((), again) = counted(|| encode_with(&usual, |_| ()).unwrap());
    assert_eq!(again.bytes, 0);
    encode_with(&vec![1_u8; 65_537], |_| ()).unwrap();
    let ((), small) = counted(|| encode_with(&1_u8, |_| ()).unwrap());
    assert!((1..4096).contains(&small.bytes), "{small:?}");
}

/// Encodes itself once more, deeper, while it is being encoded.
struct Deep(u8);

impl Serialize for Deep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 > 0 {
            encoded(&Deep(self.0 - 1));
        }
        (self.0, Blob::from(vec![self.0; 600]), "text").serialize(serializer)
    }
}

#[test]
fn an_encoding_inside_another_has_a_buffer_of_its_own() {
    let expected = (b"\x03\x01\x04text".to_vec(), 1);
    assert_eq!(encoded(&Deep(3)), expected);
    encode_with(&(1_u8, 2_u8), |outer| {
        assert_eq!(encoded(&Deep(3)), expected);
        assert_eq!(*outer.body, [1, 2]);
    })
    .unwrap();
}

struct Fails;

impl Serialize for Fails {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

struct Panics;

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("planted")
    }
}

#[test]
fn a_failure_or_a_panic_leaves_nothing_for_the_next_encoding() {
    let clean = encoded(&order());
    for round in 0..3 {
        let before = (round, Blob::from(vec![1; 600]));
        assert!(encode_with(&(&before, Fails), |_| ()).is_err());
        assert_eq!(encoded(&order()), clean);
        let panicking = (&before, Panics);
        let in_serialize = AssertUnwindSafe(|| encode_with(&panicking, |_| ()));
        assert!(catch_unwind(in_serialize).is_err());
        assert_eq!(encoded(&order()), clean);
        let in_use = AssertUnwindSafe(|| encode_with(&before, |_| panic!("planted")));
        assert!(catch_unwind(in_use).is_err());
        assert_eq!(encoded(&order()), clean);
    }
}

#[test]
fn a_value_keeps_nothing_of_a_borrowed_body() {
    let value = (
        Blob::from(vec![1; 511]),
        "text".to_owned(),
        Blob::from(vec![2; 512]),
    );
    let payload = encode(&value).unwrap();
    assert!(payload.body.is_unique());
    let back: (Blob, String, Blob) = decode_borrowed(&payload.body, &payload.parts).unwrap();
    assert_eq!(back, value);
    assert!(payload.body.is_unique(), "the inline blob is a copy");
    assert_eq!(back.2.as_ptr(), value.2.as_ptr(), "the part is not");
    let whole: (Blob, String, Blob) = decode(&payload).unwrap();
    assert_eq!(whole, value);
    assert!(payload.body.is_unique());
}
