//! One GET over a connection of its own, HTTP/1.1, and what is expected of the answer, or all of it. Redirects are not
//! followed: a redirect is an answer.

use std::fmt::Write;
use std::net::SocketAddr;
use std::pin::pin;

use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{ProbeError, Stage};
use crate::model::CodeRange;

/// How much of a body is looked at.
const BODY_LIMIT: usize = 64 * 1024;

/// Who the checks say they are.
pub(super) const CHECKER: &str = concat!("nlb-health/", env!("CARGO_PKG_VERSION"));

/// Who says so that fetches a document.
pub(super) const READER: &str = concat!("nlb/", env!("CARGO_PKG_VERSION"));

/// What is asked.
pub(super) struct Request<'a> {
    /// Who is asked.
    pub(super) target: SocketAddr,
    /// Over TLS.
    pub(super) tls: bool,
    /// Path and query.
    pub(super) path: &'a str,
    /// The `Host` header, `None` for the target's address.
    pub(super) host: Option<&'a str>,
    /// Who asks.
    pub(super) agent: &'static str,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What the answer must be.
pub(super) struct Expected<'a> {
    /// Status codes that pass.
    pub(super) codes: &'a [CodeRange],
    /// Text that the body must hold.
    pub(super) body: Option<&'a str>,
}

impl Request<'_> {
    fn build(&self) -> Result<hyper::Request<Empty<Bytes>>, ProbeError> {
        let host = self.host.map_or_else(|| authority(self.target, self.tls), str::to_owned);
        hyper::Request::get(self.path)
            .header(HOST, host)
            .header(USER_AGENT, self.agent)
            .header(ACCEPT, "*/*")
            .header(CONNECTION, "close")
            .body(Empty::new())
            .map_err(|error| ProbeError::Request(error.to_string()))
    }
}

/// The target as a `Host` header names it: an IPv6 address in brackets, the scheme's own port left out.
fn authority(target: SocketAddr, tls: bool) -> String {
    let text = target.to_string();
    let default = if tls { ":443" } else { ":80" };
    text.strip_suffix(default).map_or_else(|| text.clone(), str::to_owned)
}

/// Asks over `stream`, and drops it.
pub(super) async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
    expected: &Expected<'_>,
    stage: &mut Stage,
) -> Result<(), ProbeError> {
    let (mut sender, connection) = begin(stream, stage).await?;
    let request = request.build()?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| failure(Stage::Head, &error))?;
        judge_status(response.status().as_u16(), expected.codes)?;
        let Some(text) = expected.body else { return Ok(()) };
        *stage = Stage::Body;
        judge_body(response.into_body(), text).await
    };
    finish(exchange, connection).await
}

/// Asks over `stream`, and gives the whole answer, whose body may have so many bytes.
pub(super) async fn fetch(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request<'_>,
    longest: usize,
    stage: &mut Stage,
) -> Result<Answer, ProbeError> {
    let (mut sender, connection) = begin(stream, stage).await?;
    let request = request.build()?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| failure(Stage::Head, &error))?;
        let status = response.status().as_u16();
        *stage = Stage::Body;
        let (mut frames, mut body) = (response.into_body(), Vec::new());
        while let Some(frame) = frames.frame().await {
            let frame = frame.map_err(|error| failure(Stage::Body, &error))?;
            body.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default());
            if body.len() > longest {
                return Err(ProbeError::TooLong { longest });
            }
        }
        Ok(Answer { status, body })
    };
    finish(exchange, connection).await
}

type Begun<S> = (http1::SendRequest<Empty<Bytes>>, http1::Connection<TokioIo<S>, Empty<Bytes>>);

async fn begin<S: AsyncRead + AsyncWrite + Unpin>(stream: S, stage: &mut Stage) -> Result<Begun<S>, ProbeError> {
    *stage = Stage::Head;
    http1::handshake(TokioIo::new(stream)).await.map_err(|error| failure(Stage::Head, &error))
}

/// The connection moves the bytes; when it has no more to move, the exchange has all that it will get.
async fn finish<T>(exchange: impl Future<Output = T>, connection: impl Future) -> T {
    match select(pin!(exchange), pin!(connection)).await {
        Either::Left((result, _)) => result,
        Either::Right((_, exchange)) => exchange.await,
    }
}

fn judge_status(code: u16, expected: &[CodeRange]) -> Result<(), ProbeError> {
    if expected.iter().any(|range| range.contains(code)) {
        return Ok(());
    }
    let mut text = String::new();
    for range in expected {
        let comma = if text.is_empty() { "" } else { ", " };
        let written = if range.first == range.last {
            write!(text, "{comma}{}", range.first)
        } else {
            write!(text, "{comma}{}-{}", range.first, range.last)
        };
        written.expect("a String takes any text");
    }
    Err(ProbeError::Status { code, expected: text })
}

async fn judge_body(mut body: Incoming, text: &str) -> Result<(), ProbeError> {
    let mut seen: Vec<u8> = Vec::new();
    loop {
        // The text may have begun in what was searched before.
        let searched = seen.len().saturating_sub(text.len().saturating_sub(1));
        let frame = if seen.len() < BODY_LIMIT { body.frame().await } else { None };
        let Some(frame) = frame else {
            let found = text.is_empty();
            return if found { Ok(()) } else { Err(ProbeError::Body { text: text.to_owned(), read: seen.len() }) };
        };
        let frame = frame.map_err(|error| failure(Stage::Body, &error))?;
        if let Some(data) = frame.data_ref() {
            seen.extend_from_slice(&data[..data.len().min(BODY_LIMIT - seen.len())]);
        }
        if !text.is_empty() && seen[searched..].windows(text.len()).any(|window| window == text.as_bytes()) {
            return Ok(());
        }
    }
}

/// What a failure of the exchange comes from.
fn failure(stage: Stage, error: &hyper::Error) -> ProbeError {
    let source = std::error::Error::source(error);
    if let Some(io) = source.and_then(|source| source.downcast_ref::<std::io::Error>()) {
        return ProbeError::io(stage, io);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return ProbeError::ConnectionClosed { stage };
    }
    ProbeError::NotHttp(source.map_or_else(|| error.to_string(), ToString::to_string))
}
