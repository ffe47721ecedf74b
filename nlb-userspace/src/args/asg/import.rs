//! The arguments of `nlb asg import`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;

use crate::autoscale::model::Metric;
use crate::model::{HttpUrl, Name};

/// `nlb asg import`.
#[derive(Clone, Debug, Args)]
pub struct Import {
    /// Name of the autoscaling group
    pub group: Name,
    /// The load that it is of, as a predictive policy names it [default: that of the group's only one]
    #[arg(long)]
    pub metric: Option<Metric>,
    /// Lines of `time,value`: times rising, in seconds since 1970 or as 2026-11-25T07:31:07Z; values in the metric's unit
    #[arg(long, value_name = "FILE", required_unless_present = "prometheus", conflicts_with = "prometheus")]
    pub csv: Option<PathBuf>,
    /// A Prometheus server that recorded it
    #[arg(long, value_name = "URL", requires = "query")]
    pub prometheus: Option<HttpUrl>,
    /// What to ask it: one series, in the metric's unit
    #[arg(long, requires = "prometheus")]
    pub query: Option<String>,
    /// From when on: a moment, or so long ago
    #[arg(long, value_parser = moment, default_value = "14d", value_name = "TIME")]
    pub from: SystemTime,
    /// Until when: a moment, or so long ago
    #[arg(long, value_parser = moment, default_value = "0s", value_name = "TIME")]
    pub to: SystemTime,
    /// By https, take any certificate
    #[arg(long, requires = "prometheus")]
    pub insecure: bool,
}

/// `2026-11-25T07:31:07Z`, or a time before now: `14d`.
fn moment(text: &str) -> Result<SystemTime, String> {
    let ago = |ago: Duration| SystemTime::now().checked_sub(ago);
    let moment = humantime::parse_rfc3339_weak(text).ok();
    let moment = moment.or_else(|| humantime::parse_duration(text).ok().and_then(ago));
    moment.ok_or_else(|| "use a moment, as 2026-11-25T07:31:07Z, or a time before now, as 14d or 6h".to_owned())
}
