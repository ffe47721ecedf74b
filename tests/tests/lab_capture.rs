//! Captures of real connections, read by programs that know nothing of ours.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use nlb_tests::lab::{
    Finished, NginxOptions, Options, Process, Service, VIP_V4, VIP_V6, literal, nlb_binary, wait_until, web_and_dns,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// The main job, and where captures are written.
struct Scene {
    service: Service,
    file: PathBuf,
    begun: usize,
}

/// A packet as tshark reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Packet {
    leaves: bool,
    comment: String,
    /// Of the headers of the family that was asked for, the outer one first.
    sources: Vec<String>,
    destinations: Vec<String>,
    /// Flags and payload length of the TCP segment.
    segment: String,
}

impl Scene {
    fn new() -> Result<Self> {
        let service = Service::start(Options::default(), NginxOptions::default(), web_and_dns())?;
        let file = service.lab.edge().dir().join("capture.pcapng");
        Ok(Self { service, file, begun: 0 })
    }

    fn log_count(&self, words: &str) -> usize {
        self.service.agent.as_ref().map_or(0, |agent| agent.log().matches(words).count())
    }

    /// Begins a capture and waits until packets are captured.
    fn begin(&mut self, arguments: &[&str]) -> Result<Process> {
        let edge = self.service.lab.edge();
        let mut command = edge.command(&nlb_binary()?.to_string_lossy())?;
        command.args(["capture", "--socket"]).arg(&self.service.config.socket).arg("--write").arg(&self.file);
        let capture = edge.spawn("capture", command_with(command, arguments))?;
        self.begun += 1;
        wait_until("the capture begins", PATIENCE, || {
            (self.log_count("a capture begins") == self.begun).then_some(())
        })?;
        Ok(capture)
    }

    /// Waits until the agent has ended all captures that were begun.
    fn ended(&self) -> Result<()> {
        let ended = || (self.log_count("the capture ends") == self.begun).then_some(());
        Ok(wait_until("the agent ends the capture", PATIENCE, ended)?)
    }

    fn interrupt(&self, mut capture: Process) -> Result<String> {
        capture.signal(Signal::SIGINT)?;
        let status = capture.wait(PATIENCE)?;
        let said = capture.log();
        ensure!(status.success(), "{status}: {said}");
        self.ended()?;
        Ok(said)
    }

    /// What tshark reads in the file.
    fn packets(&self, family: &str) -> Result<Vec<Packet>> {
        let [source, destination] = ["src", "dst"].map(|end| format!("{family}.{end}"));
        let mut arguments = vec!["-r".to_owned(), self.file.to_string_lossy().into_owned(), "-T".to_owned()];
        arguments.push("fields".to_owned());
        for field in ["frame.interface_id", "frame.comment", &source, &destination, "tcp.flags.str", "tcp.len"] {
            arguments.extend(["-e".to_owned(), field.to_owned()]);
        }
        let text = self.service.lab.edge().check("tshark", &arguments)?;
        text.lines().map(packet).collect()
    }
}

fn command_with(mut command: std::process::Command, arguments: &[&str]) -> std::process::Command {
    command.args(arguments);
    command
}

fn packet(line: &str) -> Result<Packet> {
    let fields: Vec<_> = line.split('\t').collect();
    let [interface, comment, sources, destinations, flags, length] = fields[..] else {
        anyhow::bail!("not six fields: {line:?}");
    };
    let list = |text: &str| text.split(',').map(str::to_owned).collect();
    Ok(Packet {
        leaves: interface == "1",
        comment: comment.to_owned(),
        sources: list(sources),
        destinations: list(destinations),
        segment: format!("{flags} {length}"),
    })
}

/// What pinned files there are below a folder.
fn pins(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = entries.flat_map(|path| if path.is_dir() { pins(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

/// The kernel's id of the program on the edge's interface.
fn program(scene: &Scene) -> Result<String> {
    let text = scene.service.lab.edge().ip("-details link show dev eth0")?;
    let id = text.split("prog/xdp id ").nth(1).and_then(|text| text.split_whitespace().next());
    Ok(id.with_context(|| format!("no program: {text}"))?.to_owned())
}

#[test]
fn a_connection_is_captured_before_and_after_its_tunnel() -> Result<()> {
    let mut scene = Scene::new()?;
    let (pins_before, program_before) = (pins(&scene.service.lab.pins()), program(&scene)?);
    for (family, vip, listener) in [("ip", VIP_V4.into(), "web-v4"), ("ipv6", VIP_V6.into(), "web-v6")] {
        let client = scene.service.lab.client();
        let (host, url) = match vip {
            std::net::IpAddr::V4(_) => (client.v4().to_string(), format!("http://{}/", literal(vip))),
            std::net::IpAddr::V6(_) => (client.v6().to_string(), format!("http://{}/", literal(vip))),
        };
        let filter = format!("host {host} and listener {listener}");
        let capture = scene.begin(&["--filter", &filter])?;
        let answer = scene.service.lab.client().check("curl", ["-s", "-f", &url])?;
        let lab = &scene.service.lab;
        let served = lab.targets().find(|target| answer.starts_with(target.name())).context("who answered?")?;
        let target = if family == "ip" { served.v4().to_string() } else { served.v6().to_string() };
        // The client's last packet may be on its way still.
        let ends = |packets: &[Packet]| packets.iter().filter(|packet| packet.segment.contains('F')).count() >= 2;
        wait_until("the connection ends", PATIENCE, || scene.packets(family).ok().filter(|packets| ends(packets)))?;
        let said = scene.interrupt(capture)?;
        let packets = scene.packets(family)?;
        ensure!(said.contains(&format!("{} packets captured, 0 lost", packets.len() / 2)), "{said}: {packets:?}");
        let (came, left): (Vec<_>, Vec<_>) = packets.into_iter().partition(|packet| !packet.leaves);
        ensure!(came.len() == left.len() && came.len() >= 4, "{came:?}\n{left:?}");
        ensure!(came[0].segment.contains('S'), "it doesn't begin with a SYN: {came:?}");
        for (came, left) in came.iter().zip(&left) {
            let of_target = format!("verdict=sent listener={listener} target={}", literal_of(&target));
            ensure!(came.comment.starts_with(&of_target) && left.comment == came.comment, "{came:?}\n{left:?}");
            ensure!((&came.sources[..], &came.destinations[..]) == (&[host.clone()][..], &[vip.to_string()][..]));
            ensure!(left.destinations == [target.clone(), vip.to_string()], "{left:?}");
            ensure!(left.sources[1..] == came.sources[..] && left.segment == came.segment, "{came:?}\n{left:?}");
        }
    }
    ensure!(pins(&scene.service.lab.pins()) == pins_before, "something of the captures is pinned");
    ensure!(program(&scene)? == program_before, "the program is another one than before");
    // Another reader.
    let file = scene.file.to_string_lossy().into_owned();
    let read = scene.service.lab.edge().run("tcpdump", ["-n", "-r", &file, "ip6 and not tcp"])?;
    ensure!(read.status.success() && read.stdout.contains(&VIP_V6.to_string()), "{read:?}");
    Ok(())
}

/// An address with the port of the web.
fn literal_of(address: &str) -> String {
    if address.contains(':') { format!("[{address}]:80") } else { format!("{address}:80") }
}

#[test]
fn packets_of_a_file_are_explained_as_they_were_treated() -> Result<()> {
    let mut scene = Scene::new()?;
    // What the router sends to the edge; on the edge, an XDP program takes packets before tcpdump sees them.
    let router = scene.service.lab.host("router");
    let file = router.dir().join("tcpdump.pcap");
    let mut command = router.command("tcpdump")?;
    // Otherwise it may end with packets still in its buffer.
    command.args(["-i", "edge", "-Q", "out", "--immediate-mode", "-U", "-s", "96", "-w"]).arg(&file);
    command.args(["dst", "host", &VIP_V4.to_string(), "and", "tcp"]);
    let mut tcpdump = router.spawn("tcpdump", command)?;
    wait_until("tcpdump listens", PATIENCE, || tcpdump.log().contains("listening on").then_some(()))?;
    let capture = scene.begin(&["--filter", "listener web-v4"])?;
    let lab = &scene.service.lab;
    let answer = lab.client().check("curl", ["-s", "-f", &format!("http://{VIP_V4}/")])?;
    let served = lab.targets().find(|target| answer.starts_with(target.name())).context("who answered?")?;
    let target = format!("{}:80", served.v4());
    let ends = |packets: &[Packet]| packets.iter().any(|packet| packet.segment.contains('F'));
    wait_until("the connection ends", PATIENCE, || scene.packets("ip").ok().filter(|packets| ends(packets)))?;
    scene.interrupt(capture)?;
    tcpdump.signal(Signal::SIGINT)?;
    tcpdump.wait(PATIENCE)?;
    let mut explained = Vec::new();
    for path in [&scene.file, &file] {
        let said = lab.nlb(["explain", "--json", "--pcap", &path.to_string_lossy()])?.success()?;
        let packets: Vec<Value> = serde_json::from_str(&said)?;
        ensure!(packets.len() >= 4, "{}: {said}", path.display());
        for packet in &packets {
            ensure!(packet["verdict"] == "forwarded" && packet["target"] == target.as_str(), "{packet}");
            let stages = packet["steps"].as_array().into_iter().flatten().filter_map(|step| step["stage"].as_str());
            let stages: Vec<_> = stages.take(10).collect();
            let expected = "link network transport listener group hash slot flow target next";
            ensure!(stages.join(" ").starts_with(expected), "{stages:?}");
        }
        explained.push(packets.into_iter().map(|packet| packet["steps"].clone()).collect::<Vec<_>>());
    }
    ensure!(explained[0] == explained[1], "one packet, two explanations: {explained:?}");
    Ok(())
}

#[test]
fn a_dropped_packet_says_why() -> Result<()> {
    let mut scene = Scene::new()?;
    for (filter, status, words) in
        [("dropped or proto tcp", 2, "character 9"), ("listener wbe", 1, "there are: web-v4")]
    {
        let refused = scene.service.lab.nlb(["capture", "--write", "/dev/null", "--filter", filter])?;
        ensure!(refused.status.code() == Some(status) && refused.stderr.contains(words), "{refused:?}");
    }
    let mut capture = scene.begin(&["--filter", "dropped", "--count", "1"])?;
    let lab = &scene.service.lab;
    for target in lab.targets() {
        lab.nlb(["target", "deregister", "web-v4", &format!("{}:80", target.v4())])?.success()?;
    }
    let vip = format!("http://{VIP_V4}/");
    let captured = || {
        drop(lab.client().run("curl", ["-s", "--max-time", "1", &vip]));
        (!capture.is_running()).then_some(())
    };
    wait_until("a packet is dropped", PATIENCE, captured)?;
    scene.ended()?;
    let packets = scene.packets("ip")?;
    ensure!(packets.len() == 1 && !packets[0].leaves, "{packets:?}");
    ensure!(packets[0].comment.contains("verdict=dropped reason=no_target why="), "{packets:?}");
    ensure!(packets[0].comment.contains("listener=web-v4"), "{packets:?}");
    Ok(())
}

#[test]
fn a_capture_ends_with_its_reader_however_that_ends() -> Result<()> {
    let mut scene = Scene::new()?;
    let before = program(&scene)?;
    let mut capture = scene.begin(&[])?;
    ensure!(program(&scene)? != before, "no other program runs");
    let busy = scene.service.lab.nlb(["capture", "--write", "/dev/null"])?;
    ensure!(busy.status.code() == Some(1) && busy.stderr.contains("another capture is running"), "{busy:?}");
    capture.kill9()?;
    scene.ended()?;
    ensure!(program(&scene)? == before, "the program is another one than before");

    // By a pipe that somebody closes, as Wireshark does.
    let nlb = nlb_binary()?;
    let socket = &scene.service.config.socket;
    let line = format!("{} capture --socket {} --write - | head -c 200", nlb.display(), socket.display());
    let url = format!("http://{VIP_V4}/");
    let client = scene.service.lab.client();
    let said: Finished = std::thread::scope(|scope| {
        let piped = scope.spawn(|| scene.service.lab.edge().run("timeout", ["30", "sh", "-c", &line]));
        wait_until("the pipe is closed", PATIENCE, || {
            drop(client.run("curl", ["-s", "--max-time", "1", &url]));
            piped.is_finished().then_some(())
        })?;
        piped.join().map_err(|_| anyhow::anyhow!("the reader's thread failed"))?
    })?;
    ensure!(said.status.success(), "{said:?}");
    scene.begun += 1;
    scene.ended()?;
    scene.service.lab.wait_for_targets(VIP_V4.into(), 3)
}

#[test]
fn an_agent_that_is_killed_leaves_the_traffic_and_a_whole_file() -> Result<()> {
    let mut scene = Scene::new()?;
    let mut capture = scene.begin(&["--filter", "listener web-v4"])?;
    let capturing = program(&scene)?;
    let url = format!("http://{VIP_V4}/");
    scene.service.lab.client().check("curl", ["-s", "-f", &url])?;
    let written = || scene.packets("ip").ok().filter(|packets| packets.len() >= 4);
    wait_until("packets are written", PATIENCE, written)?;

    scene.service.agent.take().context("no agent")?.kill9()?;
    let status = capture.wait(PATIENCE)?;
    ensure!(status.code() == Some(1) && capture.log().contains("did the agent stop?"), "{}", capture.log());
    ensure!(scene.packets("ip")?.len() >= 4, "the file is not whole");
    ensure!(program(&scene)? == capturing, "nobody was there to put another one in its place");
    let tally = scene.service.lab.client().requests(VIP_V4.into(), 200, 10)?;
    ensure!(tally.failed.is_empty() && tally.answered.len() == 3, "{tally:?}");

    scene.service.agent = Some(scene.service.lab.start_agent(&scene.service.config)?);
    ensure!(program(&scene)? != capturing, "the program for captures still runs");
    scene.service.lab.wait_for_targets(VIP_V4.into(), 3)
}
