//! A link: what a program posts parcels on, and how it sees the state of the connection.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::{
    addr::ChannelAddr,
    carried::Carried,
    dialled::Dialled,
    incarnation::Incarnation,
    kept::Kept,
    log::Message,
    outcome::{CloseReason, FailReason, Outcome, Parcel, Unreachable},
};

/// One direction of traffic to one address, over as many connections as it takes.
///
/// Parcels arrive in the order in which they were posted. A clone is the same link; when the last
/// one goes, the link still delivers what was posted, for the time of
/// [`Limits::linger_timeout`](crate::settings::Limits::linger_timeout), unless its endpoint ends before.
pub struct Link<P: Parcel> {
    owner: Arc<Owner<P>>,
}

impl<P: Parcel> Link<P> {
    pub(crate) fn new(session: Arc<Dialled<P>>, linger: Duration) -> Self {
        Self {
            owner: Arc::new(Owner { session, linger }),
        }
    }

    /// Returns the address that was dialled.
    pub fn addr(&self) -> &ChannelAddr {
        self.session().route.addr()
    }

    /// Queues `parcel`, and never waits. A parcel that is not accepted, because the link is closed or
    /// its queue full, is completed before this returns.
    ///
    /// Nothing is promised about delivery until the parcel is completed.
    pub fn post(&self, parcel: P) {
        if let Err((parcel, reason)) = self.push(parcel, true) {
            parcel.complete(Outcome::Failed(reason));
        }
    }

    /// Queues `parcel`, or gives it back without completing it.
    ///
    /// # Errors
    ///
    /// [`TryPostError`] if the link is closed, its queue full, or the parcel too large for this end.
    pub fn try_post(&self, parcel: P) -> Result<(), TryPostError<P>> {
        self.push(parcel, false)
            .map_err(|(parcel, reason)| TryPostError { parcel, reason })
    }

    /// Waits until the queue has room: if it was full, until a quarter of it is free.
    ///
    /// Another clone may take the room before it is used.
    ///
    /// # Errors
    ///
    /// The reason, if the link is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    #[inline]
    pub fn ready(&self) -> impl Future<Output = Result<(), FailReason>> + Send {
        self.session().sender.ready()
    }

    /// Returns the state of the link.
    pub fn status(&self) -> LinkStatus {
        self.session().sender.status().borrow().clone()
    }

    /// Returns a watch on the state of the link. It does not keep the link.
    pub fn watch(&self) -> StatusWatch {
        StatusWatch {
            status: self.session().sender.status().subscribe(),
        }
    }

    /// Returns the life of the peer that the link was last connected to.
    pub fn peer(&self) -> Option<Incarnation> {
        self.session().sender.remote().incarnation
    }

    /// Returns where that peer can be dialled, if it said so.
    pub fn peer_advertised(&self) -> Option<ChannelAddr> {
        self.session().sender.remote().advertised
    }

    /// Returns what was posted on the link so far, and where that is. The link is not held up.
    pub fn stats(&self) -> LinkStats {
        self.session().sender.stats()
    }

    /// Waits until each parcel posted so far has its outcome, for `timeout` at most, and returns how
    /// many have none.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn flush(&self, timeout: Duration) -> usize {
        let session = self.session();
        let sender = &session.sender;
        let posted = sender.accepted();
        let _waiting = sender.wait_for_acks();
        session.attachment.schedule(session.clone(), true);
        sender.wait_for(posted, Instant::now() + timeout).await
    }

    /// Closes the link for all its clones: accepts no parcel any more, waits until each one has its
    /// outcome, and after `timeout` gives those that are left their last one.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the link closes all the same.
    pub async fn close(&self, timeout: Duration) -> CloseReport {
        let session = self.session();
        session.close_sender(Instant::now() + timeout);
        session.sender.ended().await;
        session.report()
    }

    /// Closes the link for all its clones without waiting: what has no outcome by now gets its last one.
    pub fn end(&self) {
        self.session().finish(CloseReason::Closed);
    }

    /// Queues a message that nobody waits for, or returns the reason why not.
    pub(crate) fn push_message(&self, message: &Message<'_>) -> Result<(), FailReason> {
        let session = self.session();
        let as_carried = || session.clone() as Arc<dyn Carried>;
        session
            .sender
            .push(message, &as_carried, &session.attachment)
    }

    fn push(&self, parcel: P, in_turn: bool) -> Result<(), (P, FailReason)> {
        let session = self.session();
        let as_carried = || session.clone() as Arc<dyn Carried>;
        session
            .sender
            .push_parcel(parcel, in_turn, &as_carried, &session.attachment)
    }

    fn session(&self) -> &Arc<Dialled<P>> {
        &self.owner.session
    }
}

impl<P: Parcel> Clone for Link<P> {
    fn clone(&self) -> Self {
        Self {
            owner: self.owner.clone(),
        }
    }
}

impl<P: Parcel> fmt::Debug for Link<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut link = f.debug_struct("Link");
        link.field("addr", self.addr())
            .field("status", &self.status())
            .finish()
    }
}

/// What all clones of a link share, and its connector does not.
struct Owner<P: Parcel> {
    session: Arc<Dialled<P>>,
    linger: Duration,
}

impl<P: Parcel> Drop for Owner<P> {
    fn drop(&mut self) {
        self.session.close_sender(Instant::now() + self.linger);
    }
}

/// The state of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkStatus {
    /// It is not connected, and will be if the peer can be reached.
    Connecting {
        /// Which attempt this is, since the link was made or was last connected.
        attempt: u32,
        /// Why the attempt before it failed.
        last_error: Option<Arc<Unreachable>>,
    },
    /// It is connected.
    Active,
    /// It has ended. A new link to the same address may be made.
    Closed(CloseReason),
}

impl LinkStatus {
    /// Returns whether the link has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

/// A view on the state of a link, from [`Link::watch`].
#[derive(Clone, Debug)]
pub struct StatusWatch {
    status: watch::Receiver<LinkStatus>,
}

impl StatusWatch {
    /// Returns the state.
    pub fn current(&self) -> LinkStatus {
        self.status.borrow().clone()
    }

    /// Waits until the state is another one than was last seen through this watch, and returns it.
    /// The state of a closed link never changes: then this waits for ever.
    ///
    /// # Cancel safety
    ///
    /// No change is lost if the future is dropped.
    pub async fn changed(&mut self) -> LinkStatus {
        if self.status.changed().await.is_err() {
            // The link is gone, and its last state was seen.
            std::future::pending::<()>().await;
        }
        self.status.borrow_and_update().clone()
    }

    /// Waits until the link is connected.
    ///
    /// # Errors
    ///
    /// The reason, if the link ends before.
    pub async fn active(&mut self) -> Result<(), CloseReason> {
        match self
            .wait(|status| !matches!(status, LinkStatus::Connecting { .. }))
            .await
        {
            LinkStatus::Closed(reason) => Err(reason),
            _ => Ok(()),
        }
    }

    /// Waits until the link has ended.
    pub async fn closed(&mut self) -> CloseReason {
        match self.wait(LinkStatus::is_closed).await {
            LinkStatus::Closed(reason) => reason,
            _ => CloseReason::Closed,
        }
    }

    async fn wait(&mut self, is_wanted: impl FnMut(&LinkStatus) -> bool) -> LinkStatus {
        match self.status.wait_for(is_wanted).await {
            Ok(status) => status.clone(),
            // The task always ends with `Closed`, so that nobody comes here.
            Err(_) => LinkStatus::Closed(CloseReason::Closed),
        }
    }
}

/// What was posted on a link since it was made, from [`Link::stats`]. All of it is of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// How many parcels were accepted.
    pub messages: u64,
    /// How many bytes these had, without frames.
    pub bytes: u64,
    /// How often the link went on over another connection, or in another life of the peer.
    pub reconnects: u64,
    /// How many parcels were handed to a connection, and have no outcome.
    pub unacked: u64,
    /// How many parcels wait to be handed to a connection.
    pub queued: u64,
}

/// What became of the parcels of a link without a peer to take them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// How many accepted parcels failed during the life of the link.
    pub failed: u64,
    /// How many accepted parcels ended without knowing whether they were delivered.
    pub unknown: u64,
}

/// Error returned by [`Link::try_post`]: the parcel was not queued.
#[derive(thiserror::Error)]
#[error("the parcel was not queued")]
pub struct TryPostError<P> {
    /// The parcel, which was not completed.
    pub parcel: P,
    /// Why it was not queued.
    #[source]
    pub reason: FailReason,
}

impl<P> fmt::Debug for TryPostError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryPostError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
