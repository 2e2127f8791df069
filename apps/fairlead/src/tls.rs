//! The one TLS provider of the process, and whom it trusts besides those that browsers do.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Chooses aws-lc for all TLS of this process. rustls refuses to guess where several are linked.
pub(crate) fn install_provider() {
    // It fails when a provider was chosen before, which in tests is this very one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Reads certificates of authorities, as PEM.
pub(crate) fn authorities(file: &Path) -> anyhow::Result<String> {
    let place = file.display();
    let pem = fs::read_to_string(file).with_context(|| format!("{place} cannot be read"))?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .with_context(|| format!("{place} cannot be read as PEM"))?;
    if certificates.is_empty() {
        bail!("{place} has no certificate: it should begin with -----BEGIN CERTIFICATE-----");
    }
    Ok(pem)
}
