//! The task with real sockets on loopback. Waits have a deadline far beyond what they take; nothing measures time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::health::ProbeError;

const DEADLINE: Duration = Duration::from_secs(60);

/// Checks in quick succession, with time for an answer even on a machine that stalls.
fn quick() -> Arc<HealthCheck> {
    let interval = Duration::from_millis(100);
    Arc::new(HealthCheck { interval, fast_interval: interval / 4, timeout: DEADLINE, ..HealthCheck::default() })
}

fn checked(address: SocketAddr, check: &Arc<HealthCheck>, begin: Health) -> Checked {
    let key = TargetKey { group: "web".parse().unwrap(), address: address.ip(), port: address.port() };
    Checked { key, check: check.clone(), begin }
}

async fn listen(port: u16) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

struct Running {
    lists: watch::Sender<Arc<Vec<Checked>>>,
    reports: mpsc::Receiver<HealthReport>,
    task: JoinHandle<()>,
    seen: Arc<Mutex<Vec<(TargetKey, Outcome)>>>,
}

impl Running {
    fn start(targets: Vec<Checked>) -> Self {
        let (lists, receiver) = watch::channel(Arc::new(targets));
        let (sender, reports) = mpsc::channel(4);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let observed = seen.clone();
        let observer = move |target: &TargetKey, outcome: &Outcome| {
            observed.lock().unwrap().push((target.clone(), outcome.clone()));
        };
        Self { lists, reports, task: spawn(receiver, sender, Arc::new(observer)), seen }
    }

    async fn report(&mut self) -> HealthReport {
        timeout(DEADLINE, self.reports.recv()).await.expect("a report within the deadline").expect("the task lives")
    }

    /// Waits until `enough` of what was seen.
    async fn until(&self, enough: impl Fn(&[(TargetKey, Outcome)]) -> bool) {
        let poll = async {
            while !enough(&self.seen.lock().unwrap()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, poll).await.expect("enough outcomes within the deadline");
    }
}

#[tokio::test]
async fn a_target_that_stops_and_comes_back_is_reported_each_time_once() {
    let (listener, address) = listen(0).await;
    let target = checked(address, &quick(), Health::Initial);
    let mut running = Running::start(vec![target.clone()]);

    let up = running.report().await;
    assert_eq!((up.target, up.health), (target.key.clone(), Health::Healthy));
    assert_eq!(up.reason, "2 of 2 checks passed");

    drop(listener);
    let down = running.report().await;
    assert_eq!((down.target, down.health), (target.key.clone(), Health::Unhealthy));
    assert_eq!(down.reason, "2 of 2 checks failed: connection refused");

    let (_listener, _) = listen(address.port()).await;
    assert_eq!(running.report().await.health, Health::Healthy);
    let seen = running.seen.lock().unwrap().len();
    running.until(|outcomes| outcomes.len() >= seen + 5).await;
    assert!(running.reports.try_recv().is_err(), "nothing changed since");
}

#[tokio::test]
async fn an_adopted_target_that_still_serves_is_not_reported() {
    let (_listener, address) = listen(0).await;
    let mut running = Running::start(vec![checked(address, &quick(), Health::Healthy)]);
    running.until(|outcomes| outcomes.len() >= 5).await;
    assert!(running.reports.try_recv().is_err());
}

#[tokio::test]
async fn new_settings_take_effect_and_keep_the_health() {
    let (_serving, address) = listen(0).await;
    let (health, health_address) = listen(0).await;
    let elsewhere = HealthCheck { port: Some(health_address.port()), ..(*quick()).clone() };
    let target = checked(address, &quick(), Health::Healthy);
    let mut running = Running::start(vec![target.clone()]);
    running.until(|outcomes| outcomes.len() >= 2).await;

    drop(health);
    running.lists.send_replace(Arc::new(vec![Checked { check: Arc::new(elsewhere), ..target.clone() }]));
    let report = running.report().await;
    assert_eq!((report.target, report.health), (target.key, Health::Unhealthy), "judged by the other port");
    let failed = |outcome: &Outcome| outcome.result == Err(ProbeError::ConnectionRefused);
    assert!(running.seen.lock().unwrap().iter().any(|(_, outcome)| failed(outcome)));
}

#[tokio::test]
async fn lists_decide_who_is_asked() {
    let (_first, first) = listen(0).await;
    let (_second, second) = listen(0).await;
    let check = quick();
    let mut running = Running::start(vec![]);
    running.lists.send_replace(Arc::new(vec![checked(first, &check, Health::Initial)]));
    assert_eq!(running.report().await.target.socket(), first);
    running.lists.send_replace(Arc::new(vec![checked(second, &check, Health::Initial)]));
    assert_eq!(running.report().await.target.socket(), second);
    running.seen.lock().unwrap().clear();
    running.until(|outcomes| outcomes.len() >= 5).await;
    assert!(running.seen.lock().unwrap().iter().all(|(target, _)| target.socket() == second));
}

#[tokio::test]
async fn the_task_ends_with_either_of_its_channels() {
    let lists_gone = Running::start(vec![]);
    drop(lists_gone.lists);
    timeout(DEADLINE, lists_gone.task).await.expect("it ends").unwrap();
    let reports_gone = Running::start(vec![]);
    drop(reports_gone.reports);
    timeout(DEADLINE, reports_gone.task).await.expect("it ends").unwrap();
}
