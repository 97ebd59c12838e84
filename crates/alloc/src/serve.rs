//! Serving a gateway as the settings of this machine say: on which interfaces, at which ports.

use crate::{
    actor::mailbox::{
        Gateway, ServeError,
        channel::{ChannelAddr, Host, ServeAddr},
    },
    ports::PortRange,
    settings::{ALLOWED_PORTS, BIND_TO_ALL_INTERFACES},
};

/// Serves `gateway` at `addr` and returns the address that others dial.
///
/// For a TCP address, the setting `BIND_TO_ALL_INTERFACES` binds to every interface while the host
/// in `addr` is advertised, and `ALLOWED_PORTS` gives the ports to choose from where `addr` leaves
/// that open. A port is bound and kept; none is ever probed.
///
/// # Errors
///
/// [`ServeConfigError`] if the address, or every allowed port, cannot be bound.
pub fn serve_with_config(
    gateway: &Gateway,
    addr: ChannelAddr,
) -> Result<ChannelAddr, ServeConfigError> {
    let (every_interface, ports) = (BIND_TO_ALL_INTERFACES.get(), ALLOWED_PORTS.get());
    serve(addr, every_interface, ports, |at| gateway.serve(at))
}

/// The rule of [`serve_with_config`]; `bind` binds and keeps, or says why not.
fn serve<E: std::error::Error + 'static>(
    addr: ChannelAddr,
    every_interface: bool,
    ports: PortRange,
    mut bind: impl FnMut(ServeAddr) -> Result<ChannelAddr, E>,
) -> Result<ChannelAddr, ServeConfigError<E>> {
    let ChannelAddr::Tcp { host, port } = addr else {
        let source = match bind(ServeAddr::from(&addr)) {
            Ok(addr) => return Ok(addr),
            Err(source) => source,
        };
        return Err(ServeConfigError::Addr { addr, source });
    };
    let at = |port| {
        let addr = ChannelAddr::Tcp {
            host: host.clone(),
            port,
        };
        if every_interface {
            let everywhere = ChannelAddr::Tcp {
                host: Host::every(),
                port,
            };
            ServeAddr {
                bind: everywhere,
                advertise: Some(addr),
            }
        } else {
            ServeAddr::from(addr)
        }
    };
    if port != 0 || ports.is_empty() {
        let addr = ChannelAddr::Tcp {
            host: host.clone(),
            port,
        };
        return bind(at(port)).map_err(|source| ServeConfigError::Addr { addr, source });
    }
    let mut last = None;
    for port in ports.iter() {
        match bind(at(port)) {
            Ok(addr) => return Ok(addr),
            Err(source) => last = Some(source),
        }
    }
    let source = last.expect("the range has a port, and it was tried");
    Err(ServeConfigError::Ports { ports, source })
}

/// Error of serving at an address or at one of a range of ports.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeConfigError<E = ServeError> {
    /// The address cannot be served at.
    #[error("cannot serve at {addr}")]
    Addr {
        /// The address.
        addr: ChannelAddr,
        /// Why.
        source: E,
    },
    /// None of the allowed ports can be served at.
    #[error("cannot serve at any of the allowed ports {ports}")]
    Ports {
        /// The ports.
        ports: PortRange,
        /// Why the last of them cannot.
        source: E,
    },
}

#[cfg(test)]
mod tests;
