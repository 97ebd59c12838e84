//! Tests of the frames.

use proptest::prelude::*;

use super::*;

/// Decodes `bytes`, which come in pieces of `piece` bytes and then end.
fn decode(bytes: &[u8], piece: usize) -> Result<Vec<(FrameKind, Bytes)>, FrameError> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for bytes in bytes.chunks(piece) {
        decoder.push(bytes);
        while let Some(frame) = decoder.next()? {
            frames.push(frame);
        }
    }
    decoder.finish()?;
    Ok(frames)
}

#[test]
fn frames_come_out_as_they_went_in_however_they_are_cut() {
    let bodies = [
        (FrameKind::Boot, &b"one"[..]),
        (FrameKind::Drain, b""),
        (FrameKind::Report, b"three"),
    ];
    let mut stream = Vec::new();
    for (kind, body) in bodies {
        stream.extend(encode(kind, body).unwrap());
    }
    for piece in 1..=stream.len() {
        let frames = decode(&stream, piece).unwrap();
        let seen: Vec<_> = frames.iter().map(|(kind, body)| (*kind, &**body)).collect();
        assert_eq!(seen, bodies);
    }
}

#[test]
fn inv1_any_flipped_byte_and_any_truncation_is_refused() {
    let frame = encode(FrameKind::Boot, b"the body").unwrap();
    for at in 0..frame.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = frame.clone();
            bad[at] ^= flip;
            // The eighth byte is padding, but the header's checksum covers it.
            assert!(
                decode(&bad, bad.len()).is_err(),
                "byte {at} flipped by {flip:#x}"
            );
        }
        if at != 0 {
            assert_eq!(
                decode(&frame[..at], at),
                Err(FrameError::Truncated { len: at })
            );
        }
    }
}

#[test]
fn each_fault_has_its_own_error() {
    #[track_caller]
    fn check(frame: &[u8], text: &str) {
        let error = decode(frame, frame.len()).unwrap_err();
        assert!(
            error.to_string().contains(text),
            "{error} does not say {text}"
        );
    }
    let header = |version: u16, kind: u8, len: u32| {
        let mut header = MAGIC.to_vec();
        header.extend(version.to_le_bytes());
        header.extend([kind, 0]);
        header.extend(len.to_le_bytes());
        header.extend(fnv1a_32(&header).to_le_bytes());
        header.extend(fnv1a_64(b"").to_le_bytes());
        header
    };
    check(b"GET / HTTP/1.1", "not with \"GET \"");
    check(
        &header(7, 1, 0),
        "version 7 of the bootstrap frames, this one version 1",
    );
    check(&header(1, 9, 0), "kind 9");
    check(&header(1, 1, u32::MAX), "more than the 16777216 allowed");
    assert!(decode(&header(1, 1, 0), HEADER).is_ok());
}

#[test]
fn inv3_nothing_comes_after_an_error() {
    let mut decoder = Decoder::default();
    decoder.push(b"nonsense");
    assert!(decoder.next().is_err());
    decoder.push(&encode(FrameKind::Boot, b"x").unwrap());
    assert_eq!(decoder.next(), Ok(None));
}

proptest! {
    #[test]
    fn inv2_no_bytes_make_the_decoder_panic_or_hold_more_than_it_was_given(bytes: Vec<u8>, magic: bool) {
        let mut stream = if magic { MAGIC.to_vec() } else { Vec::new() };
        stream.extend(bytes);
        let mut decoder = Decoder::default();
        decoder.push(&stream);
        while let Ok(Some(_)) = decoder.next() {}
        prop_assert!(decoder.buf.len() <= stream.len());
    }
}
