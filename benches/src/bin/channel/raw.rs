//! The baseline one way: frames with a length in front over a bare socket, written and read in large
//! pieces by one thread each.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::process::Stdio;

use bytes::Bytes;
use hypermesh_benches::processors::{Place, at};
use hypermesh_benches::{Allocations, Outcome};
use serde::{Deserialize, Serialize};

use crate::load::{Kind, SMALL_SIZE, body, touch};
use crate::peer::{Batch, Peer, say};
use crate::role::Role;
use crate::transport::{Transport, socket_on_stdin};

/// Bytes that are written at once and read at once, more if a frame is larger.
const PIECE: usize = 256 * 1024;

/// Bytes of the length in front of a frame.
const HEADER: usize = 4;

/// What a reader does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) kind: Kind,
    /// How many frames it reads before it says so; then it starts again.
    pub(crate) n: u64,
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Sockets of both kinds are written alike as a file.
    socket: File,
    reader: Peer,
    reading: Reading,
    body: Bytes,
    piece: Vec<u8>,
}

impl Sender {
    /// Starts the reader with the other end of a connection.
    pub(crate) fn start(transport: Transport, reading: Reading) -> Outcome<Self> {
        let (near, far) = transport.pair()?;
        Ok(Self {
            socket: near.into(),
            reader: Peer::start(&Role::RawRead(reading), Stdio::from(far))?,
            reading,
            body: body(reading.kind),
            piece: Vec::with_capacity(PIECE + HEADER + SMALL_SIZE),
        })
    }

    /// Sends all the frames of a batch and waits until they are read.
    pub(crate) async fn send_batch(&mut self) -> Outcome<Batch> {
        at(Place::First, || match self.reading.kind {
            Kind::Small | Kind::Integers => self.send_small(),
            Kind::Bulk(_) => self.send_bulk(),
        })??;
        self.reader.hear().await
    }

    /// Copies the frames one after the other into a piece, and writes it when it is full.
    fn send_small(&mut self) -> Outcome<()> {
        for _ in 0..self.reading.n {
            self.piece.extend_from_slice(&header(&self.body)?);
            self.piece.extend_from_slice(&self.body);
            if PIECE <= self.piece.len() {
                self.socket.write_all(&self.piece)?;
                self.piece.clear();
            }
        }
        self.socket.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// Writes lengths and bodies from where they lie, as many as make a piece with one call.
    fn send_bulk(&mut self) -> Outcome<()> {
        let header = header(&self.body)?;
        let at_once = (PIECE / self.body.len()).max(1) as u64;
        let mut left = self.reading.n;
        while 0 < left {
            let n = left.min(at_once);
            left -= n;
            let frame = [IoSlice::new(&header), IoSlice::new(&self.body)];
            let mut slices = frame.repeat(usize::try_from(n)?);
            write_all_vectored(&mut self.socket, &mut slices)?;
        }
        Ok(())
    }
}

fn header(body: &[u8]) -> Outcome<[u8; HEADER]> {
    Ok(u32::try_from(body.len())?.to_le_bytes())
}

fn write_all_vectored(socket: &mut File, mut slices: &mut [IoSlice<'_>]) -> Outcome<()> {
    while !slices.is_empty() {
        match socket.write_vectored(slices) {
            Ok(0) => return Err("the socket takes nothing".into()),
            Ok(n) => IoSlice::advance_slices(&mut slices, n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Is the reader, until the socket ends.
pub(crate) fn read(reading: &Reading) -> Outcome<()> {
    let mut socket = File::from(socket_on_stdin()?);
    let mut buffer = vec![0; PIECE.max(HEADER + reading.kind.size())];
    let (mut filled, mut n_frames) = (0, 0);
    loop {
        match socket.read(&mut buffer[filled..])? {
            0 => return Ok(()),
            n => filled += n,
        }
        let mut walked = 0;
        while let Some(body) = first_body(&buffer[walked..filled]) {
            touch(body);
            walked += HEADER + body.len();
            n_frames += 1;
            if n_frames == reading.n {
                let allocations = Allocations::default();
                say(&Batch { allocations })?;
                n_frames = 0;
            }
        }
        buffer.copy_within(walked..filled, 0);
        filled -= walked;
    }
}

/// Returns the body of the frame that `bytes` begin with, if all of it is there.
fn first_body(bytes: &[u8]) -> Option<&[u8]> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    rest.get(..u32::from_le_bytes(*header) as usize)
}
