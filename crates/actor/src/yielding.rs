//! Lets the other tasks of the runtime run.

use std::future::poll_fn;
use std::task::Poll;

/// Goes to the end of the runtime's queue of ready tasks.
///
/// Unlike tokio's own `yield_now` it does not wait for the I/O driver: a busy actor yields after every
/// batch of messages, and a system call each time would cost more than the batch.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
