//! The command line: raw words become typed arguments here, and nowhere else.

mod asg;
mod capture;
mod explain;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use asg::{Asg, AsgQuestion, Backtest, BacktestRule, Hook, Import, Refresh, StartRefresh};
pub use capture::Capture;
pub use explain::{Explain, Explained};

use crate::api::DEFAULT_SOCKET;
use crate::api::client::{TargetPath, TracePattern};
use crate::api::dto::Protocol;
use crate::logging::LogFormat;
use crate::model::{GroupShare, Name, QuicServerId, Weight};

/// Layer-4 load balancer: the agent of an edge, the agent of a target host, and the command line to both.
#[derive(Debug, Parser)]
#[command(name = "nlb", version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Unix socket of the agent
    #[arg(long, global = true, env = "NLB_SOCKET", default_value = DEFAULT_SOCKET, value_name = "PATH")]
    pub socket: PathBuf,
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the edge's agent
    Agent(Run),
    /// Run the target host's agent: takes packets out of their tunnel and puts the VIPs on lo
    TargetAgent(Run),
    /// A question to the agent, or to this host
    #[command(flatten)]
    Ask(Question),
    /// Take programs, links and maps out of the kernel: traffic is no longer balanced
    Detach(Detach),
    /// Autoscaling groups
    #[command(subcommand)]
    Asg(Asg),
    /// Print the OpenAPI document of the control API
    #[command(hide = true)]
    Openapi,
}

/// Commands that ask the agent, or this host, and show the answer.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// Check or show the configuration
    #[command(subcommand)]
    Config(Config),
    /// Have the agent read its configuration file again and apply what differs
    Reload,
    /// Show how the agent, its program and its target groups do
    Status,
    /// Show listeners, and change the weights of groups that share one
    #[command(subcommand)]
    Listener(Listener),
    /// Show target groups
    #[command(subcommand)]
    TargetGroup(TargetGroup),
    /// Show and change targets
    #[command(subcommand)]
    Target(Target),
    /// Show counters of listeners, targets and drops
    Stats(Stats),
    /// Find what keeps traffic from flowing, on an edge or a target host
    Doctor(Doctor),
    /// Show which listener, slot and target a flow gets, or a packet of a capture file, and why
    Explain(Explain),
    /// Show what the program does with each packet of a flow
    Trace(Trace),
    /// Write packets to a pcapng file as they come and as they leave, with what became of them
    Capture(Capture),
}

/// How an agent is run.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// How log lines look
    #[arg(long, value_enum, env = "NLB_LOG_FORMAT", default_value_t = LogFormat::Human, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// `nlb config`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Check a file without applying it
    Check {
        /// The file
        file: PathBuf,
        /// It is the file of a target host's agent
        #[arg(long)]
        target: bool,
    },
    /// Show what is in force: defaults filled in, runtime changes included
    Show,
}

/// `nlb listener`.
#[derive(Debug, Subcommand)]
pub enum Listener {
    /// All listeners
    List,
    /// One listener with its group and targets
    Show {
        /// Name of the listener
        name: Name,
    },
    /// Give target groups that share a listener other shares of its new flows; it survives a restart of the agent
    SetWeight {
        /// Name of the listener
        name: Name,
        /// Target groups with their new weights, as blue=50 green=50; those of others stay
        #[arg(value_name = "GROUP=WEIGHT", required = true)]
        shares: Vec<GroupShare>,
    },
}

/// `nlb target-group`.
#[derive(Debug, Subcommand)]
pub enum TargetGroup {
    /// All target groups
    List,
    /// One target group with its targets
    Show {
        /// Name of the target group
        name: Name,
    },
}

/// `nlb target`.
#[derive(Debug, Subcommand)]
pub enum Target {
    /// All targets, or those of one group
    List {
        /// Name of the target group
        group: Option<Name>,
    },
    /// Add a target to a group; it survives a restart of the agent
    Register {
        /// Name of the target group
        group: Name,
        /// ADDRESS:PORT, or ADDRESS when the group's listeners all have one port
        target: TargetArgument,
        /// Availability zone; without one it belongs to every zone
        #[arg(long)]
        zone: Option<Name>,
        /// Share of new flows relative to the group's others, 0 to 999
        #[arg(long, value_parser = weight)]
        weight: Option<Weight>,
        /// Its id in QUIC's connection ids, in hexadecimal; without one the end of its address
        #[arg(long, value_name = "HEX")]
        quic_server_id: Option<QuicServerId>,
    },
    /// Give a target no new flows; those it has stay for the group's deregistration delay
    Drain {
        /// Name of the target group
        group: Name,
        /// ADDRESS:PORT, or ADDRESS when only one target has it
        target: TargetArgument,
    },
    /// End a drain: the target gets new flows again
    Undrain {
        /// Name of the target group
        group: Name,
        /// ADDRESS:PORT, or ADDRESS when only one target has it
        target: TargetArgument,
    },
    /// Take a target out of its group, once the flows that it has are over or the deregistration delay is
    Deregister {
        /// Name of the target group
        group: Name,
        /// ADDRESS:PORT, or ADDRESS when only one target has it
        target: TargetArgument,
    },
    /// Give a target another share of new flows
    SetWeight {
        /// Name of the target group
        group: Name,
        /// ADDRESS:PORT, or ADDRESS when only one target has it
        target: TargetArgument,
        /// 0 to 999; 0 gets no new flows
        #[arg(value_parser = weight)]
        weight: Weight,
    },
}

/// `nlb stats`.
#[derive(Clone, Copy, Debug, Args)]
pub struct Stats {
    /// Show rates per second, again and again until interrupted
    #[arg(long, short)]
    pub watch: bool,
    /// Seconds between two readings
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=3600), requires = "watch")]
    pub interval: u16,
}

/// `nlb doctor`.
#[derive(Clone, Debug, Args)]
pub struct Doctor {
    /// MTU of the clients' side, which an encapsulated packet must leave room for
    #[arg(long, default_value_t = 1500, value_name = "BYTES")]
    pub client_mtu: u32,
    /// Configuration file of this host's target agent [default: /etc/nlb/nlb-target.toml, if there]
    #[arg(long, value_name = "FILE")]
    pub target_config: Option<PathBuf>,
}

/// `nlb trace`. What is left out matches everything.
#[derive(Clone, Copy, Debug, Args)]
pub struct Trace {
    /// The client's address
    #[arg(long, value_name = "ADDRESS")]
    pub source: Option<IpAddr>,
    /// The client's port
    #[arg(long, value_name = "PORT")]
    pub source_port: Option<u16>,
    /// The VIP
    #[arg(long, value_name = "ADDRESS")]
    pub destination: Option<IpAddr>,
    /// The listener's port
    #[arg(long, value_name = "PORT")]
    pub destination_port: Option<u16>,
    /// tcp, udp or sctp
    #[arg(long, value_parser = protocol)]
    pub protocol: Option<Protocol>,
}

impl From<Trace> for TracePattern {
    fn from(Trace { source, source_port, destination, destination_port, protocol }: Trace) -> Self {
        Self { source, source_port, destination, destination_port, protocol }
    }
}

/// `nlb detach`.
#[derive(Clone, Debug, Args)]
pub struct Detach {
    /// Take away what the target host's agent set up, its VIPs too
    #[arg(long)]
    pub target: bool,
    /// The agent's configuration file [default: /etc/nlb/nlb.toml, with --target /etc/nlb/nlb-target.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the edge's agent pinned, when its file is no longer there
    #[arg(long, value_name = "PATH", conflicts_with_all = ["target", "config"])]
    pub pin_path: Option<PathBuf>,
}

/// `ADDRESS` or `ADDRESS:PORT`; IPv6 with a port in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetArgument {
    /// The address.
    pub address: IpAddr,
    /// The port, 1 to 65535.
    pub port: Option<u16>,
}

/// A text that is not a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// Neither form.
    #[error("write ADDRESS or ADDRESS:PORT, as 10.0.0.5:80 or [2001:db8::5]:80")]
    Malformed,
    /// Port 0.
    #[error("0 is not a port: give one from 1 to 65535")]
    PortZero,
}

impl FromStr for TargetArgument {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Ok(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse() {
            return Ok(Self { address, port: None });
        }
        let socket: SocketAddr = text.parse().map_err(|_| InvalidTarget::Malformed)?;
        match socket.port() {
            0 => Err(InvalidTarget::PortZero),
            port => Ok(Self { address: socket.ip(), port: Some(port) }),
        }
    }
}

impl From<TargetArgument> for TargetPath {
    fn from(TargetArgument { address, port }: TargetArgument) -> Self {
        match port {
            Some(port) => Self::Socket(SocketAddr::new(address, port)),
            None => Self::Address(address),
        }
    }
}

fn weight(text: &str) -> Result<Weight, String> {
    let value: u16 = text.parse().map_err(|_| format!("use 0 to {}", Weight::MAX))?;
    Weight::try_from(value)
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" | "6" => Ok(Protocol::Tcp),
        "udp" | "17" => Ok(Protocol::Udp),
        "sctp" | "132" => Ok(Protocol::Sctp),
        _ => Err("use tcp, udp or sctp".to_owned()),
    }
}
