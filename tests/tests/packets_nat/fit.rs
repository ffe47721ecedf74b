//! Answers that don't fit the way to the client: the target is told what fits.

use std::process::Command;

use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use nlb_common::drop_reason::DropReason;
use nlb_common::layout::edge;
use nlb_common::nat::Session;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::described::TAGGINGS;
use nlb_tests::packets::icmp::{Message, told};
use nlb_tests::packets::pieces::Piece;
use nlb_tests::run::Action;

use super::families::{arrived, between, request_of_the_other};
use super::*;

/// What the way to clients takes that come in by [`INGRESS`], and by [`NARROW`].
const MTUS: [u16; 2] = [1_500, 1_400];
const NARROW: &str = "narrow";

/// Takes this thread to a network namespace of its own, with two interfaces of these MTUs. The second one's index.
fn own_interfaces() -> u32 {
    unshare(CloneFlags::CLONE_NEWNET).expect("this needs root");
    for arguments in [format!("link set lo mtu {}", MTUS[0]), format!("link add {NARROW} mtu {} type veth", MTUS[1])] {
        assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "{arguments}");
    }
    if_nametoindex(NARROW).unwrap()
}

/// A flow whose client is of the target's family, or of the other: what it asked, and as what that arrived at the target.
pub(super) fn begun(world: &World, index: u32, crosses: bool, segment: Segment) -> (Described, Described) {
    let asked = if crosses { request_of_the_other(world, index, segment) } else { request(world, index, segment) };
    let target = world.targets[index as usize - 1];
    let left = run(world, &asked);
    let arrives = if crosses {
        arrived(&left.packet, &asked, &target)
    } else {
        let from_edge = target.forwarding() == Target::NAT_SOURCE;
        let source = if from_edge { source_in(&left.packet, &asked, &target) } else { asked.source };
        arriving(&asked, &target, source)
    };
    (asked, arrives)
}

/// The same: what it asked, and the target's answer.
fn flow(world: &World, index: u32, crosses: bool, segment: Segment) -> (Described, Described) {
    let (asked, arrives) = begun(world, index, crosses, segment);
    (asked, answer(&arrives, segment))
}

/// The answer with a packet of so many bytes.
fn long(said: &Described, length: u16) -> Described {
    Described { payload: usize::from(length) + said.payload - said.ip().len(), ..said.clone() }
}

/// Runs answers up to `mtu` bytes long, which should leave by `action`, and longer ones, which should be answered. How many were.
fn assert_fits(world: &World, (asked, said): &(Described, Described), mtu: u16, action: Action) -> u64 {
    for tags in TAGGINGS {
        let said = Described { tags: tags.to_vec(), ..said.clone() };
        let fits = long(&said, mtu);
        let back = run(world, &fits);
        assert_eq!(back.action, action, "{fits:?}");
        let heard = between(&fits, asked.destination, asked.source);
        assert_eq!(back.packet.len(), heard.ip().len() + asked.link_length(), "{fits:?}");

        let longer = long(&said, mtu + 1);
        let quoted = if said.source.0.is_ipv4() { 548 } else { 1_232 };
        let message = Message::too_big(mtu, &translated::ip(&longer, 0)[..quoted]);
        let ran = run(world, &longer);
        assert_eq!((ran.action, ran.packet), (Action::Tx, told(&longer, &message)), "{longer:?}");
    }
    TAGGINGS.len() as u64
}

/// Has the flow's client come in by that interface.
fn move_client(world: &mut World, said: &Described, interface: u32) {
    let back = said.flow();
    let (table, session) = [edge::NAT_NEW, edge::NAT_FLOWS]
        .into_iter()
        .find_map(|table| Some((table, *world.edge.sessions(table).unwrap().get(&back)?)))
        .expect("it is remembered");
    world.edge.set_session(table, back, Session { interface, ..session }).unwrap();
}

#[test]
fn an_answer_that_grows_beyond_what_the_client_takes_is_answered_with_what_fits() {
    own_interfaces();
    let (world, indexes) = world(Target::NAT_SOURCE);
    let mut answers = 0;
    for index in [indexes[0], indexes[1]] {
        for segment in [Segment::Data, Segment::Udp] {
            answers += assert_fits(&world, &flow(&world, index, true, segment), MTUS[0] - 20, Action::Tx);
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::TooBig, answers)]);
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn an_answer_that_may_be_fragmented_is_answered_as_well() {
    own_interfaces();
    let (world, indexes) = world(Target::NAT_SOURCE);
    let (_, said) = flow(&world, indexes[0], true, Segment::Udp);
    let longer = long(&said, MTUS[0]);
    let mut frame = frame(&longer);
    let header = longer.link_length();
    frame[header + 6] = 0;
    let ran = world.edge.run(&frame).unwrap();
    let message = Message::too_big(MTUS[0] - 20, &frame[header..header + 548]);
    assert_eq!((ran.action, ran.packet), (Action::Tx, told(&longer, &message)));
}

#[test]
fn of_an_answer_in_fragments_the_first_has_room_for_a_fragment_header() {
    own_interfaces();
    let (world, indexes) = world(Target::NAT_SOURCE);
    for (index, mtu) in [(indexes[0], MTUS[0] - 28), (indexes[1], MTUS[0] - 28)] {
        let (asked, said) = flow(&world, index, true, Segment::Udp);
        let datagram = translated::ip(&long(&said, 4_000), 0).split_off(said.header_length());
        let first = |identification, length: usize| {
            Piece { identification, offset: 0, more: true }.ip(&said, &datagram[..length])
        };
        let length = usize::from(mtu - 20) & !7;
        let fits = world.edge.run(&said.frame_around(&first(1, length))).unwrap();
        assert_eq!((fits.action, fits.packet.len()), (Action::Tx, asked.link_length() + 48 + length));
        let longer = first(2, length + 8);
        let ran = world.edge.run(&said.frame_around(&longer)).unwrap();
        let message = Message::too_big(mtu, &longer[..548]);
        assert_eq!((ran.action, ran.packet), (Action::Tx, told(&said, &message)));
    }
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn what_fits_is_said_of_the_interface_that_the_client_is_behind() {
    let narrow = own_interfaces();
    for forwarding in [Target::NAT, Target::NAT_SOURCE] {
        let (mut world, indexes) = world(forwarding);
        let mut answers = 0;
        for index in [indexes[0], indexes[2]] {
            for crosses in [false, true].into_iter().filter(|crosses| !crosses || forwarding == Target::NAT_SOURCE) {
                let flow = flow(&world, index, crosses, Segment::Data);
                move_client(&mut world, &flow.1, narrow);
                let mtu = match (crosses, flow.1.source.0.is_ipv4()) {
                    (false, _) => MTUS[1],
                    (true, true) => MTUS[1] - 20,
                    (true, false) => MTUS[1] + 20,
                };
                answers += assert_fits(&world, &flow, mtu, Action::Redirect);
            }
        }
        assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::TooBig, answers)]);
        assert_eq!(world.edge.drops().unwrap(), []);
    }
}

#[test]
fn a_target_is_told_so_often_and_no_more() {
    const SENT: u64 = 500;
    own_interfaces();
    let (world, indexes) = world(Target::NAT_SOURCE);
    let (_, said) = flow(&world, indexes[0], true, Segment::Data);
    let longer = long(&said, MTUS[0]);
    let answers = (0..SENT).filter(|_| run(&world, &longer).action == Action::Tx).count() as u64;
    assert!((50..SENT).contains(&answers), "{answers} answers");
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::TooBig, SENT - answers)]);
}
