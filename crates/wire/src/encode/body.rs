//! The bytes of an encoding in progress.
//!
//! Where a value is written field by field, each field depends on the length that the one before has left. This is made
//! so that the compiler may keep place and length in registers: nothing that is called on the way takes their address.
//!
//! # Invariants
//!
//! - **INV-1**: of the memory of the owner behind its length, the first `written` bytes are initialized and
//!   `written <= room`; `room` bytes from `begin` on are the owner's.
//! - **INV-2**: the owner is borrowed, so nobody else writes there, moves it or frees it.

#![allow(
    unsafe_code,
    reason = "a checked method for each field keeps the length in memory, and each field waits for the one before"
)]

use std::ptr;

use bytes::BytesMut;

/// What is appended to a buffer, and is a part of it when it is [`finished`](Self::finish).
#[derive(Debug)]
pub(super) struct Body<'a> {
    begin: *mut u8,
    written: usize,
    room: usize,
    owner: &'a mut BytesMut,
}

impl<'a> Body<'a> {
    #[inline]
    pub(super) fn new(owner: &'a mut BytesMut) -> Self {
        let (begin, room) = spare(owner);
        Self {
            begin,
            written: 0,
            room,
            owner,
        }
    }

    /// Returns a number that grows with each byte that is put.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.owner.len() + self.written
    }

    /// Makes what was put the end of the buffer, and returns the length of that.
    #[inline]
    pub(super) fn finish(self) -> usize {
        let len = self.len();
        commit(self.owner, self.written);
        len
    }

    /// Appends `bytes`.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.put_some(bytes, bytes.len());
    }

    /// Appends the first `len` of `bytes`, and may use room for all of them: that many in one go are faster than as many as
    /// count.
    #[inline]
    pub(super) fn put_some(&mut self, bytes: &[u8], len: usize) {
        let count = bytes.len();
        if self.room - self.written < count {
            (self.begin, self.room) = grow(self.owner, self.written, count);
            self.written = 0;
        }
        // SAFETY: there is room for all of them (INV-1), in memory that is borrowed and therefore not theirs (INV-2).
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.begin.add(self.written), count) };
        self.written += len.min(count);
    }
}

/// Returns where the unused room of `owner` begins, and how many bytes it has.
#[inline]
fn spare(owner: &mut BytesMut) -> (*mut u8, usize) {
    let spare = owner.spare_capacity_mut();
    (spare.as_mut_ptr().cast(), spare.len())
}

/// Makes the first `written` bytes of the room of `owner` a part of it.
#[inline]
fn commit(owner: &mut BytesMut, written: usize) {
    let len = owner.len() + written;
    // SAFETY: they are in its room and initialized (INV-1 of `Body`, from which both callers come).
    unsafe { owner.set_len(len) };
}

/// Does that, and returns room for `len` bytes more.
#[cold]
#[inline(never)]
fn grow(owner: &mut BytesMut, written: usize, len: usize) -> (*mut u8, usize) {
    commit(owner, written);
    owner.reserve(len);
    spare(owner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn inv1_what_is_put_is_there_in_order_behind_what_was(
            prefix in prop::collection::vec(any::<u8>(), 0..40),
            room in 0_usize..40,
            puts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..30), 0_usize..40), 0..20),
        ) {
            let mut buffer = BytesMut::with_capacity(prefix.len() + room);
            buffer.extend_from_slice(&prefix);
            let mut expected = prefix;
            let mut body = Body::new(&mut buffer);
            for (bytes, len) in &puts {
                body.put_some(bytes, *len);
                expected.extend(&bytes[..bytes.len().min(*len)]);
                prop_assert_eq!(body.len(), expected.len());
            }
            body.finish();
            prop_assert_eq!(&buffer[..], &expected[..]);
        }

        #[test]
        fn inv1_what_is_not_finished_is_no_longer_than_what_was_put(
            puts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..20),
        ) {
            let mut buffer = BytesMut::new();
            let mut body = Body::new(&mut buffer);
            puts.iter().for_each(|bytes| body.put(bytes));
            prop_assert!(puts.concat().starts_with(&buffer));
        }
    }
}
