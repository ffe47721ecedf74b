//! The keys of `[[listener]]` and `[[vip]]`.

use crate::config::schema::Absent::{Is, Means, Required};
use crate::config::schema::{Section, key};

/// The sections, in the order of the documentation.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        path: "listener",
        repeated: true,
        about: "Where the edge accepts traffic. Of listeners of one address and protocol that have a port, the one with the fewest ports takes it. One of all protocols is a gateway: it takes what is routed through the edge, to or from its network, if nothing else here does; of several networks, the longest prefix.",
        keys: &[
            key(
                "name",
                "name",
                Means("protocol, address and port: `tcp-192.0.2.1-80`, or prefix length: `all-192.0.2.0-24`"),
                r#""web""#,
                "unique among listeners",
            ),
            key(
                "address",
                "unicast address; network of all protocols",
                Required,
                r#""192.0.2.1""#,
                "the VIP, which clients connect to, or a gateway's network, `\"0.0.0.0/0\"` for all there is; its family may differ from the targets'",
            ),
            key(
                "protocol",
                r#"`"tcp"`, `"udp"`, `"sctp"` or `"all"`"#,
                Required,
                r#""tcp""#,
                "what is carried; `\"all\"` makes it a gateway, for groups by `geneve` alone",
            ),
            key(
                "port",
                r#"1 to 65535, `"FIRST-LAST"` or `"all"`"#,
                Required,
                "80",
                "the port that clients connect to, and that targets serve; a range; or every port, as a gateway has. 64 ranges of an address and protocol",
            ),
            key(
                "target_group",
                "name of a target group",
                Means("`target_groups`; one of the two is there"),
                r#""web""#,
                "the group that serves it",
            ),
            key(
                "target_groups",
                r#"list of `"GROUP=WEIGHT"`, weights 0 to 999"#,
                Means("`target_group`"),
                r#"["web=100"]"#,
                "groups that share its new flows by weight; a flow stays in its group, whatever becomes of the weights. Their `affinity`, \
                 `tracking` and `idle_timeout` are the same",
            ),
            key(
                "allow",
                "list of networks",
                Means("everybody who is not denied"),
                r#"["192.0.2.0/24"]"#,
                "who may reach it; where there are any, even an empty list, nobody else may. The longest prefix decides, and of one network in both lists `deny`. \
                 Every packet is checked: flows that a new list denies end",
            ),
            key(
                "deny",
                "list of networks",
                Means("nobody"),
                r#"["198.51.100.0/24", "2001:db8::7"]"#,
                "who may not reach it",
            ),
            key(
                "allow_file",
                "absolute path",
                Means("none"),
                r#""/etc/nlb/allow.txt""#,
                "a file with more networks for `allow`: one a line, `#` begins a comment; read at each reload",
            ),
            key("deny_file", "absolute path", Means("none"), r#""/etc/nlb/deny.txt""#, "the same for `deny`"),
        ],
    },
    Section {
        path: "listener.new_flows_per_source",
        repeated: false,
        about: "How many flows each source may begin at the listener, TCP alone: SYNs beyond are dropped and counted. Without it, any \
                number.",
        keys: &[
            key("rate", "1 to 1000000", Required, "100", "flows per second"),
            key("burst", "1 to 1000000", Means("`rate`"), "200", "flows at once, after a silence"),
            key("prefix_v4", "8 to 32", Is("32"), "24", "sources that share an IPv4 prefix of this length are one"),
            key("prefix_v6", "16 to 128", Is("64"), "56", "the same for IPv6"),
        ],
    },
    Section {
        path: "listener.quic",
        repeated: false,
        about: "QUIC by the server id in its connection ids (draft-ietf-quic-load-balancers, without encryption), so that a client keeps its \
                target when its address changes. UDP alone. Packets that name no target go by the flow's hash.",
        keys: &[
            key(
                "server_id_length",
                "1 to 15",
                Required,
                "2",
                "bytes of a server's id, behind the first byte of a connection id; the same for all listeners of a group",
            ),
            key(
                "config_rotation",
                "0 to 6",
                Is("0"),
                "1",
                "the three high bits of a connection id's first byte; ids with others name no target",
            ),
        ],
    },
    Section {
        path: "vip",
        repeated: true,
        about: "What holds for an address of listeners, whatever its port. An address without it has the defaults.",
        keys: &[
            key("address", "unicast address", Required, r#""192.0.2.1""#, "the address of at least one listener"),
            key(
                "exclusive",
                "`true` or `false`",
                Is("false"),
                "true",
                "whether what comes for a port without listener is refused, TCP by a reset and UDP by `port unreachable`, instead of passing to the edge's own stack",
            ),
        ],
    },
];
