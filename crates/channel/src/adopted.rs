//! Sockets that listen already, made by somebody else: a service manager, a parent, a test.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    os::unix::net::UnixListener as StdUnixListener,
};

use socket2::SockRef;

use crate::addr::{ChannelAddr, ChannelTransport, ServeAddr, UnixName};

/// A socket that listens already, to be served in place of an address.
///
/// Only this makes an endpoint serve a socket that it did not open: no text of an address does. A socket file
/// that goes with it is not removed at the end.
///
/// # Examples
///
/// ```
/// use std::{net::TcpListener, time::Duration};
///
/// use hypermesh_channel::{AdoptedListener, Endpoint, EndpointOptions};
/// use tokio::runtime::Handle;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let endpoint = Endpoint::new(EndpointOptions::new(Handle::current()));
/// let (addr, _rx) = endpoint.serve::<String>(AdoptedListener::tcp(listener))?;
/// assert!(addr.to_string().starts_with("tcp:127.0.0.1:"));
/// endpoint.shutdown(Duration::from_secs(1)).await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AdoptedListener {
    pub(crate) socket: AdoptedSocket,
    pub(crate) advertise: Option<ChannelAddr>,
}

/// The socket, by its transport.
#[derive(Debug)]
pub(crate) enum AdoptedSocket {
    Tcp(StdTcpListener),
    Tls(StdTcpListener),
    Unix(StdUnixListener),
}

impl AdoptedListener {
    /// Returns `listener`, to speak plain TCP on.
    pub fn tcp(listener: StdTcpListener) -> Self {
        Self::new(AdoptedSocket::Tcp(listener))
    }

    /// Returns `listener`, to speak TLS on.
    pub fn tls(listener: StdTcpListener) -> Self {
        Self::new(AdoptedSocket::Tls(listener))
    }

    /// Returns `listener`. Who may connect besides this user is the business of whoever made its file;
    /// other users are refused in any case.
    pub fn unix(listener: StdUnixListener) -> Self {
        Self::new(AdoptedSocket::Unix(listener))
    }

    /// Tells others to dial `addr`: needed behind address translation, for a wildcard bind, and for a TLS
    /// certificate that is for a name. Port 0 stands for the port of the socket, if the transport is the same.
    #[must_use]
    pub fn advertise(mut self, addr: ChannelAddr) -> Self {
        self.advertise = Some(addr);
        self
    }

    fn new(socket: AdoptedSocket) -> Self {
        Self {
            socket,
            advertise: None,
        }
    }
}

impl AdoptedSocket {
    /// Returns the transport that is spoken on the socket.
    pub(crate) fn transport(&self) -> ChannelTransport {
        match self {
            Self::Tcp(_) => ChannelTransport::Tcp,
            Self::Tls(_) => ChannelTransport::Tls,
            Self::Unix(_) => ChannelTransport::Unix,
        }
    }

    /// Makes the socket fit for a runtime, and returns its address.
    ///
    /// # Errors
    ///
    /// What the system says; also if the socket does not listen, or at no name.
    pub(crate) fn prepare(&self) -> io::Result<ChannelAddr> {
        let listens = match self {
            Self::Tcp(listener) | Self::Tls(listener) => {
                listener.set_nonblocking(true)?;
                SockRef::from(listener).is_listener()?
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                SockRef::from(listener).is_listener()?
            }
        };
        if !listens {
            let text = "the socket does not listen";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let inet = |addr: SocketAddr| (addr.ip(), addr.port());
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.into()),
            Self::Tls(listener) => {
                let (ip, port) = inet(listener.local_addr()?);
                Ok(ChannelAddr::tls(ip, port))
            }
            Self::Unix(listener) => unix_name(listener).map(ChannelAddr::Unix),
        }
    }
}

fn unix_name(listener: &StdUnixListener) -> io::Result<UnixName> {
    let addr = listener.local_addr()?;
    if let Some(path) = addr.as_pathname() {
        return UnixName::path(path).map_err(io::Error::other);
    }
    let name = abstract_name(&addr).ok_or_else(|| io::Error::other("the socket has no name"))?;
    UnixName::abstract_name(&name).map_err(io::Error::other)
}

#[cfg(target_os = "linux")]
fn abstract_name(addr: &std::os::unix::net::SocketAddr) -> Option<String> {
    use std::os::linux::net::SocketAddrExt;

    String::from_utf8(addr.as_abstract_name()?.to_vec()).ok()
}

/// Only Linux has abstract names.
#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &std::os::unix::net::SocketAddr) -> Option<String> {
    None
}

/// What an endpoint can serve: an address, or a socket that listens already.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeAt {
    /// An address, with what others are told.
    Addr(ServeAddr),
    /// A socket that was made by somebody else.
    Adopted(AdoptedListener),
}

impl From<ServeAddr> for ServeAt {
    fn from(addr: ServeAddr) -> Self {
        Self::Addr(addr)
    }
}

impl From<ChannelAddr> for ServeAt {
    fn from(addr: ChannelAddr) -> Self {
        Self::Addr(addr.into())
    }
}

impl From<&ChannelAddr> for ServeAt {
    fn from(addr: &ChannelAddr) -> Self {
        Self::Addr(addr.into())
    }
}

impl From<ChannelTransport> for ServeAt {
    fn from(transport: ChannelTransport) -> Self {
        Self::Addr(transport.into())
    }
}

impl From<AdoptedListener> for ServeAt {
    fn from(listener: AdoptedListener) -> Self {
        Self::Adopted(listener)
    }
}
