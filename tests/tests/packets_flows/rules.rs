//! Every rule as a row: what is in the tables, a packet, where it goes, and what is in the tables then.

use nix::time::{ClockId, clock_gettime};
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::{FlowEvent, Pin, Tracking};
use nlb_common::layout::edge::{DATAGRAMS, ESTABLISHED, HALF_OPEN};
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::{Group, Target};
use nlb_tests::packets::world::{VIPS, port};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::Action;

use crate::{new_world, target};

use FlowEvent::{Lookup, Pinned, Reselected, Reset};
use Segment::{Chunk, Data, Fin, Init, Rst, Syn, SynAck, Udp};
use Tracking::{All, Transition};

const READY: u8 = Target::READY;
const DRAINING: u8 = READY | Target::DRAINING;
const DEAD: u8 = READY | Target::DEAD;
const OVER: u8 = DRAINING | Target::RESET;
/// Of a target whose entry has been emptied.
const GONE: u8 = 0;

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Target(u32),
    /// Back to the client, as a reset.
    Client,
    /// Nowhere.
    Dropped(DropReason),
}

/// A pin: its table, its target, and whether the flow ends soon.
type Held = Option<(&'static str, u32, bool)>;

struct Row {
    promise: &'static str,
    tracking: Tracking,
    slot: Slot,
    /// The flags of targets 1, 2 and 3.
    targets: [u8; 3],
    before: Held,
    /// Seconds since that flow was last seen.
    age: u32,
    packet: Segment,
    to: To,
    after: Held,
    /// Besides `Lookup`.
    events: &'static [FlowEvent],
}

/// From target 2 to target 1.
fn open() -> Slot {
    Slot::open(1, 2, Tick::at(7))
}

fn closed() -> Slot {
    open().close()
}

const LIVE: [u8; 3] = [READY; 3];
const NONE: Held = None;

fn half_open(target: u32) -> Held {
    Some((HALF_OPEN, target, false))
}

fn established(target: u32) -> Held {
    Some((ESTABLISHED, target, false))
}

fn datagrams(target: u32) -> Held {
    Some((DATAGRAMS, target, false))
}

/// The table of flows amid which a packet belongs.
fn table_of(packet: Segment) -> &'static str {
    if matches!(packet, Udp | Init | Chunk) { DATAGRAMS } else { ESTABLISHED }
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |promise, tracking, slot, targets, before, packet, to, after, events| {
        rows.push(Row { promise, tracking, slot, targets, before, age: 1, packet, to, after, events });
    };
    use To::{Client, Dropped, Target};

    let says = "an open slot's new flows go to `current` and are remembered as half-open";
    add(says, Transition, open(), LIVE, NONE, Syn, Target(1), half_open(1), &[Pinned]);
    add(says, All, open(), LIVE, NONE, Syn, Target(1), half_open(1), &[Pinned]);
    let says = "an open slot's other flows go to `previous` and are remembered as established";
    for packet in [Data, SynAck, Fin, Rst] {
        add(says, Transition, open(), LIVE, NONE, packet, Target(2), established(2), &[Pinned]);
    }
    add(says, Transition, open(), LIVE, NONE, Udp, Target(2), datagrams(2), &[Pinned]);
    let says = "a `previous` that serves none gives its flows to `current`";
    for unable in [DEAD, GONE] {
        add(says, Transition, open(), [READY, unable, READY], NONE, Data, Target(1), established(1), &[Pinned]);
        add(says, Transition, open(), [READY, unable, READY], NONE, Udp, Target(1), datagrams(1), &[Pinned]);
    }
    add(says, Transition, Slot::open(1, 0, Tick::at(7)), LIVE, NONE, Data, Target(1), established(1), &[Pinned]);
    let says = "a `previous` that drains keeps its flows";
    add(says, Transition, open(), [READY, DRAINING, READY], NONE, Data, Target(2), established(2), &[Pinned]);
    add(says, Transition, open(), [READY, DRAINING, READY], NONE, Udp, Target(2), datagrams(2), &[Pinned]);
    let says = "nothing is remembered where both targets are the same";
    for packet in [Syn, Data, Udp] {
        add(says, Transition, Slot::open(1, 1, Tick::at(7)), LIVE, NONE, packet, Target(1), NONE, &[]);
    }
    let says = "a closed slot's flows that aren't pinned go to `current` and aren't remembered";
    for packet in [Syn, Data, Fin, Rst, Udp] {
        add(says, Transition, closed(), LIVE, NONE, packet, Target(1), NONE, &[]);
    }
    let says = "where all flows are remembered, a closed slot's are too";
    add(says, All, closed(), LIVE, NONE, Syn, Target(1), half_open(1), &[Pinned]);
    add(says, All, closed(), LIVE, NONE, Data, Target(1), established(1), &[Pinned]);
    add(says, All, closed(), LIVE, NONE, Udp, Target(1), datagrams(1), &[Pinned]);
    let says = "where all flows are remembered, an unknown one of UDP or SCTP is new";
    for packet in [Udp, Init, Chunk] {
        add(says, All, open(), LIVE, NONE, packet, Target(1), datagrams(1), &[Pinned]);
    }

    let says = "an INIT opens an association as a SYN does a connection";
    add(says, Transition, open(), LIVE, NONE, Init, Target(1), datagrams(1), &[Pinned]);
    add(says, Transition, open(), LIVE, NONE, Chunk, Target(2), datagrams(2), &[Pinned]);
    add(says, Transition, closed(), LIVE, NONE, Init, Target(1), NONE, &[]);
    add(says, Transition, open(), LIVE, datagrams(3), Chunk, Target(3), datagrams(3), &[]);
    add(says, Transition, open(), [READY, READY, DRAINING], datagrams(3), Init, Target(1), datagrams(1), &[Pinned]);
    add(says, Transition, open(), [READY, READY, OVER], datagrams(3), Chunk, Dropped(DropReason::TargetDrained), NONE, &[]);

    let says = "a pinned flow stays with its target, whatever its slot says";
    for slot in [open(), closed(), Slot::open(2, 1, Tick::at(7))] {
        for flags in [READY, DRAINING] {
            let targets = [READY, READY, flags];
            add(says, Transition, slot, targets, established(3), Data, Target(3), established(3), &[]);
            add(says, Transition, slot, targets, datagrams(3), Udp, Target(3), datagrams(3), &[]);
        }
        add(says, Transition, slot, LIVE, established(3), Syn, Target(3), established(3), &[]);
        add(says, Transition, slot, LIVE, half_open(3), Syn, Target(3), half_open(3), &[]);
    }
    let says = "a half-open flow is established by its first packet after the SYN";
    for slot in [open(), closed()] {
        for packet in [Data, SynAck] {
            add(says, Transition, slot, LIVE, half_open(3), packet, Target(3), established(3), &[]);
        }
    }
    let says = "a flow that ends is marked, and stays";
    for packet in [Fin, Rst] {
        let ending = Some((ESTABLISHED, 3, true));
        add(says, Transition, open(), LIVE, established(3), packet, Target(3), ending, &[]);
        add(says, Transition, open(), LIVE, half_open(3), packet, Target(3), ending, &[]);
        add(says, Transition, open(), LIVE, ending, Data, Target(3), ending, &[]);
    }
    let says = "a SYN makes a flow that ended a new one";
    add(says, Transition, open(), LIVE, Some((ESTABLISHED, 3, true)), Syn, Target(3), established(3), &[]);

    let says = "a SYN of a flow pinned to a draining target is a new flow";
    for flags in [DRAINING, OVER] {
        let targets = [READY, READY, flags];
        for before in [established(3), half_open(3)] {
            add(says, Transition, open(), targets, before, Syn, Target(1), half_open(1), &[Pinned]);
            add(says, Transition, closed(), targets, before, Syn, Target(1), NONE, &[]);
            add(says, All, closed(), targets, before, Syn, Target(1), half_open(1), &[Pinned]);
        }
    }

    let says = "a flow pinned to a target that serves none is selected anew";
    for unable in [DEAD, GONE] {
        let targets = [READY, READY, unable];
        add(says, Transition, open(), targets, established(3), Data, Target(1), established(1), &[Reselected, Pinned]);
        add(says, Transition, open(), targets, half_open(3), Data, Target(1), established(1), &[Reselected, Pinned]);
        add(says, Transition, open(), targets, established(3), Syn, Target(1), half_open(1), &[Reselected, Pinned]);
        add(says, Transition, open(), targets, datagrams(3), Udp, Target(1), datagrams(1), &[Reselected, Pinned]);
        add(says, Transition, closed(), targets, established(3), Data, Target(1), NONE, &[Reselected]);
        add(says, Transition, closed(), targets, half_open(3), Data, Target(1), NONE, &[Reselected]);
        add(says, Transition, closed(), targets, datagrams(3), Udp, Target(1), NONE, &[Reselected]);
        add(says, All, closed(), targets, datagrams(3), Udp, Target(1), datagrams(1), &[Reselected, Pinned]);
    }

    let says = "a flow whose target is done with it is reset";
    let drained = DropReason::TargetDrained;
    for slot in [open(), closed()] {
        for packet in [Data, SynAck, Fin] {
            add(says, Transition, slot, [READY, READY, OVER], established(3), packet, Client, NONE, &[Reset]);
        }
        add(says, Transition, slot, [READY, READY, OVER], half_open(3), Data, Client, NONE, &[Reset]);
        add(says, Transition, slot, [READY, READY, OVER], datagrams(3), Udp, Dropped(drained), NONE, &[]);
    }
    add(says, Transition, closed(), [OVER, READY, READY], NONE, Data, Client, NONE, &[Reset]);
    add(says, Transition, open(), [OVER, READY, READY], NONE, Syn, Client, NONE, &[Reset]);
    let says = "a RST is never answered with another: it goes to the flow's target";
    add(says, Transition, open(), [READY, READY, OVER], established(3), Rst, Target(3), NONE, &[]);
    let says = "a flow that is not known here may be one of `current`'s from another edge";
    add(says, Transition, open(), [READY, OVER, READY], NONE, Data, Target(1), established(1), &[Pinned]);
    add(says, Transition, open(), [READY, OVER, READY], NONE, Udp, Target(1), datagrams(1), &[Pinned]);

    let says = "a half-open flow is forgotten once no handshake takes that long";
    add(says, Transition, open(), LIVE, half_open(3), Syn, Target(1), half_open(1), &[Pinned]);
    add(says, Transition, open(), LIVE, half_open(3), Data, Target(2), established(2), &[Pinned]);
    add(says, Transition, closed(), LIVE, half_open(3), Data, Target(1), NONE, &[]);
    let says = "without a target that serves, packets are dropped";
    add(says, Transition, open(), [GONE, GONE, READY], NONE, Data, Dropped(DropReason::NoTarget), NONE, &[]);
    add(says, Transition, open(), [GONE, GONE, READY], NONE, Syn, Dropped(DropReason::NoTarget), NONE, &[]);
    let aged = rows.iter_mut().filter(|row| row.promise.contains("forgotten"));
    aged.for_each(|row| row.age = Pin::HANDSHAKE + 2);
    rows
}

/// The clock of pins.
fn seconds() -> u32 {
    u32::try_from(clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).unwrap().tv_sec()).unwrap()
}

const TABLES: [&str; 3] = [HALF_OPEN, ESTABLISHED, DATAGRAMS];
/// The slot of the listener at `port(1)`.
const PLACE: u32 = 1;

fn prepare(world: &mut World, row: &Row, packet: &Described) {
    let group = Group { tag: 1, first_slot: PLACE, tracking: row.tracking as u8, ..Group::default() };
    world.edge.set_group(1, group).unwrap();
    world.edge.set_slot(PLACE, row.slot).unwrap();
    for (index, flags) in (1..).zip(row.targets) {
        let entry = if flags == GONE { Target::default() } else { Target { flags, ..target(index) } };
        world.edge.set_target(index, entry).unwrap();
    }
    for table in TABLES {
        if world.edge.pins(table).unwrap().contains_key(&packet.flow()) {
            world.edge.remove_pin(table, &packet.flow()).unwrap();
        }
    }
    if let Some((table, index, ends)) = row.before {
        let mut pin = Pin::new(index, target(index).tag, PLACE, seconds().wrapping_sub(row.age));
        pin.flags |= u32::from(ends) * Pin::FIN;
        world.edge.set_pin(table, packet.flow(), pin).unwrap();
    }
}

fn counts(world: &World) -> Vec<(FlowEvent, u64)> {
    world.edge.flow_events().unwrap()
}

#[test]
fn every_rule_holds_for_both_families() {
    let mut world = new_world();
    for row in rows() {
        for vip in VIPS {
            let packet = Described::new(vip.parse().unwrap(), port(1), row.packet);
            let what = format!("{}: {:?}, {:?}, {:?} to {vip}", row.promise, row.slot, row.before, row.packet);
            prepare(&mut world, &row, &packet);
            let events = counts(&world);
            let earliest = seconds();
            let ran = world.edge.run(&packet.frame()).unwrap();
            let latest = seconds();

            let to = match ran.action {
                Action::Tx if ran.packet.len() < packet.frame().len() => To::Client,
                Action::Tx => {
                    let sent =
                        (1..=3).find(|&index| ran.packet == world.tunnel(&packet, index).frame(&[], &packet.ip(), &[]));
                    To::Target(sent.unwrap_or_else(|| panic!("{what}: {:02x?}", ran.packet)))
                }
                Action::Drop => match row.to {
                    To::Dropped(reason)
                        if world.edge.drops().unwrap().iter().any(|(dropped, _)| *dropped == reason) =>
                    {
                        row.to
                    }
                    _ => panic!("{what}: {:?}", world.edge.drops().unwrap()),
                },
                action => panic!("{what}: {action:?}"),
            };
            assert_eq!(to, row.to, "{what}");

            let mut held = Vec::new();
            for table in TABLES {
                for (flow, pin) in world.edge.pins(table).unwrap() {
                    assert!(flow != packet.flow() || (earliest..=latest).contains(&pin.seen), "{what}: {pin:?}");
                    if flow == packet.flow() {
                        assert!(pin.is_of(target(pin.target).tag) && pin.slot == PLACE, "{what}: {pin:?}");
                        held.push((table, pin.target, pin.is_ending()));
                    }
                }
            }
            assert_eq!(held, row.after.into_iter().collect::<Vec<_>>(), "{what}");

            for event in FlowEvent::ALL {
                let of = |counts: &[(FlowEvent, u64)]| {
                    counts.iter().find(|(counted, _)| counted == event).map_or(0, |(_, times)| *times)
                };
                let expected = u64::from(*event == Lookup || row.events.contains(event));
                assert_eq!(of(&counts(&world)) - of(&events), expected, "{what}: {event:?}");
            }
        }
    }
}

#[test]
fn a_group_without_tracking_asks_no_table_whatever_its_slots_say() {
    let mut world = new_world();
    for slot in [open(), closed()] {
        for packet in Segment::ALL {
            let row = Row {
                promise: "",
                tracking: Tracking::None,
                slot,
                targets: LIVE,
                age: 1,
                before: Some((table_of(packet), 3, false)),
                packet,
                to: To::Target(1),
                after: None,
                events: &[],
            };
            let packet = Described::new(VIPS[0].parse().unwrap(), port(1), packet);
            prepare(&mut world, &row, &packet);
            let ran = world.edge.run(&packet.frame()).unwrap();
            assert_eq!(ran.packet, world.tunnel(&packet, 1).frame(&[], &packet.ip(), &[]));
        }
    }
    assert_eq!(counts(&world), []);
}

#[test]
fn a_pin_never_leads_to_the_next_owner_of_its_targets_number() {
    let mut world = new_world();
    for (table, segment) in [(HALF_OPEN, Syn), (HALF_OPEN, Data), (ESTABLISHED, Data), (DATAGRAMS, Udp)] {
        let packet = Described::new(VIPS[0].parse().unwrap(), port(1), segment);
        world.edge.set_slot(PLACE, closed()).unwrap();
        let pin = Pin::new(3, target(3).tag + 1, PLACE, seconds());
        world.edge.set_pin(table, packet.flow(), pin).unwrap();
        let ran = world.edge.run(&packet.frame()).unwrap();
        assert_eq!(ran.packet, world.tunnel(&packet, 1).frame(&[], &packet.ip(), &[]), "{table}");
        assert!(world.edge.pins(table).unwrap().is_empty(), "{table}");
    }
}

#[test]
fn steady_slots_never_ask_the_flow_tables() {
    let mut world = new_world();
    for index in 1..=4 {
        for vip in VIPS {
            for segment in Segment::ALL {
                for source_port in 1..=100 {
                    let mut packet = Described::new(vip.parse().unwrap(), port(index), segment);
                    packet.source.1 = source_port;
                    // Who looked would find another target.
                    let table = table_of(segment);
                    let other = index % 4 + 1;
                    world.edge.set_pin(table, packet.flow(), Pin::new(other, target(other).tag, index, 0)).unwrap();
                    let ran = world.edge.run(&packet.frame()).unwrap();
                    let expected = world.tunnel(&packet, index).frame(&[], &packet.ip(), &[]);
                    assert_eq!((ran.action, ran.packet), (Action::Tx, expected));
                    world.edge.remove_pin(table, &packet.flow()).unwrap();
                }
            }
        }
    }
    assert_eq!(counts(&world), []);
}
