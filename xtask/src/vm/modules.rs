//! Which kernel modules are loaded, and in which order: each after those that it says it depends on.

use std::collections::{BTreeMap, BTreeSet};

/// What the machine has of networking. Modules that a kernel has built in, or doesn't have, are left out.
pub(super) const WANTED: [&str; 14] = [
    "veth",
    "dummy",
    "tun",
    "8021q",
    "bridge",
    "ipip",
    "ip6_tunnel",
    "fou",
    "fou6",
    "sch_ingress",
    "pktgen",
    // What IPVS asks for by what it does, and not by its name.
    "crc32c_generic",
    "ip_vs",
    "ip_vs_mh",
];

/// What a module is loaded with. A table of connections for more than a few thousand of them, as a busy balancer has.
pub(super) fn options(module: &str) -> &'static str {
    if module == "ip_vs" { "conn_tab_bits=20" } else { "" }
}

/// The modules to load, in order, from the content of each module that there is by its name.
pub(super) fn in_order<'a>(wanted: &[&'a str], all: &'a BTreeMap<String, Vec<u8>>) -> Vec<&'a str> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for name in wanted {
        visit(name, all, &mut seen, &mut order);
    }
    order
}

fn visit<'a>(name: &str, all: &'a BTreeMap<String, Vec<u8>>, seen: &mut BTreeSet<&'a str>, order: &mut Vec<&'a str>) {
    // Files are named as they are built, with hyphens or underscores; dependencies always with underscores.
    let Some((name, content)) = all.get_key_value(&name.replace('-', "_")) else { return };
    if seen.insert(name) {
        for dependency in depends(content) {
            visit(&dependency, all, seen, order);
        }
        order.push(name);
    }
}

/// What a module says it depends on: a line of its `.modinfo` section, where lines end with zero.
fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let line = module[at + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(line);
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_depends_on_and_only_once() {
        let modules = [("a", ""), ("b", "a"), ("c", "b,a"), ("d_e", "c,built_in"), ("unwanted", "a")];
        let all = modules.map(|(name, needs)| (name.to_owned(), format!("ELF\0x=y\0depends={needs}\0z").into_bytes()));
        let all = BTreeMap::from(all);
        assert_eq!(in_order(&["b", "d-e", "absent", "c"], &all), ["a", "b", "c", "d_e"]);
    }
}
