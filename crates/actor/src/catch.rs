//! Turns a panic of an actor's code into a value, so that it ends one actor and nothing else.
//!
//! # Invariants
//!
//! - **INV-1**: the place of a panic is kept for the thread that panics, with its text, and given to the
//!   panic of that text alone. Two panics at once do not mix.
//! - **INV-2**: whatever hook for panics the program had still runs.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

thread_local! {
    /// The last panic of this thread, until somebody asks for its place.
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A panic that was caught.
#[derive(Debug, PartialEq)]
pub(crate) struct Panic {
    /// Its message.
    pub(crate) text: String,
    /// Where it was, if that is known: the place in the source, and the calls that led there if
    /// `RUST_BACKTRACE` asks for them.
    pub(crate) place: Option<String>,
}

impl Panic {
    fn of(payload: Box<dyn Any + Send>) -> Self {
        let text = text_of(&*payload);
        // INV-1. A panic that was resumed has no place of its own.
        let last = LAST.try_with(RefCell::take).ok().flatten();
        let place = last
            .filter(|last| last.text == text)
            .and_then(|last| last.place);
        Self { text, place }
    }

    fn of_hook(info: &PanicHookInfo<'_>) -> Self {
        let backtrace = Backtrace::capture();
        let place =
            info.location().map(
                |location| match backtrace.status() == BacktraceStatus::Captured {
                    true => format!("at {location}\n{backtrace}"),
                    false => format!("at {location}"),
                },
            );
        Self {
            text: text_of(info.payload()),
            place,
        }
    }
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&'static str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

/// Lets the places of panics be known, from the first call on. There is no other way to learn them than
/// the hook of the process, see `docs/decisions/place-of-a-panic.md`.
pub(crate) fn note_places() {
    static NOTED: Once = Once::new();
    if thread::panicking() {
        // The hook cannot be changed now. The next proc does it.
        return;
    }
    NOTED.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let last = Panic::of_hook(info);
            // A thread that is about to be gone has no place for it.
            _ = LAST.try_with(|place| place.replace(Some(last)));
            // INV-2
            hook(info);
        }));
    });
}

/// Calls `function`, and returns its panic as an error.
///
/// What it refers to is not used after a panic but to drop it, which is why unwind safety is asserted.
pub(crate) fn call<T>(function: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(function)).map_err(Panic::of)
}

/// Drops `value`, whatever its destructor does.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(Panic { text, place }) = call(|| drop(value)) {
        tracing::error!(%text, place, "a destructor panicked");
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
