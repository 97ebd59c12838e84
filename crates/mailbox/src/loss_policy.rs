//! What is to happen to a sender whose message cannot be delivered. Each send may choose.

/// What is to happen when a message cannot be delivered. It travels with the message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossPolicy {
    /// The sender is told, by an [`Undelivered`](crate::Undelivered) at its control port.
    #[default]
    Notify,
    /// The sender is told, and is to fail: it cannot do its work without this message.
    FailSender,
    /// Nobody is told. Whoever finds that the message cannot be delivered counts and drops it.
    Drop,
}
