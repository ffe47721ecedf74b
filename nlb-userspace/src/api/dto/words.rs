//! The words of the API: each a choice among a few.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::event;
use crate::control::snapshot;
use crate::model;

/// Defines a choice once: its variants, their text, and the type of the state that it is made of.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident of $source:path { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        // ToSchema does not see a `rename` that a macro passes on, so both spellings exist and are held together here.
        #[cfg(test)]
        impl $name {
            fn spellings() -> Vec<(&'static str, serde_json::Value)> {
                vec![$(($text, serde_json::json!(Self::$variant)),)*]
            }
        }

        impl From<$source> for $name {
            fn from(source: $source) -> Self {
                use $source as Source;
                match source { $(Source::$variant => Self::$variant,)* }
            }
        }

        impl $name {
            /// The word as it stands in JSON.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.text())
            }
        }
    };
}

pub(super) use words;

words! {
    /// How the slots of a ring are shared out.
    RingKind of model::RingKind {
        /// Rendezvous hashing with bounded shares.
        Rendezvous = "rendezvous",
        /// Maglev.
        Maglev = "maglev",
    }
}

words! {
    /// Protocol of a listener.
    Protocol of model::Protocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// SCTP.
        Sctp = "sctp",
        /// Every protocol: a gateway.
        All = "all",
    }
}

words! {
    /// Where in the kernel's receive path the program runs.
    XdpMode of model::XdpMode {
        /// In the driver.
        Native = "native",
        /// In the stack: slow, for drivers without XDP.
        Generic = "generic",
    }
}

words! {
    /// Which part of a flow decides its target.
    Affinity of model::Affinity {
        /// The 5-tuple.
        Flow = "flow",
        /// The client's address alone.
        SourceIp = "source_ip",
        /// The client's address and the port that it asks for.
        SourceIpPort = "source_ip_port",
        /// The client's network: /24 of IPv4, /64 of IPv6.
        SourceSubnet = "source_subnet",
        /// Behind a gateway: both addresses.
        SourceIpDestIp = "source_ip_dest_ip",
        /// Behind a gateway: both addresses and the protocol.
        SourceIpDestIpProto = "source_ip_dest_ip_proto",
    }
}

words! {
    /// Health of a target.
    Health of event::Health {
        /// Not yet passed its first checks.
        Initial = "initial",
        /// Passing.
        Healthy = "healthy",
        /// Failing.
        Unhealthy = "unhealthy",
    }
}

words! {
    /// Which targets of a group get new flows.
    Routing of snapshot::Routing {
        /// The healthy ones.
        Healthy = "healthy",
        /// The healthy ones of other zones: this edge's zone has none.
        OtherZones = "other_zones",
        /// All: none is healthy.
        FailOpen = "fail_open",
        /// None yet: the targets are at their first checks.
        Waiting = "waiting",
        /// None: there is no target with a weight above 0 and a next hop.
        Empty = "empty",
    }
}

words! {
    /// Where a target was registered.
    Origin of snapshot::Origin {
        /// In the configuration file.
        File = "file",
        /// At run time.
        Runtime = "runtime",
    }
}

words! {
    /// Why a target is drained.
    DrainCause of model::DrainCause {
        /// By command: it stays registered.
        Command = "command",
        /// It is registered no longer, and gone in the end.
        Deregistered = "deregistered",
    }
}

words! {
    /// Which flows are remembered.
    Tracking of model::Tracking {
        /// Those that a change of targets would otherwise break.
        Transition = "transition",
        /// Every flow.
        All = "all",
        /// None.
        None = "none",
    }
}

impl From<Protocol> for model::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
            Protocol::Sctp => Self::Sctp,
            Protocol::All => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_shown_as_it_stands_in_json() {
        let all = [
            RingKind::spellings(),
            Protocol::spellings(),
            XdpMode::spellings(),
            Affinity::spellings(),
            Health::spellings(),
            Routing::spellings(),
            Origin::spellings(),
            DrainCause::spellings(),
            Tracking::spellings(),
        ];
        for (shown, json) in all.into_iter().flatten() {
            assert_eq!(json, shown);
        }
    }
}
