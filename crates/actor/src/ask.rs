//! A question to an actor, on its way to an answer.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hypermesh_mailbox::{OncePortReceiver, RecvError};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

use crate::call_error::CallError;
use crate::cell::AnyCell;
use crate::pending::PendingCall;
use crate::settings::CALL_TIMEOUT;

pin_project! {
    /// A question to an actor: await it to get the answer.
    ///
    /// The message was queued when this was made, in order with all others of its sender. The
    /// deadline counts from the first poll; it is [`CALL_TIMEOUT`] unless [`timeout`](Self::timeout)
    /// says otherwise.
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
        #[pin]
        timer: Option<Sleep>,
    }
}

enum Source<R: Send + 'static> {
    /// The actor was asked by a handle.
    Local {
        answer: oneshot::Receiver<Result<R, CallError>>,
        callee: Arc<dyn AnyCell>,
    },
    /// The actor was asked by a ref.
    Port {
        answer: OncePortReceiver<Result<R, CallError>>,
        caller: Arc<dyn AnyCell>,
        /// Tells the proc, when it is dropped, that nobody waits.
        _pending: Option<PendingCall>,
    },
    /// It could not even be asked.
    Failed(CallError),
    /// The answer was given.
    Over,
}

impl<R: Send + 'static> Ask<R> {
    pub(crate) fn local(
        answer: oneshot::Receiver<Result<R, CallError>>,
        callee: Arc<dyn AnyCell>,
    ) -> Self {
        Self::new(Source::Local { answer, callee })
    }

    pub(crate) fn port(
        answer: OncePortReceiver<Result<R, CallError>>,
        caller: Arc<dyn AnyCell>,
        pending: Option<PendingCall>,
    ) -> Self {
        Self::new(Source::Port {
            answer,
            caller,
            _pending: pending,
        })
    }

    pub(crate) fn failed(error: CallError) -> Self {
        Self::new(Source::Failed(error))
    }

    /// Sets how long to wait for the answer.
    pub fn timeout(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    fn new(source: Source<R>) -> Self {
        Self {
            source,
            deadline: None,
            yielded: false,
            timer: None,
        }
    }
}

impl<R: Send + 'static> Future for Ask<R> {
    type Output = Result<R, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(result) = this.source.poll_answer(cx) {
            *this.source = Source::Over;
            this.timer.set(None);
            return Poll::Ready(result);
        }
        if !*this.yielded {
            if this.source.would_deadlock() {
                *this.source = Source::Over;
                return Poll::Ready(Err(CallError::WouldDeadlock));
            }
            // A timer costs more than all the rest of a local question. Most answers are there when
            // the other tasks of this thread have had their turn, and need none.
            *this.yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.timer.is_none() {
            let deadline = *this.deadline.get_or_insert_with(|| CALL_TIMEOUT.get());
            this.timer.set(Some(this.source.sleep(deadline)));
        }
        let expired = this
            .timer
            .as_pin_mut()
            .is_some_and(|timer| timer.poll(cx).is_ready());
        if expired {
            *this.source = Source::Over;
            let deadline = this.deadline.unwrap_or_default();
            return Poll::Ready(Err(CallError::Deadline(deadline)));
        }
        Poll::Pending
    }
}

impl<R: Send + 'static> Source<R> {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, CallError>> {
        match self {
            Self::Local { answer, callee } => Pin::new(answer)
                .poll(cx)
                .map(|answer| answer.unwrap_or_else(|_| Err(callee.core().lost_reply()))),
            Self::Port { answer, .. } => Pin::new(answer).poll(cx).map(|answer| match answer {
                Ok(result) => result,
                Err(RecvError::Decode(text)) => Err(CallError::BadReply(text.to_string())),
                Err(_) => Err(CallError::NoReply),
            }),
            Self::Failed(error) => Poll::Ready(Err(error.clone())),
            Self::Over => Poll::Ready(Err(CallError::NoReply)),
        }
    }

    /// Tells whether the task that waits is the one that would have to answer.
    fn would_deadlock(&self) -> bool {
        matches!(self, Self::Local { callee, .. } if callee.core().is_current_task())
    }

    /// Returns a timer of the runtime that polls this, or of the proc's when it is another executor
    /// that does.
    fn sleep(&self, deadline: Duration) -> Sleep {
        let cell = match self {
            Self::Local { callee, .. } => Some(callee),
            Self::Port { caller, .. } => Some(caller),
            Self::Failed(_) | Self::Over => None,
        };
        let runtime = match Handle::try_current() {
            Ok(_) => None,
            Err(_) => cell.map(|cell| cell.core().proc().runtime().clone()),
        };
        let _entered = runtime.as_ref().map(Handle::enter);
        sleep(deadline)
    }
}

impl<R: Send + 'static> fmt::Debug for Ask<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
