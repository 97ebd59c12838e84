//! What an image gives to be written, and whom it tells of what was not.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::{carried::Wish, frame::Header, outcome::ProtocolError};

/// Writes the image in pieces of at most `step` bytes.
fn written(image: &mut Image, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while !image.is_empty() {
        let before = all.len();
        for slice in image.slices() {
            let left = step - (all.len() - before);
            all.extend(slice.iter().take(left));
        }
        image.advance(all.len() - before);
    }
    all
}

/// Writes the image as a pipe takes it: piece by piece.
fn by_pieces(image: &mut Image) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = image.first() {
        all.extend(&bytes[..]);
        image.advance(bytes.len());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn vectored_and_partial_writes_give_the_same_bytes(
        pieces in proptest::collection::vec((any::<bool>(), 0usize..100, any::<u8>()), 0..20),
        step in 1usize..200,
        early in 0usize..60,
    ) {
        let mut expected: Vec<u8> = Vec::new();
        let mut images = [Image::default(), Image::default()];
        let mut got = Vec::new();
        for (shared, len, byte) in pieces {
            let bytes = vec![byte; len];
            expected.extend(&bytes);
            for image in &mut images {
                if shared {
                    image.push(bytes.clone().into());
                } else {
                    image.copy(&bytes);
                }
            }
            // Some of it is written while more is added.
            let n = early.min(images[0].len());
            let now: Vec<u8> = images[0].slices().iter().flat_map(|s| s.to_vec()).take(n).collect();
            images[0].advance(now.len());
            got.extend(now);
        }
        prop_assert_eq!(images[0].pushed(), expected.len() as u64);
        prop_assert_eq!(images[0].len(), expected.len() - got.len());
        got.extend(written(&mut images[0], step));
        prop_assert_eq!(&got, &expected);
        prop_assert_eq!(by_pieces(&mut images[1]), expected);
    }
}

#[test]
fn shared_bytes_are_written_from_where_they_lie() {
    let bytes = Bytes::from(vec![7; 10]);
    let mut image = Image::default();
    image.copy(b"head");
    image.push(bytes.clone());
    assert_eq!(image.slices()[1].as_ptr(), bytes.as_ptr());
}

#[test]
fn more_pieces_than_a_system_call_takes_are_written_in_several() {
    let mut image = Image::default();
    for _ in 0..5000 {
        image.push(Bytes::from_static(b"piece"));
    }
    assert_eq!(image.slices().len(), MAX_PIECES);
    assert_eq!(written(&mut image, usize::MAX).len(), 25_000);
}

/// A session that remembers what it was told not to have sent.
#[derive(Default)]
struct Told(Mutex<Vec<u64>>);

impl Carried for Told {
    fn fill(self: Arc<Self>, _: u64, _: usize, _: &mut Image) -> bool {
        false
    }

    fn on_control(self: Arc<Self>, _: u64, _: Header, _: &Bytes) -> Result<Wish, ProtocolError> {
        Ok(Wish::None)
    }

    fn on_tick(self: Arc<Self>, _: u64) -> Wish {
        Wish::None
    }

    fn on_lost(self: Arc<Self>, _: u64) {}

    fn unsend(&self, sent: u64) {
        self.0.lock().unwrap().push(sent);
    }
}

/// Fills an image with 10 bytes each after 0, 3 and 5 messages, writes some of it, and checks who is told.
#[track_caller]
fn check_abandoned(written: usize, told: &[u64]) {
    let session = Arc::new(Told::default());
    let carried: Arc<dyn Carried> = session.clone();
    let mut image = Image::default();
    for sent in [0, 3, 5] {
        let begin = image.pushed();
        image.push(Bytes::from_static(b"0123456789"));
        image.filled(begin, &carried, sent);
    }
    image.advance(written);
    image.abandon();
    assert_eq!(*session.0.lock().unwrap(), told);
}

#[test]
fn what_no_byte_was_written_of_was_not_sent() {
    check_abandoned(0, &[5, 3, 0]);
    check_abandoned(1, &[5, 3]);
    check_abandoned(10, &[5, 3]);
    check_abandoned(11, &[5]);
    check_abandoned(30, &[]);
}
