//! A span around the handling of each message, for whoever subscribes to the target `hypermesh::message` at the
//! level of traces. For everybody else it costs the look at one word.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::{Level, Span};

use crate::actor::Actor;
use crate::cell::Core;

/// The target of the spans.
const TARGET: &str = "hypermesh::message";

pin_project! {
    /// A future that runs inside a span.
    pub(crate) struct InSpan<F> {
        span: Span,
        #[pin]
        future: F,
    }
}

/// Tells whether anybody subscribes to the spans of messages.
#[inline]
pub(crate) fn wants_spans() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

/// Returns `future`, inside the span of a message that the actor of `core` handles by the handler called `name`.
pub(crate) fn in_message_span<F: Future>(core: &Core, name: &'static str, future: F) -> InSpan<F> {
    let span = tracing::trace_span!(
        target: TARGET,
        "message",
        world = core.proc().name(),
        rank = core.id().proc.rank,
        actor = core.label(),
        id = %core.id(),
        message = name,
    );
    InSpan { span, future }
}

impl<F: Future> Future for InSpan<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        this.future.poll(cx)
    }
}

/// Returns what the message of handler number `handler` is called.
pub(super) fn handler_name<A: Actor>(handler: u32) -> &'static str {
    let idx = (handler as usize).wrapping_sub(1);
    A::HANDLERS.get(idx).copied().unwrap_or_default()
}
