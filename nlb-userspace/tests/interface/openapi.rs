//! The OpenAPI document against the code: the committed file is what the routes declare, and answers are as declared.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use nlb_userspace::api::openapi;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::agent::Agent;

#[test]
fn the_committed_file_is_what_the_code_declares() {
    let committed = include_str!("../../openapi.json");
    assert!(
        committed == openapi::text(),
        "nlb-userspace/openapi.json is old. Write it again:\n\
         cargo run -q -p nlb-userspace -- openapi > nlb-userspace/openapi.json.new && \
         mv nlb-userspace/openapi.json.new nlb-userspace/openapi.json"
    );
}

/// Every operation with requests that take it to each answer it can be brought to: path, body, expected status.
const REQUESTS: &[(&str, &str, &str, Option<&str>, u16)] = &[
    ("get", "/v1/status", "/v1/status", None, 200),
    ("get", "/v1/config", "/v1/config", None, 200),
    ("get", "/v1/listeners", "/v1/listeners", None, 200),
    ("get", "/v1/listeners/{name}", "/v1/listeners/web-http", None, 200),
    ("get", "/v1/listeners/{name}", "/v1/listeners/nope", None, 404),
    ("get", "/v1/listeners/{name}", "/v1/listeners/-", None, 400),
    ("get", "/v1/target-groups", "/v1/target-groups", None, 200),
    ("get", "/v1/target-groups/{name}", "/v1/target-groups/web", None, 200),
    ("get", "/v1/target-groups/{name}", "/v1/target-groups/empty", None, 200),
    ("get", "/v1/target-groups/{name}", "/v1/target-groups/nope", None, 404),
    ("get", "/v1/targets", "/v1/targets", None, 200),
    ("get", "/v1/targets", "/v1/targets?group=dns", None, 200),
    ("get", "/v1/targets", "/v1/targets?groop=dns", None, 400),
    ("get", "/v1/targets", "/v1/targets?group=nope", None, 404),
    ("get", "/v1/stats", "/v1/stats", None, 200),
    ("post", REGISTER, "/v1/target-groups/web/targets", Some(r#"{"address":"10.0.0.9","port":80}"#), 201),
    ("post", REGISTER, "/v1/target-groups/web/targets", Some(r#"{"address":"10.0.0.1"}"#), 409),
    ("post", REGISTER, "/v1/target-groups/empty/targets", Some(r#"{"address":"10.0.0.1","port":0}"#), 422),
    ("post", REGISTER, "/v1/target-groups/nope/targets", Some(r#"{"address":"10.0.0.1"}"#), 404),
    ("post", REGISTER, "/v1/target-groups/web/targets", Some("{"), 400),
    ("post", REGISTER, "/v1/target-groups/web/targets", Some(r#"{"address":"10.0.0.1","wight":1}"#), 422),
    ("delete", TARGET, "/v1/target-groups/web/targets/10.0.0.1:80", None, 200),
    ("delete", TARGET, "/v1/target-groups/web/targets/2001:db8:1::3", None, 200),
    ("delete", TARGET, "/v1/target-groups/web/targets/%5B2001:db8:1::3%5D:80", None, 200),
    ("delete", TARGET, "/v1/target-groups/web/targets/10.0.0.1:81", None, 404),
    ("delete", TARGET, "/v1/target-groups/web/targets/nonsense", None, 400),
    ("put", WEIGHT, "/v1/target-groups/web/targets/10.0.0.1/weight", Some(r#"{"weight":7}"#), 200),
    ("put", WEIGHT, "/v1/target-groups/web/targets/10.0.0.1/weight", Some(r#"{"weight":1000}"#), 422),
    ("put", DRAIN, "/v1/target-groups/web/targets/10.0.0.1/drain", None, 200),
    ("put", DRAIN, "/v1/target-groups/web/targets/2001:db8:1::3/drain", None, 409),
    ("delete", DRAIN, "/v1/target-groups/web/targets/2001:db8:1::3/drain", None, 200),
    ("delete", DRAIN, "/v1/target-groups/web/targets/10.0.0.1/drain", None, 409),
    ("delete", DRAIN, "/v1/target-groups/web/targets/10.0.0.9/drain", None, 404),
    ("put", SHARES, "/v1/listeners/old/weights", Some(r#"{"shares":[{"target_group":"empty","weight":5}]}"#), 200),
    ("put", SHARES, "/v1/listeners/old/weights", Some(r#"{"shares":[{"target_group":"empty","weight":0}]}"#), 422),
    ("put", SHARES, "/v1/listeners/old/weights", Some(r#"{"shares":[{"target_group":"web","weight":5}]}"#), 422),
    ("put", SHARES, "/v1/listeners/old/weights", Some(r#"{"shares":[]}"#), 422),
    ("put", SHARES, "/v1/listeners/dns/weights", Some(r#"{"shares":[{"target_group":"dns","weight":5}]}"#), 409),
    ("put", SHARES, "/v1/listeners/nope/weights", Some(r#"{"shares":[{"target_group":"dns","weight":5}]}"#), 404),
    ("put", SHARES, "/v1/listeners/-/weights", Some(r#"{"shares":[{"target_group":"dns","weight":5}]}"#), 400),
    ("post", "/v1/reload", "/v1/reload", None, 200),
    ("get", "/v1/autoscaling-groups", "/v1/autoscaling-groups", None, 200),
    ("get", ASG, "/v1/autoscaling-groups/shop", None, 200),
    ("get", ASG, "/v1/autoscaling-groups/nope", None, 404),
    ("get", ASG, "/v1/autoscaling-groups/-", None, 400),
    ("get", ACTIVITIES, "/v1/autoscaling-groups/shop/activities", None, 200),
    ("get", EXPLANATION, "/v1/autoscaling-groups/shop/explanation", None, 200),
    ("get", FORECASTS, "/v1/autoscaling-groups/shop/forecasts", None, 200),
    ("put", HISTORY, "/v1/autoscaling-groups/shop/history", Some(PAST), 200),
    ("put", HISTORY, "/v1/autoscaling-groups/nope/history", Some(PAST), 404),
    (
        "put",
        HISTORY,
        "/v1/autoscaling-groups/shop/history",
        Some(r#"{"metric":"sum(bytes)","first":"2026-11-25T07:31:00Z","minutes":[]}"#),
        404,
    ),
    (
        "put",
        HISTORY,
        "/v1/autoscaling-groups/shop/history",
        Some(r#"{"metric":"sum(new_flows)","first":"2126-11-25T07:31:00Z","minutes":[1]}"#),
        422,
    ),
    (
        "put",
        HISTORY,
        "/v1/autoscaling-groups/shop/history",
        Some(r#"{"metric":"sum(new_flows)","first":"2026-11-25T07:31:00Z","minutes":[-1]}"#),
        422,
    ),
    (
        "put",
        HISTORY,
        "/v1/autoscaling-groups/shop/history",
        Some(r#"{"metric":"sum(","first":"2026-11-25T07:31:00Z","minutes":[1]}"#),
        422,
    ),
    ("put", HISTORY, "/v1/autoscaling-groups/shop/history", Some("{"), 400),
    ("put", DESIRED, "/v1/autoscaling-groups/shop/desired", Some(r#"{"desired":3}"#), 200),
    ("put", DESIRED, "/v1/autoscaling-groups/shop/desired", Some(r#"{"desired":5}"#), 409),
    ("put", DESIRED, "/v1/autoscaling-groups/shop/desired", Some(r#"{"desired":-1}"#), 422),
    ("put", DESIRED, "/v1/autoscaling-groups/nope/desired", Some(r#"{"desired":3}"#), 404),
    ("put", SUSPENDED, "/v1/autoscaling-groups/shop/suspended/launch", None, 200),
    ("put", SUSPENDED, "/v1/autoscaling-groups/shop/suspended/lunch", None, 400),
    ("delete", SUSPENDED, "/v1/autoscaling-groups/shop/suspended/launch", None, 200),
    ("put", PROTECTION, "/v1/autoscaling-groups/shop/instances/shop-1/protection", None, 200),
    ("delete", PROTECTION, "/v1/autoscaling-groups/shop/instances/shop-1/protection", None, 200),
    ("delete", PROTECTION, "/v1/autoscaling-groups/shop/instances/shop-99/protection", None, 404),
    ("post", HEARTBEAT, "/v1/autoscaling-groups/shop/instances/shop-1/hooks/ready/heartbeat", None, 200),
    ("post", HEARTBEAT, "/v1/autoscaling-groups/shop/instances/shop-1/hooks/other/heartbeat", None, 409),
    ("post", HOOK, "/v1/autoscaling-groups/shop/instances/shop-1/hooks/ready", Some(r#"{"result":"continue"}"#), 200),
    ("post", HOOK, "/v1/autoscaling-groups/shop/instances/shop-1/hooks/ready", Some(r#"{"result":"continue"}"#), 409),
    ("post", HOOK, "/v1/autoscaling-groups/shop/instances/shop-2/hooks/ready", Some(r#"{"result":"maybe"}"#), 422),
    ("post", REFRESH, "/v1/autoscaling-groups/shop/refresh", Some(r#"{"max_healthy":99}"#), 422),
    ("post", REFRESH, "/v1/autoscaling-groups/shop/refresh", Some(r#"{"min_healthy":50}"#), 200),
    ("post", REFRESH, "/v1/autoscaling-groups/shop/refresh", Some("{}"), 409),
    ("delete", REFRESH, "/v1/autoscaling-groups/shop/refresh", None, 200),
    ("delete", REFRESH, "/v1/autoscaling-groups/shop/refresh", None, 409),
    ("post", ROLLBACK, "/v1/autoscaling-groups/shop/refresh/rollback", None, 409),
    ("delete", INSTANCE, "/v1/autoscaling-groups/shop/instances/shop-2?decrement=true", None, 200),
    ("delete", INSTANCE, "/v1/autoscaling-groups/shop/instances/shop-2?decrement=perhaps", None, 400),
    ("delete", INSTANCE, "/v1/autoscaling-groups/shop/instances/shop-99", None, 404),
    (
        "get",
        "/v1/explain",
        "/v1/explain?source=198.51.100.7&source_port=1&destination=192.0.2.10&destination_port=80&protocol=tcp",
        None,
        200,
    ),
    (
        "get",
        "/v1/explain",
        "/v1/explain?source=198.51.100.7&source_port=1&destination=192.0.2.10&destination_port=53&protocol=udp&connection_id=0a0",
        None,
        400,
    ),
    ("get", "/v1/explain", "/v1/explain?source=198.51.100.7", None, 400),
    ("post", "/v1/explain/packet", "/v1/explain/packet", Some("twelve bytes"), 200),
    ("post", "/v1/explain/packet", "/v1/explain/packet?length=11", Some("twelve bytes"), 400),
    ("post", "/v1/explain/packet", "/v1/explain/packet?length=65550", Some("twelve bytes"), 400),
    ("get", "/v1/capture", "/v1/capture?filter=hots%20192.0.2.10", None, 400),
    ("get", "/v1/capture", "/v1/capture?snaplen=9217", None, 400),
    ("get", "/v1/capture", "/v1/capture?sample=0", None, 400),
    ("get", "/v1/capture", "/v1/capture?filter=listener%20nope", None, 404),
    ("get", "/v1/trace", "/v1/trace?source=10.0.0.1&destination=::1", None, 400),
];

const ASG: &str = "/v1/autoscaling-groups/{group}";
const ACTIVITIES: &str = "/v1/autoscaling-groups/{group}/activities";
const EXPLANATION: &str = "/v1/autoscaling-groups/{group}/explanation";
const FORECASTS: &str = "/v1/autoscaling-groups/{group}/forecasts";
const HISTORY: &str = "/v1/autoscaling-groups/{group}/history";
const PAST: &str = r#"{"metric":"sum( new_flows )","first":"2026-11-25T07:31:00Z","minutes":[1.5,null,2]}"#;
const DESIRED: &str = "/v1/autoscaling-groups/{group}/desired";
const SUSPENDED: &str = "/v1/autoscaling-groups/{group}/suspended/{process}";
const INSTANCE: &str = "/v1/autoscaling-groups/{group}/instances/{instance}";
const PROTECTION: &str = "/v1/autoscaling-groups/{group}/instances/{instance}/protection";
const HOOK: &str = "/v1/autoscaling-groups/{group}/instances/{instance}/hooks/{hook}";
const HEARTBEAT: &str = "/v1/autoscaling-groups/{group}/instances/{instance}/hooks/{hook}/heartbeat";
const REFRESH: &str = "/v1/autoscaling-groups/{group}/refresh";
const ROLLBACK: &str = "/v1/autoscaling-groups/{group}/refresh/rollback";
const REGISTER: &str = "/v1/target-groups/{group}/targets";
const TARGET: &str = "/v1/target-groups/{group}/targets/{target}";
const DRAIN: &str = "/v1/target-groups/{group}/targets/{target}/drain";
const SHARES: &str = "/v1/listeners/{name}/weights";
const WEIGHT: &str = "/v1/target-groups/{group}/targets/{target}/weight";

#[tokio::test]
async fn every_route_answers_as_documented() {
    let directory = tempfile::tempdir().unwrap();
    let (client, _) = Agent::start().serve(directory.path()).await;
    let document = serde_json::to_value(openapi::document()).unwrap();
    for &(method, route, path, body, expected) in REQUESTS {
        let (status, content_type, answer) = call(client.socket(), method, path, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        let pointer = format!("/paths/{}/{method}/responses/{status}", route.replace('/', "~1"));
        let response = document.pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is not documented"));
        let schema = response.pointer(&format!("/content/{}/schema", content_type.replace('/', "~1")));
        let schema = schema.unwrap_or_else(|| panic!("{method} {path}: {content_type} is not documented"));
        let whole = json!({ "components": document["components"], "allOf": [schema] });
        let validator = jsonschema::validator_for(&whole).expect("a valid schema");
        let errors: Vec<_> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{method} {path}: {errors:?}\n{answer:#}");
    }
}

#[test]
fn every_documented_operation_is_called() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let documented: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())))
        .collect();
    let called = REQUESTS.iter().map(|(method, route, ..)| ((*method).to_owned(), (*route).to_owned())).collect();
    assert_eq!(documented, called);
}

#[tokio::test]
async fn unknown_paths_and_methods_get_an_error_body_too() {
    let directory = tempfile::tempdir().unwrap();
    let (client, _) = Agent::start().serve(directory.path()).await;
    for (method, path, expected) in [("get", "/v2/status", 404), ("delete", "/v1/status", 405)] {
        let (status, _, answer) = call(client.socket(), method, path, None).await;
        assert_eq!(status, expected);
        assert!(answer["error"]["what"].as_str().is_some_and(|what| what.contains(path)), "{answer}");
    }
}

async fn call(socket: &std::path::Path, method: &str, path: &str, body: Option<&str>) -> (u16, String, Value) {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method.to_uppercase().parse::<Method>().unwrap())
        .uri(path)
        .header("host", "nlb")
        .header("content-type", "application/json")
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_owned())))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, content_type, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}
