//! What guards a listener, with real clients: access lists that change under traffic, and the limit of new flows.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    Agent, AgentConfig, HealthCheck, Lab, LineEcho, ListenerConfig, Options, TargetAgent, VIP_V4, VIP_V6, wait_until,
};
use serde_json::Value;

const PORT: u16 = 7007;
const VIPS: [IpAddr; 2] = [IpAddr::V4(VIP_V4), IpAddr::V6(VIP_V6)];
/// The client's other addresses, by family.
const SECOND: [&str; 2] = ["10.1.0.66", "fd00:1::66"];
const CONNECTIONS: usize = 100;
/// How often the list changes.
const CHANGES: usize = 20;
/// Far more than an answer takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Less than a client waits until it sends its SYN again.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// A client with two addresses of each family, and a listener at each VIP.
struct Scene {
    // Dropped in this order: the programs, then what they run in.
    agent: Agent,
    _servers: Vec<LineEcho>,
    _target_agents: Vec<TargetAgent>,
    text: String,
    lab: Lab,
}

fn name(vip: IpAddr) -> &'static str {
    if vip.is_ipv4() { "lines-v4" } else { "lines-v6" }
}

impl Scene {
    /// Listeners that say `guard` besides.
    fn new(guard: &str) -> Result<Self> {
        let lab = Lab::new(Options::default())?;
        lab.client().ip(&format!("address add {}/24 dev eth0", SECOND[0]))?;
        // Deprecated: nobody who doesn't ask for it has it as his source.
        lab.client().ip(&format!("address add {}/64 dev eth0 nodad preferred_lft 0", SECOND[1]))?;
        let servers = lab.targets().map(|host| host.line_echo(PORT)).collect::<Result<Vec<_>>>()?;
        let target_agents = lab.start_target_agents(&VIPS)?;
        let listener = |address: IpAddr| ListenerConfig {
            name: name(address).to_owned(),
            address,
            protocol: "tcp",
            port: PORT,
            health: HealthCheck::Tcp(PORT),
            targets_v6: address.is_ipv6(),
            affinity: "flow",
            targets: 3,
        };
        let config = VIPS.into_iter().fold(AgentConfig::new(&lab), |config, vip| config.listener(listener(vip)));
        let text = config.to_toml();
        let agent = lab.start_agent_with(&guarded(&text, guard), &config.socket)?;
        let scene = Self { agent, _servers: servers, _target_agents: target_agents, text, lab };
        for vip in VIPS {
            let connects = || scene.connect(scene.own(vip), vip, PATIENCE).ok()?.ok().map(drop);
            wait_until("a client is let in", 3 * PATIENCE, connects)?;
        }
        Ok(scene)
    }

    /// Has the agent guard its listeners by that from now on.
    fn guard(&self, guard: &str) -> Result<()> {
        self.agent.rewrite(&guarded(&self.text, guard))?;
        self.lab.nlb(["reload"])?.success().map(drop)
    }

    /// The client's first address of the VIP's family.
    fn own(&self, vip: IpAddr) -> IpAddr {
        let client = self.lab.client();
        if vip.is_ipv4() { client.v4().into() } else { client.v6().into() }
    }

    fn connect(&self, from: IpAddr, vip: IpAddr, patience: Duration) -> Result<std::io::Result<TcpStream>> {
        self.lab.client().connect_from((from, 0).into(), (vip, PORT).into(), patience)
    }

    /// What the VIP's listener has refused for that reason.
    fn refused(&self, vip: IpAddr, reason: &str) -> Result<u64> {
        let stats: Value = serde_json::from_str(&self.lab.nlb(["stats", "--json"])?.success()?)?;
        let listeners = stats["listeners"].as_array().context("no listeners")?;
        let listener = listeners.iter().find(|listener| listener["listener"] == name(vip)).context("no listener")?;
        listener["refused"][reason].as_u64().with_context(|| format!("no `{reason}` in {stats}"))
    }
}

/// The configuration with `guard` in each listener.
fn guarded(text: &str, guard: &str) -> String {
    VIPS.into_iter().fold(text.to_owned(), |text, vip| {
        let group = format!("target_group = {:?}\n", name(vip));
        text.replacen(&group, &format!("{group}{guard}\n"), 1)
    })
}

fn second(vip: IpAddr) -> Result<IpAddr> {
    Ok(SECOND[usize::from(vip.is_ipv6())].parse()?)
}

fn is_unanswered(tried: &std::io::Result<TcpStream>) -> bool {
    tried.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut)
}

#[test]
fn a_list_that_changes_under_traffic_cuts_nobody_off_and_lets_nobody_slip_in() -> Result<()> {
    let deny = |more: &str| format!("deny = [\"{}\", \"{}\"{more}]", SECOND[0], SECOND[1]);
    let scene = Scene::new(&deny(""))?;
    let open = |vip| scene.lab.client().flows(SocketAddr::new(vip, PORT), CONNECTIONS);
    let flows = VIPS.into_iter().map(open).collect::<Result<Vec<_>>>()?;
    let stop = AtomicBool::new(false);
    let intrude = |vip: IpAddr| {
        let (mut tried, mut slipped) = (0_usize, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            let attempt = scene.connect(second(vip)?, vip, IMPATIENCE)?;
            tried += 1;
            slipped.extend((!is_unanswered(&attempt)).then_some(attempt));
        }
        Ok::<_, anyhow::Error>((tried, slipped))
    };
    thread::scope(|scope| {
        let intruders = VIPS.map(|vip| scope.spawn(move || intrude(vip)));
        let changed = (0..CHANGES).try_for_each(|number| {
            thread::sleep(Duration::from_millis(50));
            // By turns a longer list, and one of those who are let in.
            let allowed = "allow = [\"10.1.0.0/26\", \"fd00:1::/122\"]".to_owned();
            let longer = deny(&format!(", \"198.18.{number}.0/24\", \"2001:db8:{number}::/48\""));
            scene.guard(if number % 2 == 0 { &longer } else { &allowed })
        });
        stop.store(true, Ordering::Relaxed);
        for (intruder, vip) in intruders.into_iter().zip(VIPS) {
            let (tried, slipped) = intruder.join().expect("it doesn't panic")?;
            println!("{vip}: {tried} attempts");
            ensure!(slipped.is_empty(), "{vip}: of {tried} attempts, {} were answered: {slipped:?}", slipped.len());
            let refused = scene.refused(vip, "source_denied")?;
            ensure!(refused >= tried as u64 && tried > 1, "{vip}: {refused} refused of {tried} attempts");
        }
        changed
    })?;
    for (flows, vip) in flows.into_iter().zip(VIPS) {
        let report = flows.stop();
        ensure!(report.broken_count() == 0, "{vip}: {:#?}", report.broken);
    }

    // Whoever is no longer denied is let in, and whoever comes to be isn't.
    scene.guard("deny = [\"10.1.0.0/26\", \"fd00:1::/122\"]")?;
    for vip in VIPS {
        scene.connect(second(vip)?, vip, PATIENCE)?.with_context(|| format!("the second address to {vip}"))?;
        let first = scene.connect(scene.own(vip), vip, IMPATIENCE)?;
        ensure!(is_unanswered(&first), "{vip}: {first:?}");
    }
    Ok(())
}

#[test]
fn who_begins_too_many_flows_is_held_back_and_nobody_else() -> Result<()> {
    const BURST: usize = 20;
    const FLOOD: usize = 60;
    const OTHERS: usize = 10;
    let scene = Scene::new(&format!("new_flows_per_source = {{ rate = 1, burst = {BURST}, prefix_v6 = 128 }}"))?;
    let refused = |vip| scene.refused(vip, "new_flow_limit");
    for vip in VIPS {
        let before = refused(vip)?;
        let flooder = second(vip)?;
        // All at once, so that hardly a token comes meanwhile.
        let tried = thread::scope(|scope| {
            let attempts: Vec<_> =
                (0..FLOOD).map(|_| scope.spawn(|| scene.connect(flooder, vip, IMPATIENCE))).collect();
            attempts.into_iter().map(|attempt| attempt.join().expect("it doesn't panic")).collect::<Result<Vec<_>>>()
        })?;
        let held = tried.iter().filter(|attempt| is_unanswered(attempt)).count();
        let limited = refused(vip)? - before;
        println!("{vip}: {held} of {FLOOD} held back, {limited} SYNs dropped");
        ensure!(held > 0 && held <= FLOOD - BURST, "{vip}: {held} of {FLOOD} were held back");
        ensure!(limited >= held as u64, "{vip}: {limited} SYNs were dropped of {held}");

        // Nobody retransmits any more: what is dropped now would be the other's.
        for _ in 0..OTHERS {
            scene.connect(scene.own(vip), vip, PATIENCE)?.with_context(|| format!("the first address to {vip}"))?;
        }
        ensure!(refused(vip)? - before == limited, "{vip}: another source was held back");
    }
    Ok(())
}
