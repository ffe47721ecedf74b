//! The system call `bpf`, for what aya doesn't offer.

use std::io::Error;

use anyhow::{Result, ensure};

/// The system call. The callers lay out `union bpf_attr` of each command as 64-bit words (little-endian).
pub(crate) fn bpf(command: i64, attributes: &[u64]) -> Result<i64> {
    bpf_mut(command, &mut attributes.to_vec())
}

/// The system call, of a command that answers in its attributes.
pub(crate) fn bpf_mut(command: i64, attributes: &mut [u64]) -> Result<i64> {
    let size = size_of_val(attributes);
    // SAFETY: the kernel reads and writes `size` bytes of `attributes`, and what the addresses in them lead to: the callers
    // keep those alive until this returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size) };
    ensure!(result >= 0, Error::last_os_error());
    Ok(result)
}
