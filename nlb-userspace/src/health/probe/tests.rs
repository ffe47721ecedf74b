//! Each kind of check against real sockets on loopback: what passes, and what each failure is called.

mod fetch;

use std::net::{Ipv4Addr, Ipv6Addr};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::model::CodeRange;

/// Long enough for any machine; only checks that are to time out get less.
const TIMEOUT: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(100);

/// A GET, by what a case has to say about it.
#[derive(Clone, Copy, Default)]
struct Get<'a> {
    tls: bool,
    verify: bool,
    host: Option<&'a str>,
    body: Option<&'a str>,
}

impl Get<'_> {
    fn probe(self) -> Probe {
        Probe::Http {
            tls: self.tls,
            verify: self.verify,
            path: "/healthz?full=1".to_owned(),
            host: self.host.map(str::to_owned),
            codes: vec![CodeRange { first: 200, last: 399 }],
            body: self.body.map(str::to_owned),
        }
    }
}

fn http() -> Probe {
    Get::default().probe()
}

fn https() -> Probe {
    Get { tls: true, ..Get::default() }.probe()
}

fn with_body(text: &str) -> Probe {
    Get { body: Some(text), ..Get::default() }.probe()
}

async fn ask(target: SocketAddr, probe: &Probe) -> Result<(), ProbeError> {
    Prober::new().run(target, probe, TIMEOUT).await.result.map(drop)
}

async fn listener(v6: bool) -> (TcpListener, SocketAddr) {
    let address: std::net::IpAddr = if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nothing listens. The socket keeps the port from others.
fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Reads a request's head, sends `answer` and closes. The head.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    // The check may have seen enough and reset the connection.
    drop(stream.write_all(answer).await);
    drop(stream.shutdown().await);
    String::from_utf8(head).unwrap()
}

/// A server that gives everyone the same answer, and passes on what it was asked.
async fn server(v6: bool, bytes: impl Into<Vec<u8>>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (listener, address) = listener(v6).await;
    let bytes = bytes.into();
    let (heads, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if heads.send(answer(stream, &bytes).await).is_err() {
                return;
            }
        }
    });
    (address, asked)
}

/// A certificate for `localhost` that `issuer` signed for itself.
fn certificate(issuer: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, issuer);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

/// A TLS server with such a certificate. Its address, and the certificate.
async fn tls_server() -> (SocketAddr, CertificateDer<'static>) {
    let (certificate, key) = certificate("the target");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, address) = listener(false).await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        }
    });
    (address, certificate)
}

fn trusting(certificate: CertificateDer<'static>) -> Prober {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    Prober::with_roots(roots)
}

#[tokio::test]
async fn a_listening_socket_passes_tcp_and_its_application_is_left_in_peace() {
    for v6 in [false, true] {
        let (listener, address) = listener(v6).await;
        // A machine that stalls between two system calls lets an acknowledgement out, so not each of them is unseen.
        let mut unseen = 0;
        for _ in 0..20 {
            assert_eq!(ask(address, &Probe::Tcp).await, Ok(()));
            let client = TcpStream::connect(address).await.unwrap();
            let (mut accepted, mut between) = (listener.accept().await.unwrap().1, 0);
            while accepted != client.local_addr().unwrap() {
                accepted = listener.accept().await.unwrap().1;
                between += 1;
            }
            unseen += usize::from(between == 0);
        }
        assert!(unseen > 0, "every check was accepted by the application");
    }
}

#[tokio::test]
async fn nobody_listening_is_connection_refused() {
    let (_socket, address) = nobody();
    for probe in [Probe::Tcp, http(), https()] {
        assert_eq!(ask(address, &probe).await, Err(ProbeError::ConnectionRefused));
    }
}

#[tokio::test]
async fn http_asks_as_it_should() {
    for v6 in [false, true] {
        let (address, mut asked) = server(v6, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let cases = [(None, address.to_string()), (Some("example.com"), "example.com".to_owned())];
        for (host, expected) in cases {
            let probe = Get { host, ..Get::default() }.probe();
            assert_eq!(ask(address, &probe).await, Ok(()));
            let head = asked.recv().await.unwrap();
            let mut lines: Vec<String> = head.trim_end().split("\r\n").map(str::to_lowercase).collect();
            assert_eq!(lines.remove(0), "get /healthz?full=1 http/1.1");
            assert!(lines.contains(&format!("host: {expected}")), "{head}");
            assert!(lines.contains(&"connection: close".to_owned()), "{head}");
            assert!(lines.contains(&format!("user-agent: nlb-health/{}", env!("CARGO_PKG_VERSION"))), "{head}");
        }
    }
}

#[tokio::test]
async fn answers_are_judged_by_status_and_body() {
    let late = format!("HTTP/1.1 200 OK\r\n\r\n{}ready", "x".repeat(64 * 1024 - 4));
    let last = format!("HTTP/1.1 200 OK\r\n\r\n{}ready and more", "x".repeat(64 * 1024 - 5));
    let status = |code| Err(ProbeError::Status { code, expected: "200-399".to_owned() });
    let lacks = |text: &str, read| Err(ProbeError::Body { text: text.to_owned(), read });
    let head = |stage| Err(ProbeError::ConnectionClosed { stage });
    let cases: Vec<(&str, Probe, Result<(), ProbeError>)> = vec![
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready", http(), Ok(())),
        ("HTTP/1.0 200 OK\r\n\r\nready", with_body("ready"), Ok(())),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", http(), Ok(())),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", http(), status(503)),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", http(), status(404)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot ready", with_body("ready"), Ok(())),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nread", with_body("ready"), lacks("ready", 4)),
        ("HTTP/1.1 204 No Content\r\n\r\n", with_body("ready"), lacks("ready", 0)),
        ("HTTP/1.1 204 No Content\r\n\r\n", with_body(""), Ok(())),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n2\r\ndy\r\n0\r\n\r\n",
            with_body("ready"),
            Ok(()),
        ),
        (&last, with_body("ready"), Ok(())),
        (&late, with_body("ready"), lacks("ready", 64 * 1024)),
        ("", http(), head(Stage::Head)),
        ("HTTP/1.1 200 OK\r\nContent-", http(), head(Stage::Head)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrea", with_body("ready"), head(Stage::Body)),
    ];
    for (bytes, probe, expected) in cases {
        let (address, _asked) = server(false, bytes).await;
        assert_eq!(ask(address, &probe).await, expected, "{bytes:.60}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_named_so() {
    let (address, _asked) = server(false, "SSH-2.0-OpenSSH_9.2\r\n").await;
    let result = ask(address, &http()).await;
    assert!(matches!(result, Err(ProbeError::NotHttp(_))), "{result:?}");
}

#[tokio::test]
async fn a_reset_is_named_with_what_was_awaited() {
    let (listener, address) = listener(false).await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.read_u8().await);
            stream.set_zero_linger().unwrap();
        }
    });
    assert_eq!(ask(address, &http()).await, Err(ProbeError::ConnectionReset { stage: Stage::Head }));
    assert_eq!(ask(address, &https()).await, Err(ProbeError::ConnectionReset { stage: Stage::Handshake }));
}

#[tokio::test]
async fn a_time_out_names_what_was_awaited() {
    // The kernel opens the connections; nobody accepts, reads or answers.
    let (_silent, silent) = listener(false).await;
    let (stalls, stalling) = listener(false).await;
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = stalls.accept().await {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345").await.unwrap();
            open.push(stream);
        }
    });
    // Time for the one who answers to do so on a busy machine.
    let cases = [
        (silent, http(), Stage::Head, SHORT),
        (silent, https(), Stage::Handshake, SHORT),
        (stalling, with_body("ready"), Stage::Body, 20 * SHORT),
    ];
    for (address, probe, stage, after) in cases {
        let outcome = Prober::new().run(address, &probe, after).await;
        assert_eq!(outcome.result, Err(ProbeError::TimedOut { stage, after }));
    }
}

#[tokio::test]
async fn tls_passes_unverified_and_says_what_a_certificate_lacks_when_verified() {
    let (address, certificate) = tls_server().await;
    let probe = |verify, name| Get { tls: true, verify, host: Some(name), body: None }.probe();
    let trusting = trusting(certificate);
    let unverified = Prober::new().run(address, &https(), TIMEOUT).await;
    assert!(unverified.result.is_ok(), "{unverified:?}");
    let verified = trusting.run(address, &probe(true, "localhost:8443"), TIMEOUT).await;
    assert!(verified.result.is_ok(), "{verified:?}");
    let strangers = self::trusting(self::certificate("another").0);
    let cases = [
        (&strangers, "localhost", "signed by nobody that this host trusts"),
        (&trusting, "example.com", "made out to localhost, not to example.com"),
    ];
    for (prober, name, text) in cases {
        let refused = prober.run(address, &probe(true, name), TIMEOUT).await;
        assert_eq!(refused.result, Err(ProbeError::Certificate(text.to_owned())));
        assert!(prober.run(address, &probe(false, name), TIMEOUT).await.result.is_ok());
    }
    let without = Prober::with_roots(RootCertStore::empty()).run(address, &probe(true, "localhost"), TIMEOUT).await;
    assert!(matches!(without.result, Err(ProbeError::NoRoots(_))), "{without:?}");
}

#[tokio::test]
async fn tls_where_plain_http_answers_is_named_so() {
    let (listener, address) = listener(false).await;
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            open.push(stream);
        }
    });
    let result = ask(address, &https()).await;
    assert_eq!(result, Err(ProbeError::Tls("what answers is not TLS".to_owned())));
}

#[tokio::test]
async fn settings_that_cannot_stand_in_a_request_are_named() {
    let (address, _asked) = server(false, "").await;
    let result = ask(address, &Get { host: Some("a\nb"), ..Get::default() }.probe()).await;
    assert!(matches!(result, Err(ProbeError::Request(_))), "{result:?}");
}

#[test]
fn failures_are_told_in_words_that_help() {
    let two = Duration::from_secs(2);
    let io = |code| ProbeError::io(Stage::Connection, &std::io::Error::from_raw_os_error(code));
    let cases = [
        (ProbeError::TimedOut { stage: Stage::Head, after: two }, "timed out after 2 s waiting for the response head"),
        (ProbeError::Status { code: 503, expected: "200-399".to_owned() }, "status 503, expected 200-399"),
        (io(libc::ECONNREFUSED), "connection refused"),
        (io(libc::EHOSTUNREACH), "host unreachable: no route, or no answer on the target's network"),
        (io(libc::EMFILE), "this host has no file descriptor left: raise LimitNOFILE"),
        (io(libc::EPERM), "not permitted: a firewall on this host forbids the check"),
        (ProbeError::ConnectionClosed { stage: Stage::Body }, "connection closed while waiting for the response body"),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
    for code in [libc::EMFILE, libc::ENFILE, libc::EADDRNOTAVAIL, libc::ENOBUFS, libc::ENOMEM] {
        assert!(io(code).is_local(), "{code}");
    }
    for code in [libc::ECONNREFUSED, libc::EHOSTUNREACH, libc::ENETUNREACH, libc::EPERM, libc::ECONNRESET] {
        assert!(!io(code).is_local(), "{code}");
    }
}
