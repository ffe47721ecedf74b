//! Arrays of the kernel in this process's memory (`BPF_F_MMAPABLE`), as the 64-bit words that the program reads.
//!
//! A store is seen by the next packet. A word is never seen torn; what spans several words is [`super::entries`]' business.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use aya::maps::{Map, MapData};

use super::KernelError;

/// A mapped array.
#[derive(Debug)]
pub struct Mapped {
    table: &'static str,
    setting: &'static str,
    words: NonNull<AtomicU64>,
    entries: usize,
    words_per_entry: usize,
    // Keeps the map, whatever happens to its pin.
    _map: MapData,
}

// SAFETY: the memory belongs to the mapping, which lives as long as `self` in whatever thread, and is only read and
// written through atomics.
unsafe impl Send for Mapped {}
// SAFETY: as for `Send`: whoever shares it has atomics in hand and nothing else.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps an array. `setting` is what sizes it, below `agent.capacity`.
    ///
    /// # Errors
    /// [`KernelError::Mapping`] for a map that is no array or can't be mapped.
    pub fn new(map: Map, table: &'static str, setting: &'static str) -> Result<Self, KernelError> {
        let failed = |source| KernelError::Mapping { table, source };
        let Map::Array(map) = map else { return Err(failed(io::ErrorKind::InvalidInput.into())) };
        let info = map.info().map_err(|source| KernelError::Table { action: "look at", table, source })?;
        // The kernel pads each value to a multiple of 8 bytes.
        let words_per_entry = to_usize(info.value_size()).div_ceil(size_of::<u64>());
        let entries = to_usize(info.max_entries());
        let length = entries * words_per_entry * size_of::<u64>();
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let fd = map.fd().as_fd().as_raw_fd();
        // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED, fd, 0) };
        if address == libc::MAP_FAILED {
            return Err(failed(io::Error::last_os_error()));
        }
        let words = NonNull::new(address.cast()).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        Ok(Self { table, setting, words, entries, words_per_entry, _map: map })
    }

    /// Number of entries.
    pub(super) const fn len(&self) -> usize {
        self.entries
    }

    /// All words, one entry after the other.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping has that many words, is aligned to a page, and lives as long as `self`; the kernel's
        // program reads them with plain loads and nobody but this process writes them.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.entries * self.words_per_entry) }
    }

    /// The entries, each as its words.
    pub(super) fn entries(&self) -> impl Iterator<Item = &[AtomicU64]> {
        self.words().chunks_exact(self.words_per_entry)
    }

    /// The words of one entry.
    pub(super) fn entry(&self, index: u32) -> Result<&[AtomicU64], KernelError> {
        let first = to_usize(index).saturating_mul(self.words_per_entry);
        let end = first.saturating_add(self.words_per_entry);
        self.words().get(first..end).ok_or(KernelError::OutOfBounds {
            table: self.table,
            index,
            entries: self.entries,
            setting: self.setting,
        })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let length = self.entries * self.words_per_entry * size_of::<u64>();
        // SAFETY: the mapping that `new` made, of that length; no reference to it outlives `self`. It can only fail for
        // an address that is none.
        unsafe { libc::munmap(self.words.as_ptr().cast(), length) };
    }
}

/// Indexes of tables always fit: the crate is for 64-bit hosts.
pub(super) fn to_usize(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
