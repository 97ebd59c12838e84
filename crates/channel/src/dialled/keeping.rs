//! What a connector does with a session that was dialled here.

use std::sync::{Arc, atomic::Ordering};

use tokio::time::Instant;

use super::{Dialled, Phase, Role};
use crate::{
    addr::ChannelAddr,
    duplex::Receiving,
    endpoint::Joining,
    kept::Kept,
    link::{CloseReport, LinkStatus},
    news::Inbox,
    outcome::{CloseReason, ConnectError, Parcel, Tried, Unreachable},
    outlet::Outlet,
};

impl<P: Parcel> Kept for Dialled<P> {
    fn attach(self: Arc<Self>, outlet: &Arc<Outlet>) {
        {
            let mut phase = self.lock();
            let is_taken = match self.role {
                Role::Whole | Role::Forth(_) => self.attachment.attach(outlet),
                Role::Back => {
                    // It follows what goes forth, of which the later opening counts.
                    self.attachment.replace(outlet);
                    true
                }
            };
            if !is_taken {
                return;
            }
            *phase = Phase::ToOpen;
        }
        self.attachment.schedule(self.clone(), true);
    }

    fn way_back(&self) -> Option<&Arc<Receiving>> {
        match &self.role {
            Role::Forth(back) => Some(back),
            Role::Whole | Role::Back => None,
        }
    }

    fn first_hop(&self) -> &ChannelAddr {
        self.path().first()
    }

    fn join(&self, inbox: &Arc<Inbox>) {
        self.news.turn_to(inbox, self.number());
    }

    fn moves(self: Arc<Self>) -> bool {
        {
            let mut phase = self.lock();
            if *phase != Phase::Leaving {
                return false;
            }
            self.attachment.leave();
            *phase = Phase::Detached;
        }
        let session: Arc<dyn Kept> = self.clone();
        self.endpoint.keep(&session, Joining::Again)
    }

    fn number(&self) -> u32 {
        self.sender.number()
    }

    fn deadline(&self) -> Option<Instant> {
        let phase = *self.lock();
        let give_up = if self.sender.has_ended() {
            let last_word = self.last_word_deadline();
            // One half of a link may live on long after that.
            let is_due = !self.is_half() || Instant::now() < last_word;
            is_due.then_some(last_word)
        } else {
            let patience = self.endpoint.limits.connect_timeout;
            self.sender
                .deadline((phase != Phase::Open).then_some(patience))
        };
        let postponed = match phase {
            Phase::Postponed(until) => Some(until),
            _ => None,
        };
        let back = self.way_back().and_then(|back| back.deadline());
        [give_up, postponed, back].into_iter().flatten().min()
    }

    fn expire(self: Arc<Self>, error: Option<&Arc<Unreachable>>) {
        let now = Instant::now();
        let patience = self.endpoint.limits.connect_timeout;
        let phase = *self.lock();
        let is_open = phase == Phase::Open;
        if let Role::Forth(back) = &self.role
            && self.sender.has_ended()
        {
            back.on_sender_ended();
        }
        if !self.sender.has_ended() && self.sender.is_close_over(is_open) {
            return self.finish(CloseReason::Closed);
        }
        let give_up = self.sender.deadline((!is_open).then_some(patience));
        if give_up.is_some_and(|time| time <= now) {
            match (phase, error) {
                (Phase::Detached, Some(error)) => {
                    self.end_as(CloseReason::Unreachable(error.clone()));
                }
                (Phase::Postponed(_), _) => {
                    let failure = self.failure().take();
                    self.end_as(failure.unwrap_or(CloseReason::Stalled));
                }
                // The attempt at this path is not over, and those before took all the time.
                (Phase::Detached, None) => {
                    let failure = self.failure().take();
                    self.end_as(failure.unwrap_or_else(|| self.no_answer()));
                }
                // There is a connection, on which the peer does not open the session.
                (Phase::ToOpen | Phase::Opening, _) => {
                    let reason = self.no_answer();
                    self.finish(reason);
                }
                _ => {}
            }
        } else if matches!(phase, Phase::Postponed(until) if until <= now) {
            self.go_on();
        } else if let (Phase::Detached, Some(error), true) = (phase, error, self.has_other_paths())
        {
            let pause = self.course().on_failure(now);
            self.postpone(pause, CloseReason::Unreachable(error.clone()));
        }
    }

    fn is_over(&self) -> bool {
        match &self.role {
            Role::Whole => self.is_told(),
            Role::Forth(back) => back.is_over() && self.is_told(),
            Role::Back => self.sender.has_ended() && self.is_released.load(Ordering::Acquire),
        }
    }

    fn has_work(&self) -> bool {
        // The peer cannot connect to send what it has.
        self.sender.has_work() || self.way_back().is_some_and(|back| !back.is_over())
    }

    fn connecting(&self, attempt: u32, last_error: Option<&Arc<Unreachable>>) {
        self.sender.set_status(LinkStatus::Connecting {
            attempt,
            last_error: last_error.cloned(),
        });
    }

    fn fail(self: Arc<Self>, reason: CloseReason) {
        let pause = self.course().on_refusal(Instant::now());
        match pause {
            Some(pause) => self.postpone(pause, reason),
            None => self.end(reason),
        }
    }

    fn end(self: Arc<Self>, reason: CloseReason) {
        if let Some(back) = self.way_back() {
            back.end();
        }
        self.finish(reason);
    }

    fn close(self: Arc<Self>, deadline: Instant) {
        if let Some(back) = self.way_back() {
            back.end_with_sender();
        }
        self.close_sender(deadline);
    }

    fn report(&self) -> CloseReport {
        self.sender.report()
    }
}

impl<P: Parcel> Dialled<P> {
    /// Returns the end of a session for which there was no time to get an answer.
    fn no_answer(&self) -> CloseReason {
        CloseReason::Unreachable(Arc::new(Unreachable {
            addr: self.route.addr().clone(),
            attempts: 1,
            tried: vec![Tried::new(self.path(), ConnectError::Timeout)],
        }))
    }

    /// Returns whether it has ended, and the peer was told if it knows of the session and reads what it is told.
    pub(crate) fn is_told(&self) -> bool {
        let is_saying = match *self.lock() {
            Phase::Opening | Phase::Open | Phase::Answering => true,
            Phase::ToOpen => self.is_half(),
            Phase::Detached | Phase::Postponed(_) | Phase::Leaving | Phase::Closed => false,
        };
        self.sender.has_ended() && (!is_saying || self.last_word_deadline() <= Instant::now())
    }
}
