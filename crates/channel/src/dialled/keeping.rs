//! What a connector does with a session that was dialled here.

use std::sync::Arc;

use tokio::{sync::Notify, time::Instant};

use super::{Dialled, Phase};
use crate::{
    addr::ChannelAddr,
    endpoint::Joining,
    kept::Kept,
    link::{CloseReport, LinkStatus},
    outcome::{CloseReason, ConnectError, Parcel, Tried, Unreachable},
    outlet::Outlet,
};

impl<P: Parcel> Kept for Dialled<P> {
    fn attach(self: Arc<Self>, outlet: &Arc<Outlet>) {
        {
            let mut phase = self.lock();
            if !self.attachment.attach(outlet) {
                return;
            }
            *phase = Phase::ToOpen;
        }
        self.attachment.schedule(self.clone(), true);
    }

    fn first_hop(&self) -> &ChannelAddr {
        self.path().first()
    }

    fn join(&self, news: &Arc<Notify>) {
        self.news.turn_to(news);
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
        if self.sender.has_ended() {
            return Some(self.last_word_deadline());
        }
        let patience = self.endpoint.limits.connect_timeout;
        let phase = *self.lock();
        let give_up = self
            .sender
            .deadline((phase != Phase::Open).then_some(patience));
        match phase {
            Phase::Postponed(until) => Some(give_up.map_or(until, |time| time.min(until))),
            _ => give_up,
        }
    }

    fn expire(self: Arc<Self>, error: Option<&Arc<Unreachable>>) {
        let now = Instant::now();
        let patience = self.endpoint.limits.connect_timeout;
        let phase = *self.lock();
        let is_open = phase == Phase::Open;
        if self.sender.is_close_over(is_open) {
            return self.end(CloseReason::Closed);
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
                // There is a connection, on which the peer does not open the session.
                (Phase::ToOpen | Phase::Opening, _) => {
                    let unreachable = Unreachable {
                        addr: self.route.addr().clone(),
                        attempts: 1,
                        tried: vec![Tried::new(self.path(), ConnectError::Timeout)],
                    };
                    self.end(CloseReason::Unreachable(Arc::new(unreachable)));
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
        // The peer is told of the end, if it knows of the session and reads what it is told.
        self.sender.has_ended()
            && (!matches!(*self.lock(), Phase::Opening | Phase::Open)
                || self.last_word_deadline() <= Instant::now())
    }

    fn has_work(&self) -> bool {
        self.sender.has_work()
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
        self.end_as(reason);
        self.attachment.schedule(self.clone(), true);
    }

    fn close(self: Arc<Self>, deadline: Instant) {
        self.sender.close(deadline);
        self.attachment.schedule(self.clone(), true);
    }

    fn report(&self) -> CloseReport {
        self.sender.report()
    }
}
