//! The command line's side of the API. What comes bit by bit, traces and captures, is in `stream`.

mod stream;

mod asg;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use pcap_file::PcapError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::dto::{
    ChangeReport, Config, ErrorBody, ErrorDetail, GroupSummary, GroupView, ListenerChangeReport, ListenerDetail,
    ListenerView, Protocol, Register, ReloadReport, SetShares, SetWeight, Stats, Status, TargetView,
};
use crate::explain::Explanation;
use crate::model::{ConnectionId, Name};
use stream::Stream;
pub use stream::{CaptureBlocks, CaptureRequest, TraceLines};

/// Why the agent gave no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers on the socket.
    #[error("the agent does not answer on {}: {source}", socket.display())]
    NoAgent {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the agent on {} broke: {source}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: hyper::Error,
    },
    /// The agent refused, and says why.
    #[error("{}", detail.what)]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// What is wrong, and what would mend it.
        detail: ErrorDetail,
    },
    /// What came back is not what this version expects.
    #[error("{} answers {status} with something this version of nlb does not understand: {source}", socket.display())]
    Unexpected {
        /// The socket.
        socket: PathBuf,
        /// HTTP status.
        status: StatusCode,
        /// Why.
        source: serde_json::Error,
    },
    /// What came is no capture.
    #[error("{} sends something that is no pcapng file: {source}", socket.display())]
    NoCapture {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: PcapError,
    },
}

impl ClientError {
    /// What would mend it.
    pub fn mend(&self) -> String {
        match self {
            Self::NoAgent { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                format!("use sudo, or join the group `{}`", super::server::GROUP)
            }
            Self::NoAgent { .. } => {
                "is it running? systemctl status nlb-agent; another socket: --socket or NLB_SOCKET".to_owned()
            }
            Self::Broken { .. } => "did the agent stop? systemctl status nlb-agent".to_owned(),
            Self::Refused { detail, .. } => detail.mend.clone(),
            Self::Unexpected { .. } | Self::NoCapture { .. } => {
                "is another program there, or an agent of another version? see `nlb --version`".to_owned()
            }
        }
    }
}

/// A target as a path names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetPath {
    /// Address and port.
    Socket(SocketAddr),
    /// The only target with this address.
    Address(IpAddr),
}

impl TargetPath {
    /// As a segment of a path: the brackets of IPv6 may not stand there.
    fn segment(self) -> String {
        match self {
            Self::Socket(socket) => socket.to_string().replace('[', "%5B").replace(']', "%5D"),
            Self::Address(address) => address.to_string(),
        }
    }
}

/// Which packets to trace; what is `None` matches everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TracePattern {
    /// The client's address.
    pub source: Option<IpAddr>,
    /// The client's port.
    pub source_port: Option<u16>,
    /// The VIP.
    pub destination: Option<IpAddr>,
    /// The listener's port.
    pub destination_port: Option<u16>,
    /// Protocol.
    pub protocol: Option<Protocol>,
}

/// The agent on one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the agent on `socket`.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The overview.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// The configuration in force.
    pub async fn config(&self) -> Result<Config, ClientError> {
        self.get("/v1/config").await
    }

    /// All listeners.
    pub async fn listeners(&self) -> Result<Vec<ListenerView>, ClientError> {
        self.get("/v1/listeners").await
    }

    /// One listener.
    pub async fn listener(&self, name: &Name) -> Result<ListenerDetail, ClientError> {
        self.get(&format!("/v1/listeners/{name}")).await
    }

    /// All target groups.
    pub async fn target_groups(&self) -> Result<Vec<GroupSummary>, ClientError> {
        self.get("/v1/target-groups").await
    }

    /// One target group.
    pub async fn target_group(&self, name: &Name) -> Result<GroupView, ClientError> {
        self.get(&format!("/v1/target-groups/{name}")).await
    }

    /// All targets, or those of one group.
    pub async fn targets(&self, group: Option<&Name>) -> Result<Vec<TargetView>, ClientError> {
        let filter = group.map_or_else(String::new, |group| format!("?group={group}"));
        self.get(&format!("/v1/targets{filter}")).await
    }

    /// All counters.
    pub async fn stats(&self) -> Result<Stats, ClientError> {
        self.get("/v1/stats").await
    }

    /// Adds a target.
    pub async fn register(&self, group: &Name, target: &Register) -> Result<ChangeReport, ClientError> {
        self.call(Method::POST, &format!("/v1/target-groups/{group}/targets"), Some(target)).await
    }

    /// Takes a target out.
    pub async fn deregister(&self, group: &Name, target: TargetPath) -> Result<ChangeReport, ClientError> {
        let path = format!("/v1/target-groups/{group}/targets/{}", target.segment());
        self.call(Method::DELETE, &path, None::<&()>).await
    }

    /// Gives a target another weight.
    pub async fn set_weight(
        &self,
        group: &Name,
        target: TargetPath,
        weight: &SetWeight,
    ) -> Result<ChangeReport, ClientError> {
        let path = format!("/v1/target-groups/{group}/targets/{}/weight", target.segment());
        self.call(Method::PUT, &path, Some(weight)).await
    }

    /// Gives a target no new flows.
    pub async fn drain(&self, group: &Name, target: TargetPath) -> Result<ChangeReport, ClientError> {
        let path = format!("/v1/target-groups/{group}/targets/{}/drain", target.segment());
        self.call(Method::PUT, &path, None::<&()>).await
    }

    /// Ends a drain.
    pub async fn undrain(&self, group: &Name, target: TargetPath) -> Result<ChangeReport, ClientError> {
        let path = format!("/v1/target-groups/{group}/targets/{}/drain", target.segment());
        self.call(Method::DELETE, &path, None::<&()>).await
    }

    /// Gives groups that share a listener other weights.
    pub async fn set_shares(&self, listener: &Name, shares: &SetShares) -> Result<ListenerChangeReport, ClientError> {
        self.call(Method::PUT, &format!("/v1/listeners/{listener}/weights"), Some(shares)).await
    }

    /// Has the agent read its file again.
    pub async fn reload(&self) -> Result<ReloadReport, ClientError> {
        self.call(Method::POST, "/v1/reload", None::<&()>).await
    }

    /// Why a flow goes where it goes.
    pub async fn explain(
        &self,
        source: SocketAddr,
        destination: SocketAddr,
        protocol: Protocol,
        connection_id: Option<&ConnectionId>,
    ) -> Result<Explanation, ClientError> {
        let connection_id = connection_id.map_or_else(String::new, |id| format!("&connection_id={id}"));
        self.get(&format!(
            "/v1/explain?source={}&source_port={}&destination={}&destination_port={}&protocol={protocol}{connection_id}",
            source.ip(),
            source.port(),
            destination.ip(),
            destination.port()
        ))
        .await
    }

    /// What happens to a packet of that length whose first bytes are `frame`, and why.
    pub async fn explain_packet(&self, frame: Vec<u8>, length: u32) -> Result<Explanation, ClientError> {
        let path = format!("/v1/explain/packet?length={length}");
        self.answered(self.request(Method::POST, &path, Body::from(frame)).await?).await
    }

    /// Traces packets until the returned lines are dropped.
    pub async fn trace(&self, pattern: &TracePattern) -> Result<TraceLines, ClientError> {
        let fields = [
            pattern.source.map(|address| format!("source={address}")),
            pattern.source_port.map(|port| format!("source_port={port}")),
            pattern.destination.map(|address| format!("destination={address}")),
            pattern.destination_port.map(|port| format!("destination_port={port}")),
            pattern.protocol.map(|protocol| format!("protocol={protocol}")),
        ];
        let query: Vec<_> = fields.into_iter().flatten().collect();
        Ok(TraceLines::new(self.open(&format!("/v1/trace?{}", query.join("&"))).await?))
    }

    /// Captures packets until the returned blocks are dropped.
    pub async fn capture(&self, request: &CaptureRequest) -> Result<CaptureBlocks, ClientError> {
        let query = serde_urlencoded::to_string(request).map_err(|error| ClientError::NoAgent {
            socket: self.socket.clone(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
        Ok(CaptureBlocks::new(self.open(&format!("/v1/capture?{query}")).await?))
    }

    /// Asks for what comes bit by bit.
    async fn open(&self, path: &str) -> Result<Stream, ClientError> {
        let (status, body) = self.request(Method::GET, path, Body::empty()).await?;
        if !status.is_success() {
            let bytes = self.collect(body).await?;
            return Err(self.refusal(status, &bytes));
        }
        Ok(Stream::new(self.clone(), body))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None::<&()>).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let body = match body {
            Some(body) => Body::from(serde_json::json!(body).to_string()),
            None => Body::empty(),
        };
        self.answered(self.request(method, path, body).await?).await
    }

    async fn answered<T: DeserializeOwned>(&self, answer: (StatusCode, Incoming)) -> Result<T, ClientError> {
        let (status, answer) = answer;
        let bytes = self.collect(answer).await?;
        if !status.is_success() {
            return Err(self.refusal(status, &bytes));
        }
        self.parse(status, &bytes)
    }

    async fn request(&self, method: Method, path: &str, body: Body) -> Result<(StatusCode, Incoming), ClientError> {
        let no_agent = |source| ClientError::NoAgent { socket: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).await.map_err(no_agent)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|source| self.broken(source))?;
        // The task ends with the connection, and an error of it shows in the request or the body too.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "nlb")
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| no_agent(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let answer = sender.send_request(request).await.map_err(|source| self.broken(source))?;
        Ok((answer.status(), answer.into_body()))
    }

    async fn collect(&self, body: Incoming) -> Result<Vec<u8>, ClientError> {
        Ok(body.collect().await.map_err(|source| self.broken(source))?.to_bytes().to_vec())
    }

    fn parse<T: DeserializeOwned>(&self, status: StatusCode, bytes: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(bytes).map_err(|source| ClientError::Unexpected {
            socket: self.socket.clone(),
            status,
            source,
        })
    }

    fn refusal(&self, status: StatusCode, bytes: &[u8]) -> ClientError {
        match self.parse::<ErrorBody>(status, bytes) {
            Ok(body) => ClientError::Refused { status, detail: body.error },
            Err(error) => error,
        }
    }

    fn broken(&self, source: hyper::Error) -> ClientError {
        ClientError::Broken { socket: self.socket.clone(), source }
    }
}
