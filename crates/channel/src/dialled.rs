//! A session at the end that sends: opens it on each new connection. That is the end that dialled, or for the way back of
//! a duplex link the one that serves.
//!
//! # Invariants
//!
//! - **INV-1**: on each connection the session is opened before anything of it is sent.
//! - **INV-2**: what an old connection says after a new one carries the session changes nothing.
//! - **INV-3**: a session is with one connector; when its path has failed and there are others, it goes to that of the
//!   next one.
//! - **INV-4**: one half of a duplex link is opened on each new connection as long as the link lives, so that the other end
//!   learns that it has ended, and opens the other half.

mod keeping;
mod losses;
mod paths;

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::{
    attachment::Attachment,
    carried::{Carried, Wish},
    course::Course,
    duplex::Receiving,
    endpoint::Shared,
    frame::{Ack, FrameError, Header, Kind, Nack},
    handshake::{LinkType, Refusal},
    image::Image,
    incarnation::SessionId,
    kept::Kept,
    news::News,
    open::{LostCode, Open, Opened},
    outcome::{CloseReason, Parcel, ProtocolError, UnknownReason},
    route::{Path, Route},
    sender::{Remote, Sender},
};
use losses::Losses;

/// How long it may take to tell the peer of the end.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Which part of a link a session is.
pub(crate) enum Role {
    /// All of it.
    Whole,
    /// What goes forth on a duplex link, at the end that dialled it; with what receives the way back.
    Forth(Arc<Receiving>),
    /// What goes back on a duplex link, at the end that serves it.
    Back,
}

/// One session that is sent.
pub(crate) struct Dialled<P: Parcel> {
    role: Role,
    pub(crate) route: Route,
    pub(crate) sender: Sender<P>,
    pub(crate) attachment: Attachment,
    endpoint: Arc<Shared>,
    id: SessionId,
    what: LinkType,
    phase: Mutex<Phase>,
    course: Mutex<Course>,
    /// Why the last path failed.
    failure: Mutex<Option<CloseReason>>,
    losses: Mutex<Losses>,
    /// Whether the peer has said that it expects nothing more of it.
    is_released: AtomicBool,
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
    /// The peer takes nothing more, and is to be told that this is known.
    Answering,
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
        role: Role,
        what: LinkType,
        sender: Sender<P>,
        endpoint: Arc<Shared>,
        news: Arc<News>,
    ) -> Self {
        let id = SessionId::random(&endpoint.entropy);
        let course = Course::new(route.paths().len(), endpoint.entropy.number());
        Self {
            role,
            route,
            sender,
            attachment: Attachment::default(),
            endpoint,
            id,
            what,
            phase: Mutex::new(Phase::Detached),
            course: Mutex::new(course),
            failure: Mutex::default(),
            losses: Mutex::default(),
            is_released: AtomicBool::new(false),
            ended: OnceLock::new(),
            news,
        }
    }

    fn open(&self) -> Open {
        let (acked, sent) = self.sender.positions();
        let turn = self.course().next_turn();
        Open {
            id: self.id,
            kind: self.what.kind,
            layout: self.what.layout,
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
        let wanted = self.route.incarnation();
        if wanted.is_some_and(|wanted| wanted != opened.incarnation) {
            self.finish(CloseReason::PeerRestarted);
            return Ok(Wish::None);
        }
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

    /// The peer takes nothing any more, and has taken what is below `next`.
    fn on_closed(self: &Arc<Self>, next: u64) -> Wish {
        let before = std::mem::replace(&mut *self.lock(), Phase::Closed);
        self.is_released.store(true, Ordering::Release);
        let unknown = UnknownReason::ConnectionLost;
        self.sender
            .end(CloseReason::PeerClosed, unknown, Some(next));
        if self.is_half() {
            if matches!(self.role, Role::Forth(_)) && before != Phase::Closed {
                // Not before the messages have their outcomes: the close is an end, too.
                *self.lock() = Phase::Answering;
            }
            self.attachment.schedule(self.clone(), true);
            self.news.notify_one();
        }
        Wish::Leave
    }

    /// Returns whether it is one half of a duplex link.
    fn is_half(&self) -> bool {
        !matches!(self.role, Role::Whole)
    }

    /// Returns what is to be said now, and counts it as said.
    fn next_word(&self) -> Word {
        let has_ended = self.sender.has_ended();
        let mut phase = self.lock();
        match *phase {
            Phase::ToOpen if has_ended && !self.is_half() => {
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
            Phase::Answering => {
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
            CloseReason::PeerRestarted => UnknownReason::PeerRestarted,
            _ => UnknownReason::ConnectionLost,
        };
        if let Role::Forth(back) = &self.role
            && !matches!(reason, CloseReason::Closed | CloseReason::PeerClosed)
        {
            // There is no way to the peer, or it is not to be trusted.
            back.end();
        }
        self.sender.end(reason, unknown, None);
    }

    /// Ends this direction.
    pub(crate) fn finish(self: &Arc<Self>, reason: CloseReason) {
        self.end_as(reason);
        self.attachment.schedule(self.clone(), true);
    }

    /// Accepts nothing any more, and goes on until `deadline`.
    pub(crate) fn close_sender(self: &Arc<Self>, deadline: Instant) {
        self.sender.close(deadline);
        self.attachment.schedule(self.clone(), true);
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
        let more = match self.next_word() {
            Word::Nothing => false,
            Word::Open => {
                let body = self.open().encode();
                image.copy(&Header::control(Kind::Open, number, body.len()).encode());
                image.copy(&body);
                // Then the close follows (INV-4).
                self.sender.has_ended()
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
        };
        more && self.attachment.goes_on(connection)
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
                Ok(self.on_closed(ack.next))
            }
            Kind::Lost => {
                let code = LostCode::decode(body).ok_or(header.bad_body())?;
                Ok(self.on_session_lost(code))
            }
            kind => Err(FrameError::Kind(kind as u8).into()),
        }
    }

    fn on_fault(
        self: Arc<Self>,
        connection: u64,
        error: ProtocolError,
    ) -> Result<Wish, ProtocolError> {
        if !self.attachment.is_at(connection) {
            return Err(error);
        }
        if self.path().is_direct() {
            if matches!(self.role, Role::Back) {
                // No connector ends it for that.
                self.finish(CloseReason::Protocol(error.clone()));
            }
            return Err(error);
        }
        // The gateway, and what else it carries, are not to blame.
        self.finish(CloseReason::Protocol(error));
        Ok(Wish::None)
    }

    fn on_tick(self: Arc<Self>, connection: u64) -> Wish {
        if !self.attachment.is_at(connection) {
            return match self.role {
                Role::Back => Wish::Leave,
                Role::Whole | Role::Forth(_) => Wish::None,
            };
        }
        let written = self.attachment.written();
        let limit = self.endpoint.limits.stall_timeout;
        if self.sender.is_stalled(written, limit) {
            self.finish(CloseReason::Stalled);
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
        if matches!(self.role, Role::Back) {
            // Under the lock, so that it does not come after what a new connection says.
            self.connecting(1, None);
        }
        drop(phase);
        self.sender.on_lost();
        if self.is_half() {
            self.news.notify_one();
        }
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
