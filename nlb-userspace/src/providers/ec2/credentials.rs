//! Who the agent is to AWS: a credentials file, the environment, or the role of the machine that it runs on.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{env, fs};

use hyper::Request;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::http::Service;

/// A role's credentials are asked for anew so long before they expire.
const AHEAD: Duration = Duration::from_secs(300);

/// The machine's own service that hands out its role's credentials.
const METADATA: &str = "http://169.254.169.254";

/// How long that one may take: where there is none, nobody answers.
const LIMIT: Duration = Duration::from_secs(2);

const ROLE: &str = "/latest/meta-data/iam/security-credentials/";

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
    /// Goes with keys of limited life.
    pub(super) session: Option<String>,
    pub(super) expires: Option<SystemTime>,
}

/// Where they come from.
#[derive(Debug)]
pub(super) struct Source {
    file: Option<PathBuf>,
    /// The role's.
    kept: Mutex<Option<Credentials>>,
}

impl std::fmt::Debug for Credentials {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Source {
    /// `file`, or else whatever there is.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, kept: Mutex::default() }
    }

    /// Those that are good now.
    pub(super) async fn get(&self) -> Result<Credentials, String> {
        if let Some(file) = &self.file {
            return of_file(file);
        }
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            return Ok(Credentials { id, secret, session: variable("AWS_SESSION_TOKEN"), expires: None });
        }
        let mut kept = self.kept.lock().await;
        let is_good = |one: &&Credentials| one.expires.is_some_and(|until| until > SystemTime::now() + AHEAD);
        if let Some(good) = kept.as_ref().filter(is_good) {
            return Ok(good.clone());
        }
        let of_role = tokio::time::timeout(LIMIT, of_role(METADATA)).await;
        let of_role = of_role.unwrap_or_else(|_| Err("its metadata service does not answer".to_owned()));
        let fresh = of_role.map_err(|why| {
            format!(
                "no credentials: set `settings.credentials_file`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give \
                 the machine a role ({why})"
            )
        })?;
        Ok(kept.insert(fresh).clone())
    }
}

/// Those of `[default]` in a file as AWS's tools have it.
fn of_file(path: &Path) -> Result<Credentials, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().map(str::trim).skip_while(|line| *line != "[default]").skip(1);
    let pairs: Vec<_> =
        lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('=')).collect();
    let value = |key: &str| {
        let found = pairs.iter().find(|(name, value)| name.trim() == key && !value.trim().is_empty());
        found.map(|(_, value)| value.trim().to_owned())
    };
    let needed = |key: &str| value(key).ok_or_else(|| format!("{}: `[default]` has no `{key} = …`", path.display()));
    Ok(Credentials {
        id: needed("aws_access_key_id")?,
        secret: needed("aws_secret_access_key")?,
        session: value("aws_session_token"),
        expires: None,
    })
}

/// Those of the machine's role, by version 2 of its metadata service at `url`.
async fn of_role(url: &str) -> Result<Credentials, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        access_key_id: String,
        secret_access_key: String,
        token: String,
        /// RFC 3339.
        expiration: String,
    }
    let service = Service::parse(url).map_err(|error| error.to_string())?;
    let put = Request::put(service.path("/latest/api/token")).header("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let token = text(&service, put).await?;
    let get = |path: &str| Request::get(service.path(path)).header("x-aws-ec2-metadata-token", &token);
    let role = text(&service, get(ROLE)).await?;
    let role = role.lines().next().unwrap_or_default();
    let answer = text(&service, get(&format!("{ROLE}{role}"))).await?;
    let answer: Answer = serde_json::from_str(&answer).map_err(|error| format!("role {role}: {error}"))?;
    Ok(Credentials {
        id: answer.access_key_id,
        secret: answer.secret_access_key,
        session: Some(answer.token),
        expires: answer.expiration.parse().ok().map(|until: jiff::Timestamp| until.into()),
    })
}

async fn text(service: &Service, request: hyper::http::request::Builder) -> Result<String, String> {
    let answer = service.send(request, Vec::new()).await.map_err(|error| error.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("its metadata service answered {}", answer.status));
    }
    String::from_utf8(answer.body.to_vec()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::{get, put};

    use super::*;

    #[test]
    fn a_file_s_default_profile_is_taken_and_what_it_lacks_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let keys = "aws_access_key_id = A\naws_secret_access_key=s=/+\n";
        for (text, expected) in [
            (format!("[default]\n{keys}"), Ok(("A", "s=/+", None))),
            (
                format!("[other]\naws_access_key_id = B\n[default]\n# mine\n{keys}aws_session_token = t\n[more]\n"),
                Ok(("A", "s=/+", Some("t"))),
            ),
            (keys.to_owned(), Err("aws_access_key_id")),
            (
                "[default]\naws_access_key_id = A\n[other]\naws_secret_access_key = s\n".to_owned(),
                Err("aws_secret_access_key"),
            ),
        ] {
            fs::write(&file, &text).unwrap();
            let read = of_file(&file);
            match (expected, read) {
                (Ok((id, secret, session)), Ok(read)) => {
                    assert_eq!((&*read.id, &*read.secret, read.session.as_deref()), (id, secret, session));
                }
                (Err(key), Err(why)) => assert!(why.contains(key) && why.contains("credentials: "), "{why}"),
                (expected, read) => panic!("{text}: {expected:?}, {read:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_role_s_credentials_are_had_with_a_token_of_the_metadata_service() {
        let answer = r#"{"Code":"Success","AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
        let guarded = |answer: &'static str| {
            async move |headers: HeaderMap| {
                let has_token = headers.get("x-aws-ec2-metadata-token").is_some_and(|token| token == "word");
                if has_token { (StatusCode::OK, answer) } else { (StatusCode::UNAUTHORIZED, "") }
            }
        };
        let router = Router::new()
            .route("/latest/api/token", put(async || "word"))
            .route(ROLE, get(guarded("edge\n")))
            .route(&format!("{ROLE}edge"), get(guarded(answer)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        let credentials = of_role(&url).await.unwrap();
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        assert_eq!((&*credentials.id, &*credentials.secret), ("A", "s"));
        assert_eq!((credentials.session.as_deref(), credentials.expires), (Some("t"), Some(until)));
        assert!(!format!("{credentials:?}").contains("\"s\""), "{credentials:?}");
    }
}
