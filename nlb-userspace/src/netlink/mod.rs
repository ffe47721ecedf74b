//! The way to each target: egress interface, source address, next hop and its MAC address.
//!
//! The packet path asks the kernel for no route and no neighbour: this module does, once, and again whenever the kernel
//! says that something changed. [`spawn`] watches a set of addresses and sends an event for each answer that differs
//! from the last one; nothing else reaches the state.
//!
//! ```text
//! kernel ─▶ message ─▶ table ─▶ events            resolve: the decision about one address
//!   ▲                    │                        table:   what is known, and whom a change concerns
//!   └──── rim ◀──────────┘ look-ups, neighbours   message: the kernel's words into ours
//! ```
//! `resolve`, `table` and `message` are pure; only `rim` and `monitor` have sockets.
//!
//! What the egress may be, for XDP to send there:
//! - physical interfaces, virtio, veth and bonds send XDP frames by themselves. A veth's other end needs an XDP program
//!   or GRO of its own, which can't be seen from here;
//! - VLAN devices, bridges, macvlan, dummy and tunnel devices do not: a frame handed to them in native mode is lost
//!   without a trace, so they are refused by name. The generic mode sends by any Ethernet device;
//! - devices without MAC addresses are refused in both modes.

mod message;
mod monitor;
mod resolve;
mod rim;
mod table;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::control::event::{NextHop, NoNextHop};
use crate::model::XdpMode;

pub use rim::NetlinkError;

/// The way to an address, or why there is none.
pub type Answer = Result<NextHop, NoNextHop>;

/// Follows the way to every address in `wanted` and sends each answer that differs from the one before.
///
/// An address that is new in `wanted` counts as told [`NoNextHop::Pending`]. The task ends when `wanted`'s sender or
/// `events`' receiver is gone. Neighbour entries that it asked the kernel to keep fresh stay so: see [`release`].
///
/// # Errors
/// No netlink socket could be opened.
pub fn spawn(
    wanted: watch::Receiver<Arc<BTreeSet<IpAddr>>>,
    mode: XdpMode,
    events: mpsc::Sender<(IpAddr, Answer)>,
) -> Result<JoinHandle<()>, NetlinkError> {
    let sockets = rim::Sockets::open()?;
    Ok(tokio::spawn(monitor::run(sockets, wanted, mode, events)))
}

/// Tells the kernel that the neighbours which an agent asked it to keep fresh need not be any more. For the moment when
/// the programs leave the interfaces.
///
/// # Errors
/// The kernel can't be asked for its neighbours.
pub async fn release() -> Result<(), NetlinkError> {
    let sockets = rim::Sockets::open()?;
    for (key, entry) in sockets.rim.neighbours().await? {
        if entry.ours {
            sockets.rim.release(key).await?;
        }
    }
    Ok(())
}
