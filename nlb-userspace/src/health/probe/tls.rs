//! TLS for HTTPS checks.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::{ProbeError, Stage};
use crate::tls::{self, NoRoots};

/// The settings that all handshakes share.
#[derive(Debug)]
pub(super) struct Settings {
    unverified: Arc<ClientConfig>,
    verified: OnceLock<Result<Arc<ClientConfig>, ProbeError>>,
}

impl Settings {
    /// Verifies against the system's store, read when it is first needed.
    pub(super) fn system() -> Self {
        let schemes = ring::default_provider().signature_verification_algorithms.supported_schemes();
        let verifier = Arc::new(Anyone { schemes });
        let unverified = tls::builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Self { unverified: shared(unverified), verified: OnceLock::new() }
    }

    /// Verifies against `roots`.
    pub(super) fn with_roots(roots: RootCertStore) -> Self {
        Self { verified: OnceLock::from(verified(tls::verified(roots, "none given"))), ..Self::system() }
    }

    /// A TLS connection over `stream`. The server name is that of `host`, or the target's address.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        target: SocketAddr,
        host: Option<&str>,
        verify: bool,
    ) -> Result<TlsStream<TcpStream>, ProbeError> {
        let name = match host {
            Some(host) => server_name(host)?,
            None => ServerName::from(target.ip()),
        };
        let config = if verify {
            self.verified.get_or_init(|| verified(tls::system())).clone()?
        } else {
            self.unverified.clone()
        };
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| failure(&error))
    }
}

/// The name in a `Host` header: without its port, and an address without its brackets.
fn server_name(host: &str) -> Result<ServerName<'static>, ProbeError> {
    let bare = match host.parse::<SocketAddr>() {
        Ok(socket) => return Ok(ServerName::from(socket.ip())),
        Err(_) => host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host),
    };
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(ServerName::from(address));
    }
    let name = match bare.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => bare,
    };
    ServerName::try_from(name.to_owned()).map_err(|_| ProbeError::ServerName(host.to_owned()))
}

fn shared(mut config: ClientConfig) -> Arc<ClientConfig> {
    // A check is to prove a whole handshake, and a ticket of one target is of no use to another.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn verified(
    settled: Result<ConfigBuilder<ClientConfig, WantsClientCert>, NoRoots>,
) -> Result<Arc<ClientConfig>, ProbeError> {
    Ok(shared(settled.map_err(|NoRoots(why)| ProbeError::NoRoots(why))?.with_no_client_auth()))
}

fn failure(error: &std::io::Error) -> ProbeError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(certificate)) => ProbeError::Certificate(text(certificate)),
        Some(rustls::Error::InvalidMessage(_)) => ProbeError::Tls("what answers is not TLS".to_owned()),
        Some(other) => ProbeError::Tls(other.to_string()),
        None => ProbeError::io(Stage::Handshake, error),
    }
}

/// What is wrong with a certificate, for people.
fn text(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "signed by nobody that this host trusts".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not valid yet".to_owned(),
        CertificateError::NotValidForName => "made out to another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            // They come as `DnsName("example.com")`.
            let names: Vec<&str> = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
            format!("made out to {}, not to {}", names.join(", "), expected.to_str())
        }
        other => other.to_string(),
    }
}

/// Takes any certificate: a check without `verify` asks whether the target speaks TLS, not who it is. That includes
/// certificates that can't be parsed by today's rules (old ones of version 1, say), so signatures aren't looked at.
/// Nothing secret is sent to whoever answers.
#[derive(Debug)]
struct Anyone {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_is_the_host_without_port_and_brackets() {
        let cases = [
            ("example.com", Some("example.com")),
            ("example.com:8443", Some("example.com")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("not a name", None),
            ("", None),
        ];
        for (host, expected) in cases {
            let name = server_name(host).map(|name| name.to_str().into_owned());
            match expected {
                Some(expected) => assert_eq!(name, Ok(expected.to_owned()), "{host}"),
                None => assert_eq!(name, Err(ProbeError::ServerName(host.to_owned())), "{host}"),
            }
        }
    }
}
