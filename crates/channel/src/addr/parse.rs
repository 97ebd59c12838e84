//! Reading an address from text: every refusal says what is wrong with it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{ChannelAddr, Host, MAX_ADDR_LEN, Machine, SimName, Unix, UnixName};

/// The longest name of a unix socket, in bytes: a socket address holds 108, one is for the NUL.
const MAX_UNIX_NAME: usize = 107;
/// The longest host name that the domain name system allows.
const MAX_HOST_NAME: usize = 253;
/// The longest name in a simulated network, in bytes.
const MAX_SIM_NAME: usize = 64;
/// How much of a refused text an error repeats, in characters.
const SHOWN: usize = 80;

/// Error returned when a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a channel address: {problem}")]
pub struct ParseAddrError {
    text: String,
    problem: AddrProblem,
}

impl ParseAddrError {
    pub(super) fn new(text: &str, problem: AddrProblem) -> Self {
        Self {
            text: clip(text),
            problem,
        }
    }

    /// Returns what is wrong with the text.
    pub fn problem(&self) -> &AddrProblem {
        &self.problem
    }

    /// Returns the refused text, cut to a length that can be shown.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What is wrong with the text of an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddrProblem {
    /// There is no text.
    #[error("it is empty")]
    Empty,
    /// The text is longer than [`MAX_ADDR_LEN`].
    #[error("it has {0} bytes, and {MAX_ADDR_LEN} are allowed")]
    TooLong(usize),
    /// Nothing says which transport is meant.
    #[error(
        "it has no scheme; known are local:, unix:, tcp:, tls:, sim:, tcp://, tls://, sim://, ipc:// and inproc://"
    )]
    NoScheme,
    /// The transport is not known.
    #[error(
        "the scheme {0:?} is not known; known are local, unix, tcp, tls and sim, and the URLs tcp://, tls://, sim://, ipc:// and inproc://"
    )]
    UnknownScheme(String),
    /// A local address without a decimal number.
    #[error("{0:?} is not the decimal number of a local address")]
    BadNumber(String),
    /// A path that is not absolute, or holds what a path cannot hold.
    #[error(
        "a unix address is an absolute path in UTF-8 that starts with one slash, or @ and a name"
    )]
    BadPath,
    /// A path or name that does not fit into a socket address.
    #[error("the path or name has {0} bytes, and a unix socket takes {MAX_UNIX_NAME}")]
    PathTooLong(usize),
    /// Something that is no name in a simulated network.
    #[error("{0:?} is not a name of 1 to {MAX_SIM_NAME} letters, digits, -, _ and .")]
    BadSimName(String),
    /// A TCP or TLS address without a port.
    #[error("it has no port")]
    NoPort,
    /// A port that is not a number that fits.
    #[error("the port {0:?} is not a number from 0 to 65535")]
    BadPort(String),
    /// An opened bracket that is not closed, or something behind it that is no port.
    #[error("an IPv6 address is written as [address]:port")]
    BadBrackets,
    /// A host that is neither an IP address nor a name.
    #[error("the host {0:?} is neither an IP address nor a name")]
    BadHost(String),
}

/// Returns the start of `text`, so that no error grows with what it refuses.
pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Parses the whole text.
pub(super) fn addr(text: &str) -> Result<ChannelAddr, AddrProblem> {
    if text.is_empty() {
        return Err(AddrProblem::Empty);
    }
    if text.len() > MAX_ADDR_LEN {
        return Err(AddrProblem::TooLong(text.len()));
    }
    let (scheme, rest) = text.split_once(':').ok_or(AddrProblem::NoScheme)?;
    match (scheme, rest.strip_prefix("//")) {
        ("tcp", url) => {
            socket(url.unwrap_or(rest)).map(|(host, port)| ChannelAddr::Tcp { host, port })
        }
        ("tls", url) => {
            socket(url.unwrap_or(rest)).map(|(host, port)| ChannelAddr::Tls { host, port })
        }
        ("sim", url) => sim(url.unwrap_or(rest)),
        ("ipc", Some(rest)) => unix(rest),
        ("inproc", Some(rest)) => local(rest),
        ("local", _) => local(rest),
        ("unix", _) => unix(rest),
        _ => Err(AddrProblem::UnknownScheme(clip(scheme))),
    }
}

fn local(text: &str) -> Result<ChannelAddr, AddrProblem> {
    let number = digits(text).and_then(|text| text.parse().ok());
    number
        .map(ChannelAddr::Local)
        .ok_or_else(|| AddrProblem::BadNumber(clip(text)))
}

fn unix(text: &str) -> Result<ChannelAddr, AddrProblem> {
    let name = match text.strip_prefix('@') {
        Some(name) => abstract_name(name)?,
        None if text.is_empty() => UnixName::fresh(),
        None => unix_path(text)?,
    };
    Ok(ChannelAddr::Unix(name))
}

/// Checks a path of a unix socket.
pub(super) fn unix_path(text: &str) -> Result<UnixName, AddrProblem> {
    // Two slashes at the start are more likely a mistaken URL than a path.
    if !text.starts_with('/') || text.starts_with("//") || text.contains('\0') {
        return Err(AddrProblem::BadPath);
    }
    if text.len() > MAX_UNIX_NAME {
        return Err(AddrProblem::PathTooLong(text.len()));
    }
    Ok(UnixName(Unix::Path(text.into())))
}

/// Checks an abstract name of a unix socket.
pub(super) fn abstract_name(text: &str) -> Result<UnixName, AddrProblem> {
    if text.is_empty() || text.contains('\0') {
        return Err(AddrProblem::BadPath);
    }
    if text.len() > MAX_UNIX_NAME {
        return Err(AddrProblem::PathTooLong(text.len()));
    }
    Ok(UnixName(Unix::Abstract(text.into())))
}

fn sim(text: &str) -> Result<ChannelAddr, AddrProblem> {
    Ok(ChannelAddr::Sim(match text {
        "" => SimName::fresh(),
        name => sim_name(name)?,
    }))
}

/// Checks a name in a simulated network.
pub(super) fn sim_name(text: &str) -> Result<SimName, AddrProblem> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if text.is_empty() || MAX_SIM_NAME < text.len() || !text.bytes().all(allowed) {
        return Err(AddrProblem::BadSimName(clip(text)));
    }
    Ok(SimName(Some(text.into())))
}

/// Parses host and port.
fn socket(text: &str) -> Result<(Host, u16), AddrProblem> {
    if let Some(text) = text.strip_prefix('[') {
        let (host, rest) = text.split_once(']').ok_or(AddrProblem::BadBrackets)?;
        let ip: Ipv6Addr = host.parse().map_err(|_| AddrProblem::BadHost(clip(host)))?;
        if rest.is_empty() {
            return Err(AddrProblem::NoPort);
        }
        let port = rest.strip_prefix(':').ok_or(AddrProblem::BadBrackets)?;
        return Ok((Host::from(std::net::IpAddr::V6(ip)), parse_port(port)?));
    }
    let (host, port) = text.rsplit_once(':').ok_or(AddrProblem::NoPort)?;
    if host.contains(':') {
        return Err(AddrProblem::BadBrackets);
    }
    Ok((self::host(host)?, parse_port(port)?))
}

fn parse_port(text: &str) -> Result<u16, AddrProblem> {
    let port = digits(text).and_then(|text| text.parse().ok());
    port.ok_or_else(|| AddrProblem::BadPort(clip(text)))
}

/// Checks the host of a TCP or TLS address, which is no IPv6 address.
pub(super) fn host(text: &str) -> Result<Host, AddrProblem> {
    if text == "*" {
        return Ok(Host::every());
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::from(std::net::IpAddr::V4(ip)));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    // Numbers alone are an IPv4 address that did not parse, not a name.
    let named = text.bytes().any(|b| b.is_ascii_alphabetic());
    if !named || text.len() > MAX_HOST_NAME || !text.bytes().all(allowed) {
        return Err(AddrProblem::BadHost(clip(text)));
    }
    Ok(Host(Machine::Name(text.to_ascii_lowercase().into())))
}

/// Returns `text` if it consists of decimal digits: a number of Rust may have a sign before it.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(text)
}
