//! The host's interfaces and addresses by netlink: seen, followed, and the VIPs on `lo`.
//!
//! The VIPs that the agent added bear its mark (`IFA_PROTO`, Linux 5.18), so that no file has to remember them and no
//! address of somebody else is ever removed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::{Handle, MulticastGroup};

use super::findings::{Interface, Observed};
use super::{sockets, sysctl};

/// Marks the addresses that the agent put on `lo`; `ip address` shows it as `proto 78`.
const MARK: AddressProtocol = AddressProtocol::Other(78);

/// `INFINITY_LIFE_TIME` of `include/uapi/linux/if_addr.h`'s users.
const FOR_EVER: u32 = u32::MAX;

/// The kernel could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No socket.
    #[error("cannot open a netlink socket: {0}")]
    Open(#[source] std::io::Error),
    /// The kernel said no, or its answer was lost.
    #[error("cannot {what}: {source}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The answer.
        source: rtnetlink::Error,
    },
    /// Every host has `lo`.
    #[error("there is no loopback interface to put the VIPs on")]
    NoLoopback,
}

/// An address as it is on an interface.
struct Held {
    interface: u32,
    address: IpAddr,
    ours: bool,
    message: AddressMessage,
}

/// Asks the kernel, and follows it.
pub(super) struct Network {
    handle: Handle,
}

impl Network {
    /// Opens the sockets in the network namespace of the calling thread. The stream yields once for every change of
    /// interfaces and addresses, and when changes were lost.
    pub(super) fn open() -> Result<(Self, impl Stream<Item = ()> + Unpin), NetworkError> {
        const GROUPS: [MulticastGroup; 3] =
            [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (listening, _, messages) = rtnetlink::new_multicast_connection(&GROUPS).map_err(NetworkError::Open)?;
        let (asking, handle, _) = rtnetlink::new_connection().map_err(NetworkError::Open)?;
        tokio::spawn(listening);
        tokio::spawn(asking);
        let notices = messages.filter_map(|(message, _)| async move {
            matches!(message.payload, NetlinkPayload::InnerMessage(_) | NetlinkPayload::Overrun(_)).then_some(())
        });
        Ok((Self { handle }, Box::pin(notices)))
    }

    /// The host as it is.
    pub(super) async fn observe(&self) -> Result<Observed, NetworkError> {
        let mut interfaces: BTreeMap<u32, (String, Interface)> = BTreeMap::new();
        let mut links = self.handle.link().get().execute();
        while let Some(link) = links.try_next().await.map_err(refused("list the interfaces"))? {
            let (mut name, mut mtu) = (None, 0);
            for attribute in &link.attributes {
                match attribute {
                    LinkAttribute::IfName(found) => name = Some(found.clone()),
                    LinkAttribute::Mtu(found) => mtu = *found,
                    _ => {}
                }
            }
            let Some(name) = name else { continue };
            let interface = Interface {
                up: link.header.flags.contains(LinkFlags::Up | LinkFlags::Running),
                mtu,
                loopback: link.header.flags.contains(LinkFlags::Loopback),
                sysctls: sysctl::of(&name),
                addresses: BTreeSet::new(),
            };
            interfaces.insert(link.header.index, (name, interface));
        }
        for held in self.held().await? {
            if let Some((_, interface)) = interfaces.get_mut(&held.interface) {
                interface.addresses.insert(held.address);
            }
        }
        let listening = sockets::FILES.iter().flat_map(|(file, state)| {
            // A thread may be in another network namespace than its process. A host without IPv6 has no tcp6.
            let text = std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
            sockets::listening(&text, state)
        });
        Ok(Observed {
            all: sysctl::of("all"),
            interfaces: interfaces.into_values().collect(),
            listening: listening.collect(),
        })
    }

    /// Sees to it that `lo` has these VIPs, and none that the agent added and that is not among them. What changed.
    pub(super) async fn set_vips(&self, vips: &BTreeSet<IpAddr>) -> Result<Vec<String>, NetworkError> {
        let loopback = self.loopback().await?;
        let held = self.held().await?;
        let mut changes = Vec::new();
        for vip in vips {
            if !held.iter().any(|held| held.interface == loopback && held.address == *vip) {
                self.add(loopback, *vip).await?;
                changes.push(format!("put the VIP {vip} on lo"));
            }
        }
        for stale in held.into_iter().filter(|held| held.ours && !vips.contains(&held.address)) {
            let address = stale.address;
            let gone = self.handle.address().del(stale.message).execute().await;
            gone.map_err(refused(format!("take {address} off lo")))?;
            changes.push(format!("took the VIP {address} off lo"));
        }
        Ok(changes)
    }

    async fn add(&self, interface: u32, vip: IpAddr) -> Result<(), NetworkError> {
        let mut request = self.handle.address().add(interface, vip, if vip.is_ipv4() { 32 } else { 128 });
        let message = request.message_mut();
        // This host must not begin connections of its own in the VIP's name: their answers would go to the edge. For
        // IPv4 the scope keeps it from being chosen; IPv6 has none, but never prefers an address that is deprecated.
        message.header.scope = AddressScope::Host;
        if vip.is_ipv6() {
            let mut lifetimes = CacheInfo::default();
            (lifetimes.ifa_preferred, lifetimes.ifa_valid) = (0, FOR_EVER);
            message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        message.attributes.push(AddressAttribute::Protocol(MARK));
        request.execute().await.map_err(refused(format!("put {vip} on lo")))
    }

    async fn held(&self) -> Result<Vec<Held>, NetworkError> {
        let held = |message: AddressMessage| {
            let (mut local, mut address, mut ours) = (None, None, false);
            for attribute in &message.attributes {
                match attribute {
                    AddressAttribute::Local(found) => local = Some(*found),
                    AddressAttribute::Address(found) => address = Some(*found),
                    AddressAttribute::Protocol(mark) => ours = *mark == MARK,
                    _ => {}
                }
            }
            // On a point-to-point interface the address is the peer's.
            let address = local.or(address)?;
            Some(Held { interface: message.header.index, address, ours, message })
        };
        let all = self.handle.address().get().execute().try_filter_map(|message| async move { Ok(held(message)) });
        all.try_collect().await.map_err(refused("list the addresses"))
    }

    async fn loopback(&self) -> Result<u32, NetworkError> {
        let mut links = self.handle.link().get().execute();
        while let Some(link) = links.try_next().await.map_err(refused("list the interfaces"))? {
            if link.header.flags.contains(LinkFlags::Loopback) {
                return Ok(link.header.index);
            }
        }
        Err(NetworkError::NoLoopback)
    }
}

fn refused(what: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> NetworkError {
    move |source| NetworkError::Refused { what: what.into(), source }
}
