//! Any configuration, written as text, reads as itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::any_autoscaling_group::autoscaling_group;
use crate::autoscale::model::AutoscalingGroup;
use crate::config::{parse, render};
use crate::model::{
    Access, Affinity, AgentSettings, Capacity, CodeRange, Configuration, FlowSettings, Forwarding, GroupShare,
    HealthCheck, Listener, Name, Networks, NewFlowLimit, Ports, Probe, PrometheusServer, Protocol, Quic, RingKind,
    RingSize, ServedBy, Target, TargetGroup, Tracking, Vip, Weight, XdpMode,
};

pub(super) fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}".prop_map(|text| text.parse().unwrap())
}

/// Targets live in other networks than VIPs, so that none is both.
fn address(v4: u8, v6: u16) -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(move |[a, b, c]| Ipv4Addr::new(v4, a, b, c).into()),
        any::<[u16; 3]>().prop_map(move |[a, b, c]| Ipv6Addr::new(v6, 0xdb8, 0, a, 0, 0, b, c).into()),
    ]
}

fn path() -> impl Strategy<Value = std::path::PathBuf> {
    "/[^\\p{Cc}]{0,20}".prop_map(Into::into)
}

prop_compose! {
    fn prometheus()(
        tls in any::<bool>(), host in prop_oneof!["[a-z0-9][a-z0-9.-]{0,20}", Just("[2001:db8::1]".to_owned())], port in 1_u16..,
        path in "(/[!-\"$->@-~]{1,8}){0,2}", timeout in 100_u64..=9_000, verify in any::<bool>(),
    ) -> PrometheusServer {
        let url = format!("{}://{host}:{port}{path}", if tls { "https" } else { "http" });
        PrometheusServer { url: url.parse().unwrap(), timeout: Duration::from_millis(timeout), verify }
    }
}

prop_compose! {
    fn agent()(
        interfaces in btree_set("[a-z@.-]{3,15}", 1..4), generic in any::<bool>(), seed in of(any::<u64>()), zone in of(name()),
        v4 in of((any::<[u8; 3]>(), 8_u8..=32)), v6 in of((any::<u64>(), 64_u8..=128)), socket in path(),
        (metrics, prometheus) in (of((any::<IpAddr>(), 1_u16..)), of(prometheus())), drop_foreign_tunnels in any::<bool>(), pin_path in path(), state_dir in path(),
        (listeners, groups, targets) in (100_u32..=1 << 20, 100_u32..=1 << 16, 100_u32..=1 << 20), slots in 10_u32 << 20..=1 << 28,
        (half_open, flows) in (1_u32..=1 << 24, 1_u32..=1 << 28),
        (datagrams, fragments) in (1_u32..=1 << 26, 1_u32..=1 << 24),
        (sketches, networks, sources) in (1_u32..=1 << 18, 1000_u32..=1 << 24, 1_u32..=1 << 24),
    ) -> AgentSettings {
        AgentSettings {
            interfaces: interfaces.into_iter().collect(),
            mode: if generic { XdpMode::Generic } else { XdpMode::Native },
            seed,
            zone,
            source_v4: v4.map(|([a, b, c], length)| IpNet::new(Ipv4Addr::new(10, a, b, c).into(), length).unwrap().trunc()),
            source_v6: v6.map(|(low, length)| {
                let address = (0x2001_0db8 << 96) | u128::from(low);
                IpNet::new(Ipv6Addr::from(address).into(), length).unwrap().trunc()
            }),
            drop_foreign_tunnels,
            socket,
            metrics: metrics.map(|(address, port)| SocketAddr::new(address, port)),
            prometheus,
            pin_path,
            state_dir,
            capacity: Capacity {
                listeners,
                groups,
                targets,
                slots,
                half_open,
                flows,
                datagrams,
                fragments,
                sketches,
                networks,
                sources,
            },
        }
    }
}

prop_compose! {
    fn http()(
        tls in any::<bool>(), verify in any::<bool>(), path in "/[!-\"$-~]{0,20}", host in of("[a-z0-9.:-]{1,20}"),
        codes in vec((100_u16..=599, 100_u16..=599), 1..4), body in of("\\PC{1,20}"),
    ) -> Probe {
        let codes = codes.into_iter().map(|(a, b)| CodeRange { first: a.min(b), last: a.max(b) }).collect();
        Probe::Http { tls, verify: tls && verify, path, host, codes, body }
    }
}

prop_compose! {
    fn health_check()(
        probe in prop_oneof![Just(Probe::Tcp), http()], port in of(1_u16..), interval in 100_u64..=300_000,
        fast in any::<Index>(), timeout in any::<Index>(), healthy_threshold in 1_u32..=10, unhealthy_threshold in 1_u32..=10,
    ) -> HealthCheck {
        let from = |least: u64, index: Index| {
            let span = usize::try_from(interval - least + 1).unwrap();
            Duration::from_millis(least + index.index(span) as u64)
        };
        HealthCheck {
            probe, port,
            interval: Duration::from_millis(interval),
            fast_interval: from(100, fast),
            timeout: from(10, timeout),
            healthy_threshold, unhealthy_threshold,
        }
    }
}

prop_compose! {
    fn flows()(
        tracking in of(select(vec![Tracking::Transition, Tracking::All, Tracking::None])),
        idle in of(60_000_u64..=6_000_000), delay in 0_u64..=3_600_000, termination in of(any::<bool>()),
        unhealthy in any::<bool>(), interval in 0_u64..=360_000_000, slow in prop_oneof![Just(0_u64), 30_000_u64..=900_000],
    ) -> FlowSettings {
        FlowSettings {
            tracking,
            idle_timeout: idle.map(Duration::from_millis),
            deregistration_delay: Duration::from_millis(delay),
            connection_termination: termination,
            unhealthy_connection_termination: unhealthy,
            unhealthy_draining_interval: Duration::from_millis(interval),
            slow_start: Duration::from_millis(slow),
        }
    }
}

prop_compose! {
    fn group(name: Name)(
        affinity in select(Affinity::ALL.to_vec()),
        (forwarding, flows) in (select(Forwarding::NAMES.to_vec()), any::<bool>(), flows()).prop_map(
            |((_, forwarding), source, flows)| match forwarding {
                Forwarding::Nat { .. } => (Forwarding::Nat { source }, FlowSettings { tracking: None, ..flows }),
                Forwarding::Geneve => (forwarding, FlowSettings { connection_termination: None, ..flows }),
                other => (other, flows),
            },
        ),
        maglev in any::<bool>(), size in 8_u32..=20, cross_zone in any::<bool>(), health_check in health_check(),
        targets in btree_map((address(10, 0x2001), 1_u16..), (of(super::round_trip::name()), 0_u16..=999), 0..6),
        name in Just(name),
    ) -> TargetGroup {
        TargetGroup {
            name,
            forwarding,
            affinity: if affinity.goes_with(forwarding) { affinity } else { Affinity::Flow },
            ring: if maglev { RingKind::Maglev } else { RingKind::Rendezvous },
            ring_size: RingSize::new(1 << size).unwrap(),
            cross_zone,
            health_check,
            flows,
            targets: targets
                .into_iter()
                .map(|((address, port), (zone, weight))| {
                    Target { address, port, zone, weight: Weight::new(weight).unwrap(), quic_server_id: None }
                })
                .collect(),
        }
    }
}

fn groups() -> impl Strategy<Value = Vec<TargetGroup>> {
    btree_set(name(), 1..6).prop_flat_map(|names| names.into_iter().map(group).collect::<Vec<_>>())
}

fn networks() -> impl Strategy<Value = Networks> {
    let network = prop_oneof![(address(10, 0x2001), 0_u8..=32), (address(10, 0x2001), 0_u8..=128)];
    let network = network.prop_map(|(address, length)| {
        IpNet::new(address, length.min(IpNet::from(address).max_prefix_len())).unwrap().trunc()
    });
    of(vec(network, 0..4)).prop_map(|listed| Networks { listed, file: None })
}

fn limit() -> impl Strategy<Value = NewFlowLimit> {
    (1_u32..=1_000_000, 1_u32..=1_000_000, 8_u8..=32, 16_u8..=128).prop_map(|(rate, burst, prefix_v4, prefix_v6)| {
        NewFlowLimit { rate: rate.try_into().unwrap(), burst: burst.try_into().unwrap(), prefix_v4, prefix_v6 }
    })
}

fn guards() -> impl Strategy<Value = (Access, Option<NewFlowLimit>)> {
    (networks(), networks(), of(limit())).prop_map(|(allow, deny, limit)| (Access::new(allow, deny, &[], &[]), limit))
}

/// A gateway in the place of `listener`, for the network that its address lies in: what appliances serve.
fn gateway(listener: Listener, length: u8) -> Listener {
    let network = IpNet::new(listener.address, length.min(IpNet::from(listener.address).max_prefix_len())).unwrap();
    Listener {
        address: network.network(),
        prefix_length: Some(network.prefix_len()),
        protocol: Protocol::All,
        ports: Ports::ALL,
        access: Access::default(),
        new_flows: None,
        quic: None,
        ..listener
    }
}

/// Who answers to the client is of his family.
fn can_serve(group: &TargetGroup, listener: &Listener) -> bool {
    let translated = matches!(group.forwarding, Forwarding::Nat { .. });
    let answers_to_edge = group.forwarding == Forwarding::Nat { source: true };
    let is_of_family = |target: &Target| target.address.is_ipv4() == listener.address.is_ipv4();
    let has_one_port = listener.protocol != Protocol::Sctp && listener.ports.only().is_some();
    !translated || has_one_port && (answers_to_edge || group.targets.iter().all(is_of_family))
}

/// Gives every target an id of that length, and no two the same.
fn name_targets(groups: &mut [TargetGroup], quic: Quic) {
    let targets = groups.iter_mut().flat_map(|group| &mut group.targets);
    for (number, target) in targets.enumerate() {
        let id = format!("{number:0>digits$x}", digits = 2 * usize::from(quic.server_id_length));
        target.quic_server_id = Some(id.parse().unwrap());
    }
}

prop_compose! {
    fn configuration()(agent in agent(), groups in groups())(
        listeners in {
            let protocol = select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
            let ports = prop_oneof![
                (1_u16..).prop_map(Ports::from),
                (1_u16..9_000, 1_u16..9_000).prop_map(|(first, more)| Ports::new(first, first + more).unwrap()),
                Just(Ports::ALL),
            ];
            let group = select(groups.iter().map(|group| group.name.clone()).collect::<Vec<_>>());
            btree_map((address(192, 0x3fff), protocol, ports), (name(), (group, of(1_u16..=999), guards())), 0..6)
        },
        lengths in vec(0_u8..=128, 6),
        exclusive in vec(of(any::<bool>()), 6),
        autoscaling_groups in {
            let served: Vec<Name> = groups.iter().map(|group| group.name.clone()).collect();
            btree_set(name(), 0..2).prop_flat_map(move |names| {
                names.into_iter().map(|name| autoscaling_group(name, served.clone())).collect::<Vec<_>>()
            })
        },
        quic in of((1_u8..=15, 0_u8..=6)), agent in Just(agent), mut groups in Just(groups),
    ) -> Configuration {
        let quic = quic.map(|(server_id_length, config_rotation)| Quic { server_id_length, config_rotation });
        if let Some(quic) = quic {
            name_targets(&mut groups, quic);
        }
        let mut networks = BTreeSet::new();
        let named: BTreeMap<_, _> = listeners.into_iter().map(|(socket, (name, group))| (name, (socket, group))).collect();
        let listeners = named
            .into_iter()
            .map(|(name, ((address, protocol, ports), (group, weight, (access, limit))))| {
                // Whether several groups fit each other is not what is tried here.
                let served_by = match weight {
                    None => ServedBy::Group(group),
                    Some(weight) => ServedBy::Shares(vec![GroupShare { group, weight: Weight::new(weight).unwrap() }]),
                };
                let new_flows = limit.filter(|_| protocol == Protocol::Tcp);
                let is_translated = |group: &TargetGroup| {
                    served_by.is_by(&group.name) && matches!(group.forwarding, Forwarding::Nat { .. })
                };
                let quic = quic.filter(|_| protocol == Protocol::Udp && !groups.iter().any(is_translated));
                Listener { name, address, prefix_length: None, protocol, ports, served_by, access, new_flows, quic }
            })
            .zip(lengths)
            .map(|(listener, length)| {
                let group = groups.iter().find(|group| listener.served_by.is_by(&group.name)).unwrap();
                if group.forwarding == Forwarding::Geneve { gateway(listener, length) } else { listener }
            })
            .filter(|listener| listener.network().is_none_or(|network| networks.insert(network)))
            .filter(|listener| groups.iter().all(|group| !listener.served_by.is_by(&group.name) || can_serve(group, listener)))
            .collect::<Vec<_>>();
        let addresses: BTreeSet<_> = listeners.iter().filter_map(Listener::vip).collect();
        let said = addresses.into_iter().zip(exclusive);
        let vips = said.filter_map(|(address, exclusive)| Some(Vip { address, exclusive: exclusive? })).collect();
        // A group that asks one needs a server to ask.
        let asks = autoscaling_groups.iter().any(AutoscalingGroup::asks_prometheus);
        let server = || PrometheusServer {
            url: "http://[::1]:9090".parse().unwrap(),
            timeout: Duration::from_secs(5),
            verify: true,
        };
        let prometheus = agent.prometheus.clone().or_else(|| asks.then(server));
        let agent = AgentSettings { prometheus, ..agent };
        Configuration { agent, listeners, vips, groups, autoscaling_groups }
    }
}

proptest! {
    #[test]
    fn a_rendered_configuration_reads_as_itself(configuration in configuration()) {
        let text = render(&configuration);
        let read = parse(&text, "rendered");
        prop_assert!(read.is_ok(), "{}\nin\n{text}", read.unwrap_err());
        prop_assert_eq!(read.unwrap(), configuration);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "([\\[\\]=\"'.#\\n a-z0-9_]|\\PC){0,200}") {
        if let Err(errors) = parse(&text, "f") {
            prop_assert!(!errors.problems().is_empty());
            prop_assert!(!errors.to_string().is_empty());
        }
    }

    #[test]
    fn a_damaged_configuration_is_refused_or_reads_as_what_it_says(
        configuration in configuration(), at in any::<Index>(), replacement in "\\PC{0,3}",
    ) {
        let mut text = render(&configuration);
        let at = text.floor_char_boundary(at.index(text.len()));
        text.replace_range(at..text.ceil_char_boundary(at + 1), &replacement);
        match parse(&text, "f") {
            Ok(read) => prop_assert_eq!(parse(&render(&read), "again").unwrap(), read),
            Err(errors) => prop_assert!(errors.problems().iter().all(|problem| problem.place.line <= text.split('\n').count())),
        }
    }
}
