//! What waits to be said on one leg of a relay. Holds no socket, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: frames leave in the order in which they came, each whole.
//! - **INV-2**: when more than the limit waits already, no further frame is taken.
//! - **INV-3**: after the last word nothing is taken any more.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{
    demux::{Run, lengths},
    frame::{HEADER_LEN, Header, NEXT_LEN, split_next},
    image::Image,
};

/// What a frame that waits costs besides its bytes, about.
const COST: u64 = 64;

/// Some whole frames.
#[derive(Clone, Debug)]
pub(super) enum Frames {
    /// One behind the other, the first one maybe without its header.
    Run(Option<Header>, Bytes),
    /// One frame: its header, and what follows.
    One(Header, Bytes),
}

impl Frames {
    /// Returns messages that came one behind the other, as those of the session with `number`.
    pub(super) fn renumbered(run: Run, number: u32) -> Self {
        let (first, frames) = run.into_frames();
        let mut bytes = frames
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let mut rest = &mut bytes[..];
        if let Some(first) = first {
            rest = &mut rest[first.len as usize..];
        }
        loop {
            while let Some((len, _)) = split_next(rest) {
                rest = &mut rest[NEXT_LEN + len..];
            }
            let Some((head, _)) = rest.split_first_chunk_mut::<HEADER_LEN>() else {
                break;
            };
            head[8..12].copy_from_slice(&number.to_le_bytes());
            let header = Header::decode(head).expect("the frame was read before");
            let table = HEADER_LEN + 4 * header.parts as usize;
            let parts: usize = lengths(&rest[HEADER_LEN..table])
                .map(|len| len as usize)
                .sum();
            rest = &mut rest[table + header.len as usize + parts..];
        }
        let session = number;
        let first = first.map(|first| Header { session, ..first });
        Self::Run(first, bytes.freeze())
    }

    /// Returns one frame, as one of the session with `number`.
    pub(super) fn one(header: Header, rest: Bytes, number: u32) -> Self {
        let session = number;
        Self::One(Header { session, ..header }, rest)
    }

    fn cost(&self) -> u64 {
        let len = match self {
            Self::Run(first, bytes) => first.map_or(0, |_| HEADER_LEN) + bytes.len(),
            Self::One(_, rest) => HEADER_LEN + rest.len(),
        };
        COST + len as u64
    }

    fn put(self, image: &mut Image) {
        match self {
            Self::Run(None, frames) => image.push(frames),
            Self::Run(Some(header), rest) | Self::One(header, rest) => {
                image.copy(&header.encode());
                image.push(rest);
            }
        }
    }
}

/// What became of frames that were to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Taken,
    /// Too much waits already.
    Full,
    /// The last word was given before.
    Over,
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Carrying,
    /// The last word waits to be said.
    Last,
    Over,
}

/// The frames that wait.
#[derive(Debug)]
pub(super) struct Queue {
    frames: VecDeque<Frames>,
    cost: u64,
    limit: u64,
    stage: Stage,
}

impl Queue {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            frames: VecDeque::new(),
            cost: 0,
            limit,
            stage: Stage::Carrying,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn push(&mut self, frames: Frames) -> Pushed {
        if self.stage != Stage::Carrying {
            return Pushed::Over;
        }
        if self.limit < self.cost {
            return Pushed::Full;
        }
        self.cost += frames.cost();
        self.frames.push_back(frames);
        Pushed::Taken
    }

    /// Takes the last word, and returns whether it did (INV-3).
    pub(super) fn push_last(&mut self, frame: Frames) -> bool {
        if self.stage != Stage::Carrying {
            return false;
        }
        self.cost += frame.cost();
        self.frames.push_back(frame);
        self.stage = Stage::Last;
        true
    }

    /// Forgets what waits, so that only a last word can follow.
    pub(super) fn clear(&mut self) {
        self.frames = VecDeque::new();
        self.cost = 0;
    }

    /// Ends without a last word.
    pub(super) fn end(&mut self) {
        self.clear();
        self.stage = Stage::Over;
    }

    /// Hands out what is to be written, not much more than `budget` bytes, and returns whether there is more.
    pub(super) fn take(&mut self, budget: usize, image: &mut Image) -> bool {
        let end = image.len() + budget;
        while image.len() < end {
            let Some(frames) = self.frames.pop_front() else {
                break;
            };
            self.cost -= frames.cost();
            frames.put(image);
        }
        if !self.frames.is_empty() {
            return true;
        }
        if self.stage == Stage::Last {
            self.stage = Stage::Over;
        }
        if self.frames.capacity() > 64 {
            self.frames = VecDeque::new();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        demux::{Demux, property::Listener},
        frame::{Kind, encode_next},
    };

    fn frame(len: usize) -> Frames {
        let header = Header::control(Kind::Ack, 1, len);
        Frames::one(header, Bytes::from(vec![0; len]), 2)
    }

    fn written(queue: &mut Queue, budget: usize) -> (usize, bool) {
        let mut image = Image::default();
        let more = queue.take(budget, &mut image);
        (image.len(), more)
    }

    /// Returns the run that `frames` are.
    fn run(frames: &[u8], shared: Option<&Bytes>, demux: &mut Demux) -> Run {
        let mut listener = Listener::default();
        demux.feed(frames, shared, &mut listener).unwrap();
        listener.runs.pop().unwrap()
    }

    fn passed_on(run: Run, number: u32) -> Vec<u8> {
        let mut image = Image::default();
        Frames::renumbered(run, number).put(&mut image);
        let slices = image.slices();
        slices.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn inv1_the_frames_get_another_number_and_nothing_else() {
        const NUMBER: u32 = 0x0102_0304;
        let mut frames = Vec::new();
        let mut expected = Vec::new();
        for (seq, parts) in (9..).zip([&[][..], &[3, 0], &[1]]) {
            let header = Header {
                kind: Kind::Data,
                parts: parts.len() as u32,
                len: 5,
                session: 7,
                seq,
            };
            let mut rest: Vec<u8> = parts
                .iter()
                .flat_map(|len: &u32| len.to_le_bytes())
                .collect();
            rest.extend(vec![0xff; 5 + parts.iter().sum::<u32>() as usize]);
            // One that follows it has nothing that changes.
            rest.extend([&encode_next(2)[..], b"no"].concat());
            frames.extend([&header.encode()[..], &rest].concat());
            let session = NUMBER;
            expected.extend([&Header { session, ..header }.encode()[..], &rest].concat());
        }
        let copied = run(&frames, None, &mut Demux::new(1000));
        assert_eq!(passed_on(copied, NUMBER), expected);
    }

    #[test]
    fn inv1_what_follows_a_message_that_went_before_gets_a_header() {
        let mut demux = Demux::new(1000);
        let before = Header::data(7, u64::from(u32::MAX), 1);
        run(&[&before.encode()[..], b"a"].concat(), None, &mut demux);
        let next = [
            &encode_next(2)[..],
            b"bc",
            &encode_next(0),
            &encode_next(1),
            b"d",
        ]
        .concat();
        let header = Header::data(8, 0, 2);
        let expected = [&header.encode()[..], &next[4..]].concat();
        assert_eq!(passed_on(run(&next, None, &mut demux), 8), expected);
    }

    #[test]
    fn inv1_each_take_is_of_whole_frames_and_little_more_than_its_budget() {
        let mut queue = Queue::new(1000);
        for len in [10, 20, 30] {
            assert_eq!(queue.push(frame(len)), Pushed::Taken);
        }
        assert_eq!(written(&mut queue, 27), (26 + 36, true));
        assert_eq!(written(&mut queue, 1), (46, false));
        assert_eq!(written(&mut queue, 1), (0, false));
    }

    #[test]
    fn inv2_beyond_its_limit_the_queue_takes_one_frame() {
        let mut queue = Queue::new(300);
        assert_eq!(queue.push(frame(200)), Pushed::Taken);
        assert_eq!(queue.push(frame(900)), Pushed::Taken);
        assert_eq!(queue.push(frame(0)), Pushed::Full);
        // What was said makes room again.
        assert_eq!(
            written(&mut queue, usize::MAX >> 1),
            (200 + 900 + 32, false)
        );
        assert_eq!(queue.push(frame(0)), Pushed::Taken);
    }

    #[test]
    fn inv3_nothing_follows_the_last_word() {
        let mut queue = Queue::new(0);
        assert_eq!(queue.push(frame(1)), Pushed::Taken);
        assert!(queue.push_last(frame(2)));
        assert_eq!(queue.stage(), Stage::Last);
        assert!(!queue.push_last(frame(3)));
        assert_eq!(queue.push(frame(4)), Pushed::Over);
        assert_eq!(written(&mut queue, 1), (17, true));
        assert_eq!(written(&mut queue, 1), (18, false));
        assert_eq!(queue.stage(), Stage::Over);
    }
}
