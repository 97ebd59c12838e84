//! What holds for any bytes in which a peer introduces itself, or begins a session: for a fuzz target and for tests.

use std::fmt::Debug;

use bytes::Bytes;

use super::{Answer, Hello, PREAMBLE_LEN, Preamble, WIRE_VERSION};
use crate::{
    frame::{Ack, MAX_CONTROL, Nack},
    open::{LostCode, Open, Opened, decode_refused, encode_refused},
    route::MAX_GATEWAYS,
};

/// So many starts of what is accepted are tried.
const N_CUTS: usize = 200;

/// Checks that nothing panics, that what is read is written as bytes that say the same, and that nothing is read out of
/// less than all of its bytes. Returns whether the bytes can be read.
///
/// The first byte says what the others are: from 0 on a hello, an answer, and the bodies of the frames open, opened,
/// refused, ack, nack and lost.
///
/// # Panics
///
/// If that does not hold.
pub fn handshake_property(bytes: &[u8]) -> bool {
    let Some((choice, bytes)) = bytes.split_first() else {
        return false;
    };
    let body = Bytes::copy_from_slice(bytes);
    match choice % 8 {
        0 => hello(bytes),
        1 => answer(bytes),
        2 => open(&body),
        3 => check(bytes, |body| {
            let opened = Opened::decode(&Bytes::copy_from_slice(body)).ok()?;
            let again = opened.encode();
            Some((opened, again))
        }),
        4 => check(bytes, |body| {
            let code = decode_refused(&Bytes::copy_from_slice(body))?;
            Some((code, encode_refused(code)))
        }),
        5 => check(bytes, |body| {
            let ack = Ack::decode(body)?;
            let mut again = Vec::new();
            ack.put(&mut again);
            assert_eq!(again, body);
            Some((ack, again))
        }),
        6 => check(bytes, |body| {
            let nack = Nack::decode(body)?;
            let mut again = Vec::new();
            nack.put(&mut again);
            assert_eq!(again, body);
            Some((nack, again))
        }),
        // Its body may be empty, so a start of it is read as well.
        _ => LostCode::decode(bytes).is_some_and(|code| {
            assert_eq!(LostCode::decode(&code.encode()), Some(code));
            true
        }),
    }
}

/// Returns what follows the preamble, if that announces just so much, and the version.
fn rest(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (preamble, rest) = bytes.split_first_chunk::<PREAMBLE_LEN>()?;
    let preamble = Preamble::decode(preamble).ok()?;
    (preamble.rest == rest.len()).then_some((preamble.version, rest))
}

fn hello(bytes: &[u8]) -> bool {
    let Some((version, body)) = rest(bytes) else {
        return false;
    };
    let decode = |body: &[u8]| {
        let hello = Hello::decode(body).ok()?;
        let again = rest_of(&hello.encode());
        Some((hello, again))
    };
    check(body, decode) && version == WIRE_VERSION
}

fn answer(bytes: &[u8]) -> bool {
    let Some((version, body)) = rest(bytes) else {
        return false;
    };
    if version == WIRE_VERSION && body.first() == Some(&0) {
        return check(body, |body| {
            let answer = Answer::decode(WIRE_VERSION, body).ok()?;
            let again = rest_of(&answer.encode());
            Some((answer, again))
        });
    }
    // A refusal is understood in every version, whatever a later one says after it.
    match Answer::decode(version, body) {
        Ok(answer) => {
            let again = rest_of(&answer.encode());
            assert_eq!(Answer::decode(WIRE_VERSION, &again).as_ref(), Ok(&answer));
            assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
            true
        }
        Err(_) => false,
    }
}

fn open(body: &Bytes) -> bool {
    check(body, |body| {
        let open = Open::decode(&Bytes::copy_from_slice(body)).ok()?;
        let again = open.encode();
        // A gateway passes it on with one hop less, in a frame.
        let fits = again.len() <= MAX_CONTROL as usize;
        assert!(fits || MAX_GATEWAYS < open.path.len(), "{}", again.len());
        Some((open, again))
    })
}

/// Returns what follows the preamble that this end writes.
fn rest_of(bytes: &[u8]) -> Vec<u8> {
    let (version, rest) = rest(bytes).expect("this end announces what it writes");
    assert_eq!(version, WIRE_VERSION);
    rest.to_vec()
}

/// Reads the bytes, and what is written of what was read; returns whether there was something.
fn check<T: Debug + PartialEq>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Option<(T, Vec<u8>)>,
) -> bool {
    let Some((value, written)) = decode(bytes) else {
        return false;
    };
    let again = decode(&written).map(|(value, _)| value);
    assert_eq!(again.as_ref(), Some(&value));
    for len in 0..bytes.len().min(N_CUTS) {
        assert!(decode(&bytes[..len]).is_none(), "{len} bytes of {value:?}");
    }
    let longer = [bytes, b"x"].concat();
    assert!(decode(&longer).is_none(), "more bytes than {value:?}");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::HEADER_LEN;

    /// Returns the bytes that the line of `docs/wire.md` which begins with `name` shows.
    #[track_caller]
    fn vector(name: &str) -> Vec<u8> {
        let document = include_str!("../../../../docs/wire.md");
        let mut lines = document.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let bytes = line
            .unwrap_or_else(|| panic!("no vector {name}"))
            .split(' ');
        bytes
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect()
    }

    #[track_caller]
    fn check(choice: u8, bytes: &[u8]) {
        let input = [&[choice], bytes].concat();
        assert!(handshake_property(&input), "{input:02x?}");
        assert!(!handshake_property(&input[..input.len() - 1]));
    }

    #[test]
    fn the_vectors_of_the_document_keep_the_property() {
        check(0, &vector("hello"));
        check(1, &vector("answer accepted"));
        check(1, &vector("answer refused version"));
        for (choice, name) in [
            (2, "frame open"),
            (3, "frame opened"),
            (4, "frame refused"),
            (5, "frame ack"),
            (5, "frame closed"),
            (6, "frame nack"),
        ] {
            check(choice, &vector(name)[HEADER_LEN..]);
        }
        assert!(handshake_property(&[7]) && handshake_property(&[7, 1]));
        assert!(!handshake_property(&[7, 1, 1]));
    }
}
