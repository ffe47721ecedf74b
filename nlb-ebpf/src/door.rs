//! The kernel's door to a packet: the only place where packet bytes are touched.

use core::hint::assert_unchecked;

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    programs::XdpContext,
};
use nlb_common::packet::Door;
use nlb_common::wire::Header;

use crate::opaque::opaque;

/// A packet between `data` and `data_end` of an XDP context.
///
/// It owns the bytes for as long as it lives: [`grow`](Self::grow), [`shrink`](Self::shrink) and [`trim`](Self::trim),
/// which move the packet's start or end, consume it and give a new one, so that no reference outlives the move. One program has one door.
pub struct PacketDoor<'a> {
    ctx: &'a XdpContext,
    data: usize,
    data_end: usize,
}

/// The kernel did not move the packet's start or end.
pub struct Refused;

impl<'a> PacketDoor<'a> {
    /// The door to `ctx`'s packet.
    #[inline(always)]
    pub fn new(ctx: &'a XdpContext) -> Self {
        Self { ctx, data: ctx.data(), data_end: ctx.data_end() }
    }

    /// Writes `header` at `offset`. `None` if the frame ends before it does.
    #[inline(always)]
    pub fn write<T: Header>(&mut self, offset: usize, header: T) -> Option<()> {
        let place = self.place::<T>(offset)? as *mut T;
        // SAFETY: `place` lies within the packet for the length of a `T`, `T` has alignment 1, and `&mut self` says that
        // nobody else looks at the packet meanwhile.
        unsafe { place.write(header) };
        Some(())
    }

    /// Puts `bytes` of room before the packet.
    #[inline(always)]
    pub fn grow(self, bytes: usize) -> Result<Self, Refused> {
        i32::try_from(bytes).map_err(|_| Refused).and_then(|bytes| self.move_start(-bytes))
    }

    /// Takes `bytes` from the packet's start.
    #[inline(always)]
    pub fn shrink(self, bytes: usize) -> Result<Self, Refused> {
        i32::try_from(bytes).map_err(|_| Refused).and_then(|bytes| self.move_start(bytes))
    }

    /// Takes `bytes` from the packet's end.
    #[inline(always)]
    pub fn trim(self, bytes: usize) -> Result<Self, Refused> {
        let bytes = i32::try_from(bytes).map_err(|_| Refused)?;
        // SAFETY: as in `move_start`.
        match unsafe { bpf_xdp_adjust_tail(self.ctx.as_ptr().cast(), -bytes) } {
            0 => Ok(Self::new(self.ctx)),
            _ => Err(Refused),
        }
    }

    #[inline(always)]
    fn move_start(self, by: i32) -> Result<Self, Refused> {
        // SAFETY: the context is the one that the kernel called the program with; the helper checks the rest.
        match unsafe { bpf_xdp_adjust_head(self.ctx.as_ptr().cast(), by) } {
            0 => Ok(Self::new(self.ctx)),
            _ => Err(Refused),
        }
    }

    /// Where a `T` at `offset` begins, if it ends within the packet.
    #[inline(always)]
    fn place<T>(&self, offset: usize) -> Option<usize> {
        // What is checked here and what is read afterwards must be the same register: the verifier knows of no other.
        let place = opaque(self.data + offset);
        // SAFETY: the kernel gives no packet at address 0.
        unsafe { assert_unchecked(place != 0) };
        (place + size_of::<T>() <= self.data_end).then_some(place)
    }
}

impl Door for PacketDoor<'_> {
    #[inline(always)]
    fn length(&self) -> usize {
        self.data_end - self.data
    }

    #[inline(always)]
    fn header<T: Header>(&self, offset: usize) -> Option<&T> {
        let place = self.place::<T>(offset)? as *const T;
        // SAFETY: `place` lies within the packet for the length of a `T`, and a `Header` has alignment 1 and takes any bit
        // pattern. Nobody writes while `self` is borrowed: the packet belongs to this CPU until the program returns.
        Some(unsafe { &*place })
    }
}
