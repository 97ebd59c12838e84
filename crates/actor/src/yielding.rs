//! Lets the other tasks of the runtime run.

use std::future::poll_fn;
use std::task::Poll;

use tokio::runtime::{Handle, RuntimeFlavor};

/// How many messages an actor handles before it lets other tasks run, where they can run nowhere else.
const BATCH: u32 = 64;

/// The same on a runtime with more threads, as many as tokio's own budget allows: they take what waits for this one.
/// There each turn costs the wake of a thread that has nothing to do, and the actor moves to it.
const LONG_BATCH: u32 = 128;

/// Returns how many messages an actor of the current runtime handles before it lets other tasks run.
pub(crate) fn turn() -> u32 {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => LONG_BATCH,
        _ => BATCH,
    }
}

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
