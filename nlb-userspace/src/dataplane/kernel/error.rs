//! What the kernel can refuse, and what would mend it.

use std::io;
use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;

use crate::model::XdpMode;

/// Why the kernel's packet path could not be set up, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The kernel lacks what the program needs.
    #[error("this kernel is {release}; 6.1 or newer is needed")]
    TooOld {
        /// The running kernel.
        release: String,
    },
    /// The process may not load or attach programs.
    #[error("missing {}: run as root, or give the process CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON", .missing.join(", "))]
    MissingCapabilities {
        /// Which of them are missing.
        missing: Vec<&'static str>,
    },
    /// The kernel denied what the capabilities should allow.
    #[error(
        "the kernel denies {action} ({source}) although the capabilities are there: in a container the host must allow \
         bpf(2); see also `kernel.unprivileged_bpf_disabled` and the kernel's lockdown mode"
    )]
    Denied {
        /// What was tried.
        action: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file of `/proc` can't be read.
    #[error("cannot read {path}: {source}")]
    Proc {
        /// The file.
        path: &'static str,
        /// Why.
        source: io::Error,
    },
    /// There is no bpffs below the pin path, and none can be mounted.
    #[error(
        "there is no bpffs at {path} and it cannot be mounted ({source}): mount it by hand with \
         `mount -t bpf bpf {path}`, or run once with CAP_SYS_ADMIN"
    )]
    Mount {
        /// Where it should be.
        path: PathBuf,
        /// Why it could not be mounted.
        source: io::Error,
    },
    /// A file or directory of bpffs.
    #[error("cannot {action} {path}: {source}")]
    Pin {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another process holds the pin path.
    #[error("another agent runs with the pin path {path}: stop it first, or give this one another `pin_path`")]
    InUse {
        /// The pin path.
        path: PathBuf,
    },
    /// Someone removed pins under a running agent.
    #[error("pins below {path} were removed while the agent runs; it goes on, but restart it before anything else")]
    PinsGone {
        /// Directory of the tables in use.
        path: PathBuf,
    },
    /// The verifier refused the program.
    #[error("the kernel refuses the program `{program}` ({source}); the verifier's last words:\n{log}")]
    Rejected {
        /// Name of the program.
        program: &'static str,
        /// The kernel's answer.
        source: io::Error,
        /// The last lines of the verifier's log.
        log: String,
    },
    /// The object could not be loaded for another reason.
    #[error("cannot load the program `{program}`: {}", chain(.source))]
    Load {
        /// Name of the program.
        program: &'static str,
        /// Why.
        source: Box<EbpfError>,
    },
    /// The object lacks a map or program that the layout names: it was built from other sources than the agent.
    #[error("the program's object has no `{name}`: agent and program were built from different sources")]
    NotInObject {
        /// What is missing.
        name: &'static str,
    },
    /// A table's operation.
    #[error("cannot {action} the table {table}: {source}")]
    Table {
        /// What was tried.
        action: &'static str,
        /// Name of the table.
        table: &'static str,
        /// Why.
        source: MapError,
    },
    /// The descriptor of a program can't be had twice.
    #[error("cannot duplicate a program's descriptor: {0}; raise the limit of open files")]
    Descriptor(io::Error),
    /// A table can't be mapped into memory.
    #[error("cannot map the table {table} into memory: {source}")]
    Mapping {
        /// Name of the table.
        table: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An index beyond a table.
    #[error("index {index} is beyond the table {table} of {entries} entries: raise `agent.capacity.{setting}`")]
    OutOfBounds {
        /// Name of the table.
        table: &'static str,
        /// The index.
        index: u32,
        /// The table's size.
        entries: usize,
        /// The setting that sizes it.
        setting: &'static str,
    },
    /// A listener has nowhere to go.
    #[error("the table {table} has no place for one more than {listeners} listeners: raise `agent.capacity.listeners`")]
    Crowded {
        /// Name of the table.
        table: &'static str,
        /// How many are in it.
        listeners: usize,
    },
    /// Waiting for programs that run on other CPUs failed.
    #[error("cannot wait until no CPU uses the old entries: {0}")]
    Grace(#[source] io::Error),
    /// The list of interfaces can't be had.
    #[error("cannot list the network interfaces: {0}")]
    Interfaces(#[source] io::Error),
    /// No interface of that name.
    #[error("no interface `{name}` (`interfaces`); there are: {}", .known.join(", "))]
    UnknownInterface {
        /// The name in the configuration.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The driver does not take the program.
    #[error(
        "the driver of `{interface}` refuses the program in native mode ({source}): set `mode = \"generic\"`, which \
         any driver takes at a fraction of the speed; drivers that have native mode may refuse it for a large MTU or for \
         receive offloads (`ethtool -K {interface} lro off`)"
    )]
    NativeRefused {
        /// The interface.
        interface: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The interface runs an XDP program that isn't ours.
    #[error(
        "`{interface}` already runs the XDP program {program} in {} mode: end the process or remove the pin that holds it \
         (`bpftool net list`, `bpftool link list`), or `ip link set dev {interface} {} off`; if it is another agent's, run \
         `nlb detach` with that one's configuration",
        mode_name(*.mode), ip_link(*.mode)
    )]
    OtherProgram {
        /// The interface.
        interface: String,
        /// Id of the program, and its name if it may be known.
        program: String,
        /// How it is attached.
        mode: XdpMode,
    },
    /// Attaching failed for another reason.
    #[error("cannot attach the program to `{interface}`: {source}")]
    Attach {
        /// The interface.
        interface: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The per-packet trace can't be read.
    #[error("cannot read the packet trace: {0}")]
    Trace(#[from] aya_log::Error),
    /// The thread that reads the per-packet trace can't be started.
    #[error("cannot start the packet trace: {0}")]
    TraceThread(#[source] io::Error),
    /// The thread that reads captured packets can't be started.
    #[error("cannot start the capture: {0}")]
    CaptureThread(#[source] io::Error),
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // Some layers repeat what is below them.
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

const fn mode_name(mode: XdpMode) -> &'static str {
    match mode {
        XdpMode::Native => "native",
        XdpMode::Generic => "generic",
    }
}

/// How `ip link` names a mode.
const fn ip_link(mode: XdpMode) -> &'static str {
    match mode {
        XdpMode::Native => "xdpdrv",
        XdpMode::Generic => "xdpgeneric",
    }
}
