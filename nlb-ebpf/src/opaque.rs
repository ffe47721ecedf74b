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

/// The same value, which is below 65,536, and of which the verifier knows no more than that.
///
/// What it knows about a value differs for each way on which it was computed, and what follows is checked anew for each. Of a
/// value whose bytes are swapped it forgets everything; swapped twice, it is what it was.
#[inline(always)]
pub fn forgotten(mut value: usize) -> usize {
    // SAFETY: swaps two bytes of a register and swaps them back: touches no memory.
    unsafe {
        asm!("{0} = be16 {0}", "{0} = be16 {0}", inlateout(reg) value, options(pure, nomem, nostack, preserves_flags));
    }
    value & 0xffff
}
