//! A server: accepts connections at one address and gives what they bring to a sink.

mod connection;
mod greeting;

use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{select, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addr::ChannelAddr,
    endpoint::Shared,
    handshake::{Answer, LinkKind, RefusalCode},
    incarnation::LinkId,
    listener::Listener,
    local::LocalNumber,
    sink::Sink,
    stream::Stream,
};

/// How long accepting pauses after the system had no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Something that is served at an address; it stops when this is dropped.
///
/// [`stop`](Self::stop) also waits until nothing is delivered any more.
pub struct Server {
    addr: ChannelAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    counts: Arc<Counts>,
    /// The number of a local server, until it stops.
    number: Mutex<Option<LocalNumber>>,
}

impl Server {
    pub(crate) fn new(
        addr: ChannelAddr,
        stop: CancellationToken,
        tasks: TaskTracker,
        counts: Arc<Counts>,
        number: Option<LocalNumber>,
    ) -> Self {
        Self {
            addr,
            stop,
            tasks,
            counts,
            number: Mutex::new(number),
        }
    }

    /// Returns the address that others dial.
    pub fn addr(&self) -> &ChannelAddr {
        &self.addr
    }

    /// Returns how many connections there were and are.
    pub fn stats(&self) -> ServerStats {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ServerStats {
            accepted: load(&self.counts.accepted),
            refused: load(&self.counts.refused),
            broken: load(&self.counts.broken),
            ended: load(&self.counts.ended),
        }
    }

    /// Stops accepting and reading, acknowledges what was delivered, tells all senders that no more
    /// is taken, and waits until the connections have ended. It may be called again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the server stops all the same.
    pub async fn stop(&self) {
        self.begin_stop();
        // Bounded: a connection gives its last words a second.
        self.tasks.wait().await;
    }

    /// Waits until the server has stopped, whoever stopped it.
    pub(crate) async fn ended(&self) {
        self.stop.cancelled().await;
        self.tasks.wait().await;
    }

    fn begin_stop(&self) {
        let number = self
            .number
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(number);
        self.stop.cancel();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut server = f.debug_struct("Server");
        server
            .field("addr", &self.addr)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The connections of a server since it began. Those of a `local:` address are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// How many were accepted.
    pub accepted: u64,
    /// How many were refused, or did not come through the handshake.
    pub refused: u64,
    /// How many of the accepted were cut because the peer broke the protocol.
    pub broken: u64,
    /// How many of the accepted have ended, however they did.
    pub ended: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    accepted: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    ended: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What all tasks of a server share.
pub(crate) struct Serving {
    pub(crate) endpoint: Arc<Shared>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) kind: LinkKind,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) counts: Arc<Counts>,
    /// The connection of each link that has one.
    pub(crate) live: Mutex<HashMap<LinkId, Live>>,
}

/// The connection of a link.
#[derive(Debug)]
pub(crate) struct Live {
    /// Its number.
    connection: u64,
    /// Ends it.
    stop: CancellationToken,
    /// Told when it delivers nothing any more.
    ended: CancellationToken,
}

impl Serving {
    /// Accepts connections until the server stops. The listener goes with this.
    pub(crate) async fn accept(self: Arc<Self>, listener: Listener) {
        loop {
            let accepted = select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(stream) => self.begin(stream),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a server cannot accept connections");
                    select! {
                        () = self.stop.cancelled() => return,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
    }

    /// Starts the task of a connection, if there is room for another handshake.
    fn begin(self: &Arc<Self>, stream: Stream) {
        let Ok(permit) = self.endpoint.handshakes.clone().try_acquire_owned() else {
            count(&self.counts.refused);
            // The peer may not read it, and then tries again all the same.
            let _ = stream.try_write(&Answer::Refused(RefusalCode::Busy).encode());
            return;
        };
        let task = connection::run(self.clone(), stream, permit);
        self.endpoint.spawn(self.tasks.track_future(task));
    }

    /// Makes `live` the connection of `link`, and returns the one before it.
    fn replace(&self, link: LinkId, live: Live) -> Option<Live> {
        self.live().insert(link, live)
    }

    /// Forgets the connection of `link`, unless another one took its place.
    fn forget(&self, link: LinkId, connection: u64) {
        let mut live = self.live();
        if live
            .get(&link)
            .is_some_and(|live| live.connection == connection)
        {
            live.remove(&link);
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<LinkId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether an error of accepting says nothing about the next connection.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected,
    };
    // The last two: the options of a socket whose peer is gone already.
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected
    )
}
