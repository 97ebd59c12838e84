//! A link: what a program posts parcels on, and how it sees the state of the connection.

pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod outgoing;
pub(crate) mod task;

use std::{
    collections::VecDeque,
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use crate::{
    addr::ChannelAddr,
    incarnation::Incarnation,
    outcome::{CloseReason, FailReason, Outcome, Parcel, Unreachable, complete},
    queue::{Queue, fail_all},
    settings::Limits,
};

/// One direction of traffic to one address, over as many connections as it takes.
///
/// Parcels arrive in the order in which they were posted. A clone is the same link; when the last
/// one goes, the link still delivers what was posted, for the time of
/// [`LINGER_TIMEOUT`](crate::settings::LINGER_TIMEOUT), unless its endpoint ends before.
pub struct Link<P: Parcel> {
    owner: Arc<Owner<P>>,
}

impl<P: Parcel> Link<P> {
    pub(crate) fn new(core: Arc<LinkCore<P>>, linger: Duration) -> Self {
        Self {
            owner: Arc::new(Owner { core, linger }),
        }
    }

    /// Returns the address that was dialled.
    pub fn addr(&self) -> &ChannelAddr {
        &self.core().addr
    }

    /// Queues `parcel`, and never waits. A parcel that is not accepted, because the link is closed or
    /// its queue full, is completed before this returns.
    ///
    /// Nothing is promised about delivery until the parcel is completed.
    pub fn post(&self, parcel: P) {
        if let Err((parcel, reason)) = self.core().push(parcel) {
            parcel.complete(Outcome::Failed(reason));
        }
    }

    /// Queues `parcel`, or gives it back without completing it.
    ///
    /// # Errors
    ///
    /// [`TryPostError`] if the link is closed, its queue full, or the parcel too large for this end.
    pub fn try_post(&self, parcel: P) -> Result<(), TryPostError<P>> {
        let core = self.core();
        let result = match connection::check(parcel.payload(), core.max_message) {
            Ok(()) => core.push(parcel),
            Err(reason) => Err((parcel, reason)),
        };
        result.map_err(|(parcel, reason)| TryPostError { parcel, reason })
    }

    /// Waits until the queue has room.
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
    pub async fn ready(&self) -> Result<(), FailReason> {
        self.core().queue.ready().await
    }

    /// Returns the state of the link.
    pub fn status(&self) -> LinkStatus {
        self.core().status.borrow().clone()
    }

    /// Returns a watch on the state of the link. It does not keep the link.
    pub fn watch(&self) -> StatusWatch {
        StatusWatch {
            status: self.core().status.subscribe(),
        }
    }

    /// Returns the life of the peer that the link was last connected to.
    pub fn peer(&self) -> Option<Incarnation> {
        self.core().remote().incarnation
    }

    /// Returns where that peer can be dialled, if it said so.
    pub fn peer_advertised(&self) -> Option<ChannelAddr> {
        self.core().remote().advertised
    }

    /// Waits until each parcel posted so far has its outcome, for `timeout` at most, and returns how
    /// many have none.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn flush(&self, timeout: Duration) -> usize {
        let core = self.core();
        let posted = core.queue.posted();
        let _waiting = core.wait_for_acks();
        core.wait_for(posted, Instant::now() + timeout).await
    }

    /// Closes the link for all its clones: accepts no parcel any more, waits until each one has its
    /// outcome, and after `timeout` gives those that are left their last one.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the link closes all the same.
    pub async fn close(&self, timeout: Duration) -> CloseReport {
        let core = self.core();
        core.queue.close(Instant::now() + timeout);
        core.ended().await;
        core.report()
    }

    /// Closes the link for all its clones without waiting: what has no outcome by now gets its last one.
    pub fn end(&self) {
        self.core().queue.close(Instant::now());
    }

    fn core(&self) -> &LinkCore<P> {
        &self.owner.core
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

/// What all clones of a link share, and its task does not.
struct Owner<P: Parcel> {
    core: Arc<LinkCore<P>>,
    linger: Duration,
}

impl<P: Parcel> Drop for Owner<P> {
    fn drop(&mut self) {
        self.core.queue.close(Instant::now() + self.linger);
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

/// What a link and its task share.
#[derive(Debug)]
pub(crate) struct LinkCore<P: Parcel> {
    pub(crate) addr: ChannelAddr,
    pub(crate) queue: Queue<P>,
    pub(crate) max_message: u64,
    status: watch::Sender<LinkStatus>,
    remote: Mutex<Remote>,
    counts: Counts,
    /// Whether every parcel has its outcome for good.
    has_ended: AtomicBool,
    /// Told when parcels were completed, and at the end.
    progress: Notify,
    /// How many wait for the outcomes of what is on its way.
    flushing: AtomicUsize,
}

/// Somebody waits for outcomes, until this is dropped.
struct Flushing<'a>(&'a AtomicUsize);

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepted parcels that have an outcome.
#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
    unknown: AtomicU64,
}

/// What the peer said about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remote {
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) advertised: Option<ChannelAddr>,
}

impl<P: Parcel> LinkCore<P> {
    pub(crate) fn new(addr: ChannelAddr, limits: &Limits) -> Self {
        let status = LinkStatus::Connecting {
            attempt: 1,
            last_error: None,
        };
        Self {
            addr,
            queue: Queue::new(limits.sender_queue_messages, limits.sender_queue_bytes),
            max_message: limits.message,
            status: watch::Sender::new(status),
            remote: Mutex::default(),
            counts: Counts::default(),
            has_ended: AtomicBool::new(false),
            progress: Notify::new(),
            flushing: AtomicUsize::new(0),
        }
    }

    /// Queues a parcel, or writes it at once if the link is idle; or gives it back with the reason.
    fn push(&self, parcel: P) -> Result<(), (P, FailReason)> {
        if let Some((mut out, parcel)) = self.queue.push(parcel)? {
            out.write_now(parcel, self.is_flushing());
        }
        Ok(())
    }

    /// Has the peer asked for acknowledgements at once, until the result is dropped.
    fn wait_for_acks(&self) -> Flushing<'_> {
        self.flushing.fetch_add(1, Ordering::Relaxed);
        // The lock of the queue orders the number before the look of the task.
        self.queue.nudge();
        Flushing(&self.flushing)
    }

    /// Returns whether somebody waits for the outcomes of all that was sent.
    pub(crate) fn is_flushing(&self) -> bool {
        self.flushing.load(Ordering::Relaxed) != 0
    }

    /// Records the state of the link; a closed one stays so.
    pub(crate) fn set_status(&self, status: LinkStatus) {
        self.status.send_if_modified(|current| {
            let changes = !current.is_closed() && *current != status;
            if changes {
                *current = status;
            }
            changes
        });
    }

    /// Records what the peer said in its handshake.
    pub(crate) fn set_remote(&self, remote: Remote) {
        *self.remote.lock().unwrap_or_else(PoisonError::into_inner) = remote;
    }

    /// Completes an accepted parcel. [`told`](Self::told) is to be called after the last of several.
    pub(crate) fn complete(&self, parcel: P, outcome: Outcome) {
        match outcome {
            Outcome::Acked => {}
            Outcome::Failed(_) => _ = self.counts.failed.fetch_add(1, Ordering::Relaxed),
            Outcome::Unknown(_) => _ = self.counts.unknown.fetch_add(1, Ordering::Relaxed),
        }
        complete(parcel, outcome);
        self.counts.done.fetch_add(1, Ordering::Release);
    }

    /// Wakes those who wait for outcomes.
    pub(crate) fn told(&self) {
        self.progress.notify_waiters();
    }

    /// Returns whether some accepted parcel has no outcome.
    pub(crate) fn has_work(&self) -> bool {
        self.done() < self.queue.posted()
    }

    /// Ends the link: `taken`, and what is queued, fails. Does nothing to a link that has ended.
    pub(crate) fn end(&self, reason: CloseReason, taken: VecDeque<P>) {
        let (waiting, lent) = self.queue.finish(reason.clone());
        // What it has sent has its outcome with it.
        drop(lent);
        // Whoever learns of a failure below finds the link closed, and may make another one.
        self.set_status(LinkStatus::Closed(reason.clone()));
        let failed = (taken.len() + waiting.len()) as u64;
        self.counts.failed.fetch_add(failed, Ordering::Relaxed);
        let why = FailReason::from(reason);
        fail_all(taken, &why);
        fail_all(waiting, &why);
        self.counts.done.fetch_add(failed, Ordering::Release);
        self.has_ended.store(true, Ordering::Release);
        self.told();
    }

    /// Waits for the end, which the task of the link always comes to.
    async fn ended(&self) {
        self.progress_until(|| self.has_ended.load(Ordering::Acquire))
            .await;
    }

    /// Waits until `posted` parcels have an outcome, and returns how many have none at `deadline`.
    async fn wait_for(&self, posted: u64, deadline: Instant) -> usize {
        let open = || {
            let has_ended = self.has_ended.load(Ordering::Acquire);
            if has_ended {
                0
            } else {
                posted.saturating_sub(self.done())
            }
        };
        // At the deadline, what is open then is the answer.
        let _ = timeout_at(deadline, self.progress_until(|| open() == 0)).await;
        usize::try_from(open()).unwrap_or(usize::MAX)
    }

    async fn progress_until(&self, is_there: impl Fn() -> bool) {
        loop {
            let mut progress = pin!(self.progress.notified());
            // Registered before the look, so that no progress is missed.
            progress.as_mut().enable();
            if is_there() {
                return;
            }
            progress.await;
        }
    }

    fn done(&self) -> u64 {
        self.counts.done.load(Ordering::Acquire)
    }

    fn remote(&self) -> Remote {
        self.remote
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What an endpoint does to all its links.
pub(crate) trait Stoppable: Send + Sync {
    /// Accepts no parcel any more, and goes on until `deadline`.
    fn close(&self, deadline: Instant);
    /// Ends at once.
    fn kill(&self);
    /// Returns the accepted parcels that failed and those whose outcome is not known.
    fn report(&self) -> CloseReport;
}

impl<P: Parcel> Stoppable for LinkCore<P> {
    fn close(&self, deadline: Instant) {
        self.queue.close(deadline);
    }

    fn kill(&self) {
        self.queue.kill();
    }

    fn report(&self) -> CloseReport {
        CloseReport {
            failed: self.counts.failed.load(Ordering::Acquire),
            unknown: self.counts.unknown.load(Ordering::Acquire),
        }
    }
}
