//! Two ends over a real socket: who is let in, what both learn, and how it ends.

#[path = "../../tests/it/certificates.rs"]
mod certificates;

use std::{
    future::{Future, poll_fn},
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use tokio::{
    io::AsyncWrite,
    join,
    net::TcpListener,
    task::{JoinSet, yield_now},
};
use tokio_rustls::rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::*;
use crate::stream::Heard;
use crate::{
    addr::ChannelAddr,
    identity::PeerIdentity,
    stream::{Reader, Stream, Writer},
};
use CertificateFault::{
    Bad, Expired, Missing, NotYetValid, UnknownIssuer, WrongName, WrongPurpose,
};
use TlsError::{OwnCertificate, PeerCertificate};
use certificates::{Authority, Certified};

/// A test that waits longer than this has found a fault.
const DEADLINE: Duration = Duration::from_secs(30);

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(DEADLINE, future).await.expect("in time")
}

fn setup(own: &Certified, trusted: &Authority) -> TlsSetup {
    let options = TlsOptions::from_pem(&own.certificate, &own.key, trusted.pem());
    TlsSetup::load(&options).unwrap()
}

fn host(text: &str) -> Host {
    match format!("tls:{text}:1").parse().unwrap() {
        ChannelAddr::Tls { host, .. } => host,
        addr => panic!("{addr}"),
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (dialled, accepted) = join!(TcpStream::connect(addr), listener.accept());
    (dialled.unwrap(), accepted.unwrap().0)
}

/// One end of a connection that both ends trust.
struct End {
    reader: Reader,
    writer: Writer,
    peer: Option<PeerIdentity>,
}

impl End {
    fn new(stream: TlsStream) -> Self {
        let stream = Stream::Tls(stream);
        let peer = stream.identity().unwrap();
        let (reader, writer) = stream.split(&Heard::default()).unwrap();
        Self {
            reader,
            writer,
            peer,
        }
    }

    /// Says one byte and hears one.
    async fn greet(stream: TlsStream) -> Result<Self, TlsError> {
        let mut end = Self::new(stream);
        end.writer.write_all(b"!").await?;
        end.writer.flush().await?;
        end.reader.read_u8().await?;
        Ok(end)
    }
}

/// Connects two ends, as far as they let each other.
async fn connect(
    dialling: &TlsSetup,
    serving: &TlsSetup,
    name: &str,
) -> (Result<End, TlsError>, Result<End, TlsError>) {
    let (dialled, accepted) = sockets().await;
    let host = host(name);
    let dialling = async { End::greet(dialling.connect(dialled, &host).await?).await };
    let serving = async {
        match serving.accept(accepted).await {
            Ok(stream) => End::greet(stream).await,
            Err(refused) => {
                let error = refused.error.clone();
                refused.linger().await;
                Err(error)
            }
        }
    };
    soon(async { join!(dialling, serving) }).await
}

/// Returns both ends of a connection, for tests of what all transports have in common.
pub(crate) async fn connected_pair() -> (TlsStream, TlsStream) {
    let authority = Authority::new();
    let own = setup(&authority.certify(|_| ()), &authority);
    let (dialled, accepted) = sockets().await;
    let host = host("localhost");
    let (one, other) =
        soon(async { join!(own.connect(dialled, &host), own.accept(accepted)) }).await;
    (one.unwrap(), other.unwrap())
}

async fn connected() -> (End, End) {
    let (one, other) = connected_pair().await;
    (End::new(one), End::new(other))
}

/// Checks what both ends say when each has the certificate that the changes make of a good one.
async fn check(
    dialling: impl FnOnce(&mut CertificateParams),
    serving: impl FnOnce(&mut CertificateParams),
    name: &str,
    expected: (Option<TlsError>, Option<TlsError>),
) {
    let authority = Authority::new();
    let dialling = setup(&authority.certify(dialling), &authority);
    let serving = setup(&authority.certify(serving), &authority);
    let (dialled, accepted) = connect(&dialling, &serving, name).await;
    assert_eq!((dialled.err(), accepted.err()), expected, "{name}");
}

/// The certificate of the serving end is refused.
fn serving_end(
    found: CertificateFault,
    said: CertificateFault,
) -> (Option<TlsError>, Option<TlsError>) {
    (Some(PeerCertificate(found)), Some(OwnCertificate(said)))
}

/// The certificate of the dialling end is refused.
fn dialling_end(
    found: CertificateFault,
    said: CertificateFault,
) -> (Option<TlsError>, Option<TlsError>) {
    (Some(OwnCertificate(said)), Some(PeerCertificate(found)))
}

fn expired(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2001, 1, 1);
}

fn early(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(3000, 1, 1);
}

fn only(purpose: ExtendedKeyUsagePurpose) -> impl FnOnce(&mut CertificateParams) {
    |params| params.extended_key_usages = vec![purpose]
}

#[tokio::test]
async fn inv1_good_certificates_are_let_in_under_each_of_their_names() {
    for name in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"] {
        check(|_| (), |_| (), name, (None, None)).await;
    }
    // The name of a dialling end does not matter.
    let other = |params: &mut CertificateParams| params.subject_alt_names.clear();
    check(other, |_| (), "localhost", (None, None)).await;
}

#[tokio::test]
async fn inv1_both_ends_learn_what_is_wrong_with_a_certificate() {
    let name = "localhost";
    check(|_| (), expired, name, serving_end(Expired, Expired)).await;
    check(expired, |_| (), name, dialling_end(Expired, Expired)).await;
    check(|_| (), early, name, serving_end(NotYetValid, Expired)).await;
    check(early, |_| (), name, dialling_end(NotYetValid, Expired)).await;
    check(|_| (), |_| (), "elsewhere", serving_end(WrongName, Bad)).await;
    check(|_| (), |_| (), "127.0.0.2", serving_end(WrongName, Bad)).await;
    let refused = serving_end(WrongPurpose, WrongPurpose);
    check(
        |_| (),
        only(ExtendedKeyUsagePurpose::ClientAuth),
        name,
        refused,
    )
    .await;
    let refused = dialling_end(WrongPurpose, WrongPurpose);
    check(
        only(ExtendedKeyUsagePurpose::ServerAuth),
        |_| (),
        name,
        refused,
    )
    .await;
}

#[tokio::test]
async fn inv1_another_authority_is_not_trusted_by_either_end() {
    let (ours, other) = (Authority::new(), Authority::new());
    let good = setup(&ours.certify(|_| ()), &ours);
    let stranger = setup(&other.certify(|_| ()), &ours);
    let (dialled, accepted) = connect(&stranger, &good, "localhost").await;
    let errors = (dialled.err(), accepted.err());
    assert_eq!(errors, dialling_end(UnknownIssuer, UnknownIssuer));
    let (dialled, accepted) = connect(&good, &stranger, "localhost").await;
    let errors = (dialled.err(), accepted.err());
    assert_eq!(errors, serving_end(UnknownIssuer, UnknownIssuer));
}

#[tokio::test]
async fn inv1_who_shows_no_certificate_is_refused_and_told() {
    let authority = Authority::new();
    let serving = setup(&authority.certify(|_| ()), &authority);
    let mut roots = RootCertStore::empty();
    let pem = authority.pem();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let dialling = TlsSetup {
        client: Arc::new(config),
        server: serving.server.clone(),
    };
    let (dialled, accepted) = connect(&dialling, &serving, "localhost").await;
    let errors = (dialled.err(), accepted.err());
    assert_eq!(errors, dialling_end(Missing, Missing));
}

#[tokio::test]
async fn who_speaks_something_else_is_refused() {
    let authority = Authority::new();
    let serving = setup(&authority.certify(|_| ()), &authority);
    let (mut dialled, accepted) = sockets().await;
    let (_, result) = soon(async {
        join!(
            dialled.write_all(b"\x89hmesh\r\nand nothing of TLS"),
            serving.accept(accepted)
        )
    })
    .await;
    let refused = result.unwrap_err();
    assert!(
        matches!(refused.error, TlsError::Protocol(_)),
        "{refused:?}"
    );
    // INV-2: an alert, and the end of the stream.
    let mut said = Vec::new();
    let reading = async {
        dialled.read_to_end(&mut said).await.unwrap();
        drop(dialled);
    };
    soon(async { join!(reading, refused.linger()) }).await;
    assert_eq!(said.first(), Some(&21), "an alert: {said:?}");
    let (dialled, accepted) = sockets().await;
    drop(dialled);
    let error = soon(serving.accept(accepted)).await.unwrap_err().error;
    assert!(matches!(error, TlsError::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn the_identity_of_a_peer_is_that_of_its_key() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let own = setup(&authority.certify(|_| ()), &authority);
    let mut seen = Vec::new();
    // Another certificate for the same key is the same peer, the same names with another key are not.
    for certified in [
        authority.certify_key(&key, |_| ()),
        authority.certify_key(&key, |params| params.subject_alt_names.clear()),
        authority.certify(|_| ()),
    ] {
        let (dialled, accepted) = connect(&setup(&certified, &authority), &own, "localhost").await;
        assert_ne!(dialled.unwrap().peer, accepted.as_ref().unwrap().peer);
        seen.push(accepted.unwrap().peer.unwrap());
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    let text = seen[0].to_string();
    assert_eq!(text.len(), "key ".len() + 64, "{text}");
}

#[tokio::test]
async fn a_dropped_writer_ends_the_stream_in_order() {
    let (mut one, mut other) = connected().await;
    one.writer.write_all(b"good-bye").await.unwrap();
    drop(one.writer);
    let mut said = String::new();
    soon(other.reader.read_to_string(&mut said)).await.unwrap();
    assert_eq!(said, "good-bye");
    // The other direction goes on.
    other.writer.write_all(b"farewell").await.unwrap();
    other.writer.shutdown().await.unwrap();
    said.clear();
    soon(one.reader.read_to_string(&mut said)).await.unwrap();
    assert_eq!(said, "farewell");
}

#[tokio::test]
async fn a_cut_is_told_from_an_end() {
    let authority = Authority::new();
    let own = setup(&authority.certify(|_| ()), &authority);
    let (dialled, accepted) = sockets().await;
    // A second handle on the socket, which is cut in the middle of the connection.
    let accepted = accepted.into_std().unwrap();
    let knife = accepted.try_clone().unwrap();
    let accepted = TcpStream::from_std(accepted).unwrap();
    let host = host("localhost");
    let (dialled, accepted) = join!(own.connect(dialled, &host), own.accept(accepted));
    let (mut dialled, _accepted) = (End::new(dialled.unwrap()), End::new(accepted.unwrap()));
    knife.shutdown(std::net::Shutdown::Both).unwrap();
    let error = soon(dialled.reader.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
}

/// Writes without waiting until nothing fits any more, and returns how much was taken.
fn fill(writer: &mut Writer) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let (piece, mut taken) = (vec![7; 100_000], 0);
    loop {
        let slices = [IoSlice::new(&piece[..1]), IoSlice::new(&piece[1..])];
        match Pin::new(&mut *writer).poll_write_vectored(&mut cx, &slices) {
            Poll::Ready(written) => taken += written.unwrap(),
            Poll::Pending => return taken,
        }
    }
}

#[tokio::test]
async fn inv1_of_the_stream_a_waiting_writer_is_woken_whoever_asked_last() {
    let (mut one, mut other) = connected().await;
    let mut taken = fill(&mut one.writer);
    // The writer waits in a task of its own, and is not asked again by others.
    let (mut writer, mut reader) = (one.writer, one.reader);
    let mut writing = JoinSet::new();
    writing.spawn(async move {
        writer.write_all(&[7; 1000]).await.unwrap();
        writer.flush().await.unwrap();
        writer
    });
    taken += 1000;
    // It asks for room first; the reader asks after it, and then never again.
    yield_now().await;
    let mut nothing = [0; 1];
    poll_fn(|cx| {
        let mut buffer = tokio::io::ReadBuf::new(&mut nothing);
        let read = tokio::io::AsyncRead::poll_read(Pin::new(&mut reader), cx, &mut buffer);
        assert!(read.is_pending());
        Poll::Ready(())
    })
    .await;
    let mut heard = 0;
    let mut buffer = vec![0; 64 << 10];
    while heard < taken {
        heard += soon(other.reader.read(&mut buffer)).await.unwrap();
    }
    assert_eq!(heard, taken);
    drop(soon(writing.join_next()).await.unwrap().unwrap());
}

#[test]
fn what_cannot_be_loaded_is_named() {
    let authority = Authority::new();
    let (own, other) = (authority.certify(|_| ()), authority.certify(|_| ()));
    let check = |certificate: &str, key: &str, roots: &str, expected: &str| {
        let error = TlsSetup::load(&TlsOptions::from_pem(certificate, key, roots)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("MIG"), "no part of a key: {text}");
    };
    let (certificate, key, roots) = (&own.certificate[..], &own.key[..], &authority.pem()[..]);
    check(
        "",
        key,
        roots,
        "the text of the certificate cannot be used: there is no certificate in it",
    );
    check(
        certificate,
        "",
        roots,
        "the text of the key cannot be used: there is no key in it",
    );
    check(
        certificate,
        key,
        key,
        "the text of the authorities cannot be used: there is no certificate",
    );
    check(
        certificate,
        &other.key,
        roots,
        "the text of the certificate with the text of the key cannot be used",
    );
    let damaged = key.replace("-----END", "----END");
    check(
        certificate,
        &damaged,
        roots,
        "the text of the key cannot be used: the PEM text of its key is damaged",
    );
    let debug = format!("{:?}", TlsOptions::from_pem(certificate, key, roots));
    assert!(!debug.contains("BEGIN"), "{debug}");
}
