//! The API server, and who the agent is to it.

use std::fs;
use std::path::PathBuf;

use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answers::Status;
use crate::http::{Answer, Service};
use crate::providers::ProviderError;
use crate::providers::settings::{Settings, reason};

/// Where a pod finds its cluster's server, and what to say and believe there.
const SERVER: &str = "https://kubernetes.default.svc";
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const ROOTS: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// The API server.
#[derive(Debug)]
pub(super) struct Api {
    service: Service,
    /// The file with the token; read for each call, for it is replaced every hour.
    token: Option<PathBuf>,
}

impl Api {
    /// As `settings` say; without any, as for a pod.
    pub(super) fn new(settings: Settings<'_>) -> Result<Self, ProviderError> {
        let (server, token, roots) =
            (settings.text("server")?, settings.path("token_file")?, settings.path("ca_file")?);
        let own = |path: &str| server.is_none().then(|| PathBuf::from(path));
        let service = Service::parse(server.unwrap_or(SERVER));
        let service = service.map_err(|error| settings.wrong("server", error.to_string()))?;
        if token.is_some() && !service.is_private() {
            let problem = "would let everybody on the way read the token: use an `https` address";
            return Err(settings.wrong("server", problem));
        }
        Ok(Self { service: service.trusting(roots.or_else(|| own(ROOTS))), token: token.or_else(|| own(TOKEN)) })
    }

    /// Asks for an object, or changes it: `patch` is merged into it (RFC 7386).
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        patch: Option<&Value>,
    ) -> Result<T, ProviderError> {
        let what = format!("{method} {path}");
        let answer = self.send(method, path, patch).await?;
        if !answer.status.is_success() {
            return Err(refused(what, &answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| ProviderError::Unavailable {
            what,
            reason: format!("its answer is not understood: {error}"),
        })
    }

    /// Deletes an object, which may be gone already.
    pub(super) async fn delete(&self, path: &str) -> Result<(), ProviderError> {
        let answer = self.send(Method::DELETE, path, None).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(refused(format!("DELETE {path}"), &answer))
    }

    async fn send(&self, method: Method, path: &str, patch: Option<&Value>) -> Result<Answer, ProviderError> {
        let failed = |reason: String| ProviderError::Unavailable { what: format!("{method} {path}"), reason };
        let mut request = Request::builder().method(method.clone()).uri(self.service.path(path));
        request = request.header(ACCEPT, "application/json").header(CONTENT_TYPE, "application/merge-patch+json");
        if let Some(file) = &self.token {
            let token = fs::read_to_string(file).map_err(|error| failed(format!("{}: {error}", file.display())))?;
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        let body = patch.map(|patch| patch.to_string().into_bytes()).unwrap_or_default();
        self.service.send(request, body).await.map_err(|error| failed(error.to_string()))
    }
}

fn refused(what: String, answer: &Answer) -> ProviderError {
    let told = serde_json::from_slice::<Status>(&answer.body).map(|status| status.message);
    let told = told.unwrap_or_else(|_| reason(&answer.body));
    ProviderError::Unavailable { what, reason: format!("{}: {told}", answer.status) }
}
