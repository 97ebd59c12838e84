//! The settings of this crate, and the limits that an endpoint takes from them.

use std::{ops::RangeInclusive, time::Duration};

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

    /// How long a link that had a connection goes on trying while nobody listens any more, where that is a sign that
    /// the peer has ended for good.
    pub static GONE_TIMEOUT: Duration = Duration::from_millis(250),
        env = "HYPERMESH_GONE_TIMEOUT";

    /// How long a dropped link goes on until all it accepted has an outcome.
    pub static LINGER_TIMEOUT: Duration = Duration::from_secs(5),
        env = "HYPERMESH_LINGER_TIMEOUT";

    /// How long a receiver may keep an acknowledgement that no sender waits for.
    pub static ACK_DELAY: Duration = Duration::from_millis(5),
        env = "HYPERMESH_ACK_DELAY";

    /// How long a peer that answers may acknowledge nothing of what was written to it.
    pub static STALL_TIMEOUT: Duration = Duration::from_secs(30),
        env = "HYPERMESH_STALL_TIMEOUT",
        check = |timeout| !timeout.is_zero(),
        expected = "more than nothing";

    /// How often the peer of a connection is asked whether it is there, whatever else comes from it.
    pub static PING_INTERVAL: Duration = Duration::from_secs(5),
        env = "HYPERMESH_PING_INTERVAL",
        check = |interval| !interval.is_zero(),
        expected = "more than nothing";

    /// After how many questions in a row, with nothing at all read within the interval of each, a connection counts as lost.
    pub static PING_MISSES: u32 = 3,
        env = "HYPERMESH_PING_MISSES",
        check = |misses| *misses > 0,
        expected = "at least 1";

    /// How long a receiver remembers a link that lost its connection; longer, as long as messages of it wait to be
    /// received.
    pub static SESSION_LIFETIME: Duration = Duration::from_secs(300),
        env = "HYPERMESH_SESSION_LIFETIME";

    /// The largest message.
    pub static MESSAGE_LIMIT: ByteSize = ByteSize(256 << 20),
        env = "HYPERMESH_MESSAGE_LIMIT",
        check = |limit| (1..=u64::from(u32::MAX)).contains(&limit.0),
        expected = "from 1 byte to 4 GiB less one byte";

    /// How many bytes of one link may wait to be written or acknowledged.
    pub static SENDER_QUEUE_BYTES: ByteSize = ByteSize(512 << 20),
        env = "HYPERMESH_SENDER_QUEUE_BYTES",
        check = |limit| limit.0 > 0,
        expected = "more than nothing";

    /// How many messages of one link may wait to be written or acknowledged.
    pub static SENDER_QUEUE_MESSAGES: usize = 1 << 20,
        env = "HYPERMESH_SENDER_QUEUE_MESSAGES",
        check = |limit| *limit > 0,
        expected = "at least 1";

    /// How many bytes one link may have in a receiver that does not take them.
    pub static RECEIVER_QUEUE_BYTES: ByteSize = ByteSize(64 << 20),
        env = "HYPERMESH_RECEIVER_QUEUE_BYTES",
        check = |limit| limit.0 > 0,
        expected = "more than nothing";

    /// How many messages one link may have in a receiver that does not take them.
    pub static RECEIVER_QUEUE_MESSAGES: usize = 65_536,
        env = "HYPERMESH_RECEIVER_QUEUE_MESSAGES",
        check = |limit| *limit > 0,
        expected = "at least 1";

    /// How many bytes of one link may wait in a gateway that carries it, besides one message: no less than what its
    /// receiver may have waiting.
    pub static RELAY_QUEUE_BYTES: ByteSize = ByteSize(64 << 20),
        env = "HYPERMESH_RELAY_QUEUE_BYTES",
        check = |limit| limit.0 > 0,
        expected = "more than nothing";

    /// The ports that are served where an address says port 0: the first one that is free. `0-0` leaves
    /// the choice to the system.
    pub static PORT_RANGE: RangeInclusive<u16> = 0..=0,
        env = "HYPERMESH_PORT_RANGE",
        check = |ports| *ports.start() != 0 || *ports.end() == 0,
        expected = "ports from 1 to 65535, or 0-0";

    /// How many connections one endpoint accepts.
    pub static CONNECTION_LIMIT: usize = 65_536,
        env = "HYPERMESH_CONNECTION_LIMIT",
        check = |limit| *limit > 0,
        expected = "at least 1";

    /// How many links one endpoint serves at once, those without a connection and those that it carries for others
    /// included.
    pub static SESSION_LIMIT: usize = 65_536,
        env = "HYPERMESH_SESSION_LIMIT",
        check = |limit| *limit > 0,
        expected = "at least 1";

    /// How many of the connections may be in their handshake.
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
    /// How long a link that had a connection goes on trying while nobody listens any more; as long as any link if
    /// this is `None`, which is the default.
    pub gone_timeout: Option<Duration>,
    /// See [`STALL_TIMEOUT`].
    pub stall_timeout: Duration,
    /// See [`PING_INTERVAL`].
    pub ping_interval: Duration,
    /// See [`PING_MISSES`].
    pub ping_misses: u32,
    /// See [`SESSION_LIFETIME`].
    pub session_lifetime: Duration,
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
    /// See [`RELAY_QUEUE_BYTES`].
    pub relay_queue_bytes: u64,
    /// See [`PORT_RANGE`].
    pub ports: RangeInclusive<u16>,
    /// See [`CONNECTION_LIMIT`].
    pub connections: usize,
    /// See [`SESSION_LIMIT`].
    pub sessions: usize,
    /// See [`HANDSHAKE_LIMIT`].
    pub handshakes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: HANDSHAKE_TIMEOUT.get(),
            connect_timeout: CONNECT_TIMEOUT.get(),
            gone_timeout: None,
            stall_timeout: STALL_TIMEOUT.get(),
            ping_interval: PING_INTERVAL.get(),
            ping_misses: PING_MISSES.get(),
            session_lifetime: SESSION_LIFETIME.get(),
            linger_timeout: LINGER_TIMEOUT.get(),
            ack_delay: ACK_DELAY.get(),
            message: MESSAGE_LIMIT.get().0.min(u64::from(u32::MAX)),
            sender_queue_bytes: SENDER_QUEUE_BYTES.get().0,
            sender_queue_messages: SENDER_QUEUE_MESSAGES.get(),
            receiver_queue_bytes: RECEIVER_QUEUE_BYTES.get().0,
            receiver_queue_messages: RECEIVER_QUEUE_MESSAGES.get(),
            relay_queue_bytes: RELAY_QUEUE_BYTES.get().0,
            ports: PORT_RANGE.get(),
            connections: CONNECTION_LIMIT.get(),
            sessions: SESSION_LIMIT.get(),
            handshakes: HANDSHAKE_LIMIT.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_begins_at_one_or_is_none() {
        for (range, expected) in [(0..=5, false), (0..=0, true)] {
            assert_eq!(PORT_RANGE.set_runtime(range).is_ok(), expected);
        }
        assert_eq!(Limits::default().ports, 0..=0);
    }
}
