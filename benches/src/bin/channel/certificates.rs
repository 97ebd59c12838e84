//! Certificates of one process, made when it starts. Its keys never leave it.

use hypermesh::channel::TlsOptions;
use hypermesh_benches::Outcome;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// The name of both ends.
const NAME: &str = "127.0.0.1";

/// A certificate and its key, and the authority that made it, for which the process is its own. All are PEM texts.
pub(crate) struct Certified {
    certificate: String,
    key: String,
    authority: String,
}

impl Certified {
    pub(crate) fn new() -> Outcome<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let mut params = CertificateParams::new([NAME.to_owned()])?;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let key = KeyPair::generate()?;
        Ok(Self {
            certificate: params.signed_by(&key, &authority)?.pem(),
            key: key.serialize_pem(),
            authority: authority.pem(),
        })
    }

    /// Returns what the other end has to trust.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the options of an endpoint that trusts `peer`, the authority of the other end.
    pub(crate) fn options(&self, peer: &str) -> TlsOptions {
        TlsOptions::from_pem(&self.certificate, &self.key, peer)
    }
}
