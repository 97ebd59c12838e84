//! What the tests have in common: endpoints, parcels that report, sinks that record.

use std::{
    any::Any,
    collections::VecDeque,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hypermesh_channel::{
    ChannelAddr, ChannelTransport, Endpoint, EndpointOptions, Flow, Limits, Link, LinkStatus,
    LocalHub, Message, Outcome, Parcel, Payload, Peer, Rx, Server, Sink, TlsOptions, Tx, UnixName,
    Unreachable,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
    time::timeout,
};

use crate::certificates::{Authority, Certified};

/// A test that waits longer than this has found a fault.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const TRANSPORTS: [ChannelTransport; 4 + cfg!(feature = "sim") as usize] = [
    ChannelTransport::Local,
    ChannelTransport::Unix,
    ChannelTransport::Tcp,
    ChannelTransport::Tls,
    #[cfg(feature = "sim")]
    ChannelTransport::Sim,
];

/// Those of them on the clock of the machine.
pub(crate) fn real_transports() -> impl Iterator<Item = ChannelTransport> {
    let is_real = |transport: &ChannelTransport| *transport != ChannelTransport::Sim;
    TRANSPORTS.into_iter().filter(is_real)
}

/// The directions in which messages of one type can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Over a link of its own.
    Simplex,
    /// Over a duplex link, from the end that dialled.
    Forth,
    /// Over a duplex link, to the end that dialled.
    Back,
}

/// Returns every direction over every transport.
pub(crate) fn everywhere() -> impl Iterator<Item = (ChannelTransport, Direction)> {
    let directions = [Direction::Simplex, Direction::Forth, Direction::Back];
    TRANSPORTS
        .into_iter()
        .flat_map(move |transport| directions.map(|direction| (transport, direction)))
}

/// Both ends of what goes in one direction.
pub(crate) struct OneWay<M: Message> {
    pub(crate) tx: Tx<M>,
    pub(crate) rx: Rx<M>,
    pub(crate) other: Option<OtherWay>,
}

/// Both ends of what goes in the other direction, and what serves both.
pub(crate) struct OtherWay {
    tx: Tx<bool>,
    rx: Rx<bool>,
    _server: Box<dyn Any + Send>,
}

/// Returns a link of an endpoint to itself.
pub(crate) async fn one_way<M: Message>(
    endpoint: &Endpoint,
    (transport, direction): (ChannelTransport, Direction),
) -> OneWay<M> {
    match direction {
        Direction::Simplex => {
            let (addr, rx) = endpoint.serve::<M>(transport).unwrap();
            let (tx, other) = (endpoint.dial::<M>(&addr).unwrap(), None);
            OneWay { tx, rx, other }
        }
        Direction::Forth => {
            let (addr, server) = endpoint.serve_duplex::<M, bool>(transport).unwrap();
            let (tx, back_rx) = endpoint.dial_duplex::<M, bool>(&addr).unwrap();
            let (back_tx, rx) = soon(server.accept()).await.unwrap();
            let other = Some(OtherWay {
                tx: back_tx,
                rx: back_rx,
                _server: Box::new(server),
            });
            OneWay { tx, rx, other }
        }
        Direction::Back => {
            let (addr, server) = endpoint.serve_duplex::<bool, M>(transport).unwrap();
            let (forth_tx, rx) = endpoint.dial_duplex::<bool, M>(&addr).unwrap();
            let (tx, forth_rx) = soon(server.accept()).await.unwrap();
            let other = Some(OtherWay {
                tx: forth_tx,
                rx: forth_rx,
                _server: Box::new(server),
            });
            OneWay { tx, rx, other }
        }
    }
}

impl<M: Message> OneWay<M> {
    /// Checks that the other direction works, if there is one.
    pub(crate) async fn check_other(&mut self) {
        if let Some(OtherWay { tx, rx, .. }) = &mut self.other {
            soon(tx.send(true)).await.unwrap();
            assert!(soon(rx.recv()).await.unwrap());
        }
    }
}

/// The authority that all endpoints of these tests trust.
pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

/// Returns a certificate that all of them may have.
pub(crate) fn certified() -> TlsOptions {
    static CERTIFIED: LazyLock<Certified> = LazyLock::new(|| AUTHORITY.certify(|_| ()));
    tls(&CERTIFIED)
}

/// Returns the options that an endpoint has with this certificate.
pub(crate) fn tls(own: &Certified) -> TlsOptions {
    TlsOptions::from_pem(&own.certificate, &own.key, AUTHORITY.pem())
}

/// Waits for `future`, but not for ever.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let at = std::panic::Location::caller();
    async move {
        timeout(DEADLINE, future)
            .await
            .unwrap_or_else(|_| panic!("still waiting at {at}"))
    }
}

pub(crate) fn endpoint() -> Endpoint {
    endpoint_with(|_| ())
}

pub(crate) fn endpoint_with(change: impl FnOnce(&mut Limits)) -> Endpoint {
    let mut options = EndpointOptions::new(Handle::current());
    options.tls = Some(certified());
    change(&mut options.limits);
    Endpoint::new(options)
}

/// Returns an endpoint that can serve and dial addresses of `transport`.
pub(crate) fn endpoint_for(transport: ChannelTransport) -> Endpoint {
    endpoint_for_with(transport, |_| ())
}

pub(crate) fn endpoint_for_with(
    transport: ChannelTransport,
    change: impl FnOnce(&mut Limits),
) -> Endpoint {
    let mut options = options_for(transport);
    change(&mut options.limits);
    Endpoint::new(options)
}

/// Returns such an endpoint that sees the numbers of `hub`.
pub(crate) fn endpoint_in(transport: ChannelTransport, hub: &LocalHub) -> Endpoint {
    let mut options = options_for(transport);
    options.hub = hub.clone();
    Endpoint::new(options)
}

/// Returns the options of such an endpoint. Only one for `sim` is in a simulated network: what is random in it is drawn
/// from there.
pub(crate) fn options_for(transport: ChannelTransport) -> EndpointOptions {
    let mut options = EndpointOptions::new(Handle::current());
    options.tls = Some(certified());
    #[cfg(feature = "sim")]
    if transport == ChannelTransport::Sim {
        options.sim = Some(simulated::node());
    }
    #[cfg(not(feature = "sim"))]
    let _ = transport;
    options
}

#[cfg(feature = "sim")]
mod simulated {
    use std::cell::RefCell;

    use hypermesh_channel::{SimNetwork, SimNode};
    use tokio::runtime::{Handle, Id};

    /// A network, and how many nodes it has.
    struct Simulated {
        runtime: Id,
        network: SimNetwork,
        nodes: usize,
    }

    thread_local! {
        /// The network of the test that runs on this thread: nothing else has its runtime.
        static SIMULATED: RefCell<Option<Simulated>> = const { RefCell::new(None) };
    }

    /// Returns a new node of the network of this test.
    pub(super) fn node() -> SimNode {
        let runtime = Handle::current().id();
        SIMULATED.with_borrow_mut(|simulated| {
            let is_of_another = simulated
                .as_ref()
                .is_none_or(|simulated| simulated.runtime != runtime);
            if is_of_another {
                *simulated = None;
            }
            let simulated = simulated.get_or_insert_with(|| Simulated {
                runtime,
                network: SimNetwork::new(1),
                nodes: 0,
            });
            simulated.nodes += 1;
            simulated.network.node(&format!("n{}", simulated.nodes))
        })
    }
}

pub(crate) fn payload(body: &str) -> Payload {
    Payload {
        body: Bytes::copy_from_slice(body.as_bytes()),
        ..Payload::default()
    }
}

pub(crate) fn sized(len: usize) -> Payload {
    Payload {
        body: Bytes::from(vec![b'x'; len]),
        ..Payload::default()
    }
}

/// A parcel that reports its outcome under its number.
pub(crate) struct Numbered {
    number: u64,
    payload: Payload,
    report: mpsc::UnboundedSender<(u64, Outcome)>,
}

impl Parcel for Numbered {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn complete(self, outcome: Outcome) {
        let _ = self.report.send((self.number, outcome));
    }
}

/// Makes parcels and takes their outcomes.
pub(crate) struct Clerk {
    next: u64,
    report: mpsc::UnboundedSender<(u64, Outcome)>,
    reports: mpsc::UnboundedReceiver<(u64, Outcome)>,
}

impl Clerk {
    pub(crate) fn new() -> Self {
        let (report, reports) = mpsc::unbounded_channel();
        Self {
            next: 0,
            report,
            reports,
        }
    }

    pub(crate) fn parcel(&mut self, payload: Payload) -> Numbered {
        let number = self.next;
        self.next += 1;
        Numbered {
            number,
            payload,
            report: self.report.clone(),
        }
    }

    pub(crate) fn post(&mut self, link: &Link<Numbered>, payload: Payload) {
        link.post(self.parcel(payload));
    }

    /// Waits for the next outcome.
    pub(crate) async fn next(&mut self) -> (u64, Outcome) {
        soon(self.reports.recv()).await.unwrap()
    }

    /// Waits for `count` outcomes, which have to be those of the parcels in their order.
    pub(crate) async fn outcomes(&mut self, count: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut expected = None;
        for _ in 0..count {
            let (number, outcome) = self.next().await;
            assert_eq!(
                number,
                *expected.get_or_insert(number),
                "in the order of posting"
            );
            expected = Some(number + 1);
            outcomes.push(outcome);
        }
        outcomes
    }

    pub(crate) async fn assert_acked(&mut self, count: usize) {
        for (i, outcome) in self.outcomes(count).await.into_iter().enumerate() {
            assert_eq!(outcome, Outcome::Acked, "parcel {i}");
        }
    }

    pub(crate) fn assert_no_more(&mut self) {
        assert!(
            self.reports.try_recv().is_err(),
            "one outcome for each parcel"
        );
    }
}

/// Waits until an attempt to connect has failed, and returns what was tried.
pub(crate) async fn failure(link: &Link<Numbered>) -> Arc<Unreachable> {
    let mut watch = link.watch();
    soon(async {
        loop {
            match watch.current() {
                LinkStatus::Connecting {
                    last_error: Some(error),
                    ..
                } => return error,
                LinkStatus::Connecting { .. } => _ = watch.changed().await,
                status => panic!("{status:?}"),
            }
        }
    })
    .await
}

/// A sink that keeps what it gets, and takes no more than its allowance.
pub(crate) struct Keeper {
    kept: Mutex<VecDeque<Payload>>,
    peers: Mutex<Vec<Peer>>,
    lost: AtomicUsize,
    allowance: AtomicUsize,
    changed: Notify,
}

impl Keeper {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_allowance(usize::MAX)
    }

    pub(crate) fn with_allowance(allowance: usize) -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::default(),
            peers: Mutex::default(),
            lost: AtomicUsize::new(0),
            allowance: AtomicUsize::new(allowance),
            changed: Notify::new(),
        })
    }

    /// Lets `count` more messages in.
    pub(crate) fn allow(&self, count: usize) {
        self.allowance.fetch_add(count, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits for the next message.
    pub(crate) async fn next(&self) -> Payload {
        soon(self.when(|keeper| keeper.kept.lock().unwrap().pop_front())).await
    }

    pub(crate) async fn next_text(&self) -> String {
        String::from_utf8(self.next().await.body.to_vec()).unwrap()
    }

    /// Waits until `count` connections have ended.
    pub(crate) async fn until_lost(&self, count: usize) {
        soon(self.when(|keeper| (keeper.lost.load(Ordering::SeqCst) >= count).then_some(()))).await;
    }

    /// Waits until a message was offered, whether it was taken or not.
    pub(crate) async fn until_offered(&self) {
        soon(self.when(|keeper| (!keeper.peers.lock().unwrap().is_empty()).then_some(()))).await;
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    pub(crate) fn peers(&self) -> Vec<Peer> {
        self.peers.lock().unwrap().clone()
    }

    async fn when<T>(&self, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(value) = look(self) {
                return value;
            }
            changed.await;
        }
    }
}

impl Sink for Keeper {
    fn deliver(&self, peer: &Peer, batch: &mut Vec<Payload>) -> Flow {
        let allowance = self.allowance.load(Ordering::SeqCst);
        let taken = batch.len().min(allowance);
        if allowance != usize::MAX {
            self.allowance.fetch_sub(taken, Ordering::SeqCst);
        }
        self.kept.lock().unwrap().extend(batch.drain(..taken));
        let mut peers = self.peers.lock().unwrap();
        if !peers.contains(peer) {
            peers.push(peer.clone());
        }
        self.changed.notify_waiters();
        if batch.is_empty() {
            Flow::Continue
        } else {
            Flow::Pause
        }
    }

    fn ready(&self, _: &Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let open = |keeper: &Self| (keeper.allowance.load(Ordering::SeqCst) > 0).then_some(());
        Box::pin(self.when(open))
    }

    fn lost(&self, _: &Peer) {
        self.lost.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

/// Serves `keeper` on a unix socket.
pub(crate) fn serve(endpoint: &Endpoint, keeper: &Arc<Keeper>) -> Server {
    endpoint
        .serve_sink(ChannelTransport::Unix, keeper.clone())
        .unwrap()
}

/// Returns the address of a socket file.
pub(crate) fn at_path(path: &Path) -> ChannelAddr {
    ChannelAddr::Unix(UnixName::path(path).unwrap())
}
