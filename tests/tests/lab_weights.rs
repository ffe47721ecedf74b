//! Target groups that share a listener, with real connections: their shares, and weights that change under them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{Agent, AgentConfig, FlowReport, Lab, LineEcho, Options, TargetAgent, VIP_V4, wait_until};
use serde_json::Value;
use socket2::SockRef;

const PORT: u16 = 7007;
const VIP: SocketAddr = SocketAddr::new(IpAddr::V4(VIP_V4), PORT);
const CONNECTIONS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(30);
/// The groups, and which targets are whose.
const BLUE: [&str; 2] = ["t1", "t2"];
const GREEN: [&str; 2] = ["t3", "t4"];
/// How unlikely may be what is taken for chance: once in so many runs it is no fault.
const IMPLAUSIBLE: f64 = 1e-7;

/// A listener that blue and green share.
struct Scene {
    // Dropped in this order: the programs, then what they run in.
    agent: Option<Agent>,
    _servers: Vec<LineEcho>,
    _target_agents: Vec<TargetAgent>,
    config: AgentConfig,
    lab: Lab,
}

/// What a group has of the listener.
#[derive(Debug)]
struct Share {
    weight: u64,
    /// The file's, where that is another.
    file_weight: Option<u64>,
    /// Its part of the slots.
    part: f64,
}

/// The configuration file.
fn file(lab: &Lab, config: &AgentConfig, blue: u16, green: u16) -> String {
    let group = |name: &str, hosts: [&str; 2]| {
        let targets = hosts.map(|host| format!("\"{}:{PORT}\"", lab.host(host).v4())).join(", ");
        format!(
            "\n[[target_group]]\nname = \"{name}\"\ntargets = [{targets}]\n\n[target_group.health_check]\n\
             kind = \"tcp\"\ninterval = \"3s\"\ntimeout = \"3s\"\n"
        )
    };
    format!(
        "{}{}{}\n[[listener]]\nname = \"lines\"\naddress = \"{VIP_V4}\"\nprotocol = \"tcp\"\nport = {PORT}\n\
         target_groups = [\"blue={blue}\", \"green={green}\"]\n",
        config.to_toml(),
        group("blue", BLUE),
        group("green", GREEN)
    )
}

impl Scene {
    fn new(blue: u16, green: u16) -> Result<Self> {
        let lab = Lab::new(Options { targets: 4, ..Options::default() })?;
        let servers = lab.targets().map(|host| host.line_echo(PORT)).collect::<Result<Vec<_>>>()?;
        let target_agents = lab.start_target_agents(&[VIP_V4.into()])?;
        let config = AgentConfig::new(&lab);
        let agent = lab.start_agent_with(&file(&lab, &config, blue, green), &config.socket)?;
        let scene = Self { agent: Some(agent), _servers: servers, _target_agents: target_agents, config, lab };
        scene.wait_for_targets()?;
        Ok(scene)
    }

    fn wait_for_targets(&self) -> Result<()> {
        let all_healthy = || {
            let list = self.lab.nlb(["target", "list"]).ok()?.success().ok()?;
            (list.matches(" healthy").count() == 4).then_some(())
        };
        wait_until("all targets are healthy", PATIENCE, all_healthy).with_context(|| {
            self.lab.nlb(["target", "list"]).map_or_else(|error| error.to_string(), |said| said.stdout)
        })
    }

    fn told(&self, arguments: &[&str]) -> Result<Value> {
        let said = self.lab.nlb(arguments.iter().copied().chain(["--json"]))?.success()?;
        serde_json::from_str(&said).with_context(|| said)
    }

    /// What each group has.
    fn shares(&self) -> Result<BTreeMap<String, Share>> {
        let shown = self.told(&["listener", "show", "lines"])?;
        let shares = shown["listener"]["shares"].as_array().context("no shares")?;
        let slots = |share: &Value| share["slots"].as_u64().and_then(|slots| u32::try_from(slots).ok()).map(f64::from);
        let all: f64 = shares.iter().filter_map(slots).sum();
        let share = |share: &Value| {
            let (weight, file_weight) = (share["weight"].as_u64()?, share["file_weight"].as_u64());
            let part = slots(share)? / all;
            Some((share["target_group"].as_str()?.to_owned(), Share { weight, file_weight, part }))
        };
        shares.iter().map(|one| share(one).with_context(|| format!("{one}"))).collect()
    }

    /// The target that answers a connection from that port, which is reset then.
    fn home(&self, port: u16) -> Result<String> {
        let client = self.lab.client();
        let mut stream = client.connect_from((client.v4(), port).into(), VIP, PATIENCE)??;
        stream.write_all(b"1\n")?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        // Its port may be used again at once.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(line.split_whitespace().next().context("no answer")?.to_owned())
    }
}

/// How many of the connections are green's.
fn green(report: &FlowReport) -> usize {
    GREEN.iter().filter_map(|target| report.opened.get(*target)).sum()
}

/// Whether `hits` of `tries` are plausible, each being one with chance `share`: neither so few nor so many are too unlikely.
fn is_plausible(hits: usize, tries: usize, share: f64) -> bool {
    if share > 0.5 {
        return is_plausible(tries - hits, tries, 1.0 - share);
    }
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    // The chance of each number of hits follows from the one before it.
    let mut chance = (1.0 - share).powi(i32::try_from(tries).unwrap_or(i32::MAX));
    let (mut at_most, mut less) = (0.0, 0.0);
    for number in 0..=hits {
        less = at_most;
        at_most += chance;
        chance *= count(tries - number) / count(number + 1) * share / (1.0 - share);
    }
    at_most > IMPLAUSIBLE && 1.0 - less > IMPLAUSIBLE
}

#[test]
fn chance_is_told_from_what_is_none() {
    for (hits, plausible) in [(30, true), (15, true), (50, true), (2, false), (90, false), (0, false), (300, false)] {
        assert_eq!(is_plausible(hits, 300, 0.1), plausible, "{hits}");
    }
    assert!(is_plausible(0, 300, 0.0) && !is_plausible(1, 300, 0.0));
    assert!(is_plausible(300, 300, 1.0) && !is_plausible(299, 300, 1.0));
}

#[test]
fn connections_are_shared_by_weight_and_keep_their_groups_while_weights_change() -> Result<()> {
    let mut scene = Scene::new(90, 10)?;
    let open = |scene: &Scene| scene.lab.client().flows(VIP, CONNECTIONS);
    ensure!(scene.shares()?["green"].weight == 10, "{:?}", scene.shares()?);
    let homes = |scene: &Scene| (40_000..40_040).map(|port| scene.home(port)).collect::<Result<Vec<_>>>();
    let first = homes(&scene)?;
    ensure!(homes(&scene)? == first, "the same flow went to another target");

    let mut generations = Vec::new();
    for (blue, green) in [(90, 10), (50, 50), (0, 100)] {
        if blue != 90 {
            let wanted = [format!("blue={blue}"), format!("green={green}")];
            let report = scene.told(&["listener", "set-weight", "lines", &wanted[0], &wanted[1]])?;
            ensure!(report["ring"]["moved"].as_u64() > Some(0), "{report}");
        }
        let shares = scene.shares()?;
        ensure!(shares["blue"].weight == blue && shares["green"].weight == green, "{shares:?}");
        generations.push((open(&scene)?, shares["green"].part));
    }

    scene.agent.take().context("no agent")?.kill9()?;
    let text = file(&scene.lab, &scene.config, 90, 10);
    let agent = scene.lab.start_agent_with(&text, &scene.config.socket)?;
    scene.wait_for_targets()?;
    let shares = scene.shares()?;
    ensure!((shares["blue"].weight, shares["blue"].file_weight) == (0, Some(90)), "after a restart: {shares:?}");
    generations.push((open(&scene)?, shares["green"].part));

    agent.rewrite(&file(&scene.lab, &scene.config, 0, 100))?;
    let report = scene.told(&["reload"])?;
    ensure!(report["dropped"].as_array().map(Vec::len) == Some(2), "the file says the same now: {report}");
    ensure!(scene.shares()?["blue"].file_weight.is_none(), "{:?}", scene.shares()?);
    scene.agent = Some(agent);

    for (number, (flows, share)) in generations.into_iter().enumerate() {
        let report = flows.stop();
        let hits = green(&report);
        println!("generation {number}: {hits} of {CONNECTIONS} are green's, which has {share:.4} of the slots");
        ensure!(report.broken_count() == 0, "generation {number}: {:#?}", report.broken);
        ensure!(
            is_plausible(hits, CONNECTIONS, share),
            "generation {number}: {hits} of {CONNECTIONS} by chance {share}"
        );
    }
    let refused = scene.lab.nlb(["listener", "set-weight", "lines", "red=1"])?;
    ensure!(!refused.status.success() && refused.stderr.contains("those that do: blue, green"), "{refused:?}");
    Ok(())
}
