//! A session at the end that dialled it: opens it on each new connection, and sends.
//!
//! # Invariants
//!
//! - **INV-1**: on each connection the session is opened before anything of it is sent.
//! - **INV-2**: what an old connection says after a new one carries the session changes nothing.
//! - **INV-3**: a session is with one connector; when its path has failed and there are others, it goes to that of the
//!   next one.

mod keeping;

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::{
    attachment::Attachment,
    carried::{Carried, Wish},
    course::Course,
    endpoint::Shared,
    frame::{Ack, FrameError, Header, Kind, Nack},
    handshake::{LinkKind, Refusal, WIRE_VERSION},
    image::Image,
    incarnation::SessionId,
    kept::Kept,
    news::News,
    open::{LostCode, Open, Opened, decode_refused},
    outcome::{
        CloseReason, ConnectError, Parcel, ProtocolError, Tried, UnknownReason, Unreachable,
    },
    route::{Path, Route},
    sender::{Remote, Sender},
};

/// So often the peer may give a session up without anything being acknowledged in between.
const MAX_LOSSES: u32 = 3;

/// How long it may take to tell the peer of the end.
const LAST_WORD: Duration = Duration::from_millis(500);

/// One session of a dialling endpoint.
pub(crate) struct Dialled<P: Parcel> {
    pub(crate) route: Route,
    pub(crate) sender: Sender<P>,
    pub(crate) attachment: Attachment,
    endpoint: Arc<Shared>,
    id: SessionId,
    kind: LinkKind,
    phase: Mutex<Phase>,
    course: Mutex<Course>,
    /// Why the last path failed.
    failure: Mutex<Option<CloseReason>>,
    /// How often the peer gave it up.
    losses: AtomicU32,
    /// When its connector first saw that it had ended.
    ended: OnceLock<Instant>,
    /// Told when it needs its connection no more.
    news: Arc<News>,
}

/// How far the session is on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Detached,
    /// The open is to be said.
    ToOpen,
    /// It is said.
    Opening,
    /// The path has failed, and the next one is tried then.
    Postponed(Instant),
    /// It goes to the connector of the next path.
    Leaving,
    Open,
    /// The close is said, or not necessary: the peer has no such session.
    Closed,
}

/// What a session says next.
enum Word {
    Nothing,
    Open,
    Messages,
    Close,
}

impl<P: Parcel> Dialled<P> {
    pub(crate) fn new(
        route: Route,
        kind: LinkKind,
        sender: Sender<P>,
        endpoint: Arc<Shared>,
        news: Arc<News>,
    ) -> Self {
        let id = SessionId::random(&endpoint.entropy);
        let course = Course::new(route.paths().len(), endpoint.entropy.number());
        Self {
            route,
            sender,
            attachment: Attachment::default(),
            endpoint,
            id,
            kind,
            phase: Mutex::new(Phase::Detached),
            course: Mutex::new(course),
            failure: Mutex::default(),
            losses: AtomicU32::new(0),
            ended: OnceLock::new(),
            news,
        }
    }

    fn open(&self) -> Open {
        let (acked, sent) = self.sender.positions();
        let turn = self.course().next_turn();
        Open {
            id: self.id,
            kind: self.kind,
            incarnation: self.endpoint.incarnation,
            acked,
            sent,
            advertised: self.endpoint.advertised(),
            turn,
            roams: self.route.roams(),
            path: self.path().rest().to_vec(),
        }
    }

    fn path(&self) -> &Path {
        let current = self.course().current();
        &self.route.paths()[current]
    }

    fn has_other_paths(&self) -> bool {
        self.route.paths().len() > 1
    }

    fn on_opened(self: &Arc<Self>, header: Header, body: &Bytes) -> Result<Wish, ProtocolError> {
        {
            let mut phase = self.lock();
            match *phase {
                Phase::Opening => *phase = Phase::Open,
                // The session has ended, and the peer did not know that when it said this.
                Phase::Closed => return Ok(Wish::None),
                _ => return Err(FrameError::Kind(header.kind as u8).into()),
            }
        }
        let opened = Opened::decode(body)?;
        let remote = Remote {
            incarnation: Some(opened.incarnation),
            advertised: opened.advertised,
        };
        self.sender
            .on_opened(opened.resumed, opened.ack, opened.max_message, remote)?;
        self.course().on_opened(Instant::now());
        self.attachment.schedule(self.clone(), true);
        Ok(Wish::None)
    }

    fn on_refused(&self, header: Header, body: &Bytes) -> Result<Wish, ProtocolError> {
        let code = decode_refused(body).ok_or(header.bad_body())?;
        let refusal = code.told_to(self.kind, WIRE_VERSION);
        self.show_refusal(&refusal);
        let is_passing = refusal.is_passing();
        let pause = if is_passing {
            Some(self.course().on_failure(Instant::now()))
        } else {
            self.course().on_refusal(Instant::now())
        };
        match pause {
            Some(pause) => self.postpone(pause, CloseReason::Refused(refusal)),
            None => {
                *self.lock() = Phase::Closed;
                self.end_as(CloseReason::Refused(refusal));
            }
        }
        Ok(Wish::Leave)
    }

    /// The connection is there, and does not lead to the peer any more.
    fn on_path_lost(&self, refusal: Refusal) -> Wish {
        self.sender.on_lost();
        self.show_refusal(&refusal);
        let pause = self.course().on_failure(Instant::now());
        self.postpone(pause, CloseReason::Refused(refusal));
        Wish::Leave
    }

    /// Counts that the session was given up there, and returns whether to go on all the same.
    fn may_lose(&self) -> bool {
        self.losses.fetch_add(1, Ordering::Relaxed) < MAX_LOSSES
    }

    fn postpone(&self, pause: Duration, failure: CloseReason) {
        *self.failure() = Some(failure);
        *self.lock() = Phase::Postponed(Instant::now() + pause);
        self.news.notify_one();
    }

    fn show_refusal(&self, refusal: &Refusal) {
        let attempts = self.course().failures() as u32 + 1;
        let error = ConnectError::Refused(refusal.clone());
        let last_error = Unreachable {
            addr: self.route.addr().clone(),
            attempts,
            tried: vec![Tried::new(self.path(), error)],
        };
        self.connecting(attempts.saturating_add(1), Some(&Arc::new(last_error)));
    }

    /// Begins with the next path.
    fn go_on(self: &Arc<Self>) {
        let before = self.path().first();
        self.course().advance();
        let is_elsewhere = before != self.path().first();
        let mut phase = self.lock();
        *phase = if is_elsewhere {
            Phase::Leaving
        } else if self.attachment.is_attached() {
            Phase::ToOpen
        } else {
            Phase::Detached
        };
        drop(phase);
        self.attachment.schedule(self.clone(), true);
    }

    /// The peer does not carry the session on.
    fn open_anew(self: &Arc<Self>) -> Wish {
        self.sender.on_lost();
        *self.lock() = Phase::ToOpen;
        self.attachment.schedule(self.clone(), true);
        Wish::None
    }

    fn on_given_up(&self) -> Wish {
        *self.lock() = Phase::Closed;
        self.end_as(CloseReason::Refused(Refusal::Busy));
        Wish::Leave
    }

    /// Returns what is to be said now, and counts it as said.
    fn next_word(&self) -> Word {
        let has_ended = self.sender.has_ended();
        let mut phase = self.lock();
        match *phase {
            Phase::ToOpen if has_ended => {
                *phase = Phase::Closed;
                self.news.notify_one();
                Word::Nothing
            }
            Phase::ToOpen => {
                *phase = Phase::Opening;
                Word::Open
            }
            // The peer has the open, or will have it.
            Phase::Opening if has_ended => {
                *phase = Phase::Closed;
                Word::Close
            }
            Phase::Open => Word::Messages,
            Phase::Detached
            | Phase::Opening
            | Phase::Postponed(_)
            | Phase::Leaving
            | Phase::Closed => Word::Nothing,
        }
    }

    fn last_word_deadline(&self) -> Instant {
        *self.ended.get_or_init(Instant::now) + LAST_WORD
    }

    fn say_close(&self, image: &mut Image) {
        let number = self.sender.number();
        image.copy(&Header::control(Kind::Close, number, 0).encode());
        self.end_as(CloseReason::Closed);
        self.news.notify_one();
    }

    fn end_as(&self, reason: CloseReason) {
        let unknown = match reason {
            CloseReason::Closed => UnknownReason::Closed,
            CloseReason::Stalled => UnknownReason::Stalled,
            _ => UnknownReason::ConnectionLost,
        };
        self.sender.end(reason, unknown, None);
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> MutexGuard<'_, Option<CloseReason>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Parcel> Carried for Dialled<P> {
    fn fill(self: Arc<Self>, connection: u64, budget: usize, image: &mut Image) -> bool {
        if !self.attachment.begin_fill(connection) {
            return false;
        }
        let number = self.sender.number();
        let begin = image.pushed();
        match self.next_word() {
            Word::Nothing => false,
            Word::Open => {
                let body = self.open().encode();
                image.copy(&Header::control(Kind::Open, number, body.len()).encode());
                image.copy(&body);
                false
            }
            Word::Messages => {
                let (more, sent) = self.sender.fill(budget, image);
                if let Some(sent) = sent.filter(|_| begin < image.pushed()) {
                    let session: Arc<dyn Carried> = self.clone();
                    image.filled(begin, &session, sent);
                }
                if self.sender.is_drained() || self.sender.has_ended() {
                    *self.lock() = Phase::Closed;
                    self.say_close(image);
                    return false;
                }
                more
            }
            Word::Close => {
                self.say_close(image);
                false
            }
        }
    }

    fn on_control(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        body: &Bytes,
    ) -> Result<Wish, ProtocolError> {
        if !self.attachment.is_at(connection) {
            return Ok(Wish::None);
        }
        match header.kind {
            Kind::Opened => self.on_opened(header, body),
            Kind::Refused => self.on_refused(header, body),
            Kind::Ack => {
                let ack = Ack::decode(body).ok_or(header.bad_body())?;
                self.losses.store(0, Ordering::Relaxed);
                if self.sender.on_ack(ack)? {
                    self.attachment.schedule(self.clone(), true);
                }
                Ok(Wish::None)
            }
            Kind::Nack => {
                let nack = Nack::decode(body).ok_or(header.bad_body())?;
                self.sender.on_nack(nack)?;
                Ok(Wish::None)
            }
            Kind::Closed => {
                let ack = Ack::decode(body).ok_or(header.bad_body())?;
                let unknown = UnknownReason::ConnectionLost;
                *self.lock() = Phase::Closed;
                self.sender
                    .end(CloseReason::PeerClosed, unknown, Some(ack.next));
                Ok(Wish::Leave)
            }
            Kind::Lost => {
                let code = LostCode::decode(body).ok_or(header.bad_body())?;
                Ok(match code {
                    LostCode::Path => self.on_path_lost(Refusal::NextHop),
                    // A gateway that keeps less than the receiver takes may never do.
                    LostCode::Overrun if self.may_lose() => self.on_path_lost(Refusal::Busy),
                    LostCode::GivenUp if self.may_lose() => self.open_anew(),
                    LostCode::GivenUp | LostCode::Overrun => self.on_given_up(),
                })
            }
            kind => Err(FrameError::Kind(kind as u8).into()),
        }
    }

    fn on_fault(
        self: Arc<Self>,
        connection: u64,
        error: ProtocolError,
    ) -> Result<Wish, ProtocolError> {
        if self.path().is_direct() || !self.attachment.is_at(connection) {
            return Err(error);
        }
        // The gateway, and what else it carries, are not to blame.
        self.end(CloseReason::Protocol(error));
        Ok(Wish::None)
    }

    fn on_tick(self: Arc<Self>, connection: u64) -> Wish {
        if !self.attachment.is_at(connection) {
            return Wish::None;
        }
        if self.sender.is_stalled(self.endpoint.limits.stall_timeout) {
            self.end(CloseReason::Stalled);
        }
        Wish::None
    }

    fn on_lost(self: Arc<Self>, connection: u64) {
        let mut phase = self.lock();
        if !self.attachment.detach(connection) {
            return;
        }
        let was_postponed = matches!(*phase, Phase::Postponed(_));
        if !was_postponed {
            *phase = Phase::Detached;
        }
        drop(phase);
        self.sender.on_lost();
        if self.has_other_paths() && !was_postponed {
            self.connecting(1, None);
            let pause = self.course().on_failure(Instant::now());
            self.postpone(pause, CloseReason::Refused(Refusal::NextHop));
        }
    }

    fn unsend(&self, sent: u64) {
        self.sender.unsend(sent);
    }
}
