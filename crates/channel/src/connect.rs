//! From an address to a connected stream: the places it stands for, raced as RFC 8305 describes.
//!
//! # Invariants
//!
//! - **INV-1**: one attempt begins at a time, and the next one 250 ms later or as soon as one has failed.
//! - **INV-2**: when a socket is connected no other attempt goes on: nobody is left with a connection on
//!   which nothing is said. A place whose attempt was given up is tried again if the winner fails.
//! - **INV-3**: each place that was tried without success is reported once.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    net::{TcpStream, UnixStream},
    select,
    time::{Instant, sleep, timeout},
};

#[cfg(feature = "sim")]
use crate::{addr::SimName, sim::SimNode};
use crate::{
    addr::{ChannelAddr, UnixName},
    local::{LocalHub, Port},
    outcome::{ConnectError, Tried},
    resolver::Resolver,
    stream::{Stream, Unix},
    tls::TlsSlot,
};

/// So long an attempt has the field to itself.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// A name may stand for more places: those behind these are not tried.
const MAX_PLACES: usize = 32;

/// What an endpoint dials with.
#[derive(Debug)]
pub(crate) struct Dialer {
    /// The numbers of this process.
    pub(crate) hub: LocalHub,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) tls: TlsSlot,
    /// What the endpoint is in a simulated network.
    #[cfg(feature = "sim")]
    pub(crate) sim: Option<SimNode>,
}

impl Dialer {
    /// Connects to one of the places that `addr` stands for, and returns what `greet` makes of the stream:
    /// if it fails, the next place is tried. `limit` is the time of each step: of finding the places,
    /// of connecting one socket, of the handshakes on it.
    ///
    /// # Errors
    ///
    /// Every place that was tried, with what went wrong there.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the sockets are closed.
    pub(crate) async fn connect<T, G, F>(
        &self,
        addr: &ChannelAddr,
        limit: Duration,
        mut greet: G,
    ) -> Result<T, Vec<Tried>>
    where
        G: FnMut(Stream) -> F,
        F: Future<Output = Result<T, ConnectError>>,
    {
        let places = self.places(addr);
        let places = match within(limit, places).await {
            Ok(places) => places,
            Err(error) => return Err(vec![Tried::new(addr, error)]),
        };
        let mut race = Race::new(places, |place| within(limit, open(place)));
        while let Some((place, socket)) = race.winner().await {
            let greeted = within(limit, async {
                greet(self.secure(socket, addr).await?).await
            });
            match greeted.await {
                Ok(done) => return Ok(done),
                Err(error) => race.failed(&place, error),
            }
        }
        Err(race.tried)
    }

    /// Returns the places that an address stands for, in the order in which they are tried.
    async fn places(&self, addr: &ChannelAddr) -> Result<Vec<Place>, ConnectError> {
        let (host, port) = match addr {
            ChannelAddr::Unix(name) => return Ok(vec![Place::Unix(name.clone())]),
            ChannelAddr::Tcp { host, port } | ChannelAddr::Tls { host, port } => (host, *port),
            ChannelAddr::Local(number) => {
                let port = self
                    .hub
                    .find(*number)
                    .map_err(|_| ConnectError::NotServed)?;
                return Ok(vec![Place::Local(*number, port)]);
            }
            #[cfg(feature = "sim")]
            ChannelAddr::Sim(name) => {
                let node = self.sim.clone().ok_or(ConnectError::NoAddress)?;
                return Ok(vec![Place::Sim(node, name.clone())]);
            }
            #[cfg(not(feature = "sim"))]
            ChannelAddr::Sim(_) => return Err(ConnectError::NoAddress),
        };
        let found = match (host.ip(), host.name()) {
            (Some(ip), _) => vec![ip],
            (None, Some(name)) => self.resolver.resolve(name).await?,
            (None, None) => Vec::new(),
        };
        if found.is_empty() {
            return Err(ConnectError::NoAddress);
        }
        let places = interleave(found).into_iter().take(MAX_PLACES);
        Ok(places
            .map(|ip| Place::Tcp(SocketAddr::new(ip, port)))
            .collect())
    }

    /// Makes sure who is at the other end, as far as the transport can tell.
    async fn secure(&self, socket: Socket, addr: &ChannelAddr) -> Result<Stream, ConnectError> {
        let stream = match (socket, addr) {
            (Socket::Stream(stream), _) => stream,
            (Socket::Tcp(socket), ChannelAddr::Tls { host, .. }) => {
                let setup = self.tls.current()?;
                Stream::Tls(setup.connect(socket, host).await?)
            }
            (Socket::Tcp(socket), _) => Stream::tcp(socket)?,
            (Socket::Unix(socket), _) => Stream::Unix(socket),
        };
        // Whoever took the name of the socket first could be anybody.
        match stream.foreign_user()? {
            Some(user) => Err(ConnectError::ForeignUser(user)),
            None => Ok(stream),
        }
    }
}

/// One place of a socket transport.
#[derive(Clone)]
enum Place {
    Local(u64, Arc<dyn Port>),
    Tcp(SocketAddr),
    Unix(UnixName),
    #[cfg(feature = "sim")]
    Sim(SimNode, SimName),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(number, _) => write!(f, "{number}"),
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(name) => write!(f, "{name}"),
            #[cfg(feature = "sim")]
            Self::Sim(_, name) => write!(f, "{name}"),
        }
    }
}

/// A socket that is connected, and on which nothing was said.
#[derive(Debug)]
enum Socket {
    /// There is nothing more to be made of it.
    Stream(Stream),
    Tcp(TcpStream),
    Unix(Unix),
}

async fn open(place: Place) -> Result<Socket, ConnectError> {
    Ok(match place {
        Place::Local(_, port) => Socket::Stream(port.connect().ok_or(ConnectError::NotServed)?),
        Place::Tcp(addr) => Socket::Tcp(TcpStream::connect(addr).await?),
        Place::Unix(name) => {
            Socket::Unix(Unix::new(UnixStream::connect(socket_path(&name)).await?)?)
        }
        #[cfg(feature = "sim")]
        Place::Sim(node, name) => {
            let name = name.as_str().ok_or(ConnectError::NoAddress)?;
            Socket::Stream(Stream::Sim(node.connect(name).await?))
        }
    })
}

/// Returns the path that stands for the name in a call of the system: an abstract one begins with a
/// NUL.
fn socket_path(name: &UnixName) -> PathBuf {
    match (name.as_path(), name.as_abstract()) {
        (Some(path), _) => path.to_owned(),
        (None, text) => format!("\0{}", text.unwrap_or_default()).into(),
    }
}

/// Waits for `step`, but not longer than `limit`.
async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let result = timeout(limit, step).await;
    result.unwrap_or(Err(ConnectError::Timeout))
}

/// Returns the addresses with those of the two families in turn, each family in its order, and the first
/// one first.
fn interleave(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let Some(first) = addresses.first().map(IpAddr::is_ipv4) else {
        return addresses;
    };
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut turns = Vec::new();
    loop {
        let turn = [one.next(), other.next()];
        if turn == [None, None] {
            return turns;
        }
        turns.extend(turn.into_iter().flatten());
    }
}

/// The attempts to connect to one of several places.
struct Race<P, O> {
    /// What is to be tried, in this order.
    waiting: VecDeque<P>,
    open: O,
    tried: Vec<Tried>,
}

impl<P, O, S, F> Race<P, O>
where
    P: Clone + fmt::Display,
    O: Fn(P) -> F,
    F: Future<Output = Result<S, ConnectError>>,
{
    fn new(places: Vec<P>, open: O) -> Self {
        Self {
            waiting: places.into(),
            open,
            tried: Vec::new(),
        }
    }

    /// Waits for the first attempt that succeeds, and gives up the others (INV-2). Returns `None` when
    /// each place has failed.
    async fn winner(&mut self) -> Option<(P, S)> {
        let mut running: Vec<(P, Pin<Box<F>>)> = Vec::new();
        let mut pause = pin!(sleep(Duration::ZERO));
        loop {
            if let Some(place) = self.waiting.pop_front() {
                let attempt = Box::pin((self.open)(place.clone()));
                running.push((place, attempt));
                pause.as_mut().reset(Instant::now() + ATTEMPT_DELAY);
            }
            if running.is_empty() {
                return None;
            }
            let (place, result) = select! {
                biased;
                ended = first_of(&mut running) => ended,
                () = &mut pause, if !self.waiting.is_empty() => continue,
            };
            match result {
                Ok(socket) => {
                    for (place, _) in running.into_iter().rev() {
                        self.waiting.push_front(place);
                    }
                    return Some((place, socket));
                }
                Err(error) => self.failed(&place, error),
            }
        }
    }

    /// Records what went wrong at `place` (INV-3).
    fn failed(&mut self, place: &P, error: ConnectError) {
        self.tried.push(Tried::new(place, error));
    }
}

/// Waits for one of `running` to end, and takes it out.
async fn first_of<P, F: Future>(running: &mut Vec<(P, Pin<Box<F>>)>) -> (P, F::Output) {
    poll_fn(|cx| {
        let ended = running
            .iter_mut()
            .enumerate()
            .find_map(|(i, (_, attempt))| match attempt.as_mut().poll(cx) {
                Poll::Ready(output) => Some((i, output)),
                Poll::Pending => None,
            });
        match ended {
            Some((i, output)) => Poll::Ready((running.remove(i).0, output)),
            None => Poll::Pending,
        }
    })
    .await
}
