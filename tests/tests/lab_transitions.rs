//! Connections that stay open while targets come and go.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nlb_tests::lab::{Lab, NginxOptions, Options, Service, VIP_V4, web_and_dns};

const WEB: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(VIP_V4), 80);
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that is used for one request after another.
struct Open {
    stream: TcpStream,
    /// The target that answered first, and has to answer always.
    home: String,
}

impl Open {
    fn begin() -> Result<Self> {
        let stream = TcpStream::connect_timeout(&WEB, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut open = Self { stream, home: String::new() };
        open.home = open.ask()?;
        Ok(open)
    }

    /// The name of the target that answers.
    fn ask(&mut self) -> Result<String> {
        self.stream.write_all(b"GET / HTTP/1.1\r\nHost: vip\r\n\r\n")?;
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&answer);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                let length: usize = length.context("no length")?.trim().parse()?;
                if body.len() >= length {
                    return Ok(body.split_whitespace().next().context("an empty page")?.to_owned());
                }
            }
            let read = self.stream.read(&mut part)?;
            if read == 0 {
                bail!("the connection to {} ended", self.home);
            }
            answer.extend(part.iter().take(read));
        }
    }

    fn still_there(&mut self) -> Result<()> {
        let target = self.ask().with_context(|| format!("a connection to {} broke", self.home))?;
        ensure!(target == self.home, "a connection moved from {} to {target}", self.home);
        Ok(())
    }
}

fn told(lab: &Lab, arguments: &[&str]) -> Result<String> {
    let said = lab.nlb(arguments.iter().copied())?;
    ensure!(said.status.success(), "{said:?}");
    Ok(said.stdout)
}

#[test]
fn open_connections_outlive_drains_weights_and_the_agent() -> Result<()> {
    let nginx = NginxOptions { keep_alive: true, ..NginxOptions::default() };
    let mut service = Service::start(Options::default(), nginx, web_and_dns())?;
    let drained = SocketAddr::new(service.lab.host("t1").v4().into(), 80).to_string();
    let other = SocketAddr::new(service.lab.host("t2").v4().into(), 80).to_string();
    let begin = |count: usize| (0..count).map(|_| Open::begin()).collect::<Result<Vec<_>>>();
    let mut open = service.lab.client().inside(|| begin(60))??;
    ensure!(open.iter().any(|open| open.home == "t1"), "chance gave t1 none of 60 connections");

    told(&service.lab, &["target", "drain", "web-v4", &drained])?;
    open.iter_mut().try_for_each(Open::still_there).context("after a drain")?;
    let mut fresh = service.lab.client().inside(|| begin(60))??;
    ensure!(fresh.iter().all(|open| open.home != "t1"), "a drained target got a new connection");
    let list = told(&service.lab, &["target", "list", "web-v4"])?;
    ensure!(list.contains("draining"), "{list}");

    open.append(&mut fresh);
    told(&service.lab, &["target", "set-weight", "web-v4", &other, "10"])?;
    open.iter_mut().try_for_each(Open::still_there).context("after a change of weight during a transition")?;
    service.agent.take().context("no agent")?.kill9()?;
    open.iter_mut().try_for_each(Open::still_there).context("without an agent")?;
    service.agent = Some(service.lab.start_agent(&service.config)?);
    open.iter_mut().try_for_each(Open::still_there).context("with the next agent")?;
    told(&service.lab, &["target", "undrain", "web-v4", &drained])?;
    open.iter_mut().try_for_each(Open::still_there).context("after the drain was undone")?;
    told(&service.lab, &["target", "deregister", "web-v4", &other])?;
    // Longer than a sweep takes to come by.
    std::thread::sleep(Duration::from_secs(13));
    open.iter_mut().try_for_each(Open::still_there).context("after a deregistration and a sweep")
}
