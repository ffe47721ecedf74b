//! The decision about one address: from the kernel's route, links and neighbours to a next hop, or the reason for none.
//!
//! Pure: no sockets, no time. Everything that the decision rests on is an argument.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Answer;
use crate::control::event::{NextHop, NoNextHop};
use crate::model::XdpMode;

/// An interface, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    /// `None` when the interface is no Ethernet interface.
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) mtu: u32,
    /// Switched on and with carrier.
    pub(crate) up: bool,
    /// What made it: `vlan`, `bridge`, `veth`; `None` for physical interfaces.
    pub(crate) kind: Option<String>,
}

/// Interfaces by index.
pub(crate) type Links = BTreeMap<u32, Link>;

/// The kernel's answer to "how do I reach this address?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// It leaves by an interface.
    Unicast { interface: u32, gateway: Option<IpAddr>, source: Option<IpAddr>, mtu: Option<u32> },
    /// It is this host's own address.
    Local,
    /// It is not the address of one host.
    NotUnicast,
    /// There is no route, or one that says no.
    None,
}

/// What is known about a neighbour's MAC address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was not asked, or has not answered yet.
    #[default]
    Unknown,
    /// It is there. Also while the kernel asks it again: a MAC address is good until its owner stays silent.
    At([u8; 6]),
    /// It does not answer.
    Silent,
}

/// A neighbour: on which interface, and who.
pub(crate) type NeighbourKey = (u32, IpAddr);

/// Kinds of devices that have no way to send an XDP frame (no `ndo_xdp_xmit` in their drivers).
const NO_XDP_TRANSMIT: &[&str] = &[
    "bareudp",
    "batadv",
    "bridge",
    "dummy",
    "erspan",
    "geneve",
    "gretap",
    "hsr",
    "ifb",
    "ip6gretap",
    "ipvlan",
    "macsec",
    "macvlan",
    "nlmon",
    "openvswitch",
    "team",
    "vlan",
    "vrf",
    "vxlan",
];

impl Route {
    /// Whose MAC address the frames to `target` bear.
    pub(crate) fn neighbour(&self, target: IpAddr) -> Option<NeighbourKey> {
        match self {
            Self::Unicast { interface, gateway, .. } => Some((*interface, gateway.unwrap_or(target))),
            Self::Local | Self::NotUnicast | Self::None => None,
        }
    }
}

/// Decides about `target`.
///
/// `last_egress` is the interface by which it was reached before: when the kernel dropped the route because that one
/// went down, the interface is the reason worth telling.
pub(crate) fn resolve(
    target: IpAddr,
    route: &Route,
    links: &Links,
    verdict: Verdict,
    mode: XdpMode,
    last_egress: Option<u32>,
) -> Answer {
    let (interface, gateway, source, mtu) = match route {
        // Where no route leads, the kernel does not say that an address is a group's.
        _ if target.is_multicast() => return Err(NoNextHop::NotUnicast),
        Route::Unicast { interface, gateway, source, mtu } => (*interface, *gateway, *source, *mtu),
        Route::Local => return Err(NoNextHop::OwnAddress),
        Route::NotUnicast => return Err(NoNextHop::NotUnicast),
        Route::None => {
            let down = last_egress.and_then(|index| links.get(&index)).filter(|link| !link.up);
            return Err(down.map_or(NoNextHop::NoRoute, interface_down));
        }
    };
    let Some(link) = links.get(&interface) else { return Err(NoNextHop::Pending) };
    let Some(source_mac) = link.mac else { return Err(NoNextHop::NotEthernet { interface: link.name.clone() }) };
    if let (XdpMode::Native, Some(kind)) = (mode, &link.kind)
        && NO_XDP_TRANSMIT.contains(&kind.as_str())
    {
        return Err(NoNextHop::NoXdpTransmit { interface: link.name.clone(), device: kind.clone() });
    }
    if !link.up {
        return Err(interface_down(link));
    }
    let Some(source) = source.filter(|source| !source.is_unspecified()) else {
        return Err(NoNextHop::NoSource { interface: link.name.clone() });
    };
    let neighbour = gateway.unwrap_or(target);
    match verdict {
        Verdict::Unknown => Err(NoNextHop::Pending),
        Verdict::Silent => Err(NoNextHop::NoNeighbour {
            neighbour,
            interface: link.name.clone(),
            protocol: if neighbour.is_ipv4() { "ARP" } else { "ND" }.to_owned(),
        }),
        Verdict::At(mac) => Ok(NextHop {
            interface,
            interface_name: link.name.clone(),
            source_mac,
            source,
            gateway,
            mac,
            mtu: mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu)),
        }),
    }
}

/// What to tell after `told`, when the decision is `decided`: `None` when it is nothing new.
///
/// A working way is kept while its successor's neighbour is still being asked, unless its interface can't send.
pub(crate) fn news(told: &Answer, decided: Answer, links: &Links) -> Option<Answer> {
    if let (Ok(hop), Err(NoNextHop::Pending)) = (told, &decided)
        && links.get(&hop.interface).is_some_and(|link| link.up)
    {
        return None;
    }
    (*told != decided).then_some(decided)
}

fn interface_down(link: &Link) -> NoNextHop {
    NoNextHop::InterfaceDown { interface: link.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn link(name: &str, kind: Option<&str>, up: bool) -> Link {
        Link { name: name.to_owned(), mac: Some(MAC), mtu: 1500, up, kind: kind.map(ToOwned::to_owned) }
    }

    fn links() -> Links {
        Links::from([
            (1, Link { mac: None, ..link("lo", None, true) }),
            (2, link("eth0", None, true)),
            (3, link("eth1", None, false)),
            (4, link("eth0.7", Some("vlan"), true)),
        ])
    }

    fn by(interface: u32) -> Route {
        Route::Unicast { interface, gateway: None, source: Some(ip("192.0.2.1")), mtu: None }
    }

    fn decide(route: &Route, verdict: Verdict) -> Answer {
        resolve(ip("192.0.2.9"), route, &links(), verdict, XdpMode::Native, None)
    }

    #[test]
    fn each_reason_for_having_no_way_is_told_apart() {
        let name = |name: &str| name.to_owned();
        let no_source = Route::Unicast { interface: 2, gateway: None, source: None, mtu: None };
        for (route, verdict, reason) in [
            (Route::None, Verdict::Unknown, NoNextHop::NoRoute),
            (Route::Local, Verdict::Unknown, NoNextHop::OwnAddress),
            (Route::NotUnicast, Verdict::Unknown, NoNextHop::NotUnicast),
            (by(1), Verdict::At(PEER), NoNextHop::NotEthernet { interface: name("lo") }),
            (by(2), Verdict::Unknown, NoNextHop::Pending),
            (by(3), Verdict::At(PEER), NoNextHop::InterfaceDown { interface: name("eth1") }),
            (by(9), Verdict::At(PEER), NoNextHop::Pending),
            (no_source, Verdict::At(PEER), NoNextHop::NoSource { interface: name("eth0") }),
            (by(4), Verdict::At(PEER), NoNextHop::NoXdpTransmit { interface: name("eth0.7"), device: name("vlan") }),
            (
                by(2),
                Verdict::Silent,
                NoNextHop::NoNeighbour { neighbour: ip("192.0.2.9"), interface: name("eth0"), protocol: name("ARP") },
            ),
        ] {
            assert_eq!(decide(&route, verdict), Err(reason), "{route:?} {verdict:?}");
        }
    }

    #[test]
    fn a_gateway_of_the_other_family_is_asked_by_its_own_protocol() {
        let gateway = ip("fe80::1");
        let route =
            Route::Unicast { interface: 2, gateway: Some(gateway), source: Some(ip("192.0.2.1")), mtu: Some(1400) };
        assert_eq!(route.neighbour(ip("198.51.100.1")), Some((2, gateway)));
        let hop = decide(&route, Verdict::At(PEER)).unwrap();
        assert_eq!((hop.gateway, hop.mac, hop.mtu), (Some(gateway), PEER, 1400));
        let Err(NoNextHop::NoNeighbour { protocol, .. }) = decide(&route, Verdict::Silent) else { panic!() };
        assert_eq!(protocol, "ND");
    }

    #[test]
    fn a_routes_mtu_never_exceeds_the_links() {
        for (route_mtu, expected) in [(None, 1500), (Some(1400), 1400), (Some(9000), 1500)] {
            let route = Route::Unicast { interface: 2, gateway: None, source: Some(ip("192.0.2.1")), mtu: route_mtu };
            assert_eq!(decide(&route, Verdict::At(PEER)).unwrap().mtu, expected);
        }
    }

    #[test]
    fn generic_mode_sends_by_any_ethernet_device() {
        let hop = resolve(ip("192.0.2.9"), &by(4), &links(), Verdict::At(PEER), XdpMode::Generic, None);
        assert_eq!(hop.unwrap().interface_name, "eth0.7");
    }

    #[test]
    fn a_route_that_went_with_its_interface_names_the_interface() {
        let answer = |last| resolve(ip("192.0.2.9"), &Route::None, &links(), Verdict::Unknown, XdpMode::Native, last);
        assert_eq!(answer(Some(3)), Err(NoNextHop::InterfaceDown { interface: "eth1".to_owned() }));
        assert_eq!(answer(Some(2)), Err(NoNextHop::NoRoute));
    }

    #[test]
    fn a_working_way_is_kept_while_its_successor_is_asked() {
        let working = decide(&by(2), Verdict::At(PEER));
        let pending = || Err(NoNextHop::Pending);
        assert_eq!(news(&working, pending(), &links()), None);
        assert_eq!(news(&working, working.clone(), &links()), None);
        assert_eq!(news(&working, Err(NoNextHop::NoRoute), &links()), Some(Err(NoNextHop::NoRoute)));
        let mut down = links();
        down.get_mut(&2).unwrap().up = false;
        assert_eq!(news(&working, pending(), &down), Some(pending()));
    }
}
