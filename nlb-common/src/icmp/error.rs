//! Error messages that a VIP sends about a packet.
//!
//! ```text
//! refused: [client → VIP][TCP or UDP …………………………]
//! sent:    [VIP → client][error][client → VIP][TCP or UDP ……]
//!                               └─ as much of it as QUOTE says ─┘
//! ```

use super::Control;
use crate::answer::Content;
use crate::checksum::Checksum;
use crate::wire::Icmp;

/// Why a packet is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It doesn't fit its way out: fragmentation needed (RFC 1191), packet too big (RFC 8201). Said to whoever sends
    /// IPv4 packets that may be fragmented as well: a client that fragments by itself is heard, and its packets arrive.
    TooBig {
        /// The longest packet that fits.
        mtu: u16,
    },
    /// Nobody serves the port.
    PortUnreachable,
}

/// The headers that stand before the quoted part of the packet with the header `refused`. `quoted` is that part's length, and
/// `sum` its sum.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "no more than QUOTE and a header")]
pub fn answer<F: Control>(refused: &F::Ip, refusal: Refusal, quoted: usize, sum: Checksum) -> (F::Ip, Icmp) {
    let length = (Icmp::LENGTH + quoted) as u16;
    let message = F::refusal(refusal);
    let mut sum = sum.add_u16(message.kind_and_code()).add_u32(message.rest);
    if F::PSEUDO_HEADER {
        sum = sum.add_u16(length.to_be()).add_u16(u16::from(F::CONTROL).to_be()).add(F::sum(refused));
    }
    let header = F::answer_to(refused, Content { protocol: F::CONTROL, length });
    (header, Icmp { checksum: sum.finish(), ..message })
}
