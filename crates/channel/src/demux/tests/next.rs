//! Messages that follow others, with the short header.

use super::*;

#[test]
fn a_message_follows_one_of_its_connection_and_nothing_else() {
    let next = [&encode_next(2)[..], b"ab"].concat();
    let message = data(1, 5, &payload(0, &[3]));
    let void = Header {
        seq: 6,
        ..Header::control(Kind::Void, 1, 0)
    };
    for before in [
        Vec::new(),
        [&message[..], &control(Kind::Ask, 1, &[])].concat(),
        [&message[..], &void.encode()].concat(),
        [&message[..], &chunk(2, 0, &data(2, 0, &payload(0, &[3])))].concat(),
    ] {
        check_error(&[&before[..], &next].concat(), FrameError::StrayNext);
    }
    let long = [&message[..], &(16 | (LARGE as u32 + 1) << 8).to_le_bytes()].concat();
    let (kind, len) = (16, LARGE as u64 + 1);
    check_error(&long, FrameError::TooLong { kind, len });
}

#[test]
fn messages_that_follow_others_are_numbered_on() {
    let large = payload(0, &[LARGE, LARGE]);
    let stream = [
        &data(1, u32::MAX, &payload(0, &[1]))[..],
        &encode_next(1),
        b"a",
        &data(2, 7, &large),
        &encode_next(0),
        &encode_next(1),
        b"b",
    ];
    let body = |body: &'static [u8]| Payload {
        body: Bytes::from_static(body),
        ..Payload::default()
    };
    let expected = [
        Heard::Message(1, u32::MAX, false, payload(0, &[1])),
        Heard::Message(1, 0, false, body(b"a")),
        Heard::Message(2, 7, false, large.clone()),
        Heard::Message(2, 8, false, body(b"")),
        Heard::Message(2, 9, false, body(b"b")),
    ];
    for step in [1, 3, usize::MAX] {
        let heard = read(&stream.concat(), step, u64::MAX).unwrap().heard;
        assert_eq!(heard, expected, "in steps of {step}");
    }
}

#[test]
fn one_that_is_too_large_takes_its_number() {
    let message = |seq| Heard::Message(2, seq, false, payload(0, &[5]));
    let stream = [
        &data(2, 7, &payload(0, &[5]))[..],
        &encode_next(60),
        &[0; 60],
        &encode_next(5),
        &payload(0, &[5]).body,
    ];
    let expected = [message(7), Heard::TooLarge(2, 8, 60), message(9)];
    for step in [1, 3, usize::MAX] {
        let heard = read(&stream.concat(), step, 50).unwrap().heard;
        assert_eq!(heard, expected, "in steps of {step}");
    }
    // For somebody else it may be not too large.
    let stream = [
        &data(950, 7, &payload(0, &[5]))[..],
        &encode_next(60),
        &[0; 60],
    ]
    .concat();
    let passed_on = Heard::Control(Header::data(950, 8, 60), vec![0; 60].into());
    assert_eq!(read(&stream, 3, 50).unwrap().heard[1], passed_on);
}
