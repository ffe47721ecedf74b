//! The answer to an echo request: the same packet back, byte for byte but for what follows.
//!
//! ```text
//! asked:    [client → VIP, TTL any][echo request][whatever it carries]
//! answered: [VIP → client, TTL 64 ][echo reply  ][the same           ]
//! ```
//!
//! Options of IPv4 and extension headers of IPv6 stay: they have done their work on the way here (a routing header that is left
//! in an answer has no node to visit), and taking them out would cost a copy.

use super::Control;
use crate::checksum::Checksum;
use crate::wire::Icmp;

/// The header of the answer to a message; `None` if it is no echo request.
///
/// The checksum is carried over (RFC 1624), so that of a broken request is as wrong as before. ICMPv6's pseudo-header has both
/// addresses, whose order makes no difference.
#[inline(always)]
pub const fn answer<F: Control>(asked: &Icmp) -> Option<Icmp> {
    if asked.kind != F::ECHO_REQUEST || asked.code != 0 {
        return None;
    }
    let answer = Icmp { kind: F::ECHO_REPLY, ..*asked };
    let checksum = Checksum::from_header(asked.checksum)
        .remove_u16(asked.kind_and_code())
        .add_u16(answer.kind_and_code())
        .finish();
    Some(Icmp { checksum, ..answer })
}
