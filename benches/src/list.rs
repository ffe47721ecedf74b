//! All benches.

use anyhow::Result;

use crate::Settings;
use crate::autoscale;
use crate::control;
use crate::latency;
use crate::pipeline;
use crate::program;
use crate::report::Report;
use crate::ring;
use crate::vm;

/// A bench.
pub(crate) struct Bench {
    /// What it is called on the command line; its figures' names begin with it.
    pub(crate) name: &'static str,
    /// What it measures, in one line.
    pub(crate) about: &'static str,
    /// The figure of this bench that stands for the speed of the machine: figures with a unit are compared with those on
    /// file as multiples of it. None: only ratios are compared.
    pub(crate) yardstick: Option<&'static str>,
    /// Only measured when it is asked for: it needs a kernel with more in it than most have.
    pub(crate) apart: bool,
    /// Measures.
    pub(crate) run: fn(Settings<'_>, &mut Report) -> Result<()>,
}

/// In the order in which they run.
pub(crate) const BENCHES: &[Bench] = &[
    Bench {
        name: "program",
        about: "one run of the program, by BPF_PROG_TEST_RUN",
        yardstick: Some("program/floor v4, 1 flow"),
        apart: false,
        run: program::run,
    },
    Bench {
        name: "pipeline",
        about: "packets from a generator by the edge to a sink; millions per second of the edge's core",
        yardstick: Some("pipeline/one core, floor"),
        apart: false,
        run: pipeline::run,
    },
    Bench {
        name: "latency",
        about: "a ping-pong over veth, with the edge in the way and without",
        yardstick: Some("latency/p50 without the edge"),
        apart: false,
        run: latency::run,
    },
    Bench {
        name: "ring",
        about: "a ring of 65,536 slots: time to build it, its evenness, what a change moves",
        yardstick: Some("ring/maglev, 100 targets, build"),
        apart: false,
        run: ring::run,
    },
    Bench {
        name: "control",
        about: "the agent: from what happens to the tables, its start, its health checks, its memory",
        yardstick: Some("control/a ring of 1,000 targets made anew"),
        apart: false,
        run: control::run,
    },
    Bench {
        name: "vm",
        about: "ours and the kernel's IPVS, from pktgen to a sink; millions of packets per second of the edge's core",
        yardstick: Some("vm/1 flow, kernel's forwarding"),
        apart: true,
        run: vm::run,
    },
    Bench {
        name: "autoscale",
        about: "forecasts and scaling by them, back-tested beside Kubernetes' HPA",
        yardstick: None,
        apart: false,
        run: autoscale::run,
    },
];

/// What is no bench and gives no figures: the program's profile.
pub(crate) const PROFILE: &str = "profile";

/// What can be asked for.
pub(crate) fn names() -> Vec<&'static str> {
    BENCHES.iter().map(|bench| bench.name).chain([PROFILE]).collect()
}
