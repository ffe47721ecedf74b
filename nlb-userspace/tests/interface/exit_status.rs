//! The real binary: what it says, where, and with which status.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::agent::Agent;

async fn nlb(socket: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nlb"))
        .args(line.split_whitespace())
        .env("NLB_SOCKET", socket)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn success_is_0_failure_1_and_misuse_2() {
    let directory = tempfile::tempdir().unwrap();
    let (_, socket) = Agent::start().serve(directory.path()).await;
    let file = directory.path().join("nlb.toml");
    std::fs::write(&file, crate::sample::CONFIGURATION).unwrap();
    let good = file.display();
    let bad = directory.path().join("bad.toml");
    std::fs::write(&bad, "[agent]\ninterfces = [\"eth0\"]\n").unwrap();
    let bad = bad.display();
    let csv = |name: &str, lines: String| {
        let file = directory.path().join(name);
        std::fs::write(&file, lines).unwrap();
        format!("asg import shop --csv {}", file.display())
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let hour: String = (1..=60).rev().map(|minute| format!("{},{minute}\n", now - 60 * minute)).collect();
    let hour = csv("hour.csv", format!("time,load\n{hour}"));
    for (line, status, stdout, stderr) in [
        ("status".to_owned(), 0, "FAIL OPEN", ""),
        ("listener list".to_owned(), 0, "web-http", ""),
        ("target register web 10.0.0.9:80".to_owned(), 0, "registered web/10.0.0.9:80: 64 slots moved", ""),
        ("reload".to_owned(), 0, "+ listener new", ""),
        ("explain 198.51.100.7 1 192.0.2.10 80 tcp".to_owned(), 0, "goes to target", ""),
        ("asg list".to_owned(), 0, "shop", ""),
        ("asg set-desired shop 3".to_owned(), 0, "1 to 4", ""),
        ("asg refresh start shop".to_owned(), 0, "in_progress", ""),
        ("asg set-desired shop 5".to_owned(), 1, "", "5 is not between"),
        ("asg show nope".to_owned(), 1, "", "there are: shop"),
        (hour.clone(), 0, "60 minutes of sum(new_flows) are now history of ahead", "60 points read"),
        (format!("{hour} --metric sum(bytes)"), 1, "", "no predictive policy of group `shop` goes by `sum(bytes)`"),
        (csv("old.csv", "1,1\n2,2\n".to_owned()), 1, "", "none of the 2 points lies within the 182d before now"),
        (
            csv("wrong.csv", "0,1\n60,many\n".to_owned()),
            1,
            "",
            "line 2: `60,many` is not `seconds,requests_per_second`",
        ),
        ("asg import shop --prometheus http://127.0.0.1:1 --query up".to_owned(), 1, "", "connection refused"),
        ("openapi".to_owned(), 0, "\"openapi\"", ""),
        ("--version".to_owned(), 0, "nlb ", ""),
        (format!("config check {good}"), 0, "is valid: 4 listeners, 3 target groups, 4 targets", ""),
        (format!("config check {bad}"), 1, "", "bad.toml:2:1"),
        ("config check /nonexistent".to_owned(), 1, "", "/nonexistent"),
        ("target-group show nope".to_owned(), 1, "", "there are: web, dns, empty"),
        ("target register web 10.0.0.1:80".to_owned(), 1, "", "registered already"),
        ("explain 198.51.100.7 1 2001:db8::10 80 tcp".to_owned(), 2, "", "not of the same IP version"),
        ("stauts".to_owned(), 2, "", "status"),
    ] {
        let output = nlb(&socket, &line).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "nlb {line}\n{out}{err}");
        assert!(out.contains(stdout), "nlb {line}: `{stdout}` is not in\n{out}");
        assert!(err.contains(stderr), "nlb {line}: `{stderr}` is not in\n{err}");
        assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "nlb {line}: colours without a terminal");
    }
}

#[tokio::test]
async fn without_an_agent_it_says_where_it_looked_and_what_to_do() {
    let output = nlb(Path::new("/nonexistent/nlb.sock"), "status").await;
    assert_eq!(output.status.code(), Some(1));
    let err = text(&output.stderr);
    assert!(err.contains("the agent does not answer on /nonexistent/nlb.sock"), "{err}");
    assert!(err.contains("systemctl status nlb-agent"), "{err}");
}

#[tokio::test]
async fn json_is_json_also_for_errors() {
    let directory = tempfile::tempdir().unwrap();
    let (_, socket) = Agent::start().serve(directory.path()).await;
    for line in [
        "status",
        "config show",
        "listener list",
        "listener show web-http",
        "target-group list",
        "target-group show web",
        "target list",
        "target set-weight web 10.0.0.1 3",
        "listener set-weight old empty=3",
        "stats",
        "reload",
        "explain 198.51.100.7 1 192.0.2.10 80 tcp",
        "doctor",
    ] {
        let output = nlb(&socket, &format!("{line} --json")).await;
        let parsed = serde_json::from_slice::<serde_json::Value>(&output.stdout);
        assert!(parsed.is_ok(), "nlb {line}: {parsed:?}\n{}", text(&output.stdout));
    }
    let output = nlb(&socket, "target-group show nope --json").await;
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["mend"], "see `nlb target-group list`");
}

#[tokio::test]
async fn colours_come_when_they_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (_, socket) = Agent::start().serve(directory.path()).await;
    let output = nlb(&socket, "target list --color always").await;
    assert!(text(&output.stdout).contains("\u{1b}[32m● healthy"), "{}", text(&output.stdout));
}

#[tokio::test]
async fn doctor_fails_while_traffic_does_not_flow() {
    let directory = tempfile::tempdir().unwrap();
    let (_, socket) = Agent::start().serve(directory.path()).await;
    let output = nlb(&socket, "doctor").await;
    assert_eq!(output.status.code(), Some(1), "the sample has obstacles");
    assert!(text(&output.stdout).contains("fails open"), "{}", text(&output.stdout));
}
