//! Links over TLS: who gets in, what both ends learn, and what changes with new certificates.

use std::{fs, path::Path, sync::Arc};

use hypermesh_channel::{
    CertificateFault, ChannelAddr, ChannelTransport, ConnectError, DialError, Endpoint,
    EndpointOptions, Outcome, PeerIdentity, ServeAddr, ServeError, TlsError, TlsOptions,
};
use hypermesh_testkit::SocketDir;
use rcgen::date_time_ymd;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        server::WebPkiClientVerifier,
        version::TLS13,
    },
};

use crate::{
    by_hand::{CLOSED, HEADER, OPENED, Open, REFUSED, accepted, data, handshake, hello},
    certificates::{Authority, Certified},
    rig::*,
};

fn endpoint_of(tls: Option<TlsOptions>) -> Endpoint {
    let mut options = EndpointOptions::new(Handle::current());
    options.tls = tls;
    Endpoint::new(options)
}

/// Checks that a link with these certificates is not made, and what is said about it.
async fn check_refused(dialling: Endpoint, serving: Endpoint, advertise: &str, error: TlsError) {
    let keeper = Keeper::new();
    let at = ServeAddr {
        bind: ChannelAddr::any(ChannelTransport::Tls),
        advertise: Some(advertise.parse().unwrap()),
    };
    let server = serving.serve_sink(at, keeper.clone()).unwrap();
    let link = dialling.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("secret"));
    let unreachable = failure(&link).await;
    assert!(!unreachable.tried.is_empty());
    for tried in &unreachable.tried {
        match &tried.error {
            ConnectError::Tls(found) => assert_eq!(found, &error),
            // A name may also stand for an address at which nobody listens.
            ConnectError::Io { .. } => assert!(advertise.contains("localhost"), "{tried:?}"),
            other => panic!("{other}"),
        }
    }
    assert!(unreachable.to_string().contains(&error.to_string()));
    soon(link.close(std::time::Duration::ZERO)).await;
    assert!(matches!(clerk.next().await.1, Outcome::Failed(_)));
    soon(server.stop()).await;
    assert_eq!((server.stats().accepted, keeper.len()), (0, 0));
    assert!(server.stats().refused > 0);
}

#[tokio::test]
async fn who_is_not_trusted_gets_no_link_and_learns_why() {
    let good = AUTHORITY.certify(|_| ());
    let expired = AUTHORITY.certify(|params| params.not_after = date_time_ymd(2001, 1, 1));
    let stranger = Authority::new().certify(|_| ());
    let with = |own: &Certified| endpoint_of(Some(tls(own)));
    let here = "tls:127.0.0.1:0";
    let own = |fault| TlsError::OwnCertificate(fault);
    let peer = |fault| TlsError::PeerCertificate(fault);
    use CertificateFault::{Expired, UnknownIssuer, WrongName};
    check_refused(with(&stranger), with(&good), here, own(UnknownIssuer)).await;
    check_refused(with(&good), with(&stranger), here, peer(UnknownIssuer)).await;
    check_refused(with(&expired), with(&good), here, own(Expired)).await;
    check_refused(with(&good), with(&expired), here, peer(Expired)).await;
    let named = AUTHORITY.certify(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("node7".try_into().unwrap())];
    });
    check_refused(with(&good), with(&named), here, peer(WrongName)).await;
    check_refused(
        with(&good),
        with(&named),
        "tls:localhost:0",
        peer(WrongName),
    )
    .await;
}

#[tokio::test]
async fn without_certificates_nothing_is_served_or_dialled() {
    let endpoint = endpoint_of(None);
    let error = endpoint
        .serve_sink(ChannelTransport::Tls, Keeper::new())
        .unwrap_err();
    let source = Box::new(TlsError::NotConfigured);
    assert!(
        matches!(&error, ServeError::Tls { source: told, .. } if *told == source),
        "{error:?}"
    );
    let addr: ChannelAddr = "tls:127.0.0.1:1".parse().unwrap();
    let error = endpoint.dial_link::<Numbered>(&addr).unwrap_err();
    assert_eq!(error, DialError::Tls { addr, source });
    // They may come later.
    endpoint
        .reload_tls(tls(&AUTHORITY.certify(|_| ())))
        .await
        .unwrap();
    endpoint
        .serve_sink(ChannelTransport::Tls, Keeper::new())
        .unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let dir = SocketDir::new();
    let at = |name: &str| dir.path().join(name);
    let own = AUTHORITY.certify(|_| ());
    fs::write(at("own.pem"), &own.certificate).unwrap();
    fs::write(at("key.pem"), &own.key).unwrap();
    fs::write(at("ca.pem"), AUTHORITY.pem()).unwrap();
    fs::write(at("bad.pem"), "-----BEGIN CERTIFICATE-----\n%%%%\n").unwrap();
    fs::write(at("large.pem"), vec![b'x'; 2 << 20]).unwrap();
    let check = |names: [&str; 3], named: &Path, word: &str| {
        let [certificate, key, authorities] = names.map(at);
        let endpoint = endpoint_of(Some(TlsOptions::from_files(certificate, key, authorities)));
        let error = endpoint
            .serve_sink(ChannelTransport::Tls, Keeper::new())
            .unwrap_err();
        let ServeError::Tls { source, .. } = error else {
            panic!("{error:?}")
        };
        let text = source.to_string();
        assert!(text.contains(named.to_str().unwrap()), "{text}");
        assert!(text.contains(word), "{text}");
        let addr: ChannelAddr = "tls:127.0.0.1:1".parse().unwrap();
        let error = endpoint.dial_link::<Numbered>(&addr).unwrap_err();
        assert_eq!(error, DialError::Tls { addr, source });
        // Nothing else is held up by it.
        endpoint
            .serve_sink(ChannelTransport::Tcp, Keeper::new())
            .unwrap();
    };
    let none = at("none.pem");
    check(["none.pem", "key.pem", "ca.pem"], &none, "cannot be read");
    check(["own.pem", "none.pem", "ca.pem"], &none, "cannot be read");
    check(["own.pem", "key.pem", "none.pem"], &none, "cannot be read");
    check(["bad.pem", "key.pem", "ca.pem"], &at("bad.pem"), "damaged");
    check(["own.pem", "key.pem", "bad.pem"], &at("bad.pem"), "damaged");
    check(["own.pem", "own.pem", "ca.pem"], &at("own.pem"), "no key");
    check(
        ["own.pem", "key.pem", "key.pem"],
        &at("key.pem"),
        "no certificate",
    );
    check(
        ["own.pem", "key.pem", "large.pem"],
        &at("large.pem"),
        "1048576 bytes",
    );
    let files = TlsOptions::from_files(at("own.pem"), at("key.pem"), at("ca.pem"));
    endpoint_of(Some(files))
        .serve_sink(ChannelTransport::Tls, Keeper::new())
        .unwrap();
}

#[tokio::test]
async fn new_certificates_are_for_new_connections() {
    let dir = SocketDir::new();
    let at = |name: &str| dir.path().join(name);
    let write = |own: &Certified| {
        fs::write(at("own.pem"), &own.certificate).unwrap();
        fs::write(at("key.pem"), &own.key).unwrap();
        fs::write(at("ca.pem"), AUTHORITY.pem()).unwrap();
    };
    write(&AUTHORITY.certify(|_| ()));
    let files = TlsOptions::from_files(at("own.pem"), at("key.pem"), at("ca.pem"));
    let (dialling, serving) = (endpoint_of(Some(files.clone())), endpoint());
    let keeper = Keeper::new();
    let server = serving
        .serve_sink(ChannelTransport::Tls, keeper.clone())
        .unwrap();
    let mut clerk = Clerk::new();
    let old = dialling.dial_link(server.addr()).unwrap();
    clerk.post(&old, payload("one"));
    clerk.assert_acked(1).await;
    // What cannot be loaded changes nothing.
    fs::write(at("key.pem"), "no key").unwrap();
    let error = dialling.reload_tls(files.clone()).await.unwrap_err();
    assert!(error.to_string().contains("key.pem"), "{error}");
    let same = dialling.dial_link(server.addr()).unwrap();
    clerk.post(&same, payload("two"));
    clerk.assert_acked(1).await;
    // Another key is another identity, and the old connection goes on with its own.
    write(&AUTHORITY.certify(|_| ()));
    dialling.reload_tls(files).await.unwrap();
    // The links of an address share a connection: new ones are made for other addresses.
    let serve = || {
        serving
            .serve_sink(ChannelTransport::Tls, keeper.clone())
            .unwrap()
    };
    let (second, third) = (serve(), serve());
    let new = dialling.dial_link(second.addr()).unwrap();
    clerk.post(&new, payload("three"));
    clerk.assert_acked(1).await;
    clerk.post(&old, payload("four"));
    clerk.assert_acked(1).await;
    let identities: Vec<_> = keeper.peers().iter().map(|peer| peer.identity).collect();
    assert_eq!(identities.len(), 3, "one for each link");
    assert!(matches!(identities[0], Some(PeerIdentity::Key(_))));
    assert_eq!(identities[0], identities[1]);
    assert_ne!(identities[0], identities[2]);
    // The serving end has new ones too: what it does not trust any more is refused from now on.
    let other = Authority::new();
    let own = other.certify(|_| ());
    let options = TlsOptions::from_pem(&own.certificate, &own.key, other.pem());
    serving.reload_tls(options).await.unwrap();
    let refused = dialling.dial_link(third.addr()).unwrap();
    clerk.post(&refused, payload("five"));
    let error = failure(&refused).await.to_string();
    assert!(error.contains("not made by a trusted authority"), "{error}");
    clerk.post(&old, payload("six"));
    // "five" has no outcome yet.
    assert_eq!(clerk.next().await, (5, Outcome::Acked));
    assert_eq!(server.stats().broken, 0);
}

#[tokio::test]
async fn a_peer_that_speaks_in_the_clear_is_refused() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = endpoint
        .serve_sink(ChannelTransport::Tls, keeper.clone())
        .unwrap();
    let ChannelAddr::Tls { host, port } = server.addr() else {
        panic!("tls")
    };
    let mut stream = TcpStream::connect((host.ip().unwrap(), *port))
        .await
        .unwrap();
    stream.write_all(&hello()).await.unwrap();
    stream
        .write_all(&data(1, 0, "in the clear").bytes())
        .await
        .unwrap();
    let mut said = Vec::new();
    let _ = soon(stream.read_to_end(&mut said)).await;
    assert!(!said.starts_with(b"\x89hmesh"), "{said:?}");
    // And the other way round: a link over TLS says nothing to who speaks in the clear.
    let plain = endpoint
        .serve_sink(ChannelTransport::Tcp, keeper.clone())
        .unwrap();
    let ChannelAddr::Tcp { port, .. } = plain.addr() else {
        panic!("tcp")
    };
    let addr = ChannelAddr::tls(std::net::Ipv4Addr::LOCALHOST.into(), *port);
    let link = endpoint.dial_link(&addr).unwrap();
    let mut clerk = Clerk::new();
    clerk.post(&link, payload("secret"));
    let error = &failure(&link).await.tried[0].error;
    assert!(
        matches!(error, ConnectError::Tls(TlsError::Protocol(_))),
        "{error:?}"
    );
    assert_eq!(keeper.len(), 0);
    assert_eq!(
        (
            server.stats().refused,
            server.stats().accepted,
            plain.stats().accepted
        ),
        (1, 0, 0)
    );
}

/// A peer that speaks TLS by hand: what it reads to the end, it reads to a close of TLS, or fails.
struct TlsByHand {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl TlsByHand {
    fn new() -> Self {
        Self::of(&AUTHORITY.certify(|_| ()))
    }

    fn of(own: &Certified) -> Self {
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(der(&AUTHORITY.pem())).unwrap();
        Self {
            roots: Arc::new(roots),
            chain: vec![der(&own.certificate)],
            key: PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap(),
        }
    }

    async fn connect(self, addr: &ChannelAddr) -> TlsStream<TcpStream> {
        let ChannelAddr::Tls { host, port } = addr else {
            panic!("{addr}")
        };
        let ip = host.ip().unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(self.roots)
            .with_client_auth_cert(self.chain, self.key)
            .unwrap();
        let socket = TcpStream::connect((ip, *port)).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = soon(connector.connect(ServerName::from(ip), socket)).await;
        stream.unwrap().into()
    }

    async fn accept(self, listener: &TcpListener) -> TlsStream<TcpStream> {
        let provider = Arc::new(default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(self.roots, provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(self.chain, self.key)
            .unwrap();
        let (socket, _) = soon(listener.accept()).await.unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        soon(acceptor.accept(socket)).await.unwrap().into()
    }
}

#[tokio::test]
async fn a_server_and_a_link_end_with_a_close_of_tls() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = endpoint
        .serve_sink(ChannelTransport::Tls, keeper.clone())
        .unwrap();
    let mut stream = TlsByHand::new().connect(server.addr()).await;
    stream.write_all(&hello()).await.unwrap();
    let opened = [Open::new(1).frame(1).bytes(), data(1, 0, "x").bytes()].concat();
    stream.write_all(&opened).await.unwrap();
    assert_eq!(keeper.next_text().await, "x");
    let mut said = Vec::new();
    let reading = async {
        let result = stream.read_to_end(&mut said).await;
        drop(stream);
        result
    };
    let (result, ()) = soon(async { tokio::join!(reading, server.stop()) }).await;
    result.expect("a close, not a cut");
    assert!(said[said.len() - HEADER - 24] == CLOSED, "{said:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ip = listener.local_addr().unwrap();
    let addr = ChannelAddr::tls(ip.ip(), ip.port());
    let link = endpoint.dial_link::<Numbered>(&addr).unwrap();
    let mut stream = TlsByHand::new().accept(&listener).await;
    stream.write_all(&handshake(1, &accepted(7))).await.unwrap();
    soon(link.close(DEADLINE)).await;
    let mut said = Vec::new();
    let result = soon(stream.read_to_end(&mut said)).await;
    result.expect("a close, not a cut");
    assert!(said.starts_with(b"\x89hmesh"));
}

#[tokio::test]
async fn much_goes_over_tls_in_both_sizes() {
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = endpoint
        .serve_sink(ChannelTransport::Tls, keeper.clone())
        .unwrap();
    let link = endpoint.dial_link(server.addr()).unwrap();
    let mut clerk = Clerk::new();
    for i in 0..300 {
        clerk.post(&link, sized(if i % 100 == 0 { 9 << 20 } else { i }));
    }
    clerk.assert_acked(300).await;
    for i in 0..300 {
        let len = if i % 100 == 0 { 9 << 20 } else { i };
        assert_eq!(keeper.next().await.len(), len);
    }
    let report = soon(link.close(DEADLINE)).await;
    assert_eq!((report.failed, report.unknown), (0, 0));
    keeper.until_lost(1).await;
    soon(server.stop()).await;
    assert_eq!(server.stats().broken, 0, "a close is no cut");
}

/// Connects with a certificate and opens the session of `Open::new(1)`. Returns the connection, and the kind and the
/// body of the answer.
async fn open_as(own: &Certified, addr: &ChannelAddr) -> (TlsStream<TcpStream>, u8, Vec<u8>) {
    let mut stream = TlsByHand::of(own).connect(addr).await;
    let said = [hello(), Open::new(1).frame(1).bytes()].concat();
    stream.write_all(&said).await.unwrap();
    let mut greeting = vec![0; handshake(1, &accepted(7)).len()];
    soon(stream.read_exact(&mut greeting)).await.unwrap();
    let mut head = [0; HEADER];
    soon(stream.read_exact(&mut head)).await.unwrap();
    let len = u32::from_le_bytes(head[4..8].try_into().unwrap());
    let mut body = vec![0; len as usize];
    soon(stream.read_exact(&mut body)).await.unwrap();
    (stream, head[0], body)
}

#[tokio::test]
async fn a_session_is_resumed_by_no_other_key_than_the_one_that_opened_it() {
    let (owner, thief) = (AUTHORITY.certify(|_| ()), AUTHORITY.certify(|_| ()));
    let endpoint = endpoint();
    let keeper = Keeper::new();
    let server = endpoint
        .serve_sink(ChannelTransport::Tls, keeper.clone())
        .unwrap();
    let (mut live, kind, _) = open_as(&owner, server.addr()).await;
    assert_eq!(kind, OPENED);
    live.write_all(&data(1, 0, "one").bytes()).await.unwrap();
    assert_eq!(keeper.next_text().await, "one");
    // It is trusted, and says everything that the owner does.
    let (_stolen, kind, body) = open_as(&thief, server.addr()).await;
    assert_eq!((kind, body[0]), (REFUSED, 5), "for the identity");
    live.write_all(&data(1, 1, "two").bytes()).await.unwrap();
    assert_eq!(keeper.next_text().await, "two");
    drop(live);
    keeper.until_lost(1).await;
    let (_again, kind, body) = open_as(&owner, server.addr()).await;
    assert_eq!((kind, body[8]), (OPENED, 1), "resumed");
    assert_eq!(keeper.peers().len(), 1);
}
