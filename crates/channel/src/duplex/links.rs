//! The duplex links of a server: those that wait to be accepted, and the task that keeps each of them.
//!
//! # Invariants
//!
//! - **INV-1**: a link is found again by who opened it, and by nobody else, and it is accepted once.
//! - **INV-2**: what waits to be accepted is bounded.
//! - **INV-3**: a link is forgotten when both of its halves are over, when no connection has carried it for the lifetime of
//!   a session and all that has come was received, and when the server stops.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hypermesh_wire::Message;
use tokio::{
    select,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use super::{DuplexServer, Receiver, Receiving, Side};
use crate::{
    addr::ChannelAddr,
    dialled::{Dialled, Role},
    endpoint::Shared,
    handshake::RefusalCode,
    identity::PeerIdentity,
    incarnation::{Incarnation, SessionId},
    kept::Kept,
    link::Link,
    news::{Inbox, News},
    open::{Open, WAY_BACK},
    outcome::{CloseReason, ConnectError, Tried, Unreachable},
    registry::Place,
    route::Route,
    rx::Rx,
    sender::Sender,
    server::{EXPIRIES, LAST_WORDS, LEAST_LIFETIME, Serving},
    tx::{Tx, TypedParcel},
};

/// The links of one server, as its connections see them.
pub(crate) trait Links: Send + Sync {
    /// Returns the link that `open` is about, which has `number` on its connections: the one that is known, or a
    /// new one.
    fn open(
        self: Arc<Self>,
        serving: &Arc<Serving>,
        addr: &ChannelAddr,
        open: &Open,
        number: u32,
        identity: Option<PeerIdentity>,
    ) -> Result<Halves, RefusalCode>;
}

/// The two halves of a link at its serving end.
pub(crate) struct Halves {
    /// What receives.
    pub(crate) forth: Arc<Receiving>,
    /// What sends.
    pub(crate) back: Arc<dyn Kept>,
    /// The link is over.
    pub(crate) over: CancellationToken,
    /// Held while a connection takes the link over.
    pub(crate) opening: Arc<Mutex<()>>,
}

/// The links of one server.
pub(crate) struct Backlog<In: Message, Out: Message> {
    state: Mutex<State<In, Out>>,
    /// Told when a link waits to be accepted.
    pub(super) arrived: Notify,
}

struct State<In: Message, Out: Message> {
    known: BTreeMap<SessionId, Arc<Accepted<Out>>>,
    waiting: VecDeque<(Tx<Out>, Rx<In>)>,
}

impl<In: Message, Out: Message> Default for Backlog<In, Out> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                known: BTreeMap::new(),
                waiting: VecDeque::new(),
            }),
            arrived: Notify::new(),
        }
    }
}

impl<In: Message, Out: Message> Backlog<In, Out> {
    /// Takes a link that waits to be accepted.
    pub(super) fn next(&self) -> Option<(Tx<Out>, Rx<In>)> {
        self.lock().waiting.pop_front()
    }

    fn forget(&self, id: &SessionId) {
        let removed = self.lock().known.remove(id);
        // What it holds is not dropped under the lock.
        drop(removed);
    }

    fn lock(&self) -> MutexGuard<'_, State<In, Out>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<In: Message, Out: Message> Links for Backlog<In, Out> {
    fn open(
        self: Arc<Self>,
        serving: &Arc<Serving>,
        addr: &ChannelAddr,
        open: &Open,
        number: u32,
        identity: Option<PeerIdentity>,
    ) -> Result<Halves, RefusalCode> {
        let mut state = self.lock();
        if let Some(link) = state.known.get(&open.id) {
            // INV-1
            let opener = (link.incarnation, link.identity, link.number);
            if opener != (open.incarnation, identity, number) {
                return Err(RefusalCode::Identity);
            }
            return Ok(link.halves());
        }
        // INV-2
        if DuplexServer::<In, Out>::MAX_WAITING <= state.waiting.len() {
            return Err(RefusalCode::Busy);
        }
        if serving.stop.is_cancelled() {
            return Err(RefusalCode::Kind(serving.what.kind));
        }
        let (link, keeping) = Accepted::new(serving, addr, open, number, identity)?;
        let linger = serving.endpoint.limits.linger_timeout;
        let tx = Tx::new(Link::new(link.back.clone(), linger));
        let rx = Rx::of_link(Receiver(link.forth.clone()));
        let halves = link.halves();
        state.known.insert(open.id, link);
        state.waiting.push_back((tx, rx));
        drop(state);
        self.arrived.notify_one();
        let (links, id) = (self.clone(), open.id);
        let task = async move {
            keeping.run().await;
            links.forget(&id);
        };
        serving.endpoint.spawn(serving.tasks.track_future(task));
        Ok(halves)
    }
}

/// One link at the end that serves it.
struct Accepted<Out: Message> {
    /// Who opened it.
    incarnation: Incarnation,
    identity: Option<PeerIdentity>,
    number: u32,
    forth: Arc<Receiving>,
    back: Arc<Dialled<TypedParcel<Out>>>,
    over: CancellationToken,
    opening: Arc<Mutex<()>>,
    /// What the way back counts as.
    _place: Place,
}

impl<Out: Message> Accepted<Out> {
    fn new(
        serving: &Arc<Serving>,
        addr: &ChannelAddr,
        open: &Open,
        number: u32,
        identity: Option<PeerIdentity>,
    ) -> Result<(Arc<Self>, Keeping<Out>), RefusalCode> {
        let endpoint = &serving.endpoint;
        let place = endpoint.registry.place(endpoint).ok_or(RefusalCode::Busy)?;
        let news = Arc::new(News::default());
        let sender = Sender::new(number | WAY_BACK, &endpoint.limits, news.clone());
        let route = Route::direct(addr.clone());
        let what = &serving.what;
        let back = Dialled::new(
            route,
            Role::Back,
            what.clone(),
            sender,
            endpoint.clone(),
            news.clone(),
        );
        let stop = serving.stop.child_token();
        let inbox = Arc::new(Inbox::default());
        news.turn_to(&inbox, number);
        let link = Arc::new(Self {
            incarnation: open.incarnation,
            identity,
            number,
            forth: Receiving::new(Side::Serving, endpoint, what.clone(), stop, news),
            back: Arc::new(back),
            over: CancellationToken::new(),
            opening: Arc::default(),
            _place: place,
        });
        let name = endpoint.next_connection();
        let kept: Arc<dyn Kept> = link.back.clone();
        let sending = endpoint.add_way_back(name, &kept);
        let keeping = Keeping {
            link: link.clone(),
            endpoint: endpoint.clone(),
            name,
            inbox,
            stop: serving.stop.clone(),
            sending: Some(sending.ok_or(RefusalCode::Busy)?),
            peer: open.incarnation,
        };
        Ok((link, keeping))
    }

    fn halves(&self) -> Halves {
        Halves {
            forth: self.forth.clone(),
            back: self.back.clone(),
            over: self.over.clone(),
            opening: self.opening.clone(),
        }
    }

    fn is_over(&self) -> bool {
        self.forth.is_over() && self.back.is_over()
    }
}

/// What is to be done for a link as time passes: what its connector does at the other end.
struct Keeping<Out: Message> {
    link: Arc<Accepted<Out>>,
    endpoint: Arc<Shared>,
    /// The number under which the endpoint knows the way back.
    name: u64,
    /// Told of both halves, under one number.
    inbox: Arc<Inbox>,
    stop: CancellationToken,
    /// Says that the link sends.
    sending: Option<TaskTrackerToken>,
    peer: Incarnation,
}

impl<Out: Message> Keeping<Out> {
    async fn run(mut self) {
        let limits = &self.endpoint.limits;
        let lifetime = limits.session_lifetime.max(LEAST_LIFETIME);
        let absent = Arc::new(self.absent());
        let mut absent_since = None;
        while let Some(deadline) = self.look(&absent, lifetime, &mut absent_since) {
            select! {
                biased;
                () = self.stop.cancelled() => break,
                () = self.inbox.notified() => {}
                () = sleep_until(deadline) => {}
            }
        }
        self.finish(&absent).await;
    }

    /// Does what is due, and returns when to look again; or nothing if the link is over (INV-3).
    fn look(
        &mut self,
        absent: &Arc<Unreachable>,
        lifetime: Duration,
        absent_since: &mut Option<Instant>,
    ) -> Option<Instant> {
        let back = &self.link.back;
        back.clone().expire(Some(absent));
        if back.sender.has_ended() {
            self.sending = None;
        }
        if self.link.is_over() {
            return None;
        }
        let now = Instant::now();
        if back.attachment.is_attached() {
            *absent_since = None;
        } else if absent_since.is_none() {
            *absent_since = Some(now);
        }
        let mut forgotten = absent_since.map(|since| since + lifetime);
        if forgotten.is_some_and(|time| time <= now) {
            if !self.link.forth.has_waiting() {
                return None;
            }
            // What the link has sent is received before what it would send as a new one.
            forgotten = Some(now + lifetime / EXPIRIES);
        }
        let hour = now + Duration::from_secs(3600);
        let times = [forgotten, back.deadline()].into_iter().flatten();
        Some(times.fold(hour, Instant::min).max(now))
    }

    /// Ends what has not ended, and tells the other end if it is there.
    async fn finish(&mut self, absent: &Arc<Unreachable>) {
        let link = &self.link;
        link.forth.stop();
        link.back.finish(if link.back.attachment.is_attached() {
            CloseReason::Closed
        } else {
            CloseReason::Unreachable(absent.clone())
        });
        self.sending = None;
        let told = async {
            link.forth.told().await;
            while !link.back.is_told() {
                self.inbox.notified().await;
            }
        };
        // A peer that does not read does not hold this up.
        let _ = timeout(LAST_WORDS, told).await;
        link.forth.end();
        link.back.attachment.leave();
    }

    /// Returns why the link has no connection.
    fn absent(&self) -> Unreachable {
        let place = format!("the end that dialled, {}", self.peer);
        Unreachable {
            addr: self.link.back.route.addr().clone(),
            attempts: 0,
            tried: vec![Tried::new(&place, ConnectError::Absent)],
        }
    }
}

/// However the task ends.
impl<Out: Message> Drop for Keeping<Out> {
    fn drop(&mut self) {
        self.link.forth.end();
        self.link.back.finish(CloseReason::Closed);
        self.link.over.cancel();
        self.endpoint.remove_way_back(self.name);
    }
}
