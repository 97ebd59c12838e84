//! Peers that speak the protocol by hand: the bytes of each frame, and a connection to send and read them.

use std::time::Duration;

use hypermesh_channel::{ChannelAddr, Server};
use hypermesh_testkit::SocketDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use crate::rig::{at_path, soon};

/// The kinds of frames.
pub(crate) const DATA: u8 = 1;
pub(crate) const DATA_ASK: u8 = 2;
pub(crate) const CHUNK: u8 = 3;
pub(crate) const ASK: u8 = 4;
pub(crate) const ACK: u8 = 5;
pub(crate) const NACK: u8 = 6;
pub(crate) const VOID: u8 = 7;
pub(crate) const OPEN: u8 = 8;
pub(crate) const OPENED: u8 = 9;
pub(crate) const REFUSED: u8 = 10;
pub(crate) const CLOSE: u8 = 11;
pub(crate) const CLOSED: u8 = 12;
pub(crate) const LOST: u8 = 13;
pub(crate) const PING: u8 = 14;
pub(crate) const PONG: u8 = 15;
/// What the header of a message that follows another one begins with.
pub(crate) const NEXT: u8 = 16;

/// The session of a peer that dials by hand.
pub(crate) const SESSION: u32 = 1;
/// The incarnation of all peers by hand, if they do not say otherwise.
pub(crate) const INCARNATION: u64 = 7;
/// More credit than any test needs.
const PLENTY: u64 = 1 << 40;
/// The length of a frame's header.
pub(crate) const HEADER: usize = 16;

/// One frame of a message without parts, or of anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) session: u32,
    pub(crate) seq: u32,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    pub(crate) fn control(kind: u8, session: u32, body: &[u8]) -> Self {
        Self {
            kind,
            session,
            seq: 0,
            body: body.to_vec(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = header(self.kind, 0, self.body.len() as u32, self.session, self.seq);
        bytes.extend(&self.body);
        bytes
    }
}

/// The bytes of a header.
pub(crate) fn header(kind: u8, parts: u32, len: u32, session: u32, seq: u32) -> Vec<u8> {
    let first = u32::from(kind) | parts << 8;
    [first, len, session, seq]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// A message without parts.
pub(crate) fn data(session: u32, seq: u64, body: &str) -> Frame {
    Frame {
        kind: DATA,
        session,
        seq: seq as u32,
        body: body.as_bytes().to_vec(),
    }
}

/// The question for an acknowledgement.
pub(crate) fn ask(session: u32) -> Frame {
    Frame::control(ASK, session, &[])
}

/// An acknowledgement of everything below `next`, which leaves plenty of credit.
pub(crate) fn ack(session: u32, next: u64) -> Frame {
    ack_with(session, next, PLENTY, PLENTY)
}

/// An acknowledgement that lets messages below `seq` come, while less than `load` bytes have.
pub(crate) fn ack_with(session: u32, next: u64, seq: u64, load: u64) -> Frame {
    Frame::control(ACK, session, &words(&[next, seq, load]))
}

/// The refusal of one message.
pub(crate) fn nack(session: u32, seq: u64, code: u32) -> Frame {
    let mut body = words(&[seq]);
    body.extend(code.to_le_bytes());
    Frame::control(NACK, session, &body)
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What the dialling end of a session says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) id: [u8; 16],
    pub(crate) kind: u64,
    pub(crate) incarnation: u64,
    pub(crate) acked: u64,
    pub(crate) sent: u64,
    /// How often it was opened.
    pub(crate) turn: u64,
    /// The layout of the messages.
    pub(crate) layout: u64,
    /// Through whom it goes.
    pub(crate) path: &'static [&'static str],
}

impl Open {
    /// Returns the beginning of a new session of parcels.
    pub(crate) fn new(id: u8) -> Self {
        Self {
            id: [id; 16],
            kind: 0,
            incarnation: INCARNATION,
            acked: 0,
            sent: 0,
            turn: 1,
            layout: 0,
            path: &[],
        }
    }

    pub(crate) fn frame(&self, session: u32) -> Frame {
        let mut body = self.id.to_vec();
        body.extend(words(&[self.kind, self.incarnation, self.acked, self.sent]));
        body.extend([0, 0]);
        body.extend(words(&[self.turn, self.layout]));
        // It does not roam.
        body.extend([0, self.path.len() as u8]);
        for hop in self.path {
            body.extend((hop.len() as u16).to_le_bytes());
            body.extend(hop.as_bytes());
        }
        Frame::control(OPEN, session, &body)
    }

    pub(crate) fn decode(body: &[u8]) -> Self {
        Self {
            id: body[..16].try_into().unwrap(),
            kind: word(body, 16),
            incarnation: word(body, 24),
            acked: word(body, 32),
            sent: word(body, 40),
            turn: turn_in(body),
            layout: word(body, 58 + addr_len(body)),
            path: &[],
        }
    }
}

/// Returns the turn, which comes after an address.
fn turn_in(body: &[u8]) -> u64 {
    word(body, 50 + addr_len(body))
}

fn addr_len(body: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([body[48], body[49]]))
}

/// What the serving end of a session answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) incarnation: u64,
    pub(crate) resumed: bool,
    pub(crate) next: u64,
    pub(crate) credit: (u64, u64),
    pub(crate) max_message: u64,
}

impl Opened {
    /// Returns the answer that goes on at `next`.
    pub(crate) fn at(next: u64) -> Self {
        Self {
            incarnation: INCARNATION,
            resumed: true,
            next,
            credit: (PLENTY, PLENTY),
            max_message: 1 << 20,
        }
    }

    /// Returns the answer to a session that is not known.
    pub(crate) fn fresh(open: &Open) -> Self {
        Self {
            resumed: false,
            ..Self::at(open.sent)
        }
    }

    pub(crate) fn frame(&self, session: u32) -> Frame {
        let mut body = words(&[self.incarnation]);
        body.push(self.resumed.into());
        body.extend(words(&[
            self.next,
            self.credit.0,
            self.credit.1,
            self.max_message,
        ]));
        body.extend([0, 0]);
        Frame::control(OPENED, session, &body)
    }

    fn decode(body: &[u8]) -> Self {
        Self {
            incarnation: word(body, 0),
            resumed: body[8] == 1,
            next: word(body, 9),
            credit: (word(body, 17), word(body, 25)),
            max_message: word(body, 33),
        }
    }
}

/// Returns the number at some place of a body.
pub(crate) fn word(body: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(body[at..at + 8].try_into().unwrap())
}

/// The bytes of a hello or an answer in some version.
pub(crate) fn handshake(version: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89hmesh\r\n".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend((rest.len() as u16).to_le_bytes());
    bytes.extend(rest);
    bytes
}

/// What follows the preamble of an answer that accepts.
pub(crate) fn accepted(incarnation: u64) -> Vec<u8> {
    let mut rest = vec![0];
    rest.extend(incarnation.to_le_bytes());
    rest
}

/// What follows the preamble of an answer that refuses.
pub(crate) fn refused(code: u8) -> Vec<u8> {
    let mut rest = vec![code];
    rest.extend([0; 8]);
    rest
}

/// The bytes of a hello.
pub(crate) fn hello() -> Vec<u8> {
    let mut rest = words(&[INCARNATION]);
    rest.extend([0, 0]);
    handshake(1, &rest)
}

/// One connection, with the session that the test is about.
pub(crate) struct Wire {
    pub(crate) stream: UnixStream,
    pub(crate) session: u32,
    /// The session and the number of the message that was read last, if another one may follow it.
    last: Option<(u32, u32)>,
}

impl Wire {
    /// Returns a connection with the session of that number.
    pub(crate) fn new(stream: UnixStream, session: u32) -> Self {
        let last = None;
        Self {
            stream,
            session,
            last,
        }
    }

    /// Connects to a server and introduces itself.
    pub(crate) async fn dial(server: &Server) -> Self {
        let mut wire = Self::new(connect(server.addr()).await, SESSION);
        wire.send_bytes(&hello()).await;
        assert_eq!(wire.read_handshake().await[0], 0, "accepted");
        wire
    }

    /// Connects to a server and opens a session, which has to be a new one.
    pub(crate) async fn open(server: &Server, id: u8) -> Self {
        let mut wire = Self::dial(server).await;
        assert!(!wire.reopen(&Open::new(id)).await.resumed);
        wire
    }

    /// Opens a session, and returns the answer.
    pub(crate) async fn reopen(&mut self, open: &Open) -> Opened {
        self.send(&[open.frame(self.session)]).await;
        let frame = self.read().await;
        assert_eq!(
            (frame.kind, frame.session),
            (OPENED, self.session),
            "{frame:?}"
        );
        Opened::decode(&frame.body)
    }

    /// Waits for the beginning of a session.
    pub(crate) async fn read_open(&mut self) -> Open {
        let frame = self.read().await;
        assert_eq!(frame.kind, OPEN, "{frame:?}");
        self.session = frame.session;
        Open::decode(&frame.body)
    }

    /// Answers the beginning of a session.
    pub(crate) async fn answer(&mut self, opened: Opened) {
        self.send(&[opened.frame(self.session)]).await;
    }

    pub(crate) async fn send(&mut self, frames: &[Frame]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }

    /// Acknowledges everything below `next`.
    pub(crate) async fn ack(&mut self, next: u64) {
        self.send(&[ack(self.session, next)]).await;
    }

    /// Reads one frame, of whichever kind.
    pub(crate) async fn read_any(&mut self) -> Frame {
        soon(self.try_read()).await.unwrap()
    }

    /// Reads the next frame that is no ping: on a busy machine there may be one in any test.
    pub(crate) async fn read(&mut self) -> Frame {
        loop {
            let frame = self.read_any().await;
            if frame.kind != PING {
                return frame;
            }
        }
    }

    /// Reads one frame, if the peer does not end the stream before.
    pub(crate) async fn try_read(&mut self) -> std::io::Result<Frame> {
        let mut head = [0; HEADER];
        let (next, rest) = head.split_at_mut(4);
        self.stream.read_exact(next).await?;
        if next[0] == NEXT {
            let (session, before) = self.last.expect("a message in front of it");
            let mut body = vec![0; (u32::from_le_bytes(next.try_into().unwrap()) >> 8) as usize];
            self.stream.read_exact(&mut body).await?;
            let seq = before.wrapping_add(1);
            self.last = Some((session, seq));
            return Ok(Frame {
                kind: DATA,
                session,
                seq,
                body,
            });
        }
        self.stream.read_exact(rest).await?;
        let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        assert_eq!(number(0) >> 8, 0, "a message with parts: {head:?}");
        let kind = head[0];
        // A void says how long the message was that it stands for.
        let len = if kind == VOID { 0 } else { number(4) as usize };
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).await?;
        let (session, seq) = (number(8), number(12));
        self.last = matches!(kind, DATA | DATA_ASK).then_some((session, seq));
        Ok(Frame {
            kind,
            session,
            seq,
            body,
        })
    }

    /// Reads an acknowledgement, and returns what it says is taken.
    pub(crate) async fn read_ack(&mut self) -> u64 {
        let frame = self.read().await;
        assert_eq!(
            (frame.kind, frame.session),
            (ACK, self.session),
            "{frame:?}"
        );
        word(&frame.body, 0)
    }

    /// Reads a message, which has to say this.
    #[track_caller]
    pub(crate) fn expect(&mut self, seq: u64, text: &str) -> impl Future<Output = ()> {
        let expected = data(self.session, seq, text);
        let at = std::panic::Location::caller();
        async move { assert_eq!(self.read().await, expected, "at {at}") }
    }

    /// Reads what follows the preamble of a hello or an answer.
    pub(crate) async fn read_handshake(&mut self) -> Vec<u8> {
        let mut preamble = [0; 12];
        soon(self.stream.read_exact(&mut preamble)).await.unwrap();
        let mut rest = vec![0; usize::from(u16::from_le_bytes([preamble[10], preamble[11]]))];
        soon(self.stream.read_exact(&mut rest)).await.unwrap();
        rest
    }
}

/// A peer that speaks the protocol by hand, as the serving end.
pub(crate) struct ByHand {
    listener: UnixListener,
    path: std::path::PathBuf,
    dir: SocketDir,
}

impl ByHand {
    pub(crate) fn new() -> Self {
        Self::again(SocketDir::new())
    }

    /// Listens again in a directory where one has stopped.
    pub(crate) fn again(dir: SocketDir) -> Self {
        let path = dir.path().join("by-hand");
        if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
        Self {
            listener: UnixListener::bind(&path).unwrap(),
            path,
            dir,
        }
    }

    pub(crate) fn addr(&self) -> ChannelAddr {
        at_path(&self.path)
    }

    /// Waits for `time`, in which nobody may connect.
    pub(crate) async fn stay_alone(&self, time: Duration) {
        let connected = timeout(time, self.listener.accept()).await;
        assert!(connected.is_err(), "somebody connected");
    }

    /// Accepts a connection and reads its hello.
    pub(crate) async fn hello(&self) -> Wire {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut wire = Wire::new(stream, 0);
        wire.read_handshake().await;
        wire
    }

    /// Accepts a connection.
    pub(crate) async fn connection(&self) -> Wire {
        let mut wire = self.hello().await;
        wire.send_bytes(&handshake(1, &accepted(INCARNATION))).await;
        wire
    }

    /// Accepts a connection and a session that is not known, of messages up to 1 MiB.
    pub(crate) async fn accept(&self) -> Wire {
        let mut wire = self.connection().await;
        let open = wire.read_open().await;
        wire.answer(Opened::fresh(&open)).await;
        wire
    }

    /// Accepts a connection on which a session goes on at `next`, and returns what the other end said.
    pub(crate) async fn resume(&self, next: u64) -> (Wire, Open) {
        let mut wire = self.connection().await;
        let open = wire.read_open().await;
        wire.answer(Opened::at(next)).await;
        (wire, open)
    }

    /// Stops listening: the file stays, without anybody behind it.
    pub(crate) fn stop(self) -> SocketDir {
        self.dir
    }
}

/// Connects to a unix socket by hand.
pub(crate) async fn connect(addr: &ChannelAddr) -> UnixStream {
    let ChannelAddr::Unix(name) = addr else {
        panic!("{addr} is no unix address")
    };
    let path = match name.as_path() {
        Some(path) => path.to_owned(),
        None => format!("\0{}", name.as_abstract().unwrap()).into(),
    };
    soon(UnixStream::connect(path)).await.unwrap()
}

/// Reads what the peer says until it ends the stream.
pub(crate) async fn read_to_end(stream: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset ends a stream too.
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    bytes
}
