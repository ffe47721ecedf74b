//! Waiting until no CPU runs a program that began before: what such a program has read from one table it may still look
//! up in another.
//!
//! The kernel promises this for an update of a map of maps from user space: it returns after every program that might
//! have seen the old entry has ended (commit 1ae80cf31938, "bpf: wait for running BPF programs when updating
//! map-in-map"). So a private map of maps, which no program uses, serves as the bell. It costs a grace period of RCU, some
//! milliseconds; membarrier(2) would do the same but for kernels with `nohz_full`.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::maps::MapData;
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY;

use super::{KernelError, sys};

/// Waits for programs.
#[derive(Debug)]
pub(super) struct Grace {
    outer: OwnedFd,
    inner: MapData,
}

impl Grace {
    pub(super) fn new() -> Result<Self, KernelError> {
        let inner = aya_obj::Map::new_from_params(BPF_MAP_TYPE_ARRAY as u32, 4, 4, 1, 0);
        let inner = MapData::create(inner, "nlb_grace", None).map_err(|source| KernelError::Table {
            action: "make",
            table: "nlb_grace",
            source,
        })?;
        let outer = sys::array_of_one_map(inner.fd().as_fd()).map_err(KernelError::Grace)?;
        Ok(Self { outer, inner })
    }

    /// Returns once every program that ran at the time of the call has ended.
    pub(super) fn wait(&self) -> Result<(), KernelError> {
        sys::set_only_map(&self.outer, self.inner.fd().as_fd()).map_err(KernelError::Grace)
    }
}
