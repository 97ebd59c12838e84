//! A listening socket of any transport, and the socket file of one that has a path.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    ops::RangeInclusive,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener as StdUnixListener,
    },
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener};

#[cfg(feature = "sim")]
use crate::{
    addr::SimName,
    sim::{SimListener, SimNode},
};
use crate::{
    addr::{ChannelAddr, Host, UnixName},
    adopted::AdoptedSocket,
    entropy::Entropy,
    stream::{Stream, Unix},
    tls::{Refused, TlsSlot},
};

/// How many connections may wait to be accepted; the kernel may allow less.
const BACKLOG: i32 = 4096;

/// A listening socket. A socket file goes with it.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// TLS is spoken on what it accepts.
    Tls(TcpListener),
    Unix {
        listener: UnixListener,
        /// Removed with the listener.
        _file: Option<SocketFile>,
    },
    #[cfg(feature = "sim")]
    Sim(SimListener),
}

impl Listener {
    /// Listens at an address of a socket transport, and returns the address that was bound. A host
    /// name is resolved on this thread. Where the address leaves the port open it is one of `ports`, the first
    /// that is free; `0..=0` leaves it to the system.
    ///
    /// This is to be called in the context of the runtime.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn bind(
        addr: &ChannelAddr,
        ports: &RangeInclusive<u16>,
    ) -> io::Result<(Self, ChannelAddr)> {
        match addr {
            ChannelAddr::Tcp { host, port } => {
                let (listener, host, port) = bind_tcp(host, *port, ports)?;
                Ok((Self::Tcp(listener), ChannelAddr::Tcp { host, port }))
            }
            ChannelAddr::Tls { host, port } => {
                let (listener, host, port) = bind_tcp(host, *port, ports)?;
                Ok((Self::Tls(listener), ChannelAddr::Tls { host, port }))
            }
            ChannelAddr::Unix(name) => bind_unix(name),
            ChannelAddr::Local(_) | ChannelAddr::Sim(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Listens under a name in the network of `node`, which chooses one if there is none.
    ///
    /// # Errors
    ///
    /// What the network says.
    #[cfg(feature = "sim")]
    pub(crate) fn bind_sim(node: &SimNode, name: &SimName) -> io::Result<(Self, ChannelAddr)> {
        let name = match name.as_str() {
            Some(_) => name.clone(),
            None => {
                let fresh = format!("hypermesh-{:016x}", node.random());
                SimName::new(&fresh).map_err(io::Error::other)?
            }
        };
        let listener = node.listen(name.as_str().unwrap_or_default())?;
        Ok((Self::Sim(listener), ChannelAddr::Sim(name)))
    }

    /// Takes over a socket that listens already, and is prepared.
    ///
    /// This is to be called in the context of the runtime.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn adopt(socket: AdoptedSocket) -> io::Result<Self> {
        Ok(match socket {
            AdoptedSocket::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            AdoptedSocket::Tls(listener) => Self::Tls(TcpListener::from_std(listener)?),
            AdoptedSocket::Unix(listener) => Self::Unix {
                listener: UnixListener::from_std(listener)?,
                _file: None,
            },
        })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    ///
    /// What the system says, about one connection or about the listener.
    pub(crate) async fn accept(&mut self) -> io::Result<Incoming> {
        Ok(match self {
            Self::Tcp(listener) => Incoming::Plain(Stream::tcp(listener.accept().await?.0)?),
            Self::Tls(listener) => Incoming::Tls(listener.accept().await?.0),
            Self::Unix { listener, .. } => {
                let socket = Unix::new(listener.accept().await?.0)?;
                Incoming::Plain(Stream::Unix(socket))
            }
            #[cfg(feature = "sim")]
            Self::Sim(listener) => match listener.accept().await {
                Ok(stream) => Incoming::Plain(Stream::Sim(stream)),
                // The node was restarted: nobody comes any more, until this life of it is told to end.
                Err(_) => std::future::pending().await,
            },
        })
    }
}

/// An accepted connection on which nothing was said, not even the handshake of its transport.
#[derive(Debug)]
pub(crate) enum Incoming {
    Plain(Stream),
    Tls(TcpStream),
}

impl Incoming {
    /// Goes through the handshake of the transport, if it has one. The peer decides how long that takes.
    ///
    /// # Errors
    ///
    /// [`Refused`], by either end.
    pub(crate) async fn establish(self, tls: &TlsSlot) -> Result<Stream, Refused> {
        match self {
            Self::Plain(stream) => Ok(stream),
            Self::Tls(socket) => Ok(Stream::Tls(tls.current()?.accept(socket).await?)),
        }
    }

    /// Closes the connection with the word `bytes`, if that can be said at once. Over TLS it cannot.
    pub(crate) fn turn_away(self, bytes: &[u8]) {
        if let Self::Plain(stream) = self {
            // The peer may not read it, and then tries again all the same.
            let _ = stream.try_write(bytes);
        }
    }
}

/// Listens at a port, and returns what was bound: the host stays a name if it is one.
fn bind_tcp(
    host: &Host,
    port: u16,
    ports: &RangeInclusive<u16>,
) -> io::Result<(TcpListener, Host, u16)> {
    let ips: Vec<IpAddr> = match (host.ip(), host.name()) {
        (Some(ip), _) => vec![ip],
        (None, Some(name)) => {
            let places = (name, port).to_socket_addrs()?;
            places.map(|place| place.ip()).collect()
        }
        // Every interface: with both protocols, or with IPv4 alone where that is all there is.
        (None, None) => vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
    };
    let ports = if port == 0 {
        ports.clone()
    } else {
        port..=port
    };
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    'ports: for port in ports {
        for ip in &ips {
            result = listen_tcp(SocketAddr::new(*ip, port), host.is_wildcard());
            if result.is_ok() {
                break 'ports;
            }
        }
        // Another port does not help against another error.
        if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
    }
    let listener: TcpListener = result?;
    let bound = listener.local_addr()?;
    let host = match host.name() {
        // The name stays: it is what others can use, and what certificates are made for.
        Some(_) => host.clone(),
        None => Host::from(bound.ip()),
    };
    Ok((listener, host, bound.port()))
}

fn listen_tcp(place: SocketAddr, both_protocols: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(place), Type::STREAM, None)?;
    if place.is_ipv6() {
        socket.set_only_v6(!both_protocols)?;
    }
    // A port whose last connections are still timing out may be served again.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&place.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn bind_unix(name: &UnixName) -> io::Result<(Listener, ChannelAddr)> {
    if let Some(path) = name.as_path() {
        let (listener, file) = bind_path(path)?;
        let listener = from_std(listener)?;
        return Ok((
            Listener::Unix {
                listener,
                _file: Some(file),
            },
            ChannelAddr::Unix(name.clone()),
        ));
    }
    let text = match name.as_abstract() {
        Some(text) => text.to_owned(),
        None => format!(
            "hypermesh-{:032x}",
            u128::from_le_bytes(Entropy::System.bytes())
        ),
    };
    let listener = bind_abstract(&text)?;
    let name = UnixName::abstract_name(&text).map_err(io::Error::other)?;
    Ok((
        Listener::Unix {
            listener: from_std(listener)?,
            _file: None,
        },
        ChannelAddr::Unix(name),
    ))
}

#[cfg(target_os = "linux")]
fn bind_abstract(name: &str) -> io::Result<StdUnixListener> {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};

    StdUnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

/// Only Linux has abstract names.
#[cfg(not(target_os = "linux"))]
fn bind_abstract(_: &str) -> io::Result<StdUnixListener> {
    Err(io::ErrorKind::Unsupported.into())
}

fn from_std(listener: StdUnixListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Listens at a path. A socket file at which nobody listens any more is replaced.
fn bind_path(path: &Path) -> io::Result<(StdUnixListener, SocketFile)> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    // Two processes that both find a stale file must not both replace it. The lock is held for the
    // few system calls until this function returns.
    let lock = Flock::lock(fs::File::open(dir)?, FlockArg::LockExclusive);
    let _lock = lock.map_err(|(_, errno)| io::Error::from(errno))?;
    if is_stale(path)? {
        fs::remove_file(path)?;
    }
    let listener = StdUnixListener::bind(path)?;
    let file = SocketFile::new(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok((listener, file))
}

/// Returns whether there is a socket file at `path` at which nobody listens.
fn is_stale(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        // Something else lies there, and is not ours to remove: the bind will say so.
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A live server may be too busy to accept: that must not hold us up.
    socket.set_nonblocking(true)?;
    let result = socket.connect(&SockAddr::unix(path)?);
    Ok(result.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

/// The file of a listening socket, which is removed with it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another file that took the place of this one stays.
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // The directory may be gone already, and nobody is left to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
