//! What a connection gets of a log: whole pieces where the credit allows it, otherwise frames, and chunks of a long message.

use bytes::Bytes;

use super::{
    Cursor, Log,
    piece::{Piece, frames},
};
use crate::{
    frame::{CHUNK_ABOVE, CHUNK_LEN, Header, Kind, NEXT_LEN, split_next},
    image::Image,
};

impl<P> Log<P> {
    /// Hands out what may be written now, at least one frame or chunk if there is something, and not much more
    /// than `budget` bytes. Returns whether there is more.
    pub(crate) fn take(&mut self, mut budget: usize, image: &mut Image) -> bool {
        while self.is_ready() {
            if budget == 0 {
                return true;
            }
            if self.cursor.piece == self.first_piece + self.pieces.len() as u64 {
                self.close_tail();
            }
            let before = image.len();
            let piece = &self.pieces[(self.cursor.piece - self.first_piece) as usize];
            if piece.is_single() {
                self.take_single(image);
            } else {
                self.take_run(image);
            }
            self.sent = self
                .sent
                .max(self.cursor.at.seq + u64::from(self.is_inside()));
            budget = budget.saturating_sub(image.len() - before);
        }
        false
    }

    /// Returns whether something may be written now (INV-5).
    pub(crate) fn is_ready(&self) -> bool {
        let at = self.cursor.at;
        at.seq < self.end.seq
            && (self.is_inside() || at.seq < self.credit.seq && at.load < self.credit.load)
    }

    fn take_run(&mut self, image: &mut Image) {
        let piece = &self.pieces[(self.cursor.piece - self.first_piece) as usize];
        let rest = piece.bytes.slice(self.cursor.offset..);
        let end = piece.end;
        // A last message without bytes begins where the piece ends.
        if end.seq <= self.credit.seq && end.load < self.credit.load {
            self.put_run(rest, image);
            self.cursor = Cursor {
                piece: self.cursor.piece + 1,
                offset: 0,
                at: end,
            };
            return;
        }
        let (mut len, mut at) = (0, self.cursor.at);
        for frame in frames(&rest) {
            if self.credit.seq <= at.seq || self.credit.load <= at.load {
                break;
            }
            len += frame.len;
            at.seq += 1;
            at.load += frame.load;
        }
        self.put_run(rest.slice(..len), image);
        self.cursor.at = at;
        self.cursor.offset += len;
        if len == rest.len() {
            self.cursor.piece += 1;
            self.cursor.offset = 0;
        }
    }

    /// Hands out some frames of a piece from the cursor on. The first one follows no other.
    fn put_run(&self, frames: Bytes, image: &mut Image) {
        let Some((len, _)) = split_next(&frames) else {
            return image.push(frames);
        };
        let header = Header::data(self.session, self.cursor.at.seq, len);
        image.copy(&header.encode());
        image.push(frames.slice(NEXT_LEN..));
    }

    fn take_single(&mut self, image: &mut Image) {
        let piece = &self.pieces[(self.cursor.piece - self.first_piece) as usize];
        let len = piece.len();
        let whole = len as u64 <= CHUNK_ABOVE;
        let offset = self.cursor.offset;
        let n = if whole {
            len
        } else {
            CHUNK_LEN.min(len - offset)
        };
        if !whole {
            let header = Header {
                seq: self.cursor.at.seq as u32,
                ..Header::control(Kind::Chunk, self.session, n)
            };
            image.copy(&header.encode());
        }
        piece.slice(offset..offset + n, |bytes| image.push(bytes));
        self.cursor.offset += n;
        if self.cursor.offset == len {
            self.cursor = Cursor {
                piece: self.cursor.piece + 1,
                offset: 0,
                at: piece.end,
            };
        }
    }

    /// Returns whether a message is begun and not handed out to its end.
    pub(crate) fn is_inside(&self) -> bool {
        let i = (self.cursor.piece - self.first_piece) as usize;
        self.cursor.offset > 0 && self.pieces.get(i).is_some_and(Piece::is_single)
    }

    /// Moves the cursor to the message `seq`, which is not trimmed.
    pub(super) fn seek(&mut self, seq: u64) {
        self.close_tail();
        let i = self.pieces.partition_point(|piece| piece.end.seq <= seq);
        let mut at = match i.checked_sub(1) {
            Some(before) => self.pieces[before].end,
            None => self.start,
        };
        let mut offset = 0;
        if let Some(piece) = self.pieces.get(i).filter(|piece| !piece.is_single()) {
            let before = (seq - at.seq) as usize;
            for frame in frames(&piece.bytes).take(before) {
                offset += frame.len;
                at.seq += 1;
                at.load += frame.load;
            }
        }
        let piece = self.first_piece + i as u64;
        self.cursor = Cursor { piece, offset, at };
    }
}
