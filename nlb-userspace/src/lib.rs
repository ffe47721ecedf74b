//! x
/// Programs.
pub static EDGE: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/nlb-edge"));
