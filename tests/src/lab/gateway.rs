//! A server behind a gateway: all that a client and it say to each other is routed through the edge, which sends it by appliances.
//!
//! ```text
//! client ── router ── edge ══GENEVE══ t1, t2, … (appliances)
//!             └────── the server
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, bail, ensure};

use super::{Appliance, Host, Lab, Way};

impl Lab {
    /// The server behind the gateway: the last of the target hosts. Those before it are appliances.
    ///
    /// # Panics
    /// When there are no target hosts: a mistake in the test.
    #[must_use]
    pub fn server(&self) -> &Host {
        self.targets().last().unwrap_or_else(|| panic!("the laboratory has no targets"))
    }

    /// The hosts of appliances.
    pub fn appliance_hosts(&self) -> impl Iterator<Item = &Host> {
        self.targets().filter(|host| host.name() != self.server().name())
    }

    /// Makes an appliance that lets everything pass of every host but the server's.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start_appliances(&self) -> Result<BTreeMap<String, Appliance>> {
        let start = |host: &Host| Ok((host.name().to_owned(), host.appliance(&[])?));
        self.appliance_hosts().map(start).collect()
    }

    /// Has the router send what client and server say to each other by the edge, and the edge forward it.
    ///
    /// # Errors
    /// When a host refuses a route or a setting.
    pub fn route_through_the_edge(&self) -> Result<()> {
        const TABLE: u8 = 78;
        let (client, edge, router, server) = (self.client(), self.edge(), self.host("router"), self.server());
        edge.sysctl("net/ipv4/ip_forward", "1")?;
        edge.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        // As long packets as the client's leave room for the headers between edge and appliances.
        server.ip("link set eth0 mtu 1500")?;
        let ends = |host: &Host| [("-4", IpAddr::from(host.v4())), ("-6", host.v6().into())];
        for (((family, client), (_, server)), (_, edge)) in ends(client).into_iter().zip(ends(server)).zip(ends(edge)) {
            router.ip(&format!("{family} route add default via {edge} table {TABLE}"))?;
            router.ip(&format!("{family} rule add iif client to {server} lookup {TABLE}"))?;
            router.ip(&format!("{family} rule add iif lan from {server} to {client} lookup {TABLE}"))?;
        }
        Ok(())
    }
}

/// The flows that appliances saw, in both directions, each with the name of the one that did.
///
/// # Errors
/// When a flow went by two of them, or an appliance saw one direction of it alone.
pub fn flows_by_appliance<'a>(
    appliances: impl IntoIterator<Item = (&'a str, &'a Appliance)>,
) -> Result<BTreeMap<Way, &'a str>> {
    let mut owners = BTreeMap::new();
    for (name, appliance) in appliances {
        for (flow, packets) in appliance.flows() {
            ensure!(packets.iter().all(|packets| *packets > 0), "{name} saw {packets:?} packets of {flow:?}");
            if let Some(other) = owners.insert(flow, name) {
                bail!("{flow:?} went by {other} and by {name}");
            }
        }
    }
    Ok(owners)
}

/// How many TCP connections to that server each appliance had, those of the past too.
///
/// # Errors
/// As for [`flows_by_appliance`].
pub fn connections_by_appliance(
    appliances: &BTreeMap<String, Appliance>,
    server: SocketAddr,
) -> Result<BTreeMap<String, usize>> {
    let flows = flows_by_appliance(appliances.iter().map(|(name, appliance)| (name.as_str(), appliance)))?;
    let mut counts = BTreeMap::new();
    for (_, name) in flows.iter().filter(|(flow, _)| flow.is_connection_to(server)) {
        *counts.entry((*name).to_owned()).or_default() += 1;
    }
    Ok(counts)
}
