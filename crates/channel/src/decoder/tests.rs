//! The decoder against streams that are whole, cut in pieces, and wrong.

use proptest::prelude::*;

use super::*;
use crate::image::Image;

/// Messages with bodies and parts around all borders that the code knows.
pub(crate) fn any_payload() -> impl Strategy<Value = Payload> {
    let len = prop_oneof![
        4 => 0usize..100,
        2 => 500usize..3000,
        1 => LARGE - 2..LARGE + 2,
        1 => 3 * LARGE - 5..3 * LARGE,
    ];
    let bytes = (any::<u8>(), len).prop_map(|(first, len)| {
        let value = |i: usize| first.wrapping_add((i % 251) as u8);
        Bytes::from((0..len).map(value).collect::<Vec<u8>>())
    });
    (bytes.clone(), proptest::collection::vec(bytes, 0..4)).prop_map(|(body, parts)| Payload {
        body,
        parts: parts.into(),
    })
}

/// Returns the bytes of the frames of `payloads`.
fn stream(payloads: &[Payload]) -> Vec<u8> {
    let mut image = Image::default();
    payloads.iter().for_each(|payload| image.push(payload));
    image
        .slices()
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect()
}

/// Decodes `stream` as a reader does: in pieces of `step` bytes, and straight into the memory of a
/// large segment where there is one.
fn decode(mut stream: &[u8], step: usize, max: u64) -> Result<Vec<Payload>, FrameError> {
    let mut decoder = Decoder::new(max);
    let mut messages = Vec::new();
    while !stream.is_empty() {
        let mut n = stream.len().min(step);
        if let Some((bytes, missing)) = decoder.direct() {
            n = n.min(missing).min(bytes.capacity() - bytes.len());
            assert_ne!(n, 0, "there is room");
            bytes.extend_from_slice(&stream[..n]);
            decoder.direct_done(&mut messages)?;
        } else {
            decoder.feed(&stream[..n], &mut messages)?;
        }
        stream = &stream[n..];
    }
    decoder.end()?;
    Ok(messages)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_come_out_as_they_went_in_however_the_stream_is_cut(
        payloads in proptest::collection::vec(any_payload(), 0..6),
        step in prop_oneof![1usize..20, 1000usize..200_000],
    ) {
        prop_assert_eq!(decode(&stream(&payloads), step, u64::MAX), Ok(payloads));
    }

    #[test]
    fn a_question_is_noticed_behind_the_messages_before_it_however_the_stream_is_cut(
        payloads in proptest::collection::vec(any_payload(), 0..3),
        step in prop_oneof![1usize..20, 1000usize..200_000],
    ) {
        let mut bytes = stream(&payloads);
        let ask = bytes.len();
        bytes.extend(crate::frame::ASK_FRAME);
        bytes.extend(stream(&payloads));
        let mut decoder = Decoder::new(u64::MAX);
        let mut messages = Vec::new();
        for (i, piece) in bytes.chunks(step).enumerate() {
            decoder.feed(piece, &mut messages).unwrap();
            let seen = (i * step..i * step + piece.len()).contains(&(ask + 7));
            prop_assert_eq!(decoder.take_asked(), seen);
        }
        prop_assert_eq!(messages, [&payloads[..], &payloads[..]].concat());
    }

    #[test]
    fn inv3_a_cut_stream_gives_whole_messages_and_an_error(
        payloads in proptest::collection::vec(any_payload(), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let stream = stream(&payloads);
        let cut = cut.index(stream.len());
        let mut decoder = Decoder::new(u64::MAX);
        let mut messages = Vec::new();
        decoder.feed(&stream[..cut], &mut messages).unwrap();
        let whole = messages.len();
        prop_assert_eq!(&messages[..], &payloads[..whole]);
        let border = stream.len() == cut || self::stream(&payloads[..whole]).len() == cut;
        prop_assert_eq!(decoder.end().is_ok(), border);
    }

    #[test]
    fn random_bytes_never_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, 7, 1 << 20);
    }
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_is_refused() {
    let payload = |len: usize| Payload {
        body: Bytes::from(vec![0; len / 2]),
        parts: [Bytes::from(vec![0; len - len / 2])].into_iter().collect(),
    };
    assert!(decode(&stream(&[payload(100)]), 7, 100).is_ok());
    let refused = Err(FrameError::TooLarge { len: 101, max: 100 });
    assert_eq!(decode(&stream(&[payload(101)]), 7, 100), refused);
    let plain = Payload {
        body: Bytes::from(vec![0; 101]),
        ..Payload::default()
    };
    assert_eq!(decode(&stream(&[plain]), 200, 100), refused);
}

#[test]
fn what_is_no_message_is_refused() {
    let kind = [9, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(decode(&kind, 8, 100), Err(FrameError::Kind(9)));
    for ask in [[4, 0, 0, 0, 5, 0, 0, 0], [4, 5, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(decode(&ask, 8, 100), Err(FrameError::AskLength(5)));
    }
    let parts = [1, 255, 255, 255, 0, 0, 0, 0];
    assert_eq!(
        decode(&parts, 3, 100),
        Err(FrameError::TooManyParts(0xff_ffff))
    );
}

#[test]
fn inv1_an_announced_length_costs_no_memory() {
    let mut decoder = Decoder::new(u64::MAX);
    let mut header = vec![1, 0, 0, 0];
    header.extend((256u32 << 20).to_le_bytes());
    header.extend([0; 10]);
    decoder.feed(&header, &mut Vec::new()).unwrap();
    let (bytes, missing) = decoder.direct().unwrap();
    assert_eq!(missing, (256 << 20) - 10);
    assert!(bytes.capacity() <= 128 << 10, "{} bytes", bytes.capacity());
}

#[test]
fn inv2_a_received_message_has_memory_of_its_own() {
    let payload = Payload {
        body: Bytes::from_static(b"0123456789"),
        ..Payload::default()
    };
    let input = stream(&[payload.clone(), payload]);
    let messages = decode(&input, input.len(), 100).unwrap();
    let at = |i: usize| messages[i].body.as_ptr() as usize;
    let read = input.as_ptr() as usize..input.as_ptr() as usize + input.len();
    assert!(!read.contains(&at(0)) && !read.contains(&at(1)));
}
