//! Whether a lane does what it says: packets that reach the sink, read there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result, ensure};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt};

use crate::balancer::{PORT, TARGET_V4, VIP_V4};

/// Room for some thousand packets, each with what the kernel keeps about it.
const ROOM: usize = 64 << 20;
/// Offsets within a frame that is in an IPv4 tunnel.
const OUTER_PROTOCOL: usize = 23;
const OUTER_DESTINATION: usize = 30;
const INNER_PROTOCOL: usize = 43;
const INNER_DESTINATION: usize = 50;
const INNER_PORT: usize = 56;
const IPIP: u8 = 4;
const UDP: u8 = 17;

/// Keeps copies of all frames that come in, in this thread's network namespace.
pub(super) struct Probe(OwnedFd);

impl Probe {
    pub(super) fn new() -> Result<Self> {
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
            .context("cannot listen to an interface")?;
        setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
        Ok(Self(socket))
    }

    /// Packets for the VIP by the target whose tunnel they came in.
    pub(super) fn by_target(&self) -> Result<BTreeMap<Ipv4Addr, u64>> {
        let mut frame = [0; 2_048];
        let mut targets = BTreeMap::new();
        loop {
            match recv(self.0.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    if let Some(target) = frame.get(..length).and_then(target) {
                        *targets.entry(target).or_default() += 1;
                    }
                }
                Err(Errno::EAGAIN) => return Ok(targets),
                Err(error) => return Err(error).context("cannot read what came to the sink"),
            }
        }
    }
}

/// Every target has its share, and nobody else has one. The share of a few dozen packets may be half as many again by chance.
pub(super) fn is_shared(by_target: &BTreeMap<Ipv4Addr, u64>, targets: u32, packets: u64) -> Result<()> {
    let all: u64 = by_target.values().sum();
    ensure!(all == packets, "{all} of {packets} packets came in a tunnel, for the VIP: {by_target:?}");
    for number in 0..targets {
        let target = Ipv4Addr::from_bits(TARGET_V4.to_bits() + number);
        let (got, share) = (by_target.get(&target).copied().unwrap_or(0), packets / u64::from(targets));
        ensure!((share / 3..=share * 3).contains(&got), "{target} got {got} packets where its share is {share}");
    }
    ensure!(by_target.len() == targets as usize, "packets for others than the targets: {by_target:?}");
    Ok(())
}

fn target(frame: &[u8]) -> Option<Ipv4Addr> {
    let address = |at: usize| Some(Ipv4Addr::from(*frame.get(at..)?.first_chunk::<4>()?));
    let port = u16::from_be_bytes(*frame.get(INNER_PORT..)?.first_chunk()?);
    let inner = frame[INNER_PROTOCOL] == UDP && address(INNER_DESTINATION)? == VIP_V4 && port == PORT;
    (frame[OUTER_PROTOCOL] == IPIP && inner).then(|| address(OUTER_DESTINATION))?
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    #[test]
    fn only_a_datagram_for_the_listener_in_a_tunnel_counts_for_a_target() {
        let inner = |vip: Ipv4Addr, port: u16| {
            let mut bytes = Vec::new();
            let packet = PacketBuilder::ipv4([100, 64, 0, 1], vip.octets(), 64).udp(4_000, port);
            packet.write(&mut bytes, b"hello").expect("a packet");
            bytes
        };
        let tunnel = |inner: &[u8], protocol: u8| {
            let mut bytes = Vec::new();
            let packet = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 255, 1], [10, 1, 0, 9], 64);
            packet.write(&mut bytes, protocol.into(), inner).expect("a packet");
            bytes
        };
        let good = inner(VIP_V4, PORT);
        for (frame, counts) in [
            (tunnel(&good, IPIP), true),
            (tunnel(&good, 47), false),
            (tunnel(&inner(Ipv4Addr::LOCALHOST, PORT), IPIP), false),
            (tunnel(&inner(VIP_V4, PORT + 1), IPIP), false),
            (tunnel(&good[..20], IPIP), false),
        ] {
            assert_eq!(target(&frame), counts.then_some(Ipv4Addr::new(10, 1, 0, 9)), "{frame:?}");
        }
    }

    #[test]
    fn a_target_without_its_share_is_found() {
        let shares = |counts: &[u64]| {
            (TARGET_V4.to_bits()..).zip(counts).map(|(bits, count)| (Ipv4Addr::from_bits(bits), *count)).collect()
        };
        for (counts, good) in
            [(&[40, 45, 35][..], true), (&[60, 60, 0], false), (&[110, 5, 5], false), (&[40, 40, 39], false)]
        {
            assert_eq!(is_shared(&shares(counts), 3, 120).is_ok(), good, "{counts:?}");
        }
        assert!(is_shared(&shares(&[40, 40, 39, 1]), 3, 120).is_err(), "one packet for nobody");
    }
}
