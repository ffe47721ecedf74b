//! The task: takes the kernel's notices, lets a burst of them gather, and sends what came of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, warn};

use super::Answer;
use super::message;
use super::rim::{NetlinkError, Notice, Rim, Sockets};
use super::table::Table;
use crate::model::XdpMode;

/// How long changes gather before they are acted upon: a routing daemon changes routes by the thousand.
const GATHER: Duration = Duration::from_millis(50);

/// How often neighbours are asked again that the kernel did not confirm as kept fresh.
const ASK_AGAIN: Duration = Duration::from_secs(20);

/// How often all routes are looked up without cause: some changes (a learned path MTU that expires) go untold.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How long to wait before sockets that failed are opened again.
const REOPEN: Duration = Duration::from_secs(1);

/// Why the loop over one pair of sockets ended.
enum End {
    /// Nobody wants to know any more.
    Unwanted,
    /// The sockets are of no use any more.
    Failed(NetlinkError),
}

pub(super) async fn run(
    mut sockets: Sockets,
    mut wanted: watch::Receiver<Arc<BTreeSet<IpAddr>>>,
    mode: XdpMode,
    events: mpsc::Sender<(IpAddr, Answer)>,
) {
    let mut table = Table::new(mode);
    loop {
        let End::Failed(error) = follow(&mut sockets, &mut table, &mut wanted, &events).await else { return };
        warn!(%error, "netlink failed; next hops are kept as they are until it works again");
        sockets = loop {
            tokio::select! {
                () = tokio::time::sleep(REOPEN) => {}
                () = events.closed() => return,
            }
            match Sockets::open() {
                Ok(sockets) => break sockets,
                Err(error) => debug!(%error, "netlink still fails"),
            }
        };
    }
}

async fn follow(
    sockets: &mut Sockets,
    table: &mut Table,
    wanted: &mut watch::Receiver<Arc<BTreeSet<IpAddr>>>,
    events: &mpsc::Sender<(IpAddr, Answer)>,
) -> End {
    let mut ask_again = tokio::time::interval(ASK_AGAIN);
    let mut look_again = tokio::time::interval(LOOK_AGAIN);
    for timer in [&mut ask_again, &mut look_again] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer.reset();
    }
    // What came to pass before the sockets were open was told to nobody.
    let mut lost = true;
    let mut orphans_known = false;
    let mut due = Some(Instant::now());
    let first = wanted.borrow_and_update().clone();
    table.want(&first);
    loop {
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return End::Unwanted;
                }
                let now = wanted.borrow_and_update().clone();
                table.want(&now);
                due = Some(Instant::now());
            }
            () = events.closed() => return End::Unwanted,
            notice = sockets.notices.next() => {
                match notice {
                    Some(Notice::Message(message)) => {
                        let Some(change) = message::change(*message) else { continue };
                        table.change(change);
                    }
                    Some(Notice::Overrun) => lost = true,
                    None => {
                        return End::Failed(NetlinkError::Lost { what: "follow changes of the network".to_owned() });
                    }
                }
                due.get_or_insert_with(|| Instant::now() + GATHER);
            }
            _ = ask_again.tick() => {
                table.ask_again();
                due.get_or_insert_with(Instant::now);
            }
            _ = look_again.tick() => {
                table.route_all();
                due.get_or_insert_with(Instant::now);
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                due = None;
                match act(&sockets.rim, table, std::mem::take(&mut lost), events).await {
                    Ok(true) => {}
                    Ok(false) => return End::Unwanted,
                    Err(error) => return End::Failed(error),
                }
                if !std::mem::replace(&mut orphans_known, true) {
                    table.leave_orphans();
                    due = Some(Instant::now());
                }
            }
        }
    }
}

/// Looks up what is to be looked up, asks whom to ask, and sends the news. `false`: nobody takes them any more.
async fn act(
    rim: &Rim,
    table: &mut Table,
    lost: bool,
    events: &mpsc::Sender<(IpAddr, Answer)>,
) -> Result<bool, NetlinkError> {
    if lost {
        let links = rim.links().await?;
        table.replace(links, rim.neighbours().await?);
    }
    for address in table.look_ups() {
        table.route(address, rim.route(address).await?);
    }
    for (address, answer) in table.answers() {
        if events.send((address, answer)).await.is_err() {
            return Ok(false);
        }
    }
    for key in table.neighbours_to_ask() {
        if let Err(error) = rim.keep_fresh(key).await {
            warn!(%error, "the kernel won't look for a neighbour; it is asked again in {} s", ASK_AGAIN.as_secs());
        }
    }
    for key in table.neighbours_to_release() {
        if let Err(error) = rim.release(key).await {
            debug!(%error, "a neighbour that is not needed any more stays with the kernel");
        }
    }
    Ok(true)
}
