//! What a new configuration changes, told to the one who asked for it.

use std::collections::BTreeMap;

use super::handle::{Difference, ReloadReport};
use crate::model::{AgentSettings, Configuration, TargetGroup};

/// What differs between the configuration in force and the next.
pub(super) fn difference(before: &Configuration, after: &Configuration) -> ReloadReport {
    let listeners = |c: &Configuration| c.listeners.iter().map(|l| (l.name.clone(), l.clone())).collect();
    let groups = |c: &Configuration| c.groups.iter().map(|g| (g.name.clone(), without_targets(g))).collect();
    let targets =
        |c: &Configuration| c.groups.iter().flat_map(|g| g.targets.iter().map(|t| (g.key(t), t.clone()))).collect();
    let scaled = |c: &Configuration| c.autoscaling_groups.iter().map(|g| (g.name.clone(), g.clone())).collect();
    let vips = |c: &Configuration| c.vips.iter().map(|vip| (vip.address, *vip)).collect();
    ReloadReport {
        listeners: compare(&listeners(before), &listeners(after)),
        vips: compare(&vips(before), &vips(after)),
        groups: compare(&groups(before), &groups(after)),
        targets: compare(&targets(before), &targets(after)),
        autoscaling_groups: compare(&scaled(before), &scaled(after)),
        dropped: Vec::new(),
        restart_needed: restart_needed(&before.agent, &after.agent),
    }
}

/// A report in one line of a log.
pub(super) fn summary(report: &ReloadReport) -> String {
    fn part<T>(what: &str, difference: &Difference<T>) -> Option<String> {
        let Difference { added, removed, changed } = difference;
        (!difference.is_empty())
            .then(|| format!("{what} {} added, {} removed, {} changed", added.len(), removed.len(), changed.len()))
    }
    let mut parts: Vec<String> = [
        part("listeners", &report.listeners),
        part("VIPs", &report.vips),
        part("groups", &report.groups),
        part("targets", &report.targets),
        part("autoscaling groups", &report.autoscaling_groups),
        (!report.dropped.is_empty()).then(|| format!("{} runtime changes forgotten", report.dropped.len())),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !report.restart_needed.is_empty() {
        parts.push(format!("restart the agent for {}", report.restart_needed.join(", ")));
    }
    if parts.is_empty() { "nothing differs".to_owned() } else { parts.join("; ") }
}

fn without_targets(group: &TargetGroup) -> TargetGroup {
    TargetGroup { targets: Vec::new(), ..group.clone() }
}

fn compare<K: Ord + Clone, V: PartialEq>(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>) -> Difference<K> {
    let only = |a: &BTreeMap<K, V>, b: &BTreeMap<K, V>| a.keys().filter(|k| !b.contains_key(k)).cloned().collect();
    let changed = after.iter().filter(|(key, value)| before.get(key).is_some_and(|old| old != *value));
    Difference {
        added: only(after, before),
        removed: only(before, after),
        changed: changed.map(|(k, _)| k.clone()).collect(),
    }
}

/// The settings that are used only at the start: sockets are open, programs loaded and tables allocated by then.
fn restart_needed(before: &AgentSettings, after: &AgentSettings) -> Vec<String> {
    let checks = [
        ("agent.interfaces", before.interfaces != after.interfaces),
        ("agent.mode", before.mode != after.mode),
        ("agent.seed", before.seed != after.seed),
        ("agent.socket", before.socket != after.socket),
        ("agent.metrics", before.metrics != after.metrics),
        ("agent.pin_path", before.pin_path != after.pin_path),
        ("agent.state_dir", before.state_dir != after.state_dir),
        ("agent.capacity", before.capacity != after.capacity),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const BEFORE: &str = r#"
        [agent]
        interfaces = ["eth0"]
        [[listener]]
        name = "web"
        address = "203.0.113.10"
        protocol = "tcp"
        port = 80
        target_group = "web"
        [[target_group]]
        name = "web"
        [[autoscaling_group]]
        name = "web"
        target_groups = ["web"]
        min = 1
        max = 8
        [autoscaling_group.template]
        provider = "process"
        port = 80
        [autoscaling_group.template.settings]
        command = ["/bin/true"]
        bridge = "br0"
        addresses = "10.66.0.100-10.66.0.199/24"
    "#;

    #[test]
    fn a_change_of_an_autoscaling_group_is_one() {
        let before = parse(BEFORE, "nlb.toml").unwrap();
        let after = parse(&BEFORE.replace("max = 8", "max = 9"), "nlb.toml").unwrap();
        let without = parse(&BEFORE[..BEFORE.find("[[autoscaling").unwrap()], "nlb.toml").unwrap();
        for (before, after, told) in [
            (&before, &before, "nothing differs"),
            (&before, &after, "autoscaling groups 0 added, 0 removed, 1 changed"),
            (&before, &without, "autoscaling groups 0 added, 1 removed, 0 changed"),
            (&without, &after, "autoscaling groups 1 added, 0 removed, 0 changed"),
        ] {
            assert_eq!(summary(&difference(before, after)), told);
        }
    }
}
