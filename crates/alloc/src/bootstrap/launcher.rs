//! A child's line to its launcher: a thread that reads, and a socket to report over.
//!
//! The thread is no task, because it must see the end of the launcher also when every thread of
//! the runtime is blocked.
//!
//! # Invariants
//!
//! - **INV-1**: once the boot data is there, the end of the stream, or anything in it that is not a
//!   request of ours, kills this process and its group at once.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::{
    boot::Boot,
    frame::{Decoder, FrameError, FrameKind, encode},
};
use crate::{kernel, settings::BOOTSTRAP_READ_TIMEOUT};

/// A child's line to the process that started it.
#[derive(Clone, Debug)]
pub struct Launcher {
    socket: Arc<Mutex<UnixStream>>,
    drain: watch::Receiver<Option<Duration>>,
}

impl Launcher {
    /// Reads the boot data from `socket` and begins to watch it.
    pub(super) async fn connect(socket: UnixStream) -> Result<(Boot, Self), ConnectError> {
        let (drain_asked, drain) = watch::channel(None);
        let (boot_read, boot) = oneshot::channel();
        let reader = socket.try_clone().map_err(ConnectError::Io)?;
        // The thread is never joined: it ends with the process, or ends it.
        thread::Builder::new()
            .name("hypermesh-launcher".into())
            .spawn(move || {
                let mut reader = Reader {
                    socket: reader,
                    decoder: Decoder::default(),
                };
                let boot = reader.boot();
                let is_child = boot.is_ok();
                _ = boot_read.send(boot);
                if is_child {
                    reader.watch(&drain_asked);
                }
            })
            .map_err(ConnectError::Io)?;
        let boot = boot.await.map_err(|_| ConnectError::Closed)??;
        Ok((
            boot,
            Self {
                socket: Arc::new(Mutex::new(socket)),
                drain,
            },
        ))
    }

    /// Sends `report` to the launcher; it arrives there as
    /// [`ChildEvent::Report`](crate::children::ChildEvent::Report).
    ///
    /// # Errors
    ///
    /// If the report is too long, or the launcher is gone.
    pub fn report(&self, report: &[u8]) -> io::Result<()> {
        let frame = encode(FrameKind::Report, report).map_err(io::Error::other)?;
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.write_all(&frame)
    }

    /// Waits until the launcher asks this process to end in good order, and returns how much time
    /// it gives.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn drain_asked(&self) -> Duration {
        let mut drain = self.drain.clone();
        let asked = drain.wait_for(Option::is_some).await.map(|asked| *asked);
        // The sender is dropped only by the thread's panic, after which nothing can be asked.
        asked.ok().flatten().unwrap_or_default()
    }
}

/// The thread's state.
struct Reader {
    socket: UnixStream,
    decoder: Decoder,
}

impl Reader {
    fn boot(&mut self) -> Result<Boot, ConnectError> {
        let within = BOOTSTRAP_READ_TIMEOUT.get();
        self.socket
            .set_read_timeout(Some(within))
            .map_err(ConnectError::Io)?;
        let boot = match self.next()? {
            None => return Err(ConnectError::Closed),
            Some((FrameKind::Boot, body)) => Boot::from_body(&body).map_err(ConnectError::Body)?,
            Some((kind, _)) => return Err(FrameError::Kind(kind as u8).into()),
        };
        self.socket
            .set_read_timeout(None)
            .map_err(ConnectError::Io)?;
        Ok(boot)
    }

    /// Serves the launcher's requests until it ends, and this process with it (INV-1).
    fn watch(&mut self, drain_asked: &watch::Sender<Option<Duration>>) -> ! {
        while let Ok(Some((FrameKind::Drain, body))) = self.next() {
            let Ok(millis) = body[..].try_into().map(u64::from_le_bytes) else {
                break;
            };
            drain_asked.send_replace(Some(Duration::from_millis(millis)));
        }
        kernel::kill_own_group()
    }

    /// Reads the next frame; `None` is the end of the stream.
    fn next(&mut self) -> Result<Option<(FrameKind, Bytes)>, ConnectError> {
        let mut buf = [0; 8192];
        loop {
            if let Some(frame) = self.decoder.next()? {
                return Ok(Some(frame));
            }
            match self.socket.read(&mut buf) {
                Ok(0) => {
                    self.decoder.finish()?;
                    return Ok(None);
                }
                Ok(n) => self.decoder.push(&buf[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ConnectError::Timeout(BOOTSTRAP_READ_TIMEOUT.get()));
                }
                Err(error) => return Err(ConnectError::Io(error)),
            }
        }
    }
}

/// Error of a child that does not learn from its launcher what it is to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ConnectError {
    #[error("the launcher closed the bootstrap descriptor before it sent the boot data")]
    Closed,
    #[error("the launcher sent no whole boot data within {0:?}")]
    Timeout(Duration),
    #[error("the boot data is damaged")]
    Frame(#[from] FrameError),
    #[error("the boot data does not parse")]
    Body(#[source] postcard::Error),
    #[error("the bootstrap descriptor does not work")]
    Io(#[source] io::Error),
}
