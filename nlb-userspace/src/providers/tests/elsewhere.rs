//! Settings of providers whose instances are elsewhere.

use serde_json::json;

use super::{check, template};
use crate::autoscale::model::ProviderKind::{Docker, Ec2, Kubernetes};
use crate::providers::ProviderError;

#[test]
fn wrong_settings_are_named_with_what_would_be_right() {
    let cases = [
        (Docker, json!({}), "settings.image", "shop:1.4"),
        (Docker, json!({ "image": "a", "command": [] }), "settings.command", "serve"),
        (Docker, json!({ "image": "a", "network": "host" }), "settings.network", "bridge"),
        (Docker, json!({ "image": "a", "socket": "docker.sock" }), "settings.socket", "absolute path"),
        (Docker, json!({ "image": "a", "name_prefix": "-" }), "settings.name_prefix", "letters"),
        (Docker, json!({ "image": "a", "pull": true }), "settings.pull", "is not known"),
        (Ec2, json!({ "region": "eu-central-1" }), "settings.group", "web-fleet"),
        (Ec2, json!({ "group": "a" }), "settings.region", "eu-central-1"),
        (Ec2, json!({ "group": "a", "region": "here/" }), "settings.region", "eu-central-1"),
        (Ec2, json!({ "group": "a", "region": "b", "endpoint": "localhost" }), "settings.endpoint", "https://"),
        (Kubernetes, json!({}), "settings.workload", "deployments/shop"),
        (Kubernetes, json!({ "workload": "shop" }), "settings.workload", "deployments/shop"),
        (Kubernetes, json!({ "workload": "pods/shop" }), "settings.workload", "deployments/shop"),
        (Kubernetes, json!({ "workload": "deployments/../a" }), "settings.workload", "deployments/shop"),
        (Kubernetes, json!({ "workload": "deployments/a", "namespace": "a/b" }), "settings.namespace", "a/b"),
        (
            Kubernetes,
            json!({ "workload": "deployments/a", "server": "http://10.0.0.5", "token_file": "/token" }),
            "settings.server",
            "`https`",
        ),
    ];
    for (kind, settings, key, right) in cases {
        let refused = check(&template(kind, 80, &settings)).err();
        let Some(ProviderError::Settings { key: found, problem, .. }) = &refused else {
            panic!("{settings}: {refused:?}");
        };
        assert!(found == key && problem.contains(right), "{found} {problem}");
    }
}

#[test]
fn what_is_needed_is_little() {
    for (kind, settings) in [
        (Docker, json!({ "image": "shop" })),
        (Ec2, json!({ "group": "shop", "region": "eu-central-1" })),
        (Ec2, json!({ "group": "shop", "region": "cn-north-1" })),
        (Kubernetes, json!({ "workload": "deployments/shop" })),
        (Kubernetes, json!({ "workload": "replicasets/shop", "server": "http://127.0.0.1:8001" })),
    ] {
        assert_eq!(check(&template(kind, 0, &settings)), Ok(()), "{settings}");
    }
}
