//! The demultiplexer against streams that are whole, cut in pieces, and wrong.

mod memory;
mod next;

use std::mem;

use proptest::prelude::*;

use super::{
    property::{Heard, Listener, feed_in_steps, frames_property},
    *,
};
use crate::frame::{CHUNK_LEN, encode_next};

/// One step of a stream, and what is to come out of it.
#[derive(Clone, Debug)]
enum Item {
    Message { session: u32, lens: Vec<usize> },
    Void { session: u32, len: u32 },
    Control { session: u32, len: usize },
}

impl Item {
    /// Returns the session of a message that another one may follow.
    fn message(&self) -> Option<u32> {
        match self {
            Self::Message { session, lens } => {
                let content: usize = lens.iter().sum();
                let is_whole = content < CHUNK_ABOVE as usize - 100;
                is_whole.then_some(*session)
            }
            Self::Void { .. } | Self::Control { .. } => None,
        }
    }
}

fn any_len() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0usize..100,
        2 => 500usize..3000,
        1 => LARGE - 30..LARGE + 2,
        1 => 3 * LARGE - 5..3 * LARGE,
        1 => Just(CHUNK_ABOVE as usize + 7),
    ]
}

fn any_item() -> impl Strategy<Value = Item> {
    let session = 1u32..4;
    prop_oneof![
        6 => (session.clone(), proptest::collection::vec(any_len(), 1..4))
            .prop_map(|(session, lens)| Item::Message { session, lens }),
        1 => (session.clone(), any::<u32>()).prop_map(|(session, len)| Item::Void { session, len }),
        1 => (session, 0usize..100).prop_map(|(session, len)| Item::Control { session, len }),
    ]
}

fn bytes(first: usize, len: usize) -> Bytes {
    let value = |i: usize| (first + i % 251) as u8;
    Bytes::from((0..len).map(value).collect::<Vec<u8>>())
}

/// Returns a payload of a body and parts of such lengths.
fn payload(seed: usize, lens: &[usize]) -> Payload {
    let part = |(i, len): (usize, &usize)| bytes(seed + i, *len);
    let mut segments = lens.iter().enumerate().map(part);
    Payload {
        body: segments.next().unwrap_or_default(),
        parts: segments.collect(),
    }
}

/// Returns the data frame of a message, however long it is.
fn data(session: u32, seq: u32, payload: &Payload) -> Vec<u8> {
    let header = Header {
        kind: Kind::Data,
        parts: payload.parts.len() as u32,
        len: payload.body.len() as u32,
        session,
        seq,
    };
    let mut frame = header.encode().to_vec();
    for part in &payload.parts {
        frame.extend((part.len() as u32).to_le_bytes());
    }
    frame.extend(&payload.body[..]);
    payload
        .parts
        .iter()
        .for_each(|part| frame.extend(&part[..]));
    frame
}

fn chunk(session: u32, seq: u32, bytes: &[u8]) -> Vec<u8> {
    let header = Header {
        seq,
        ..Header::control(Kind::Chunk, session, bytes.len())
    };
    [&header.encode()[..], bytes].concat()
}

fn control(kind: Kind, session: u32, body: &[u8]) -> Vec<u8> {
    let header = Header::control(kind, session, body.len());
    [&header.encode()[..], body].concat()
}

/// Returns the frames of the items, in order, and what comes out of them.
fn frames(items: &[Item]) -> (Vec<Vec<u8>>, Vec<Heard>) {
    let mut frames = Vec::new();
    let mut heard = Vec::new();
    // The session of the message just before.
    let mut last = None;
    for (i, item) in items.iter().enumerate() {
        let seq = i as u32;
        let last = mem::replace(&mut last, item.message());
        match *item {
            Item::Message { session, ref lens } => {
                let payload = payload(i, lens);
                let frame = data(session, seq, &payload);
                if last == Some(session) && lens.len() == 1 && lens[0] <= 64 << 10 {
                    frames.push([&encode_next(lens[0])[..], &payload.body].concat());
                } else if CHUNK_ABOVE < frame.len() as u64 {
                    let chunks = frame.chunks(CHUNK_LEN);
                    frames.extend(chunks.map(|bytes| chunk(session, seq, bytes)));
                } else {
                    frames.push(frame);
                }
                heard.push(Heard::Message(session, seq, false, payload));
            }
            Item::Void { session, len } => {
                let void = Header {
                    kind: Kind::Void,
                    parts: 0,
                    len,
                    session,
                    seq,
                };
                frames.push(void.encode().to_vec());
                heard.push(Heard::Control(void, Bytes::new()));
            }
            Item::Control { session, len } => {
                let body = bytes(i, len);
                frames.push(control(Kind::Ack, session, &body));
                heard.push(Heard::Control(
                    Header::control(Kind::Ack, session, len),
                    body,
                ));
            }
        }
    }
    (frames, heard)
}

/// Reads a stream in steps of `step` bytes.
fn read(stream: &[u8], step: usize, max: u64) -> Result<Listener, ProtocolError> {
    let mut listener = Listener::default();
    let mut demux = Demux::new(max);
    feed_in_steps(&mut demux, stream, step, &mut listener)?;
    demux.end()?;
    Ok(listener)
}

#[track_caller]
fn check_error(stream: &[u8], expected: FrameError) {
    for step in [1, 5, usize::MAX] {
        let error = read(stream, step, u64::MAX).map(|listener| listener.heard);
        assert_eq!(error, Err(expected.clone().into()), "in steps of {step}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_cut(
        items in proptest::collection::vec(any_item(), 0..8),
        step in prop_oneof![1usize..40, 1000usize..200_000],
    ) {
        let (frames, heard) = frames(&items);
        let listener = read(&frames.concat(), step, u64::MAX).unwrap();
        prop_assert_eq!(listener.heard, heard);
    }

    #[test]
    fn inv3_a_cut_stream_gives_whole_messages_and_an_error(
        items in proptest::collection::vec(any_item(), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let (frames, heard) = frames(&items);
        let stream = frames.concat();
        let cut = cut.index(stream.len());
        let mut listener = Listener::default();
        let mut demux = Demux::new(u64::MAX);
        demux.feed(&stream[..cut], None, &mut listener).unwrap();
        prop_assert!(heard.starts_with(&listener.heard));
        let borders: Vec<usize> = frames
            .iter()
            .scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            })
            .collect();
        prop_assert_eq!(demux.end().is_ok(), cut == 0 || borders.contains(&cut));
    }

    #[test]
    fn chunks_of_several_sessions_come_between_each_other(
        lens in proptest::collection::vec(0usize..2000, 2..5),
        sizes in proptest::collection::vec(0usize..300, 1..40),
        step in 1usize..500,
    ) {
        let whole: Vec<Vec<u8>> = lens
            .iter()
            .enumerate()
            .map(|(i, len)| data(i as u32 + 1, 5, &payload(i, &[*len, len / 2])))
            .collect();
        let mut left: Vec<&[u8]> = whole.iter().map(Vec::as_slice).collect();
        let mut sizes = sizes.into_iter().cycle();
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for turn in 0.. {
            if left.iter().all(|left| left.is_empty()) {
                break;
            }
            let i = turn % left.len();
            // In the end all of it, so that there is an end.
            let size = if turn < 200 { sizes.next().unwrap() } else { usize::MAX };
            let (now, later) = left[i].split_at(size.min(left[i].len()));
            if left[i].is_empty() {
                continue;
            }
            stream.extend(chunk(i as u32 + 1, 5, now));
            left[i] = later;
            if later.is_empty() {
                let payload = payload(i, &[lens[i], lens[i] / 2]);
                expected.push(Heard::Message(i as u32 + 1, 5, false, payload));
            }
        }
        let listener = read(&stream, step, u64::MAX).unwrap();
        prop_assert_eq!(listener.heard, expected);
    }

    #[test]
    fn random_bytes_keep_the_property(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        frames_property(&bytes);
    }

    #[test]
    fn damaged_frames_keep_the_property(
        items in proptest::collection::vec(any_item(), 1..3),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let small = |item: Item| match item {
            Item::Message { session, lens } => Item::Message {
                session,
                lens: lens.iter().map(|len| len % 500).collect(),
            },
            item => item,
        };
        let items: Vec<Item> = items.into_iter().map(small).collect();
        let mut stream = frames(&items).0.concat();
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        frames_property(&stream);
    }
}

#[test]
fn frames_cut_at_every_byte_come_out_whole() {
    let items = [
        Item::Message {
            session: 1,
            lens: vec![10, 0, 5],
        },
        Item::Control {
            session: 2,
            len: 24,
        },
        Item::Message {
            session: 1,
            lens: vec![0],
        },
        Item::Message {
            session: 3,
            lens: vec![40],
        },
        Item::Void {
            session: 1,
            len: 99,
        },
    ];
    let (frames, heard) = frames(&items);
    let stream = frames.concat();
    for cut in 0..=stream.len() {
        let mut listener = Listener::default();
        let mut demux = Demux::new(u64::MAX);
        let (before, after) = stream.split_at(cut);
        demux.feed(before, None, &mut listener).unwrap();
        demux.feed(after, None, &mut listener).unwrap();
        assert_eq!(listener.heard, heard, "cut at {cut}");
        assert!(demux.end().is_ok());
    }
}

#[test]
fn messages_of_one_session_that_came_at_once_are_one_run() {
    let message = |session, seq| data(session, seq, &payload(0, &[4]));
    let stream = [message(1, 0), message(1, 1), message(2, 0), message(1, 2)].concat();
    let listener = read(&stream, usize::MAX, 100).unwrap();
    let runs: Vec<(u32, u64, u64)> = listener
        .runs
        .iter()
        .map(|run| (run.session(), run.messages(), run.load()))
        .collect();
    assert_eq!(runs, [(1, 2, 8), (2, 1, 4), (1, 1, 4)]);
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_is_thrown_away() {
    let limit = LARGE as u64 + 100;
    let at = |len: u64| payload(0, &[len as usize / 2, (len - len / 2) as usize]);
    for step in [1000, usize::MAX] {
        let stream = [
            data(1, 0, &at(limit)),
            data(1, 1, &at(limit + 1)),
            data(1, 2, &at(3)),
        ];
        let listener = read(&stream.concat(), step, limit).unwrap();
        let expected = [
            Heard::Message(1, 0, false, at(limit)),
            Heard::TooLarge(1, 1, limit + 1),
            Heard::Message(1, 2, false, at(3)),
        ];
        assert_eq!(listener.heard, expected);
    }
}

#[test]
fn a_thousand_frames_come_out_whole_however_few_bytes_come_at_once() {
    let mut rng = hypermesh_testkit::Rng::new(7);
    let items: Vec<_> = (0..1024)
        .map(|_| {
            let session = 1 + rng.below(3) as u32;
            match rng.below(8) {
                0 => Item::Void { session, len: 9 },
                1 => Item::Control {
                    session,
                    len: rng.below(60) as usize,
                },
                // Mostly short, and now and then in memory of its own.
                n => {
                    let most = if rng.chance(0.02) { 70_000 } else { 80 };
                    let lens = (0..1 + n % 3).map(|_| rng.below(most) as usize);
                    Item::Message {
                        session,
                        lens: lens.collect(),
                    }
                }
            }
        })
        .collect();
    let (frames, heard) = frames(&items);
    for step in [1, 2, 3, 4, 5, usize::MAX] {
        let listener = read(&frames.concat(), step, u64::MAX).unwrap();
        assert!(listener.heard == heard, "{step} at once");
    }
}

#[test]
fn the_limit_holds_for_short_messages_too() {
    let listener = read(&data(1, 7, &payload(0, &[60, 41])), usize::MAX, 100).unwrap();
    assert_eq!(listener.heard, [Heard::TooLarge(1, 7, 101)]);
}

#[test]
fn what_is_no_frame_is_refused() {
    let with = |index: usize, byte: u8| {
        let mut frame = Header::control(Kind::Data, 1, 0).encode();
        frame[index] = byte;
        frame
    };
    check_error(&with(0, 0), FrameError::Kind(0));
    check_error(&with(0, 17), FrameError::Kind(17));
    check_error(&with(3, 2), FrameError::TooManyParts(0x02_0000));
    let mut ack = Header::control(Kind::Ack, 1, 0).encode();
    ack[1] = 1;
    check_error(&ack, FrameError::TooManyParts(1));
    ack = Header::control(Kind::Ack, 1, 0).encode();
    ack[4..8].copy_from_slice(&8193u32.to_le_bytes());
    check_error(&ack, FrameError::TooLong { kind: 5, len: 8193 });
    let long = [
        &Header::control(Kind::Data, 1, 2 << 20).encode()[..],
        &[0; 100],
    ]
    .concat();
    let len = (2 << 20) + 16;
    check_error(&long, FrameError::TooLong { kind: 1, len });
}

#[test]
fn long_frames_that_are_passed_on_come_out_as_they_are() {
    const PASSED: u32 = 900;
    let long = data(PASSED, 5, &payload(0, &[10, 0, LARGE, 3]));
    let stray = chunk(PASSED, 7, &[0xff; 3000]);
    let stream = [&long[..], &stray, &chunk(PASSED, 8, &[])].concat();
    for step in [1, 7, 5000, usize::MAX] {
        // Whatever size this end takes itself.
        let listener = read(&stream, step, 100).unwrap();
        let frames = listener.heard.iter().map(|heard| match heard {
            Heard::Control(header, rest) => [&header.encode()[..], rest].concat(),
            other => panic!("{other:?}"),
        });
        let frames: Vec<_> = frames.collect();
        assert_eq!(frames.concat(), stream, "in steps of {step}");
        assert_eq!(frames.len(), 3);
    }
    check_error(&long[..long.len() - 1], FrameError::Cut);
    let too_long = data(PASSED, 5, &payload(0, &[10, CHUNK_ABOVE as usize]));
    let len = too_long.len() as u64;
    check_error(&too_long, FrameError::TooLong { kind: 1, len });
}

#[test]
fn chunks_belong_to_the_session_of_their_own_headers() {
    // A gateway gives chunks another number, and not what is in them.
    let frame = data(1, 5, &payload(0, &[100]));
    let listener = read(&chunk(2, 5, &frame), 7, u64::MAX).unwrap();
    assert_eq!(
        listener.heard,
        [Heard::Message(2, 5, false, payload(0, &[100]))]
    );
}

#[test]
fn a_chunk_that_does_not_belong_to_the_message_before_it_is_refused() {
    let frame = data(1, 5, &payload(0, &[100]));
    let wrong_seq = chunk(1, 6, &frame);
    check_error(&wrong_seq, FrameError::Kind(3));
    let more = chunk(1, 5, &[&frame[..], &[0]].concat());
    check_error(&more, FrameError::StrayChunk);
    let other = [chunk(1, 5, &frame[..50]), chunk(1, 6, &frame[50..])].concat();
    check_error(&other, FrameError::StrayChunk);
    let long = [
        chunk(1, 5, &frame[..50]),
        data(1, 6, &payload(0, &[LARGE + 1])),
    ]
    .concat();
    check_error(&long, FrameError::StrayChunk);
}
