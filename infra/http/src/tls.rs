use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum BadTls {
    #[error(transparent)]
    Config(#[from] rustls::Error),
    #[error("the certificates of the authorities are no PEM")]
    Pem(#[from] pem::Error),
}

/// Trusts the certificates that these authorities have signed, as PEM; `None`: those that browsers trust, whatever the
/// machine has.
pub(crate) fn config(authorities: Option<&str>) -> Result<ClientConfig, BadTls> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let mut roots = RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(certificate?)?;
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
