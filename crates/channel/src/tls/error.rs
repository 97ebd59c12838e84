//! What goes wrong with certificates: those of this end, and between the two ends.

use std::{io, path::PathBuf};

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// Error about TLS: about the certificates of this end, or about what one end says of the other.
///
/// Of a refused certificate both ends learn: one has `PeerCertificate` and the other `OwnCertificate`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The endpoint was made without certificates.
    #[error("the endpoint has no certificates")]
    NotConfigured,
    /// A file cannot be read.
    #[error("{} cannot be read: {text}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The kind of the error.
        kind: io::ErrorKind,
        /// What the system says.
        text: String,
    },
    /// A file or text is not what it should be.
    #[error("{place} cannot be used: {text}")]
    Unparsable {
        /// The path of the file, or which text it is.
        place: String,
        /// What is wrong with it.
        text: String,
    },
    /// Certificate and key cannot be used, or not together.
    #[error("{place} cannot be used: {text}")]
    Unusable {
        /// The paths of the files, or which texts they are.
        place: String,
        /// What is wrong with them.
        text: String,
    },
    /// The runtime ended before the certificates were read.
    #[error("the runtime ended before the certificates were read")]
    Interrupted,
    /// No certificate can be for a host of this name.
    #[error("no certificate can be for the host {0:?}")]
    Uncertifiable(String),
    /// This end refuses the certificate of the peer.
    #[error("the certificate of the peer {0}")]
    PeerCertificate(CertificateFault),
    /// The peer refuses the certificate of this end.
    #[error("the peer refuses the certificate of this end: it {0}")]
    OwnCertificate(CertificateFault),
    /// The peer breaks the protocol, or says that this end does; most often it speaks something else.
    #[error("the peer does not speak the TLS of this end: {0}")]
    Protocol(String),
    /// The connection ended in the middle of the handshake.
    #[error("the connection ended in the middle of the TLS handshake: {text}")]
    Io {
        /// The kind of the error.
        kind: io::ErrorKind,
        /// What the system says.
        text: String,
    },
}

/// Why a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// None was shown.
    #[error("is missing")]
    Missing,
    /// It was not made by an authority that is trusted.
    #[error("was not made by a trusted authority")]
    UnknownIssuer,
    /// It has expired. The other end says the same of one that is not valid yet.
    #[error("has expired")]
    Expired,
    /// It is not valid yet: the clock of one of the machines may be wrong.
    #[error("is not valid yet")]
    NotYetValid,
    /// It is for other names than the one that was dialled.
    #[error("is not for the name that was dialled")]
    WrongName,
    /// It was called bad by the other end, which does not say more: it is for other names than the one that
    /// was dialled, or cannot be read.
    #[error("is not for the name that was dialled, or cannot be read")]
    Bad,
    /// It may not be used for this end of a connection.
    #[error("may not be used for this end of a connection")]
    WrongPurpose,
    /// Something else, in the words of whoever found it.
    #[error("cannot be used: {0}")]
    Other(String),
}

impl TlsError {
    /// Returns the error of TLS in an error of a read or write, if it is one.
    pub(crate) fn find_in(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(error.into())
    }
}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        Self::find_in(&error).unwrap_or_else(|| Self::Io {
            kind: error.kind(),
            text: error.to_string(),
        })
    }
}

impl From<&Error> for TlsError {
    fn from(error: &Error) -> Self {
        match error {
            Error::NoCertificatesPresented => Self::PeerCertificate(CertificateFault::Missing),
            Error::InvalidCertificate(error) => Self::PeerCertificate(error.into()),
            Error::AlertReceived(alert) => match CertificateFault::said(*alert) {
                Some(fault) => Self::OwnCertificate(fault),
                None => Self::Protocol(error.to_string()),
            },
            error => Self::Protocol(error.to_string()),
        }
    }
}

impl From<&CertificateError> for CertificateFault {
    fn from(error: &CertificateError) -> Self {
        use CertificateError::{
            BadSignature, Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext,
            NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
            UnknownIssuer,
        };
        match error {
            // An authority of the same name with another key is another authority.
            UnknownIssuer | BadSignature => Self::UnknownIssuer,
            Expired | ExpiredContext { .. } => Self::Expired,
            NotValidYet | NotValidYetContext { .. } => Self::NotYetValid,
            NotValidForName | NotValidForNameContext { .. } => Self::WrongName,
            InvalidPurpose | InvalidPurposeContext { .. } => Self::WrongPurpose,
            other => Self::Other(other.to_string()),
        }
    }
}

impl CertificateFault {
    /// Returns what the other end says of the certificate of this one, if `alert` is about that.
    fn said(alert: AlertDescription) -> Option<Self> {
        Some(match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                Self::Missing
            }
            // The second one: see `BadSignature` above.
            AlertDescription::UnknownCA | AlertDescription::DecryptError => Self::UnknownIssuer,
            AlertDescription::CertificateExpired => Self::Expired,
            AlertDescription::BadCertificate => Self::Bad,
            AlertDescription::UnsupportedCertificate => Self::WrongPurpose,
            AlertDescription::CertificateRevoked | AlertDescription::CertificateUnknown => {
                Self::Other(format!("{alert:?}"))
            }
            _ => return None,
        })
    }
}
