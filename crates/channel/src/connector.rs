//! Keeps the sessions to one address connected: dials, carries them, and dials again.
//!
//! # Invariants
//!
//! - **INV-1**: an address has one connection at a time, which carries all its sessions.
//! - **INV-2**: a connector without sessions ends, and is not used any more.
//! - **INV-3**: however the task ends, every session ends or is told that its connection is lost.
//! - **INV-4**: all sessions are looked at when an attempt to connect begins or ends and when a connection does; in between only
//!   those that have said so, and those whose time has come. So the work for a session does not grow with their number.
//! - **INV-5**: a session that goes to another connector is always with one of them, for a moment with both; if it comes back in
//!   that moment, it stays.

mod agenda;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::{
    select,
    time::{Duration, Instant, sleep_until, timeout, timeout_at},
};

use crate::{
    addr::ChannelAddr,
    backoff::Backoff,
    carried::Carried,
    dial::{Connected, greet},
    endpoint::Shared,
    flaps::{Flaps, Told},
    frame::{FrameError, Header, Kind},
    handshake::{Hello, RefusalCode},
    heart::Heart,
    inlet::{End, Inlet, Sessions},
    kept::Kept,
    news::Inbox,
    open::{Open, WAY_BACK},
    outcome::{CloseReason, ConnectError, ProtocolError, Tried, Unreachable},
    outlet::Outlet,
};
use agenda::Agenda;

/// How long the last words of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// When to look again at a session whose time is over, and that cannot be ended yet.
const AGAIN: Duration = Duration::from_millis(100);

/// How long it takes at most until the next look.
const IDLE: Duration = Duration::from_secs(3600);

/// The sessions to one address.
pub(crate) struct Connector {
    addr: ChannelAddr,
    endpoint: Arc<Shared>,
    state: Mutex<State>,
    /// Told of each new session, and of each that wants to be looked at.
    inbox: Arc<Inbox>,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<u32, Arc<dyn Kept>>,
    /// Those that came back before they were removed (INV-5).
    back: BTreeSet<u32>,
    /// When each is to be looked at.
    agenda: Agenda,
    outlet: Option<Arc<Outlet>>,
    heart: Option<Arc<Heart>>,
    is_over: bool,
}

impl State {
    fn remove(&mut self, number: u32) {
        self.sessions.remove(&number);
        self.agenda.set(number, None);
    }

    /// Removes a session that went to another connector, if it has not come back.
    fn remove_gone(&mut self, number: u32) {
        if !self.back.remove(&number) {
            self.remove(number);
        }
    }
}

/// Which sessions are looked at (INV-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    All,
    /// Those that have said so, and those whose time has come.
    Due,
}

impl Connector {
    pub(crate) fn new(addr: ChannelAddr, endpoint: Arc<Shared>) -> Self {
        Self {
            addr,
            endpoint,
            state: Mutex::default(),
            inbox: Arc::default(),
        }
    }

    pub(crate) fn addr(&self) -> &ChannelAddr {
        &self.addr
    }

    /// Returns the sessions.
    pub(crate) fn sessions(&self) -> Vec<Arc<dyn Kept>> {
        self.lock().sessions.values().cloned().collect()
    }

    /// Takes a session, or returns whether this connector is over.
    pub(crate) fn add(&self, session: &Arc<dyn Kept>) -> bool {
        let outlet = {
            let mut state = self.lock();
            if state.is_over {
                return false;
            }
            session.join(&self.inbox);
            let number = session.number();
            if state.sessions.insert(number, session.clone()).is_some() {
                state.back.insert(number);
            }
            state.outlet.clone()
        };
        if let Some(outlet) = outlet {
            session.clone().attach(&outlet);
            // The connection may have ended, and told its sessions so, before this one used it.
            if !self.is_at(&outlet) {
                session.clone().on_lost(outlet.connection);
            }
        }
        self.inbox.tell(session.number());
        true
    }

    fn is_at(&self, outlet: &Arc<Outlet>) -> bool {
        let state = self.lock();
        let current = state.outlet.as_ref();
        current.is_some_and(|current| Arc::ptr_eq(current, outlet))
    }

    /// Works until no session is left. To be called once.
    pub(crate) async fn run(self: Arc<Self>, was_reached: bool) {
        let _end = Ended(&self);
        let backoff = Backoff::new(self.endpoint.entropy.number());
        let mut dialling = Dialling {
            connector: &self,
            backoff,
            was_reached,
            is_first: !was_reached,
        };
        let mut flaps = Flaps::default();
        while let Some(connected) = dialling.connect().await {
            let began = Instant::now();
            match self.carry(connected).await {
                Some(end) => {
                    if let Some(Told { flaps, total }) = flaps.on_loss(Instant::now()) {
                        tracing::info!(addr = %self.addr, flaps, total, %end, "connections were lost");
                    }
                }
                None => tracing::debug!(addr = %self.addr, "a connection is not needed any more"),
            }
            dialling.backoff.connection_lived(began.elapsed());
        }
        if let Some(Told { flaps, total }) = flaps.rest() {
            tracing::info!(addr = %self.addr, flaps, total, "connections were lost");
        }
    }

    /// Carries the sessions over a connection until it is lost, and returns why; or nothing, if no session is left.
    async fn carry(self: &Arc<Self>, connected: Connected) -> Option<End> {
        let limits = &self.endpoint.limits;
        let number = self.endpoint.next_connection();
        let outlet = Outlet::new(number, connected.writer, self.endpoint.glances.join());
        let heart = Heart::new(&outlet, &self.endpoint);
        let writing = {
            let outlet = outlet.clone();
            self.endpoint
                .spawn_connection(async move { outlet.run().await })
        };
        let mut inlet = Inlet::new(connected.reader, &outlet, &**self, heart.clone(), limits);
        for session in self.begin(&outlet, &heart) {
            session.attach(&outlet);
        }
        let end = {
            let mut reading = pin!(inlet.run());
            self.meanwhile(None, reading.as_mut()).await
        };
        {
            let mut state = self.lock();
            (state.outlet, state.heart) = (None, None);
        }
        if end.is_none() {
            // What the sessions said last is written, and the peer ends the stream after that.
            outlet.end();
            let _ = timeout(LAST_WORDS, inlet.drain()).await;
        }
        outlet.kill();
        if let Some(End::Protocol(error)) = &end {
            self.fail_all(&CloseReason::Protocol(error.clone()));
        }
        // It was told to end, and ends without waiting for anything.
        let _ = writing.await;
        for (_, session) in self.all() {
            session.on_lost(number);
        }
        end
    }

    /// Waits for `future`, ends the sessions whose time comes, and returns `None` when none is left.
    async fn meanwhile<F: Future + Unpin>(
        &self,
        error: Option<&Arc<Unreachable>>,
        mut future: F,
    ) -> Option<F::Output> {
        let mut whom = Whom::All;
        loop {
            let deadline = self.retire(whom, error)?;
            whom = Whom::Due;
            select! {
                biased;
                output = &mut future => return Some(output),
                () = self.inbox.notified() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// Ends the sessions whose time is over, forgets those that ended, and returns when to look again; or
    /// nothing if no session is left.
    fn retire(&self, whom: Whom, error: Option<&Arc<Unreachable>>) -> Option<Instant> {
        for (number, session) in self.to_look_at(whom) {
            session.clone().expire(error);
            if session.is_over() {
                self.lock().remove(number);
                continue;
            }
            if session.clone().moves() {
                self.lock().remove_gone(number);
                continue;
            }
            let now = Instant::now();
            // One that is over waits for the attempt to connect that goes on.
            let again = |time| if time <= now { now + AGAIN } else { time };
            let time = session.deadline().map(again);
            self.lock().agenda.set(number, time);
        }
        let mut state = self.lock();
        // INV-2: under the lock, so that no session comes too late.
        state.is_over |= state.sessions.is_empty();
        let latest = Instant::now() + IDLE;
        let first = state.agenda.first().map_or(latest, |time| time.min(latest));
        (!state.is_over).then_some(first)
    }

    /// Returns the sessions that are looked at now (INV-4).
    fn to_look_at(&self, whom: Whom) -> Vec<(u32, Arc<dyn Kept>)> {
        // First, so that one that joins now is told of after this, or is there already.
        let mut told = self.inbox.take();
        if whom == Whom::All {
            return self.kept();
        }
        let now = Instant::now();
        let mut state = self.lock();
        while let Some(number) = state.agenda.take_due(now) {
            told.insert(number);
        }
        let session = |number| Some((number, state.sessions.get(&number)?.clone()));
        told.into_iter().filter_map(session).collect()
    }

    fn begin(&self, outlet: &Arc<Outlet>, heart: &Arc<Heart>) -> Vec<Arc<dyn Kept>> {
        let mut state = self.lock();
        (state.outlet, state.heart) = (Some(outlet.clone()), Some(heart.clone()));
        state.sessions.values().cloned().collect()
    }

    fn end_all(&self, reason: &CloseReason) {
        for (_, session) in self.kept() {
            session.end(reason.clone());
        }
    }

    fn fail_all(&self, reason: &CloseReason) {
        for (_, session) in self.kept() {
            session.fail(reason.clone());
        }
    }

    fn kept(&self) -> Vec<(u32, Arc<dyn Kept>)> {
        let state = self.lock();
        let sessions = state.sessions.iter();
        sessions
            .map(|(number, session)| (*number, session.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions for Connector {
    fn find(&self, number: u32) -> Option<Arc<dyn Carried>> {
        let session = self.lock().sessions.get(&(number & !WAY_BACK)).cloned()?;
        if number & WAY_BACK == 0 {
            return Some(session);
        }
        let back = session.way_back()?.session()?;
        Some(back)
    }

    /// Takes the beginning of the way back of a duplex link.
    fn open(&self, header: Header, body: &Bytes) -> Result<(), ProtocolError> {
        let number = header.session;
        let (session, outlet, heart) = {
            let state = self.lock();
            let session = state.sessions.get(&(number & !WAY_BACK)).cloned();
            (session, state.outlet.clone(), state.heart.clone())
        };
        let no_business = || FrameError::Kind(Kind::Open as u8).into();
        let (true, Some(outlet), Some(heart)) = (number & WAY_BACK != 0, outlet, heart) else {
            return Err(no_business());
        };
        let opened = match session.as_ref().map(|session| session.way_back()) {
            Some(Some(back)) => back
                .carry(&Open::decode(body)?, None, number, &outlet)
                .map(drop),
            Some(None) => return Err(no_business()),
            // The link ended while that was on its way.
            None => Err(RefusalCode::Over),
        };
        opened.or_else(|code| heart.refuse(number, code))
    }

    fn leave(&self, number: u32) {
        let number = number & !WAY_BACK;
        let session = self.lock().sessions.get(&number).cloned();
        if let Some(session) = session {
            if session.is_over() {
                self.lock().remove(number);
            }
            self.inbox.tell(number);
        }
    }

    fn all(&self) -> Vec<(u32, Arc<dyn Carried>)> {
        let mut all = Vec::new();
        for (number, session) in self.kept() {
            if let Some(back) = session.way_back().and_then(|back| back.session()) {
                all.push((number | WAY_BACK, back as Arc<dyn Carried>));
            }
            all.push((number, session as Arc<dyn Carried>));
        }
        all
    }
}

/// Ends what a task leaves that did not come to its end, because its runtime was shut down for example.
struct Ended<'a>(&'a Arc<Connector>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.end_all(&CloseReason::Closed);
        self.0.endpoint.forget_connector(self.0);
    }
}

/// The attempts to connect.
struct Dialling<'a> {
    connector: &'a Connector,
    backoff: Backoff,
    /// Whether a peer was reached at the address before.
    was_reached: bool,
    /// Whether the next attempt is the very first.
    is_first: bool,
}

impl Dialling<'_> {
    /// Tries until a peer accepts the connection, or no session is left.
    async fn connect(&mut self) -> Option<Connected> {
        let connector = self.connector;
        let limits = &connector.endpoint.limits;
        let mut last_error: Option<Arc<Unreachable>> = None;
        let began = Instant::now();
        let mut attempt = 0;
        let mut absent_since: Option<Instant> = None;
        loop {
            attempt += 1;
            for (_, session) in connector.kept() {
                session.connecting(attempt, last_error.as_ref());
            }
            if !self.is_first || attempt > 1 {
                let pause = pin!(tokio::time::sleep(self.backoff.pause()));
                connector.meanwhile(last_error.as_ref(), pause).await?;
            }
            let tried = {
                // In memory of its own, which a connection does not keep.
                let dial = Box::pin(self.dial());
                connector.meanwhile(last_error.as_ref(), dial).await?
            };
            let tried = match tried {
                Ok(connected) => {
                    self.is_first = false;
                    self.was_reached = true;
                    return Some(connected);
                }
                Err(tried) => tried,
            };
            if let Some(reason) = tried.iter().find_map(|tried| tried.error.permanent()) {
                connector.fail_all(&reason);
                connector.retire(Whom::All, None)?;
            }
            let is_absent = tried.iter().all(|tried| tried.error.is_absence());
            last_error = Some(Arc::new(Unreachable {
                addr: connector.addr.clone(),
                attempts: attempt,
                tried,
            }));
            // A peer that was there and does not listen any more has most likely ended for good.
            if let Some(gone) = limits
                .gone_timeout
                .filter(|_| self.was_reached && is_absent)
            {
                let since = *absent_since.get_or_insert_with(Instant::now);
                if let Some(error) = last_error.clone().filter(|_| gone <= since.elapsed()) {
                    connector.fail_all(&CloseReason::Unreachable(error));
                    connector.retire(Whom::All, None)?;
                }
            } else {
                absent_since = None;
            }
            let is_idle = !connector
                .kept()
                .iter()
                .any(|(_, session)| session.has_work());
            if is_idle && limits.connect_timeout <= began.elapsed() {
                // Nothing is to be delivered: dialling goes on when something is.
                let never = pin!(std::future::pending::<()>());
                select! {
                    biased;
                    () = connector.inbox.notified() => {}
                    ended = connector.meanwhile(last_error.as_ref(), never) => ended?,
                }
            }
        }
    }

    async fn dial(&self) -> Result<Connected, Vec<Tried>> {
        let connector = self.connector;
        let endpoint = &connector.endpoint;
        let hello = Hello {
            incarnation: endpoint.incarnation,
            advertised: endpoint.advertised(),
        };
        let limits = &endpoint.limits;
        let hello = &hello;
        let greet = async |stream| greet(stream, hello, &endpoint.heard).await;
        let dial = endpoint
            .dialer
            .connect(&connector.addr, limits.handshake_timeout, greet);
        // Each place has its own time; this is for a name with very many of them.
        let until = Instant::now() + limits.connect_timeout;
        timeout_at(until, dial).await.unwrap_or_else(|_| {
            Err(vec![Tried {
                place: connector.addr.to_string(),
                error: ConnectError::Timeout,
            }])
        })
    }
}
