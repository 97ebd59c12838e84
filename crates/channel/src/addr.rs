//! Where an endpoint can be reached: addresses as values and as text.
//!
//! # Invariants
//!
//! - **INV-1**: an address has one form: what was written in different ways but means the same
//!   compares and hashes equal.
//! - **INV-2**: `text.parse()` of what an address prints gives the address back.

mod encoding;
mod parse;
#[cfg(feature = "properties")]
pub(crate) mod property;
mod serve_addr;
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
pub use serve_addr::ServeAddr;
pub(crate) use serve_addr::advertised;

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
    /// TLS over TCP, with certificates at both ends.
    Tls,
    /// A simulated network inside one process.
    Sim,
}

impl ChannelTransport {
    /// All transports.
    pub const ALL: &'static [Self] = &[Self::Local, Self::Unix, Self::Tcp, Self::Tls, Self::Sim];
}

impl fmt::Display for ChannelTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Sim => "sim",
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
            "tls" => Ok(Self::Tls),
            "sim" => Ok(Self::Sim),
            _ => Err(ParseAddrError::new(
                text,
                AddrProblem::UnknownScheme(parse::clip(text)),
            )),
        }
    }
}

/// The address of something that is served on a channel.
///
/// As text it is `local:7`, `unix:/run/a.sock`, `unix:@name` (an abstract name of Linux),
/// `tcp:host:port`, `tls:host:port` or `sim:name`; `tcp://`, `tls://`, `sim://`, `ipc://` and `inproc://`
/// are read as well. `local:0`, `unix:`, `sim:` and port 0 ask the system to choose and can be served
/// but not dialled; `tcp:*:80` is every interface. No text stands for a socket that is open already:
/// that is an [`AdoptedListener`](crate::AdoptedListener).
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
    /// A TCP port at which TLS is spoken; 0 asks for a free one.
    Tls {
        /// The machine. The certificate there has to be for this name or address.
        host: Host,
        /// The port.
        port: u16,
    },
    /// A name in a simulated network. It is an address like any other; only an endpoint that is a node
    /// of such a network can serve and dial it.
    Sim(SimName),
}

impl ChannelAddr {
    /// Returns the address to serve at when only the transport matters: the system chooses.
    pub fn any(transport: ChannelTransport) -> Self {
        match transport {
            ChannelTransport::Local => Self::Local(0),
            ChannelTransport::Unix => Self::Unix(UnixName::fresh()),
            ChannelTransport::Tcp => Self::tcp(Ipv4Addr::LOCALHOST.into(), 0),
            ChannelTransport::Tls => Self::tls(Ipv4Addr::LOCALHOST.into(), 0),
            ChannelTransport::Sim => Self::Sim(SimName::fresh()),
        }
    }

    /// Returns the TCP address of an IP address and a port.
    pub fn tcp(ip: IpAddr, port: u16) -> Self {
        Self::Tcp {
            host: Host::from(ip),
            port,
        }
    }

    /// Returns the TLS address of an IP address and a port.
    pub fn tls(ip: IpAddr, port: u16) -> Self {
        Self::Tls {
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
            Self::Tls { .. } => ChannelTransport::Tls,
            Self::Sim(_) => ChannelTransport::Sim,
        }
    }

    /// Returns whether this address names one place, so that it can be dialled.
    pub fn is_dialable(&self) -> bool {
        match self {
            Self::Local(number) => *number != 0,
            Self::Unix(name) => !name.is_fresh(),
            Self::Tcp { host, port } | Self::Tls { host, port } => {
                *port != 0 && !host.is_wildcard()
            }
            Self::Sim(name) => !name.is_fresh(),
        }
    }

    /// Returns the URL form: `tcp://`, `tls://`, `sim://`, `ipc://` or `inproc://`.
    pub fn to_url(&self) -> String {
        match self {
            Self::Local(number) => format!("inproc://{number}"),
            Self::Unix(name) => format!("ipc://{name}"),
            Self::Tcp { host, port } => format!("tcp://{host}:{port}"),
            Self::Tls { host, port } => format!("tls://{host}:{port}"),
            Self::Sim(name) => format!("sim://{name}"),
        }
    }
}

impl fmt::Display for ChannelAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(number) => write!(f, "local:{number}"),
            Self::Unix(name) => write!(f, "unix:{name}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            Self::Tls { host, port } => write!(f, "tls:{host}:{port}"),
            Self::Sim(name) => write!(f, "sim:{name}"),
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

/// A name in a simulated network: letters, digits, `-`, `_` and `.`, at most 64 of them; or one that the
/// network chooses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimName(Option<Box<str>>);

impl SimName {
    /// Returns the name that stands for a new one each time it is served.
    pub fn fresh() -> Self {
        Self(None)
    }

    /// Returns the name `name`.
    ///
    /// # Errors
    ///
    /// [`ParseAddrError`] if the name is empty or too long, or has other characters.
    pub fn new(name: &str) -> Result<Self, ParseAddrError> {
        parse::sim_name(name).map_err(|problem| ParseAddrError::new(name, problem))
    }

    /// Returns the name, if the network is not to choose it.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Returns whether the network is to choose the name.
    pub fn is_fresh(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for SimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str().unwrap_or_default())
    }
}

/// The machine of a TCP or TLS address: an IP address, a name, or every interface.
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
