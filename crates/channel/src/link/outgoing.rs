//! The writing end of one connection, which its task works with, or for a moment whoever posts.
//!
//! # Invariants
//!
//! - **INV-1**: what the socket took is what was framed, in that order and without a gap, whoever wrote it.
//! - **INV-2**: whoever posts writes one small frame, and only if nothing waits to be written before it.

use std::io;

use tokio::io::AsyncWriteExt;

use crate::{
    frame::{ASK_FRAME, frame_len},
    image::Image,
    outcome::Parcel,
    session::Sending,
    stream::Writer,
};

/// Longer frames are left to the task: writing them takes its time.
const SMALL_FRAME: u64 = 16 << 10;

/// The writing end of a connection.
#[derive(Debug)]
pub(crate) struct Outgoing<P: Parcel> {
    writer: Writer,
    /// The bytes of the largest message that both ends allow.
    pub(super) max_message: u64,
    pub(super) sending: Sending<P>,
    /// What is framed and not written.
    pub(super) image: Image,
}

impl<P: Parcel> Outgoing<P> {
    pub(super) fn new(writer: Writer, max_message: u64) -> Self {
        Self {
            writer,
            max_message,
            sending: Sending::new(),
            image: Image::default(),
        }
    }

    /// Returns whether whoever posts `parcel` may write it himself (INV-2). What a full socket left over
    /// is the task's, so that all that comes behind it waits in the queue, which has a bound.
    pub(crate) fn takes(&self, parcel: &P) -> bool {
        self.image.is_empty()
            && frame_len(parcel.payload()) <= SMALL_FRAME.min(self.max_message)
            && parcel.payload().parts.is_empty()
    }

    /// Frames `parcel`, which is within the limits.
    pub(super) fn push(&mut self, parcel: P) {
        self.image.push(parcel.payload());
        let len = frame_len(parcel.payload());
        self.sending.push(parcel, len);
    }

    /// Asks the peer to acknowledge what it was not asked for, if somebody waits for that.
    pub(super) fn ask_if(&mut self, is_awaited: bool) {
        if is_awaited && self.sending.ask(ASK_FRAME.len() as u64) {
            self.image.push_ask();
        }
    }

    /// Frames `parcel` and writes it, and returns whether the socket took all. What it did not take, the
    /// task writes; if the connection is broken, the task finds out so too.
    pub(crate) fn write_now(&mut self, parcel: P, is_flushing: bool) -> bool {
        let is_awaited = is_flushing || parcel.is_awaited();
        self.push(parcel);
        self.ask_if(is_awaited);
        let slices = self.image.slices();
        let written = match &slices[..] {
            [one] => self.writer.try_write(one),
            _ => return false,
        };
        if let Ok(n) = written {
            self.on_written(n);
        }
        self.image.is_empty()
    }

    /// Waits until the socket takes something of what is framed, and returns how much.
    ///
    /// Nothing is lost if the future is dropped.
    pub(super) async fn write(&mut self) -> io::Result<usize> {
        let Self { writer, image, .. } = self;
        writer.write_vectored(&image.slices()).await
    }

    /// Records that the socket took `n` bytes.
    pub(super) fn on_written(&mut self, n: usize) {
        self.image.advance(n);
        self.sending.on_written(n as u64);
    }
}
