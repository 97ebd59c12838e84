//! The peer: as many bytes through a pair of PUSH and PULL sockets of ZeroMQ. They are neither encoded nor
//! decoded, and nothing is acknowledged: whatever a program would need beside that is in its favour.

use std::process::{self, Stdio};

use hypermesh::wire::Bytes;
use hypermesh_benches::{Allocations, Outcome};
use serde::{Deserialize, Serialize};
use zmq::{Context, Message, Socket};

use crate::load::{Kind, body, touch};
use crate::peer::{Batch, DEADLINE, Peer, say};
use crate::role::Role;
use crate::transport::Transport;

/// What a reader does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) transport: Transport,
    pub(crate) kind: Kind,
    /// How many messages it reads before it says so; then it starts again.
    pub(crate) n: u64,
}

/// The sending end.
pub(crate) struct Sender {
    socket: Socket,
    reader: Peer,
    body: Bytes,
    n: u64,
}

impl Sender {
    /// Starts the reader and connects to it.
    pub(crate) async fn start(reading: Reading) -> Outcome<Self> {
        let mut reader = Peer::start(&Role::ZeroMqRead(reading), Stdio::piped())?;
        let addr: String = reader.hear().await?;
        let socket = Context::new().socket(zmq::PUSH)?;
        let deadline = i32::try_from(DEADLINE.as_millis())?;
        socket.set_sndtimeo(deadline)?;
        // The end of a figure does not wait for a reader that is gone.
        socket.set_linger(0)?;
        socket.connect(&addr)?;
        Ok(Self {
            socket,
            reader,
            body: body(reading.kind),
            n: reading.n,
        })
    }

    /// Sends all the messages of a batch and waits until they are received.
    pub(crate) async fn send_batch(&mut self) -> Outcome<Batch> {
        for _ in 0..self.n {
            self.socket.send(&self.body[..], 0)?;
        }
        self.reader.hear().await
    }
}

/// Is the reader. Blocks its thread.
pub(crate) fn read(reading: &Reading) -> Outcome<()> {
    let socket = Context::new().socket(zmq::PULL)?;
    let at = match reading.transport {
        Transport::Unix => format!("ipc://@hypermesh-bench-{}", process::id()),
        Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
    };
    socket.bind(&at)?;
    let bound = match reading.transport {
        Transport::Unix => at,
        Transport::Tcp => socket
            .get_last_endpoint()?
            .map_err(|_| "the address is no text")?,
    };
    say(&bound)?;
    let mut message = Message::new();
    loop {
        for _ in 0..reading.n {
            socket.recv(&mut message, 0)?;
            touch(&message);
        }
        let allocations = Allocations::default();
        say(&Batch { allocations })?;
    }
}
