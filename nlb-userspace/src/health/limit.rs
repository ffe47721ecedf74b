//! How many checks may be under way at a time.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More would only meet the limits of ports and memory.
const MOST: u64 = 32_768;
/// Fewer would be no use, and the rest of the agent needs its descriptors too.
const LEAST: u64 = 64;

/// Each check under way holds one socket. They may hold three quarters of what this process may open, 64 to 32,768;
/// the rest is for maps, links, netlink, the API and the log.
///
/// The soft limit is raised to the hard one first: it is low (1,024) by default only for programs that use `select`.
pub(super) fn checks_under_way() -> usize {
    let allowed = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() => hard,
        Ok((soft, _)) => soft,
        Err(error) => {
            tracing::warn!(%error, "can't read RLIMIT_NOFILE, so few health checks run at a time");
            0
        }
    };
    usize::try_from((allowed / 4).saturating_mul(3).clamp(LEAST, MOST)).unwrap_or(usize::MAX)
}
