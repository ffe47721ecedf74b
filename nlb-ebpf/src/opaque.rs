//! Values whose origin the compiler must not know.

use core::arch::asm;

/// The same value, in a register of its own.
///
/// Cheaper than `core::hint::black_box`, which takes the way through memory. Without any instruction, two lines of the
/// program's line info would name the same one, which the kernel refuses.
#[inline(always)]
pub fn opaque(mut value: usize) -> usize {
    // SAFETY: moves a register onto itself: changes nothing, touches no memory.
    unsafe { asm!("{0} = {0}", inlateout(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}
