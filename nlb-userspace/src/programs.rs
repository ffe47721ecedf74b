//! The kernel programs, built by `build.rs` and carried within this crate: whoever loads them needs no file beside it.

/// Object file with the edge's XDP program, `nlb_edge`, and its maps.
pub static EDGE: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/nlb-edge"));

/// Object file with the target host's XDP program, `nlb_target`, and its maps.
pub static TARGET: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/nlb-target"));

/// Object file with what tests and benches send packets with and count them by: `nlb_generate` and `nlb_sink`. No part of `nlb`.
pub static GENERATOR: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/nlb-generator"));

/// Object file with what the benches run beside and before the edge's program: `nlb_bare`, `nlb_floor_v4`, `nlb_floor_v6` and
/// `nlb_again`. No part of `nlb`.
pub static MEASURE: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/nlb-measure"));

#[cfg(test)]
mod tests;
