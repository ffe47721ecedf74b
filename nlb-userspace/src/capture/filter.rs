//! Which packets a capture is about, as people write it: `host 198.51.100.7 and listener web and dropped`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use nlb_common::capture::{Network, Pattern, PortRange};

use super::error::{FilterError, UnknownListener};
use crate::model::{Listener, Name, Ports};

/// Conditions, all of which must hold. None: every packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    conditions: Vec<Condition>,
}

/// A condition on a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its source or destination is that address.
    Host(IpAddr),
    /// Its source or destination is in that network.
    Net(IpNet),
    /// Its source or destination port is one of those.
    Port(Ports),
    /// It is of that IP protocol.
    Proto(u8),
    /// Its destination is that address.
    Vip(IpAddr),
    /// It is for that listener.
    Listener(Name),
    /// It goes to that target, or comes from it to be translated back.
    Target(FilteredTarget),
    /// It is dropped.
    Dropped,
}

/// A target as a filter names it: by its address, or by address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilteredTarget {
    /// The address.
    pub address: IpAddr,
    /// The port; any without one.
    pub port: Option<u16>,
}

/// Protocols that have a name in filters.
pub(super) const PROTOCOLS: [(&str, u8); 5] = [("tcp", 6), ("udp", 17), ("sctp", 132), ("icmp", 1), ("icmp6", 58)];

impl Condition {
    /// The word that it begins with.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::Net(_) => "net",
            Self::Port(_) => "port",
            Self::Proto(_) => "proto",
            Self::Vip(_) => "vip",
            Self::Listener(_) => "listener",
            Self::Target(_) => "target",
            Self::Dropped => "dropped",
        }
    }
}

impl Filter {
    /// A filter of conditions that go together.
    pub(super) const fn new(conditions: Vec<Condition>) -> Self {
        Self { conditions }
    }

    /// The conditions.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// What the kernel compares: all of it but the target. `listeners` are those that there are.
    ///
    /// # Errors
    /// When there is no listener of that name.
    pub fn pattern(&self, listeners: &[&Listener]) -> Result<Pattern, UnknownListener> {
        let mut pattern = Pattern::default();
        let [mut ends, mut ports] = [0, 0];
        for condition in &self.conditions {
            match condition {
                Condition::Host(address) => end(&mut pattern, &mut ends, (*address).into()),
                Condition::Net(net) => end(&mut pattern, &mut ends, *net),
                Condition::Port(range) => {
                    pattern.ports[ports] = port_range(*range);
                    ports += 1;
                }
                Condition::Proto(number) => pattern.protocol = u32::from(*number),
                Condition::Vip(address) => pattern.destination = network((*address).into()),
                Condition::Listener(name) => {
                    let named = listeners.iter().find(|listener| listener.name == *name);
                    let listener = named.ok_or_else(|| UnknownListener::of(name, listeners))?;
                    pattern.destination = network(listener.address.into());
                    pattern.destination_ports = port_range(listener.ports);
                    pattern.protocol = u32::from(listener.protocol.number());
                }
                Condition::Target(_) => {}
                Condition::Dropped => pattern.dropped = 1,
            }
        }
        Ok(pattern)
    }

    /// The target that packets must go to, which only the agent can tell.
    pub fn target(&self) -> Option<FilteredTarget> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Target(target) => Some(*target),
            _ => None,
        })
    }
}

fn end(pattern: &mut Pattern, ends: &mut usize, net: IpNet) {
    pattern.ends[*ends] = network(net);
    *ends += 1;
}

fn network(net: IpNet) -> Network {
    Network::new(net.addr().into(), net.prefix_len())
}

const fn port_range(ports: Ports) -> PortRange {
    PortRange { first: ports.first(), last: ports.last() }
}

impl FilteredTarget {
    /// Whether it names the target of that address and port.
    pub fn is(self, address: IpAddr, port: u16) -> bool {
        self.address == address && self.port.is_none_or(|named| named == port)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, condition) in self.conditions.iter().enumerate() {
            write!(f, "{}{condition}", if number > 0 { " and " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Host(address) | Self::Vip(address) => write!(f, " {address}"),
            Self::Net(net) => write!(f, " {net}"),
            Self::Port(ports) => write!(f, " {ports}"),
            Self::Proto(number) => match PROTOCOLS.iter().find(|(_, known)| known == number) {
                Some((name, _)) => write!(f, " {name}"),
                None => write!(f, " {number}"),
            },
            Self::Listener(name) => write!(f, " {name}"),
            Self::Target(FilteredTarget { address, port: None }) => write!(f, " {address}"),
            Self::Target(FilteredTarget { address, port: Some(port) }) => {
                write!(f, " {}", SocketAddr::new(*address, *port))
            }
            Self::Dropped => Ok(()),
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        super::parse::filter(text)
    }
}
