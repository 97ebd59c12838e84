//! The task of a link over sockets: connects, works, and connects again.

use std::{collections::VecDeque, future, pin::pin, sync::Arc};

use tokio::{
    select,
    time::{self, Instant},
};

use crate::{
    backoff::Backoff,
    endpoint::Shared,
    handshake::{Hello, LinkKind},
    incarnation::LinkId,
    link::{
        LinkCore, LinkStatus, Remote,
        connection::{Connection, Ended},
        dial::{Dialled, dial},
    },
    outcome::{CloseReason, ConnectError, Parcel, Tried, Unreachable},
    queue::Stage,
};

/// Waits until `deadline`, for ever without one.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => future::pending().await,
    }
}

/// The task of one link. Where it ends, however it does, every parcel gets its outcome.
pub(crate) struct LinkTask<P: Parcel> {
    core: Arc<LinkCore<P>>,
    endpoint: Arc<Shared>,
    link: LinkId,
    kind: LinkKind,
    backoff: Backoff,
    /// Whether a peer was reached at the address before.
    was_reached: bool,
    /// What was taken from the queue and not handed to a socket.
    backlog: VecDeque<P>,
}

impl<P: Parcel> LinkTask<P> {
    pub(crate) fn new(
        core: Arc<LinkCore<P>>,
        endpoint: Arc<Shared>,
        kind: LinkKind,
        was_reached: bool,
    ) -> Self {
        let link = LinkId::random();
        let backoff = Backoff::new(link.seed());
        Self {
            core,
            endpoint,
            link,
            kind,
            backoff,
            was_reached,
            backlog: VecDeque::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        let reason = self.work().await;
        tracing::debug!(addr = %self.core.addr, %reason, "a link ended");
        self.core.end(reason, std::mem::take(&mut self.backlog));
    }

    async fn work(&mut self) -> CloseReason {
        let mut is_first = !self.was_reached;
        loop {
            let dialled = match self.connect(is_first).await {
                Ok(dialled) => dialled,
                Err(reason) => return reason,
            };
            is_first = false;
            let accepted = &dialled.accepted;
            self.core.set_remote(Remote {
                incarnation: Some(accepted.incarnation),
                advertised: accepted.advertised.clone(),
            });
            self.core.set_status(LinkStatus::Active);
            let began = Instant::now();
            match Connection::run(&self.core, &mut self.backlog, dialled).await {
                Ended::Closed(reason) => return reason,
                Ended::Lost(error) => {
                    tracing::debug!(addr = %self.core.addr, %error, "a connection was lost");
                    self.backoff.connection_lived(began.elapsed());
                }
            }
        }
    }

    /// Tries until a peer accepts the link, or the link is to end.
    async fn connect(&mut self, is_first: bool) -> Result<Dialled, CloseReason> {
        let limits = self.endpoint.limits.clone();
        let mut give_up = Instant::now() + limits.connect_timeout;
        let mut was_absent = false;
        let mut attempt = 0;
        let mut last_error: Option<Arc<Unreachable>> = None;
        loop {
            attempt += 1;
            self.core.set_status(LinkStatus::Connecting {
                attempt,
                last_error: last_error.clone(),
            });
            if !is_first || attempt > 1 {
                let until = give_up.min(Instant::now() + self.backoff.pause());
                self.core
                    .unless_ended(time::sleep_until(until))
                    .await
                    .ok_or(CloseReason::Closed)?;
            }
            if let Some(error) = last_error.filter(|_| give_up <= Instant::now()) {
                return Err(CloseReason::Unreachable(error));
            }
            let hello = self.hello();
            let dial = dial(&self.core.addr, &hello, limits.handshake_timeout);
            let result = self
                .core
                .unless_ended(time::timeout_at(give_up, dial))
                .await;
            let tried = match result.ok_or(CloseReason::Closed)? {
                Ok(Ok(dialled)) => return Ok(dialled),
                Ok(Err(tried)) => tried,
                Err(_) => vec![Tried {
                    place: self.core.addr.to_string(),
                    error: ConnectError::Timeout,
                }],
            };
            if let Some(reason) = tried.iter().find_map(|tried| tried.error.permanent()) {
                return Err(reason);
            }
            // A peer that was there and does not listen any more has most likely ended for good.
            let is_absent = !is_first && tried.iter().all(|tried| tried.error.is_absence());
            if is_absent && !was_absent {
                give_up = give_up.min(Instant::now() + limits.gone_timeout);
                was_absent = true;
            }
            let addr = self.core.addr.clone();
            last_error = Some(Arc::new(Unreachable {
                addr,
                attempts: attempt,
                tried,
            }));
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            incarnation: self.endpoint.incarnation,
            link: self.link,
            kind: self.kind,
            advertised: self.endpoint.advertised(),
        }
    }
}

impl<P: Parcel> LinkCore<P> {
    /// Waits for `future`, or returns `None` if the link is to end first: it is killed, or closing
    /// with nothing left to do or no time left.
    async fn unless_ended<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            let stage = self.queue.stage();
            let deadline = match stage {
                Stage::Open => None,
                Stage::Closing(deadline) if self.has_work() => Some(deadline),
                Stage::Closing(_) | Stage::Killed => return None,
            };
            select! {
                biased;
                output = &mut future => return Some(output),
                () = self.queue.news(stage, false) => {}
                () = sleep_until(deadline) => return None,
            }
        }
    }
}

/// A task that did not come to its end, because its runtime was shut down for example.
impl<P: Parcel> Drop for LinkTask<P> {
    fn drop(&mut self) {
        self.core
            .end(CloseReason::Closed, std::mem::take(&mut self.backlog));
    }
}
