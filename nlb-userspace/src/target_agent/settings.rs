//! The target agent's configuration: one table, read with the same care as the edge's file.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::config::address::unicast;
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value, read};
use crate::config::schema::Absent::{Is, Means, Required};
use crate::config::schema::{Section, key};
use crate::config::{ConfigErrors, read_text};
use crate::model::XdpMode;

/// Longest interface name: `IFNAMSIZ` with its end.
const LONGEST_INTERFACE: usize = 15;
/// Longest path.
const LONGEST_PATH: usize = 1024;

/// Section `[target_agent]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSettings {
    /// Interfaces that tunnel packets come in by; at least one.
    pub interfaces: Vec<String>,
    /// Where the program runs.
    pub mode: XdpMode,
    /// Whose tunnel packets are opened.
    pub edges: BTreeSet<IpNet>,
    /// The addresses that this host serves.
    pub vips: BTreeSet<IpAddr>,
    /// Where tunnels end; `None`: at every address of the interfaces.
    pub addresses: Option<BTreeSet<IpAddr>>,
    /// Whether kernel settings that would silence this host, or have it answer for the VIPs, are set right.
    pub fix_sysctls: bool,
    /// Directory below a bpffs where program links and maps are pinned; one per target agent.
    pub pin_path: PathBuf,
    /// Directory of what must outlive the process, but not a restart of the host.
    pub state_dir: PathBuf,
}

/// Every key of the target agent's configuration, for the reader and the documentation.
pub fn reference() -> &'static [Section] {
    SECTIONS
}

const PIN_PATH: &str = "/sys/fs/bpf/nlb-target";
const STATE_DIR: &str = "/run/nlb-target";

const SECTIONS: &[Section] = &[
    Section { path: "", repeated: false, about: "The file holds this table and nothing beside it.", keys: &[] },
    Section {
        path: "target_agent",
        repeated: false,
        about: "How a target host takes packets out of the edges' tunnels. Required, once.",
        keys: &[
            key(
                "interfaces",
                "list of interface names, at least one",
                Required,
                r#"["eth0"]"#,
                "interfaces that the edges' tunnel packets come in by",
            ),
            key(
                "edges",
                "list of addresses or prefixes, at least one",
                Required,
                r#"["192.0.2.10", "2001:db8:1::/64"]"#,
                "sources of tunnel packets that are opened; anybody else's pass untouched and are counted",
            ),
            key(
                "vips",
                "list of addresses, at least one",
                Required,
                r#"["203.0.113.10", "2001:db8:ff::10"]"#,
                "addresses that this host serves; they are put on `lo` and never announced",
            ),
            key(
                "mode",
                r#"`"native"` or `"generic"`"#,
                Is(r#""native""#),
                r#""generic""#,
                "where the program runs: in the driver, or in the stack, which any driver allows and which is slower",
            ),
            key(
                "addresses",
                "list of addresses",
                Means("every address of the interfaces, followed as they change"),
                r#"["192.0.2.21"]"#,
                "addresses that tunnels to this host end at",
            ),
            key(
                "fix_sysctls",
                "`true` or `false`",
                Is("true"),
                "false",
                "set `rp_filter`, `arp_ignore` and `arp_announce` of the interfaces right, and back by `nlb detach --target`; when \
                 `false`, what is wrong is only named, and a host that would answer ARP for a VIP is not started",
            ),
            key(
                "pin_path",
                "absolute path below a bpffs",
                Is(r#""/sys/fs/bpf/nlb-target""#),
                r#""/sys/fs/bpf/site/nlb-target""#,
                "where links and maps are pinned; one per target agent",
            ),
            key(
                "state_dir",
                "absolute path",
                Is(r#""/run/nlb-target""#),
                r#""/run/nlb-target""#,
                "where the kernel settings that were changed are remembered, for `nlb detach --target`",
            ),
        ],
    },
];

/// Reads and checks the file at `path`.
///
/// # Errors
/// Every problem of the file, with its place.
pub fn load(path: &Path) -> Result<TargetSettings, ConfigErrors> {
    parse(&read_text(path)?, &path.display().to_string())
}

/// Checks the configuration `text`; problems name `file_name`.
///
/// # Errors
/// Every problem of the text, with its place.
pub fn parse(text: &str, file_name: &str) -> Result<TargetSettings, ConfigErrors> {
    read(text, file_name, reference(), |top| match top.table("target_agent")? {
        Some(table) => target_agent(&table),
        None => {
            let help = "begin it with `[target_agent]` and `interfaces = [\"eth0\"]`";
            Err(top.wrong(Complaint::new("the file has no `[target_agent]`").help(help)))
        }
    })
}

fn target_agent(table: &Table<'_>) -> Result<TargetSettings, Reported> {
    let interfaces = table.require("interfaces").and_then(|value| some(&value, interface));
    let edges = table.require("edges").and_then(|value| some(&value, edge));
    let vips = table.require("vips").and_then(|value| some(&value, unicast));
    let mode =
        table.optional("mode", |value| value.one_of(&[("native", XdpMode::Native), ("generic", XdpMode::Generic)]));
    let served = vips.as_ref().map_or(&[][..], Vec::as_slice);
    let addresses = table.optional("addresses", |value| some(&value, |text| tunnel_end(text, served)));
    let fix_sysctls = table.optional("fix_sysctls", |value| value.boolean());
    let pin_path = table.optional("pin_path", |value| value.path(LONGEST_PATH));
    let state_dir = table.optional("state_dir", |value| value.path(LONGEST_PATH));
    Ok(TargetSettings {
        interfaces: interfaces?,
        mode: mode?.unwrap_or_default(),
        edges: edges?.into_iter().collect(),
        addresses: addresses?.map(|addresses| addresses.into_iter().collect()),
        vips: vips?.into_iter().collect(),
        fix_sysctls: fix_sysctls?.unwrap_or(true),
        pin_path: pin_path?.unwrap_or_else(|| PIN_PATH.into()),
        state_dir: state_dir?.unwrap_or_else(|| STATE_DIR.into()),
    })
}

/// A list of at least one, each once.
fn some<T: PartialEq>(value: &Value<'_>, parse: impl Fn(&str) -> Result<T, Complaint>) -> Result<Vec<T>, Reported> {
    let items = value.list()?;
    if items.is_empty() {
        return Err(value.wrong(Complaint::new("is empty").help("name at least one")));
    }
    let mut found = Vec::with_capacity(items.len());
    let mut wrong = None;
    for item in &items {
        let parsed = item.parsed(|text| match parse(text)? {
            known if found.contains(&known) => Err(Complaint::new(format!("names `{text}` twice"))),
            new => Ok(new),
        });
        match parsed {
            Ok(new) => found.push(new.into_inner()),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(found), Err)
}

fn interface(text: &str) -> Result<String, Complaint> {
    let possible = (1..=LONGEST_INTERFACE).contains(&text.len())
        && !matches!(text, "." | "..")
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "/:".contains(c));
    if possible {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new(format!("names no interface: {text:?}")).help("see `ip link`"))
    }
}

fn edge(text: &str) -> Result<IpNet, Complaint> {
    let net = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(net), _) => net,
        (_, Ok(address)) => address.into(),
        _ => {
            let help = "write it like \"192.0.2.10\" or \"192.0.2.0/28\"";
            return Err(Complaint::new(format!("is no address or prefix: {text:?}")).help(help));
        }
    };
    if net.prefix_len() == 0 {
        let help = "name the edges: whoever may open a tunnel here may send in anybody's name";
        return Err(Complaint::new(format!("lets everybody in: {text}")).help(help));
    }
    if net.addr() != net.network() {
        let help = format!("for that address write \"{}\", for the whole prefix \"{}\"", net.addr(), net.trunc());
        return Err(Complaint::new(format!("is an address with a prefix length: {text}")).help(help));
    }
    Ok(net)
}

fn tunnel_end(text: &str, vips: &[IpAddr]) -> Result<IpAddr, Complaint> {
    let address = unicast(text)?;
    if vips.contains(&address) {
        let help = "tunnels end at the target's own address, the one that the edge's configuration names";
        return Err(Complaint::new(format!("names a VIP: {address}")).help(help));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "[target_agent]\ninterfaces = [\"eth0\"]\nedges = [\"192.0.2.1\"]\nvips = [\"203.0.113.1\"]\n";

    fn problems(text: &str) -> Vec<(usize, usize, String)> {
        let errors = parse(text, "target.toml").unwrap_err();
        let problem = |problem: &crate::config::Problem| {
            let help = problem.help.as_deref().unwrap_or_default();
            (problem.place.line, problem.place.column, format!("{}: {help}", problem.message))
        };
        errors.problems().iter().map(problem).collect()
    }

    #[test]
    fn what_is_not_written_has_the_default_that_the_reference_names() {
        let settings = parse(LEAST, "target.toml").unwrap();
        let expected = TargetSettings {
            interfaces: vec!["eth0".to_owned()],
            mode: XdpMode::Native,
            edges: BTreeSet::from(["192.0.2.1/32".parse().unwrap()]),
            vips: BTreeSet::from(["203.0.113.1".parse().unwrap()]),
            addresses: None,
            fix_sysctls: true,
            pin_path: PIN_PATH.into(),
            state_dir: STATE_DIR.into(),
        };
        assert_eq!(settings, expected);
        let written: String = SECTIONS[1]
            .keys
            .iter()
            .filter_map(|key| match key.absent {
                Is(value) => Some(format!("{} = {value}\n", key.name)),
                _ => None,
            })
            .collect();
        assert_eq!(parse(&format!("{LEAST}{written}"), "target.toml").unwrap(), expected);
    }

    #[test]
    fn every_example_of_the_reference_is_accepted() {
        let keys = SECTIONS[1].keys.iter().map(|key| format!("{} = {}\n", key.name, key.example));
        parse(&format!("[target_agent]\n{}", keys.collect::<String>()), "target.toml").unwrap();
    }

    #[test]
    fn each_mistake_is_told_with_its_place_and_its_mend() {
        for (line, place, says) in [
            ("vip = 1", (5, 1), "did you mean `vips`?"),
            ("mode = \"fast\"", (5, 8), "native"),
            ("fix_sysctls = \"yes\"", (5, 15), "true"),
            ("addresses = [\"203.0.113.1\"]", (5, 14), "the target's own address"),
            ("addresses = [\"10.0.0.1\", \"10.0.0.1\"]", (5, 26), "twice"),
            ("pin_path = \"here\"", (5, 12), "begin it with `/`"),
        ] {
            let problems = problems(&format!("{LEAST}{line}\n"));
            let [(at, column, text)] = &problems[..] else { panic!("{line}: {problems:?}") };
            assert_eq!((*at, *column), place, "{line}: {text}");
            assert!(text.contains(says), "{line}: {text}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "[target_agent]\ninterfaces = []\nedges = [\"0.0.0.0/0\", \"192.0.2.1/24\", \"edge1\"]\n";
        let problems = problems(text);
        for (line, says) in
            [(1, "needs `vips`"), (2, "empty"), (3, "everybody"), (3, "192.0.2.0/24"), (3, "prefix: \"edge1\"")]
        {
            assert!(problems.iter().any(|(at, _, text)| *at == line && text.contains(says)), "{says}: {problems:?}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_told_so() {
        assert!(problems("").iter().any(|(_, _, text)| text.contains("has no `[target_agent]`")));
    }
}
