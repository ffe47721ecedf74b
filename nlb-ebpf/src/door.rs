//! The kernel's door to a packet: the only place where packet bytes are touched.

use core::hint::assert_unchecked;
use core::marker::PhantomData;

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    programs::XdpContext,
};
use nlb_common::packet::{Door, Stop};
use nlb_common::wire::Header;

use crate::opaque::{forgotten, opaque};

/// A packet between `data` and `data_end` of an XDP context.
///
/// It owns the bytes for as long as it lives: [`grow`](Self::grow), [`shrink`](Self::shrink) and [`trim`](Self::trim),
/// which move the packet's start or end, consume it and give a new one, so that no reference outlives the move. One program has one door.
pub struct PacketDoor<'a> {
    ctx: &'a XdpContext,
    data: usize,
    data_end: usize,
}

/// Within what the verifier takes for an offset into a packet, and beyond what any packet's headers have.
const MOST: usize = 0x7fff;

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

    /// The next `N` bytes from `offset` on, to be written in pieces under one check. `None` if the frame ends before they do.
    #[inline(always)]
    pub fn room<const N: usize>(&mut self, offset: usize) -> Option<Room<'_, N>> {
        Some(Room { place: self.place::<[u8; N]>(offset)? as *mut u8, _door: PhantomData })
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

/// `N` bytes of a packet to write to.
///
/// [`PacketDoor::write`] copies a whole header, which the compiler does byte by byte as soon as it is made of values that are
/// known only at run time, or too long. Here each piece is one store.
pub struct Room<'p, const N: usize> {
    place: *mut u8,
    _door: PhantomData<&'p mut ()>,
}

impl<const N: usize> Room<'_, N> {
    /// Writes `word` as it stands in memory to byte `AT` and those behind it.
    #[inline(always)]
    pub fn put<const AT: usize, W: Word>(&mut self, word: W) {
        const { assert!(AT + size_of::<W>() <= N, "within the room") }
        // SAFETY: `place` begins `N` bytes within the packet, of which the word takes some (asserted above); the room
        // borrows the door, so nobody else looks at the packet meanwhile.
        unsafe { self.place.add(AT).cast::<W>().write_unaligned(word) }
    }
}

/// What one instruction stores.
pub trait Word: Copy {}

impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}

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

    #[inline(always)]
    fn settled(&self, offset: usize) -> usize {
        forgotten(offset) & MOST
    }

    #[inline(always)]
    fn chain(&self, offset: usize, room: usize, kind: u8) -> Result<(u8, usize), Stop> {
        chain::unpacked(chain::nlb_chain(self.ctx.ctx, offset, room, kind))
    }
}

/// A chain of IPv6 extension headers, followed in a global function: the verifier checks it once, for all that call it. It is given
/// numbers and answers one.
mod chain {
    use aya_ebpf::bindings::xdp_md;
    use aya_ebpf::programs::XdpContext;
    use nlb_common::drop_reason::DropReason;
    use nlb_common::packet::network::{LONGEST_CHAIN, follow_extensions};
    use nlb_common::packet::{NotOurs, Stop};

    use super::{MOST, PacketDoor};
    use crate::opaque::opaque;

    const FOLLOWED: u64 = 0;
    const TRUNCATED: u64 = 1;
    const TOO_MANY: u64 = 2;
    const UNDERWAY: u64 = 3;

    /// Where the protocol and the length stand above the outcome.
    const PROTOCOL: u32 = 8;
    const LENGTH: u32 = 16;

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub(super) extern "C" fn nlb_chain(ctx: *mut xdp_md, offset: usize, room: usize, kind: u8) -> u64 {
        let ctx = XdpContext::new(ctx);
        match follow_extensions(&PacketDoor::new(&ctx), opaque(offset) & MOST, room, kind) {
            Ok((protocol, length)) => FOLLOWED | u64::from(protocol) << PROTOCOL | (length as u64) << LENGTH,
            Err(Stop::Pass(_)) => UNDERWAY,
            Err(Stop::Drop(DropReason::ExtensionHeaders)) => TOO_MANY,
            Err(Stop::Drop(_)) => TRUNCATED,
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "each field is its own bits")]
    pub(super) fn unpacked(word: u64) -> Result<(u8, usize), Stop> {
        match word & 0xff {
            // The compiler sees what the function answers, the verifier doesn't.
            FOLLOWED => Ok(((word >> PROTOCOL) as u8, opaque((word >> LENGTH) as usize) & LONGEST_CHAIN)),
            TOO_MANY => Err(Stop::Drop(DropReason::ExtensionHeaders)),
            UNDERWAY => Err(Stop::Pass(NotOurs::Underway)),
            _ => Err(Stop::Drop(DropReason::TruncatedNetwork)),
        }
    }
}
