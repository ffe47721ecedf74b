//! Addresses that may stand in a configuration.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::reader::Complaint;

/// An address that a host can have and others can send to.
pub fn unicast(text: &str) -> Result<IpAddr, Complaint> {
    let address = text.parse().map_err(|_| no_address(text))?;
    check_unicast(address)?;
    Ok(address)
}

fn no_address(text: &str) -> Complaint {
    let complaint = Complaint::new(format!("is no address: {text:?}"));
    if let Ok(socket) = text.parse::<SocketAddr>() {
        complaint.help(format!("write \"{}\", and the port as `port = {}`", socket.ip(), socket.port()))
    } else if let Ok(net) = text.parse::<IpNet>() {
        complaint.help(format!("one address, not a prefix: \"{}\"", net.addr()))
    } else if is_host_name(text) {
        complaint.help("names are not looked up: write the address itself")
    } else {
        complaint.help("write it like \"192.0.2.1\" or \"2001:db8::1\"")
    }
}

/// Whether `text` looks like a name, with or without a port.
fn is_host_name(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_alphabetic()) && text.matches(':').count() < 2
}

/// Refuses what no host can have or others cannot send to.
pub fn check_unicast(address: IpAddr) -> Result<(), Complaint> {
    let refuse = |what: &str| Err(Complaint::new(format!("is {what}: {address}")));
    match address {
        _ if address.is_unspecified() => refuse("the unspecified address"),
        _ if address.is_loopback() => refuse("a loopback address"),
        _ if address.is_multicast() => refuse("a multicast address"),
        IpAddr::V4(v4) if v4.is_broadcast() => refuse("the broadcast address"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => refuse("an address of \"this network\", 0.0.0.0/8"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => refuse("a link-local address"),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(Complaint::new(format!("is an IPv4-mapped address: {v6}")).help(format!("write \"{v4}\""))),
            None => Ok(()),
        },
        IpAddr::V4(_) => Ok(()),
    }
}

/// A target of the short form: `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`.
pub fn target(text: &str) -> Result<(IpAddr, Option<u16>), Complaint> {
    let (address, port) = match (text.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
        (Ok(address), _) => (address, None),
        (_, Ok(socket)) if socket.port() == 0 => {
            return Err(Complaint::new("has port 0: it must be from 1 to 65535"));
        }
        (_, Ok(socket)) => (socket.ip(), Some(socket.port())),
        _ if is_host_name(text) => return Err(no_address(text)),
        _ => {
            let help = "write it like \"192.0.2.1\", \"192.0.2.1:80\" or \"[2001:db8::1]:80\"";
            return Err(Complaint::new(format!("is no target: {text:?}")).help(help));
        }
    };
    check_unicast(address)?;
    Ok((address, port))
}

/// A network, or an address that is one by itself.
pub fn network(text: &str) -> Result<IpNet, Complaint> {
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (_, Ok(address)) => address.into(),
        _ => {
            let complaint = Complaint::new(format!("is no network: {text:?}"));
            return Err(complaint.help("write it like \"192.0.2.0/24\", \"2001:db8::/32\" or \"192.0.2.1\""));
        }
    };
    if network.trunc() != network {
        let complaint = Complaint::new(format!("is a network with bits behind its prefix: {text}"));
        return Err(complaint.help(format!("write \"{}\"", network.trunc())));
    }
    match network.addr() {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            Err(Complaint::new(format!("is an IPv4-mapped network: {text}")).help("write it as IPv4"))
        }
        _ => Ok(network),
    }
}

/// An IP family, as the outer sources know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An outer source: an address, or a prefix within which it varies by flow.
pub fn outer_source(text: &str, family: Family) -> Result<IpNet, Complaint> {
    let net = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(net), _) => net,
        (_, Ok(address)) => address.into(),
        _ => {
            let example = match family {
                Family::V4 => "write it like \"192.0.2.10\" or \"192.0.2.0/28\"",
                Family::V6 => "write it like \"2001:db8::10\" or \"2001:db8::/96\"",
            };
            return Err(Complaint::new(format!("is no address or prefix: {text:?}")).help(example));
        }
    };
    let (shortest, longest) = match (family, net) {
        (Family::V4, IpNet::V4(_)) => (8, 32),
        (Family::V6, IpNet::V6(_)) => (64, 128),
        (Family::V4, IpNet::V6(_)) => {
            return Err(Complaint::new(format!("is an IPv6 address: {text}")).help("write it as `source_v6`"));
        }
        (Family::V6, IpNet::V4(_)) => {
            return Err(Complaint::new(format!("is an IPv4 address: {text}")).help("write it as `source_v4`"));
        }
    };
    check_unicast(net.addr())?;
    if net.prefix_len() < shortest {
        return Err(Complaint::new(format!(
            "has a prefix length of {}: it must be from {shortest} to {longest}",
            net.prefix_len()
        )));
    }
    if net.addr() != net.network() {
        let help = format!("for that address write \"{}\", for the whole prefix \"{}\"", net.addr(), net.trunc());
        return Err(Complaint::new(format!("is an address with a prefix length: {text}")).help(help));
    }
    Ok(net)
}
