//! The packet inside a tunnel, as far as the target host looks before it hands it to the stack.

use super::ecn::{Ecn, combine};
use crate::checksum::Checksum;
use crate::packet::Door;
use crate::wire::{EtherType, Header, Ipv4, Ipv6};

/// Why a tunnel's payload isn't handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InnerError {
    /// No whole IP packet of the family that the outer header names.
    Malformed,
    /// The outer header says that congestion was experienced, and the inner sender doesn't know of ECN.
    Congestion,
}

/// The header of an inner packet, of either family.
pub trait Inner: Header {
    /// What the Ethernet header says once the outer one is gone.
    const ETHER_TYPE: EtherType;

    /// Length of the packet, `None` if the header can't be.
    fn length(&self) -> Option<usize>;

    /// DSCP and ECN.
    fn class(&self) -> u8;

    /// The header with another traffic class, and a checksum that agrees.
    #[must_use]
    fn with_class(self, traffic_class: u8) -> Self;

    /// Looks at the inner packet, which has `room` bytes from `offset` on, and gives its header as the stack shall see it;
    /// `None` if it stays as it is.
    ///
    /// # Errors
    /// Why it is not handed on.
    #[inline(always)]
    fn leave_tunnel<D: Door + ?Sized>(
        door: &D,
        offset: usize,
        room: usize,
        outer_class: u8,
    ) -> Result<Option<Self>, InnerError> {
        let header = door.header::<Self>(offset).ok_or(InnerError::Malformed)?;
        if header.length().is_none_or(|length| length > room) {
            return Err(InnerError::Malformed);
        }
        let class = header.class();
        let before = Ecn::of(class);
        let after = combine(before, Ecn::of(outer_class)).ok_or(InnerError::Congestion)?;
        Ok((after != before).then(|| header.with_class(after.mark(class))))
    }
}

impl Inner for Ipv4 {
    const ETHER_TYPE: EtherType = EtherType::IPV4;

    #[inline(always)]
    fn length(&self) -> Option<usize> {
        let total_length = usize::from(self.total_length());
        (self.header_length()? <= total_length).then_some(total_length)
    }

    #[inline(always)]
    fn class(&self) -> u8 {
        self.traffic_class
    }

    #[inline(always)]
    fn with_class(self, traffic_class: u8) -> Self {
        let word = |class| u16::from_ne_bytes([self.version_and_words, class]);
        let checksum = Checksum::from_header(self.checksum)
            .remove_u16(word(self.traffic_class))
            .add_u16(word(traffic_class))
            .finish();
        Self { traffic_class, checksum, ..self }
    }
}

impl Inner for Ipv6 {
    const ETHER_TYPE: EtherType = EtherType::IPV6;

    #[inline(always)]
    fn length(&self) -> Option<usize> {
        (self.version() == 6).then(|| Self::LENGTH + usize::from(self.payload_length()))
    }

    #[inline(always)]
    fn class(&self) -> u8 {
        self.traffic_class()
    }

    #[inline(always)]
    fn with_class(self, traffic_class: u8) -> Self {
        let label = u32::from_be(self.version_class_label) & Self::FLOW_LABEL;
        Self { version_class_label: Self::first_word(traffic_class, label), ..self }
    }
}
