//! ICMP (RFC 792) and ICMPv6 (RFC 4443): what a VIP answers, and whose flow a message is about.
//!
//! Pure code over headers and a door. The families differ in numbers and headers, which [`Control`] names, and in nothing else.

pub mod echo;
pub mod error;
pub mod quote;

use crate::answer::Answering;
use crate::packet::network::{V4, V6};
use crate::wire::{Icmp, Ipv4, Ipv6, protocol};
use error::Refusal;
use quote::Quoted;

/// A family's control messages.
pub trait Control: Answering + Quoted {
    /// The number of its control protocol.
    const CONTROL: u8;
    /// The type of an echo request.
    const ECHO_REQUEST: u8;
    /// The type of the answer to one.
    const ECHO_REPLY: u8;
    /// As much of a packet as an error message about it quotes: an answer has no more than 576 bytes (RFC 1812, section 4.3.2.3),
    /// or than the least MTU of 1,280 (RFC 4443, section 2.4).
    const QUOTE: usize;
    /// Whether the checksum covers a pseudo-header (RFC 4443, section 2.3).
    const PSEUDO_HEADER: bool;

    /// Whether messages of this type are errors about a packet, which they quote.
    fn is_error(kind: u8) -> bool;

    /// The header of the message, without its checksum.
    fn refusal(refusal: Refusal) -> Icmp;
}

impl Control for V4 {
    const CONTROL: u8 = protocol::ICMP;
    const ECHO_REQUEST: u8 = 8;
    const ECHO_REPLY: u8 = 0;
    const QUOTE: usize = 576 - Ipv4::LENGTH - Icmp::LENGTH;
    const PSEUDO_HEADER: bool = false;

    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        matches!(kind, V4::UNREACHABLE | V4::TIME_EXCEEDED | V4::PARAMETER_PROBLEM)
    }

    #[inline(always)]
    fn refusal(refusal: Refusal) -> Icmp {
        let (code, rest) = match refusal {
            // The MTU is the lower half (RFC 1191, section 4).
            Refusal::TooBig { mtu } => (4, u32::from(mtu)),
            Refusal::PortUnreachable => (3, 0),
        };
        Icmp { kind: Self::UNREACHABLE, code, checksum: 0, rest: rest.to_be() }
    }
}

impl V4 {
    const UNREACHABLE: u8 = 3;
    const TIME_EXCEEDED: u8 = 11;
    const PARAMETER_PROBLEM: u8 = 12;
}

impl Control for V6 {
    const CONTROL: u8 = protocol::ICMPV6;
    const ECHO_REQUEST: u8 = 128;
    const ECHO_REPLY: u8 = 129;
    const QUOTE: usize = 1_280 - Ipv6::LENGTH - Icmp::LENGTH;
    const PSEUDO_HEADER: bool = true;

    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        matches!(kind, V6::UNREACHABLE | V6::TOO_BIG | V6::TIME_EXCEEDED | V6::PARAMETER_PROBLEM)
    }

    #[inline(always)]
    fn refusal(refusal: Refusal) -> Icmp {
        let (kind, code, rest) = match refusal {
            Refusal::TooBig { mtu } => (Self::TOO_BIG, 0, u32::from(mtu)),
            Refusal::PortUnreachable => (Self::UNREACHABLE, 4, 0),
        };
        Icmp { kind, code, checksum: 0, rest: rest.to_be() }
    }
}

impl V6 {
    const UNREACHABLE: u8 = 1;
    const TOO_BIG: u8 = 2;
    const TIME_EXCEEDED: u8 = 3;
    const PARAMETER_PROBLEM: u8 = 4;
}
