//! Where an endpoint can be reached: addresses as values and as text.
//!
//! # Invariants
//!
//! - **INV-1**: an address has one form: what was written in different ways but means the same
//!   compares and hashes equal.
//! - **INV-2**: `text.parse()` of what an address prints gives the address back.

mod encoding;
mod parse;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    str::FromStr,
};

use hypermesh_wire::{Named, TypeKey};

pub use parse::{AddrProblem, ParseAddrError};

/// The longest text of an address, in bytes.
pub const MAX_ADDR_LEN: usize = 512;

/// A way for two processes to be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ChannelTransport {
    /// Inside one process, through a [`LocalHub`](crate::LocalHub).
    Local,
    /// Unix domain sockets of one machine.
    Unix,
    /// TCP.
    Tcp,
}

impl fmt::Display for ChannelTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
        })
    }
}

impl FromStr for ChannelTransport {
    type Err = ParseAddrError;

    fn from_str(text: &str) -> Result<Self, ParseAddrError> {
        match text {
            "local" => Ok(Self::Local),
            "unix" => Ok(Self::Unix),
            "tcp" => Ok(Self::Tcp),
            _ => Err(ParseAddrError::new(
                text,
                AddrProblem::UnknownScheme(parse::clip(text)),
            )),
        }
    }
}

/// The address of something that is served on a channel.
///
/// As text it is `local:7`, `unix:/run/a.sock`, `unix:@name` (an abstract name of Linux) or
/// `tcp:host:port`; `tcp://`, `ipc://` and `inproc://` are read as well. `local:0`, `unix:` and port
/// 0 ask the system to choose and can be served but not dialled; `tcp:*:80` is every interface.
///
/// Under serde it is this text in formats for people, and a shorter form in all others.
///
/// # Examples
///
/// ```
/// use hypermesh_channel::ChannelAddr;
///
/// let addr: ChannelAddr = "tcp://LOCALHOST:4000".parse()?;
/// assert_eq!(addr.to_string(), "tcp:localhost:4000");
/// assert_eq!(addr.to_url(), "tcp://localhost:4000");
/// # Ok::<(), hypermesh_channel::ParseAddrError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ChannelAddr {
    /// A number in the hub of the endpoint; 0 asks for a free one.
    Local(u64),
    /// A unix domain socket.
    Unix(UnixName),
    /// A TCP port; 0 asks for a free one.
    Tcp {
        /// The machine.
        host: Host,
        /// The port.
        port: u16,
    },
}

impl ChannelAddr {
    /// Returns the address to serve at when only the transport matters: the system chooses.
    pub fn any(transport: ChannelTransport) -> Self {
        match transport {
            ChannelTransport::Local => Self::Local(0),
            ChannelTransport::Unix => Self::Unix(UnixName::fresh()),
            ChannelTransport::Tcp => Self::tcp(Ipv4Addr::LOCALHOST.into(), 0),
        }
    }

    /// Returns the TCP address of an IP address and a port.
    pub fn tcp(ip: IpAddr, port: u16) -> Self {
        Self::Tcp {
            host: Host::from(ip),
            port,
        }
    }

    /// Returns the transport of this address.
    pub fn transport(&self) -> ChannelTransport {
        match self {
            Self::Local(_) => ChannelTransport::Local,
            Self::Unix(_) => ChannelTransport::Unix,
            Self::Tcp { .. } => ChannelTransport::Tcp,
        }
    }

    /// Returns whether this address names one place, so that it can be dialled.
    pub fn is_dialable(&self) -> bool {
        match self {
            Self::Local(number) => *number != 0,
            Self::Unix(name) => !name.is_fresh(),
            Self::Tcp { host, port } => *port != 0 && !host.is_wildcard(),
        }
    }

    /// Returns the URL form: `tcp://`, `ipc://` or `inproc://`.
    pub fn to_url(&self) -> String {
        match self {
            Self::Local(number) => format!("inproc://{number}"),
            Self::Unix(name) => format!("ipc://{name}"),
            Self::Tcp { host, port } => format!("tcp://{host}:{port}"),
        }
    }
}

impl fmt::Display for ChannelAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(number) => write!(f, "local:{number}"),
            Self::Unix(name) => write!(f, "unix:{name}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

impl FromStr for ChannelAddr {
    type Err = ParseAddrError;

    fn from_str(text: &str) -> Result<Self, ParseAddrError> {
        parse::addr(text).map_err(|problem| ParseAddrError::new(text, problem))
    }
}

impl From<SocketAddr> for ChannelAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::tcp(addr.ip(), addr.port())
    }
}

impl Named for ChannelAddr {
    const KEY: TypeKey = TypeKey::of("hypermesh_channel::ChannelAddr");

    fn name() -> std::borrow::Cow<'static, str> {
        "hypermesh_channel::ChannelAddr".into()
    }
}

/// The name of a unix domain socket: a path, an abstract name, or one that the system chooses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixName(Unix);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Unix {
    Fresh,
    Path(Box<str>),
    Abstract(Box<str>),
}

impl UnixName {
    /// Returns the name that stands for a new abstract name each time it is served.
    pub fn fresh() -> Self {
        Self(Unix::Fresh)
    }

    /// Returns the name of the socket file at `path`.
    ///
    /// # Errors
    ///
    /// [`ParseAddrError`] if the path is not absolute, not UTF-8, or longer than the 107 bytes
    /// that fit into a socket address.
    pub fn path(path: impl AsRef<Path>) -> Result<Self, ParseAddrError> {
        let path = path.as_ref();
        let Some(text) = path.to_str() else {
            return Err(ParseAddrError::new(
                &path.to_string_lossy(),
                AddrProblem::BadPath,
            ));
        };
        parse::unix_path(text).map_err(|problem| ParseAddrError::new(text, problem))
    }

    /// Returns the abstract name `name`, without the `@` of its text form.
    ///
    /// # Errors
    ///
    /// [`ParseAddrError`] if the name is empty, holds a NUL, or is longer than 107 bytes.
    pub fn abstract_name(name: &str) -> Result<Self, ParseAddrError> {
        parse::abstract_name(name).map_err(|problem| ParseAddrError::new(name, problem))
    }

    /// Returns the path, if the name is one.
    pub fn as_path(&self) -> Option<&Path> {
        match &self.0 {
            Unix::Path(path) => Some(Path::new(&**path)),
            Unix::Fresh | Unix::Abstract(_) => None,
        }
    }

    /// Returns the abstract name without its `@`, if the name is one.
    pub fn as_abstract(&self) -> Option<&str> {
        match &self.0 {
            Unix::Abstract(name) => Some(name),
            Unix::Fresh | Unix::Path(_) => None,
        }
    }

    /// Returns whether the system is to choose the name.
    pub fn is_fresh(&self) -> bool {
        self.0 == Unix::Fresh
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Unix::Fresh => Ok(()),
            Unix::Path(path) => f.write_str(path),
            Unix::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

/// The machine of a TCP address: an IP address, a name, or every interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Machine);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Machine {
    Every,
    Ip(IpAddr),
    Name(Box<str>),
}

impl Host {
    /// Returns the host that stands for every interface, of IPv6 and IPv4; its text is `*`.
    pub fn every() -> Self {
        Self(Machine::Every)
    }

    /// Returns the IP address, if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0 {
            Machine::Ip(ip) => Some(ip),
            Machine::Every | Machine::Name(_) => None,
        }
    }

    /// Returns the name that has to be resolved, if the host is one.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Machine::Name(name) => Some(name),
            Machine::Every | Machine::Ip(_) => None,
        }
    }

    /// Returns whether the host means all interfaces of a machine, and so is no place to dial.
    pub fn is_wildcard(&self) -> bool {
        match &self.0 {
            Machine::Every => true,
            Machine::Ip(ip) => ip.is_unspecified(),
            Machine::Name(_) => false,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        // INV-1: an IPv4 address inside IPv6 is that IPv4 address.
        Self(Machine::Ip(ip.to_canonical()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Machine::Every => f.write_str("*"),
            Machine::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Machine::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Machine::Name(name) => f.write_str(name),
        }
    }
}

/// Where to listen, and which address to tell others where that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeAddr {
    /// The address to listen at.
    pub bind: ChannelAddr,
    /// The address that others dial: needed behind address translation and for a wildcard bind.
    /// Port 0 stands for the port that was bound.
    pub advertise: Option<ChannelAddr>,
}

impl ServeAddr {
    /// Returns the address to tell others, given the one that was bound.
    ///
    /// # Errors
    ///
    /// The address that cannot be dialled, so cannot be told.
    pub(crate) fn advertised(&self, bound: ChannelAddr) -> Result<ChannelAddr, ChannelAddr> {
        let addr = match (&self.advertise, &bound) {
            (None, _) => bound,
            (
                Some(ChannelAddr::Tcp { host, port: 0 }),
                &ChannelAddr::Tcp {
                    port: bound_port, ..
                },
            ) => ChannelAddr::Tcp {
                host: host.clone(),
                port: bound_port,
            },
            (Some(advertise), _) => advertise.clone(),
        };
        if addr.is_dialable() {
            Ok(addr)
        } else {
            Err(addr)
        }
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
