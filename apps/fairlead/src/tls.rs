//! The one TLS provider of the process.

/// Chooses aws-lc for all TLS of this process. rustls refuses to guess where several are linked.
pub(crate) fn install_provider() {
    // It fails when a provider was chosen before, which in tests is this very one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
