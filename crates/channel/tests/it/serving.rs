//! What can be served and dialled, and the files of sockets.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
};

use hypermesh_channel::{ChannelAddr, ChannelTransport, DialError, ServeAddr, ServeError};
use hypermesh_testkit::SocketDir;

use crate::{by_hand::*, rig::*};

#[tokio::test]
async fn any_address_of_a_transport_is_served_and_dialled() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let one = endpoint.serve_sink(transport, Keeper::new()).unwrap();
        let two = endpoint.serve_sink(transport, Keeper::new()).unwrap();
        assert_ne!(one.addr(), two.addr());
        assert!(one.addr().is_dialable());
        assert_eq!(one.addr().transport(), transport);
        let error = endpoint.serve_sink(one.addr(), Keeper::new()).unwrap_err();
        assert!(
            matches!(&error, ServeError::AddrInUse(addr) if addr == one.addr()),
            "{error}"
        );
        // The address is free again when the server has stopped.
        soon(one.stop()).await;
        endpoint.serve_sink(one.addr(), Keeper::new()).unwrap();
    }
}

#[tokio::test]
async fn what_names_no_place_cannot_be_dialled() {
    let endpoint = endpoint();
    for text in ["unix:", "local:0", "tcp:127.0.0.1:0", "tcp:*:80"] {
        let addr: ChannelAddr = text.parse().unwrap();
        let error = endpoint.dial_link::<Numbered>(&addr).unwrap_err();
        assert_eq!(error, DialError::InvalidAddress(addr));
    }
    let addr: ChannelAddr = "local:17".parse().unwrap();
    let error = endpoint.dial_link::<Numbered>(&addr).unwrap_err();
    assert_eq!(error, DialError::NotServed(addr.clone()));
    // It can be served later.
    let _server = endpoint.serve_sink(&addr, Keeper::new()).unwrap();
    let link = endpoint.dial_link(&addr).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    clerk.assert_acked(1).await;
    // Another endpoint has other numbers.
    assert!(crate::rig::endpoint().dial_link::<Numbered>(&addr).is_err());
}

#[tokio::test]
async fn a_wildcard_needs_an_address_to_tell_others() {
    let endpoint = endpoint();
    let bind: ChannelAddr = "tcp:*:0".parse().unwrap();
    let error = endpoint.serve_sink(&bind, Keeper::new()).unwrap_err();
    assert!(matches!(error, ServeError::InvalidAddress(_)), "{error}");
    let advertise = Some("tcp:localhost:0".parse().unwrap());
    let server = endpoint
        .serve_sink(ServeAddr { bind, advertise }, Keeper::new())
        .unwrap();
    let ChannelAddr::Tcp { host, port } = server.addr() else {
        panic!("tcp")
    };
    assert_eq!(host.name(), Some("localhost"));
    assert_ne!(*port, 0);
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn a_socket_file_lies_in_a_private_directory_and_goes_with_its_server() {
    let dir = SocketDir::new();
    let path = dir.path().join("deep/er/socket");
    let endpoint = endpoint();
    let server = endpoint.serve_sink(at_path(&path), Keeper::new()).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    soon(server.stop()).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
    let dir = SocketDir::new();
    let path = dir.path().join("socket");
    // A listener of the standard library leaves its file behind.
    let live = UnixListener::bind(&path).unwrap();
    let endpoint = endpoint();
    let error = endpoint
        .serve_sink(at_path(&path), Keeper::new())
        .unwrap_err();
    assert!(matches!(error, ServeError::AddrInUse(_)), "{error}");
    drop(live);
    assert!(path.exists());
    let server = endpoint.serve_sink(at_path(&path), Keeper::new()).unwrap();
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("x"));
    clerk.assert_acked(1).await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let dir = SocketDir::new();
    let path = dir.path().join("file");
    fs::write(&path, "precious").unwrap();
    let error = endpoint()
        .serve_sink(at_path(&path), Keeper::new())
        .unwrap_err();
    assert!(matches!(error, ServeError::AddrInUse(_)), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn an_address_that_the_system_refuses_is_named() {
    let addr: ChannelAddr = "tcp:192.0.2.1:0".parse().unwrap();
    let error = endpoint().serve_sink(&addr, Keeper::new()).unwrap_err();
    assert!(error.to_string().contains("tcp:192.0.2.1:0"), "{error}");
    assert!(matches!(error, ServeError::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn a_dropped_server_ends_its_connections() {
    for transport in TRANSPORTS {
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let link = endpoint.dial_link::<Numbered>(server.addr()).unwrap();
        soon(link.watch().active()).await.unwrap();
        drop(server);
        soon(link.watch().closed()).await;
        keeper.until_lost(1).await;
    }
}

#[tokio::test]
async fn a_stopped_receiver_leaves_no_session_behind() {
    let endpoint = endpoint_with(|limits| limits.sessions = 1);
    let keeper = Keeper::new();
    let server = serve(&endpoint, &keeper);
    // One whose connection is lost when the receiver stops, and may come again.
    drop(Wire::open(&server, 1).await);
    keeper.until_lost(1).await;
    soon(server.stop()).await;
    let server = serve(&endpoint, &keeper);
    let mut wire = Wire::open(&server, 2).await;
    wire.send(&[data(SESSION, 0, "new")]).await;
    assert_eq!(keeper.next_text().await, "new");
}

#[tokio::test]
async fn a_session_of_a_receiver_that_stopped_is_a_new_one_for_the_next() {
    let endpoint = endpoint();
    let (first, second) = (Keeper::new(), Keeper::new());
    let server = serve(&endpoint, &first);
    // Keeps the address while there is no receiver of parcels.
    let (_, _rx) = endpoint.serve::<String>(server.addr()).unwrap();
    let mut wire = Wire::open(&server, 1).await;
    wire.send(&[data(SESSION, 0, "one")]).await;
    assert_eq!(wire.read_ack().await, 1);
    drop(wire);
    first.until_lost(1).await;
    soon(server.stop()).await;
    let server = endpoint.serve_sink(server.addr(), second.clone()).unwrap();
    let mut wire = Wire::dial(&server).await;
    let open = Open {
        acked: 1,
        sent: 1,
        ..Open::new(1)
    };
    assert!(!wire.reopen(&open).await.resumed);
    wire.send(&[data(SESSION, 1, "two")]).await;
    assert_eq!(second.next_text().await, "two");
}

#[tokio::test]
async fn a_number_whose_receiver_is_gone_is_closed() {
    let endpoint = endpoint();
    let server = endpoint
        .serve_sink(ChannelTransport::Local, Keeper::new())
        .unwrap();
    let addr = server.addr().clone();
    let link = endpoint.dial_link::<Numbered>(&addr).unwrap();
    soon(link.watch().active()).await.unwrap();
    soon(server.stop()).await;
    let error = endpoint.dial_link::<Numbered>(&addr).unwrap_err();
    assert_eq!(error, DialError::PeerClosed(addr.clone()));
    // One that somebody wrote is closed, too, until it is served again.
    let written: ChannelAddr = "local:17".parse().unwrap();
    let server = endpoint.serve_sink(&written, Keeper::new()).unwrap();
    drop(endpoint.dial_link::<Numbered>(&written).unwrap());
    soon(server.stop()).await;
    let error = endpoint.dial_link::<Numbered>(&written).unwrap_err();
    assert_eq!(error, DialError::PeerClosed(written.clone()));
    let _server = endpoint.serve_sink(&written, Keeper::new()).unwrap();
    drop(endpoint.dial_link::<Numbered>(&written).unwrap());
    // It is not chosen for another one, so that nobody gets what was for the first.
    let next = endpoint
        .serve_sink(ChannelTransport::Local, Keeper::new())
        .unwrap();
    assert_ne!(next.addr(), &addr);
}

#[tokio::test]
async fn after_a_shutdown_no_task_is_left_on_any_transport() {
    for transport in TRANSPORTS {
        let tasks = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        let before = tasks();
        let endpoint = endpoint_for(transport);
        let keeper = Keeper::new();
        let server = endpoint.serve_sink(transport, keeper.clone()).unwrap();
        let mut clerk = Clerk::new();
        // One that is closed, one that is dropped, and one that stays.
        let links: Vec<_> = (0..3)
            .map(|_| endpoint.dial_link(server.addr()).unwrap())
            .collect();
        for link in &links {
            clerk.post(link, payload("x"));
        }
        for _ in &links {
            clerk.next().await;
        }
        assert!(before < tasks(), "{transport}");
        let mut links = links.into_iter();
        soon(links.next().unwrap().close(DEADLINE)).await;
        drop(links.next());
        let report = soon(endpoint.shutdown(DEADLINE)).await;
        assert_eq!(report.stuck_tasks, 0, "{transport}");
        // A task that has ended is counted until its thread has come to that.
        for _ in 0..1000 {
            if tasks() == before {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(tasks(), before, "{transport}");
    }
}
