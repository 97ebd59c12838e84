//! Links for messages of one type: the sending end.

use std::{fmt, time::Duration};

use hypermesh_wire::{EncodeError, Encoded, Message, Payload, encode, encode_with};
use tokio::sync::oneshot;

use crate::{
    addr::ChannelAddr,
    link::{CloseReport, Link, LinkStats, LinkStatus, StatusWatch},
    log::{self, Body},
    outcome::{FailReason, Outcome, Parcel, UnknownReason},
};

/// A link for messages of type `M`, from [`Endpoint::dial`](crate::Endpoint::dial), or one direction of a duplex link, from
/// [`Endpoint::dial_duplex`](crate::Endpoint::dial_duplex) and [`DuplexServer::accept`](crate::DuplexServer::accept). A
/// clone is the same link.
pub struct Tx<M: Message> {
    link: Link<TypedParcel<M>>,
}

impl<M: Message> Tx<M> {
    pub(crate) fn new(link: Link<TypedParcel<M>>) -> Self {
        Self { link }
    }

    /// Returns the address that was dialled; for a link that was accepted, the one that was bound.
    pub fn addr(&self) -> &ChannelAddr {
        self.link.addr()
    }

    /// Queues `message`, and never waits.
    ///
    /// Returning `Ok` means queued, not delivered; [`flush`](Self::flush) and
    /// [`close`](Self::close) tell what remained.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message, if it was not queued.
    pub fn post(&self, message: M) -> Result<(), SendError<M>> {
        // Written only when it is needed: a result of this size is not handed from call to call.
        let mut refused = None;
        let encoded = encode_with(&message, |Encoded { body, parts }| {
            let message = log::Message {
                body: Body::Borrowed(body),
                parts,
                asks: false,
            };
            if let Err(reason) = self.link.push_message(&message) {
                refused = Some(reason);
            }
        });
        // One after the other: both in one match would be moved there first.
        let cause = match encoded {
            Err(error) => error.into(),
            Ok(()) => match refused {
                None => return Ok(()),
                Some(reason) => reason.into(),
            },
        };
        Err(SendError { message, cause })
    }

    /// Waits for room, queues `message`, and waits for its outcome: `Ok` says that it is in the queue
    /// of the receiver.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message. Its cause says whether the message may have been delivered.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message was not queued, or is delivered as if it had been
    /// posted.
    pub async fn send(&self, message: M) -> Result<(), SendError<M>> {
        let payload = match encode(&message) {
            Ok(payload) => payload,
            Err(error) => {
                return Err(SendError {
                    message,
                    cause: error.into(),
                });
            }
        };
        if let Err(reason) = self.link.ready().await {
            return Err(SendError {
                message,
                cause: reason.into(),
            });
        }
        let (sender, outcome) = oneshot::channel();
        self.link.post(TypedParcel {
            payload,
            reply: Some((sender, message)),
        });
        match outcome.await.expect("a link completes every parcel") {
            (Outcome::Acked, _) => Ok(()),
            (Outcome::Failed(reason), message) => Err(SendError {
                message,
                cause: reason.into(),
            }),
            (Outcome::Unknown(reason), message) => Err(SendError {
                message,
                cause: reason.into(),
            }),
        }
    }

    /// Waits until the queue has room, as [`Link::ready`].
    ///
    /// # Errors
    ///
    /// The reason, if the link is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    #[inline]
    pub fn ready(&self) -> impl Future<Output = Result<(), FailReason>> + Send {
        self.link.ready()
    }

    /// Returns the state of the link.
    pub fn status(&self) -> LinkStatus {
        self.link.status()
    }

    /// Returns a watch on the state of the link.
    pub fn watch(&self) -> StatusWatch {
        self.link.watch()
    }

    /// Returns what was posted on the link so far, and where that is, as [`Link::stats`].
    pub fn stats(&self) -> LinkStats {
        self.link.stats()
    }

    /// Waits until each message queued so far has its outcome, as [`Link::flush`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn flush(&self, timeout: Duration) -> usize {
        self.link.flush(timeout).await
    }

    /// Closes the link for all its clones, as [`Link::close`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the link closes all the same.
    pub async fn close(&self, timeout: Duration) -> CloseReport {
        self.link.close(timeout).await
    }
}

impl<M: Message> Clone for Tx<M> {
    fn clone(&self) -> Self {
        Self {
            link: self.link.clone(),
        }
    }
}

impl<M: Message> fmt::Debug for Tx<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tx").field(&self.link).finish()
    }
}

/// An encoded message and, if somebody waits for the outcome, the message itself.
pub(crate) struct TypedParcel<M> {
    payload: Payload,
    reply: Option<(oneshot::Sender<(Outcome, M)>, M)>,
}

impl<M: Message> Parcel for TypedParcel<M> {
    fn payload(&self) -> &Payload {
        &self.payload
    }

    fn is_awaited(&self) -> bool {
        self.reply.is_some()
    }

    fn complete(mut self, outcome: Outcome) {
        self.reply(outcome);
    }
}

impl<M> TypedParcel<M> {
    /// Tells whoever waits, and returns whether nobody was told before.
    fn reply(&mut self, outcome: Outcome) -> bool {
        let Some((sender, message)) = self.reply.take() else {
            return false;
        };
        // Whoever does not wait any more does not want to know.
        let _ = sender.send((outcome, message));
        true
    }
}

/// Nothing counts as delivered by default: a parcel that goes without an outcome, which is a mistake of ours, may have
/// been.
impl<M> Drop for TypedParcel<M> {
    fn drop(&mut self) {
        let was_open = self.reply(Outcome::Unknown(UnknownReason::Closed));
        debug_assert!(!was_open || std::thread::panicking(), "no outcome was told");
    }
}

/// Error returned by [`Tx::post`] and [`Tx::send`].
#[derive(thiserror::Error)]
#[error("the message was not sent, or its fate is not known")]
pub struct SendError<M> {
    /// The message.
    pub message: M,
    /// What happened to it.
    #[source]
    pub cause: SendCause,
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// Why a message was not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendCause {
    /// It cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// It was not delivered and will not be.
    #[error(transparent)]
    Failed(#[from] FailReason),
    /// It may or may not have been delivered.
    #[error(transparent)]
    Unknown(#[from] UnknownReason),
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn parcel() -> (TypedParcel<u64>, oneshot::Receiver<(Outcome, u64)>) {
        let (sender, outcome) = oneshot::channel();
        let parcel = TypedParcel {
            payload: Payload::default(),
            reply: Some((sender, 7)),
        };
        (parcel, outcome)
    }

    #[test]
    fn what_goes_without_an_outcome_is_unknown_and_no_mistake_that_is_hidden() {
        let (lost, mut outcome) = parcel();
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(lost)));
        assert_eq!(dropped.is_err(), cfg!(debug_assertions));
        let unknown = Outcome::Unknown(UnknownReason::Closed);
        assert_eq!(outcome.try_recv(), Ok((unknown, 7)));
    }

    #[test]
    fn what_has_an_outcome_has_no_other() {
        let (parcel, mut outcome) = parcel();
        parcel.complete(Outcome::Acked);
        assert_eq!(outcome.try_recv(), Ok((Outcome::Acked, 7)));
    }
}
