//! A question to an actor, on its way to an answer.

mod chain;
mod question;
pub(crate) mod running;
mod slot;
mod timer;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hypermesh_mailbox::{OncePortReceiver, RecvError};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

pub use self::chain::{CallChain, CallLink};
pub(crate) use self::question::{Asked, Callee, Question, QuestionHeader, after};
pub(crate) use self::slot::Slot;
pub(crate) use self::timer::timer;
use crate::call_error::CallError;
use crate::cell::AnyCell;
use crate::pending::PendingCall;
use crate::settings::{CALL_CYCLES, CALL_TIMEOUT};

pin_project! {
    /// A question to an actor: await it to get the answer.
    ///
    /// The message was queued when this was made, in order with all others of its sender. The
    /// deadline counts from the first poll; it is [`CALL_TIMEOUT`] unless [`timeout`](Self::timeout)
    /// says otherwise.
    ///
    /// A question that a handler asks ends no later than the question that the handler answers, by
    /// [`CallError::OuterDeadline`]. What the asker in another proc waits for is known there as it was
    /// when the question was sent: without a later [`timeout`](Self::timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up the answer, not the question: the actor handles the message all the same.
    #[must_use = "the answer comes to whoever awaits it"]
    pub struct Ask<R>
    where
        R: Send,
        R: 'static,
    {
        source: Source<R>,
        deadline: Option<Duration>,
        // The first poll that found no answer was repeated at once.
        yielded: bool,
        // The deadline is that of an outer question.
        inherited: bool,
        #[pin]
        timer: Option<Sleep>,
    }

    impl<R> PinnedDrop for Ask<R>
    where
        R: Send,
        R: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            this.project().source.end();
        }
    }
}

enum Source<R: Send + 'static> {
    /// The actor is in this proc.
    Here(Arc<Slot<R>>),
    /// The actor is elsewhere.
    There(Box<There<R>>),
    /// It could not even be asked.
    Failed(CallError),
    /// The answer was given.
    Over,
}

struct There<R: Send + 'static> {
    answer: OncePortReceiver<Result<R, CallError>>,
    caller: Arc<dyn AnyCell>,
    question: Question,
    /// Tells the proc, when it is dropped, that nobody waits.
    _pending: PendingCall,
}

impl<R: Send + 'static> Ask<R> {
    pub(crate) fn here(slot: Arc<Slot<R>>) -> Self {
        Self::new(Source::Here(slot))
    }

    pub(crate) fn there(
        answer: OncePortReceiver<Result<R, CallError>>,
        caller: Arc<dyn AnyCell>,
        question: Question,
        pending: PendingCall,
    ) -> Self {
        Self::new(Source::There(Box::new(There {
            answer,
            caller,
            question,
            _pending: pending,
        })))
    }

    pub(crate) fn failed(error: CallError) -> Self {
        Self::new(Source::Failed(error))
    }

    /// Sets how long to wait for the answer.
    pub fn timeout(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how long to wait for the answer, in place.
    pub(crate) fn set_timeout(self: Pin<&mut Self>, deadline: Duration) {
        *self.project().deadline = Some(deadline);
    }

    /// Returns the actor whose proc may lend a timer.
    pub(crate) fn cell(&self) -> Option<&Arc<dyn AnyCell>> {
        self.source.cell()
    }

    fn new(source: Source<R>) -> Self {
        Self {
            source,
            deadline: None,
            yielded: false,
            inherited: false,
            timer: None,
        }
    }
}

impl<R: Send + 'static> Future for Ask<R> {
    type Output = Result<R, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(result) = this.source.poll_answer(cx, *this.yielded) {
            this.source.end();
            this.timer.set(None);
            return Poll::Ready(result);
        }
        let limit = *this.deadline.get_or_insert_with(|| CALL_TIMEOUT.get());
        if !*this.yielded {
            this.source.begin(limit);
        }
        if this.timer.is_none()
            && let Some(chain) = this.source.cycle()
        {
            this.source.end();
            return Poll::Ready(Err(CallError::WouldDeadlock(chain)));
        }
        if !*this.yielded {
            // A timer costs more than all the rest of a local question. Most answers are there when
            // the other tasks of this thread have had their turn, and need none.
            *this.yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.timer.is_none() {
            let (due, inherited) = this.source.fix(limit);
            *this.inherited = inherited;
            this.timer.set(Some(timer(due, this.source.cell())));
        }
        let expired = this
            .timer
            .as_pin_mut()
            .is_some_and(|timer| timer.poll(cx).is_ready());
        if expired {
            let error = match this.source.question().filter(|_| *this.inherited) {
                Some(question) => CallError::OuterDeadline(question.chain()),
                None => CallError::Deadline(limit),
            };
            this.source.end();
            return Poll::Ready(Err(error));
        }
        Poll::Pending
    }
}

impl<R: Send + 'static> Source<R> {
    /// Polls for the answer, and registers to be woken by it if `register`.
    fn poll_answer(&mut self, cx: &mut Context<'_>, register: bool) -> Poll<Result<R, CallError>> {
        match self {
            Self::Here(slot) if register => slot.poll_take(cx),
            Self::Here(slot) => slot.try_take().map_or(Poll::Pending, Poll::Ready),
            Self::There(there) => Pin::new(&mut there.answer).poll(cx).map(settled),
            Self::Failed(error) => Poll::Ready(Err(error.clone())),
            Self::Over => Poll::Ready(Err(CallError::NoReply)),
        }
    }

    fn question(&self) -> Option<&Question> {
        match self {
            Self::Here(slot) => Some(slot.question()),
            Self::There(there) => Some(&there.question),
            Self::Failed(_) | Self::Over => None,
        }
    }

    fn begin(&self, limit: Duration) {
        if let Some(question) = self.question() {
            question.begin(limit);
        }
    }

    fn cycle(&self) -> Option<CallChain> {
        let question = self.question()?;
        question.cycle(question.is_nested() && CALL_CYCLES.get())
    }

    fn fix(&self, limit: Duration) -> (Instant, bool) {
        match self.question() {
            Some(question) => question.fix(limit),
            None => (Instant::now(), false),
        }
    }

    /// Nobody waits any more.
    fn end(&mut self) {
        match std::mem::replace(self, Self::Over) {
            Self::Here(slot) => {
                slot.question().end();
                slot.abandon();
            }
            Self::There(there) => there.question.end(),
            Self::Failed(_) | Self::Over => {}
        }
    }

    /// Returns the actor whose proc may lend a timer.
    fn cell(&self) -> Option<&Arc<dyn AnyCell>> {
        match self {
            Self::Here(slot) => slot.question().callee_cell(),
            Self::There(there) => Some(&there.caller),
            Self::Failed(_) | Self::Over => None,
        }
    }
}

/// Returns the answer that a port has got.
fn settled<R>(answer: Result<Result<R, CallError>, RecvError>) -> Result<R, CallError> {
    match answer {
        Ok(result) => result,
        Err(RecvError::Decode(text)) => Err(CallError::BadReply(text.to_string())),
        Err(_) => Err(CallError::NoReply),
    }
}

impl<R: Send + 'static> fmt::Debug for Ask<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
