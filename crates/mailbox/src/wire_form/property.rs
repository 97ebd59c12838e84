//! What holds for any bytes that are opened as an envelope: for a fuzz target and for tests.

use bytes::Bytes;
use hypermesh_wire::Message;

use super::*;
use crate::Undelivered;

/// The most parts that an input has.
const MAX_PARTS: usize = 4;

/// Checks that nothing panics, and that an envelope that is opened is sealed to bytes that open to the same. Returns
/// whether the bytes are an envelope.
///
/// The first byte says how many parts there are, and one more byte for each how long it is. They come before the body.
///
/// # Panics
///
/// If that does not hold.
pub fn envelope_property(bytes: &[u8]) -> bool {
    let Some(payload) = payload(bytes) else {
        return false;
    };
    let Ok(envelope) = open(payload) else {
        return false;
    };
    let (header, key) = (envelope.header, envelope.key());
    assert_eq!(header.flags & !KNOWN_FLAGS, 0);
    let (sealed, place) = seal(&envelope, header).expect("what was opened can be sealed");
    let message = envelope.body.payload().cloned().unwrap_or_default();
    assert_eq!(without_header(sealed.clone(), place), message);
    assert_eq!(is_urgent(&sealed), header.is_urgent());
    let again = open(sealed).expect("what was sealed can be opened");
    assert_eq!((again.header, again.key()), (header, key));
    assert_eq!(again.headers, envelope.headers);
    assert_eq!(again.body.payload(), Some(&message));
    // A bounce is decoded where its receiver lives, whoever has sent it.
    decoded::<Undelivered>(&message);
    decoded::<Vec<String>>(&message);
    true
}

fn decoded<M: Message>(message: &Payload) {
    let any = Any::wire(M::KEY, message.clone());
    // Refused or not: it does not panic.
    _ = any.take::<M>();
}

/// Returns the parts and the body in `bytes`, if the parts are there.
fn payload(bytes: &[u8]) -> Option<Payload> {
    let (n_parts, rest) = bytes.split_first()?;
    let (lengths, mut rest) = rest.split_at_checked(usize::from(*n_parts) % (MAX_PARTS + 1))?;
    let mut payload = Payload::default();
    for len in lengths {
        let (part, after) = rest.split_at_checked((*len).into())?;
        payload.parts.push(Bytes::copy_from_slice(part));
        rest = after;
    }
    payload.body = Bytes::copy_from_slice(rest);
    Some(payload)
}
