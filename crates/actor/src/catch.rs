//! Turns a panic of an actor's code into a value, so that it ends one actor and nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// The message of a panic.
#[derive(Debug, PartialEq)]
pub(crate) struct Panic(pub(crate) String);

impl Panic {
    fn of(payload: Box<dyn Any + Send>) -> Self {
        let text = match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => match payload.downcast_ref::<&'static str>() {
                Some(text) => (*text).to_owned(),
                None => "a panic without a message".to_owned(),
            },
        };
        Self(text)
    }
}

/// Calls `function`, and returns its panic as an error.
///
/// What it refers to is not used after a panic but to drop it, which is why unwind safety is asserted.
pub(crate) fn call<T>(function: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(function)).map_err(Panic::of)
}

/// Drops `value`, whatever its destructor does.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(Panic(text)) = call(|| drop(value)) {
        tracing::error!(%text, "a destructor panicked");
    }
}

pin_project! {
    /// A future that ends with an error when the inner one panics.
    pub(crate) struct Caught<F> {
        #[pin]
        future: F,
    }
}

/// Returns `future`, with its panic as an error.
pub(crate) fn caught<F: Future>(future: F) -> Caught<F> {
    Caught { future }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panic>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match call(|| future.poll(cx)) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
