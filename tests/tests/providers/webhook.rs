//! A service of the user's.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::body::Bytes;
use axum::extract::{Path as Called, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Json, Router};
use nlb_userspace::autoscale::model::{LaunchTemplate, ProviderKind, TemplateVersion};
use nlb_userspace::providers::{self, ProviderError};
use ring::hmac;
use serde_json::{Value, json};

use crate::contract::{Tried, run};

const SECRET: &str = "a secret";

/// Instances by group and token: address and state.
type Instances = Arc<Mutex<BTreeMap<(String, String), (u8, &'static str)>>>;

/// A launcher that takes what is signed with [`SECRET`], and keeps its instances in memory.
async fn launcher(
    State(instances): State<Instances>,
    Called(call): Called<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_signed(&call, &headers, &body) {
        return (StatusCode::FORBIDDEN, "who are you?").into_response();
    }
    let input: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |key: &str| input[key].as_str().unwrap_or_default().to_owned();
    let (group, mut instances) = (text("group"), instances.lock().expect("no test panics with it"));
    match &*call {
        "launch" => {
            let last = instances.values().map(|(last, _)| *last).max().unwrap_or_default();
            instances.entry((group, text("token"))).or_insert((last + 1, "running"));
            Json(json!({ "id": text("token") })).into_response()
        }
        "list" => {
            let of_group = instances.iter().filter(|((of, _), _)| *of == group);
            let listed: Vec<_> = of_group
                .map(|((_, token), (last, state))| {
                    let address = format!("10.0.0.{last}");
                    json!({ "id": token, "token": token, "address": address, "state": { "kind": state } })
                })
                .collect();
            Json(json!({ "instances": listed })).into_response()
        }
        "terminate" => {
            for id in input["ids"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                instances.remove(&(group.clone(), id.to_owned()));
            }
            StatusCode::NO_CONTENT.into_response()
        }
        call => {
            let state = if call == "stop" { "stopped" } else { "running" };
            instances.entry((group, text("id"))).and_modify(|instance| instance.1 = state);
            StatusCode::ACCEPTED.into_response()
        }
    }
}

fn is_signed(call: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = [header("nlb-timestamp").as_bytes(), b"\n", call.as_bytes(), b"\n", body].concat();
    let told = header("nlb-signature").strip_prefix("sha256=").unwrap_or_default();
    let told: Vec<u8> =
        (0..told.len() / 2).filter_map(|at| u8::from_str_radix(&told[2 * at..2 * at + 2], 16).ok()).collect();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &signed, &told).is_ok()
}

/// Serves until the test ends.
async fn serve(router: Router) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(address)
}

fn template(url: &str, secret: &Path) -> Result<LaunchTemplate> {
    let version = TemplateVersion { name: "web".parse()?, version: 1 };
    let settings = json!({ "url": url, "hmac_file": secret, "timeout": 1 });
    let settings = settings.as_object().cloned().unwrap_or_default();
    Ok(LaunchTemplate { version, provider: ProviderKind::Webhook, port: 80, settings })
}

#[test]
fn a_service_holds_to_the_contract_and_is_asked_by_whoever_has_the_secret() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let secret = dir.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n"))?;
    run(async {
        let router = Router::new().route("/nlb/{call}", post(launcher)).with_state(Instances::default());
        let template = template(&format!("http://{}/nlb/", serve(router).await?), &secret)?;
        let provider = providers::open(&template, dir.path())?;
        Tried { provider: &*provider, template: &template }.holds().await?;
        // The file is read anew for each call.
        fs::write(&secret, "another secret")?;
        let refused = provider.list(&"web".parse()?).await.expect_err("it is not signed as it should be");
        ensure!(refused.to_string().contains("403 Forbidden: who are you?"), "{refused}");
        Ok(())
    })
}

#[test]
fn what_a_service_answers_says_what_is_wrong() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let secret = dir.path().join("secret");
    fs::write(&secret, SECRET)?;
    let answer = |Called((how, _)): Called<(String, String)>| async move {
        match &*how {
            "room" => (StatusCode::INSUFFICIENT_STORAGE, "full").into_response(),
            "settings" => (StatusCode::UNPROCESSABLE_ENTITY, "no image").into_response(),
            "cannot" => StatusCode::NOT_IMPLEMENTED.into_response(),
            "breaks" => (StatusCode::INTERNAL_SERVER_ERROR, "out of order").into_response(),
            "silent" => StatusCode::BAD_GATEWAY.into_response(),
            "elsewhere" => Redirect::temporary("/nlb/list").into_response(),
            "babbles" => "hello".into_response(),
            "lies" => Json(json!({ "instances": [{ "id": "i", "state": { "kind": "splendid" } }] })).into_response(),
            _ => std::future::pending().await,
        }
    };
    type Is = fn(&ProviderError) -> bool;
    let failed: Is = |error| matches!(error, ProviderError::Unavailable { .. });
    let cases: [(&str, Is, &str); 9] = [
        ("room", |error| matches!(error, ProviderError::Capacity(_)), "full"),
        ("settings", |error| matches!(error, ProviderError::Settings { .. }), "no image"),
        ("cannot", |error| matches!(error, ProviderError::Unsupported("list")), "list"),
        ("breaks", failed, "500 Internal Server Error: out of order"),
        ("silent", failed, "502 Bad Gateway"),
        ("elsewhere", failed, "307 Temporary Redirect"),
        ("babbles", failed, "not understood"),
        ("lies", failed, "splendid"),
        (
            "hangs",
            |error| matches!(error, ProviderError::TimedOut { limit, .. } if *limit == Duration::from_secs(1)),
            "1s",
        ),
    ];
    run(async {
        let at = serve(Router::new().route("/{how}/{call}", post(answer))).await?;
        for (how, is_right, words) in cases {
            let provider = providers::open(&template(&format!("http://{at}/{how}"), &secret)?, dir.path())?;
            let error = provider.list(&"web".parse()?).await.expect_err("it can't succeed");
            ensure!(is_right(&error) && error.to_string().contains(words), "{how}: {error}");
        }
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let provider = providers::open(&template(&format!("http://{nobody}"), &secret)?, dir.path())?;
        let error = provider.list(&"web".parse()?).await.expect_err("nobody is there");
        ensure!(failed(&error) && error.to_string().contains(&nobody.to_string()), "{error}");
        Ok(())
    })
}
