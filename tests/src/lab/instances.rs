//! An autoscaling group of this laboratory: instances on the targets' segment, each a `lab-instance` in a namespace of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Lab, agent, netns};

/// The group's name, and that of its target group.
const GROUP: &str = "web";

/// What an autoscaling group is to be like.
#[derive(Debug, Clone)]
pub struct Instances {
    program: PathBuf,
    /// Least, greatest and first capacity.
    pub capacity: (u32, u32, u32),
    /// What its configuration says besides: keys of the group, and policies.
    pub more: String,
    /// The server's program and arguments, if not `lab-instance`.
    pub command: Option<Vec<String>>,
}

impl Instances {
    /// A group of that many instances, without policies.
    ///
    /// # Errors
    /// When `lab-instance` is not there.
    pub fn new(least: u32, greatest: u32, first: u32) -> Result<Self> {
        let program = agent::beside("lab-instance")?;
        let program =
            program.context("there is no `lab-instance` beside the tests: build the package nlb-tests first")?;
        Ok(Self { program, capacity: (least, greatest, first), more: String::new(), command: None })
    }

    /// Its part of the agent's configuration.
    #[must_use]
    pub fn to_toml(&self, lab: &Lab) -> String {
        let (least, greatest, first) = self.capacity;
        let own = || vec![self.program.to_string_lossy().into_owned()];
        let command = self.command.clone().unwrap_or_else(own);
        let router = lab.host("router").netns();
        format!(
            "\n[[autoscaling_group]]\nname = {GROUP:?}\ntarget_groups = [{GROUP:?}]\nmin = {least}\nmax = {greatest}\n\
             desired = {first}\n{}\n[autoscaling_group.template]\nprovider = \"process\"\nport = 80\n\
             [autoscaling_group.template.settings]\ncommand = {command:?}\nbridge = \"lan\"\n\
             bridge_namespace = {router:?}\nnamespace_prefix = \"{}-\"\naddresses = \"10.3.0.100-10.3.0.150/24\"\n\
             gateway = \"10.3.0.1\"\nstop_timeout = 2\n",
            self.more,
            lab.id()
        )
    }
}

impl Lab {
    /// The instances of the laboratory's autoscaling group whose namespaces are there, by their names, with the ids of their
    /// processes.
    ///
    /// # Errors
    /// When namespaces can't be listed.
    pub fn instances(&self) -> Result<Vec<(String, Vec<u32>)>> {
        let prefix = format!("{}-{GROUP}-", self.id());
        let names = fs::read_dir(netns::ROOT).context("cannot list namespaces")?;
        let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut found: Vec<_> = names
            .filter_map(|name| {
                let number = name.strip_prefix(&prefix)?;
                Some((format!("{GROUP}-{number}"), netns::Netns::existing(&name).pids()))
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// Where the agent keeps what is known of instances.
    #[must_use]
    pub fn instance_records(&self) -> PathBuf {
        let state: &Path = &self.edge().dir().join("state");
        state.join("instances/processes").join(GROUP)
    }
}
