//! Where an endpoint is to listen, and what it is to tell others about it.

use super::{ChannelAddr, ChannelTransport};

/// Where to listen, and which address to tell others where that is not the same.
///
/// It has no text form: what travels is the one address that others dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeAddr {
    /// The address to listen at.
    pub bind: ChannelAddr,
    /// The address that others dial: needed behind address translation and for a wildcard bind.
    /// Port 0 stands for the port that was bound, if that is one of the same transport.
    pub advertise: Option<ChannelAddr>,
}

/// Returns the address to tell others, given the one that was bound and the one to advertise, if any.
///
/// # Errors
///
/// The address that cannot be dialled, so cannot be told.
pub(crate) fn advertised(
    advertise: Option<&ChannelAddr>,
    bound: ChannelAddr,
) -> Result<ChannelAddr, ChannelAddr> {
    use ChannelAddr::{Tcp, Tls};
    let addr = match (advertise, &bound) {
        (None, _) => bound,
        (Some(Tcp { host, port: 0 }), &Tcp { port, .. }) => Tcp {
            host: host.clone(),
            port,
        },
        (Some(Tls { host, port: 0 }), &Tls { port, .. }) => Tls {
            host: host.clone(),
            port,
        },
        (Some(advertise), _) => advertise.clone(),
    };
    if addr.is_dialable() {
        Ok(addr)
    } else {
        Err(addr)
    }
}

impl From<ChannelAddr> for ServeAddr {
    fn from(bind: ChannelAddr) -> Self {
        Self {
            bind,
            advertise: None,
        }
    }
}

impl From<&ChannelAddr> for ServeAddr {
    fn from(bind: &ChannelAddr) -> Self {
        Self::from(bind.clone())
    }
}

impl From<ChannelTransport> for ServeAddr {
    fn from(transport: ChannelTransport) -> Self {
        Self::from(ChannelAddr::any(transport))
    }
}
