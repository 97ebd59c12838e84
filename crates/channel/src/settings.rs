//! The settings of this crate, and the limits of an endpoint, some of which it takes from them.

use std::{ops::RangeInclusive, time::Duration};

use hypermesh_config::{ByteSize, config};

config! {
    /// How long a link tries to connect before what is queued on it fails.
    pub static CONNECT_TIMEOUT: Duration = Duration::from_secs(60),
        env = "HYPERMESH_CONNECT_TIMEOUT",
        check = |timeout| !timeout.is_zero(),
        expected = "more than nothing";

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

    /// How many bytes one link may have in a receiver that does not take them.
    pub static RECEIVER_QUEUE_BYTES: ByteSize = ByteSize(64 << 20),
        env = "HYPERMESH_RECEIVER_QUEUE_BYTES",
        check = |limit| limit.0 > 0,
        expected = "more than nothing";

    /// The ports that are served where an address says port 0: the first one that is free. `0-0` leaves
    /// the choice to the system.
    pub static PORT_RANGE: RangeInclusive<u16> = 0..=0,
        env = "HYPERMESH_PORT_RANGE",
        check = |ports| *ports.start() != 0 || *ports.end() == 0,
        expected = "ports from 1 to 65535, or 0-0";
}

/// What an endpoint allows; the default is what the settings say at that moment, where there is one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How long the two ends of a new connection may take to introduce themselves. By default 5 s.
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
    /// After how many questions in a row, with nothing at all read within the interval of each, a connection counts as
    /// lost. By default 3.
    pub ping_misses: u32,
    /// See [`SESSION_LIFETIME`].
    pub session_lifetime: Duration,
    /// How long a dropped link goes on until all it accepted has an outcome. By default 5 s.
    pub linger_timeout: Duration,
    /// How long a receiver may keep an acknowledgement that no sender waits for. By default 5 ms.
    pub ack_delay: Duration,
    /// See [`MESSAGE_LIMIT`]; at most 4 GiB less one byte, which is what a frame can say.
    pub message: u64,
    /// See [`SENDER_QUEUE_BYTES`].
    pub sender_queue_bytes: u64,
    /// How many messages of one link may wait to be written or acknowledged. By default 1 048 576.
    pub sender_queue_messages: usize,
    /// See [`RECEIVER_QUEUE_BYTES`].
    pub receiver_queue_bytes: u64,
    /// How many messages one link may have in a receiver that does not take them. By default 65 536.
    pub receiver_queue_messages: usize,
    /// How many bytes of one link may wait in a gateway that carries it, besides one message: no less than what its
    /// receiver may have waiting, which is the default.
    pub relay_queue_bytes: u64,
    /// See [`PORT_RANGE`].
    pub ports: RangeInclusive<u16>,
    /// How many connections one endpoint accepts. By default 65 536.
    pub connections: usize,
    /// How many links one endpoint serves at once, those without a connection and those that it carries for others
    /// included. By default 65 536.
    pub sessions: usize,
    /// How many of the connections may be in their handshake. By default 1024.
    pub handshakes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            connect_timeout: CONNECT_TIMEOUT.get(),
            gone_timeout: None,
            stall_timeout: STALL_TIMEOUT.get(),
            ping_interval: PING_INTERVAL.get(),
            ping_misses: 3,
            session_lifetime: SESSION_LIFETIME.get(),
            linger_timeout: Duration::from_secs(5),
            ack_delay: Duration::from_millis(5),
            message: MESSAGE_LIMIT.get().0.min(u64::from(u32::MAX)),
            sender_queue_bytes: SENDER_QUEUE_BYTES.get().0,
            sender_queue_messages: 1 << 20,
            receiver_queue_bytes: RECEIVER_QUEUE_BYTES.get().0,
            receiver_queue_messages: 65_536,
            relay_queue_bytes: RECEIVER_QUEUE_BYTES.get().0,
            ports: PORT_RANGE.get(),
            connections: 65_536,
            sessions: 65_536,
            handshakes: 1024,
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
