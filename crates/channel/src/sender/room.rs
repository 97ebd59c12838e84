//! How whoever posts waits for room in the queue.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use super::Sender;
use crate::outcome::{FailReason, Parcel};

/// A future on the heap.
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[inline(never)]
fn poll_boxed<T>(future: &mut BoxFuture<'_, T>, cx: &mut Context<'_>) -> Poll<T> {
    future.as_mut().poll(cx)
}

impl<P: Parcel> Sender<P> {
    /// Waits until there is room for another message.
    ///
    /// # Errors
    ///
    /// The reason why there never will be.
    #[inline]
    pub(crate) fn ready(&self) -> impl Future<Output = Result<(), FailReason>> + Send {
        // Apart and on the heap: the answer to most is a look, without a state of its own.
        let mut waiting = None;
        poll_fn(move |cx| {
            if waiting.is_none() && self.has_room.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            poll_boxed(waiting.get_or_insert_with(|| self.room_to_come()), cx)
        })
    }

    #[cold]
    fn room_to_come(&self) -> BoxFuture<'_, Result<(), FailReason>> {
        Box::pin(self.room_made())
    }

    async fn room_made(&self) -> Result<(), FailReason> {
        loop {
            let mut room = pin!(self.room.notified());
            {
                let state = self.lock();
                if let Some(ready) = state.is_ready() {
                    return ready;
                }
                // Whoever makes room takes the lock before it tells.
                room.as_mut().enable();
            }
            room.await;
        }
    }
}
