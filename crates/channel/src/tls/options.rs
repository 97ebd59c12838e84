//! Where the certificates and the key of an endpoint come from, and reading them.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
};

use tokio_rustls::rustls::{
    RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

use super::TlsError;

/// A file with more is none of certificates.
const MAX_FILE: u64 = 1 << 20;

/// The certificates of an endpoint: its own, with its key, and those of the authorities that it trusts.
///
/// All of them are PEM texts. The endpoint shows its certificate when it dials and when it serves, so that
/// the certificate must not be for one of the two alone. It has to be for each name or IP address that others
/// dial, which is checked by whoever dials; who dials needs a certificate of a trusted authority, whatever
/// its name.
///
/// # Examples
///
/// ```
/// use hypermesh_channel::TlsOptions;
///
/// let tls = TlsOptions::from_files("/etc/mesh/host.pem", "/etc/mesh/host.key", "/etc/mesh/ca.pem");
/// assert!(format!("{tls:?}").contains("/etc/mesh/ca.pem"));
/// ```
#[derive(Clone, Debug)]
pub struct TlsOptions {
    certificate: Pem,
    key: Pem,
    authorities: Pem,
}

impl TlsOptions {
    /// Returns options that name three files: the certificate of the endpoint, followed by those between it
    /// and its authority, if any; its key; the authorities that are trusted. Nothing is read yet.
    pub fn from_files(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        authorities: impl Into<PathBuf>,
    ) -> Self {
        Self {
            certificate: Pem::File(certificate.into()),
            key: Pem::File(key.into()),
            authorities: Pem::File(authorities.into()),
        }
    }

    /// Returns options that hold the same three as texts.
    pub fn from_pem(
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
        authorities: impl AsRef<[u8]>,
    ) -> Self {
        Self {
            certificate: Pem::Text(certificate.as_ref().into()),
            key: Pem::Text(key.as_ref().into()),
            authorities: Pem::Text(authorities.as_ref().into()),
        }
    }

    /// Returns how an error names the certificate and the key.
    pub(super) fn places(&self) -> String {
        format!(
            "{} with {}",
            self.certificate.place("the text of the certificate"),
            self.key.place("the text of the key")
        )
    }

    /// Reads and parses all three.
    pub(super) fn load(&self) -> Result<Credentials, TlsError> {
        let place = self.certificate.place("the text of the certificate");
        let chain = certificates(&self.certificate.read()?, &place)?;
        let place = self.key.place("the text of the key");
        let key = PrivateKeyDer::from_pem_slice(&self.key.read()?)
            .map_err(|error| unparsable(&place, "key", &error))?;
        let place = self.authorities.place("the text of the authorities");
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.authorities.read()?, &place)? {
            let added = roots.add(authority);
            added.map_err(|error| TlsError::Unparsable {
                place: place.clone(),
                text: error.to_string(),
            })?;
        }
        Ok(Credentials {
            chain,
            key,
            roots,
            provider: Arc::new(ring::default_provider()),
        })
    }
}

/// What was read, in the form in which it is used.
pub(super) struct Credentials {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) roots: RootCertStore,
    pub(super) provider: Arc<CryptoProvider>,
}

/// Where a PEM text comes from. What it says is shown nowhere.
#[derive(Clone)]
enum Pem {
    File(PathBuf),
    Text(Arc<[u8]>),
}

impl Pem {
    /// Returns how an error names it.
    fn place(&self, text: &str) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => text.to_owned(),
        }
    }

    fn read(&self) -> Result<Arc<[u8]>, TlsError> {
        let path = match self {
            Self::File(path) => path,
            Self::Text(text) => return Ok(text.clone()),
        };
        let read = || {
            let mut bytes = Vec::new();
            let mut file = File::open(path)?.take(MAX_FILE + 1);
            if MAX_FILE < file.read_to_end(&mut bytes)? as u64 {
                let text = format!("it has more than {MAX_FILE} bytes");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            Ok(bytes.into())
        };
        read().map_err(|error: io::Error| TlsError::Unreadable {
            path: path.clone(),
            kind: error.kind(),
            text: error.to_string(),
        })
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{path:?}"),
            Self::Text(_) => f.write_str("(a text)"),
        }
    }
}

fn certificates(pem: &[u8], place: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(unparsable(place, "certificate", &pem::Error::NoItemsFound))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(unparsable(place, "certificate", &error)),
    }
}

fn unparsable(place: &str, what: &str, error: &pem::Error) -> TlsError {
    let text = match error {
        pem::Error::NoItemsFound => format!("there is no {what} in it"),
        // The text of the error may hold a line of the file, which may be one of a key.
        _ => format!("the PEM text of its {what} is damaged"),
    };
    TlsError::Unparsable {
        place: place.to_owned(),
        text,
    }
}
