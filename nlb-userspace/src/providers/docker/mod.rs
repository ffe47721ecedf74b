//! Instances as containers, by the HTTP API of Docker's engine, which Podman's service speaks as well.
//!
//! A container's labels say whose it is, and its name is that of its launch: the engine gives a name once, so that a launch that is
//! asked for twice makes one. Labels can't change, so what is stopped for the warm pool is told by its name from what ended by itself.

mod answers;
mod settings;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use self::answers::{Complaint, Container, Created};
use self::settings::ContainerSettings;
use super::settings::{Settings, reason};
use super::{Launch, Provided, Provider, ProviderError};
use crate::autoscale::model::{InstanceId, LaunchTemplate, Token};
use crate::http::{Answer, Service};
use crate::model::Name;

/// The label that names the autoscaling group.
const GROUP: &str = "nlb.group";

/// The label that names the launch.
const TOKEN: &str = "nlb.token";

/// What the name of a container that was stopped ends with.
const STOPPED: &str = ".stopped";

/// The engine.
#[derive(Debug)]
pub(super) struct Docker {
    template: LaunchTemplate,
    settings: ContainerSettings,
    engine: Service,
}

impl Docker {
    /// The provider that `template` describes.
    pub(super) fn new(template: &LaunchTemplate) -> Result<Self, ProviderError> {
        let settings = ContainerSettings::of(template)?;
        let engine = Service::unix(&settings.socket);
        Ok(Self { template: template.clone(), settings, engine })
    }

    /// Asks the engine for something; only an engine that can't be reached is an error.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, ProviderError> {
        let failed = |reason: String| ProviderError::Unavailable { what: format!("{method} {path}"), reason };
        let request = Request::builder().method(method.clone()).uri(path).header(CONTENT_TYPE, "application/json");
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.engine.send(request, body).await.map_err(|error| failed(error.to_string()))
    }

    /// Asks for something that has to be done, or to be so already: the engine has a code for that.
    async fn order(&self, method: Method, path: &str, also_good: &[StatusCode]) -> Result<(), ProviderError> {
        let answer = self.ask(method.clone(), path, None).await?;
        if answer.status.is_success() || also_good.contains(&answer.status) {
            return Ok(());
        }
        Err(refused(&format!("{method} {path}"), &answer))
    }

    /// The containers that have a label.
    async fn containers(&self, label: &str, value: &str) -> Result<Vec<Container>, ProviderError> {
        let filter = json!({ "label": [format!("{label}={value}")] }).to_string();
        let words = serde_urlencoded::to_string([("all", "true"), ("filters", &filter)]).unwrap_or_default();
        let path = format!("/containers/json?{words}");
        let answer = self.ask(Method::GET, &path, None).await?;
        if !answer.status.is_success() {
            return Err(refused("list containers", &answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| not_understood("list containers", &error))
    }

    async fn of_token(&self, token: &Token) -> Result<Option<Container>, ProviderError> {
        Ok(self.containers(TOKEN, &token.0).await?.into_iter().next())
    }

    async fn begin(&self, launch: &Launch) -> Result<InstanceId, ProviderError> {
        let known = match self.of_token(&launch.token).await? {
            Some(known) => known,
            None => match self.create(launch).await? {
                Some(id) => Container::created(id),
                // Somebody was quicker: a call that was given up, and went on in the engine.
                None => self.of_token(&launch.token).await?.ok_or_else(|| ProviderError::Unavailable {
                    what: format!("create container {}", launch.token),
                    reason: format!("its name is that of another container: remove `{}`", self.name(&launch.token)),
                })?,
            },
        };
        if known.is_new() {
            let also_good = [StatusCode::NOT_MODIFIED];
            self.order(Method::POST, &format!("/containers/{}/start", known.id), &also_good).await?;
        }
        Ok(InstanceId(known.id))
    }

    /// Makes a container; `None` when its name is taken.
    async fn create(&self, launch: &Launch) -> Result<Option<String>, ProviderError> {
        // A template of before may differ from this provider's own.
        let settings = ContainerSettings::of(&launch.template)?;
        let what = format!("create container {}", launch.token);
        let path = format!("/containers/create?name={}", self.name(&launch.token));
        let body = settings.container(launch, &[(GROUP, launch.group.as_str()), (TOKEN, &launch.token.0)]);
        let answer = self.ask(Method::POST, &path, Some(&body)).await?;
        match answer.status {
            StatusCode::CONFLICT => Ok(None),
            StatusCode::NOT_FOUND => Err(Settings(&launch.template)
                .wrong("image", format!("is {:?}: {}: pull it first", settings.image, told(&answer)))),
            StatusCode::BAD_REQUEST => Err(Settings(&launch.template)
                .wrong("image", format!("or what is to run in it is refused: {}", told(&answer)))),
            status if status.is_success() => {
                let created: Created =
                    serde_json::from_slice(&answer.body).map_err(|error| not_understood(&what, &error))?;
                Ok(Some(created.id))
            }
            _ => Err(refused(&what, &answer)),
        }
    }

    async fn end(&self, id: &InstanceId) -> Result<(), ProviderError> {
        let gone = [StatusCode::NOT_FOUND, StatusCode::NOT_MODIFIED, StatusCode::CONFLICT];
        let seconds = self.settings.stop_timeout.as_secs();
        self.order(Method::POST, &format!("/containers/{id}/stop?t={seconds}"), &gone).await?;
        self.order(Method::DELETE, &format!("/containers/{id}?force=true&v=true"), &gone).await
    }

    async fn pause(&self, group: &Name, id: &InstanceId) -> Result<(), ProviderError> {
        // Named first: one that stands still for the while is no instance that failed.
        self.rename(group, id, STOPPED).await?;
        let seconds = self.settings.stop_timeout.as_secs();
        let path = format!("/containers/{id}/stop?t={seconds}");
        self.order(Method::POST, &path, &[StatusCode::NOT_MODIFIED]).await
    }

    async fn go_on(&self, group: &Name, id: &InstanceId) -> Result<(), ProviderError> {
        self.order(Method::POST, &format!("/containers/{id}/start"), &[StatusCode::NOT_MODIFIED]).await?;
        self.rename(group, id, "").await
    }

    /// Gives a container the name of its launch, and `ending` behind it.
    async fn rename(&self, group: &Name, id: &InstanceId, ending: &str) -> Result<(), ProviderError> {
        let containers = self.containers(GROUP, group.as_str()).await?;
        let Some(container) = containers.into_iter().find(|container| container.id == id.0) else {
            return Err(ProviderError::Unavailable {
                what: format!("look for container {id}"),
                reason: "there is none".to_owned(),
            });
        };
        let Some(token) = container.labels.get(TOKEN) else { return Ok(()) };
        let name = format!("{}{ending}", self.name(&Token(token.clone())));
        if container.is_called(&name) {
            return Ok(());
        }
        self.order(Method::POST, &format!("/containers/{id}/rename?name={name}"), &[]).await
    }

    fn name(&self, token: &Token) -> String {
        format!("{}{token}", self.settings.prefix)
    }

    async fn listed(&self, group: &Name) -> Result<Vec<Provided>, ProviderError> {
        let containers = self.containers(GROUP, group.as_str()).await?;
        Ok(containers.into_iter().map(|container| container.provided(TOKEN, STOPPED, &self.template)).collect())
    }
}

/// What an answer that isn't good says.
fn told(answer: &Answer) -> String {
    let complaint = serde_json::from_slice::<Complaint>(&answer.body).map(|complaint| complaint.message);
    complaint.unwrap_or_else(|_| format!("{}: {}", answer.status, reason(&answer.body)))
}

fn refused(what: &str, answer: &Answer) -> ProviderError {
    ProviderError::Unavailable { what: what.to_owned(), reason: told(answer) }
}

fn not_understood(what: &str, error: &serde_json::Error) -> ProviderError {
    ProviderError::Unavailable { what: what.to_owned(), reason: format!("its answer is not understood: {error}") }
}

impl Provider for Docker {
    fn list<'a>(&'a self, group: &'a Name) -> BoxFuture<'a, Result<Vec<Provided>, ProviderError>> {
        self.listed(group).boxed()
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<InstanceId, ProviderError>> {
        self.begin(launch).boxed()
    }

    fn terminate<'a>(&'a self, _: &'a Name, ids: &'a [InstanceId]) -> BoxFuture<'a, Result<(), ProviderError>> {
        try_join_all(ids.iter().map(|id| self.end(id))).map(|ended| ended.map(drop)).boxed()
    }

    fn stop<'a>(&'a self, group: &'a Name, id: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.pause(group, id).boxed()
    }

    fn start<'a>(&'a self, group: &'a Name, id: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.go_on(group, id).boxed()
    }
}
