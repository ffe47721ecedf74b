//! Capacity follows what others measure: a real Prometheus on the edge, which scrapes the agent, and instances each of which is a real
//! node_exporter.

use std::env;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{Instances, Prometheus, Scaling, wait_until};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);
const METRICS: u16 = 9099;

/// New flows by PromQL decide; the policies by CPU and memory never act, so that they are measured and no more.
const POLICIES: &str = r#"
period = "10s"
warmup = "1s"
stabilization = "1s"
node_exporter_port = 80
[[autoscaling_group.step_scaling]]
name = "flows"
metric = 'prometheus("sum(rate(nlb_target_new_flows_total{group=\"$group\"}[5s]))")'
threshold = 20
step = [{ lower = 0, adjustment = 1 }, { upper = 0, adjustment = -1 }]
[[autoscaling_group.simple_scaling]]
name = "busy"
metric = "cpu"
threshold = 101
adjustment = 1
[[autoscaling_group.simple_scaling]]
name = "full"
metric = "max(memory)"
threshold = 101
adjustment = 1
[[autoscaling_group.predictive_scaling]]
name = "ahead"
metric = 'sum(prometheus("sum(rate(nlb_target_new_flows_total[1m]))"))'
per_instance = 1000
"#;

/// A source by the beginning of its name, once `is_so` of it.
fn source(scaling: &Scaling, begins: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    let found = || {
        let explained = scaling.explained().ok()?;
        let sources = explained["measured"]["sources"].as_array()?;
        let named = |source: &&Value| source["source"].as_str().is_some_and(|name| name.starts_with(begins));
        sources.iter().find(named).filter(|source| is_so(source)).cloned()
    };
    wait_until(&format!("what is measured by {begins}"), PATIENCE, found).with_context(|| scaling.told())
}

/// Where node_exporter is.
fn exporter() -> Result<String> {
    let path = env::var_os("PATH").context("no PATH")?;
    let found =
        env::split_paths(&path).map(|folder| folder.join("prometheus-node-exporter")).find(|file| file.is_file());
    let found = found.context("there is no prometheus-node-exporter: `scripts/setup.sh --test` installs it")?;
    Ok(found.to_string_lossy().into_owned())
}

/// The share of this machine's memory in use, in percent.
fn memory_in_use() -> Result<f64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        Ok::<f64, anyhow::Error>(line.trim_end_matches("kB").trim().parse()?)
    };
    Ok(100.0 * (1.0 - kilobytes("MemAvailable:")? / kilobytes("MemTotal:")?))
}

#[test]
fn capacity_follows_promql_hosts_are_measured_and_a_server_that_is_gone_scales_nothing_in() -> Result<()> {
    let mut instances = Instances::new(1, 2, 1)?;
    let options = [
        "--collector.disable-defaults",
        "--collector.cpu",
        "--collector.meminfo",
        "--web.listen-address={address}:{port}",
        "--log.level=warn",
    ];
    let options = options.into_iter().map(str::to_owned);
    instances.command = Some(std::iter::once(exporter()?).chain(options).collect());
    instances.more = POLICIES.to_owned();
    let scaling = Scaling::start_as(&instances, |config| {
        config.metrics = Some(METRICS);
        config.prometheus = Some(Prometheus::URL);
    })?;
    let lab = &scaling.lab;
    let prometheus = lab.edge().prometheus(METRICS)?;
    scaling.wait_for(1)?;

    // A past from Prometheus, so that forecasts begin with one.
    let import =
        ["asg", "import", "web", "--prometheus", Prometheus::URL, "--query", "vector(42)", "--from", "25h", "--json"];
    let report: Value = serde_json::from_str(&lab.nlb(import)?.success()?)?;
    ensure!(report["minutes"].as_u64() >= Some(1_440) && report["minutes_missing"] == 0, "{report}");

    let load = lab.client().load(Scaling::SERVER, 4)?;
    scaling.wait_for(2)?;
    let has_figure = |source: &Value| source["figure"].is_f64();
    let cpu = source(&scaling, "cpu", has_figure)?;
    ensure!(cpu["figure"].as_f64().is_some_and(|share| share > 0.0 && share <= 100.0), "{cpu}");
    let (memory, expected) = (source(&scaling, "max(memory)", has_figure)?, memory_in_use()?);
    ensure!(memory["figure"].as_f64().is_some_and(|share| (share - expected).abs() < 15.0), "{memory}, not {expected}");

    // Without load it would scale in now, if it could know.
    prometheus.stop()?;
    drop(load.stop());
    let gone = source(&scaling, "prometheus(", |source| source["missing"].is_string())?;
    ensure!(gone["missing"].as_str().is_some_and(|why| why.contains("connection refused")), "{gone}");
    ensure!(gone["from"] == Prometheus::URL, "{gone}");
    let measured = || scaling.explained().ok().map(|explained| explained["measured"]["at"].clone());
    let first = measured();
    wait_until("another period is over", PATIENCE, || (measured() != first).then_some(()))?;
    ensure!(scaling.group()?["desired"] == 2, "{}", scaling.told());
    Ok(())
}
