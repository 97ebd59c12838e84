//! One attempt to connect: the places that an address stands for, and the dialling end's handshake.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};

use crate::{
    addr::{ChannelAddr, UnixName},
    handshake::{Accepted, Answer, Hello, PREAMBLE_LEN, Preamble},
    outcome::{ConnectError, Tried},
    stream::{Reader, Stream, Writer},
    unix_stream::Unix,
};

/// A connection whose peer accepted the link.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) accepted: Accepted,
}

/// Connects to one of the places that `addr` stands for. Each place has `limit` of time.
///
/// # Errors
///
/// Every place that was tried, with what went wrong there.
pub(crate) async fn dial(
    addr: &ChannelAddr,
    hello: &Hello,
    limit: Duration,
) -> Result<Dialled, Vec<Tried>> {
    let failed = |place: &dyn fmt::Display, error| Tried {
        place: place.to_string(),
        error,
    };
    let places = match timeout(limit, places(addr)).await {
        Ok(Ok(places)) => places,
        Ok(Err(error)) => return Err(vec![failed(addr, error)]),
        Err(_) => return Err(vec![failed(addr, ConnectError::Timeout)]),
    };
    let mut tried = Vec::new();
    for place in &places {
        let result = timeout(limit, greet(place, hello)).await;
        match result.unwrap_or(Err(ConnectError::Timeout)) {
            Ok(dialled) => return Ok(dialled),
            Err(error) => tried.push(failed(place, error)),
        }
    }
    Err(tried)
}

/// One place of a socket transport.
enum Place<'a> {
    Tcp(SocketAddr),
    Unix(&'a UnixName),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(name) => write!(f, "{name}"),
        }
    }
}

async fn places(addr: &ChannelAddr) -> Result<Vec<Place<'_>>, ConnectError> {
    let places: Vec<Place<'_>> = match addr {
        ChannelAddr::Unix(name) => vec![Place::Unix(name)],
        ChannelAddr::Tcp { host, port } => match (host.ip(), host.name()) {
            (Some(ip), _) => vec![Place::Tcp(SocketAddr::new(ip, *port))],
            // The system's resolver blocks: the runtime asks it on a thread for such things.
            (None, Some(name)) => lookup_host((name, *port)).await?.map(Place::Tcp).collect(),
            (None, None) => Vec::new(),
        },
        ChannelAddr::Local(_) => Vec::new(),
    };
    if places.is_empty() {
        Err(ConnectError::NoAddress)
    } else {
        Ok(places)
    }
}

async fn greet(place: &Place<'_>, hello: &Hello) -> Result<Dialled, ConnectError> {
    let stream = match place {
        Place::Tcp(addr) => Stream::tcp(TcpStream::connect(addr).await?)?,
        Place::Unix(name) => {
            Stream::Unix(Unix::new(UnixStream::connect(socket_path(name)).await?)?)
        }
    };
    // Whoever took the name of the socket first could be anybody.
    if let Some(user) = stream.foreign_user()? {
        return Err(ConnectError::ForeignUser(user));
    }
    let (mut reader, mut writer) = stream.split()?;
    writer.write_all(&hello.encode()).await?;
    let mut preamble = [0; PREAMBLE_LEN];
    reader.read_exact(&mut preamble).await?;
    let preamble = Preamble::decode(&preamble).map_err(ConnectError::Handshake)?;
    let mut rest = vec![0; preamble.rest];
    reader.read_exact(&mut rest).await?;
    match Answer::decode(preamble.version, &rest).map_err(ConnectError::Handshake)? {
        Answer::Accepted(accepted) => Ok(Dialled {
            reader,
            writer,
            accepted,
        }),
        Answer::Refused(code) => Err(ConnectError::Refused(
            code.told_to(hello.kind, preamble.version),
        )),
    }
}

/// Returns the path that stands for the name in a call of the system: an abstract one begins with a
/// NUL.
fn socket_path(name: &UnixName) -> PathBuf {
    match (name.as_path(), name.as_abstract()) {
        (Some(path), _) => path.to_owned(),
        (None, text) => format!("\0{}", text.unwrap_or_default()).into(),
    }
}
