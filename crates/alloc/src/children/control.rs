//! The launcher's end of one child's control socket. Never waits.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use bytes::Bytes;

use crate::bootstrap::{Decoder, FrameError, FrameKind};

/// The socket, what is still to be written to it, and what of a frame was read from it.
#[derive(Debug)]
pub(super) struct Control {
    socket: UnixStream,
    pending: Vec<u8>,
    decoder: Decoder,
    is_open: bool,
}

impl Control {
    /// Returns the control over `socket`, which must not block.
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            pending: Vec::new(),
            decoder: Decoder::default(),
            is_open: true,
        }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Returns whether the child may still read and write.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn wants_to_write(&self) -> bool {
        self.is_open && !self.pending.is_empty()
    }

    /// Writes `frame`, or what of it can be written now; `flush` writes the rest.
    pub(super) fn post(&mut self, frame: &[u8]) {
        self.pending.extend_from_slice(frame);
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        while self.wants_to_write() {
            match self.socket.write(&self.pending) {
                Ok(n) => _ = self.pending.drain(..n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.is_open = false,
            }
        }
    }

    /// Reads what there is and calls `on_report` with each report in it.
    ///
    /// # Errors
    ///
    /// If something else than a report came; nothing is read after that.
    pub(super) fn read(&mut self, mut on_report: impl FnMut(Bytes)) -> Result<(), FrameError> {
        let mut buf = [0; 4096];
        while self.is_open {
            match self.socket.read(&mut buf) {
                Ok(0) => {
                    self.is_open = false;
                    return self.decoder.finish();
                }
                Ok(n) => self.decoder.push(&buf[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // A child that ends without having read all of its frames resets the socket.
                Err(_) => self.is_open = false,
            }
            loop {
                match self.decoder.next() {
                    Ok(Some((FrameKind::Report, body))) => on_report(body),
                    Ok(Some((kind, _))) => return self.fail(FrameError::Kind(kind as u8)),
                    Ok(None) => break,
                    Err(error) => return self.fail(error),
                }
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: FrameError) -> Result<(), FrameError> {
        self.is_open = false;
        Err(error)
    }
}
