//! The handshake: what both ends read, and the bytes that `docs/wire.md` shows.

use proptest::prelude::*;

use super::*;

fn hello() -> Hello {
    Hello {
        incarnation: Incarnation::from_wire(0x1122_3344_5566_7788),
        link: LinkId(*b"0123456789abcdef"),
        kind: LinkKind::PARCELS,
        advertised: Some("tcp:h:1".parse().unwrap()),
    }
}

fn accepted() -> Answer {
    Answer::Accepted(Accepted {
        incarnation: Incarnation::from_wire(1),
        max_message: 256 << 20,
        advertised: None,
    })
}

fn split(bytes: &[u8]) -> (Preamble, &[u8]) {
    let (preamble, rest) = bytes.split_first_chunk().unwrap();
    (Preamble::decode(preamble).unwrap(), rest)
}

/// Checks `bytes` against the line of `docs/wire.md` that begins with `name`.
#[track_caller]
fn check_document(name: &str, bytes: &[u8]) {
    let document = include_str!("../../../../docs/wire.md");
    let line = document
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        line.unwrap_or_else(|| panic!("no vector {name}")),
        hex.join(" "),
        "{name}"
    );
}

#[test]
fn the_vectors_of_the_document_are_what_is_sent() {
    use crate::{decoder::Decoder, frame::Control, image::Image};
    use bytes::Bytes;
    use hypermesh_wire::Payload;

    check_document("hello", &hello().encode());
    check_document("answer accepted", &accepted().encode());
    let refused = |code| Answer::Refused(code).encode();
    check_document("answer refused version", &refused(RefusalCode::Version));
    check_document(
        "answer refused kind",
        &refused(RefusalCode::Kind(LinkKind(5))),
    );
    check_document("frame ask", &crate::frame::ASK_FRAME);
    check_document("frame ack", &Control::Ack(300).encode());
    check_document("frame closed", &Control::Closed(7).encode());
    let message = Payload {
        body: Bytes::from_static(b"body"),
        parts: [Bytes::from_static(b"one"), Bytes::new()]
            .into_iter()
            .collect(),
    };
    let mut image = Image::default();
    image.push(&message);
    let bytes: Vec<u8> = image
        .slices()
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect();
    check_document("frame data", &bytes);
    let mut messages = Vec::new();
    Decoder::new(100).feed(&bytes, &mut messages).unwrap();
    assert_eq!(messages, [message]);
}

#[test]
fn both_ends_read_what_the_other_sent() {
    let bytes = hello().encode();
    let (preamble, rest) = split(&bytes);
    assert_eq!(
        preamble,
        Preamble {
            version: WIRE_VERSION,
            rest: rest.len()
        }
    );
    assert_eq!(Hello::decode(rest), Ok(hello()));
    let codes = [
        RefusalCode::Magic,
        RefusalCode::Version,
        RefusalCode::Malformed,
        RefusalCode::Kind(LinkKind(7)),
        RefusalCode::Identity,
        RefusalCode::Busy,
    ];
    for answer in codes.map(Answer::Refused).into_iter().chain([accepted()]) {
        let bytes = answer.encode();
        assert_eq!(Answer::decode(WIRE_VERSION, split(&bytes).1), Ok(answer));
    }
}

#[test]
fn another_version_is_named_on_both_ends() {
    let bytes = Answer::Refused(RefusalCode::Version).encode();
    let Ok(Answer::Refused(code)) = Answer::decode(9, split(&bytes).1) else {
        panic!("refused")
    };
    let refusal = code.told_to(LinkKind::PARCELS, 9);
    assert_eq!(
        refusal.to_string(),
        "the peer speaks version 9 of the protocol, and this end version 1"
    );
    let bytes = accepted().encode();
    let error = Answer::decode(9, split(&bytes).1).unwrap_err();
    assert_eq!(error, HandshakeError::Version { ours: 1, theirs: 9 });
}

#[test]
fn an_unknown_refusal_of_a_later_version_is_still_a_refusal() {
    let rest = [200, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
    let answer = Answer::decode(9, &rest);
    assert_eq!(answer, Ok(Answer::Refused(RefusalCode::Unknown(200))));
}

#[test]
fn a_handshake_that_is_cut_or_too_long_is_malformed() {
    let bytes = hello().encode();
    let rest = split(&bytes).1;
    for len in 0..rest.len() {
        let error = Hello::decode(&rest[..len]).unwrap_err();
        assert!(
            matches!(error, HandshakeError::Malformed(_)),
            "{len}: {error}"
        );
    }
    let longer = [rest, b"x"].concat();
    assert_eq!(
        Hello::decode(&longer),
        Err(HandshakeError::Malformed("end"))
    );
}

#[test]
fn an_advertised_address_that_cannot_be_dialled_is_malformed() {
    let advertised = Some("tcp:*:1".parse().unwrap());
    let bytes = Hello {
        advertised,
        ..hello()
    }
    .encode();
    let error = Hello::decode(split(&bytes).1).unwrap_err();
    assert_eq!(error, HandshakeError::Malformed("advertised address"));
}

#[test]
fn a_stranger_is_recognized_by_its_first_bytes() {
    let error = Preamble::decode(b"GET / HTTP/1").unwrap_err();
    assert_eq!(error, HandshakeError::Magic(*b"GET / HT"));
    let mut long = MAGIC.to_vec();
    long.extend([1, 0, 255, 255]);
    let error = Preamble::decode(long.as_slice().try_into().unwrap()).unwrap_err();
    assert_eq!(error, HandshakeError::TooLong(65_535));
}

proptest! {
    #[test]
    fn random_bytes_never_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Hello::decode(&bytes);
        let _ = Answer::decode(WIRE_VERSION, &bytes);
    }
}
