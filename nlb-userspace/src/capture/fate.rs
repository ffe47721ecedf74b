//! What became of a captured packet, in the words of the configuration.
//!
//! The kernel tells the action, and why it dropped something. Listener and target follow from the packet itself: which listener it
//! is for, and which target it was addressed to when it left.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nlb_common::capture::Headers;
use nlb_common::drop_reason::DropReason;
use nlb_common::packet::{NotOurs, Packet, Stop};
use nlb_common::way::WayOutcome;

use super::filter::FilteredTarget;
use crate::control::snapshot::{ListenerState, Snapshot, TargetState};
use crate::dataplane::{CapturedFrame, CapturedPacket};
use crate::model::{Forwarding, Name};

/// What became of a packet.
#[derive(Clone, Debug)]
pub struct Fate<'s> {
    verdict: Verdict,
    listener: Option<&'s ListenerState>,
    target: Option<&'s TargetState>,
    took: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// To a target, or back to a client.
    Sent,
    /// By the edge itself.
    Answered(&'static str),
    Passed(NotOurs),
    Dropped(Option<DropReason>),
    /// The program failed.
    Aborted,
}

/// XDP actions, by their numbers.
const ABORTED: u32 = 0;
const DROP: u32 = 1;
const PASS: u32 = 2;

impl<'s> Fate<'s> {
    /// What became of `packet`, as the configuration of `snapshot` has it.
    pub fn of(snapshot: &'s Snapshot, packet: &CapturedPacket) -> Self {
        let frame = packet.before.padded();
        let came = Headers::read(&frame[..]);
        let left = packet.after.as_ref().map(|after| Headers::read(&after.padded()[..]));
        let mut flows = std::iter::once(came.flow).chain(left.map(|left| left.flow.reversed()));
        let listener = flows.find_map(|flow| {
            let destination = SocketAddr::new(flow.destination.into(), u16::from_be(flow.destination_port));
            snapshot.listeners_of(destination, flow.protocol).into_iter().next()
        });
        let target = packet.after.as_ref().zip(left).and_then(|(after, left)| {
            let sent_to = sent_to(snapshot, listener, after, &left);
            sent_to.or_else(|| translated_back(snapshot, &came))
        });
        let verdict = match packet.action {
            ABORTED => Verdict::Aborted,
            DROP => Verdict::Dropped(packet.reason),
            PASS => Verdict::Passed(match Packet::parse(&frame[..]) {
                Err(Stop::Pass(why)) => why,
                Ok(_) | Err(Stop::Drop(_)) => NotOurs::NoListener,
            }),
            _ => match packet.outcome {
                Some(outcome) if outcome != WayOutcome::Error => Verdict::Answered(outcome.name()),
                // The only answer that no way gives: the flow's target is drained.
                _ if target.is_none() && listener.is_some() => Verdict::Answered(WayOutcome::Reset.name()),
                _ => Verdict::Sent,
            },
        };
        Self { verdict, listener, target, took: packet.decided.saturating_sub(packet.received) }
    }

    /// Whether the packet went to that target, or came from it.
    pub fn is_about(&self, named: FilteredTarget) -> bool {
        self.target.is_some_and(|target| named.is(target.key.address, target.key.port))
    }
}

/// The target that a frame was sent to: its destination, or whose MAC address it has.
fn sent_to<'s>(
    snapshot: &'s Snapshot,
    listener: Option<&ListenerState>,
    frame: &CapturedFrame,
    headers: &Headers,
) -> Option<&'s TargetState> {
    let (address, port) = (IpAddr::from(headers.flow.destination), u16::from_be(headers.flow.destination_port));
    let mac = frame.bytes.get(..6)?;
    let is = |target: &&TargetState| match forwarding(snapshot, target) {
        Forwarding::L2 => target.next_hop.as_ref().is_ok_and(|hop| hop.mac == *mac),
        Forwarding::Nat { .. } => (target.key.address, target.key.port) == (address, port),
        _ => target.key.address == address,
    };
    targets(snapshot, listener).find(is)
}

/// The target that a packet comes from, if its answers are translated.
fn translated_back<'s>(snapshot: &'s Snapshot, came: &Headers) -> Option<&'s TargetState> {
    let from = (IpAddr::from(came.flow.source), u16::from_be(came.flow.source_port));
    let is = |target: &&TargetState| {
        matches!(forwarding(snapshot, target), Forwarding::Nat { .. }) && (target.key.address, target.key.port) == from
    };
    targets(snapshot, None).find(is)
}

/// A listener's targets; all of them where none is known.
fn targets<'s>(snapshot: &'s Snapshot, listener: Option<&ListenerState>) -> impl Iterator<Item = &'s TargetState> {
    let of_listener = move |name: &Name| listener.is_none_or(|state| state.listener.served_by.is_by(name));
    snapshot.groups.iter().filter(move |group| of_listener(&group.name)).flat_map(|group| &group.targets)
}

fn forwarding(snapshot: &Snapshot, target: &TargetState) -> Forwarding {
    snapshot.configuration.group(&target.key.group).map_or_else(Forwarding::default, |group| group.forwarding)
}

impl fmt::Display for Fate<'_> {
    /// `verdict=sent listener=web target=10.0.0.5:80 group=web took=850ns`, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Sent => f.write_str("verdict=sent")?,
            Verdict::Answered(how) => write!(f, "verdict=answered answer={how}")?,
            Verdict::Passed(why) => write!(f, "verdict=passed why=\"{}\"", why.text())?,
            Verdict::Dropped(Some(reason)) => {
                write!(f, "verdict=dropped reason={} why=\"{}\"", reason.name(), reason.text())?;
            }
            Verdict::Dropped(None) => f.write_str("verdict=dropped")?,
            Verdict::Aborted => f.write_str("verdict=aborted")?,
        }
        if let Some(listener) = self.listener {
            write!(f, " listener={}", listener.listener.name)?;
        }
        if let Some(target) = self.target {
            write!(f, " target={} group={}", target.key.socket(), target.key.group)?;
        }
        write!(f, " took={}ns", self.took.as_nanos())
    }
}
