//! What the agent of a bench is configured with.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use super::scene::INTERFACE;

/// The first target's address; others follow it. All are behind one router.
pub(super) const TARGET: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// The first VIP; others follow it.
pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Of listeners and targets.
pub(super) const PORT: u16 = 80;
/// The seed of the flow hash.
pub(super) const SEED: u64 = 0x5eed;

/// So many groups, listeners and targets, spread evenly over the groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) groups: u32,
    pub(super) listeners: u32,
    pub(super) targets: u32,
    /// Slots of each group's ring.
    pub(super) ring: u32,
    /// `transition` or `all`.
    pub(super) tracking: &'static str,
    /// The line that says how targets are checked, each second.
    pub(super) check: &'static str,
    /// Pins that the table of established flows has room for.
    pub(super) flows: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            groups: 1,
            listeners: 1_000,
            targets: 1_000,
            ring: 65_536,
            tracking: "transition",
            check: "kind = 'tcp'",
            flows: 1 << 20,
        }
    }
}

impl Setup {
    /// The configuration file of an agent that keeps its files in `folder` and its pins in `pins`.
    pub(super) fn text(&self, folder: &Path, pins: &Path) -> String {
        let mut text = format!(
            "[agent]\ninterfaces = [{INTERFACE:?}]\nseed = \"{SEED:#x}\"\npin_path = {pins:?}\nstate_dir = {:?}\nsocket = {:?}\n\
             capacity.flows = {}\n",
            folder.join("state"),
            folder.join("nlb.sock"),
            self.flows,
        );
        let mut add = |lines: String| text.push_str(&lines);
        let each = self.targets / self.groups;
        for group in 0..self.groups {
            let targets: Vec<String> = (0..each).map(|target| nth(TARGET, group * each + target).to_string()).collect();
            add(format!(
                "[[target_group]]\nname = 'g{group}'\nport = {PORT}\ntracking = '{}'\nring_size = {}\ntargets = {targets:?}\n\
                 [target_group.health_check]\n{}\ninterval = '1s'\ntimeout = '1s'\n",
                self.tracking, self.ring, self.check
            ));
        }
        for listener in 0..self.listeners {
            add(listener_text(nth(VIP, listener), listener % self.groups));
        }
        text
    }

    /// The section of one listener more.
    pub(super) fn another_listener(&self) -> String {
        listener_text(nth(VIP, self.listeners), 0)
    }

    /// The setup in words.
    pub(super) fn words(&self) -> String {
        let mut words = format!("{} listeners", self.listeners);
        let groups = if self.groups == 1 { "1 group".to_owned() } else { format!("{} groups", self.groups) };
        // A String takes whatever is written to it.
        let _written = write!(words, ", {groups} of {} targets", self.targets / self.groups);
        words
    }
}

fn listener_text(vip: Ipv4Addr, group: u32) -> String {
    format!("[[listener]]\naddress = '{vip}'\nprotocol = 'tcp'\nport = {PORT}\ntarget_group = 'g{group}'\n")
}

/// The address so many behind `first`.
pub(super) fn nth(first: Ipv4Addr, number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(first.to_bits() + number)
}
