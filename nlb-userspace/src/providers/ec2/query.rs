//! The query protocol of both APIs: a form is posted, XML comes back.

use std::time::SystemTime;

use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};

use super::answers;
use super::credentials::Source;
use super::signature::{Scope, Signed, authorization};
use crate::http::Service;
use crate::providers::ProviderError;
use crate::providers::settings::{Settings, reason};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    AutoScaling,
    Ec2,
}

impl Api {
    const fn name(self) -> &'static str {
        match self {
            Self::AutoScaling => "autoscaling",
            Self::Ec2 => "ec2",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::AutoScaling => "2011-01-01",
            Self::Ec2 => "2016-11-15",
        }
    }
}

/// Why an answer is of no use.
#[derive(Debug)]
pub(super) enum Failure {
    /// The API says so.
    Refused {
        /// `ValidationError`, `AccessDenied`, …
        code: String,
        /// For people.
        message: String,
    },
    /// There is none, or nobody can read it.
    Broken(String),
}

impl Failure {
    /// An answer that isn't what it should be.
    pub(super) fn unread(reason: impl std::fmt::Display) -> Self {
        Self::Broken(format!("its answer is not understood: {reason}"))
    }

    /// For whoever asked for `what`.
    pub(super) fn told(self, what: &str) -> ProviderError {
        let reason = match self {
            Self::Refused { code, message } => format!("{code}: {message}"),
            Self::Broken(reason) => reason,
        };
        ProviderError::Unavailable { what: what.to_owned(), reason }
    }
}

/// Asks the APIs of one region.
#[derive(Debug)]
pub(super) struct Query {
    region: String,
    auto_scaling: Service,
    ec2: Service,
    credentials: Source,
}

impl Query {
    /// As `settings` say.
    pub(super) fn new(settings: Settings<'_>) -> Result<Self, ProviderError> {
        let region = settings.required("region", "eu-central-1")?;
        if region.is_empty() || !region.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') {
            return Err(settings.wrong("region", format!("is no region: {region:?}: give one as \"eu-central-1\"")));
        }
        let endpoint = settings.text("endpoint")?;
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let service = |api: Api| {
            let own = format!("https://{}.{region}.{domain}", api.name());
            Service::parse(endpoint.unwrap_or(&own)).map_err(|error| settings.wrong("endpoint", error.to_string()))
        };
        Ok(Self {
            region: region.to_owned(),
            auto_scaling: service(Api::AutoScaling)?,
            ec2: service(Api::Ec2)?,
            credentials: Source::new(settings.path("credentials_file")?),
        })
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Makes one call.
    pub(super) async fn ask(&self, api: Api, action: &str, words: &[(&str, String)]) -> Result<String, Failure> {
        let broken = |error: &dyn std::fmt::Display| Failure::Broken(error.to_string());
        let service = if api == Api::Ec2 { &self.ec2 } else { &self.auto_scaling };
        let credentials = self.credentials.get().await.map_err(Failure::Broken)?;
        let named = [("Action", action), ("Version", api.version())];
        let words: Vec<_> = named.into_iter().chain(words.iter().map(|(key, word)| (*key, word.as_str()))).collect();
        let body = serde_urlencoded::to_string(&words).map_err(|error| broken(&error))?;
        let time = time(SystemTime::now());
        let path = service.path("/");
        let mut headers = vec![("content-type", FORM), ("host", service.authority()), ("x-amz-date", &time)];
        headers.extend(credentials.session.iter().map(|token| ("x-amz-security-token", token.as_str())));
        let signed = Signed { method: "POST", path: &path, query: "", headers: &headers, body: body.as_bytes() };
        let scope = Scope { region: &self.region, service: api.name(), time: &time };
        let mut request = Request::post(&path)
            .header(AUTHORIZATION, authorization(&signed, scope, &credentials))
            .header(CONTENT_TYPE, FORM)
            .header("x-amz-date", &time);
        if let Some(token) = &credentials.session {
            request = request.header("x-amz-security-token", token);
        }
        let answer = service.send(request, body.into_bytes()).await.map_err(|error| broken(&error))?;
        let text = String::from_utf8(answer.body.to_vec()).map_err(Failure::unread)?;
        if answer.status.is_success() {
            return Ok(text);
        }
        Err(match answers::failure(&text) {
            Some((code, message)) => Failure::Refused { code, message },
            None => Failure::Broken(format!("it answered {}: {}", answer.status, reason(text.as_bytes()))),
        })
    }
}

/// `20150830T123600Z`.
fn time(now: SystemTime) -> String {
    let now = jiff::Timestamp::try_from(now).unwrap_or_default();
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}
