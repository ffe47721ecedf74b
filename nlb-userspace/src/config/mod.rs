//! From a file's text to a checked configuration, or to every problem that the file has.
//!
//! `reader`, `schema`, `source` and `error` know TOML and positions but no key's meaning: both agents' files are read
//! with them. `sections` turns tables into the model, `check` looks across them, `reference` lists every key.
//! Nothing here applies anything: a file is right as a whole or it is not used.

pub mod address;
mod check;
pub mod duration;
pub mod error;
mod file;
mod lists;
mod nearest;
mod ports;
pub mod reader;
mod reference;
mod render;
pub mod schema;
mod sections;
pub mod source;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::{ConfigErrors, Problem};
pub use file::read_text;
pub use reference::{markdown, reference};
pub use render::render;

use crate::model::Configuration;
use error::Reported;
use reader::Table;

/// Reads and checks the configuration file at `path`, and the files that it names.
pub fn load(path: &Path) -> Result<Configuration, ConfigErrors> {
    let mut configuration = parse(&read_text(path)?, &path.display().to_string())?;
    lists::read(&mut configuration)?;
    Ok(configuration)
}

/// Checks the configuration `text`; problems name `file_name`. Files that it names are not read.
pub fn parse(text: &str, file_name: &str) -> Result<Configuration, ConfigErrors> {
    reader::read(text, file_name, reference(), configuration)
}

fn configuration(top: &Table<'_>) -> Result<Configuration, Reported> {
    let agent = match top.table("agent") {
        Ok(Some(table)) => sections::agent(&table),
        Ok(None) => Err(top.wrong(
            reader::Complaint::new("the file has no `[agent]`")
                .help("begin it with `[agent]` and `interfaces = [\"eth0\"]`"),
        )),
        Err(reported) => Err(reported),
    };
    let groups: Vec<_> = top.tables("target_group").iter().map(sections::group).collect();
    let listeners: Vec<_> = top.tables("listener").iter().map(sections::listener).collect();
    let vips: Vec<_> = top.tables("vip").iter().map(sections::vip).collect();
    let autoscaling: Vec<_> = top.tables("autoscaling_group").iter().map(sections::autoscaling_group).collect();
    check::check(top, agent.as_ref().ok().map(|agent| agent.capacity), &groups, &listeners);
    let prometheus = agent.as_ref().ok().map(|agent| agent.prometheus.is_some());
    check::check_autoscaling(top, prometheus, &groups, &autoscaling);
    check::check_vips(top, &vips, &listeners);
    Ok(Configuration {
        agent: agent?,
        listeners: listeners.into_iter().map(sections::ReadListener::complete).collect::<Result<_, _>>()?,
        vips: vips.into_iter().map(sections::ReadVip::complete).collect::<Result<_, _>>()?,
        groups: groups.into_iter().map(sections::ReadGroup::complete).collect::<Result<_, _>>()?,
        autoscaling_groups: autoscaling
            .into_iter()
            .map(sections::ReadAutoscalingGroup::complete)
            .collect::<Result<_, _>>()?,
    })
}
