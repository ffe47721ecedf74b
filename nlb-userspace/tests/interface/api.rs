//! The API over a real Unix socket, with the real client.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use nlb_userspace::api::client::{Client, ClientError, TargetPath, TracePattern};
use nlb_userspace::api::dto::{Health, Protocol, Register, Routing, SetShare, SetShares, SetWeight, XdpMode};
use nlb_userspace::api::server::{Server, ServerError};
use nlb_userspace::control::Change;
use nlb_userspace::explain::Verdict;
use nlb_userspace::model::{Name, Weight};

use crate::agent::Agent;
use crate::{sample, scaling};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Status and message of a refusal.
fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, String, String) {
    match answer {
        Err(ClientError::Refused { status, detail }) => (status.as_u16(), detail.what, detail.mend),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn reading_shows_the_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;

    let status = client.status().await.unwrap();
    assert_eq!(status.listeners, 4);
    assert_eq!(status.interfaces[0].mode, Some(XdpMode::Native));
    assert_eq!(status.interfaces[1].mode, None);
    assert_eq!(status.target_groups[1].routing, Routing::FailOpen);

    let listener = client.listener(&name("web-http")).await.unwrap();
    assert_eq!((listener.listener.healthy, listener.listener.total), (2, 3));
    assert_eq!(listener.target_groups[0].targets.len(), 3);

    assert_eq!(client.targets(None).await.unwrap().len(), 4);
    let dns = client.targets(Some(&name("dns"))).await.unwrap();
    assert_eq!((dns.len(), dns[0].health), (1, Health::Unhealthy));
    assert!(dns[0].no_next_hop.as_ref().unwrap().contains("no route"));

    let stats = client.stats().await.unwrap();
    assert_eq!(stats.listeners[0].traffic.packets, 4_000);
    assert_eq!(stats.drops.iter().map(|drop| drop.packets).sum::<u64>(), 12);

    let config = client.config().await.unwrap();
    assert_eq!(config.target_groups[0].targets[0].weight, 50, "the weight in force, not the file's");
    let again = nlb_userspace::config::parse(&config.text, "shown.toml").expect("what is shown is a valid file");
    assert_eq!(again.groups[0].targets[0].weight.get(), 50);
    assert_eq!(again.agent.seed, Some(0xab));
}

#[tokio::test]
async fn a_new_snapshot_is_seen_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;
    let mut snapshot = sample::snapshot();
    snapshot.dataplane_error = Some("no memory".to_owned());
    agent.publish(snapshot);
    assert_eq!(client.status().await.unwrap().dataplane_error.as_deref(), Some("no memory"));
}

#[tokio::test]
async fn changes_reach_the_owner_as_they_were_meant() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;
    let web = name("web");

    let new = Register {
        address: "10.0.0.7".parse().unwrap(),
        port: None,
        zone: Some(name("b")),
        weight: None,
        quic_server_id: None,
    };
    let report = client.register(&web, &new).await.unwrap();
    assert_eq!(report.target, "web/10.0.0.7:80", "the port of the group's listeners");
    client.deregister(&web, TargetPath::Address("2001:db8:1::3".parse().unwrap())).await.unwrap();
    let by_socket = TargetPath::Socket("[2001:db8:1::3]:80".parse().unwrap());
    let weight = SetWeight { weight: Weight::new(0).unwrap() };
    client.set_weight(&web, by_socket, &weight).await.unwrap();
    client.drain(&web, TargetPath::Address("10.0.0.1".parse().unwrap())).await.unwrap();
    client.undrain(&web, by_socket).await.unwrap();
    client.undrain(&web, TargetPath::Address("10.0.0.1".parse().unwrap())).await.unwrap_err();
    let share = SetShare { target_group: name("empty"), weight: Weight::new(7).unwrap() };
    let report = client.set_shares(&name("old"), &SetShares { shares: vec![share] }).await.unwrap();
    assert_eq!((report.listener.as_str(), report.ring.unwrap().moved), ("old", 64));

    let changes = agent.changes.lock().unwrap();
    let [
        Change::Register { target, .. },
        Change::Deregister { target: gone },
        Change::SetWeight { target: set, weight },
        Change::Drain { target: drained },
        Change::Undrain { target: undrained },
        Change::Undrain { .. },
        Change::SetShares { listener, shares },
    ] = changes.as_slice()
    else {
        panic!("{changes:?}");
    };
    assert_eq!((target.port, target.weight.get(), target.zone.clone()), (80, 100, Some(name("b"))));
    assert_eq!(gone.to_string(), "web/[2001:db8:1::3]:80");
    assert_eq!((set, weight.get()), (gone, 0));
    assert_eq!((listener.as_str(), shares[0].to_string().as_str()), ("old", "empty=7"));
    assert_eq!((drained.to_string(), undrained), ("web/10.0.0.1:80".to_owned(), gone));
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_and_what_would_mend_it() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;
    let register = |address: &str, port| {
        let address = address.parse().unwrap();
        Register { address, port, zone: None, weight: None, quic_server_id: None }
    };

    let (status, what, _) = refusal(client.target_group(&name("wbe")).await);
    assert_eq!((status, what.as_str()), (404, "no target group `wbe`; there are: web, dns, empty"));

    let (status, what, _) = refusal(client.listener(&name("nope")).await);
    assert_eq!((status, what.as_str()), (404, "no listener `nope`; there are: web-http, web-v6, dns, old"));

    let (status, _, mend) = refusal(client.register(&name("web"), &register("10.0.0.1", Some(80))).await);
    assert_eq!(status, 409);
    assert!(mend.contains("set-weight"), "{mend}");

    let (status, what, _) = refusal(client.register(&name("web"), &register("10.0.0.1", Some(0))).await);
    assert_eq!((status, what.as_str()), (422, "0 is not a port"));

    let gone = TargetPath::Address("10.9.9.9".parse().unwrap());
    let (status, _, mend) = refusal(client.deregister(&name("web"), gone).await);
    assert_eq!((status, mend.as_str()), (404, "see `nlb target list web`"));

    *agent.valid.lock().unwrap() = false;
    let Err(ClientError::Refused { status, detail }) = client.reload().await else { panic!("a bad file is refused") };
    assert_eq!(status.as_u16(), 422);
    let unknown = detail.problems.iter().find(|problem| problem.line == 2).expect("the line is named");
    assert!(unknown.column == 1 && unknown.shown.contains("interfces"), "{detail:?}");

    let mixed = client.explain("10.0.0.1:1".parse().unwrap(), "[::1]:80".parse().unwrap(), Protocol::Tcp, None).await;
    assert_eq!(refusal(mixed).0, 400);
}

#[tokio::test]
async fn a_reload_reports_what_it_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (client, _) = Agent::start().serve(directory.path()).await;
    let report = client.reload().await.unwrap();
    assert_eq!(report.listeners.added, ["new"]);
    assert_eq!(report.targets.removed, ["web/10.0.0.9:80"]);
    assert_eq!(report.restart_needed, ["agent.interfaces"]);
}

#[tokio::test]
async fn explain_over_the_api_is_explain() {
    let directory = tempfile::tempdir().unwrap();
    let (client, _) = Agent::start().serve(directory.path()).await;
    let flow = ("198.51.100.7:40000".parse().unwrap(), "192.0.2.10:80".parse().unwrap());
    let explanation = client.explain(flow.0, flow.1, Protocol::Tcp, None).await.unwrap();
    assert_eq!(explanation.verdict, Verdict::Forwarded);
    let query = nlb_userspace::explain::FlowQuery::new(flow.0, flow.1, nlb_userspace::model::Protocol::Tcp).unwrap();
    assert_eq!(explanation, nlb_userspace::explain::explain(&sample::snapshot(), &query, None));
}

#[tokio::test]
async fn a_trace_streams_lines_is_alone_and_ends_with_its_reader() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;
    let pattern = TracePattern {
        destination: Some("192.0.2.10".parse().unwrap()),
        destination_port: Some(80),
        ..TracePattern::default()
    };
    let mut lines = client.trace(&pattern).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap().line, "listener 0");
    assert_eq!(lines.next().await.unwrap().unwrap().line, "slot 17, target 1");
    let flow = agent.traces.lock().unwrap()[0];
    assert_eq!((flow.source_port, flow.destination_port, flow.protocol), (0, 80_u16.to_be(), 0));

    assert_eq!(refusal(client.trace(&pattern).await).0, 409);

    drop(lines);
    // The server notices a closed connection when it pleases, so this asks until it has.
    let again = async {
        while client.trace(&pattern).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.expect("the first trace ended with its reader");
}

#[tokio::test]
async fn a_stopping_agent_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;
    agent.handle.stop().await;
    let (status, what, _) = refusal(client.reload().await);
    assert_eq!(status, 503, "{what}");
}

#[tokio::test]
async fn only_owner_and_group_may_connect() {
    let directory = tempfile::tempdir().unwrap();
    let (_, socket) = Agent::start().serve(directory.path()).await;
    assert_eq!(std::fs::metadata(socket).unwrap().permissions().mode() & 0o777, 0o660);
}

#[tokio::test]
async fn a_second_agent_is_refused_and_a_stale_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, socket) = agent.serve(directory.path()).await;
    let second = Server::bind(&socket).await;
    assert!(matches!(&second, Err(ServerError::InUse(path)) if *path == socket), "{second:?}");
    client.status().await.expect("the first one still answers");

    let stale = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let server = Server::bind(&stale).await.expect("nobody answers there");
    tokio::spawn(server.serve(agent.handle.clone(), scaling::start(), std::future::pending()));
    Client::new(&stale).status().await.unwrap();
}

#[tokio::test]
async fn a_file_in_the_sockets_place_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nlb.sock");
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(Server::bind(&path).await, Err(ServerError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn the_socket_is_gone_after_a_clean_end() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("deep/nlb.sock");
    let agent = Agent::start();
    let server = Server::bind(&socket).await.expect("its directory is made");
    server.serve(agent.handle.clone(), scaling::start(), std::future::ready(())).await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn an_absent_agent_is_named_with_its_mend() {
    let client = Client::new("/nonexistent/nlb.sock");
    let error = client.status().await.unwrap_err();
    assert!(error.to_string().starts_with("the agent does not answer on /nonexistent/nlb.sock"), "{error}");
    assert!(error.mend().contains("systemctl status nlb-agent"));
}
