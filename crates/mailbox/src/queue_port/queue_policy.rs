//! What a port does with messages that it has no room for, and what it has counted.

use std::sync::Arc;

use crate::{PortId, QUEUE_BYTES, QUEUE_LIMIT};

/// What a port does with a message that it has no room for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueuePolicy {
    /// It is refused: a handle gets it back, what came by a ref bounces as
    /// [`QueueFull`](crate::Cause::QueueFull).
    #[default]
    Reject,
    /// The oldest messages make room. What came by a ref bounces as `QueueFull`, the value of a handle is
    /// dropped.
    DropOldest,
    /// The port holds one message, the newest. Those before it are dropped; their senders are not told,
    /// because they were delivered.
    Latest,
    /// As `Reject`, and senders of this process await [`PortHandle::ready`](crate::PortHandle::ready).
    Wait,
}

/// How a port is opened, see [`Mailbox::open_port_with`](crate::Mailbox::open_port_with).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PortOptions {
    /// How many messages the port holds; at least 1. By default [`QUEUE_LIMIT`].
    pub messages: usize,
    /// How many bytes the port holds: of an encoded message its length, of a value its own size without
    /// what it owns on the heap. A message that is larger may use an empty port. By default
    /// [`QUEUE_BYTES`].
    pub bytes: u64,
    /// What happens beyond that.
    pub policy: QueuePolicy,
    /// The name under which [`Mailbox::port_stats`](crate::Mailbox::port_stats) shows the port.
    pub name: Option<Arc<str>>,
}

impl Default for PortOptions {
    fn default() -> Self {
        Self {
            messages: QUEUE_LIMIT.get(),
            bytes: QUEUE_BYTES.get().as_u64(),
            policy: QueuePolicy::default(),
            name: None,
        }
    }
}

/// What a port with a name has counted since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortStats {
    /// The name, see [`PortOptions::name`].
    pub name: Arc<str>,
    /// The port.
    pub id: PortId,
    /// How many messages it holds.
    pub queued: usize,
    /// How many bytes they are, see [`PortOptions::bytes`].
    pub queued_bytes: u64,
    /// How many messages it has refused because it was full.
    pub rejected: u64,
    /// How many made room for newer ones, by [`QueuePolicy::DropOldest`].
    pub dropped: u64,
    /// How many were replaced by a newer one, by [`QueuePolicy::Latest`].
    pub replaced: u64,
}
