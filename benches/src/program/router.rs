//! A router: gateways take what their host would forward, so programs are measured where everything has a route.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, unshare};

/// Has `work` done by a thread in a network namespace of its own, which forwards to a neighbour.
pub(super) fn on_one<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
            set_up()?;
            work()
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn set_up() -> Result<()> {
    for line in [
        "link set lo up",
        "link add eth0 type veth peer name far",
        "link set far up",
        "link set eth0 up",
        "address add 10.0.0.1/24 dev eth0",
        "address add fd00::edce:1/64 dev eth0 nodad",
        "route add default via 10.0.0.254",
        "-6 route add default via fd00::fe",
        "neighbour add 10.0.0.254 lladdr 02:00:00:00:00:fe dev eth0",
        "neighbour add fd00::fe lladdr 02:00:00:00:00:fe dev eth0",
    ] {
        let done = Command::new("ip").args(line.split(' ')).status().context("cannot run `ip`")?;
        ensure!(done.success(), "`ip {line}` failed");
    }
    for family in ["ipv4", "ipv6"] {
        let path = format!("/proc/sys/net/{family}/conf/all/forwarding");
        std::fs::write(&path, "1").with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}
