//! Documents fetched from servers.

use super::*;

fn document(server: &HttpUrl, longest: usize) -> Document<'_> {
    Document { server, path: "/metrics?a=1", verify: true, longest }
}

#[tokio::test]
async fn a_document_comes_whole_with_its_status_from_below_the_servers_path() {
    for (v6, answer, status, body) in [
        (false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        (true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 200, "hello"),
        (false, "HTTP/1.1 400 Bad Request\r\n\r\nno such query", 400, "no such query"),
    ] {
        let (address, mut asked) = server(v6, answer).await;
        let url: HttpUrl = format!("http://{address}/below/").parse().unwrap();
        let answer = Prober::new().fetch(&document(&url, 100), TIMEOUT).await.unwrap();
        assert_eq!(answer, Answer { status, body: body.into() });
        let head = asked.recv().await.unwrap();
        assert!(head.starts_with("GET /below/metrics?a=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {address}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn a_document_that_does_not_come_says_what_was_waited_for() {
    let (long, _asked) = server(false, "HTTP/1.1 200 OK\r\n\r\n123456").await;
    let (short, _also_asked) = server(false, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123").await;
    let (_held, nobody) = nobody();
    let (silent, silent_address) = listener(false).await;
    for (server, limit, expected) in [
        (long, TIMEOUT, ProbeError::TooLong { longest: 5 }),
        (short, TIMEOUT, ProbeError::ConnectionClosed { stage: Stage::Body }),
        (nobody, TIMEOUT, ProbeError::ConnectionRefused),
        (silent_address, SHORT, ProbeError::TimedOut { stage: Stage::Head, after: SHORT }),
    ] {
        let url = HttpUrl::from(server);
        assert_eq!(Prober::new().fetch(&document(&url, 5), limit).await, Err(expected), "{url}");
    }
    drop(silent);
    let url = "http://no-such-host.invalid".parse().unwrap();
    let unknown = Prober::new().fetch(&document(&url, 5), TIMEOUT).await;
    assert!(
        matches!(&unknown, Err(ProbeError::NoAddress { name, .. }) if name == "no-such-host.invalid"),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_document_by_tls_comes_from_who_is_trusted() {
    let (address, certificate) = tls_server().await;
    let url: HttpUrl = format!("https://localhost:{}", address.port()).parse().unwrap();
    let unverified = Document { verify: false, ..document(&url, 5) };
    assert_eq!(trusting(certificate).fetch(&document(&url, 5), TIMEOUT).await.unwrap().status, 204);
    let strangers = trusting(self::certificate("another").0);
    let refused = strangers.fetch(&document(&url, 5), TIMEOUT).await;
    assert!(matches!(refused, Err(ProbeError::Certificate(_))), "{refused:?}");
    assert_eq!(strangers.fetch(&unverified, TIMEOUT).await.unwrap().status, 204);
}
