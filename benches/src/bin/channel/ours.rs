//! One way over a link: messages are encoded and posted here, received and decoded in the child.

use std::process::Stdio;
use std::time::Duration;

use hypermesh::channel::{ChannelAddr, Endpoint, EndpointOptions, Route, Rx, Tx};
use hypermesh::wire::Bytes;
use hypermesh_benches::{AllocationCount, Outcome};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::in_task;
use crate::load::{Kind, Load, body};
use crate::peer::{Batch, DEADLINE, Peer, say};
use crate::role::Role;
use crate::transport::Transport;

/// Messages that may wait on a link: about as many as a socket takes at once, as a program that cares
/// for its memory would have it. The default is a million.
pub(crate) const QUEUE_MESSAGES: usize = 8192;

/// How long both ends of a link are left alone before they are called idle. Longer than any delay of
/// an acknowledgement.
pub(crate) const REST: Duration = Duration::from_millis(200);

/// What a reader does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) transport: Transport,
    pub(crate) kind: Kind,
    /// How many messages it reads before it says so; then it starts again.
    pub(crate) n: u64,
    pub(crate) counting: Counting,
}

/// Whether a reader counts what it asks the allocator for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Counting {
    /// No: it would take time.
    Off,
    /// Up to the last message. Each goes as soon as it is read, so that its memory may be used again.
    Busy,
    /// Up to the last message, and none goes before that.
    Keeping,
    /// Up to the time when nothing happens any more.
    AtRest,
}

/// The sending end.
#[derive(Debug)]
pub(crate) struct Sender<M: Load> {
    endpoint: Endpoint,
    tx: Tx<M>,
    reader: Peer,
    body: Bytes,
    n: u64,
}

impl<M: Load> Sender<M> {
    /// Starts the reader and dials it.
    pub(crate) async fn start(reading: Reading) -> Outcome<Self> {
        Self::start_over(reading, Route::direct).await
    }

    /// Starts the reader and dials it over the route that `route` makes to its address.
    pub(crate) async fn start_over(
        reading: Reading,
        route: impl FnOnce(ChannelAddr) -> Route,
    ) -> Outcome<Self> {
        let mut reader = Peer::start(&Role::Read(reading), Stdio::piped())?;
        let addr: ChannelAddr = reader.hear().await?;
        Self::dial(endpoint(), route(addr), reader, reading)
    }

    /// Dials `reader`, which does as `reading` says.
    pub(crate) fn dial(
        endpoint: Endpoint,
        route: Route,
        reader: Peer,
        reading: Reading,
    ) -> Outcome<Self> {
        Ok(Self {
            tx: endpoint.dial::<M>(route)?,
            endpoint,
            reader,
            body: body(reading.kind),
            n: reading.n,
        })
    }

    /// Sends all the messages of a batch and waits until they are decoded.
    pub(crate) async fn send_batch(&mut self) -> Outcome<Batch> {
        let (tx, body, n) = (self.tx.clone(), self.body.clone(), self.n);
        let posted = in_task(async move {
            for seq in 0..n {
                tx.ready().await?;
                tx.post(M::numbered(seq, &body))?;
            }
            Ok(())
        });
        timeout(DEADLINE, posted).await??;
        self.reader.hear().await
    }

    /// Ends the link, then the reader.
    pub(crate) async fn stop(self) {
        self.endpoint.shutdown(REST).await;
    }
}

/// Is the reader.
pub(crate) async fn read<M: Load>(reading: Reading) -> Outcome<()> {
    let endpoint = endpoint();
    let (addr, rx) = endpoint.serve::<M>(reading.transport.any_addr())?;
    say(&addr)?;
    take(rx, reading).await
}

/// Takes one batch after the other, and says so.
pub(crate) async fn take<M: Load>(mut rx: Rx<M>, reading: Reading) -> Outcome<()> {
    let is_keeping = reading.counting == Counting::Keeping;
    let mut kept = Vec::new();
    if is_keeping {
        kept.reserve_exact(usize::try_from(reading.n)?);
    }
    loop {
        let count = (reading.counting != Counting::Off).then(AllocationCount::start);
        let mut sum = 0;
        for _ in 0..reading.n {
            let message = rx.recv().await?;
            sum += message.seq();
            if is_keeping {
                kept.push(message);
            }
        }
        let expected = reading.n * (reading.n - 1) / 2;
        assert_eq!(sum, expected, "what was read is not what was sent");
        if reading.counting == Counting::AtRest {
            sleep(REST).await;
        }
        let allocations = count.map(|count| count.so_far()).unwrap_or_default();
        kept.clear();
        say(&Batch { allocations })?;
    }
}

/// Returns an endpoint with the limits of this benchmark.
pub(crate) fn endpoint() -> Endpoint {
    Endpoint::new(options())
}

/// Returns the options of an endpoint with the limits of this benchmark.
pub(crate) fn options() -> EndpointOptions {
    let mut options = EndpointOptions::new(Handle::current());
    options.limits.sender_queue_messages = QUEUE_MESSAGES;
    options
}
