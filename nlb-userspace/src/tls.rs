//! What all TLS of the agent as a client shares: versions, cipher suites, and whom it believes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// There is nobody whose signature on a certificate would be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no CA certificate to verify by: {0}")]
pub struct NoRoots(pub String);

/// A client's settings before it is said whom it believes.
pub(crate) fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
}

/// The same for one who believes whom `roots` vouch for. `why_empty` says why nobody does.
pub(crate) fn verified(
    roots: RootCertStore,
    why_empty: &str,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, NoRoots> {
    if roots.is_empty() {
        return Err(NoRoots(why_empty.to_owned()));
    }
    Ok(builder().with_root_certificates(roots))
}

/// One who believes whom the system's store of CA certificates vouches for.
pub(crate) fn system() -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, NoRoots> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    let errors: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
    verified(roots, errors.first().map_or("the system's store is empty", String::as_str))
}

/// One who believes whom the certificates in a PEM file vouch for, and nobody else.
pub(crate) fn of_file(path: &Path) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, NoRoots> {
    let told = |error: &dyn std::fmt::Display| NoRoots(format!("{}: {error}", path.display()));
    let text = fs::read(path).map_err(|error| told(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        roots.add(certificate.map_err(|error| told(&error))?).map_err(|error| told(&error))?;
    }
    verified(roots, &told(&"holds no certificate").0)
}
