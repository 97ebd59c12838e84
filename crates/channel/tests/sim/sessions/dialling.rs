//! The nodes that dial, and the programs that post on their links.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hypermesh_channel::{
    ChannelAddr, DialError, Endpoint, Limits, Link, LinkStatus, Outcome, Parcel, Route, Rx,
    SendCause, SendError, Tx,
};
use hypermesh_testkit::Rng;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    PATIENCE, World, addr, duplex,
    ledger::{NUMBERS, Numbered, filling},
    pick, shut_down,
};

/// The number of the link, the number of the message, and what it is filled with.
pub(super) type Note = (u64, u64, Bytes);

/// How many things each program does.
const STEPS: u64 = 24;

/// A node that dials.
pub(super) struct Dialling {
    pub(super) name: &'static str,
    world: Arc<World>,
    limits: Limits,
    endpoint: Mutex<Endpoint>,
    /// What receives on the ways back of duplex links.
    receiving: Mutex<(Rng, JoinSet<()>)>,
}

impl Dialling {
    pub(super) fn new(
        world: Arc<World>,
        name: &'static str,
        limits: Limits,
        rng: Rng,
    ) -> Arc<Self> {
        let endpoint = Mutex::new(world.endpoint(name, &limits));
        Arc::new(Self {
            name,
            world,
            limits,
            endpoint,
            receiving: Mutex::new((rng, JoinSet::new())),
        })
    }

    /// Ends the process of the node without a word, and begins another one. Its endpoint is dropped, or shut down
    /// where it is of no use any more.
    pub(super) async fn crash(&self, is_dropped: bool) {
        self.world.network.restart(self.name);
        let new = self.world.endpoint(self.name, &self.limits);
        let old = std::mem::replace(&mut *self.endpoint.lock().unwrap(), new);
        if is_dropped {
            drop(old);
        } else {
            shut_down(&old, self.name).await;
        }
    }

    /// Shuts the node down. Nothing is left to do on its links.
    pub(super) async fn end(&self) {
        let endpoint = self.endpoint();
        shut_down(&endpoint, self.name).await;
        let mut receiving = std::mem::take(&mut self.receiving.lock().unwrap().1);
        super::join(&mut receiving).await;
    }

    /// Receives what comes back on a link.
    fn receive(&self, rx: Rx<Note>) {
        let (rng, tasks) = &mut *self.receiving.lock().unwrap();
        let rng = Rng::new(rng.next_u64());
        let (world, limits) = (self.world.clone(), self.limits.clone());
        tasks.spawn(duplex::receive(world, rx, limits, rng));
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.lock().unwrap().clone()
    }
}

/// What is posted on a link.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Parcels,
    Typed,
    Duplex,
}

/// A node that serves, and the largest message that it takes.
#[derive(Clone, Copy)]
pub(super) struct To {
    pub(super) name: &'static str,
    pub(super) max: u64,
    /// Those through which it can be reached; it may be one of them itself.
    pub(super) gateways: &'static [&'static str],
}

impl To {
    /// Returns a way there: directly if there are no gateways, else over a path or two.
    fn route(self, rng: &mut Rng) -> Route {
        let mut others: Vec<_> = self.gateways.to_vec();
        others.retain(|gateway| *gateway != self.name);
        if others.is_empty() {
            return Route::direct(addr(self.name));
        }
        let route = Route::via(path(&mut others.clone(), rng), addr(self.name));
        if rng.chance(0.5) {
            route
        } else {
            route.or_via(path(&mut others, rng))
        }
    }
}

/// Returns up to two of some gateways.
fn path(gateways: &mut Vec<&str>, rng: &mut Rng) -> Vec<ChannelAddr> {
    let n = *pick(rng, &[0, 1, 1, 2]);
    let mut path = Vec::new();
    while path.len() < n && !gateways.is_empty() {
        let i = rng.below(gateways.len() as u64) as usize;
        path.push(addr(gateways.swap_remove(i)));
    }
    path
}

/// A link of either kind.
enum Driven {
    Parcels {
        number: usize,
        link: Link<Numbered>,
        /// The bytes of the largest message that both ends take.
        max: u64,
    },
    Typed {
        link: Tx<Note>,
        tally: Tally,
    },
}

/// What a typed link was given.
#[derive(Default)]
struct Tally {
    number: usize,
    accepted: u64,
    /// Messages that were perhaps accepted: nobody waited for the answer.
    perhaps: u64,
}

impl Tally {
    fn new(number: usize) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }
}

/// Posts on one link after the other, until all is calm; then checks that a link comes to rest and works.
pub(super) async fn drive(host: Arc<Dialling>, kind: Kind, to: To, mut rng: Rng) {
    let world = host.world.clone();
    let mut driven = dial(&host, kind, to, &mut rng).await;
    for _ in 0..STEPS {
        if world.calm.is_cancelled() {
            break;
        }
        if driven.status().is_closed() {
            driven.check_rest(&host).await;
            driven = dial(&host, kind, to, &mut rng).await;
        }
        match rng.below(12) {
            0..=4 => driven.burst(&host, &mut rng).await,
            5 | 6 => world.pause(Duration::from_millis(rng.below(100))).await,
            7 => world.pause(Duration::from_millis(rng.below(2_000))).await,
            8 => driven.wait(&mut rng).await,
            9 => _ = driven.flush(Duration::from_millis(rng.below(2_000))).await,
            10 => driven.post(&host, &mut rng, true).await,
            _ => {
                if rng.chance(0.5) {
                    driven.finish(&host, &mut rng).await;
                    driven = dial(&host, kind, to, &mut rng).await;
                }
            }
        }
    }
    world.calm.cancelled().await;
    driven.check_rest(&host).await;
    driven.finish(&host, &mut rng).await;
    let until = Instant::now() + PATIENCE;
    while !dial(&host, kind, to, &mut rng).await.works(&host).await {
        // A server that was stopping when the last fault was over takes a moment to begin anew.
        assert!(
            Instant::now() < until,
            "INV-5: {} does not reach {}",
            host.name,
            to.name
        );
    }
}

async fn dial(host: &Arc<Dialling>, kind: Kind, to: To, rng: &mut Rng) -> Driven {
    let route = to.route(rng);
    loop {
        let endpoint = host.endpoint();
        let (ledger, route) = (&host.world.ledger, route.clone());
        let dialled = match kind {
            Kind::Parcels => endpoint.dial_link(route).map(|link| Driven::Parcels {
                number: ledger.link(),
                link,
                max: host.limits.message.min(to.max),
            }),
            Kind::Typed => endpoint.dial(route).map(|link| Driven::Typed {
                link,
                tally: Tally::new(ledger.link()),
            }),
            // These do not go through gateways.
            Kind::Duplex => endpoint.dial_duplex(&addr(to.name)).map(|(link, rx)| {
                host.receive(rx);
                Driven::Typed {
                    link,
                    tally: Tally::new(ledger.link()),
                }
            }),
        };
        match dialled {
            Ok(driven) => return driven,
            Err(DialError::Closed) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Driven {
    fn status(&self) -> LinkStatus {
        match self {
            Self::Parcels { link, .. } => link.status(),
            Self::Typed { link, .. } => link.status(),
        }
    }

    /// Posts some messages, most of them short.
    async fn burst(&mut self, host: &Dialling, rng: &mut Rng) {
        for _ in 0..rng.below(8) {
            self.post(host, rng, false).await;
        }
    }

    /// Posts a message, and waits a while for its outcome if it `is_awaited`.
    async fn post(&mut self, host: &Dialling, rng: &mut Rng, is_awaited: bool) {
        let most = host.limits.message as usize;
        let rest = match rng.below(24) {
            0 => most.saturating_sub(NUMBERS + rng.below(4) as usize),
            1 => most + 1,
            2 => rng.below(most as u64) as usize,
            3..=8 => rng.below(2_000) as usize,
            _ => rng.below(100) as usize,
        };
        let ledger = &host.world.ledger;
        match self {
            Self::Parcels { number, link, max } => {
                let len = if rng.below(16) == 0 {
                    0
                } else {
                    NUMBERS + rest
                };
                let parcel = ledger.parcel(*number, len, is_awaited);
                ledger.posting(&parcel);
                if rng.chance(0.5) {
                    link.post(parcel);
                } else if let Err(error) = link.try_post(parcel) {
                    error.parcel.complete(Outcome::Failed(error.reason));
                }
                let (messages, bytes) = ledger.held(*number, *max);
                let limits = &host.limits;
                assert!(
                    messages <= limits.sender_queue_messages,
                    "INV-3: {messages}"
                );
                let most = limits.sender_queue_bytes + limits.message;
                assert!(bytes < most, "INV-3: {bytes} bytes");
            }
            Self::Typed { link, tally } => {
                let number = ledger.silent(tally.number, rest);
                let note = (tally.number as u64, number as u64, filling(number, rest));
                if is_awaited {
                    let limit = Duration::from_millis(rng.below(5_000));
                    let Ok(sent) = timeout(limit, link.send(note)).await else {
                        tally.perhaps += 1;
                        return;
                    };
                    let outcome = outcome(sent);
                    if !matches!(outcome, Outcome::Failed(_)) {
                        tally.accepted += 1;
                    } else {
                        // It failed before or after it was accepted.
                        tally.perhaps += 1;
                    }
                    ledger.complete(tally.number, number, outcome);
                } else {
                    match link.post(note) {
                        Ok(()) => tally.accepted += 1,
                        Err(error) => ledger.complete(tally.number, number, outcome(Err(error))),
                    }
                }
            }
        }
    }

    /// Waits for room for a while.
    async fn wait(&self, rng: &mut Rng) {
        let limit = Duration::from_millis(rng.below(3_000));
        // An error is that the link closes, which others notice, too.
        match self {
            Self::Parcels { link, .. } => _ = timeout(limit, link.ready()).await,
            Self::Typed { link, .. } => _ = timeout(limit, link.ready()).await,
        }
    }

    async fn flush(&self, limit: Duration) -> usize {
        match self {
            Self::Parcels { link, .. } => link.flush(limit).await,
            Self::Typed { link, .. } => link.flush(limit).await,
        }
    }

    /// Checks that all outcomes are known in time (INV-5).
    async fn check_rest(&self, host: &Dialling) {
        let began = Instant::now();
        let left = self.flush(PATIENCE).await;
        let status = self.status();
        assert_eq!(left, 0, "INV-5: after {:?}, {status:?}", began.elapsed());
        if let Self::Parcels { number, .. } = self {
            assert_eq!(host.world.ledger.held(*number, u64::MAX), (0, 0), "INV-5");
        }
    }

    /// Ends a link in one of the ways in which links end.
    async fn finish(self, host: &Dialling, rng: &mut Rng) {
        let limit = Duration::from_millis(rng.below(20_000));
        match self {
            Self::Parcels { number, link, .. } => match rng.below(4) {
                0 => drop(link),
                1 => link.end(),
                2 => _ = timeout(limit / 2, link.close(limit)).await,
                _ => {
                    link.close(limit).await;
                    assert_eq!(host.world.ledger.held(number, u64::MAX), (0, 0), "INV-2");
                }
            },
            Self::Typed { link, tally } => {
                if rng.below(4) == 0 {
                    return;
                }
                let report = link.close(limit).await;
                // What was delivered last may wait in the queue of a slow receiver.
                let delivered = host.world.ledger.n_delivered(tally.number) as u64;
                let most = tally.accepted + tally.perhaps;
                let failed = report.failed.saturating_sub(tally.perhaps);
                assert!(
                    delivered + failed <= most,
                    "INV-2: {delivered} of {most}, {report:?}"
                );
            }
        }
    }

    /// Returns whether a message arrives, and checks that this is known in time (INV-5).
    async fn works(self, host: &Dialling) -> bool {
        let ledger = &host.world.ledger;
        let limit = PATIENCE;
        match self {
            Self::Parcels { number, link, .. } => {
                let parcel = ledger.parcel(number, NUMBERS, true);
                ledger.posting(&parcel);
                link.post(parcel);
                assert_eq!(link.flush(limit).await, 0, "INV-5: {:?}", link.status());
                let report = link.close(limit).await;
                (report.failed, report.unknown) == (0, 0)
            }
            Self::Typed { link, tally } => {
                let number = ledger.silent(tally.number, 0);
                let note = (tally.number as u64, number as u64, Bytes::new());
                let sent = timeout(limit, link.send(note)).await;
                let status = link.status();
                let outcome = outcome(sent.unwrap_or_else(|_| panic!("INV-5: {status:?}")));
                ledger.complete(tally.number, number, outcome);
                let report = link.close(limit).await;
                (report.failed, report.unknown) == (0, 0)
            }
        }
    }
}

pub(super) fn outcome(sent: Result<(), SendError<Note>>) -> Outcome {
    match sent {
        Ok(()) => Outcome::Acked,
        Err(error) => match error.cause {
            SendCause::Failed(reason) => Outcome::Failed(reason),
            SendCause::Unknown(reason) => Outcome::Unknown(reason),
            cause => panic!("{cause}"),
        },
    }
}
