//! One erased message: an object inside a process, bytes across a link.

use std::cell::{Cell, RefCell};

use hypermesh_wire::{
    Any, Blob, BytesMut, DecodeError, EncodeError, Message, Named, TakeCause, TypeKey, decode,
    encode,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

thread_local! {
    static N_ENCODED: Cell<u32> = const { Cell::new(0) };
    static N_DECODED: Cell<u32> = const { Cell::new(0) };
}

/// Counts how often it is encoded and decoded. Not `Sync`.
#[derive(Message, Debug, PartialEq)]
#[message(serde)]
struct Counted {
    bytes: RefCell<Vec<u8>>,
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        N_ENCODED.set(N_ENCODED.get() + 1);
        self.bytes.borrow().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        N_DECODED.set(N_DECODED.get() + 1);
        Vec::deserialize(deserializer).map(|bytes| Self {
            bytes: RefCell::new(bytes),
        })
    }
}

#[derive(Message, Debug, PartialEq)]
#[message(serde)]
struct Unencodable(u8);

impl Serialize for Unencodable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("never"))
    }
}

impl<'de> Deserialize<'de> for Unencodable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("never"))
    }
}

#[test]
fn inside_a_process_the_object_itself_moves() {
    let message = Counted {
        bytes: RefCell::new(vec![1, 2, 3]),
    };
    let address = message.bytes.borrow().as_ptr();
    let any = Any::local(message);
    assert!(any.is_local() && any.payload().is_none());
    let message: Counted = any.take().unwrap();
    assert_eq!(message.bytes.borrow().as_ptr(), address);
    assert_eq!((N_ENCODED.get(), N_DECODED.get()), (0, 0));
}

#[test]
fn across_a_link_it_is_encoded_once_and_decoded_once() {
    let any = Any::local(Counted {
        bytes: RefCell::new(vec![1, 2, 3]),
    });
    let key = any.key();
    let payload = any.into_payload().unwrap();
    let any = Any::wire(key, payload.clone());
    assert_eq!(any.payload(), Some(&payload));
    assert_eq!(
        any.encode_after(BytesMut::from(&b"h"[..])).unwrap().body[..],
        [b'h', 3, 1, 2, 3]
    );
    assert_eq!(any.into_payload().unwrap(), payload);
    assert_eq!((N_ENCODED.get(), N_DECODED.get()), (1, 0));
    let message: Counted = Any::wire(key, payload).take().unwrap();
    assert_eq!(*message.bytes.borrow(), [1, 2, 3]);
    assert_eq!((N_ENCODED.get(), N_DECODED.get()), (1, 1));
}

#[test]
fn it_is_decoded_on_the_thread_that_takes_it_and_copied_without_its_bytes() {
    let message = Counted {
        bytes: RefCell::new(vec![7; 300]),
    };
    let payload = encode(&message).unwrap();
    let copy = payload.clone();
    assert_eq!(copy.body.as_ptr(), payload.body.as_ptr());
    let any = Any::wire(Counted::KEY, copy);
    let taker = std::thread::spawn(move || (any.take::<Counted>().is_ok(), N_DECODED.get()));
    assert_eq!(taker.join().unwrap(), (true, 1));
    assert_eq!(N_DECODED.get(), 0);
}

#[test]
fn the_wrong_type_is_named_and_the_message_is_still_good() {
    let local = Any::local(7_u32);
    let wire = Any::wire(u32::KEY, encode(&7_u32).unwrap());
    for any in [local, wire] {
        let error = any.take::<String>().unwrap_err();
        let cause = TakeCause::WrongType {
            expected: String::KEY,
            found: u32::KEY,
        };
        assert_eq!(error.cause, cause);
        assert!(
            cause.to_string().starts_with("expected String ("),
            "{cause}"
        );
        assert!(cause.to_string().contains("found u32 ("), "{cause}");
        assert_eq!(error.any.take::<u32>().unwrap(), 7);
    }
}

#[test]
fn a_message_that_does_not_decode_is_given_back() {
    let payload = encode(&(1_u8, 2_u8)).unwrap();
    let error = Any::wire(u8::KEY, payload.clone())
        .take::<u8>()
        .unwrap_err();
    let cause = DecodeError::TrailingBytes { offset: 1, left: 1 };
    assert_eq!(error.cause, TakeCause::Decode(cause));
    assert_eq!(error.any.into_payload().unwrap(), payload);
}

#[test]
fn a_message_that_does_not_encode_is_given_back() {
    let any = Any::local(Unencodable(9));
    let refused = EncodeError::Refused {
        message: "never".into(),
    };
    assert_eq!(any.encode_after(BytesMut::new()).unwrap_err(), refused);
    let (any, error) = any.into_payload().unwrap_err();
    assert_eq!(error, refused);
    assert_eq!(any.take::<Unencodable>().unwrap(), Unencodable(9));
}

#[test]
fn blobs_cross_without_a_copy() {
    let blob = Blob::from(vec![1; 4096]);
    let payload = Any::local((1_u8, blob.clone())).into_payload().unwrap();
    assert_eq!(payload.parts[0].as_ptr(), blob.as_ptr());
    let framed = Any::wire(TypeKey::of("x"), payload)
        .encode_after(BytesMut::new())
        .unwrap();
    assert_eq!(framed.parts[0].as_ptr(), blob.as_ptr());
    assert_eq!(decode::<(u8, Blob)>(&framed).unwrap().1, blob);
}

#[derive(Message)]
#[message(
    name = "a.name.that.is.very.long.indeed.a.name.that.is.very.long.indeed.a.name.that.is.very.long.indeed.a.name.that.is.very.long.indeed.a.name.that.is.very.long.indeed.a.name.that.is.very.long.indeed"
)]
struct LongName(String);

#[test]
fn shown_forms_have_name_key_and_size_but_no_content() {
    let key = LongName::KEY;
    let any = Any::local(LongName("secret".into()));
    for shown in [format!("{any}"), format!("{any:?}")] {
        assert!(
            shown.contains("a.name.that") && shown.contains(&key.to_string()),
            "{shown}"
        );
        assert!(shown.len() <= 256 && !shown.contains("secret"), "{shown}");
    }
    let any = Any::wire(key, any.into_payload().unwrap());
    for shown in [format!("{any}"), format!("{any:?}")] {
        assert!(
            shown.contains("a.name.that") && shown.contains("7 B"),
            "{shown}"
        );
        assert!(shown.len() <= 256 && !shown.contains("secret"), "{shown}");
    }
}
