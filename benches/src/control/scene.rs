//! Where the agent runs: an edge with one cable to a router, behind which all targets are, and a folder for its files.
//!
//! ```text
//! edge  eth0 ═══ eth0  router, which has all targets' addresses
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nlb_tests::segment::Host;
use nlb_userspace::dataplane::detach;

use crate::leftovers;

/// The edge's interface, and the router's.
pub(super) const INTERFACE: &str = "eth0";

/// The two hosts and the folder. Dropping it removes all, and what was pinned.
pub(super) struct Scene {
    /// Where the agent runs.
    pub(super) edge: Host,
    /// Where the targets are.
    pub(super) router: Host,
    folder: PathBuf,
    pins: PathBuf,
}

impl Scene {
    /// Builds it, `name` among those of this process.
    pub(super) fn build(name: &str) -> Result<Self> {
        let [edge, router] = ["edge", "router"].map(|of| Host::new(leftovers::name(&format!("{name}-{of}"))));
        edge.ip(&format!("link add {INTERFACE} type veth peer name {INTERFACE} netns {}", router.name()));
        for (host, last) in [(&edge, 1), (&router, 2)] {
            host.ip("link set lo up");
            host.ip(&format!("address add 10.0.0.{last}/24 dev {INTERFACE}"));
            host.ip(&format!("link set {INTERFACE} up"));
        }
        edge.ip(&format!("route add 10.1.0.0/16 via 10.0.0.2 dev {INTERFACE}"));
        router.ip("route add local 10.1.0.0/16 dev lo");
        let folder = std::env::temp_dir().join(leftovers::name(name));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { edge, router, folder, pins: Path::new(leftovers::BPFFS).join(leftovers::name(name)) })
    }

    /// The agent's own files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its pins.
    pub(super) fn pins(&self) -> &Path {
        &self.pins
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.pins.exists()
            && let Err(error) = detach(&self.pins)
        {
            eprintln!("cannot remove {}: {error}", self.pins.display());
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("cannot remove {}: {error}", self.folder.display());
        }
    }
}
