//! Ethernet and up to two VLAN tags.

use core::hint::cold_path;

use super::{Door, NotOurs, Stop};
use crate::drop_reason::DropReason;
use crate::wire::{EtherType, Ethernet, VlanTag};

/// VLAN tags that are followed: QinQ has two.
pub const MAX_TAGS: usize = 2;

/// What stands before the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Length of the Ethernet header and the tags: where the IP header begins.
    pub length: usize,
    /// What the innermost header says that follows.
    pub ether_type: EtherType,
}

impl Link {
    /// Length of an Ethernet header without tags.
    pub const UNTAGGED: usize = size_of::<Ethernet>();
    /// Length with one tag.
    pub const TAGGED: usize = Self::UNTAGGED + size_of::<VlanTag>();
    /// Length with two tags.
    pub const TAGGED_TWICE: usize = Self::TAGGED + size_of::<VlanTag>();

    /// How many tags there are.
    pub const fn tags(&self) -> usize {
        (self.length - Self::UNTAGGED) / size_of::<VlanTag>()
    }
}

/// Reads the link layer.
///
/// # Errors
/// [`Stop::Drop`] if the frame ends within it, [`Stop::Pass`] for frames to a group: a client's packet has one receiver,
/// and on a segment that several edges share each would forward a copy.
#[inline(always)]
pub fn read<D: Door + ?Sized>(door: &D) -> Result<Link, Stop> {
    const TRUNCATED: Stop = Stop::Drop(DropReason::TruncatedLink);
    let ethernet = door.header::<Ethernet>(0).ok_or(TRUNCATED)?;
    if ethernet.is_to_group() {
        return Err(Stop::Pass(NotOurs::Group));
    }
    let mut link = Link { length: Link::UNTAGGED, ether_type: ethernet.ether_type };
    for _ in 0..MAX_TAGS {
        if !link.ether_type.is_tag() {
            break;
        }
        cold_path();
        let tag = door.header::<VlanTag>(link.length).ok_or(TRUNCATED)?;
        link = Link { length: link.length + size_of::<VlanTag>(), ether_type: tag.ether_type };
    }
    Ok(link)
}
