//! Why the edge drops a packet. One counter each.

/// Defines the reasons once: number, name in metrics, and text for people.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $text:literal;)*) => {
        /// Why a packet was dropped. The number is the index of its counter.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DropReason {
            $($(#[$doc])* $variant,)*
        }

        impl DropReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// How many there are.
            #[expect(clippy::cast_possible_truncation, reason = "a handful")]
            pub const COUNT: u32 = Self::ALL.len() as u32;

            /// The value of the `reason` label in metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What happened, in a few words.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

reasons! {
    /// The frame ends within its Ethernet or VLAN header.
    TruncatedLink = "truncated_link", "the frame ends within its Ethernet or VLAN header";
    /// The packet ends within its IP header.
    TruncatedNetwork = "truncated_network", "the packet ends within its IP header";
    /// An IP header whose version, header length or total length can't be.
    BadNetwork = "bad_network", "an IP header field that can't be: version, header length or total length";
    /// More IPv6 extension headers than are followed.
    ExtensionHeaders = "extension_headers", "more IPv6 extension headers than are followed";
    /// The packet ends within its TCP or UDP header.
    TruncatedTransport = "truncated_transport", "the packet ends within its TCP or UDP header";
    /// A TCP or UDP header whose length can't be.
    BadTransport = "bad_transport", "a TCP or UDP header whose length can't be";
    /// The target group has no target to give.
    NoTarget = "no_target", "the target group has no target";
    /// The target's next hop is not known.
    NoNextHop = "no_next_hop", "the target's next hop is not known";
    /// The flow's target is drained and its flows are over; what can't be answered with a TCP reset is dropped.
    TargetDrained = "target_drained", "the flow's target is drained, and there is no reset to answer with";
    /// With its outer header the packet would be longer than an IP packet can be.
    TooLong = "too_long", "with its outer header the packet would be longer than an IP packet can be";
    /// The listener's access list denies the source.
    SourceDenied = "source_denied", "the listener's access list denies the source";
    /// The source has begun as many flows as it may for now.
    NewFlowLimit = "new_flow_limit", "the source begins more new flows than the listener allows";
    /// The packet doesn't fit the way to its target, or a translated answer the way to its client, and its sender is not told: it was
    /// told enough, or can't be.
    TooBig = "too_big", "the packet does not fit its way out, and its sender has been told so often enough";
    /// The packet is for a port of an exclusive VIP that has no listener, and its sender is not told: it was told enough, or can't
    /// be.
    Refused = "refused", "no listener of an exclusive VIP has the port, and the sender can't be told, or was often enough";
    /// The driver leaves no room for the outer header.
    NoHeadroom = "no_headroom", "the driver leaves no room for the outer header";
    /// A new flow can't be translated: no port is free of those that were tried, or its answers could not be told from those to
    /// another flow of the same client's port.
    NoPort = "no_port", "no port is left to translate a new flow with";
    /// A translated packet has no hop left.
    HopLimit = "hop_limit", "a translated packet has no hop left";
    /// A packet can't be translated into the other IP family: its group doesn't translate from the edge's own address, it is an
    /// error message that the other family has none for, its source route has addresses left, or it is a fragment of a datagram that
    /// has no checksum, or extension headers within what was cut.
    OtherFamily = "other_family", "a packet that can't be translated into the other IP family";
    /// What an appliance sent back holds no packet of the flow that it was given.
    BadTunnel = "bad_tunnel", "what an appliance sent back holds no packet of the flow that it was given";
    /// Routers marked what an appliance sent back with congestion, and the sender of the packet inside doesn't know of ECN: dropped,
    /// as the routers would have (RFC 6040, section 4.2).
    Congestion = "congestion", "congestion on the way from an appliance, which the packet's sender doesn't know of";
    /// A fragment for a VIP that can't be part of any datagram: see [`Fragment::check`](crate::packet::fragment::Fragment::check).
    BadFragment = "bad_fragment", "a fragment that can't be: empty, longer than a packet can be, no multiple of 8 bytes, or across a header";
    /// A fragment came before the first one of its datagram, and that did not come in time, or there was no room to wait.
    EarlyFragment = "early_fragment", "a fragment whose datagram's first one was not seen";
    /// A fragment without ports of a flow that was translated when its datagram's first one came, and is no longer remembered.
    TranslatedFragment = "translated_fragment", "a fragment of a translated flow that is no longer remembered";
    /// The first fragment of its datagram was dropped, for a reason of its own.
    FirstDropped = "first_dropped", "a fragment of a datagram whose first one was dropped";
    /// A packet in a tunnel, of a kind that edges use, came from outside for a VIP or for a target.
    ForeignTunnel = "foreign_tunnel", "a tunnel from outside to a VIP or to a target";
}
