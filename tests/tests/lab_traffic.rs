//! Real clients reach real servers through the balancer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Result, ensure};
use nlb_tests::lab::{
    Arms, Forwarding, HealthCheck, ListenerConfig, NginxOptions, Options, Service, VIP_V4, VIP_V6, web_and_dns,
};

/// How the edge is connected, and how packets travel from it.
const MODES: [(Arms, Forwarding); 3] =
    [(Arms::One, Forwarding::IpIp), (Arms::Two, Forwarding::IpIp), (Arms::One, Forwarding::Gue)];

fn options((arms, forwarding): (Arms, Forwarding)) -> Options {
    Options { arms, forwarding, ..Options::default() }
}

/// Did each of three targets get a fair part? A third, give or take chance: half of a third is far outside of that, from
/// some 240 on (five and a half standard deviations).
fn ensure_even(counts: &BTreeMap<String, usize>, total: usize) -> Result<()> {
    ensure!(counts.len() == 3 && counts.values().all(|count| count * 6 >= total), "unfair: {counts:?} of {total}");
    Ok(())
}

#[test]
fn ten_thousand_requests_fifty_at_a_time_all_succeed_spread_and_keep_their_source() -> Result<()> {
    for mode in MODES {
        let service = Service::start(options(mode), NginxOptions::default(), web_and_dns())?;
        let client = service.lab.client();
        for (vip, own) in [(VIP_V4.into(), client.v4().into()), (VIP_V6.into(), IpAddr::from(client.v6()))] {
            let tally = client.requests(vip, 10_000, 50)?;
            ensure!(tally.failed.is_empty(), "{mode:?} {vip}: {} failed: {:?}", tally.failed.len(), tally.failed[0]);
            ensure_even(&tally.answered, 10_000)?;
            ensure!(tally.clients == [(own.to_string(), 10_000)].into(), "{mode:?} {vip}: {:?}", tally.clients);
        }
    }
    Ok(())
}

#[test]
fn a_vip_of_one_family_reaches_targets_of_the_other() -> Result<()> {
    let mut listeners = web_and_dns();
    listeners.iter_mut().for_each(|listener| listener.targets_v6 = !listener.targets_v6);
    for mode in MODES {
        let service = Service::start(options(mode), NginxOptions::default(), listeners.clone())?;
        for vip in [VIP_V4.into(), VIP_V6.into()] {
            let tally = service.lab.client().requests(vip, 300, 20)?;
            ensure!(tally.failed.is_empty(), "{mode:?} {vip}: {:?}", tally.failed);
            ensure_even(&tally.answered, 300)?;
        }
    }
    Ok(())
}

#[test]
fn large_files_travel_whole_in_both_directions() -> Result<()> {
    let nginx = NginxOptions { file_bytes: 100_000_000, ..NginxOptions::default() };
    for mode in MODES {
        let service = Service::start(options(mode), nginx, web_and_dns())?;
        for vip in [VIP_V4.into(), VIP_V6.into()] {
            service.transfer(vip)?;
        }
    }
    Ok(())
}

#[test]
fn bulk_traffic_flows_in_both_directions() -> Result<()> {
    let listeners = [VIP_V4.into(), VIP_V6.into()].map(|address: IpAddr| ListenerConfig {
        name: format!("bulk-{}", if address.is_ipv4() { "v4" } else { "v6" }),
        address,
        protocol: "tcp",
        port: 5201,
        health: HealthCheck::Tcp(80),
        targets_v6: address.is_ipv6(),
        affinity: "source_ip",
        // iperf3's two connections must meet at one target; affinity sees to that.
        targets: 3,
    });
    let mut all = web_and_dns();
    all.extend(listeners);
    let service = Service::start(Options::default(), NginxOptions::default(), all)?;
    let _servers = service.lab.targets().map(nlb_tests::lab::Host::iperf_server).collect::<Result<Vec<_>>>()?;
    for vip in [VIP_V4.into(), VIP_V6.into()] {
        service.bulk(vip, 100)?;
    }
    Ok(())
}

#[test]
fn questions_by_udp_are_answered_and_spread() -> Result<()> {
    const QUESTIONS: usize = 240;
    for mode in MODES {
        let service = Service::start(options(mode), NginxOptions::default(), web_and_dns())?;
        for vip in [VIP_V4.into(), VIP_V6.into()] {
            let mut counts = BTreeMap::new();
            for answer in service.lab.client().digs(vip, QUESTIONS)? {
                *counts.entry(answer).or_default() += 1;
            }
            ensure!(counts.values().sum::<usize>() == QUESTIONS, "{mode:?} {vip}: of {QUESTIONS} came {counts:?}");
            ensure_even(&counts, QUESTIONS)?;
        }
    }
    Ok(())
}

#[test]
fn https_is_checked_and_balanced() -> Result<()> {
    let mut listeners = web_and_dns();
    listeners.push(ListenerConfig {
        name: "tls".to_owned(),
        address: VIP_V4.into(),
        protocol: "tcp",
        port: 443,
        health: HealthCheck::Https(443),
        targets_v6: false,
        affinity: "flow",
        targets: 3,
    });
    let service = Service::start(Options::default(), NginxOptions::default(), listeners)?;
    let tally = service.lab.client().requests_to(&format!("https://{VIP_V4}/"), 300, 20)?;
    ensure!(tally.failed.is_empty(), "{:?}", tally.failed);
    ensure_even(&tally.answered, 300)
}

#[test]
fn one_clients_connections_meet_at_one_target_with_affinity_by_source() -> Result<()> {
    let mut listeners = web_and_dns();
    listeners.push(ListenerConfig {
        name: "sticky".to_owned(),
        address: VIP_V4.into(),
        protocol: "tcp",
        port: 443,
        health: HealthCheck::Tcp(443),
        targets_v6: false,
        affinity: "source_ip",
        targets: 3,
    });
    let service = Service::start(Options::default(), NginxOptions::default(), listeners)?;
    let tally = service.lab.client().requests_to(&format!("https://{VIP_V4}/"), 100, 10)?;
    ensure!(tally.failed.is_empty() && tally.total() == 100 && tally.answered.len() == 1, "{tally:?}");
    Ok(())
}
