//! Hundreds of connections that stay open and in use while everything changes around them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    Agent, AgentConfig, FlowReport, HealthCheck, Lab, LineEcho, ListenerConfig, Options, TargetAgent, VIP_V4,
    nlb_binary, wait_until,
};

const PORT: u16 = 7007;
const GROUP: &str = "echo";
const ECHO: SocketAddr = SocketAddr::new(IpAddr::V4(VIP_V4), PORT);
/// How many connections are open before anything changes.
const FLOWS: usize = 500;
/// How many begin with each change.
const FRESH: usize = 10;
/// Between two changes: every connection says a few lines.
const PAUSE: Duration = Duration::from_millis(500);
/// How many targets the configuration names; the others are registered.
const CONFIGURED: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Register,
    Deregister,
    Drain,
    Undrain,
    SetWeight,
    KillAgent,
    UpgradeAgent,
    /// With another listener, and a ring of another size.
    Reload,
    KillTarget,
}

/// The twenty changes; chance gives the order.
const CHANGES: [(Change, usize); 9] = [
    (Change::Register, 2),
    (Change::Deregister, 2),
    (Change::Drain, 3),
    (Change::Undrain, 2),
    (Change::SetWeight, 4),
    (Change::KillAgent, 2),
    (Change::UpgradeAgent, 2),
    (Change::Reload, 2),
    (Change::KillTarget, 1),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    Serving,
    Draining,
    Gone,
}

/// splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap_or(0)
    }
}

struct Scene {
    // Dropped in this order: the programs, then what they run in.
    agent: Option<Agent>,
    _target_agents: Vec<TargetAgent>,
    servers: BTreeMap<String, LineEcho>,
    config: AgentConfig,
    states: BTreeMap<String, State>,
    killed: Vec<String>,
    reloads: u16,
    lab: Lab,
}

fn listener(name: &str, port: u16) -> ListenerConfig {
    ListenerConfig {
        name: name.to_owned(),
        address: VIP_V4.into(),
        protocol: "tcp",
        port,
        health: HealthCheck::Tcp(PORT),
        targets_v6: false,
        affinity: "flow",
        targets: CONFIGURED,
    }
}

impl Scene {
    fn new() -> Result<Self> {
        let lab = Lab::new(Options { targets: 6, ..Options::default() })?;
        let servers = lab.targets().map(|host| Ok((host.name().to_owned(), host.line_echo(PORT)?)));
        let servers = servers.collect::<Result<BTreeMap<_, _>>>()?;
        let target_agents = lab.start_target_agents(&[VIP_V4.into()])?;
        let config = AgentConfig::new(&lab).listener(listener(GROUP, PORT));
        let agent = Some(lab.start_agent(&config)?);
        let state = |number| if number < CONFIGURED { State::Serving } else { State::Outside };
        let states = servers.keys().enumerate().map(|(number, name)| (name.clone(), state(number))).collect();
        let scene =
            Self { agent, _target_agents: target_agents, servers, config, states, killed: Vec::new(), reloads: 0, lab };
        scene.wait_for("its targets are healthy", |list| list.matches(" healthy").count() >= CONFIGURED)?;
        Ok(scene)
    }

    fn told(&self, arguments: &[&str]) -> Result<String> {
        self.lab.nlb(arguments.iter().copied())?.success()
    }

    fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) -> Result<()> {
        let mut last = String::new();
        let happened = wait_until(what, Duration::from_secs(30), || {
            last = self.told(&["target", "list", GROUP]).unwrap_or_default();
            condition(&last).then_some(())
        });
        happened.with_context(|| format!("last:\n{last}"))
    }

    fn address(&self, target: &str) -> String {
        format!("{}:{PORT}", self.lab.host(target).v4())
    }

    fn those(&self, state: State) -> Vec<String> {
        self.states.iter().filter(|(_, is)| **is == state).map(|(name, _)| name.clone()).collect()
    }

    /// Which targets a change may be about; none: not now. Two targets always stay in service.
    fn candidates(&self, change: Change) -> Vec<String> {
        match change {
            Change::Register => self.those(State::Outside),
            Change::Undrain => self.those(State::Draining),
            Change::Deregister | Change::Drain | Change::KillTarget => {
                let serving = self.those(State::Serving);
                if serving.len() > 2 { serving } else { Vec::new() }
            }
            Change::SetWeight | Change::KillAgent | Change::UpgradeAgent | Change::Reload => self.those(State::Serving),
        }
    }

    /// Does it, and waits until it is done.
    fn apply(&mut self, change: Change, target: &str, chance: &mut Chance) -> Result<()> {
        let address = self.address(target);
        let verb = |verb| self.told(&["target", verb, GROUP, &address]).map(drop);
        let becomes = match change {
            Change::Register => {
                verb("register")?;
                let healthy = |line: &str| line.contains(&address) && line.contains(" healthy");
                self.wait_for("the new target is healthy", |list| list.lines().any(healthy))?;
                State::Serving
            }
            Change::Deregister => verb("deregister").map(|()| State::Gone)?,
            Change::Drain => verb("drain").map(|()| State::Draining)?,
            Change::Undrain => verb("undrain").map(|()| State::Serving)?,
            Change::SetWeight => {
                let weight = (1 + chance.below(20)).to_string();
                self.told(&["target", "set-weight", GROUP, &address, &weight])?;
                State::Serving
            }
            Change::KillAgent => {
                self.agent.take().context("no agent")?.kill9()?;
                std::thread::sleep(Duration::from_millis(300));
                self.agent = Some(self.lab.start_agent(&self.config)?);
                State::Serving
            }
            Change::UpgradeAgent => {
                let program = self.lab.dir().join(format!("nlb-{}", chance.below(usize::MAX)));
                fs::copy(nlb_binary()?, &program).context("cannot copy the program")?;
                self.config.program = Some(program);
                self.agent.take().context("no agent")?.stop()?;
                self.agent = Some(self.lab.start_agent(&self.config)?);
                State::Serving
            }
            Change::Reload => {
                self.reloads += 1;
                let more = listener(&format!("another-{}", self.reloads), PORT + self.reloads);
                self.config = self.config.clone().listener(more);
                // Larger than by default, then smaller.
                self.config.ring_size = Some(if self.reloads == 1 { 1 << 17 } else { 1 << 15 });
                let agent = self.agent.as_ref().context("no agent")?;
                agent.rewrite(&self.config.to_toml())?;
                agent.hangup()?;
                State::Serving
            }
            Change::KillTarget => {
                drop(self.servers.remove(target));
                self.killed.push(target.to_owned());
                let dead = |line: &str| line.contains(&address) && line.contains("unhealthy");
                self.wait_for("the dead target is noticed", |list| list.lines().any(dead))?;
                State::Gone
            }
        };
        self.states.insert(target.to_owned(), becomes);
        Ok(())
    }
}

/// All twenty, shuffled.
fn deck(chance: &mut Chance) -> Vec<Change> {
    let mut ordered: Vec<_> =
        CHANGES.into_iter().flat_map(|(change, count)| std::iter::repeat_n(change, count)).collect();
    let mut shuffled = Vec::new();
    while !ordered.is_empty() {
        shuffled.push(ordered.swap_remove(chance.below(ordered.len())));
    }
    shuffled
}

#[test]
fn no_connection_breaks_through_twenty_changes_except_on_a_target_that_was_killed() -> Result<()> {
    let seed = std::env::var("NLB_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let mut chance = Chance(seed);
    let mut scene = Scene::new()?;
    let mut flows = vec![scene.lab.client().flows(ECHO, FLOWS)?];
    let mut deck = deck(&mut chance);
    ensure!(deck.len() == 20, "{} changes", deck.len());
    let mut history = Vec::new();
    while !deck.is_empty() {
        let next = deck.iter().position(|change| !scene.candidates(*change).is_empty());
        let change = deck.remove(next.with_context(|| format!("no change is possible after {history:?}"))?);
        let mut targets = scene.candidates(change);
        let target = targets.swap_remove(chance.below(targets.len()));
        history.push(format!("{change:?} {target}"));
        let told = |history: &[String]| format!("NLB_SEED={seed}, changes: {history:#?}");
        scene.apply(change, &target, &mut chance).with_context(|| told(&history))?;
        flows.push(scene.lab.client().flows(ECHO, FRESH).with_context(|| told(&history))?);
        std::thread::sleep(PAUSE);
    }
    let mut report = FlowReport::default();
    flows.into_iter().for_each(|flows| report.add(flows.stop()));
    println!("{} lines, {:?}, NLB_SEED={seed}: {history:?}", report.lines, report.opened);
    for target in &scene.killed {
        let (opened, broken) = (report.opened.remove(target), report.broken.remove(target));
        ensure!(opened == broken.as_ref().map(Vec::len), "a connection outlived its target: {broken:?}");
    }
    ensure!(report.broken_count() == 0, "NLB_SEED={seed}: {:#?}\nchanges: {history:#?}", report.broken);
    ensure!(report.opened.values().sum::<usize>() > FLOWS / 2, "most were on the target that was killed");
    Ok(())
}
