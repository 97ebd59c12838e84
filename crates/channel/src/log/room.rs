//! Memory that short messages are framed in, used again when they are acknowledged.
//!
//! Memory that is fresh from the system costs a fault for each page, as much as what is written there.
//!
//! # Invariants
//!
//! - **INV-1**: memory is given out once all that was framed in it is gone, and not before.
//! - **INV-2**: at most [`KEPT`] pieces of [`LAST`] bytes are kept, and none before messages are many.

use std::collections::VecDeque;

use bytes::BytesMut;

/// The memory grows from the first to the last size while messages are many.
const FIRST: usize = 256;
pub(super) const LAST: usize = 128 << 10;
/// So many pieces of the last size are kept: about as much as is on its way at one time.
const KEPT: usize = 16;

/// What is to be used next, and again.
#[derive(Debug)]
pub(super) struct Room {
    size: usize,
    /// Whether what was given out last is kept.
    is_kept: bool,
    /// The oldest is in front: its messages are the first to be acknowledged.
    used: VecDeque<BytesMut>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            size: FIRST,
            is_kept: false,
            used: VecDeque::new(),
        }
    }

    /// Returns memory for `len` bytes or more. `full` is what is left of the last one, from which all was split off.
    pub(super) fn next(&mut self, len: usize, full: BytesMut) -> BytesMut {
        if self.is_kept {
            if self.used.len() == KEPT {
                self.used.pop_front();
            }
            self.used.push_back(full);
        }
        let len = len.max(self.size);
        self.is_kept = len == LAST;
        if self.is_kept
            && self
                .used
                .front_mut()
                .is_some_and(|used| used.try_reclaim(len))
            && let Some(used) = self.used.pop_front()
        {
            return used;
        }
        self.size = (2 * self.size).min(LAST);
        BytesMut::with_capacity(len)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Fills memory and returns what lies in it, after which nothing is left of it.
    fn fill(room: &mut Room, tail: &mut BytesMut) -> Bytes {
        let full = std::mem::take(tail);
        *tail = room.next(1, full);
        tail.resize(tail.capacity(), 7);
        tail.split().freeze()
    }

    /// Returns a room of messages that are many.
    fn grown() -> (Room, BytesMut) {
        let (mut room, mut tail) = (Room::new(), BytesMut::new());
        while fill(&mut room, &mut tail).len() < LAST {}
        (room, tail)
    }

    #[test]
    fn inv1_memory_comes_again_when_what_lies_in_it_is_gone() {
        let (mut room, mut tail) = grown();
        let held: Vec<Bytes> = (0..3).map(|_| fill(&mut room, &mut tail)).collect();
        let first = held[0].as_ptr();
        assert!(held.iter().all(|bytes| bytes.iter().all(|byte| *byte == 7)));
        assert!(fill(&mut room, &mut tail).as_ptr() != first);
        drop(held);
        let again: Vec<_> = (0..6)
            .map(|_| fill(&mut room, &mut tail).as_ptr())
            .collect();
        assert!(again.contains(&first));
    }

    #[test]
    fn inv2_few_messages_keep_nothing_and_many_keep_a_limited_number() {
        let (mut room, mut tail) = (Room::new(), BytesMut::new());
        assert_eq!(fill(&mut room, &mut tail).len(), FIRST);
        assert_eq!(fill(&mut room, &mut tail).len(), 2 * FIRST);
        assert_eq!(room.used.len(), 0);
        let (mut room, mut tail) = grown();
        let held: Vec<Bytes> = (0..100).map(|_| fill(&mut room, &mut tail)).collect();
        assert_eq!((held.len(), room.used.len()), (100, KEPT));
        // What is longer than usual is not kept.
        let long = room.next(LAST + 1, std::mem::take(&mut tail));
        room.used.clear();
        room.next(1, long);
        assert_eq!(room.used.len(), 0);
    }
}
