//! The list of keys, held against what the reader does with each.

use crate::config::schema::{Absent, Key, Section};
use crate::config::{ConfigErrors, markdown, parse, reference};
use crate::model::Configuration;

/// A whole file with `line` in the section `section`; keys that the section needs are there, but not `skip`.
fn file(section: &str, line: &str, skip: &str) -> String {
    let mut out = String::new();
    // A listener carries TCP or QUIC.
    let is_quic = section == "listener.quic";
    let left_out = if is_quic { "listener.new_flows_per_source" } else { "listener.quic" };
    for each in reference().iter().filter(|each| !each.path.is_empty() && each.path != left_out) {
        out += &format!("{}\n", each.header());
        for key in each.keys {
            let mut written =
                key.absent == Absent::Required || (each.path, key.name) == ("target_group.target", "port");
            // The keys of an HTTP check have no meaning without its kind.
            written |= (each.path, key.name) == ("target_group.health_check", "kind");
            written |= (each.path, key.name) == ("listener", "target_group")
                && (section, skip) != ("listener", "target_groups");
            // A step without a bound is none, and a scheduled action has a time and changes something.
            written |= matches!(
                (each.path, key.name),
                ("autoscaling_group.step_scaling.step", "lower") | ("autoscaling_group.schedule", "cron" | "desired")
            );
            // A provider has something to be told.
            written |= (each.path, key.name) == ("autoscaling_group.template", "settings");
            // Targets in short take it from their group.
            written |= (each.path, key.name, section, skip) == ("target_group", "port", "target_group", "targets");
            let example = match key.name {
                "kind" => "\"https\"",
                "protocol" if is_quic => "\"udp\"",
                _ => key.example,
            };
            if written && !(each.path == section && key.name == skip) {
                out += &format!("{} = {example}\n", key.name);
            }
        }
        if each.path == section {
            out += &format!("{line}\n");
        }
    }
    out
}

pub(super) fn keys() -> impl Iterator<Item = (&'static Section, &'static Key)> {
    reference().iter().flat_map(|section| section.keys.iter().map(move |key| (section, key)))
}

fn read(text: &str) -> Configuration {
    parse(text, "f").unwrap_or_else(|errors| panic!("{errors}\n\nin\n{text}"))
}

#[test]
fn every_key_is_read() {
    for (section, key) in keys() {
        // No key takes a date.
        let line = format!("{} = 1979-05-27", key.name);
        let errors = parse(&file(section.path, &line, key.name), "f").unwrap_err();
        let named =
            |problem: &&crate::config::Problem| problem.message.starts_with(&format!("`{}` must be ", key.name));
        assert_eq!(errors.problems().iter().filter(named).count(), 1, "{} {}: {errors}", section.header(), key.name);
    }
}

#[test]
fn every_example_is_taken() {
    for (section, key) in keys() {
        read(&file(section.path, &format!("{} = {}", key.name, key.example), key.name));
    }
}

#[test]
fn every_default_is_what_holds_without_the_key() {
    for (section, key) in keys() {
        let Absent::Is(default) = key.absent else { continue };
        if key.name == "kind" {
            assert_eq!(
                read("[agent]\ninterfaces = [\"e\"]\n[[target_group]]\nname = \"g\"").groups[0].health_check.probe,
                crate::model::Probe::Tcp
            );
            continue;
        }
        let with = read(&file(section.path, &format!("{} = {default}", key.name), key.name));
        assert_eq!(with, read(&file(section.path, "", key.name)), "{} {}", section.header(), key.name);
    }
}

#[test]
fn every_default_in_words_is_what_holds_without_the_key() {
    let configuration = read(
        "agent.interfaces = ['e']\n[[target_group]]\nname = 'g'\nport = 80\ntargets = ['10.0.0.1']\n\
         health_check.kind = 'https'\n[[listener]]\naddress = '2001:db8::1'\nprotocol = 'udp'\nport = 53\n\
         target_group = 'g'",
    );
    let agent = &configuration.agent;
    assert_eq!(
        (agent.seed, &agent.zone, agent.metrics, agent.source_v4, agent.source_v6),
        (None, &None, None, None, None)
    );
    assert_eq!(configuration.listeners[0].name.as_str(), "udp-2001-db8--1-53");
    let group = &configuration.groups[0];
    assert_eq!(group.flows, crate::model::FlowSettings::default());
    assert_eq!((group.targets[0].port, &group.targets[0].zone), (80, &None));
    let probe = serde_json::to_value(&group.health_check.probe).unwrap();
    let codes = serde_json::json!([{ "first": 200, "last": 399 }]);
    let expected = serde_json::json!({
        "kind": "http", "tls": true, "verify": false, "path": "/", "host": null, "codes": codes, "body": null
    });
    assert_eq!(probe, expected);

    let short = "agent.interfaces = ['e']\n[[target_group]]\nname = 'g'\nhealth_check.interval = '500ms'";
    let check = &read(short).groups[0].health_check;
    assert_eq!([check.interval, check.fast_interval, check.timeout].map(|time| time.as_millis()), [500; 3]);
}

#[test]
fn every_required_key_is_asked_for() {
    for (section, key) in keys().filter(|(_, key)| key.absent == Absent::Required) {
        let errors = parse(&file(section.path, "", key.name), "f").unwrap_err();
        let wanted = format!("`{}` needs `{}`", section.header(), key.name);
        assert!(errors.problems().iter().any(|problem| problem.message == wanted), "{wanted}: {errors}");
    }
}

#[test]
fn keys_that_are_not_listed_are_refused() {
    for section in reference() {
        let text = match section.path {
            "" => format!("colour = 1\n{}", file("", "", "")),
            path => file(path, "colour = 1", ""),
        };
        let Err(ConfigErrors::Invalid(problems)) = parse(&text, "f") else { panic!("{}", section.header()) };
        assert_eq!(problems.len(), 1, "{}", section.header());
        assert!(problems[0].message.starts_with("unknown key `colour` "), "{}", problems[0]);
    }
}

#[test]
fn tables_of_the_documentation_stay_tables() {
    for line in markdown(reference()).lines().filter(|line| line.starts_with('|')) {
        assert_eq!(line.matches('|').count(), 5, "{line}");
    }
}

#[test]
fn the_packaged_example_is_right_and_shows_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/nlb.toml");
    let text = std::fs::read_to_string(path).unwrap();
    parse(&text, path).unwrap_or_else(|errors| panic!("{errors}"));

    // What is commented out is right as well.
    let is_setting = |line: &str| {
        let key = line.split([' ', '=']).next().unwrap_or_default();
        line.starts_with('[') || (line.contains(" = ") && keys().any(|(_, known)| known.name == key))
    };
    let uncommented: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    parse(&uncommented, path).unwrap_or_else(|errors| panic!("{errors}"));

    let document: toml::Table = toml::from_str(&uncommented).unwrap();
    for (section, key) in keys() {
        assert!(shows(&document, section, key), "{} {}", section.header(), key.name);
    }
}

/// Whether a file has a key of a section.
pub(super) fn shows(document: &toml::Table, section: &Section, key: &Key) -> bool {
    let mut tables = vec![document];
    for name in section.path.split('.') {
        let inner = tables.iter().filter_map(|table| table.get(name));
        tables = inner
            .flat_map(|value| match value {
                toml::Value::Array(items) => items.iter().filter_map(toml::Value::as_table).collect(),
                value => value.as_table().into_iter().collect::<Vec<_>>(),
            })
            .collect();
    }
    tables.iter().any(|table| table.contains_key(key.name))
}

#[test]
fn the_readme_lists_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    for sections in [reference(), crate::target_agent::reference()] {
        let tables = markdown(sections);
        assert!(readme.contains(tables.trim_end()), "README.md should hold these tables:\n\n{tables}");
    }
}
