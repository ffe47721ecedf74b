//! Per-CPU counting. An XDP program isn't interrupted by another run of itself on the same CPU, so nothing is atomic.

use aya_ebpf::maps::PerCpuArray;
use nlb_common::counters::Counters;

/// Adds to the counters at `index`; does nothing if the table has no such entry.
#[inline(always)]
pub fn add(table: &PerCpuArray<Counters>, index: u32, bytes: usize, opens: bool) {
    if let Some(counters) = table.get_ptr_mut(index) {
        // SAFETY: the pointer is the kernel's, to this CPU's own entry, which no other code writes while this runs.
        let counters = unsafe { &mut *counters };
        counters.packets += 1;
        counters.bytes += bytes as u64;
        counters.new_flows += u64::from(opens);
    }
}

/// Counts one packet at `index`; does nothing if the table has no such entry.
#[inline(always)]
pub fn one(table: &PerCpuArray<u64>, index: u32) {
    if let Some(count) = table.get_ptr_mut(index) {
        // SAFETY: as in `add`.
        unsafe { *count += 1 };
    }
}
