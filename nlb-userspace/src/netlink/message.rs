//! The kernel's messages into this folder's words. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteProtocol, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::resolve::{Link, NeighbourKey, Route, Verdict};
use super::table::{Change, Neighbour};

/// Marks the neighbour entries that an agent asked for; `ip neigh` shows it as `proto 78`.
pub(super) const PROTOCOL: RouteProtocol = RouteProtocol::Other(78);

/// What a notification means here; `None` when it means nothing.
pub(super) fn change(message: RouteNetlinkMessage) -> Option<Change> {
    match message {
        RouteNetlinkMessage::NewLink(message) => link(&message).map(|(index, link)| Change::Link(index, link)),
        // A port that leaves a bridge is told as a deletion in the bridge's family.
        RouteNetlinkMessage::DelLink(message) => {
            (message.header.interface_family != AddressFamily::Bridge).then_some(Change::LinkGone(message.header.index))
        }
        RouteNetlinkMessage::NewNeighbour(message) => {
            neighbour(&message).map(|(key, entry)| Change::Neighbour(key, entry))
        }
        RouteNetlinkMessage::DelNeighbour(message) => neighbour(&message).map(|(key, _)| Change::NeighbourGone(key)),
        RouteNetlinkMessage::NewRoute(message) | RouteNetlinkMessage::DelRoute(message) => {
            prefix(&message).map(Change::Routes)
        }
        // An address decides about sources, and its removal takes IPv4 routes along without a word.
        RouteNetlinkMessage::NewAddress(_)
        | RouteNetlinkMessage::DelAddress(_)
        | RouteNetlinkMessage::NewRule(_)
        | RouteNetlinkMessage::DelRule(_) => Some(Change::AllRoutes),
        _ => None,
    }
}

/// An interface's index and what matters of it.
pub(super) fn link(message: &LinkMessage) -> Option<(u32, Link)> {
    if message.header.interface_family == AddressFamily::Bridge {
        return None;
    }
    let (mut name, mut mac, mut mtu, mut kind) = (None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(value) => name = Some(value.clone()),
            LinkAttribute::Address(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            LinkAttribute::Mtu(value) => mtu = Some(*value),
            LinkAttribute::LinkInfo(infos) => {
                kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    let flags = message.header.flags;
    let link = Link {
        name: name?,
        mac: mac.filter(|_| message.header.link_layer_type == LinkLayerType::Ether),
        mtu: mtu?,
        up: flags.contains(LinkFlags::Up | LinkFlags::Running),
        kind,
    };
    Some((message.header.index, link))
}

/// A neighbour entry, of the two families that have any.
pub(super) fn neighbour(message: &NeighbourMessage) -> Option<(NeighbourKey, Neighbour)> {
    let (mut address, mut mac, mut managed, mut ours) = (None, None, false, false);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(IpAddr::from(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => address = Some(IpAddr::from(*v6)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            NeighbourAttribute::ExtFlags(flags) => managed = flags.contains(NeighbourExtFlags::Managed),
            NeighbourAttribute::Protocol(protocol) => ours = *protocol == PROTOCOL,
            _ => {}
        }
    }
    let verdict = match message.header.state {
        NeighbourState::Reachable
        | NeighbourState::Stale
        | NeighbourState::Delay
        | NeighbourState::Probe
        | NeighbourState::Permanent
        | NeighbourState::Noarp => mac.map_or(Verdict::Unknown, Verdict::At),
        NeighbourState::Failed => Verdict::Silent,
        _ => Verdict::Unknown,
    };
    let fixed = matches!(message.header.state, NeighbourState::Permanent | NeighbourState::Noarp);
    Some(((message.header.ifindex, address?), Neighbour { verdict, managed, ours: ours && managed, fixed }))
}

/// The answer to a look-up.
pub(super) fn route(message: &RouteMessage) -> Route {
    match message.header.kind {
        RouteType::Unicast => {}
        RouteType::Local => return Route::Local,
        RouteType::Broadcast | RouteType::Anycast | RouteType::Multicast => return Route::NotUnicast,
        _ => return Route::None,
    }
    let (mut egress, mut gateway, mut source, mut mtu) = (None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => egress = Some(*index),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(v4)) => gateway = Some(IpAddr::from(*v4)),
            RouteAttribute::Via(RouteVia::Inet6(v6)) => gateway = Some(IpAddr::from(*v6)),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(mtu) if *mtu > 0 => Some(*mtu),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    egress.map_or(Route::None, |interface| Route::Unicast { interface, gateway, source, mtu })
}

fn prefix(message: &RouteMessage) -> Option<IpNet> {
    let unspecified: IpAddr = match message.header.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let destination = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip(address),
        _ => None,
    });
    IpNet::new(destination.unwrap_or(unspecified), message.header.destination_prefix_length).ok()
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::from(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::from(*v6)),
        _ => None,
    }
}
