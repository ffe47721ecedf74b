use std::fs;
use std::path::Path;
use std::sync::Arc;

use hyper::{Request, StatusCode};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

#[test]
fn an_address_is_taken_apart_or_refused() {
    for (url, authority, path, is_private) in [
        ("https://launcher.example.org/nlb", "launcher.example.org", "/nlb/list", true),
        ("https://launcher.example.org", "launcher.example.org", "/list", true),
        ("http://launcher.example.org:8080/a/b/", "launcher.example.org:8080", "/a/b/list", false),
        ("http://127.0.0.1:1", "127.0.0.1:1", "/list", true),
        ("http://[::1]:8080/", "[::1]:8080", "/list", true),
        ("http://localhost", "localhost", "/list", true),
        ("http://[2001:db8::1]", "[2001:db8::1]", "/list", false),
    ] {
        let service = Service::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!((service.authority(), &*service.path("/list")), (authority, path), "{url}");
        assert_eq!(service.is_private(), is_private, "{url}");
    }
    for url in [
        "",
        "launcher.example.org",
        "/nlb",
        "ftp://launcher.example.org",
        "https://",
        "https://user:word@launcher.example.org",
        "https://launcher.example.org/?a=b",
        "https://launcher.example.org/#a",
        "https://launcher.example.org:0",
        "https://launcher example.org",
    ] {
        assert!(Service::parse(url).is_err(), "{url}");
    }
}

/// A server that has a certificate for `localhost`, and answers each request with its first line. Gives its port and writes its
/// certificate to a file.
async fn secured(certificate: &Path) -> u16 {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(certificate, cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that doesn't believe the certificate goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{line}", line.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn only_who_proves_to_be_the_service_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = dir.path().join("ca.pem");
    let port = secured(&certificate).await;
    let ask = async |host: &str, roots: Option<&Path>| {
        let service = Service::parse(&format!("https://{host}:{port}/nlb")).unwrap().trusting(roots.map(Into::into));
        service.send(Request::get(service.path("/list")), Vec::new()).await
    };
    let answer = ask("localhost", Some(&certificate)).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"GET /nlb/list HTTP/1.1"[..]));
    let another = ask("127.0.0.1", Some(&certificate)).await.unwrap_err();
    assert!(matches!(another, HttpError::Tls { .. }), "{another}");
    let unsigned = ask("localhost", None).await.unwrap_err();
    assert!(matches!(unsigned, HttpError::Tls { .. } | HttpError::Roots(_)), "{unsigned}");
    let missing = ask("localhost", Some(&dir.path().join("none.pem"))).await.unwrap_err();
    assert!(matches!(&missing, HttpError::Roots(_)) && missing.to_string().contains("none.pem"), "{missing}");
}
