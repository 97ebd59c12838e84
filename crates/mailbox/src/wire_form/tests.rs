//! Envelopes survive the wire form, and bytes that are none are refused.

use bytes::Bytes;
use hypermesh_wire::Blob;
use proptest::prelude::*;

use super::*;
use crate::{ActorId, FLAG_BOUNCE, FLAG_SILENT, Port, ProcId};

fn envelope(body: Any) -> Envelope {
    let src: ActorId = ProcId::new(u64::MAX, 1, 2).actor(u64::MAX, 3);
    let dst = ProcId::new(u64::MAX - 1, 4, 5).actor(u64::MAX - 1, 6);
    let port = Port::Handler(TypeKey::from_value(u64::MAX));
    Envelope::of_any(dst.port(port), Location::NONE, src, body)
}

/// Seals and opens `message` as a value, then seals and opens what came out, as a relay does.
#[track_caller]
fn check(message: &Blob) {
    let mut sent = envelope(Any::local(message.clone()));
    let relayed = TypeKey::of("somebody's");
    sent.headers
        .set(relayed, Bytes::from_static(b"as it was"))
        .unwrap();
    for hop in 0..2 {
        let header = EnvelopeHeader {
            ttl: 64 - hop,
            ..sent.header
        };
        let (payload, place) = seal(&sent, header).unwrap();
        let body = without_header(payload.clone(), place);
        assert_eq!(hypermesh_wire::decode::<Blob>(&body).as_ref(), Ok(message));
        sent = open(payload).unwrap();
        assert_eq!(sent.header, header);
        assert_eq!(sent.headers.get(relayed).unwrap(), "as it was");
    }
    assert_eq!(&sent.take::<Blob>().unwrap(), message);
}

#[test]
fn messages_of_all_sizes_survive_two_hops() {
    for len in [0, 1, 511, 512, 1023, 1024, 100_000] {
        check(&Blob::from(vec![7; len]));
    }
}

#[test]
fn a_large_body_is_not_copied_by_a_relay() {
    let body = hypermesh_wire::encode(&vec![5_u64; 5000]).unwrap().body;
    let payload = Payload {
        body: body.clone(),
        parts: Default::default(),
    };
    let relayed = envelope(Any::wire(TypeKey::of("any"), payload));
    let (sealed, place) = seal(&relayed, relayed.header).unwrap();
    assert_eq!(place, BodyPlace::LastPart);
    assert_eq!(sealed.parts.last().unwrap().as_ptr(), body.as_ptr());
}

#[test]
fn the_header_takes_at_most_96_bytes() {
    let (payload, place) =
        seal(&envelope(Any::local(())), envelope(Any::local(())).header).unwrap();
    assert_eq!(place, BodyPlace::After(payload.body.len()));
    assert!(payload.body.len() <= 96, "{}", payload.body.len());
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut EnvelopeHeader), expected: &str) {
    let sent = envelope(Any::local(7_u32));
    let mut header = sent.header;
    change(&mut header);
    let (payload, _) = seal(&sent, header).unwrap();
    let error = open(payload).unwrap_err().to_string();
    assert!(
        error.contains(expected),
        "{error:?} does not say {expected:?}"
    );
}

#[test]
fn bad_headers_are_refused() {
    check_refused(|header| header.flags = 0b1_0000, "unknown flags 0b00010000");
    check_refused(
        |header| header.flags = FLAG_BOUNCE | FLAG_SILENT,
        "which takes none",
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        part in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let parts = [Bytes::from(part)].into_iter().collect();
        if let Ok(envelope) = open(Payload { body: body.into(), parts }) {
            _ = envelope.take::<u64>();
        }
    }

    #[test]
    fn a_cut_envelope_is_refused_or_does_not_decode(len in 0_usize..80) {
        let sent = envelope(Any::local(u64::MAX));
        let (mut payload, _) = seal(&sent, sent.header).unwrap();
        payload.body.truncate(len.min(payload.body.len() - 1));
        prop_assert!(open(payload).map_or(true, |envelope| envelope.take::<u64>().is_err()));
    }
}
