//! The target host's program, loaded for one test.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, LpmTrie, lpm_trie};
use aya::{Ebpf, EbpfLoader};
use nlb_common::address::Address;
use nlb_common::counters::DecapOutcome;
use nlb_common::layout;
use nlb_userspace::programs;

use super::counts::counted;
use super::{Ran, load_program, program, run};

/// The target host's program.
pub struct TargetHost {
    ebpf: Ebpf,
}

impl TargetHost {
    /// Loads the program of a host with these addresses, which takes tunnel packets of these networks of edges.
    pub fn load(addresses: &[IpAddr], edges: &[(IpAddr, u32)]) -> Result<Self> {
        let mut ebpf = EbpfLoader::new().load(programs::TARGET).context("cannot load the target host's maps")?;
        load_program(&mut ebpf, layout::target::PROGRAM)?;
        let map = ebpf.map_mut(layout::target::LOCAL_ADDRESSES).context("no such map")?;
        let mut local = HashMap::<_, Address, u8>::try_from(map)?;
        for address in addresses {
            local.insert(Address::from(*address), 0, 0)?;
        }
        let map = ebpf.map_mut(layout::target::EDGES).context("no such map")?;
        let mut trie = LpmTrie::<_, Address, u8>::try_from(map)?;
        for (network, length) in edges {
            let length = length + if network.is_ipv4() { 96 } else { 0 };
            trie.insert(&lpm_trie::Key::new(length, Address::from(*network)), 0, 0)?;
        }
        Ok(Self { ebpf })
    }

    /// Runs the program on `packet`.
    pub fn run(&self, packet: &[u8]) -> Result<Ran> {
        run(program(&self.ebpf, layout::target::PROGRAM)?, packet)
    }

    /// Packets by outcome, for each outcome that has any.
    pub fn outcomes(&self) -> Result<Vec<(DecapOutcome, u64)>> {
        counted(&self.ebpf, layout::target::OUTCOMES, DecapOutcome::ALL, |outcome| outcome as u32)
    }
}
