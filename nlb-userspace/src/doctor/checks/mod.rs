//! Judges facts, in the order of the packet's way. Pure.

mod edge;
mod groups;
mod host;
mod target_host;

use super::{Facts, Finding};

/// Everything there is to say about `facts`.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = host::judge(&facts.host, facts.edge.is_ok());
    match (&facts.edge, &facts.target) {
        (Ok(edge), _) => {
            findings.extend(edge::judge(edge, &facts.host));
            findings.extend(groups::judge(edge, &facts.host, facts.client_mtu));
            findings.extend(edge::counters(edge));
            if facts.target.is_none() {
                findings.push(target_host::elsewhere());
            }
        }
        // A target host needs no edge's agent.
        (Err(_), Some(_)) => {}
        (Err(absent), None) => findings.push(Finding::fail("agent", absent.what.clone(), absent.mend.clone())),
    }
    match &facts.target {
        Some(Ok(target)) => findings.extend(target_host::judge(target)),
        Some(Err(why)) => findings.push(target_host::unseen(why)),
        None => {}
    }
    findings
}
