//! Stored bytes of envelopes, as `docs/wire.md` shows them: what is sent, and what opens to the same for ever.

use bytes::Bytes;

use super::*;
use crate::{ActorId, CONTROL_UNDELIVERED, FLAG_BOUNCE, FLAG_SILENT, ProcId};

/// Returns the bytes that the line of the document which begins with `name` shows, the body first and then each part.
#[track_caller]
fn stored(name: &str) -> Vec<Vec<u8>> {
    let document = include_str!("../../../../docs/wire.md");
    let line = document
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no vector {name}"));
    let digits = |text: &str| u8::from_str_radix(text, 16).unwrap();
    line.split(" | ")
        .map(|bytes| bytes.split(' ').map(digits).collect())
        .collect()
}

fn header(port: Port, flags: u8) -> EnvelopeHeader {
    let src: ActorId = ProcId::new(300, 1, 2).actor(5, 3);
    let dst = ProcId::new(u64::MAX, 128, 0).actor(1 << 63, 6);
    EnvelopeHeader {
        dst: dst.port(port),
        src,
        ttl: 64,
        flags,
    }
}

/// Seals an envelope with `header` around `body`, compares its bytes with those of `name`, and opens these.
#[track_caller]
fn check(name: &str, header: EnvelopeHeader, headers: &Headers, body: Any) -> Envelope {
    let mut envelope = Envelope::of_any(header.dst, Location::NONE, header.src, body);
    envelope.headers = headers.clone();
    let key = envelope.key();
    let (sealed, _) = seal(&envelope, header).unwrap();
    let sent: Vec<_> = [&sealed.body]
        .into_iter()
        .chain(&sealed.parts)
        .map(|bytes| bytes.to_vec())
        .collect();
    let stored = stored(name);
    assert_eq!(sent, stored, "{name}: {}", hex(&sent));
    let mut stored = stored.into_iter().map(Bytes::from);
    let body = stored.next().unwrap();
    let opened = open(Payload {
        body,
        parts: stored.collect(),
    });
    let opened = opened.unwrap();
    assert_eq!((opened.header, opened.key()), (header, key), "{name}");
    assert_eq!(&opened.headers, headers, "{name}");
    opened
}

fn hex(pieces: &[Vec<u8>]) -> String {
    let digits = |bytes: &Vec<u8>| {
        let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.join(" ")
    };
    pieces.iter().map(digits).collect::<Vec<_>>().join(" | ")
}

#[test]
fn the_vectors_of_envelopes_are_what_is_sent_and_open_to_the_same() {
    let body = || Any::local(300_u32);
    let handler = Port::Handler(TypeKey::of("u32"));
    let none = Headers::new();
    let mut some = Headers::new();
    some.set(TypeKey::from_value(7), &b"one"[..]).unwrap();

    let opened = check("envelope handler", header(handler, 0), &none, body());
    assert_eq!(opened.take::<u32>().unwrap(), 300);
    let port = Port::Ephemeral {
        slot: 1,
        generation: 200,
    };
    let silent = header(port, FLAG_SILENT);
    let opened = check("envelope port", silent, &some, body());
    assert_eq!(opened.take::<u32>().unwrap(), 300);
    let bounce = header(Port::Control(CONTROL_UNDELIVERED), FLAG_BOUNCE);
    let opened = check("envelope bounce", bounce, &none, body());
    assert_eq!(opened.take::<u32>().unwrap(), 300);
}

#[test]
fn the_vector_of_an_envelope_with_its_body_apart_is_what_is_sent() {
    // The part of a message, and its body: too long to be shown here, so of 1 kB that is all alike only the first bytes are stored.
    let payload = Payload {
        body: Bytes::from(vec![7; APART]),
        parts: [Bytes::from_static(b"part")].into_iter().collect(),
    };
    let key = TypeKey::of("u32");
    let header = header(Port::Handler(key), 0);
    let envelope = Envelope::of_any(
        header.dst,
        Location::NONE,
        header.src,
        Any::wire(key, payload.clone()),
    );
    let (sealed, place) = seal(&envelope, header).unwrap();
    assert_eq!(place, BodyPlace::LastPart);
    let head = stored("envelope apart").remove(0);
    assert_eq!(sealed.body, head, "{}", hex(&[sealed.body.to_vec()]));
    assert_eq!(sealed.parts[0], "part");
    assert_eq!(sealed.parts[1], payload.body);
    let opened = open(sealed).unwrap();
    assert_eq!(opened.header, header);
    assert_eq!(opened.body.payload(), Some(&payload));
}
