//! The same packet again, of another flow.
//!
//! Flow number `n` has the source address 100.64.0.0 + `n`, or the first one of the IPv6 network 2001:db8:8000::/64 + `n`. Its
//! destination is the packet's, or the IPv4 address that is as much higher as the low bits of `n` say.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, ProgramArray};
use aya_ebpf::{Global, programs::XdpContext};
use nlb_common::wire::EtherType;
use nlb_ebpf::door::PacketDoor;

/// Length of the packet.
#[unsafe(no_mangle)]
static LENGTH: Global<u32> = Global::new(0);

/// Whether it is an IPv6 packet.
#[unsafe(no_mangle)]
static IS_V6: Global<u8> = Global::new(0);

/// An IPv4 packet's destination address as a number: it lies in one 64-bit word with the source.
#[unsafe(no_mangle)]
static DESTINATION: Global<u32> = Global::new(0);

/// An IPv6 packet's destination address, as it stands in the packet.
#[unsafe(no_mangle)]
static DESTINATION_V6: Global<[u64; 2]> = Global::new([0; 2]);

/// Bits of a flow's number that are added to an IPv4 destination.
#[unsafe(no_mangle)]
static DESTINATION_MASK: Global<u32> = Global::new(0);

/// Number of flows less one; their number is a power of two.
#[unsafe(no_mangle)]
static FLOW_MASK: Global<u32> = Global::new(0);

/// What stands behind the IP header, if a program changes it: type, code and checksum of an echo request, or ports. 0 if none does.
#[unsafe(no_mangle)]
static MESSAGE: Global<u32> = Global::new(0);

/// What stands in the IP header before the addresses, if a program changes it; the last word is IPv4's. 0 if none does.
#[unsafe(no_mangle)]
static HEADER: Global<[u32; 3]> = Global::new([0; 3]);

/// Number of the last flow.
#[map]
static LAST_FLOW: Array<u32> = Array::with_max_entries(1, 0);

/// The measured program.
#[map]
static MEASURED: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Offsets of what is written.
const ETHER_TYPE: usize = 12;
const HEADERS: usize = 14;
const V4_ADDRESSES: usize = 26;
const V6_ADDRESSES: usize = 22;
const V4_MESSAGE: usize = 34;
const V6_MESSAGE: usize = 54;

/// 100.64.0.0.
const FIRST_V4: u32 = 0x6440_0000;
/// The network 2001:db8:8000::/64.
const FIRST_V6: u64 = 0x2001_0db8_8000_0000;

/// Restores the packet, makes it one of the next flow, and calls the measured program. Comes back if anything was not as
/// it should be.
#[inline(always)]
pub(super) fn restore(ctx: &XdpContext) -> Option<()> {
    let flow = next_flow()?;
    let (length, wanted) = (ctx.data_end() - ctx.data(), LENGTH.load() as usize);
    let door = PacketDoor::new(ctx);
    // Called even if there is nothing to take off: it costs the same for every measured program. What was translated from IPv6 into
    // IPv4 is shorter than it was.
    let mut door = if length >= wanted { door.shrink(length - wanted) } else { door.grow(wanted - length) }.ok()?;
    let v6 = IS_V6.load() != 0;
    let ether_type = if v6 { EtherType::IPV6 } else { EtherType::IPV4 };
    door.write(0, [2_u8, 0xed, 0xce, 0, 0, 1, 2, 0xc1])?;
    door.write(8, [0x1e_u8, 0x27, 0, 1])?;
    door.write(ETHER_TYPE, ether_type)?;
    if v6 {
        let [high, low] = DESTINATION_V6.load();
        let source = FIRST_V6 | u64::from(flow);
        door.write(V6_ADDRESSES, [source.to_be_bytes(), [0; 8], high.to_ne_bytes(), low.to_ne_bytes()])?;
    } else {
        let destination = DESTINATION.load().wrapping_add(flow & DESTINATION_MASK.load());
        door.write(V4_ADDRESSES, (u64::from(FIRST_V4 | flow) << 32 | u64::from(destination)).to_be_bytes())?;
    }
    let [first, second, third] = HEADER.load();
    if first != 0 {
        door.write(HEADERS, first.to_ne_bytes())?;
        door.write(HEADERS + 4, second.to_ne_bytes())?;
        if !v6 {
            door.write(HEADERS + 8, third.to_ne_bytes())?;
        }
    }
    let message = MESSAGE.load();
    if message != 0 {
        door.write(if v6 { V6_MESSAGE } else { V4_MESSAGE }, message.to_ne_bytes())?;
    }
    // SAFETY: nothing of this program is in use any more.
    unsafe { MEASURED.tail_call(ctx, 0) };
    None
}

/// Goes through all flows, in an order without order: a linear congruence of full period (Hull and Dobell).
#[inline(always)]
fn next_flow() -> Option<u32> {
    let last = LAST_FLOW.get_ptr_mut(0)?;
    // SAFETY: an array's entry stays mapped, and one CPU runs the program at a time.
    let last = unsafe { &mut *last };
    *last = last.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & FLOW_MASK.load();
    Some(*last)
}
