//! The handshake and how a session begins: what both ends read, and the bytes that `docs/wire.md` shows.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    frame::{Ack, Credit, HEADER_LEN, Header, Kind, Nack},
    image::Image,
    incarnation::SessionId,
    log::{Body, Bounds, Log, Message},
    open::{Open, Opened, decode_refused, encode_refused},
    outcome::FailReason,
};

fn hello() -> Hello {
    Hello {
        incarnation: Incarnation::from_wire(0x1122_3344_5566_7788),
        advertised: Some("tcp:h:1".parse().unwrap()),
    }
}

fn accepted() -> Answer {
    Answer::Accepted(Accepted {
        incarnation: Incarnation::from_wire(1),
    })
}

fn open() -> Open {
    Open {
        id: SessionId(*b"0123456789abcdef"),
        kind: LinkKind::PARCELS,
        incarnation: Incarnation::from_wire(0x1122_3344_5566_7788),
        acked: 299,
        sent: 300,
        advertised: Some("tcp:h:1".parse().unwrap()),
        turn: 2,
        layout: 0x0102_0304_0506_0708,
        roams: true,
        path: vec!["unix:@s".parse().unwrap()],
    }
}

fn opened() -> Opened {
    Opened {
        incarnation: Incarnation::from_wire(1),
        resumed: true,
        ack: Ack {
            next: 300,
            credit: Credit {
                seq: 1000,
                load: 1 << 20,
            },
        },
        max_message: 256 << 20,
        advertised: None,
    }
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

/// Checks the header of `kind` for session 3 and the body against the document.
#[track_caller]
fn check_frame(name: &str, kind: Kind, session: u32, body: &[u8]) {
    let header = Header::control(kind, session, body.len()).encode();
    check_document(name, &[&header, body].concat());
}

#[test]
fn the_vectors_of_the_handshake_are_what_is_sent() {
    check_document("hello", &hello().encode());
    check_document("answer accepted", &accepted().encode());
    let refused = |code| Answer::Refused(code).encode();
    check_document("answer refused version", &refused(RefusalCode::Version));
}

#[test]
fn the_vectors_of_control_frames_are_what_is_sent() {
    check_frame("frame open", Kind::Open, 3, &open().encode());
    check_frame("frame opened", Kind::Opened, 3, &opened().encode());
    let refused = encode_refused(RefusalCode::Kind(LinkKind(5)));
    check_frame("frame refused", Kind::Refused, 3, &refused);
    let ack = opened().ack;
    let mut body = Vec::new();
    ack.put(&mut body);
    check_frame("frame ack", Kind::Ack, 3, &body);
    assert_eq!(Ack::decode(&body), Some(ack));
    check_frame("frame closed", Kind::Closed, 3, &body);
    let (seq, code) = (300, Nack::TOO_LARGE);
    let nack = Nack { seq, code };
    let mut body = Vec::new();
    nack.put(&mut body);
    check_frame("frame nack", Kind::Nack, 3, &body);
    assert_eq!(Nack::decode(&body), Some(nack));
    check_frame("frame ask", Kind::Ask, 3, &[]);
    check_frame("frame close", Kind::Close, 3, &[]);
    check_frame("frame lost", Kind::Lost, 3, &[]);
    check_frame("frame ping", Kind::Ping, 0, &[]);
    check_frame("frame pong", Kind::Pong, 0, &[]);
}

/// Returns what a session writes for the messages that `push` puts into its log, the first of which has number 300.
fn logged(push: impl FnOnce(&mut Log<()>)) -> Vec<u8> {
    let (messages, bytes) = (1000, 1 << 30);
    let mut log = Log::new(3, Bounds { messages, bytes });
    let reason = FailReason::Closed;
    (0..300).for_each(|_| log.reject(reason.clone()));
    let all = Credit {
        seq: u64::MAX,
        load: u64::MAX,
    };
    log.on_credit(all);
    log.take(usize::MAX, &mut Image::default());
    push(&mut log);
    let mut image = Image::default();
    log.take(usize::MAX, &mut image);
    let slices = image.slices();
    slices.iter().flat_map(|slice| slice.to_vec()).collect()
}

#[test]
fn the_vectors_of_messages_are_what_is_sent() {
    let parts = [Bytes::from_static(b"one"), Bytes::new()];
    let message = |asks| Message {
        body: Body::Borrowed(b"body"),
        parts: &parts,
        asks,
    };
    check_document("frame data", &logged(|log| log.push(&message(false))));
    let asking = logged(|log| log.push(&message(true)));
    check_document("frame data-ask", &asking);
    check_document("frame void", &logged(|log| log.reject(FailReason::Closed)));
    let long = Bytes::from(vec![7; 1 << 20]);
    let message = Message {
        body: Body::Shared(&long),
        parts: &[],
        asks: false,
    };
    let chunks = logged(|log| log.push(&message));
    // The header of the chunk, and that of the message with the first bytes of its body.
    check_document("frame chunk", &chunks[..HEADER_LEN + HEADER_LEN + 4]);
    let second = HEADER_LEN + (256 << 10);
    check_document("frame chunk 2", &chunks[second..second + HEADER_LEN + 4]);
    let short = Message {
        body: Body::Borrowed(b"body"),
        parts: &[],
        asks: false,
    };
    let two = logged(|log| (0..2).for_each(|_| log.push(&short)));
    check_document("frame next", &two[HEADER_LEN + 4..]);
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
        RefusalCode::Layout(7),
        RefusalCode::Over,
        RefusalCode::Identity,
        RefusalCode::Busy,
    ];
    for answer in codes.map(Answer::Refused).into_iter().chain([accepted()]) {
        let bytes = answer.encode();
        assert_eq!(Answer::decode(WIRE_VERSION, split(&bytes).1), Ok(answer));
    }
}

#[test]
fn both_ends_read_how_a_session_begins() {
    assert_eq!(Open::decode(&open().encode().into()), Ok(open()));
    assert_eq!(Opened::decode(&opened().encode().into()), Ok(opened()));
    for code in [
        RefusalCode::Busy,
        RefusalCode::Kind(LinkKind(7)),
        RefusalCode::Layout(7),
        RefusalCode::Over,
        RefusalCode::Unknown(99),
    ] {
        assert_eq!(decode_refused(&encode_refused(code).into()), Some(code));
    }
}

#[test]
fn how_a_session_begins_is_malformed_if_it_is_cut_too_long_or_contradicts_itself() {
    let (open_body, opened_body) = (Bytes::from(open().encode()), Bytes::from(opened().encode()));
    for len in 0..open_body.len() {
        assert!(Open::decode(&open_body.slice(..len)).is_err(), "{len}");
    }
    for len in 0..opened_body.len() {
        assert!(Opened::decode(&opened_body.slice(..len)).is_err(), "{len}");
    }
    let longer = |body: &Bytes| Bytes::from([body, &b"x"[..]].concat());
    let end = HandshakeError::Malformed("end");
    assert_eq!(Open::decode(&longer(&open_body)), Err(end.clone()));
    assert_eq!(Opened::decode(&longer(&opened_body)), Err(end));
    let backwards = Open {
        sent: 298,
        ..open()
    };
    let error = Open::decode(&backwards.encode().into());
    assert_eq!(error, Err(HandshakeError::Malformed("sent")));
    let mut body = opened().encode();
    body[8] = 2;
    let error = Opened::decode(&body.into());
    assert_eq!(error, Err(HandshakeError::Malformed("answer")));
    assert_eq!(decode_refused(&Bytes::from_static(&[6, 0])), None);
}

#[test]
fn another_version_is_named_on_both_ends() {
    let bytes = Answer::Refused(RefusalCode::Version).encode();
    let Ok(Answer::Refused(code)) = Answer::decode(9, split(&bytes).1) else {
        panic!("refused")
    };
    let refusal = code.told_to(&LinkType::PARCELS, 9);
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
        let bytes = Bytes::from(bytes);
        let _ = Open::decode(&bytes);
        let _ = Opened::decode(&bytes);
        let _ = decode_refused(&bytes);
        let _ = Ack::decode(&bytes);
        let _ = Nack::decode(&bytes);
    }
}
