//! The edge's program and tables as an agent leaves them, on an interface: the agent's own state and dataplane, without its
//! tasks. Health and the ways to the targets are told, and time passes when it is said to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_userspace::config;
use nlb_userspace::control::event::{Health, HealthReport};
use nlb_userspace::control::{Beginning, Event, Kept, NextHop, State, plan};
use nlb_userspace::dataplane::{Dataplane as _, Kernel, KernelSettings, Tables, detach};
use nlb_userspace::model::{Configuration, Timestamp};

/// The first VIP of each family, of the networks set aside for benchmarks (RFC 2544, RFC 5180); others follow it.
pub(crate) const VIP_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
pub(crate) const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);
/// The listeners' port, and the targets'.
pub(crate) const PORT: u16 = 80;
/// The first IPv4 target; others follow it.
pub(crate) const TARGET_V4: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const TARGET_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 1);
/// The sources of tunnels.
pub(crate) const EDGE_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 255, 1);
const EDGE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xedce, 0, 0, 0, 0, 0, 1);
/// Every target's MAC address.
pub(crate) const TARGET_MAC: [u8; 6] = [2, 0xaa, 0, 0, 0, 0x11];
const EDGE_MAC: [u8; 6] = [2, 0xbb, 0, 0, 0, 0x22];
/// Room for every outer header.
const MTU: u32 = 2_000;

const SEED: u64 = 0x5eed;
/// Slots: one ring of the default size.
const SLOTS: u32 = 65_536;
/// Long enough for every transition of the beginning to be over.
const SETTLED: Duration = Duration::from_secs(2_000);

/// What the agent is configured with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Listeners at successive VIPs, all of one group.
    pub(crate) listeners: u32,
    /// `tcp` or `udp`.
    pub(crate) protocol: &'static str,
    /// Targets of the group, all of them healthy.
    pub(crate) targets: u32,
    /// How many of them leave once everything has settled.
    pub(crate) leaving: u32,
    /// `transition`, `all` or `none`.
    pub(crate) tracking: &'static str,
    /// `ipip` or `gue`.
    pub(crate) forwarding: &'static str,
    /// Clients and targets have IPv6 addresses.
    pub(crate) v6: bool,
    /// The program runs in the stack (`generic`) and not in the driver.
    pub(crate) generic: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            listeners: 1,
            protocol: "tcp",
            targets: 100,
            leaving: 0,
            tracking: "transition",
            forwarding: "ipip",
            v6: false,
            generic: false,
        }
    }
}

/// A program on an interface. Dropping it takes it off and removes its pins.
pub(crate) struct Balancer {
    /// `None` only while it is being dropped.
    kernel: Option<Kernel>,
    pins: PathBuf,
}

impl Balancer {
    /// Attaches the program to `interface`, in this thread's network namespace, with targets beyond the interface `way_out`.
    pub(crate) fn attach(setup: &Setup, interface: &str, way_out: u32, pins: &Path) -> Result<Self> {
        let mut configuration = setup.configuration(interface, setup.targets)?;
        configuration.agent.pin_path = pins.to_owned();
        let kernel = Kernel::open(&KernelSettings::new(&configuration.agent, SEED))?;
        let mut balancer = Self { kernel: Some(kernel), pins: pins.to_owned() };
        let kernel = balancer.kernel.as_mut().context("it was just opened")?;
        let mut agent = Agent::begin(configuration, way_out, kernel)?;
        agent.pass(SETTLED)?;
        ensure!(agent.open_slots() == 0, "the ring has not settled");
        if setup.leaving > 0 {
            agent.configure(setup.configuration(interface, setup.targets - setup.leaving)?)?;
            let least = SLOTS * setup.leaving / setup.targets / 2;
            ensure!(agent.open_slots() > least as usize, "only {} slots are in transition", agent.open_slots());
        }
        agent.kernel.activate()?;
        Ok(balancer)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // It holds the pins.
        self.kernel = None;
        if let Err(error) = detach(&self.pins) {
            eprintln!("cannot remove {}: {error}", self.pins.display());
        }
    }
}

impl Setup {
    fn configuration(&self, interface: &str, targets: u32) -> Result<Configuration> {
        let nth = |v4: Ipv4Addr, v6: Ipv6Addr, number: u32| -> IpAddr {
            if self.v6 {
                Ipv6Addr::from_bits(v6.to_bits() + u128::from(number)).into()
            } else {
                Ipv4Addr::from_bits(v4.to_bits() + number).into()
            }
        };
        let targets: Vec<String> = (0..targets).map(|number| nth(TARGET_V4, TARGET_V6, number).to_string()).collect();
        let mut text = format!(
            "agent.interfaces = [{interface:?}]\nagent.mode = '{}'\n[[target_group]]\nname = 'g'\nport = {PORT}\ntracking = '{}'\n\
             forwarding = '{}'\nring_size = {SLOTS}\ntargets = {targets:?}\n",
            if self.generic { "generic" } else { "native" },
            self.tracking,
            self.forwarding
        );
        for number in 0..self.listeners {
            let vip = nth(VIP_V4, VIP_V6, number);
            text.push_str(&format!(
                "[[listener]]\naddress = '{vip}'\nprotocol = '{}'\nport = {PORT}\ntarget_group = 'g'\n",
                self.protocol
            ));
        }
        let mut configuration = config::parse(&text, "bench")?;
        configuration.agent.capacity.slots = SLOTS;
        Ok(configuration)
    }
}

/// The agent's state over the kernel's tables.
struct Agent<'a> {
    state: State,
    kernel: &'a mut Kernel,
    tables: Tables,
    way_out: u32,
    now: Timestamp,
}

impl<'a> Agent<'a> {
    fn begin(configuration: Configuration, way_out: u32, kernel: &'a mut Kernel) -> Result<Self> {
        let now = Timestamp::from_epoch(Duration::from_secs(1_800_000_000));
        let kept = Kept { seed: SEED, ..Kept::default() };
        let beginning = Beginning { now, monotonic: Duration::from_secs(1_000) };
        let state = State::new(configuration, kept, &Tables::default(), beginning);
        let mut agent = Self { state, kernel, tables: Tables::default(), way_out, now };
        for address in agent.state.addresses() {
            let hop = NextHop {
                interface: agent.way_out,
                interface_name: "bench".to_owned(),
                source_mac: EDGE_MAC,
                source: if address.is_ipv4() { EDGE_V4.into() } else { EDGE_V6.into() },
                gateway: None,
                mac: TARGET_MAC,
                mtu: MTU,
            };
            agent.state.handle(Event::NextHop(address, Ok(hop)), now);
        }
        for checked in agent.state.checked() {
            let report = HealthReport { target: checked.key, health: Health::Healthy, reason: "told".to_owned() };
            agent.state.handle(Event::Health(report), now);
        }
        agent.write()?;
        Ok(agent)
    }

    fn write(&mut self) -> Result<()> {
        let (desired, _) = self.state.rebuild(self.now);
        self.kernel.apply(&plan(&self.tables, &desired))?;
        self.tables = desired;
        self.state.settle();
        Ok(())
    }

    fn configure(&mut self, configuration: Configuration) -> Result<()> {
        let prospect = self.state.under(&configuration, self.state.overlay().clone(), self.now);
        self.state.configure(configuration, prospect, self.now);
        self.write()
    }

    /// Time passes, in which no packet comes.
    fn pass(&mut self, time: Duration) -> Result<()> {
        let end = self.now + time;
        loop {
            let due = [self.state.rebuild_due(), self.state.sweep_due()].into_iter().flatten().min();
            let Some(due) = due.filter(|&due| due <= end) else { break };
            self.now = self.now.max(due);
            if self.state.rebuild_due().is_some_and(|due| due <= self.now) {
                self.write()?;
            }
            if self.state.sweep(self.now).is_some() && self.state.swept((Vec::new(), None), &self.tables, self.now).1 {
                self.state.sweep_over(self.now);
                self.write()?;
            }
        }
        self.now = end;
        Ok(())
    }

    fn open_slots(&self) -> usize {
        self.tables.rings.values().flat_map(|ring| ring.iter()).filter(|slot| slot.is_open()).count()
    }
}
