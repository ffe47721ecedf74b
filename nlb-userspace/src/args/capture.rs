//! `nlb capture`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::api::client::CaptureRequest;
use crate::capture::{Filter, SNAPLEN};

/// `nlb capture`.
#[derive(Clone, Debug, Args)]
pub struct Capture {
    /// Which packets, as `listener web and dropped` [default: all]
    ///
    /// Conditions, all of which must hold, joined by `and`:
    ///   host ADDRESS      the packet's source or destination
    ///   net CIDR          the network of its source or destination
    ///   port PORTS        its source or destination port: 80, 8000-8099
    ///   proto NAME        tcp, udp, sctp, icmp, icmp6 or a number
    ///   vip ADDRESS       its destination
    ///   listener NAME     the listener that it is for
    ///   target TARGET     the target that it goes to: ADDRESS or ADDRESS:PORT
    ///   dropped           packets that are dropped
    #[arg(long, short, value_name = "FILTER", verbatim_doc_comment)]
    pub filter: Option<Filter>,
    /// pcapng file to write; `-`: standard output, for `wireshark -k -i -`
    #[arg(long, short, value_name = "FILE")]
    pub write: PathBuf,
    /// Capture one packet of N only, by chance
    #[arg(long, value_name = "1/N", default_value = "1/1", value_parser = sample)]
    pub sample: u32,
    /// Bytes to keep of each frame
    #[arg(long, value_name = "BYTES", default_value_t = SNAPLEN, value_parser = clap::value_parser!(u32).range(1..=9216))]
    pub snaplen: u32,
    /// End after so many packets
    #[arg(long, value_name = "PACKETS", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after that time, as 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
}

impl From<&Capture> for CaptureRequest {
    fn from(capture: &Capture) -> Self {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            filter: capture.filter.as_ref().map(ToString::to_string).unwrap_or_default(),
            sample: capture.sample,
            snaplen: capture.snaplen,
            count: capture.count,
            duration_ms: capture.duration.map(milliseconds),
        }
    }
}

fn sample(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix("1/").and_then(|number| number.parse().ok()).filter(|&number| number >= 1);
    number.ok_or_else(|| "write 1/N, as 1/100 for one packet of a hundred".to_owned())
}
