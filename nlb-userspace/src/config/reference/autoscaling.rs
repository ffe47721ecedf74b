//! The keys of `[[autoscaling_group]]` and of the tables within it.

use crate::config::schema::Absent::{Is, Means, Required};
use crate::config::schema::{Key, Section, key};

/// The name of something within the group.
const fn name(example: &'static str) -> Key {
    key("name", "name", Required, example, "unique within the group, among hooks, policies or scheduled actions")
}

const METRIC: Key = key("metric", "metric", Required, r#""cpu""#, "what is watched, see below");
const COOLDOWN_OUT: Key = key(
    "cooldown_out",
    "duration, 0s to 24h",
    Is(r#""0s""#),
    r#""1m""#,
    "rest after it scaled out before it does again",
);
const COOLDOWN_IN: Key = key(
    "cooldown_in",
    "duration, 0s to 24h",
    Is(r#""0s""#),
    r#""5m""#,
    "rest after it scaled either way before it scales in",
);
const ADJUSTMENT_KIND: Key = key(
    "adjustment_kind",
    r#"`"change"`, `"exact"` or `"percent"`"#,
    Is(r#""change""#),
    r#""percent""#,
    "what `adjustment` means: so many more or less, so many, or so many percent more or less",
);
const MIN_MAGNITUDE: Key =
    key("min_magnitude", "0 to 100000", Is("1"), "2", "least number of instances that a percentage changes");
const PERIODS: Key = key("periods", "1 to 1000", Is("1"), "2", "periods in a row beyond the threshold");

/// The sections, in the order of the documentation.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        path: "autoscaling_group",
        repeated: true,
        about: "A group of instances whose number follows demand, and which are targets of its target groups. A group that is taken \
                out of the file is left as it is: set its `min` and `max` to 0 first, if its instances are to go. Metrics are sources \
                or arithmetic (`+ - * /`, parentheses) over them: `new_flows`, `active_flows`, `packets`, `bytes` (of the group's \
                targets, or of others: `new_flows(\"web\")`), `health_latency`, `cpu` and `memory` (of the instances' hosts in percent, by their \
                node_exporter) and `prometheus(\"QUERY\")` (needs `[agent.prometheus]`; `$group` in it is the group's name), as mean over \
                instances or over the query's samples, or within `sum()`, `max()`, `min()`. What can't be had of one is no figure, and \
                never scales in.",
        keys: &[
            key("name", "name", Required, r#""web""#, "unique among autoscaling groups"),
            key("min", "0 to 100000", Required, "1", "least capacity"),
            key("max", "`min` to 100000", Required, "10", "greatest capacity"),
            key(
                "desired",
                "`min` to `max`",
                Means("`min`"),
                "2",
                "capacity that it begins with; later it is as it comes",
            ),
            key(
                "target_groups",
                "list of names of target groups",
                Is("[]"),
                r#"["web"]"#,
                "groups that instances become targets of",
            ),
            key("zones", "list of names", Is("[]"), r#"["a", "b"]"#, "zones that instances are spread over evenly"),
            key(
                "grace_period",
                "duration, 0s to 24h",
                Is(r#""5m""#),
                r#""2m""#,
                "time after a launch in which failing checks replace nobody; so long a new instance has to become healthy",
            ),
            key(
                "warmup",
                "duration, 0s to 24h",
                Is(r#""5m""#),
                r#""1m""#,
                "time in service before an instance counts in metrics; meanwhile nothing is scaled in",
            ),
            key("cooldown", "duration, 0s to 24h", Is(r#""5m""#), r#""5m""#, "rest after simple scaling"),
            key(
                "period",
                r#"`"10s"`, `"30s"` or `"1m"`"#,
                Is(r#""1m""#),
                r#""30s""#,
                "what metrics are measured over; policies look once a period",
            ),
            key(
                "node_exporter_port",
                "1 to 65535",
                Is("9100"),
                "9101",
                "port of instances where node_exporter answers, for the metrics `cpu` and `memory`",
            ),
            key(
                "stabilization",
                "duration, 0s to 24h",
                Is(r#""10m""#),
                r#""5m""#,
                "so long nothing is scaled in below what a policy's figures asked for",
            ),
            key(
                "max_lifetime",
                "duration, 1m to 8784h",
                Means("no limit"),
                r#""168h""#,
                "age at which an instance is replaced",
            ),
            key(
                "protect_new",
                "`true` or `false`",
                Is("false"),
                "false",
                "whether new instances are protected from scale-in",
            ),
            key(
                "termination",
                r#"`"fewest_flows"`, `"oldest"` or `"newest"`"#,
                Is(r#""fewest_flows""#),
                r#""oldest""#,
                "which instance goes first, after the zone with most and the oldest template",
            ),
            key(
                "min_healthy",
                "0 to 100",
                Is("90"),
                "90",
                "percent of the capacity that stay in service while others are replaced",
            ),
            key(
                "max_healthy",
                "100 to 200",
                Is("110"),
                "110",
                "percent of the capacity that may exist meanwhile; with 100 the old one goes before the new one is launched",
            ),
            key(
                "launches_per_minute",
                "1 to 10000",
                Is("60"),
                "60",
                "most launches that the provider is asked for within a minute",
            ),
        ],
    },
    Section {
        path: "autoscaling_group.template",
        repeated: false,
        about: "What instances are launched from. Required. A change makes a new version: instances of it come with later launches, or \
                with an instance refresh.",
        keys: &[
            key(
                "provider",
                r#"`"process"`, `"systemd"`, `"exec"`, `"webhook"`, `"docker"`, `"kubernetes"` or `"ec2"`"#,
                Required,
                r#""exec""#,
                "what launches instances; it stays while the group has any",
            ),
            key("port", "0 to 65535", Is("0"), "8080", "port that they serve; 0: the provider says"),
            key(
                "settings",
                "table",
                Means("none"),
                r#"{ command = ["/usr/local/bin/launch"] }"#,
                "what the provider needs to know, see [providers](docs/providers.md)",
            ),
        ],
    },
    Section {
        path: "autoscaling_group.warm_pool",
        repeated: false,
        about: "Instances that are launched ahead and wait. Without it there are none.",
        keys: &[
            key("prepared", "0 to 100000", Means("the group's `max`"), "8", "instances in service and warm together"),
            key("min", "0 to 100000", Is("0"), "1", "least number that are warm"),
            key("state", r#"`"stopped"` or `"running"`"#, Is(r#""stopped""#), r#""running""#, "how they wait"),
            key(
                "reuse_on_scale_in",
                "`true` or `false`",
                Is("false"),
                "true",
                "whether scale-in puts instances back here",
            ),
        ],
    },
    Section {
        path: "autoscaling_group.hook",
        repeated: true,
        about: "What an instance waits for on its way into service, or before it is ended: at most 48 hours.",
        keys: &[
            name(r#""ready""#),
            key("at", r#"`"launch"` or `"terminate"`"#, Required, r#""launch""#, "when"),
            key(
                "heartbeat",
                "duration, 30s to 2h",
                Is(r#""1h""#),
                r#""5m""#,
                "how long it waits without a sign of life",
            ),
            key(
                "default_result",
                r#"`"abandon"` or `"continue"`"#,
                Is(r#""abandon""#),
                r#""continue""#,
                "what is taken for the answer when none comes",
            ),
            key(
                "command",
                "list: absolute path of a program, arguments",
                Is("[]"),
                r#"["/usr/local/bin/ready"]"#,
                "what is run: 0 continues, another exit code abandons; without it the API is waited for",
            ),
        ],
    },
    Section {
        path: "autoscaling_group.target_tracking",
        repeated: true,
        about: "A policy that keeps a metric near a value: `instances × metric / target`, rounded up, are wanted.",
        keys: &[
            name(r#""cpu""#),
            METRIC,
            key("target", "number above 0", Required, "50", "where the metric should be"),
            key("out_periods", "1 to 1000", Is("3"), "3", "periods in a row above it that scale out"),
            key("in_periods", "1 to 1000", Is("15"), "15", "periods in a row below the tolerance that scale in"),
            key(
                "tolerance",
                "0 to 0.9",
                Is("0.1"),
                "0.2",
                "share of the target below it in which nothing is scaled in",
            ),
            key("disable_scale_in", "`true` or `false`", Is("false"), "true", "whether it only scales out"),
            COOLDOWN_OUT,
            COOLDOWN_IN,
        ],
    },
    Section {
        path: "autoscaling_group.step_scaling",
        repeated: true,
        about: "A policy that adjusts by how far a metric is beyond a threshold.",
        keys: &[
            name(r#""steps""#),
            METRIC,
            key("threshold", "number", Required, "60", "where it begins"),
            PERIODS,
            ADJUSTMENT_KIND,
            MIN_MAGNITUDE,
            COOLDOWN_OUT,
            COOLDOWN_IN,
        ],
    },
    Section {
        path: "autoscaling_group.step_scaling.step",
        repeated: true,
        about: "One step. On each side of the threshold they begin at 0 and leave no gap; the outermost may be open.",
        keys: &[
            key("lower", "number", Means("no bound"), "0", "metric less threshold from which it holds"),
            key("upper", "number", Means("no bound"), "10", "metric less threshold to which it holds"),
            key("adjustment", "-100000 to 100000", Required, "1", "by how much, or to what"),
        ],
    },
    Section {
        path: "autoscaling_group.simple_scaling",
        repeated: true,
        about: "A policy that adjusts once, and then rests from the last instance on.",
        keys: &[
            name(r#""simple""#),
            METRIC,
            key("threshold", "number", Required, "80", "where it begins"),
            key(
                "below",
                "`true` or `false`",
                Is("false"),
                "true",
                "whether it begins below the threshold instead of above",
            ),
            PERIODS,
            ADJUSTMENT_KIND,
            key("adjustment", "-100000 to 100000", Required, "1", "by how much, or to what"),
            MIN_MAGNITUDE,
            key("cooldown", "duration, 0s to 24h", Means("the group's"), r#""2m""#, "how long it rests"),
        ],
    },
    Section {
        path: "autoscaling_group.predictive_scaling",
        repeated: true,
        about: "A policy that launches ahead of what is forecast. It never scales in by itself, and others never below it.",
        keys: &[
            name(r#""ahead""#),
            key(
                "metric",
                "metric",
                Required,
                r#""sum(new_flows)""#,
                "the load: a sum that does not depend on the number of instances",
            ),
            key("per_instance", "number above 0", Required, "100", "how much of it one instance should carry"),
            key(
                "mode",
                r#"`"forecast_only"` or `"forecast_and_scale"`"#,
                Is(r#""forecast_only""#),
                r#""forecast_and_scale""#,
                "whether it is followed",
            ),
            key(
                "buffer",
                "duration, 0s to 59m59s",
                Is(r#""5m""#),
                r#""10m""#,
                "how far ahead of need instances are launched",
            ),
            key("quantile", "0.5 to 0.9999", Is("0.9"), "0.95", "quantile of the forecast to provision for"),
            key("resolution", r#"`"5m"` or `"1h"`"#, Is(r#""1h""#), r#""5m""#, "time between the forecast's points"),
            key(
                "raise_max",
                "0 to 100",
                Means("`max` holds"),
                "10",
                "a forecast above `max` raises it to the forecast and so many percent more",
            ),
        ],
    },
    Section {
        path: "autoscaling_group.schedule",
        repeated: true,
        about: "Other bounds or another capacity at set times. One that was missed while the agent was down is done when it is back.",
        keys: &[
            name(r#""morning""#),
            key(
                "start",
                "moment, RFC 3339",
                Means("no set moment"),
                r#""2026-12-01T08:00:00Z""#,
                "when it runs, or runs first",
            ),
            key(
                "cron",
                "five fields",
                Means("it runs once"),
                r#""0 8 * * 1-5""#,
                "when it runs again: minute, hour, day of month, month, day of week",
            ),
            key(
                "time_zone",
                "name of the IANA database",
                Is(r#""UTC""#),
                r#""Europe/Berlin""#,
                "whose clock the recurrence follows",
            ),
            key("end", "moment, RFC 3339", Means("never"), r#""2027-01-01T00:00:00Z""#, "after this it runs no more"),
            key("min", "0 to 100000", Means("as it is"), "4", "the new least capacity"),
            key("max", "0 to 100000", Means("as it is"), "20", "the new greatest capacity"),
            key("desired", "0 to 100000", Means("as it is"), "8", "the new capacity"),
        ],
    },
    Section {
        path: "autoscaling_group.refresh",
        repeated: false,
        about: "How an instance refresh goes unless its start says otherwise.",
        keys: &[
            key("min_healthy", "0 to 100", Is("90"), "90", "percent of the capacity that stay in service"),
            key("max_healthy", "100 to 200", Is("100"), "120", "percent of the capacity that may exist"),
            key(
                "checkpoints",
                "list of percentages, ascending",
                Is("[]"),
                "[10, 50]",
                "shares of replaced instances at which it waits",
            ),
            key("checkpoint_delay", "duration, 0s to 48h", Is(r#""1h""#), r#""10m""#, "how long it waits there"),
            key(
                "bake_time",
                "duration, 0s to 48h",
                Is(r#""0s""#),
                r#""10m""#,
                "how long it watches after the last instance",
            ),
            key(
                "skip_matching",
                "`true` or `false`",
                Is("false"),
                "true",
                "whether instances of the wanted version stay",
            ),
            key(
                "auto_rollback",
                "`true` or `false`",
                Is("false"),
                "true",
                "whether a failure brings the version before back",
            ),
        ],
    },
    Section {
        path: "autoscaling_group.refresh.alarm",
        repeated: true,
        about: "A metric that stops a refresh.",
        keys: &[METRIC, key("above", "number", Required, "90", "it is stopped above this")],
    },
];
