//! An address as a serde value: its text for people, its parts for machines.
//!
//! The parts are checked by the rules of the text, so that nothing is an address in one form and none
//! in the other.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{ChannelAddr, Host, Machine, SimName, Unix, UnixName, parse};

/// The parts of an address. A new kind is added at the end: the number of a kind is on the wire.
#[derive(Serialize, Deserialize)]
#[serde(rename = "ChannelAddr")]
enum Parts<'a> {
    Local(u64),
    UnixFresh,
    UnixPath(#[serde(borrow)] Text<'a>),
    UnixAbstract(#[serde(borrow)] Text<'a>),
    TcpEvery(u16),
    TcpIp(IpAddr, u16),
    TcpName(#[serde(borrow)] Text<'a>, u16),
    TlsEvery(u16),
    TlsIp(IpAddr, u16),
    TlsName(#[serde(borrow)] Text<'a>, u16),
    SimFresh,
    SimName(#[serde(borrow)] Text<'a>),
}

/// A text that is not copied where the format has it in memory.
#[derive(Serialize, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> From<&'a ChannelAddr> for Parts<'a> {
    fn from(addr: &'a ChannelAddr) -> Self {
        let text = |text: &'a str| Text(Cow::Borrowed(text));
        match addr {
            ChannelAddr::Local(number) => Self::Local(*number),
            ChannelAddr::Unix(UnixName(Unix::Fresh)) => Self::UnixFresh,
            ChannelAddr::Unix(UnixName(Unix::Path(path))) => Self::UnixPath(text(path)),
            ChannelAddr::Unix(UnixName(Unix::Abstract(name))) => Self::UnixAbstract(text(name)),
            ChannelAddr::Tcp { host, port } => match &host.0 {
                Machine::Every => Self::TcpEvery(*port),
                Machine::Ip(ip) => Self::TcpIp(*ip, *port),
                Machine::Name(name) => Self::TcpName(text(name), *port),
            },
            ChannelAddr::Tls { host, port } => match &host.0 {
                Machine::Every => Self::TlsEvery(*port),
                Machine::Ip(ip) => Self::TlsIp(*ip, *port),
                Machine::Name(name) => Self::TlsName(text(name), *port),
            },
            ChannelAddr::Sim(SimName(None)) => Self::SimFresh,
            ChannelAddr::Sim(SimName(Some(name))) => Self::SimName(text(name)),
        }
    }
}

impl Parts<'_> {
    fn into_addr(self) -> Result<ChannelAddr, parse::AddrProblem> {
        let tcp = |host, port| ChannelAddr::Tcp { host, port };
        let tls = |host, port| ChannelAddr::Tls { host, port };
        Ok(match self {
            Self::Local(number) => ChannelAddr::Local(number),
            Self::UnixFresh => ChannelAddr::Unix(UnixName::fresh()),
            Self::UnixPath(Text(path)) => ChannelAddr::Unix(parse::unix_path(&path)?),
            Self::UnixAbstract(Text(name)) => ChannelAddr::Unix(parse::abstract_name(&name)?),
            Self::TcpEvery(port) => tcp(Host::every(), port),
            Self::TcpIp(ip, port) => ChannelAddr::tcp(ip, port),
            Self::TcpName(Text(name), port) => tcp(parse::host(&name)?, port),
            Self::TlsEvery(port) => tls(Host::every(), port),
            Self::TlsIp(ip, port) => ChannelAddr::tls(ip, port),
            Self::TlsName(Text(name), port) => tls(parse::host(&name)?, port),
            Self::SimFresh => ChannelAddr::Sim(SimName::fresh()),
            Self::SimName(Text(name)) => ChannelAddr::Sim(parse::sim_name(&name)?),
        })
    }
}

impl Serialize for ChannelAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => Parts::from(self).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ChannelAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_str(AddrText);
        }
        let parts = Parts::deserialize(deserializer)?;
        parts.into_addr().map_err(de::Error::custom)
    }
}

struct AddrText;

impl de::Visitor<'_> for AddrText {
    type Value = ChannelAddr;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the text of a channel address")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ChannelAddr, E> {
        text.parse().map_err(E::custom)
    }
}
