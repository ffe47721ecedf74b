//! A service, and one request to it.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::error::HttpError;
use crate::tls;

/// The longest answer that is taken in, in bytes.
const LONGEST: usize = 16 << 20;

/// Who the agent says it is.
const AGENT: &str = concat!("nlb-agent/", env!("CARGO_PKG_VERSION"));

/// Where a service answers, and whose certificates are believed of it.
#[derive(Clone, Debug)]
pub struct Service {
    place: Place,
    /// What `Host` says.
    authority: String,
    /// What stands before each request's path: empty, or without a slash at its end.
    base: String,
    roots: Option<PathBuf>,
    /// Made with the first request that needs it.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Over TCP, within TLS or not.
    Host { name: String, port: u16, tls: bool },
    /// A socket of this host.
    Unix(PathBuf),
}

/// Why a text is no service's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no address of a service: {0:?}: write it like \"https://launcher.example.org/nlb\"")]
pub struct UrlError(String);

/// An answer, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its code.
    pub status: StatusCode,
    /// Its body, whole.
    pub body: Bytes,
}

impl Service {
    /// The service at `url`: `http` or `https`, a host by name or address, perhaps a port and a path.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let wrong = || UrlError(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let bare = authority.host().trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty()
            || uri.query().is_some()
            || url.contains('#')
            || authority.port().is_some_and(|p| p.as_u16() == 0)
        {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            place: Place::Host { name: bare.to_owned(), port, tls },
            authority: authority.to_string(),
            base: uri.path().trim_end_matches('/').to_owned(),
            roots: None,
            tls: Arc::default(),
        })
    }

    /// The service at a Unix socket.
    pub fn unix(path: &Path) -> Self {
        let (place, authority) = (Place::Unix(path.to_owned()), "localhost".to_owned());
        Self { place, authority, base: String::new(), roots: None, tls: Arc::default() }
    }

    /// Its certificates are verified by those in a PEM file instead of the system's.
    pub fn trusting(self, roots: Option<PathBuf>) -> Self {
        Self { roots, tls: Arc::default(), ..self }
    }

    /// Whether nobody on the way can read along: TLS, or a host that is this one.
    pub fn is_private(&self) -> bool {
        match &self.place {
            Place::Unix(_) | Place::Host { tls: true, .. } => true,
            Place::Host { name, .. } => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// What `Host` says of it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path that a request has when it is for `path` of this service.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request, whose URI is a path that [`path`](Self::path) gave, and takes the answer in.
    pub async fn send(&self, request: Builder, body: Vec<u8>) -> Result<Answer, HttpError> {
        let request = request
            .header(HOST, &self.authority)
            .header(USER_AGENT, AGENT)
            .header(CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))?;
        let to = match &self.place {
            Place::Unix(path) => path.display().to_string(),
            Place::Host { name, port, .. } => format!("{name}:{port}"),
        };
        let connect = |source| HttpError::Connect { to: to.clone(), source };
        match &self.place {
            Place::Unix(path) => exchange(UnixStream::connect(path).await.map_err(connect)?, request).await,
            Place::Host { name, port, tls } => {
                let stream = TcpStream::connect((name.as_str(), *port)).await.map_err(connect)?;
                if !tls {
                    return exchange(stream, request).await;
                }
                let failed = |source| HttpError::Tls { to: to.clone(), source };
                let server = ServerName::try_from(name.clone())
                    .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, error)))?;
                let stream = TlsConnector::from(self.tls()?).connect(server, stream).await.map_err(failed)?;
                exchange(stream, request).await
            }
        }
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, HttpError> {
        if let Some(settled) = self.tls.get() {
            return Ok(Arc::clone(settled));
        }
        let builder = self.roots.as_ref().map_or_else(tls::system, |file| tls::of_file(file))?;
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<Answer, HttpError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = pin!(async { whole(sender.send_request(request).await?).await });
    // The connection moves the bytes; when it has no more to move, the exchange has all that it will get.
    match select(exchange, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, exchange)) => exchange.await,
    }
}

async fn whole(response: Response<Incoming>) -> Result<Answer, HttpError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|error| {
        match error.downcast::<hyper::Error>() {
            Ok(broke) => HttpError::Exchange(*broke),
            Err(_) => HttpError::TooLong(LONGEST),
        }
    })?;
    Ok(Answer { status, body: body.to_bytes() })
}
