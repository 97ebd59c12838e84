//! What a session does when its path fails, or the peer does not carry it on.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use super::{Dialled, Phase, Role};
use crate::{
    carried::Wish,
    frame::Header,
    handshake::{Refusal, WIRE_VERSION},
    kept::Kept,
    open::{LostCode, decode_refused},
    outcome::{CloseReason, ConnectError, Parcel, ProtocolError, Tried, Unreachable},
};

impl<P: Parcel> Dialled<P> {
    pub(super) fn on_refused(&self, header: Header, body: &Bytes) -> Result<Wish, ProtocolError> {
        let code = decode_refused(body).ok_or(header.bad_body())?;
        let refusal = code.told_to(&self.what, WIRE_VERSION);
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
                self.is_released.store(true, Ordering::Release);
                self.end_as(match (refusal, &self.role) {
                    (Refusal::Over, Role::Back) => CloseReason::PeerClosed,
                    (refusal, _) => CloseReason::Refused(refusal),
                });
            }
        }
        Ok(Wish::Leave)
    }

    /// The connection is there, and does not lead to the peer any more.
    pub(super) fn on_path_lost(&self, refusal: Refusal) -> Wish {
        self.sender.on_lost();
        self.show_refusal(&refusal);
        let pause = self.course().on_failure(Instant::now());
        self.postpone(pause, CloseReason::Refused(refusal));
        Wish::Leave
    }

    /// The peer, or a gateway, does not carry the session on.
    pub(super) fn on_session_lost(self: &Arc<Self>, code: LostCode) -> Wish {
        let progress = self.sender.progress();
        let goes_on = {
            let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
            let patience = self.endpoint.limits.connect_timeout;
            match code {
                LostCode::Path => true,
                LostCode::Overrun => losses.on_overrun(progress, patience, Instant::now()),
                LostCode::GivenUp => losses.on_given_up(progress),
                LostCode::Broken => false,
            }
        };
        match code {
            LostCode::Path => self.on_path_lost(Refusal::NextHop),
            LostCode::Overrun if goes_on => self.on_path_lost(Refusal::Busy),
            LostCode::GivenUp if goes_on => self.open_anew(),
            LostCode::Overrun | LostCode::GivenUp => {
                self.on_given_up(CloseReason::Refused(Refusal::Busy))
            }
            LostCode::Broken => self.on_given_up(CloseReason::Protocol(ProtocolError::Blamed)),
        }
    }

    pub(super) fn postpone(&self, pause: Duration, failure: CloseReason) {
        *self.failure() = Some(failure);
        *self.lock() = Phase::Postponed(Instant::now() + pause);
        self.news.notify_one();
    }

    pub(super) fn show_refusal(&self, refusal: &Refusal) {
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
    pub(super) fn go_on(self: &Arc<Self>) {
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
    pub(super) fn open_anew(self: &Arc<Self>) -> Wish {
        self.sender.on_lost();
        *self.lock() = Phase::ToOpen;
        self.attachment.schedule(self.clone(), true);
        // From now on there is a time for the answer.
        self.news.notify_one();
        Wish::None
    }

    fn on_given_up(&self, reason: CloseReason) -> Wish {
        *self.lock() = Phase::Closed;
        self.end_as(reason);
        Wish::Leave
    }
}
