//! Gateways: listeners for what is routed through the edge, of any protocol, to or from a network.
//!
//! A packet is a gateway's if its source or its destination lies in the gateway's network, so both directions of a flow are.
//! Gateways stand in a table of longest prefixes, which is asked once for each end; the longer of two prefixes takes the packet.
//! Which of two equally long ones does must not hang on the direction either: it is that of the end whose address comes first.
//!
//! Only packets that no listener, translation or VIP takes come here, and only those that the host would forward: what is for the
//! edge itself is nobody else's to look at.

use crate::listener::{Claim, Listener, ListenerKey};

/// A gateway: the value of the table, whose key is the network.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// What becomes of its packets.
    pub claim: Claim,
    /// [`Listener::endpoint`].
    pub endpoint: u64,
    /// [`Listener::group`].
    pub group: u32,
    /// [`Listener::sketch`].
    pub sketch: u32,
    /// [`ListenerKey::prefix`].
    pub prefix: u32,
    /// Always zero.
    pub padding: u32,
}

impl Gateway {
    /// The entry of a gateway.
    pub const fn new(key: &ListenerKey, listener: &Listener) -> Self {
        Self {
            claim: Claim::of(listener),
            endpoint: listener.endpoint,
            group: listener.group,
            sketch: listener.sketch,
            prefix: key.prefix as u32,
            padding: 0,
        }
    }

    /// The gateway that the entry is of.
    pub const fn listener(&self) -> Listener {
        Listener { endpoint: self.endpoint, ..self.claim.listener(self.group, self.sketch) }
    }

    /// Which of the gateways of a packet's two ends takes it; `first` is that of the end whose address comes first.
    #[inline(always)]
    pub const fn chosen<'g>(first: Option<&'g Self>, second: Option<&'g Self>) -> Option<&'g Self> {
        match (first, second) {
            (Some(one), Some(other)) if other.prefix > one.prefix => second,
            (Some(_), _) => first,
            (None, _) => second,
        }
    }
}

const _: () = assert!(size_of::<Gateway>() == 32, "no hidden padding");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::tables::Group;

    #[test]
    fn an_entry_holds_all_of_a_gateway() {
        let group = Group { first_slot: 512, slot_mask: 255, affinity: 5, tracking: 1, ..Group::default() };
        let listener = Listener { sketch: 9, endpoint: 0x1234_5678_9abc_def0, ..Listener::new(7, 3, &group) };
        let key = ListenerKey::of_network(Address::v4(0x0a), 104);
        let gateway = Gateway::new(&key, &listener);
        assert_eq!((gateway.listener(), gateway.prefix), (listener, 104));
    }

    #[test]
    fn the_longer_prefix_takes_a_packet_and_of_equal_ones_the_first_ends() {
        let gateway = |prefix, endpoint| Gateway { prefix, endpoint, ..Gateway::default() };
        let (wide, narrow, other) = (gateway(104, 1), gateway(120, 2), gateway(104, 3));
        for (first, second, chosen) in [
            (None, None, None),
            (Some(&wide), None, Some(1)),
            (None, Some(&wide), Some(1)),
            (Some(&wide), Some(&narrow), Some(2)),
            (Some(&narrow), Some(&wide), Some(2)),
            (Some(&wide), Some(&other), Some(1)),
            (Some(&other), Some(&wide), Some(3)),
        ] {
            assert_eq!(Gateway::chosen(first, second).map(|gateway| gateway.endpoint), chosen);
        }
    }
}
