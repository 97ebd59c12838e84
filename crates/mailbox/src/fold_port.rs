//! Ports that fold what is sent to them: the running state, or one value over many answers.
//!
//! The receiver folds when it looks. If it does not look, whoever sends folds once
//! [`BACKLOG`] updates wait, so that memory is one state however many updates nobody reads.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hypermesh_wire::{Any, Named};

use crate::fold::Fold;
use crate::gather::{Gather, Partial, Tally};
use crate::mill::{Event, Gathering, Mill};
use crate::port_end::{AnyPort, Opener, PortEnd, PortSink, Rejected, Take, wake};
use crate::{
    Cause, Envelope, Mailbox, Ordinals, PortId, PortSendError, PortSendReason, RecvError,
    ReduceFault, Reducer,
};

/// How many updates wait before senders fold them.
const BACKLOG: usize = 64;

pub(crate) struct FoldPort<R: Reducer> {
    mill: Mill<Fold<R>>,
    end: Mutex<PortEnd>,
}

impl<R: Reducer> FoldPort<R> {
    /// A port that yields one value over the answers of many members.
    pub(crate) fn gathering(reducer: R) -> Self {
        Self::new(Gather::new(Fold::new(reducer), None))
    }

    /// A port that keeps a running state, to which everybody may send often.
    pub(crate) fn accumulating(reducer: R) -> Self {
        Self::new(Gather::stream(Fold::new(reducer)))
    }

    fn new(gather: Gather<Fold<R>>) -> Self {
        Self {
            mill: Mill::new(gather),
            end: Mutex::new(PortEnd::new()),
        }
    }

    fn accept(&self, event: Event, mailbox: &Mailbox) {
        if BACKLOG <= self.mill.push(event) {
            self.mill.turn(mailbox.gateway(), |_| None::<()>);
        }
        let waker = self.end().take_waker();
        wake(waker);
    }

    /// Folds what waits and asks `look` for a result; registers to be woken if there is none.
    fn poll<T>(
        &self,
        cx: &Context<'_>,
        mailbox: &Mailbox,
        look: impl FnMut(&mut Gathering<Fold<R>>) -> Option<T>,
    ) -> Poll<Result<T, RecvError>> {
        // First the waker and the end, then the look: what comes in between is seen or wakes.
        let end = {
            let mut end = self.end();
            end.register(cx);
            end.recv_end()
        };
        match (self.mill.turn(mailbox.gateway(), look), end) {
            (Some(found), _) => Poll::Ready(Ok(found)),
            (None, Some(end)) => Poll::Ready(Err(end)),
            (None, None) => Poll::Pending,
        }
    }

    fn end(&self) -> MutexGuard<'_, PortEnd> {
        // Nothing that can panic runs under the lock.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Reducer> AnyPort for FoldPort<R> {
    fn deliver(&self, envelope: Envelope, mailbox: &Mailbox) -> Result<(), Box<Rejected>> {
        let (expected, key) = (<R::Input as Named>::KEY, envelope.key());
        let cause = {
            let end = self.end();
            if !end.is_bound() {
                // Nobody has a ref to this port: its number was guessed.
                Some(Cause::PortNeverExisted)
            } else if key != expected && key != Partial::KEY {
                Some(Cause::WrongType { expected })
            } else {
                end.rejection()
            }
        };
        if let Some(cause) = cause {
            return Err(Rejected::new(envelope, cause));
        }
        self.accept(Event::envelope(envelope, mailbox.gateway()), mailbox);
        Ok(())
    }

    fn close(&self, why: &Arc<str>, _: &Mailbox) {
        let waker = self.end().exit_owner(why);
        wake(waker);
    }
}

impl<R: Reducer> PortSink<R::Input> for FoldPort<R> {
    fn send(&self, message: R::Input, mailbox: &Mailbox) -> Result<(), PortSendError<R::Input>> {
        let refusal = self.end().send_refusal();
        if let Some(reason) = refusal {
            return Err(PortSendError { message, reason });
        }
        self.accept(Event::Local(Any::local(message)), mailbox);
        Ok(())
    }

    fn add_sender(&self) {
        self.end().add_sender();
    }

    fn remove_sender(&self, _: &Mailbox) {
        let waker = self.end().remove_sender();
        wake(waker);
    }

    fn bind(&self, _: Take<R::Input>) {
        self.end().bind();
    }

    fn send_made(
        &self,
        make: &mut dyn FnMut() -> R::Input,
        mailbox: &Mailbox,
    ) -> Result<(), PortSendReason> {
        let refusal = self.end().send_refusal();
        if let Some(reason) = refusal {
            return Err(reason);
        }
        self.accept(Event::Local(Any::local(make())), mailbox);
        Ok(())
    }

    /// The update is opened at once: what is folded has to be of one type.
    fn deliver_to_open(
        &self,
        envelope: Envelope,
        opener: Arc<dyn Opener<R::Input>>,
        mailbox: &Mailbox,
    ) -> Result<(), Box<Rejected>> {
        let rejection = self.end().rejection();
        if let Some(cause) = rejection {
            return Err(Rejected::new(envelope, cause));
        }
        let (header, to) = (envelope.header, envelope.to.clone());
        let headers = envelope.headers.clone();
        if let Some(update) = opener.open(envelope, mailbox.gateway()) {
            let envelope = Envelope {
                header,
                to,
                headers,
                body: Any::local(update),
            };
            self.accept(Event::envelope(envelope, mailbox.gateway()), mailbox);
        }
        Ok(())
    }

    fn add_mapped(&self, id: PortId) -> bool {
        self.end().add_mapped(id)
    }

    fn remove_mapped(&self, id: PortId) {
        self.end().remove_mapped(id);
    }
}

/// One end of a fold port that frees the port when it is dropped.
struct Receiving<R: Reducer> {
    id: PortId,
    mailbox: Mailbox,
    port: Arc<FoldPort<R>>,
}

impl<R: Reducer> Drop for Receiving<R> {
    fn drop(&mut self) {
        self.mailbox.free_port(self.id);
        let mapped = self.port.end().drop_receiver();
        mapped.into_iter().for_each(|id| self.mailbox.free_port(id));
    }
}

/// Receives the running state of a port: what its reducer made of all updates so far.
pub struct AccumReceiver<R: Reducer> {
    inner: Receiving<R>,
    /// How many updates were in the state that was seen last.
    seen: u64,
}

impl<R: Reducer> AccumReceiver<R>
where
    R::Output: Clone,
{
    pub(crate) fn new(id: PortId, mailbox: Mailbox, port: Arc<FoldPort<R>>) -> Self {
        Self {
            inner: Receiving { id, mailbox, port },
            seen: 0,
        }
    }

    /// Waits for updates that were not seen yet, and returns the state with all of them.
    ///
    /// An update that the reducer refuses goes back to its sender and leaves the state as it was.
    /// There is no deadline: whoever needs one puts a timeout around it.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when nothing comes any more, on this and every later call.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no update is lost.
    pub async fn recv(&mut self) -> Result<R::Output, RecvError> {
        let Self { inner, seen } = self;
        std::future::poll_fn(|cx| inner.port.poll(cx, &inner.mailbox, |g| look(g, seen))).await
    }

    /// Returns the state if there are updates that were not seen yet.
    pub fn try_recv(&mut self) -> Option<R::Output> {
        let Self { inner, seen } = self;
        inner
            .port
            .mill
            .turn(inner.mailbox.gateway(), |gathering| look(gathering, seen))
    }
}

fn look<R: Reducer>(gathering: &mut Gathering<Fold<R>>, seen: &mut u64) -> Option<R::Output>
where
    R::Output: Clone,
{
    let folded = gathering.gather.folded();
    if folded == *seen {
        return None;
    }
    *seen = folded;
    gathering.gather.folder.arrived().cloned()
}

/// Receives one value over many answers, see [`gather`](Self::gather).
pub struct ReduceReceiver<R: Reducer>(Receiving<R>);

/// What came of a gathering.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gathered<T> {
    /// The folded answers.
    pub value: T,
    /// How many answers are in the value.
    pub answers: u64,
    /// The members of the cast that did not answer, as far as relays know them.
    pub missing: Ordinals,
}

/// Error of [`ReduceReceiver::gather`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// The reducer failed.
    #[error("{0}")]
    Reduce(ReduceFault),
    /// Nothing comes any more.
    #[error(transparent)]
    Recv(#[from] RecvError),
}

impl<R: Reducer> ReduceReceiver<R> {
    pub(crate) fn new(id: PortId, mailbox: Mailbox, port: Arc<FoldPort<R>>) -> Self {
        Self(Receiving { id, mailbox, port })
    }

    /// Waits until `n` members have answered or are known to be missing, or until the deadline, and
    /// returns what there is by then. The next call starts anew.
    ///
    /// # Errors
    ///
    /// [`GatherError`] when the reducer failed on an answer, or when not `n` members have answered
    /// and nothing comes any more.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no answer is lost.
    pub async fn gather(
        &mut self,
        n: u64,
        deadline: Duration,
    ) -> Result<Gathered<R::Output>, GatherError> {
        let Receiving { mailbox, port, .. } = &self.0;
        let complete = |gathering: &mut Gathering<Fold<R>>| {
            (n <= gathering.gather.settled()).then(|| finish(&mut gathering.gather))
        };
        let wait = std::future::poll_fn(|cx| port.poll(cx, mailbox, complete));
        match tokio::time::timeout(deadline, wait).await {
            Ok(found) => found?,
            Err(_) => self.partial().await,
        }
    }

    /// Returns what there is.
    async fn partial(&mut self) -> Result<Gathered<R::Output>, GatherError> {
        let Receiving { mailbox, port, .. } = &self.0;
        // Waits at most for another thread that folds just now.
        let now = |gathering: &mut Gathering<Fold<R>>| Some(finish(&mut gathering.gather));
        std::future::poll_fn(|cx| port.poll(cx, mailbox, now)).await?
    }
}

fn finish<R: Reducer>(gather: &mut Gather<Fold<R>>) -> Result<Gathered<R::Output>, GatherError> {
    let value = gather.folder.finish();
    let Tally {
        answered,
        anonymous,
        missing,
        fault,
        ..
    } = gather.take_tally();
    if let Some(fault) = fault {
        return Err(GatherError::Reduce(fault));
    }
    let ordinal = None;
    let value = value.map_err(|error| GatherError::Reduce(ReduceFault { ordinal, error }))?;
    Ok(Gathered {
        value,
        answers: answered.count() + anonymous,
        missing,
    })
}

impl<R: Reducer> fmt::Debug for AccumReceiver<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccumReceiver({})", self.inner.id)
    }
}

impl<R: Reducer> fmt::Debug for ReduceReceiver<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReduceReceiver({})", self.0.id)
    }
}
