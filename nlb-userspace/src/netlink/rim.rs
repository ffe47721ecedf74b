//! The sockets: what is asked of the kernel, and what it tells unasked.
//!
//! Two of them, because the kernel marks what it tells everybody with the number of the request that caused it,
//! whoever made that: on one socket another program's request would pass for an answer to one of ours.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::{Handle, MulticastGroup};

use super::message;
use super::resolve::{Links, NeighbourKey, Route};
use super::table::Neighbour;

/// What the kernel has to say can come faster than it is read: the larger the buffer, the rarer the loss.
const RECEIVE_BUFFER: usize = 8 << 20;

/// A request whose answer was lost must not stop everything.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything that an answer rests on.
const GROUPS: &[MulticastGroup] = &[
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// Why the kernel could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket.
    #[error("cannot open a netlink socket: {0}")]
    Open(#[source] io::Error),
    /// The kernel said no.
    #[error("cannot {what}: {source}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// There was no answer, or none that could be read.
    #[error("cannot {what}: the kernel's answer was lost")]
    Lost {
        /// What was asked for.
        what: String,
    },
}

/// A notification.
pub(super) enum Notice {
    Message(Box<RouteNetlinkMessage>),
    /// Some were lost.
    Overrun,
}

pub(super) struct Sockets {
    pub(super) rim: Rim,
    pub(super) notices: Box<dyn Stream<Item = Notice> + Send + Unpin>,
}

/// Asks the kernel.
#[derive(Clone)]
pub(super) struct Rim {
    handle: Handle,
}

impl Sockets {
    /// Opens both in the network namespace of the calling thread.
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let (mut listening, _, messages) = rtnetlink::new_multicast_connection(GROUPS).map_err(NetlinkError::Open)?;
        let socket = rtnetlink::sys::AsyncSocket::socket_mut(listening.socket_mut());
        // Forced, with CAP_NET_ADMIN, beyond `net.core.rmem_max`; without it as far as that goes.
        if setsockopt(&*socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&*socket, sockopt::RcvBuf, &RECEIVE_BUFFER).map_err(|error| NetlinkError::Open(error.into()))?;
        }
        let (asking, handle, _) = rtnetlink::new_connection().map_err(NetlinkError::Open)?;
        tokio::spawn(listening);
        tokio::spawn(asking);
        let notices = messages.filter_map(|(message, _)| async move {
            match message.payload {
                NetlinkPayload::InnerMessage(message) => Some(Notice::Message(Box::new(message))),
                NetlinkPayload::Overrun(_) => Some(Notice::Overrun),
                _ => None,
            }
        });
        Ok(Self { rim: Rim { handle }, notices: Box::new(Box::pin(notices)) })
    }
}

impl Rim {
    /// All interfaces.
    pub(super) async fn links(&self) -> Result<Links, NetlinkError> {
        let what = || "list the interfaces".to_owned();
        let all = self.handle.link().get().execute().try_filter_map(|found| async move { Ok(message::link(&found)) });
        within_patience(what, all.try_collect()).await
    }

    /// All neighbour entries of both families.
    pub(super) async fn neighbours(&self) -> Result<HashMap<NeighbourKey, Neighbour>, NetlinkError> {
        let what = || "list the neighbours".to_owned();
        let all = self.handle.neighbours().get().execute();
        let all = all.try_filter_map(|found| async move { Ok(message::neighbour(&found)) });
        within_patience(what, all.try_collect()).await
    }

    /// The route that a packet of this host to `address` takes, by all rules and tables.
    pub(super) async fn route(&self, address: IpAddr) -> Result<Route, NetlinkError> {
        let mut request = RouteMessage::default();
        request.header.address_family = family(address);
        request.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        request.attributes.push(RouteAttribute::Destination(address.into()));
        let what = || format!("look up the route to {address}");
        let mut answers = Box::pin(self.handle.route().get(request).execute());
        match within_patience(what, answers.try_next()).await {
            Ok(Some(found)) => Ok(message::route(&found)),
            Ok(None) => Err(NetlinkError::Lost { what: what() }),
            Err(NetlinkError::Refused { source, .. }) if says_no_route(&source) => Ok(Route::None),
            Err(error) => Err(error),
        }
    }

    /// Has the kernel find a neighbour and keep it fresh by itself, whether the stack uses it or not. Managed entries
    /// came with Linux 5.16 (commit 7482e3841d52); being learned elsewhere, they are neither collected nor counted
    /// against `gc_thresh3`.
    pub(super) async fn keep_fresh(&self, key: NeighbourKey) -> Result<(), NetlinkError> {
        let wish =
            [NeighbourAttribute::Protocol(message::PROTOCOL), NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed)];
        self.neighbour(key, NeighbourFlags::Use | NeighbourFlags::ExtLearned, &wish).await
    }

    /// Leaves a neighbour to the kernel's usual care. Naming its use keeps the state that it is in.
    pub(super) async fn release(&self, key: NeighbourKey) -> Result<(), NetlinkError> {
        self.neighbour(key, NeighbourFlags::Use, &[]).await
    }

    async fn neighbour(
        &self,
        (interface, address): NeighbourKey,
        flags: NeighbourFlags,
        attributes: &[NeighbourAttribute],
    ) -> Result<(), NetlinkError> {
        let what = || format!("ask for neighbour {address} on interface {interface}");
        let mut request = NeighbourMessage::default();
        request.header.family = family(address);
        request.header.ifindex = interface;
        request.header.state = NeighbourState::None;
        request.header.flags = flags;
        request.attributes.push(NeighbourAttribute::Destination(match address {
            IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
            IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
        }));
        request.attributes.extend_from_slice(attributes);
        let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewNeighbour(request));
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
        let answers = self.handle.clone().request(message);
        within_patience(what, async {
            let mut answers = answers?;
            while let Some(answer) = answers.next().await {
                if let NetlinkPayload::Error(error) = answer.payload {
                    return Err(rtnetlink::Error::NetlinkError(error));
                }
            }
            Ok(())
        })
        .await
    }
}

async fn within_patience<T>(
    what: impl Fn() -> String,
    answer: impl Future<Output = Result<T, rtnetlink::Error>>,
) -> Result<T, NetlinkError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(rtnetlink::Error::NetlinkError(error))) => {
            Err(NetlinkError::Refused { what: what(), source: error.to_io() })
        }
        Ok(Err(_)) | Err(_) => Err(NetlinkError::Lost { what: what() }),
    }
}

/// The kernel tells of routes that refuse, and of none, by an error: none, `unreachable`, `blackhole`, `prohibit`, `throw`.
fn says_no_route(error: &io::Error) -> bool {
    const NO_ROUTE: [i32; 6] =
        [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EINVAL, libc::EACCES, libc::EAGAIN, libc::ENETDOWN];
    error.raw_os_error().is_some_and(|code| NO_ROUTE.contains(&code))
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
