//! What a test hears of what is logged and traced on its thread.

use std::fmt;

use tracing::{
    Dispatch, Subscriber,
    subscriber::{DefaultGuard, NoSubscriber, set_default},
};

/// Has `subscriber` hear what this thread says, until the result is dropped.
///
/// A subscriber that is the only one of its process can miss things for ever: what another thread is the first to say
/// is asked of that thread, which has none. Here there are two.
///
/// # Examples
///
/// ```
/// use hypermesh_testkit::subscribe;
/// use tracing::subscriber::NoSubscriber;
///
/// let subscribed = subscribe(NoSubscriber::new());
/// tracing::info!("nobody hears this");
/// drop(subscribed);
/// ```
#[must_use = "dropping it ends the subscription"]
pub fn subscribe(subscriber: impl Subscriber + Send + Sync + 'static) -> Subscribed {
    let second = Dispatch::new(NoSubscriber::new());
    Subscribed {
        _guard: set_default(subscriber),
        _second: second,
    }
}

/// A subscription of one thread, from [`subscribe`].
pub struct Subscribed {
    _guard: DefaultGuard,
    _second: Dispatch,
}

impl fmt::Debug for Subscribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribed").finish_non_exhaustive()
    }
}
