//! The settings of this layer.

use std::time::Duration;

use hypermesh_config::{ByteSize, config};

config! {
    /// How many network hops a message may take before it is returned.
    pub static MESSAGE_TTL: u64 = 64,
        env = "HYPERMESH_MESSAGE_TTL",
        check = |hops| (1..=255).contains(hops),
        expected = "from 1 to 255";

    /// The largest encoded message that is returned to its sender across a link.
    pub static RETURNED_PAYLOAD_LIMIT: ByteSize = ByteSize::kib(64),
        env = "HYPERMESH_RETURNED_PAYLOAD_LIMIT";

    /// How many messages a port holds that nobody receives, and the queue of an actor that has no capacity of
    /// its own.
    pub static QUEUE_LIMIT: usize = 1 << 20,
        env = "HYPERMESH_QUEUE_LIMIT",
        check = |messages| 0 < *messages,
        expected = "at least 1";

    /// How many bytes a port holds that nobody receives, and the queue of an actor; above it messages are
    /// refused.
    pub static QUEUE_BYTES: ByteSize = ByteSize::mib(256),
        env = "HYPERMESH_QUEUE_BYTES",
        check = |bytes| 0 < bytes.as_u64(),
        expected = "more than nothing";

    /// How many encoded bytes wait in all queues of a process before its links take nothing but bounces
    /// and urgent messages.
    pub static QUEUED_BYTES_LIMIT: ByteSize = ByteSize::gib(2),
        env = "HYPERMESH_QUEUED_BYTES_LIMIT",
        check = |bytes| 0 < bytes.as_u64(),
        expected = "more than nothing";

    /// After how many updates a split of a port with a running state passes on what it has.
    pub static COMBINE_UPDATES: u64 = 64,
        env = "HYPERMESH_COMBINE_UPDATES",
        check = |updates| 0 < *updates,
        expected = "at least 1";

    /// How long an update waits at most in a split of a port with a running state.
    pub static COMBINE_PAUSE: Duration = Duration::from_millis(50),
        env = "HYPERMESH_COMBINE_PAUSE";

    /// How long the end of a process waits for its messages to be acknowledged.
    pub static FLUSH_TIMEOUT: Duration = Duration::from_secs(5),
        env = "HYPERMESH_FLUSH_TIMEOUT";
}
