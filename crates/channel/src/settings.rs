//! The settings of this crate, and the limits that an endpoint takes from them.

use std::time::Duration;

use hypermesh_config::{ByteSize, config};

config! {
    /// How long the two ends of a new connection may take to introduce themselves.
    pub static HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5),
        env = "HYPERMESH_HANDSHAKE_TIMEOUT",
        check = |timeout| !timeout.is_zero(),
        expected = "more than nothing";

    /// How long a link tries to connect before what is queued on it fails.
    pub static CONNECT_TIMEOUT: Duration = Duration::from_secs(60),
        env = "HYPERMESH_CONNECT_TIMEOUT",
        check = |timeout| !timeout.is_zero(),
        expected = "more than nothing";

    /// How long a link that had a connection goes on trying while nobody listens any more.
    pub static GONE_TIMEOUT: Duration = Duration::from_millis(250),
        env = "HYPERMESH_GONE_TIMEOUT";

    /// How long a dropped link goes on until all it accepted has an outcome.
    pub static LINGER_TIMEOUT: Duration = Duration::from_secs(5),
        env = "HYPERMESH_LINGER_TIMEOUT";

    /// How long a receiver may keep an acknowledgement that no sender waits for.
    pub static ACK_DELAY: Duration = Duration::from_millis(5),
        env = "HYPERMESH_ACK_DELAY";

    /// The largest message.
    pub static MESSAGE_LIMIT: ByteSize = ByteSize(256 << 20),
        env = "HYPERMESH_MESSAGE_LIMIT",
        check = |limit| (1..=u64::from(u32::MAX)).contains(&limit.0),
        expected = "from 1 byte to 4 GiB less one byte";

    /// How many bytes may wait on one link to be written.
    pub static SENDER_QUEUE_BYTES: ByteSize = ByteSize(512 << 20),
        env = "HYPERMESH_SENDER_QUEUE_BYTES",
        check = |limit| limit.0 > 0,
        expected = "more than nothing";

    /// How many messages may wait on one link to be written.
    pub static SENDER_QUEUE_MESSAGES: usize = 1 << 20,
        env = "HYPERMESH_SENDER_QUEUE_MESSAGES",
        check = |limit| *limit > 0,
        expected = "at least 1";

    /// How many bytes may wait in one typed receiver.
    pub static RECEIVER_QUEUE_BYTES: ByteSize = ByteSize(64 << 20),
        env = "HYPERMESH_RECEIVER_QUEUE_BYTES",
        check = |limit| limit.0 > 0,
        expected = "more than nothing";

    /// How many messages may wait in one typed receiver.
    pub static RECEIVER_QUEUE_MESSAGES: usize = 65_536,
        env = "HYPERMESH_RECEIVER_QUEUE_MESSAGES",
        check = |limit| *limit > 0,
        expected = "at least 1";

    /// How many connections one endpoint accepts.
    pub static CONNECTION_LIMIT: usize = 65_536,
        env = "HYPERMESH_CONNECTION_LIMIT",
        check = |limit| *limit > 0,
        expected = "at least 1";

    /// How many of them may be in their handshake.
    pub static HANDSHAKE_LIMIT: usize = 1024,
        env = "HYPERMESH_HANDSHAKE_LIMIT",
        check = |limit| *limit > 0,
        expected = "at least 1";
}

/// What an endpoint allows; the default is what the settings say at that moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// See [`HANDSHAKE_TIMEOUT`].
    pub handshake_timeout: Duration,
    /// See [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// See [`GONE_TIMEOUT`].
    pub gone_timeout: Duration,
    /// See [`LINGER_TIMEOUT`].
    pub linger_timeout: Duration,
    /// See [`ACK_DELAY`].
    pub ack_delay: Duration,
    /// See [`MESSAGE_LIMIT`]; at most 4 GiB less one byte, which is what a frame can say.
    pub message: u64,
    /// See [`SENDER_QUEUE_BYTES`].
    pub sender_queue_bytes: u64,
    /// See [`SENDER_QUEUE_MESSAGES`].
    pub sender_queue_messages: usize,
    /// See [`RECEIVER_QUEUE_BYTES`].
    pub receiver_queue_bytes: u64,
    /// See [`RECEIVER_QUEUE_MESSAGES`].
    pub receiver_queue_messages: usize,
    /// See [`CONNECTION_LIMIT`].
    pub connections: usize,
    /// See [`HANDSHAKE_LIMIT`].
    pub handshakes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: HANDSHAKE_TIMEOUT.get(),
            connect_timeout: CONNECT_TIMEOUT.get(),
            gone_timeout: GONE_TIMEOUT.get(),
            linger_timeout: LINGER_TIMEOUT.get(),
            ack_delay: ACK_DELAY.get(),
            message: MESSAGE_LIMIT.get().0.min(u64::from(u32::MAX)),
            sender_queue_bytes: SENDER_QUEUE_BYTES.get().0,
            sender_queue_messages: SENDER_QUEUE_MESSAGES.get(),
            receiver_queue_bytes: RECEIVER_QUEUE_BYTES.get().0,
            receiver_queue_messages: RECEIVER_QUEUE_MESSAGES.get(),
            connections: CONNECTION_LIMIT.get(),
            handshakes: HANDSHAKE_LIMIT.get(),
        }
    }
}
