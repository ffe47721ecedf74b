//! A Deployment, in a fake of the API server that does what the real one and its controllers do with the few objects in question:
//! scale, selector, merge patches, deletion with its grace, and which pod a controller deletes first.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use axum::extract::{Path as Named, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json, Router};
use nlb_userspace::autoscale::model::{LaunchTemplate, ProviderKind, TemplateVersion};
use nlb_userspace::providers;
use serde_json::{Value, json};

use crate::contract::{Tried, run};

const NAMESPACE: &str = "/api/v1/namespaces/shop";
const SCALE: &str = "/apis/apps/v1/namespaces/shop/deployments/web/scale";

#[derive(Clone, Default)]
struct Cluster(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    replicas: usize,
    pods: BTreeMap<String, Pod>,
    next: u8,
}

#[derive(Default)]
struct Pod {
    annotations: BTreeMap<String, String>,
    last: u8,
    /// Looks at it so far: it runs from the second on, and is gone soon after its deletion.
    looks: u8,
    deleted: Option<u8>,
}

impl Pod {
    fn cost(&self) -> i64 {
        let cost = self.annotations.get("controller.kubernetes.io/pod-deletion-cost");
        cost.and_then(|cost| cost.parse().ok()).unwrap_or_default()
    }
}

impl World {
    /// What the controller does: as many pods as there are to be, not counting those on their way out. Of those too many go
    /// first what doesn't run, then what is cheap, then the younger.
    fn control(&mut self) {
        let live = |pods: &BTreeMap<String, Pod>| pods.values().filter(|pod| pod.deleted.is_none()).count();
        while live(&self.pods) < self.replicas {
            self.next += 1;
            let pod = Pod { last: self.next, ..Pod::default() };
            self.pods.insert(format!("web-{:x}-{:x}", 0x5d_u32 + u32::from(self.next) * 7919, self.next), pod);
        }
        while live(&self.pods) > self.replicas {
            let live = self.pods.values_mut().filter(|pod| pod.deleted.is_none());
            if let Some(pod) = live.min_by_key(|pod| (pod.looks > 1, pod.cost(), u8::MAX - pod.last)) {
                pod.deleted = Some(pod.looks);
            }
        }
    }

    fn list(&mut self) -> Value {
        self.pods.retain(|_, pod| pod.deleted.is_none_or(|at| pod.looks < at + 2));
        let items = self.pods.iter_mut().map(|(name, pod)| {
            pod.looks += 1;
            let phase = if pod.looks > 1 { "Running" } else { "Pending" };
            let mut shown = json!({
                "metadata": { "name": name, "annotations": pod.annotations, "creationTimestamp": "2026-11-28T21:00:00Z" },
                "status": { "phase": phase },
            });
            if pod.looks > 1 {
                shown["status"]["podIP"] = json!(format!("10.244.0.{}", pod.last));
            }
            if pod.deleted.is_some() {
                shown["metadata"]["deletionTimestamp"] = json!("2026-11-28T21:01:00Z");
            }
            shown
        });
        json!({ "kind": "PodList", "items": items.collect::<Vec<_>>() })
    }
}

impl Cluster {
    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.0.lock().expect("no test panics with it"))
    }

    fn scale(&self) -> Value {
        let replicas = self.with(|world| world.replicas);
        // As the real one, which leaves out what is 0.
        let spec = if replicas == 0 { json!({}) } else { json!({ "replicas": replicas }) };
        json!({ "kind": "Scale", "spec": spec, "status": { "replicas": replicas, "selector": "app=web,tier=a" } })
    }

    fn router(&self) -> Router {
        let list = async |State(cluster): State<Self>, Query(words): Query<BTreeMap<String, String>>| match words
            .get("labelSelector")
            .map(String::as_str)
        {
            Some("app=web,tier=a") => Json(cluster.with(World::list)).into_response(),
            other => failure(StatusCode::BAD_REQUEST, &format!("no pods of {other:?}")),
        };
        let annotate = async |State(cluster): State<Self>, Named(name): Named<String>, Json(patch): Json<Value>| {
            let annotations: BTreeMap<String, String> =
                serde_json::from_value(patch["metadata"]["annotations"].clone()).unwrap_or_default();
            cluster.with(|world| match world.pods.get_mut(&name) {
                Some(pod) => {
                    pod.annotations.extend(annotations);
                    Json(json!({ "kind": "Pod" })).into_response()
                }
                None => failure(StatusCode::NOT_FOUND, "pods not found"),
            })
        };
        let delete = async |State(cluster): State<Self>, Named(name): Named<String>| {
            cluster.with(|world| {
                let Some(pod) = world.pods.get_mut(&name) else {
                    return failure(StatusCode::NOT_FOUND, "pods not found");
                };
                pod.deleted.get_or_insert(pod.looks);
                world.control();
                Json(json!({ "kind": "Pod" })).into_response()
            })
        };
        let resize = async |State(cluster): State<Self>, Json(patch): Json<Value>| {
            let replicas = patch["spec"]["replicas"].as_u64().unwrap_or_default();
            cluster.with(|world| {
                world.replicas = usize::try_from(replicas).unwrap_or_default();
                world.control();
            });
            Json(cluster.scale())
        };
        Router::new()
            .route(SCALE, get(async |State(cluster): State<Self>| Json(cluster.scale())).patch(resize))
            .route(&format!("{NAMESPACE}/pods"), get(list))
            .route(&format!("{NAMESPACE}/pods/{{name}}"), patch(annotate).delete(delete))
            .with_state(self.clone())
            .layer(from_fn(guard))
    }
}

fn failure(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "kind": "Status", "status": "Failure", "message": message }))).into_response()
}

/// Lets in who has the token, and takes patches of the kind that the API server takes.
async fn guard(mut request: Request, next: Next) -> Response {
    let says = |request: &Request, name, word: &str| request.headers().get(name).is_some_and(|value| value == word);
    let is_known = says(&request, header::AUTHORIZATION, "Bearer a-token");
    let is_patch = request.method() == "PATCH";
    let is_merge = says(&request, header::CONTENT_TYPE, "application/merge-patch+json");
    if !is_known {
        return failure(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    if is_patch && !is_merge {
        return failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body of the request was in an unknown format");
    }
    // What axum reads as JSON says that it is.
    request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    next.run(request).await
}

async fn serve(router: Router) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(address)
}

fn template(server: SocketAddr, token: &Path, workload: &str) -> Result<LaunchTemplate> {
    let version = TemplateVersion { name: "web".parse()?, version: 1 };
    let server = format!("http://{server}");
    let settings = json!({ "workload": workload, "namespace": "shop", "server": server, "token_file": token });
    let settings = settings.as_object().cloned().unwrap_or_default();
    Ok(LaunchTemplate { version, provider: ProviderKind::Kubernetes, port: 80, settings })
}

#[test]
fn a_deployment_holds_to_the_contract() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let token = dir.path().join("token");
    fs::write(&token, "a-token\n")?;
    run(async {
        let cluster = Cluster::default();
        let server = serve(cluster.router()).await?;
        let template = template(server, &token, "deployments/web")?;
        let provider = providers::open(&template, dir.path())?;
        Tried { provider: &*provider, template: &template }.holds().await?;
        ensure!(cluster.with(|world| world.replicas) == 0, "pods are left");

        let missing = self::template(server, &token, "deployments/none")?;
        let refused = providers::open(&missing, dir.path())?.list(&"web".parse()?).await.expect_err("there is none");
        ensure!(refused.to_string().contains("deployments/none/scale: 404 Not Found"), "{refused}");
        fs::write(&token, "another")?;
        let refused = provider.list(&"web".parse()?).await.expect_err("the token is wrong");
        ensure!(refused.to_string().contains("401 Unauthorized: Unauthorized"), "{refused}");
        Ok(())
    })
}

#[test]
fn pods_of_another_agent_are_known_and_one_that_the_controller_chose_instead_is_made_up_for() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let token = dir.path().join("token");
    fs::write(&token, "a-token\n")?;
    run(async {
        let cluster = Cluster::default();
        let template = template(serve(cluster.router()).await?, &token, "deployments/web")?;
        let before = providers::open(&template, dir.path())?;
        let first = Tried { provider: &*before, template: &template }.launch("web", 1).await?;
        let provider = providers::open(&template, dir.path())?;
        let tried = Tried { provider: &*provider, template: &template };
        ensure!(tried.launch("web", 1).await? == first, "a token made another pod");
        // One that does not run yet: when the number falls, a controller takes it, whatever others cost.
        cluster.with(|world| {
            world.replicas = 2;
            world.control();
        });
        provider.terminate(&"web".parse()?, std::slice::from_ref(&first)).await?;
        tried.until("the named one is gone", "web", <[_]>::is_empty).await?;
        let second = tried.launch("web", 2).await?;
        tried.until("another serves", "web", |listed| listed.len() == 1 && listed[0].id == second).await?;
        ensure!(cluster.with(|world| world.replicas) == 1, "there are more pods than launches");
        Ok(())
    })
}
