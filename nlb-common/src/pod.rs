//! What the agent may copy to and from maps byte by byte.

macro_rules! pod {
    ($($(#[$why:meta])* $type:ty),* $(,)?) => {
        $(
            // SAFETY: `#[repr(C)]` or transparent, made of integers and arrays of them alone, without hidden padding
            // (asserted beside the types): every bit pattern is a value and no byte is uninitialised.
            unsafe impl aya::Pod for $type {}
        )*
    };
}

pod!(
    crate::active::Sketch,
    crate::address::Address,
    crate::capture::Order,
    crate::counters::Counters,
    crate::datagram::Datagram,
    crate::datagram::DatagramKey,
    crate::flow::Pin,
    crate::gateway::Gateway,
    crate::guard::Guard,
    crate::guard::Member,
    crate::guard::Refused,
    crate::guard::Source,
    crate::hash::Flow,
    crate::hash::HashKeys,
    crate::listener::Entry,
    crate::quic::ServerKey,
    crate::ranges::Ranges,
    crate::ranges::RangesKey,
    crate::nat::Session,
    crate::slot::Slot,
    crate::tables::Group,
    crate::tables::Target,
    crate::tables::Vip,
);
