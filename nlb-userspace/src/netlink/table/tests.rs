use proptest::prelude::*;

use super::*;

const GATEWAY: NeighbourKey = (2, IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 254)));

fn target(n: u16) -> IpAddr {
    let [high, low] = n.to_be_bytes();
    IpAddr::from([10, 0, high, low])
}

fn link() -> Link {
    Link { name: "eth0".to_owned(), mac: Some([2; 6]), mtu: 1500, up: true, kind: None }
}

fn by_gateway() -> Route {
    let source = Some("192.0.2.1".parse().unwrap());
    Route::Unicast { interface: GATEWAY.0, gateway: Some(GATEWAY.1), source, mtu: None }
}

fn at(last: u8) -> Neighbour {
    Neighbour { verdict: Verdict::At([2, 0, 0, 0, 0, last]), managed: true, ours: true, fixed: false }
}

fn with(verdict: Verdict) -> Neighbour {
    Neighbour { verdict, ..at(0) }
}

/// `count` targets behind one gateway, all told.
fn settled(count: u16) -> Table {
    let mut table = Table::new(XdpMode::Native);
    table.replace(Links::from([(2, link())]), HashMap::new());
    table.want(&(0..count).map(target).collect());
    for address in table.look_ups() {
        table.route(address, by_gateway());
    }
    assert_eq!(table.neighbours_to_ask(), [GATEWAY]);
    table.change(Change::Neighbour(GATEWAY, at(1)));
    assert_eq!(table.answers().len(), usize::from(count));
    table
}

fn macs(answers: &[(IpAddr, Answer)]) -> BTreeSet<u8> {
    answers.iter().map(|(_, answer)| answer.as_ref().unwrap().mac[5]).collect()
}

#[test]
fn many_targets_behind_one_gateway_ask_for_one_neighbour_once() {
    let mut table = settled(2_000);
    assert_eq!(table.neighbours_to_ask(), []);
    table.change(Change::Neighbour(GATEWAY, at(2)));
    let answers = table.answers();
    assert_eq!((answers.len(), macs(&answers)), (2_000, BTreeSet::from([2])));
}

#[test]
fn a_route_change_looks_up_those_within_it_and_tells_only_what_differs() {
    let mut table = settled(1_000);
    table.change(Change::Routes("10.0.1.0/24".parse().unwrap()));
    let look_ups = table.look_ups();
    assert_eq!(look_ups, (256..512).map(target).collect());
    for address in look_ups {
        let route = if address == target(300) { Route::None } else { by_gateway() };
        table.route(address, route);
    }
    assert_eq!(table.answers(), [(target(300), Err(NoNextHop::NoRoute))]);
}

#[test]
fn a_mac_address_is_kept_until_its_owner_stays_silent() {
    let mut table = settled(1);
    table.change(Change::Neighbour(GATEWAY, with(Verdict::Unknown)));
    table.change(Change::NeighbourGone(GATEWAY));
    assert_eq!(table.answers(), []);
    assert_eq!(table.neighbours_to_ask(), [GATEWAY], "what the kernel forgot is asked again");
    table.change(Change::Neighbour(GATEWAY, with(Verdict::Silent)));
    assert!(matches!(table.answers()[..], [(_, Err(NoNextHop::NoNeighbour { .. }))]));
    table.change(Change::Neighbour(GATEWAY, with(Verdict::Unknown)));
    assert_eq!(table.answers(), [], "asking a silent neighbour again is no news");
    table.change(Change::Neighbour(GATEWAY, at(1)));
    assert_eq!(macs(&table.answers()), BTreeSet::from([1]));
}

#[test]
fn unconfirmed_neighbours_are_asked_again_and_fixed_ones_never() {
    let mut table = settled(1);
    table.change(Change::Neighbour(GATEWAY, Neighbour { managed: false, ..at(1) }));
    table.ask_again();
    assert_eq!(table.neighbours_to_ask(), [GATEWAY]);
    assert_eq!(table.neighbours_to_ask(), []);
    table.change(Change::Neighbour(GATEWAY, Neighbour { managed: false, fixed: true, ..at(1) }));
    table.ask_again();
    assert_eq!(table.neighbours_to_ask(), []);
}

#[test]
fn a_neighbour_is_released_when_the_last_target_behind_it_goes() {
    let mut table = settled(2);
    table.want(&BTreeSet::from([target(0)]));
    assert_eq!(table.neighbours_to_release(), []);
    table.want(&BTreeSet::new());
    assert_eq!(table.neighbours_to_release(), [GATEWAY]);
    assert_eq!(table.neighbours_to_release(), []);
}

#[test]
fn what_an_earlier_agent_left_is_released_and_what_others_manage_is_not() {
    let mut table = settled(1);
    let (orphan, foreign) = ((2, target(77)), (2, target(78)));
    table.change(Change::Neighbour(orphan, at(7)));
    table.change(Change::Neighbour(foreign, Neighbour { ours: false, ..at(8) }));
    table.leave_orphans();
    assert_eq!(table.neighbours_to_release(), [orphan]);
}

#[test]
fn an_interface_that_went_down_takes_its_neighbours_with_it() {
    let mut table = settled(1);
    table.change(Change::Link(2, Link { up: false, ..link() }));
    for address in table.look_ups() {
        table.route(address, Route::None);
    }
    let down = Err(NoNextHop::InterfaceDown { interface: "eth0".to_owned() });
    assert_eq!(table.answers(), [(target(0), down)]);
    table.change(Change::Link(2, link()));
    for address in table.look_ups() {
        table.route(address, by_gateway());
    }
    assert_eq!(table.answers(), [(target(0), Err(NoNextHop::Pending))]);
    assert_eq!(table.neighbours_to_ask(), [GATEWAY]);
}

#[test]
fn after_lost_messages_what_the_kernel_says_counts() {
    let mut table = settled(2);
    table.replace(Links::from([(2, link())]), HashMap::from([(GATEWAY, at(9))]));
    for address in table.look_ups() {
        table.route(address, by_gateway());
    }
    assert_eq!(macs(&table.answers()), BTreeSet::from([9]));
}

/// What the kernel would say now, and how it gets there: the model keeps no record of who waits for what.
#[derive(Clone, Debug)]
enum Step {
    Want(Vec<u8>),
    Link(bool),
    Neighbour(u8, Verdict),
    NeighbourGone(u8),
    /// From now on the targets of this half are reached by that gateway, or by none.
    Reroute(bool, Option<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        Just(Verdict::Unknown),
        Just(Verdict::Silent),
        any::<u8>().prop_map(|last| Verdict::At([2, 0, 0, 0, 0, last])),
    ];
    prop_oneof![
        proptest::collection::vec(0..8_u8, 0..8).prop_map(Step::Want),
        any::<bool>().prop_map(Step::Link),
        (0..3_u8, verdict).prop_map(|(gateway, verdict)| Step::Neighbour(gateway, verdict)),
        (0..3_u8).prop_map(Step::NeighbourGone),
        (any::<bool>(), proptest::option::of(0..3_u8)).prop_map(|(half, gateway)| Step::Reroute(half, gateway)),
    ]
}

fn gateway(number: u8) -> NeighbourKey {
    (2, IpAddr::from([192, 0, 2, number]))
}

fn half(upper: bool) -> IpNet {
    if upper { "10.0.0.4/30" } else { "10.0.0.0/30" }.parse().unwrap()
}

/// The model's routes: by which gateway each half is reached.
fn kernel_route(routes: [Option<u8>; 2], address: IpAddr) -> Route {
    let source = Some("192.0.2.1".parse().unwrap());
    let by = |number| Route::Unicast { interface: 2, gateway: Some(gateway(number).1), source, mtu: None };
    routes[usize::from(half(true).contains(&address))].map_or(Route::None, by)
}

proptest! {
    /// Whatever happens in whatever order, what was told last is what a fresh look at everything says, and nothing is
    /// told twice.
    #[test]
    fn what_was_told_is_what_a_fresh_look_says(steps in proptest::collection::vec(step(), 1..60)) {
        let mut table = Table::new(XdpMode::Native);
        let mut links = Links::from([(2, link())]);
        table.replace(links.clone(), HashMap::new());
        let mut routes = [Some(0), Some(1)];
        let mut verdicts: BTreeMap<NeighbourKey, Verdict> = BTreeMap::new();
        let mut wanted = BTreeSet::new();
        let mut told: BTreeMap<IpAddr, Answer> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Want(numbers) => {
                    wanted = numbers.into_iter().map(|number| target(number.into())).collect();
                    told.retain(|address, _| wanted.contains(address));
                    table.want(&wanted);
                }
                Step::Link(up) => {
                    let now = Link { up, ..link() };
                    if !up && links[&2].up {
                        verdicts.clear();
                    }
                    links.insert(2, now.clone());
                    table.change(Change::Link(2, now));
                }
                Step::Neighbour(number, verdict) => {
                    if verdict != Verdict::Unknown {
                        verdicts.insert(gateway(number), verdict);
                    }
                    table.change(Change::Neighbour(gateway(number), with(verdict)));
                }
                Step::NeighbourGone(number) => {
                    let key = gateway(number);
                    let in_use = wanted.iter().any(|address| kernel_route(routes, *address).neighbour(*address) == Some(key));
                    if !in_use {
                        verdicts.remove(&key);
                    }
                    table.change(Change::NeighbourGone(key));
                }
                Step::Reroute(upper, number) => {
                    routes[usize::from(upper)] = number;
                    table.change(Change::Routes(half(upper)));
                }
            }
            for address in table.look_ups() {
                table.route(address, kernel_route(routes, address));
            }
            for (address, answer) in table.answers() {
                let before = told.insert(address, answer.clone()).unwrap_or(Err(NoNextHop::Pending));
                prop_assert_ne!(before, answer, "{} was told twice", address);
            }
            for address in &wanted {
                let route = kernel_route(routes, *address);
                let verdict = route.neighbour(*address).and_then(|key| verdicts.get(&key)).copied().unwrap_or_default();
                let fresh = match resolve(*address, &route, &links, verdict, XdpMode::Native, Some(2)) {
                    // Without a route it is told only of an interface that it has been reached by.
                    Err(NoNextHop::InterfaceDown { .. }) if route == Route::None => continue,
                    fresh => fresh,
                };
                let last = told.get(address).cloned().unwrap_or(Err(NoNextHop::Pending));
                let kept = last.is_ok() && fresh == Err(NoNextHop::Pending) && links[&2].up;
                prop_assert!(kept || last == fresh, "{}: told {:?}, and is {:?}", address, last, fresh);
            }
        }
    }
}
