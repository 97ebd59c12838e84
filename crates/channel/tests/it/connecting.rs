//! From a name to a connection: several places, dead ones among them, resolvers that hang, other users.

use std::{
    future::pending,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use hypermesh_channel::{
    ChannelAddr, ChannelTransport, ConnectError, Endpoint, EndpointOptions, LinkStatus, Resolver,
    Resolving, ServeAddr,
};
use tokio::{io::AsyncWriteExt, runtime::Handle};

use crate::{
    by_hand::{connect, hello, read_to_end},
    rig::*,
};

/// Knows the addresses of `two`, that `none` has none, that there is no `nobody`; does not answer for others.
#[derive(Debug)]
struct Names(Vec<IpAddr>);

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            match name {
                "two" => Ok(self.0.clone()),
                "none" => Ok(Vec::new()),
                "nobody" => Err(io::Error::new(io::ErrorKind::NotFound, "nobody knows it")),
                _ => pending().await,
            }
        })
    }
}

fn endpoint_of(places: &[Ipv4Addr], change: impl FnOnce(&mut EndpointOptions)) -> Endpoint {
    let mut options = EndpointOptions::new(Handle::current());
    options.resolver = Arc::new(Names(places.iter().copied().map(IpAddr::from).collect()));
    options.tls = Some(tls(&AUTHORITY.certify(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("two".try_into().unwrap())];
    })));
    change(&mut options);
    Endpoint::new(options)
}

const ALIVE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const DEAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Serves at `ALIVE` and advertises the name, and returns the port.
fn serve_two(endpoint: &Endpoint, transport: ChannelTransport) -> (hypermesh_channel::Server, u16) {
    let at = ServeAddr {
        bind: ChannelAddr::any(transport),
        advertise: Some(format!("{transport}:two:0").parse().unwrap()),
    };
    let server = endpoint.serve_sink(at, Keeper::new()).unwrap();
    let (ChannelAddr::Tcp { port, .. } | ChannelAddr::Tls { port, .. }) = *server.addr() else {
        panic!("{}", server.addr())
    };
    (server, port)
}

#[tokio::test]
async fn the_first_place_is_dead_and_the_second_one_connects() {
    for transport in [ChannelTransport::Tcp, ChannelTransport::Tls] {
        let endpoint = endpoint_of(&[DEAD, ALIVE], |_| ());
        let (server, _) = serve_two(&endpoint, transport);
        let link = endpoint.dial_link(server.addr()).unwrap();
        let mut clerk = Clerk::new();
        clerk.post(&link, payload("x"));
        clerk.assert_acked(1).await;
        assert_eq!(server.stats().accepted, 1);
    }
}

/// A place that answers no connection: its queue of those that wait to be accepted is full.
struct BlackHole {
    _listener: socket2::Socket,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    fn new(place: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let listener = socket.unwrap();
        listener.bind(&place.into()).unwrap();
        listener.listen(0).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&place, Duration::from_millis(100)) {
            waiting.push(stream);
            assert!(waiting.len() < 100, "the queue has an end");
        }
        Self {
            _listener: listener,
            _waiting: waiting,
        }
    }
}

#[tokio::test]
async fn the_first_place_is_silent_and_the_second_one_connects_soon() {
    let endpoint = endpoint_of(&[DEAD, ALIVE], |options| {
        // Who waited for the first place would wait longer than this test does.
        options.limits.handshake_timeout = 10 * DEADLINE;
        options.limits.connect_timeout = 10 * DEADLINE;
    });
    let (server, port) = serve_two(&endpoint, ChannelTransport::Tcp);
    let _hole = BlackHole::new(SocketAddr::new(DEAD.into(), port));
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn the_first_place_is_somebody_else_and_the_second_one_connects() {
    let endpoint = endpoint_of(&[DEAD, ALIVE], |_| ());
    let (server, port) = serve_two(&endpoint, ChannelTransport::Tcp);
    // It ends each connection at once.
    let other = TcpListener::bind((DEAD, port)).unwrap();
    let other = std::thread::spawn(move || drop(other.accept().unwrap()));
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    clerk.assert_acked(1).await;
    other.join().unwrap();
}

#[tokio::test]
async fn every_place_is_reported_with_its_error() {
    let endpoint = endpoint_of(&[DEAD, ALIVE], |_| ());
    let listener = TcpListener::bind((ALIVE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let fails = async |addr: &str| {
        let link = endpoint.dial_link(&addr.parse().unwrap()).unwrap();
        failure(&link).await.tried.clone()
    };
    let tried = fails(&format!("tcp:two:{port}")).await;
    let places: Vec<_> = tried.iter().map(|tried| tried.place.clone()).collect();
    assert_eq!(
        places,
        [format!("{DEAD}:{port}"), format!("{ALIVE}:{port}")]
    );
    for tried in tried {
        let refused = io::ErrorKind::ConnectionRefused;
        assert!(
            matches!(tried.error, ConnectError::Io { kind, .. } if kind == refused),
            "{tried:?}"
        );
    }
    assert_eq!(fails("tcp:none:1").await[0].error, ConnectError::NoAddress);
    let tried = fails("tcp:nobody:1").await;
    assert_eq!(tried[0].place, "tcp:nobody:1");
    assert_eq!(tried[0].error.to_string(), "nobody knows it");
}

#[tokio::test(flavor = "current_thread")]
async fn a_resolver_that_hangs_delays_no_other_link() {
    let endpoint = endpoint_of(&[ALIVE], |_| ());
    let (server, _) = serve_two(&endpoint, ChannelTransport::Tcp);
    let hanging: Vec<_> = (0..100)
        .map(|i| {
            let addr = format!("tcp:hangs{i}:1").parse().unwrap();
            endpoint.dial_link::<Numbered>(&addr).unwrap()
        })
        .collect();
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    for _ in 0..10 {
        clerk.post(&link, payload("x"));
        clerk.assert_acked(1).await;
    }
    for link in &hanging {
        let status = link.status();
        assert!(
            matches!(status, LinkStatus::Connecting { .. }),
            "{status:?}"
        );
    }
}

/// Where a child of the test below finds the address to dial.
const ADDR: &str = "HYPERMESH_TEST_DIAL";

#[expect(clippy::print_stdout, reason = "a test that is skipped says why")]
#[tokio::test]
async fn another_user_is_refused_by_both_ends() {
    let (endpoint, keeper) = (endpoint(), Keeper::new());
    if let Ok(addr) = std::env::var(ADDR) {
        return dial_as_another_user(&endpoint, &addr.parse().unwrap()).await;
    }
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can start a program as another user");
        return;
    }
    let server = serve(&endpoint, &keeper);
    // The way to this very program, also where the other user may not read the directories above it.
    let mut child = tokio::process::Command::new("/proc/self/exe");
    child
        .args([
            "--exact",
            "connecting::another_user_is_refused_by_both_ends",
        ])
        .env(ADDR, server.addr().to_string())
        .uid(65_534)
        .current_dir("/")
        .kill_on_drop(true);
    let output = soon(child.output()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    let stats = server.stats();
    assert_eq!((stats.accepted, keeper.len()), (0, 0));
    assert!(stats.refused > 0);
}

async fn dial_as_another_user(endpoint: &Endpoint, addr: &ChannelAddr) {
    let link = endpoint.dial_link(addr).unwrap();
    let foreign = ConnectError::ForeignUser(0);
    assert_eq!(failure(&link).await.tried[0].error, foreign);
    // And who does not look at the user of the server.
    let mut stream = connect(addr).await;
    stream.write_all(&hello()).await.unwrap();
    let said = read_to_end(&mut stream).await;
    assert_eq!(said.get(12), Some(&5), "refused for the identity: {said:?}");
}
