//! Why an address is not dialled or served.

use std::io;

use crate::{addr::ChannelAddr, route::MAX_GATEWAYS, tls::TlsError};

/// Error returned when an address is dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The address names no single place.
    #[error("{0} cannot be dialled: it leaves a choice to the system")]
    InvalidAddress(ChannelAddr),
    /// Nobody serves that number in this process, and nobody did.
    #[error("{0} is not served")]
    NotServed(ChannelAddr),
    /// The receiver at that number of this process has gone. A number that the hub chose is not served again; of the others
    /// the last 1024 that went are remembered, and those before them are [`NotServed`](Self::NotServed).
    #[error("{0} is closed: its receiver has gone")]
    PeerClosed(ChannelAddr),
    /// There are no certificates for it.
    #[error("{addr} cannot be dialled")]
    Tls {
        /// The address.
        addr: ChannelAddr,
        /// What is wrong with the certificates of this endpoint.
        source: Box<TlsError>,
    },
    /// The endpoint has no such transport.
    #[error("{0} cannot be dialled: its transport is not supported here")]
    Unsupported(ChannelAddr),
    /// A path of the route is longer than any gateway carries a link over.
    #[error("a path goes through {0} gateways, and {MAX_GATEWAYS} are allowed")]
    TooManyGateways(usize),
    /// The endpoint was shut down.
    #[error("the endpoint was shut down")]
    Closed,
}

/// Error returned when an address is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address that others would be told cannot be dialled.
    #[error("{0} cannot be told to others: bind one address, or advertise one")]
    InvalidAddress(ChannelAddr),
    /// Somebody serves there.
    #[error("{0} is in use")]
    AddrInUse(ChannelAddr),
    /// The system refuses.
    #[error("{addr} cannot be served")]
    Io {
        /// The address.
        addr: ChannelAddr,
        /// What the system says.
        source: io::Error,
    },
    /// There are no certificates for it.
    #[error("{addr} cannot be served")]
    Tls {
        /// The address.
        addr: ChannelAddr,
        /// What is wrong with the certificates of this endpoint.
        source: Box<TlsError>,
    },
    /// The endpoint or the system has no such transport.
    #[error("{0} cannot be served: its transport is not supported here")]
    Unsupported(ChannelAddr),
    /// The endpoint was shut down.
    #[error("the endpoint was shut down")]
    Closed,
}

impl ServeError {
    pub(super) fn new(addr: &ChannelAddr, source: io::Error) -> Self {
        let addr = addr.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddrInUse(addr),
            io::ErrorKind::Unsupported => Self::Unsupported(addr),
            _ => Self::Io { addr, source },
        }
    }
}
