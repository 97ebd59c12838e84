//! The two kinds of socket that everything is measured over.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use hypermesh::channel::{ChannelAddr, ChannelTransport};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

/// A kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Transport {
    Unix,
    Tcp,
}

impl Transport {
    pub(crate) const ALL: [Self; 2] = [Self::Unix, Self::Tcp];

    /// Returns where to serve: on this machine alone, at a name or port that the system chooses.
    pub(crate) fn any_addr(self) -> ChannelAddr {
        ChannelAddr::any(match self {
            Self::Unix => ChannelTransport::Unix,
            Self::Tcp => ChannelTransport::Tcp,
        })
    }

    /// Returns both ends of a new connection. Over tcp neither waits to fill a segment.
    pub(crate) fn pair(self) -> io::Result<(OwnedFd, OwnedFd)> {
        match self {
            Self::Unix => {
                let (near, far) = UnixStream::pair()?;
                Ok((near.into(), far.into()))
            }
            Self::Tcp => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let near = TcpStream::connect(listener.local_addr()?)?;
                let (far, _) = listener.accept()?;
                near.set_nodelay(true)?;
                far.set_nodelay(true)?;
                Ok((near.into(), far.into()))
            }
        }
    }
}

/// A socket of tokio, of either kind.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Socket for S {}

impl Transport {
    /// Returns `socket`, of this kind, for tasks of the runtime.
    pub(crate) fn for_tasks(self, socket: OwnedFd) -> io::Result<Box<dyn Socket>> {
        match self {
            Self::Unix => {
                let socket = UnixStream::from(socket);
                socket.set_nonblocking(true)?;
                Ok(Box::new(tokio::net::UnixStream::from_std(socket)?))
            }
            Self::Tcp => {
                let socket = TcpStream::from(socket);
                socket.set_nonblocking(true)?;
                Ok(Box::new(tokio::net::TcpStream::from_std(socket)?))
            }
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
        })
    }
}

/// Returns the standard input of this process, which its parent made a socket.
pub(crate) fn socket_on_stdin() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}
