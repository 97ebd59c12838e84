//! What a gateway leaves to its connections: certificates, names, and sockets that somebody else made.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hypermesh_mailbox::channel::{
    AdoptedListener, ChannelAddr, ChannelTransport, Resolver, Resolving, ServeAddr, TlsOptions,
};
use hypermesh_mailbox::{Gateway, GatewayOptions, ProcId, ServeError};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio::runtime::Handle;

use crate::fixture::{Node, Sender, WORLD, soon};

fn node(rank: u32, transport: ChannelTransport, change: impl FnOnce(&mut GatewayOptions)) -> Node {
    let mut options = GatewayOptions::new(Handle::current(), transport);
    change(&mut options);
    Node::on(Gateway::new(options), ProcId::new(WORLD, rank, 0))
}

/// Sends a message from one to the other.
async fn check_reached(near: &Node, far: &Node) {
    let (sender, owner) = (near.mailbox("a"), far.mailbox("b"));
    let (handle, mut receiver) = owner.open_port::<u64>();
    handle.bind().send(&Sender::of(&sender), 7);
    assert_eq!(soon(receiver.recv()).await, Ok(7));
}

/// Makes the certificate of an endpoint that this machine's names are for, by an authority of its own.
fn certified() -> TlsOptions {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    TlsOptions::from_pem(certificate.pem(), key.serialize_pem(), issuer.pem())
}

#[tokio::test]
async fn gateways_with_certificates_reach_each_other_over_tls() {
    let tls = certified();
    let [near, far] = [0, 1].map(|rank| {
        node(rank, ChannelTransport::Tls, |options| {
            options.tls = Some(tls.clone());
        })
    });
    let addr = far.gateway.addr().unwrap();
    assert_eq!(addr.transport(), ChannelTransport::Tls);
    check_reached(&near, &far).await;
    soon(far.gateway.reload_tls(tls)).await.unwrap();
    check_reached(&near, &far).await;
}

#[tokio::test]
async fn a_gateway_without_certificates_serves_nothing_in_the_clear() {
    let near = node(0, ChannelTransport::Tls, |_| ());
    let error = near.gateway.addr().unwrap_err();
    assert!(matches!(error, ServeError::Tls { .. }), "{error:?}");
}

/// Knows that `node7` is this machine, and how often it was asked.
#[derive(Debug, Default)]
struct Names(AtomicUsize);

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            assert_eq!(name, "node7");
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(vec![IpAddr::from(Ipv4Addr::LOCALHOST)])
        })
    }
}

#[tokio::test]
async fn names_are_looked_up_where_the_options_say() {
    let names = Arc::new(Names::default());
    let near = node(0, ChannelTransport::Unix, |options| {
        options.resolver = names.clone();
    });
    let far = node(1, ChannelTransport::Tcp, |_| ());
    let at = |text: &str| -> ChannelAddr { text.parse().unwrap() };
    let mut serve = ServeAddr::from(at("tcp:127.0.0.1:0"));
    serve.advertise = Some(at("tcp:node7:0"));
    let addr = far.gateway.serve(serve).unwrap();
    assert!(addr.to_string().starts_with("tcp:node7:"), "{addr}");
    check_reached(&near, &far).await;
    assert_ne!(names.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_socket_that_listens_already_is_served() {
    let near = node(0, ChannelTransport::Unix, |_| ());
    let far = node(1, ChannelTransport::Unix, |_| ());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = format!("tcp:{}", listener.local_addr().unwrap());
    let served = far.gateway.serve(AdoptedListener::tcp(listener)).unwrap();
    assert_eq!(served.to_string(), addr);
    assert_eq!(far.gateway.addr().unwrap(), served);
    check_reached(&near, &far).await;
}
