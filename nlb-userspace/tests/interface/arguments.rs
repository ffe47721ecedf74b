//! What a command line means.

use clap::Parser as _;
use clap::error::ErrorKind;
use nlb_userspace::args::{Arguments, Command, InvalidTarget, Question, Target, TargetArgument};

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split_whitespace())
}

#[test]
fn every_documented_command_is_understood() {
    for line in [
        "nlb agent --config /etc/nlb/nlb.toml",
        "nlb agent --config /etc/nlb/nlb.toml --log-format json",
        "nlb target-agent --config /etc/nlb/nlb-target.toml",
        "nlb config check /etc/nlb/nlb.toml",
        "nlb config check --target /etc/nlb/nlb-target.toml",
        "nlb config show",
        "nlb reload",
        "nlb status",
        "nlb status --json --color never --socket /tmp/x",
        "nlb --socket /tmp/x status",
        "nlb listener list",
        "nlb listener show web",
        "nlb listener set-weight web blue=50 green=50",
        "nlb target-group list",
        "nlb target-group show web",
        "nlb target list",
        "nlb target list web",
        "nlb target register web 10.0.0.1:80 --zone a --weight 0",
        "nlb target register web [2001:db8::1]:80",
        "nlb target deregister web 2001:db8::1",
        "nlb target set-weight web 10.0.0.1 999",
        "nlb target drain web 10.0.0.1:80",
        "nlb target undrain web 2001:db8::1",
        "nlb stats",
        "nlb stats --watch",
        "nlb stats --watch --interval 5",
        "nlb doctor",
        "nlb explain 198.51.100.7 40000 192.0.2.10 80 tcp",
        "nlb explain 2001:db8::7 40000 2001:db8::10 53 UDP",
        "nlb explain 198.51.100.7 40000 192.0.2.10 443 udp --connection-id 000A07",
        "nlb explain --pcap in.pcap",
        "nlb explain --pcap in.pcap --packet 7 --json",
        "nlb trace --source 198.51.100.7 --protocol 17",
        "nlb capture --write out.pcapng",
        "nlb capture -w - --filter dropped --sample 1/100 --snaplen 9216 --count 10 --duration 1m30s",
        "nlb detach",
        "nlb detach --target --config /etc/nlb/nlb-target.toml",
        "nlb detach --pin-path /sys/fs/bpf/nlb",
        "nlb asg list",
        "nlb asg show web --json",
        "nlb asg set-desired web 3",
        "nlb asg suspend web alarm_notification",
        "nlb asg resume web alarm-notification",
        "nlb asg protect web web-17",
        "nlb asg protect web web-17 --off",
        "nlb asg terminate web web-17 --decrement",
        "nlb asg activity web --last 5",
        "nlb asg explain web",
        "nlb asg forecast web",
        "nlb asg refresh start web --min-healthy 50 --max-healthy 150 --skip-matching --auto-rollback",
        "nlb asg refresh status web",
        "nlb asg refresh cancel web",
        "nlb asg refresh rollback web",
        "nlb asg hook complete web web-17 ready continue",
        "nlb asg hook heartbeat web web-17 ready",
        "nlb asg import web --csv load.csv",
        "nlb asg import web --metric sum(new_flows)/2 --csv load.csv --json",
        "nlb asg import web --prometheus http://127.0.0.1:9090 --query sum(up)",
        "nlb asg import web --prometheus https://a.example/prometheus --query up --from 2026-11-01T00:00:00Z --to 6h --insecure",
        "nlb asg backtest --trace load.csv",
        "nlb asg backtest --trace load.csv --policy predictive --policy hpa --quantile 0.99 --target 60 --svg out.svg --json",
        "nlb asg backtest --trace load.csv --capacity 12.5 --start 120 --bin 60",
        "nlb openapi",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn a_misused_command_is_refused_for_the_right_reason() {
    for (line, kind, named) in [
        ("nlb", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, "Usage"),
        ("nlb stauts", ErrorKind::InvalidSubcommand, "status"),
        ("nlb agent", ErrorKind::MissingRequiredArgument, "--config"),
        ("nlb detach --target --pin-path /x", ErrorKind::ArgumentConflict, "--pin-path"),
        ("nlb status --jsn", ErrorKind::UnknownArgument, "--json"),
        ("nlb listener show", ErrorKind::MissingRequiredArgument, "NAME"),
        ("nlb listener show -web", ErrorKind::UnknownArgument, "-w"),
        ("nlb listener show we/b", ErrorKind::ValueValidation, "letters, digits"),
        ("nlb listener set-weight web", ErrorKind::MissingRequiredArgument, "GROUP=WEIGHT"),
        ("nlb listener set-weight web blue", ErrorKind::ValueValidation, "GROUP=WEIGHT, as blue=90"),
        ("nlb listener set-weight web blue=1000", ErrorKind::ValueValidation, "0 to 999"),
        ("nlb target register web 10.0.0.1:0", ErrorKind::ValueValidation, "0 is not a port"),
        ("nlb target register web host:80", ErrorKind::ValueValidation, "ADDRESS:PORT"),
        ("nlb target set-weight web 10.0.0.1 1000", ErrorKind::ValueValidation, "999"),
        ("nlb target set-weight web 10.0.0.1 many", ErrorKind::ValueValidation, "0 to 999"),
        ("nlb stats --interval 5", ErrorKind::MissingRequiredArgument, "--watch"),
        ("nlb stats --watch --interval 0", ErrorKind::ValueValidation, "1..=3600"),
        ("nlb explain 198.51.100.7 40000 192.0.2.10 80 icmp", ErrorKind::ValueValidation, "tcp, udp or sctp"),
        ("nlb explain 198.51.100.7 40000 192.0.2.10 80", ErrorKind::MissingRequiredArgument, "PROTO"),
        ("nlb explain 198.51.100.7 40000 192.0.2.10 80 tcp --pcap x", ErrorKind::ArgumentConflict, "--pcap"),
        ("nlb explain --pcap x --connection-id 00", ErrorKind::ArgumentConflict, "--connection-id"),
        ("nlb explain 198.51.100.7 1 192.0.2.10 443 udp --connection-id 0", ErrorKind::ValueValidation, "hexadecimal"),
        ("nlb explain --packet 7", ErrorKind::MissingRequiredArgument, "--pcap"),
        ("nlb explain --pcap x --packet 0", ErrorKind::ValueValidation, "packet"),
        ("nlb explain 198.51.100.7 70000 192.0.2.10 80 tcp", ErrorKind::ValueValidation, "65535"),
        ("nlb capture", ErrorKind::MissingRequiredArgument, "--write"),
        ("nlb capture -w x --filter hots", ErrorKind::ValueValidation, "`hots` is no condition"),
        ("nlb capture -w x --sample 100", ErrorKind::ValueValidation, "1/100 for one packet of a hundred"),
        ("nlb capture -w x --sample 1/0", ErrorKind::ValueValidation, "write 1/N"),
        ("nlb capture -w x --snaplen 9217", ErrorKind::ValueValidation, "1..=9216"),
        ("nlb capture -w x --count 0", ErrorKind::ValueValidation, "count"),
        ("nlb asg import web", ErrorKind::MissingRequiredArgument, "--csv"),
        ("nlb asg import web --prometheus http://a", ErrorKind::MissingRequiredArgument, "--query"),
        ("nlb asg import web --csv a --prometheus http://a --query b", ErrorKind::ArgumentConflict, "--prometheus"),
        ("nlb asg import web --csv a --metric cup", ErrorKind::ValueValidation, "`cup` is no source"),
        ("nlb asg import web --prometheus a:9090 --query b", ErrorKind::ValueValidation, "http://"),
        ("nlb asg import web --csv a --from yesterday", ErrorKind::ValueValidation, "as 14d or 6h"),
        ("nlb status --color sometimes", ErrorKind::InvalidValue, "auto, always, never"),
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.kind(), kind, "{line}: {error}");
        assert!(error.to_string().contains(named), "{line}: `{named}` is not in: {error}");
    }
}

#[test]
fn targets_are_addresses_with_or_without_a_port() {
    let target = |address: &str, port| Ok(TargetArgument { address: address.parse().unwrap(), port });
    for (text, expected) in [
        ("10.0.0.1", target("10.0.0.1", None)),
        ("10.0.0.1:80", target("10.0.0.1", Some(80))),
        ("2001:db8::1", target("2001:db8::1", None)),
        ("[2001:db8::1]", target("2001:db8::1", None)),
        ("[2001:db8::1]:80", target("2001:db8::1", Some(80))),
        ("10.0.0.1:0", Err(InvalidTarget::PortZero)),
        ("10.0.0.1:", Err(InvalidTarget::Malformed)),
        ("10.0.0.1:65536", Err(InvalidTarget::Malformed)),
        ("web", Err(InvalidTarget::Malformed)),
        ("", Err(InvalidTarget::Malformed)),
    ] {
        assert_eq!(text.parse::<TargetArgument>(), expected, "{text}");
    }
}

#[test]
fn flags_reach_the_typed_arguments() {
    let arguments =
        parse("nlb target register web 10.0.0.1:80 --zone a --weight 7 --quic-server-id 0A07 --json").unwrap();
    assert!(arguments.global.json);
    let Command::Ask(Question::Target(register)) = arguments.command else { panic!("{arguments:?}") };
    let Target::Register { group, target, zone, weight, quic_server_id } = register else { panic!("{register:?}") };
    assert_eq!((group.as_str(), target.port, weight.unwrap().get()), ("web", Some(80), 7));
    assert_eq!((zone.unwrap().as_str(), quic_server_id.unwrap().bytes()), ("a", &[0x0a, 0x07][..]));
}

#[test]
fn the_command_line_is_well_formed() {
    use clap::CommandFactory as _;
    Arguments::command().debug_assert();
}
