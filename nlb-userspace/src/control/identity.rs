//! Names that the kernel's tables can hold: a hash of what a group or target is.
//!
//! The next agent finds by them which entry is whose. They are equal on all edges, so rings are built on them too.

use std::net::IpAddr;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Name, TargetGroup, TargetKey};

/// The tag of a group with that name and that number of slots. Slots are part of it, because a ring of another size is
/// another entry: listeners move over to it in one step, and no packet sees the old place with the new size.
pub(super) fn group_tag(name: &Name, slots: u32) -> u64 {
    tag(&format!("{name} {slots}"))
}

/// The tag of a listener's own ring with that number of slots. Names have no blanks, so it is no group's.
pub(super) fn listener_tag(name: &Name, slots: u32) -> u64 {
    tag(&format!("listener {name} {slots}"))
}

/// What tells appliances which gateway a packet came to: the endpoint id of its tunnel. The same on all edges.
pub(crate) fn endpoint_id(gateway: &Name) -> u64 {
    tag(&format!("gateway {gateway}"))
}

/// What the share of a slot among groups is drawn by: the same for a group whatever its ring.
pub(super) fn share_tag(name: &Name) -> u64 {
    tag(&format!("share {name}"))
}

/// The tag of a target.
pub(super) fn target_tag(key: &TargetKey) -> u64 {
    tag(&key.to_string())
}

/// The target of `group` at `address` whose tag that is: ports that are likely first, then all others.
pub(super) fn named_by(tag: u64, group: &TargetGroup, address: IpAddr) -> Option<TargetKey> {
    let likely = group.targets.iter().map(|target| target.port);
    likely
        .chain(1..=u16::MAX)
        .map(|port| TargetKey { group: group.name.clone(), address, port })
        .find(|key| target_tag(key) == tag)
}

/// 0 marks a free entry, so no tag is 0.
fn tag(text: &str) -> u64 {
    xxh3_64(text.as_bytes()).max(1)
}
