//! TLS over TCP: both ends show a certificate, and only version 1.3 is spoken.
//!
//! # Invariants
//!
//! - **INV-1**: whoever has no certificate of a trusted authority that is valid now is refused, at both ends.
//!   Nothing is resumed from an earlier connection: each one is checked anew.
//! - **INV-2**: an end that refuses says why and waits until the other one can have read it.
//! - **INV-3**: what is loaded anew is for new connections; what cannot be loaded changes nothing.

mod error;
mod options;
mod stream;
#[cfg(test)]
mod tests;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, ServerConfig,
        client::{Resumption, WebPkiServerVerifier},
        pki_types::{DnsName, ServerName},
        server::{NoServerSessionStorage, WebPkiClientVerifier},
        version::TLS13,
    },
};

#[cfg(test)]
pub(crate) use self::tests::connected_pair;
use crate::addr::Host;

use self::options::Credentials;
pub(crate) use self::stream::{TlsReader, TlsStream, TlsWriter};
pub use self::{
    error::{CertificateFault, TlsError},
    options::TlsOptions,
};

/// How long a peer that was refused may take to read why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The certificates of an endpoint, as they are now: or why there are none.
#[derive(Debug)]
pub(crate) struct TlsSlot(Mutex<Result<Arc<TlsSetup>, TlsError>>);

impl TlsSlot {
    /// Loads what `options` name. Reads files, so is not to be called on a runtime with other things to do.
    pub(crate) fn load(options: Option<&TlsOptions>) -> Self {
        let setup = match options {
            Some(options) => TlsSetup::load(options).map(Arc::new),
            None => Err(TlsError::NotConfigured),
        };
        Self(Mutex::new(setup))
    }

    /// Returns what new connections are made with.
    ///
    /// # Errors
    ///
    /// Why there are no certificates.
    pub(crate) fn current(&self) -> Result<Arc<TlsSetup>, TlsError> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes new connections with `setup` (INV-3).
    pub(crate) fn replace(&self, setup: TlsSetup) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Ok(Arc::new(setup));
    }
}

/// What one end needs to dial and to accept.
#[derive(Debug)]
pub(crate) struct TlsSetup {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl TlsSetup {
    /// Reads and checks what `options` name.
    ///
    /// # Errors
    ///
    /// [`TlsError`], which names the file.
    pub(crate) fn load(options: &TlsOptions) -> Result<Self, TlsError> {
        let Credentials {
            chain,
            key,
            roots,
            provider,
        } = options.load()?;
        let unusable = |error: &dyn std::error::Error| TlsError::Unusable {
            place: options.places(),
            text: error.to_string(),
        };
        let roots = Arc::new(roots);
        let servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| unusable(&error))?;
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| unusable(&error))?;
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&error))?
            .with_webpki_verifier(servers)
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|error| unusable(&error))?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&error))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(|error| unusable(&error))?;
        // INV-1: a resumed connection would be one of a certificate that was good once.
        client.resumption = Resumption::disabled();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
        })
    }

    /// Speaks TLS on a connected socket; the other end has to show a certificate for `host`.
    ///
    /// Success does not mean that the other end trusts this one: that shows at the first read.
    ///
    /// # Errors
    ///
    /// [`TlsError`], also for what the system says.
    pub(crate) async fn connect(
        &self,
        socket: TcpStream,
        host: &Host,
    ) -> Result<TlsStream, TlsError> {
        let connector = TlsConnector::from(self.client.clone());
        let stream = connector.connect(server_name(host)?, socket).await;
        TlsStream::new(stream.map_err(TlsError::from)?.into())
    }

    /// Speaks TLS on an accepted socket.
    ///
    /// # Errors
    ///
    /// [`Refused`], also for what the system says.
    pub(crate) async fn accept(&self, socket: TcpStream) -> Result<TlsStream, Refused> {
        let acceptor = TlsAcceptor::from(self.server.clone());
        match acceptor.accept(socket).into_fallible().await {
            Ok(stream) => TlsStream::new(stream.into()).map_err(Refused::from),
            Err((error, socket)) => Err(Refused {
                error: error.into(),
                socket: Some(socket),
            }),
        }
    }
}

/// A peer that did not come through the handshake, and was told why.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: TlsError,
    socket: Option<TcpStream>,
}

impl From<TlsError> for Refused {
    fn from(error: TlsError) -> Self {
        let socket = None;
        Self { error, socket }
    }
}

impl Refused {
    /// Gives the peer a second to read why it is refused (INV-2).
    pub(crate) async fn linger(self) {
        if let Some(socket) = self.socket {
            // A peer that does not listen is told nothing, and has its second.
            let _ = timeout(LAST_WORDS, drain(socket)).await;
        }
    }
}

/// Returns what the certificate of `host` has to be for.
fn server_name(host: &Host) -> Result<ServerName<'static>, TlsError> {
    match (host.ip(), host.name()) {
        (Some(ip), _) => Ok(ServerName::IpAddress(ip.into())),
        (None, Some(name)) => match DnsName::try_from(name.to_owned()) {
            Ok(name) => Ok(ServerName::DnsName(name)),
            Err(_) => Err(TlsError::Uncertifiable(name.to_owned())),
        },
        (None, None) => Err(TlsError::Uncertifiable(host.to_string())),
    }
}

/// Ends the stream, and reads what still comes: a socket that is closed with unread input may take back
/// what was written last.
async fn drain(mut socket: TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    let mut buffer = [0; 4 << 10];
    while socket.read(&mut buffer).await? != 0 {}
    Ok(())
}
