//! What the sending half of a session knows. Holds no socket and no task.

use std::time::Duration;

use tokio::time::Instant;

use super::stall::Stall;
use crate::{
    addr::ChannelAddr,
    frame::MAX_PARTS,
    incarnation::Incarnation,
    log::{Bounds, Log, Message},
    outcome::{CloseReason, FailReason},
    settings::Limits,
};

/// Messages that come sooner one after the other are written by the task of the connection, as many at once as
/// there are.
const BURST: Duration = Duration::from_micros(10);

/// How far the sending half is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Messages are accepted.
    Open,
    /// No message is accepted; those that were may still be written and acknowledged until then.
    Closing(Instant),
}

/// What the peer said about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remote {
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) advertised: Option<ChannelAddr>,
}

/// The state of a sending half.
pub(super) struct State<P> {
    pub(super) log: Log<P>,
    /// The limit of this end.
    own_limit: u64,
    /// The smaller one of both ends, as far as the peer has told its own.
    pub(super) max_message: u64,
    /// Whether the peer has opened the session on the present connection.
    pub(super) is_open: bool,
    /// How often a peer has opened it.
    pub(super) openings: u64,
    pub(super) stage: Stage,
    pub(super) finished: Option<CloseReason>,
    /// When the last message was written by who posted it, if the peer has said nothing since.
    pub(super) wrote: Option<Instant>,
    /// How often the peer acknowledged something that it had not before.
    pub(super) progress: u64,
    /// Since when the peer has not acknowledged what it could.
    pub(super) stall: Stall,
    pub(super) remote: Remote,
    /// Since when there is something to deliver and no connection.
    pub(super) waiting: Option<Instant>,
}

impl<P> State<P> {
    /// Returns the state of a session that has no connection yet.
    pub(super) fn new(number: u32, limits: &Limits) -> Self {
        let bounds = Bounds {
            messages: limits.sender_queue_messages as u64,
            bytes: limits.sender_queue_bytes,
        };
        Self {
            log: Log::new(number, bounds),
            own_limit: limits.message,
            max_message: limits.message,
            is_open: false,
            openings: 0,
            progress: 0,
            stage: Stage::Open,
            finished: None,
            wrote: None,
            stall: Stall::new(Instant::now()),
            remote: Remote::default(),
            waiting: None,
        }
    }

    /// Returns whether a message is accepted: the answer to most.
    #[inline]
    pub(super) fn accepts(&self, message: &Message<'_>) -> bool {
        self.finished.is_none()
            && self.stage == Stage::Open
            && !self.log.is_full()
            && message.len() <= self.max_message
            && message.parts.len() <= MAX_PARTS
    }

    /// Returns why a message is not accepted, if so.
    pub(super) fn refusal(&self, message: &Message<'_>) -> Option<FailReason> {
        if let Some(reason) = self.end() {
            return Some(reason);
        }
        // First: one of a wrong size is held, too, until those before it have their outcome.
        if self.log.is_full() {
            let held = self.log.held();
            return Some(FailReason::QueueFull {
                messages: held.seq as usize,
                bytes: held.load,
            });
        }
        let (len, parts) = (message.len(), message.parts.len());
        if self.max_message < len {
            let max = self.max_message;
            return Some(FailReason::TooLarge { len, max });
        }
        if MAX_PARTS < parts {
            let max = MAX_PARTS;
            return Some(FailReason::TooManyParts { parts, max });
        }
        None
    }

    /// Records the limit of the peer, which may be another one than before: what is too large for it fails in its turn.
    pub(super) fn limit(&mut self, peer_limit: u64) {
        let limit = self.own_limit.min(peer_limit);
        if limit < self.max_message {
            self.log.limit(limit);
        }
        self.max_message = limit;
    }

    /// Returns whether a message is accepted now, or why none ever will be; nothing if there is no room.
    pub(super) fn is_ready(&self) -> Option<Result<(), FailReason>> {
        match self.end() {
            Some(reason) => Some(Err(reason)),
            None if self.log.is_full() => None,
            None => Some(Ok(())),
        }
    }

    /// Returns why nothing is accepted any more, if so.
    pub(super) fn end(&self) -> Option<FailReason> {
        match (&self.finished, self.stage) {
            (Some(reason), _) => Some(reason.clone().into()),
            (None, Stage::Open) => None,
            (None, Stage::Closing(_)) => Some(FailReason::Closed),
        }
    }

    /// Returns whether the link is closing, and every message has its outcome.
    pub(super) fn is_drained(&self) -> bool {
        self.stage != Stage::Open && self.log.is_empty()
    }

    /// Returns whether whoever posts may write himself: not if he is one of many in a short time, whose messages
    /// the task writes at once.
    pub(super) fn writes_now(&mut self) -> bool {
        let now = Instant::now();
        let before = self.wrote.replace(now);
        before.is_none_or(|before| BURST <= now - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Body;

    #[test]
    fn the_limit_of_a_message_is_that_of_the_peer_there_is_now() {
        let limits = Limits {
            message: 100,
            ..Limits::default()
        };
        let mut state = State::<()>::new(1, &limits);
        let mut check = |peer_limit, max| {
            state.limit(peer_limit);
            for (len, is_taken) in [(max, true), (max + 1, false)] {
                let message = Message {
                    body: Body::Borrowed(&vec![0; len]),
                    parts: &[],
                    asks: false,
                };
                assert_eq!(state.refusal(&message).is_none(), is_taken, "{len}");
            }
        };
        check(1000, 100);
        check(10, 10);
        // The peer was restarted, and takes more.
        check(50, 50);
        check(1000, 100);
    }
}
