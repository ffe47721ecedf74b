//! Constants that the loader sets before the verifier sees the program.

use aya_ebpf::Global;
use nlb_common::hash::HashKeys;
use nlb_common::listener;
use nlb_ebpf::opaque::opaque;

#[unsafe(no_mangle)]
static HASH_KEYS: Global<HashKeys> = Global::new(HashKeys::from_seed(0));

#[unsafe(no_mangle)]
static LISTENER_SHIFT: Global<u32> = Global::new(listener::shift_of(listener::LEAST_ENTRIES));

/// Of how many sketches a table is, until the loader says it.
pub(super) const SKETCHES: u32 = 256;

#[unsafe(no_mangle)]
static LISTENER_SKETCHES: Global<u32> = Global::new(SKETCHES);

#[unsafe(no_mangle)]
static TARGET_SKETCHES: Global<u32> = Global::new(SKETCHES);

#[unsafe(no_mangle)]
static TRACE: Global<u8> = Global::new(0);

/// The cluster's keys.
#[inline(always)]
pub(super) fn hash_keys() -> &'static HashKeys {
    // Through a pointer of unknown origin, so that the compiler neither bakes in the value that stands above nor copies all
    // keys where a few are needed, as a volatile read would.
    let keys = opaque(&raw const HASH_KEYS as usize) as *const HashKeys;
    // SAFETY: `Global` is transparent over its value, which is initialised and, after load, never written.
    unsafe { &*keys }
}

/// What a listener's place is computed with.
#[inline(always)]
pub(super) fn listener_shift() -> u32 {
    LISTENER_SHIFT.load()
}

/// How many listeners have sketches.
#[inline(always)]
pub(super) fn listener_sketches() -> u32 {
    LISTENER_SKETCHES.load()
}

/// How many targets have sketches, with the one that is none.
#[inline(always)]
pub(super) fn target_sketches() -> u32 {
    TARGET_SKETCHES.load()
}

/// Whether flows may be traced. The verifier knows the value, and removes what depends on it while it is 0.
#[inline(always)]
pub(super) fn tracing() -> bool {
    TRACE.load() == 1
}
