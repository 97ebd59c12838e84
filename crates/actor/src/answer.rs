//! Runs one handler, answers its caller, and says whether the actor goes on.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::actor::{Actor, HandlerReturn};
use crate::call_error::CallError;
use crate::catch::{self, Caught, Panic, caught};
use crate::cell::Core;
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::failure::{Failure, Phase};
use crate::reply::{Behalf, ReplyTo};

/// What an error of a handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It answers the caller and fails the actor.
    Fail,
    /// It answers the caller, and the actor goes on.
    Reply,
}

pin_project! {
    /// The run of one handler.
    pub struct Answer<'a, R, F> {
        core: &'a Core,
        // Kept outside of the handler's future, so that a panic in there cannot drop it unanswered.
        reply: Option<ReplyTo<R>>,
        behalf: Behalf,
        on_error: OnError,
        #[pin]
        handler: Caught<F>,
    }
}

/// Returns the run of the asynchronous handler `handler`.
pub fn answer<'a, A: Actor, F: Future<Output: HandlerReturn> + Send>(
    cx: &'a Cx<'_, A>,
    reply: ReplyTo<<F::Output as HandlerReturn>::Reply>,
    on_error: OnError,
    handler: F,
) -> Answer<'a, <F::Output as HandlerReturn>::Reply, F> {
    Answer {
        core: cx.core(),
        behalf: reply.behalf(),
        reply: Some(reply),
        on_error,
        handler: caught(handler),
    }
}

/// Returns the run of the asynchronous handler `handler`, which replies by hand.
pub fn answer_by_hand<'a, A: Actor, F: Future<Output: HandlerReturn>>(
    cx: &'a Cx<'_, A>,
    behalf: Behalf,
    on_error: OnError,
    handler: F,
) -> Answer<'a, <F::Output as HandlerReturn>::Reply, F> {
    Answer {
        core: cx.core(),
        behalf,
        reply: None,
        on_error,
        handler: caught(handler),
    }
}

/// Runs the synchronous handler `handler`.
pub fn answer_now<A: Actor, T: HandlerReturn>(
    cx: &Cx<'_, A>,
    reply: ReplyTo<T::Reply>,
    on_error: OnError,
    handler: impl FnOnce() -> T,
) -> Result<(), Failure> {
    let mut behalf = reply.behalf();
    let result = behalf.answering(|| catch::call(handler));
    let result = result.map(HandlerReturn::into_result);
    settle(cx.core(), reply, on_error, result)
}

/// Runs the synchronous handler `handler`, which replies by hand.
pub fn answer_now_by_hand<A: Actor, T: HandlerReturn>(
    cx: &Cx<'_, A>,
    mut behalf: Behalf,
    on_error: OnError,
    handler: impl FnOnce() -> T,
) -> Result<(), Failure> {
    let result = behalf.answering(|| catch::call(handler));
    let result = result.map(HandlerReturn::into_result);
    settle(cx.core(), ReplyTo::nobody(), on_error, result)
}

impl<F: Future<Output: HandlerReturn>> Future
    for Answer<'_, <F::Output as HandlerReturn>::Reply, F>
{
    type Output = Result<(), Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let handler = this.handler;
        let result = ready!(this.behalf.answering(|| handler.poll(cx)));
        let result = result.map(HandlerReturn::into_result);
        let reply = this.reply.take().unwrap_or_else(ReplyTo::nobody);
        Poll::Ready(settle(this.core, reply, *this.on_error, result))
    }
}

/// Answers the caller, and returns the failure of the actor if there is one.
#[inline]
fn settle<R>(
    core: &Core,
    reply: ReplyTo<R>,
    on_error: OnError,
    result: Result<Result<R>, Panic>,
) -> Result<(), Failure> {
    match result {
        Ok(Ok(value)) => {
            reply.send(value);
            Ok(())
        }
        Ok(Err(error)) => settle_error(core, reply, on_error, &error),
        Err(panic) => Err(settle_panic(core, reply, panic)),
    }
}

#[cold]
fn settle_error<R>(
    core: &Core,
    reply: ReplyTo<R>,
    on_error: OnError,
    error: &Error,
) -> Result<(), Failure> {
    let failure = Failure::of_error(Phase::Handler, core.id(), core.label(), error);
    if on_error == OnError::Fail {
        return Err(fail(core, reply, failure));
    }
    if !reply.is_wanted() {
        tracing::warn!(actor = core.label(), %failure, "a handler failed and nobody asked");
    }
    reply.refuse(CallError::Handler(failure));
    Ok(())
}

#[cold]
fn settle_panic<R>(core: &Core, reply: ReplyTo<R>, panic: Panic) -> Failure {
    let failure = Failure::of_panic(Phase::Handler, core.id(), core.label(), panic);
    fail(core, reply, failure)
}

/// Tells the caller of `failure`, which ends the actor.
fn fail<R>(core: &Core, reply: ReplyTo<R>, failure: Failure) -> Failure {
    // Whoever else loses a reply by this is told the same.
    core.set_closing(Exit::Failed(failure.clone()));
    reply.refuse(CallError::Handler(failure.clone()));
    failure
}
