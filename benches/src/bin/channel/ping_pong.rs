//! The baseline both ways: a frame of 64 bytes over a socket of tokio, one task at each end.

use std::process::Stdio;
use std::time::{Duration, Instant};

use hypermesh_benches::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::in_task;
use crate::load::SMALL_SIZE;
use crate::peer::Peer;
use crate::role::Role;
use crate::round_trip::Trips;
use crate::transport::{Socket, Transport, socket_on_stdin};

/// A frame: four bytes of length and the body.
const FRAME: usize = 4 + SMALL_SIZE;

/// This end, with the child that echoes.
#[derive(Debug)]
pub(crate) struct PingPong {
    /// `None` while a task has it.
    socket: Option<Box<dyn Socket>>,
    _echo: Peer,
}

impl PingPong {
    /// Starts the child with the other end of a connection.
    pub(crate) fn start(transport: Transport) -> Outcome<Self> {
        let (near, far) = transport.pair()?;
        Ok(Self {
            socket: Some(transport.for_tasks(near)?),
            _echo: Peer::start(&Role::RawEcho(transport), Stdio::from(far))?,
        })
    }

    /// Sends a frame and waits for its echo, as often as `trips` says, and returns how long each took.
    pub(crate) async fn run(&mut self, mut trips: Trips) -> Outcome<Vec<Duration>> {
        let mut socket = self.socket.take().ok_or("a ping-pong has failed before")?;
        let (socket, times) = in_task(async move {
            let (sent, mut seen) = ([7; FRAME], [0; FRAME]);
            while trips.another() {
                let start = Instant::now();
                socket.write_all(&sent).await?;
                socket.read_exact(&mut seen).await?;
                trips.add(start.elapsed());
            }
            assert_eq!(seen, sent, "the echo is not what was sent");
            Ok((socket, trips.into_times()))
        })
        .await?;
        self.socket = Some(socket);
        Ok(times)
    }
}

/// Is the child that echoes, until the socket ends.
pub(crate) async fn echo(transport: Transport) -> Outcome<()> {
    let mut socket = transport.for_tasks(socket_on_stdin()?)?;
    let mut frame = [0; FRAME];
    loop {
        match socket.read(&mut frame).await? {
            0 => return Ok(()),
            n => socket.write_all(&frame[..n]).await?,
        }
    }
}
