//! Every key of the edge's configuration. The reader refuses what is not here; tests hold the rest of this list, and
//! the README's table, against the code.

mod autoscaling;
mod listener;

use std::sync::LazyLock;

use super::schema::Absent::{Is, Means, Required};
use super::schema::{Section, key};

/// All sections, in the order of the documentation.
pub fn reference() -> &'static [Section] {
    static ALL: LazyLock<Vec<Section>> =
        LazyLock::new(|| [SECTIONS, listener::SECTIONS, autoscaling::SECTIONS].concat());
    &ALL
}

/// The reference as Markdown: one table for each section.
pub fn markdown(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections.iter().filter(|section| !section.path.is_empty()) {
        out += &format!("### `{}`\n\n{}\n\n", section.header(), section.about);
        out += "| key | type and range | default | meaning |\n| --- | --- | --- | --- |\n";
        for key in section.keys {
            let default = match key.absent {
                Required => "*required*".to_owned(),
                Is(value) => format!("`{value}`"),
                Means(words) => words.to_owned(),
            };
            out += &format!("| `{}` | {} | {default} | {} |\n", key.name, key.kind, key.about);
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

const SECTIONS: &[Section] = &[
    Section { path: "", repeated: false, about: "The file holds these tables and nothing beside them.", keys: &[] },
    Section {
        path: "agent",
        repeated: false,
        about: "How the agent runs. Required, once.",
        keys: &[
            key(
                "interfaces",
                "list of interface names, at least one",
                Required,
                r#"["eth0"]"#,
                "interfaces that clients' packets come in by",
            ),
            key(
                "mode",
                r#"`"native"` or `"generic"`"#,
                Is(r#""native""#),
                r#""native""#,
                "where XDP runs: in the driver, or for drivers without XDP in the stack, at a fraction of the speed",
            ),
            key(
                "seed",
                "64 bits: `\"0x…\"`, or a number",
                Means("random, made at the first start and kept in `state_dir`"),
                r#""0x0123456789abcdef""#,
                "seed of the flow hash: secret, and the same on all edges that serve the same addresses",
            ),
            key("zone", "name", Means("no zone: all targets are alike"), r#""a""#, "this edge's availability zone"),
            key(
                "source_v4",
                "address, or prefix of length 8 to 32",
                Means("the address that the route prefers"),
                r#""192.0.2.10""#,
                "outer source of packets to IPv4 targets; within a prefix it varies by flow, so that the target's NIC spreads flows over its queues",
            ),
            key(
                "source_v6",
                "address, or prefix of length 64 to 128",
                Means("the address that the route prefers"),
                r#""2001:db8::10""#,
                "the same for IPv6 targets",
            ),
            key(
                "drop_foreign_tunnels",
                "`true` or `false`",
                Is("true"),
                "false",
                "whether a packet in a tunnel of a kind that edges use, which comes for a VIP or for a target that tunnels lead to, is \
                 dropped (`foreign_tunnel`)",
            ),
            key(
                "socket",
                "absolute path, 107 bytes at most",
                Is(r#""/run/nlb/nlb.sock""#),
                r#""/run/nlb/nlb.sock""#,
                "Unix socket of the control API, which the `nlb` command uses",
            ),
            key(
                "metrics",
                "address and port",
                Means("no endpoint"),
                r#""127.0.0.1:9099""#,
                "where Prometheus may fetch metrics by HTTP",
            ),
            key(
                "pin_path",
                "absolute path",
                Is(r#""/sys/fs/bpf/nlb""#),
                r#""/sys/fs/bpf/nlb""#,
                "directory in a bpffs for programs, links and maps; each agent of a host has its own",
            ),
            key(
                "state_dir",
                "absolute path",
                Is(r#""/var/lib/nlb""#),
                r#""/var/lib/nlb""#,
                "directory of what survives a restart: the seed and changes made at run time; each agent of a host has its own",
            ),
        ],
    },
    Section {
        path: "agent.capacity",
        repeated: false,
        about: "Sizes of the kernel's tables, which are allocated whole at the start.",
        keys: &[
            key("listeners", "1 to 1048576", Is("16384"), "16384", "listeners"),
            key("groups", "1 to 65536", Is("4096"), "4096", "target groups"),
            key("targets", "1 to 1048576", Is("16384"), "16384", "targets, those of all groups together"),
            key(
                "slots",
                "256 to 268435456",
                Is("4194304"),
                "4194304",
                "slots, those of all rings together; 8 bytes each",
            ),
            key(
                "half_open",
                "1 to 16777216",
                Is("16384"),
                "16384",
                "TCP flows of slots in transition that have sent nothing but SYNs, and as many flows by `nat` without an answer; when full, the oldest goes",
            ),
            key(
                "flows",
                "1 to 268435456",
                Is("1048576"),
                "1048576",
                "remembered TCP flows, about 100 bytes each, and as many flows by `nat`, about 350 each; takes memory as it fills",
            ),
            key(
                "datagrams",
                "1 to 67108864",
                Is("131072"),
                "131072",
                "remembered flows of UDP and SCTP; when full, the one silent for longest goes",
            ),
            key(
                "fragments",
                "1 to 16777216",
                Is("16384"),
                "16384",
                "datagrams in fragments whose first one was seen, which later ones follow within 30 s; when full, the oldest goes",
            ),
            key(
                "sketches",
                "1 to 262144",
                Is("2048"),
                "2048",
                "targets whose active flows are estimated, and as many listeners, the earliest ones; 4 KiB each",
            ),
            key(
                "networks",
                "1 to 16777216",
                Is("131072"),
                "131072",
                "networks of access lists, those of all different lists together and two more for each; takes memory as it fills",
            ),
            key(
                "sources",
                "1 to 16777216",
                Is("65536"),
                "65536",
                "sources whose new flows are limited; when full, the one silent for longest goes and may begin anew",
            ),
        ],
    },
    Section {
        path: "agent.prometheus",
        repeated: false,
        about: "A Prometheus server, or what answers PromQL as it does: for metrics `prometheus(\"QUERY\")` of autoscaling groups. Without \
                it there are none.",
        keys: &[
            key(
                "url",
                "`http://` or `https://`, host, by wish port and path",
                Required,
                r#""http://127.0.0.1:9090""#,
                "where it is; `/api/v1/query` is asked below it",
            ),
            key(
                "timeout",
                "duration, 100ms to 9s",
                Is(r#""5s""#),
                r#""2s""#,
                "how long an answer may take; without one in time there is no figure",
            ),
            key("verify", "`true` or `false`", Is("true"), "false", "by `https`, whether its certificate is verified"),
        ],
    },
    Section {
        path: "target_group",
        repeated: true,
        about: "A set of targets that serve the same listeners.",
        keys: &[
            key("name", "name", Required, r#""web""#, "unique among groups"),
            key(
                "forwarding",
                r#"`"ipip"`, `"gue"`, `"l2"`, `"nat"` or `"geneve"`"#,
                Is(r#""ipip""#),
                r#""ipip""#,
                "how packets travel to the targets: within IPv4 or IPv6; within UDP with a second chance at the slot's other target; as they are, to targets on the edge's own segment; translated to the target's own address and port; or to appliances that send \
                 back what may go on, for listeners of all protocols",
            ),
            key(
                "source_nat",
                "`true` or `false`",
                Is("false"),
                "false",
                "by `nat`, whether packets come to the targets from the edge's own address, and answers back to it, between IPv4 and IPv6 too; otherwise from the client's, and the edge is the targets' router",
            ),
            key(
                "affinity",
                r#"`"flow"`, `"source_ip"`, `"source_ip_port"` or `"source_subnet"`; by `geneve` `"flow"`, `"source_ip_dest_ip"` or `"source_ip_dest_ip_proto"`"#,
                Is(r#""flow""#),
                r#""flow""#,
                "what decides a flow's target: the 5-tuple; the client's address alone; that and the port it asks for; or its network, \
                 /24 of IPv4 or /64 of IPv6. By `geneve`, of both directions: the 5-tuple of TCP and UDP, addresses and protocol of others; both \
                 addresses; or those and the protocol",
            ),
            key(
                "ring",
                r#"`"rendezvous"` or `"maglev"`"#,
                Is(r#""rendezvous""#),
                r#""rendezvous""#,
                "how slots are shared out: so that a change moves few, none more than 2 % over its share; or so that shares are equal to a slot",
            ),
            key(
                "ring_size",
                "power of two, 256 to 1048576",
                Is("65536"),
                "65536",
                "slots of the group's ring; more than 100 for each target keep their shares even. A smaller ring takes the place of a larger \
                 one once its transition is over",
            ),
            key(
                "cross_zone",
                "`true` or `false`",
                Is("false"),
                "false",
                "whether targets of other zones get traffic while this edge's zone has healthy ones",
            ),
            key(
                "tracking",
                r#"`"transition"`, `"all"` or `"none"`"#,
                Means(
                    "`\"all\"` when a listener of the group is UDP, SCTP or of all protocols, else `\"transition\"`; `\"none\"` for listeners with `quic`",
                ),
                r#""transition""#,
                "which flows are remembered: those that a change of targets would break, every one, or none",
            ),
            key(
                "idle_timeout",
                "duration, 1m to 100m",
                Means("350s for TCP, 120s for all else"),
                r#""350s""#,
                "a flow without packets for longer is over; a change of targets is in transition for as long",
            ),
            key(
                "deregistration_delay",
                "duration, 0s to 1h",
                Is(r#""5m""#),
                r#""5m""#,
                "how long a target that is drained, deregistered or taken out of the file keeps the flows it has",
            ),
            key(
                "connection_termination",
                "`true` or `false`",
                Means("`true` when all listeners of the group are UDP or SCTP, else `false`"),
                "true",
                "whether flows that are left then are cut, TCP by a reset to the client; otherwise they are given to other targets",
            ),
            key(
                "unhealthy_connection_termination",
                "`true` or `false`",
                Means("`true`; by `geneve` `false`"),
                "false",
                "whether a target that fails its checks loses its flows at once",
            ),
            key(
                "unhealthy_draining_interval",
                "duration, 0s to 100h",
                Is(r#""0s""#),
                r#""5m""#,
                "how long it keeps them otherwise; `0s`: as long as they last",
            ),
            key(
                "slow_start",
                "`0s`, or duration, 30s to 15m",
                Is(r#""0s""#),
                r#""1m""#,
                "time in which the share of a target that became healthy rises to its own, beside others that have theirs; `0s`: at once",
            ),
            key("port", "1 to 65535", Means("each target names its own"), "80", "port of targets that name none"),
            key(
                "targets",
                "list of `\"ADDRESS\"`, `\"ADDRESS:PORT\"`, `\"[ADDRESS]:PORT\"`",
                Is("[]"),
                r#"["10.0.0.2", "10.0.0.3:8080"]"#,
                "targets without zone and with weight 100, in short; `[[target_group.target]]` may stand beside it",
            ),
        ],
    },
    Section {
        path: "target_group.health_check",
        repeated: false,
        about: "How the group's targets are checked. Without it they are checked by TCP with the defaults.",
        keys: &[
            key(
                "kind",
                r#"`"tcp"`, `"http"` or `"https"`"#,
                Is(r#""tcp""#),
                r#""http""#,
                "what is asked: a connection that opens, or a GET that is answered as expected",
            ),
            key(
                "path",
                "path and query, beginning with `/`",
                Means("`\"/\"`"),
                r#""/health""#,
                "what to GET; http and https only",
            ),
            key(
                "host",
                "host name or address, with or without port",
                Means("the target's address"),
                r#""www.example.org""#,
                "value of the `Host` header, and with https the TLS server name; http and https only",
            ),
            key(
                "codes",
                "status codes and ranges, 100 to 599, by comma",
                Means("`\"200-399\"`"),
                r#""200,301-302""#,
                "status codes that pass; http and https only",
            ),
            key(
                "body",
                "text, 65536 bytes at most",
                Means("any body passes"),
                r#""ok""#,
                "text that the first 64 KiB of the body must hold; http and https only",
            ),
            key(
                "verify",
                "`true` or `false`",
                Means("`false`"),
                "true",
                "whether the certificate is verified; https only",
            ),
            key("port", "1 to 65535", Means("the target's"), "8080", "port to check"),
            key("interval", "duration, 100ms to 5m", Is(r#""5s""#), r#""5s""#, "time between checks of one target"),
            key(
                "fast_interval",
                "duration, 100ms to `interval`",
                Means("`\"1s\"`, or `interval` when that is shorter"),
                r#""1s""#,
                "the same while a target's state is changing",
            ),
            key(
                "timeout",
                "duration, 10ms to `interval`",
                Means("`\"2s\"`, or `interval` when that is shorter"),
                r#""2s""#,
                "how long an answer may take",
            ),
            key("healthy_threshold", "1 to 10", Is("2"), "2", "passes in a row that make a target healthy"),
            key("unhealthy_threshold", "1 to 10", Is("2"), "2", "failures in a row that make a target unhealthy"),
        ],
    },
    Section {
        path: "target_group.target",
        repeated: true,
        about: "One target. Address and port name it: no two of a group share both.",
        keys: &[
            key(
                "address",
                "unicast address",
                Required,
                r#""10.0.0.1""#,
                "the target host's own address: encapsulated packets go there",
            ),
            key("port", "1 to 65535", Means("the group's `port`"), "80", "port that serves; health checks go there"),
            key("zone", "name", Means("every zone"), r#""a""#, "the target's availability zone"),
            key(
                "weight",
                "0 to 999",
                Is("100"),
                "100",
                "share of new flows, relative to the other targets; 0 gets none",
            ),
            key(
                "quic_server_id",
                "1 to 15 bytes in hexadecimal",
                Means("the last bytes of its address, zeros before a shorter one"),
                r#""0a07""#,
                "the target's id in QUIC's connection ids, as long as `server_id_length` of its listeners; no two targets of a listener share it",
            ),
        ],
    },
];
