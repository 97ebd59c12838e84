//! How a gateway is made.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "sim")]
use hypermesh_channel::SimNode;
use hypermesh_channel::{
    ChannelTransport, EndpointOptions, Limits, LocalHub, Resolver, SystemResolver, TlsOptions,
};
use tokio::runtime::Handle;

use crate::{Admission, QUEUED_BYTES_LIMIT};

/// How long a link goes on trying to connect again while nobody listens any more.
const GONE_TIMEOUT: Duration = Duration::from_millis(250);
/// How long a message whose fate is not known waits for news.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(250);

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
    /// The certificates for `tls:` addresses; without them none is served or dialled.
    pub tls: Option<TlsOptions>,
    /// What finds the IP addresses of host names when they are dialled.
    pub resolver: Arc<dyn Resolver>,
    /// The node that the gateway is in a simulated network, where it serves and dials `sim:` addresses.
    #[cfg(feature = "sim")]
    pub sim: Option<SimNode>,
    /// How long a message that may or may not have been delivered waits for news of the death of its
    /// receiver, before its sender is told that nothing is known. By default 250 ms.
    pub unknown_pause: Duration,
    /// See [`QUEUED_BYTES_LIMIT`].
    pub queued_bytes: u64,
    /// What peers may send; everything if this is `None`.
    pub admission: Option<Arc<dyn Admission>>,
}

impl GatewayOptions {
    /// Returns options with a hub of their own and the limits of the settings.
    pub fn new(runtime: Handle, transport: ChannelTransport) -> Self {
        Self {
            runtime,
            transport,
            hub: LocalHub::new(),
            limits: limits(),
            tls: None,
            resolver: Arc::new(SystemResolver::new()),
            #[cfg(feature = "sim")]
            sim: None,
            unknown_pause: UNKNOWN_PAUSE,
            queued_bytes: QUEUED_BYTES_LIMIT.get().as_u64(),
            admission: None,
        }
    }

    /// Returns those of the endpoint of the gateway.
    pub(crate) fn endpoint(self) -> EndpointOptions {
        let mut endpoint = EndpointOptions::new(self.runtime);
        endpoint.hub = self.hub;
        endpoint.limits = self.limits;
        endpoint.tls = self.tls;
        endpoint.resolver = self.resolver;
        #[cfg(feature = "sim")]
        {
            endpoint.sim = self.sim;
        }
        endpoint
    }
}

/// Returns the limits of the settings. A peer that was there and does not listen any more has ended for good here:
/// a process that is started again is another one, at an address of its own.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.gone_timeout = Some(GONE_TIMEOUT);
    limits
}
