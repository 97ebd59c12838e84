//! Sockets that listen already, and ports of a range.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
};

use hypermesh_channel::{AdoptedListener, ChannelAddr, ServeAt, ServeError};
use hypermesh_testkit::SocketDir;

use crate::rig::*;

/// Checks that what is sent to the server of `at` arrives, and returns its address.
async fn check(at: impl Into<ServeAt>) -> ChannelAddr {
    let (endpoint, keeper) = (endpoint(), Keeper::new());
    let server = endpoint.serve_sink(at, keeper.clone()).unwrap();
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    clerk.assert_acked(1).await;
    assert_eq!(keeper.len(), 1);
    soon(server.stop()).await;
    server.addr().clone()
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_socket_that_listens_already_is_served() {
    let (tcp, port) = listener();
    let addr = check(AdoptedListener::tcp(tcp)).await;
    assert_eq!(addr.to_string(), format!("tcp:127.0.0.1:{port}"));
    let (tcp, port) = listener();
    let addr = check(AdoptedListener::tls(tcp)).await;
    assert_eq!(addr.to_string(), format!("tls:127.0.0.1:{port}"));
    let (tcp, port) = listener();
    let told = AdoptedListener::tls(tcp).advertise("tls:localhost:0".parse().unwrap());
    assert_eq!(
        check(told).await.to_string(),
        format!("tls:localhost:{port}")
    );
}

#[tokio::test]
async fn an_adopted_socket_file_is_not_removed() {
    let dir = SocketDir::new();
    let path = dir.path().join("socket");
    let addr = check(AdoptedListener::unix(UnixListener::bind(&path).unwrap())).await;
    assert_eq!(addr, at_path(&path));
    assert!(path.exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_adopted_socket_may_have_an_abstract_name() {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};

    let name = format!("adopted-{}", std::process::id());
    let addr = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&addr).unwrap();
    let addr = check(AdoptedListener::unix(listener)).await;
    assert_eq!(addr.to_string(), format!("unix:@{name}"));
}

#[tokio::test]
async fn what_cannot_be_served_is_not_adopted() {
    let endpoint = endpoint();
    let serve = |listener| endpoint.serve_sink(listener, Keeper::new()).unwrap_err();
    let every = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let error = serve(AdoptedListener::tcp(every));
    assert!(matches!(error, ServeError::InvalidAddress(_)), "{error}");
    // A socket that is connected, in the clothes of one that listens.
    let (tcp, port) = listener();
    let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let error = serve(AdoptedListener::tcp(OwnedFd::from(stream).into()));
    assert!(matches!(error, ServeError::Io { .. }), "{error}");
    drop(tcp);
    let without = hypermesh_channel::EndpointOptions::new(tokio::runtime::Handle::current());
    let without = hypermesh_channel::Endpoint::new(without);
    let error = without.serve_sink(AdoptedListener::tls(listener().0), Keeper::new());
    assert!(matches!(error, Err(ServeError::Tls { .. })), "{error:?}");
}

#[tokio::test]
async fn the_transports_that_are_not_here_are_named() {
    for text in ["sim:a", "sim:"] {
        let addr: ChannelAddr = text.parse().unwrap();
        let error = endpoint().serve_sink(&addr, Keeper::new()).unwrap_err();
        assert!(matches!(error, ServeError::Unsupported(_)), "{error}");
    }
    let addr: ChannelAddr = "sim:a".parse().unwrap();
    let error = endpoint().dial_link::<Numbered>(&addr).unwrap_err();
    assert_eq!(error, hypermesh_channel::DialError::Unsupported(addr));
}

#[tokio::test]
async fn a_port_of_the_range_is_bound_and_kept() {
    // Three ports in a row, the one in the middle taken by somebody else, who keeps it all the time.
    let (middle, first) = loop {
        let (middle, port) = listener();
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free(port - 1) && free(port + 1) {
            break (middle, port - 1);
        }
    };
    let endpoint = endpoint_with(|limits| limits.ports = first..=first + 2);
    let any: ChannelAddr = "tcp:127.0.0.1:0".parse().unwrap();
    let serve = |addr: &ChannelAddr| endpoint.serve_sink(addr, Keeper::new());
    let one = serve(&any).unwrap();
    let other = serve(&"tls:127.0.0.1:0".parse().unwrap()).unwrap();
    assert_eq!(one.addr().to_string(), format!("tcp:127.0.0.1:{first}"));
    assert_eq!(
        other.addr().to_string(),
        format!("tls:127.0.0.1:{}", first + 2)
    );
    let error = serve(&any).unwrap_err();
    assert!(matches!(error, ServeError::AddrInUse(_)), "{error}");
    soon(one.stop()).await;
    let again = serve(&any).unwrap();
    assert_eq!(again.addr(), one.addr());
    drop(middle);
    // A port that is named is that port, whatever the range.
    let (listener, named) = listener();
    drop(listener);
    let addr = ChannelAddr::tcp(Ipv4Addr::LOCALHOST.into(), named);
    assert_eq!(serve(&addr).unwrap().addr(), &addr);
}

#[tokio::test]
async fn two_serves_never_get_one_address() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let servers: Vec<_> = (0..50)
            .map(|_| endpoint.serve_sink(transport, Keeper::new()).unwrap())
            .collect();
        let addrs: std::collections::HashSet<_> =
            servers.iter().map(|server| server.addr().clone()).collect();
        assert_eq!(addrs.len(), servers.len(), "{transport}");
        assert!(addrs.iter().all(ChannelAddr::is_dialable));
    }
}
