//! How a gateway is made.

use std::time::Duration;

use hypermesh_channel::{ChannelTransport, Limits, LocalHub};
use tokio::runtime::Handle;

use crate::UNKNOWN_PAUSE;

/// How a gateway is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewayOptions {
    /// The runtime that the tasks of the gateway run on.
    pub runtime: Handle,
    /// How the gateway is served if nobody says where.
    pub transport: ChannelTransport,
    /// Where `local:` addresses are looked up. Gateways that share one see each other.
    pub hub: LocalHub,
    /// What links allow.
    pub limits: Limits,
    /// See [`UNKNOWN_PAUSE`].
    pub unknown_pause: Duration,
}

impl GatewayOptions {
    /// Returns options with a hub of their own and the limits of the settings.
    pub fn new(runtime: Handle, transport: ChannelTransport) -> Self {
        Self {
            runtime,
            transport,
            hub: LocalHub::new(),
            limits: Limits::default(),
            unknown_pause: UNKNOWN_PAUSE.get(),
        }
    }
}
